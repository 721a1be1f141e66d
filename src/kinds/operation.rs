//! What a kind calls at AWS, on what, and how often it may: the table that permissions are generated from and calls are
//! paced by.
//!
//! Each kind lists its operations in [`Facts`](super::Facts); a test compares the lists with what the code
//! calls, both ways. Decides nothing about who may do what; that is `plan::permission`.

use super::Kind;
use crate::aws::{PublishedRates, trail};
use std::sync::LazyLock;

/// Calls a second that AWS allows for most operations.
const MOST_OPERATIONS: u32 = 5;

/// Calls a second of an operation whose rate AWS does not publish: the lowest rate that it publishes.
const UNPUBLISHED: u32 = 3;

/// Calls a second that AWS allows for each operation of [`TAGS`].
const TAG_OPERATIONS: u32 = 10;

/// The rate of every operation of the kinds, of tags (`docs/service-reference.md` §3) and of CloudTrail.
pub static PUBLISHED_RATES: LazyLock<PublishedRates> = LazyLock::new(|| {
    let of_kinds = Kind::ALL.iter().flat_map(|it| it.facts().operations);
    let of_kinds = of_kinds.map(|it| (it.name, it.rate));
    let tags = TAGS.map(|it| (it, TAG_OPERATIONS));
    of_kinds.chain(tags).chain([(trail::LOOK_UP, trail::LOOK_UPS_A_SECOND)]).collect()
});

/// One operation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name, `CreateChannel`: the IAM action is `ivs:CreateChannel`.
    pub name: &'static str,
    /// What it is called for.
    pub verb: Verb,
    /// What IAM looks at.
    pub on: On,
    /// Calls a second that AWS allows, per account and region.
    pub rate: u32,
}

/// What an operation is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// To read objects.
    Look,
    /// To read one object just before it is changed, in an answer that carries a secret.
    Reveal,
    /// To read many objects at once, in an answer that carries secrets; without this permission they are read one by
    /// one.
    Shortcut,
    /// To create an object; its tags are in the request.
    Create,
    /// To change an object or its audience.
    Change,
    /// To delete an object.
    Delete,
}

/// The resources that IAM looks at for an operation, as the service authorization reference has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The operation permits no restriction to single resources: `*`.
    Anything,
    /// Objects of the kind itself.
    Own,
    /// Those, and objects of a kind that AWS creates and deletes with them, without ownership tags.
    OwnAnd(Kind),
    /// Objects of other kinds, which the spec refers to.
    Others(&'static [Kind]),
}

impl Operation {
    const fn new(name: &'static str, verb: Verb, on: On) -> Self {
        Self { name, verb, on, rate: MOST_OPERATIONS }
    }

    /// A listing.
    pub const fn list(name: &'static str) -> Self {
        Self::new(name, Verb::Look, On::Anything)
    }

    /// A read of single objects.
    pub const fn read(name: &'static str) -> Self {
        Self::new(name, Verb::Look, On::Own)
    }

    /// A read of an object with a secret in the answer.
    pub const fn reveal(name: &'static str) -> Self {
        Self::new(name, Verb::Reveal, On::Own)
    }

    /// A read of many objects with secrets in the answer; the program can do without it.
    pub const fn shortcut(name: &'static str) -> Self {
        Self::new(name, Verb::Shortcut, On::Own)
    }

    /// One that makes an object.
    pub const fn create(name: &'static str) -> Self {
        Self::new(name, Verb::Create, On::Own)
    }

    /// One that changes an object.
    pub const fn change(name: &'static str) -> Self {
        Self::new(name, Verb::Change, On::Own)
    }

    /// One that deletes an object.
    pub const fn delete(name: &'static str) -> Self {
        Self::new(name, Verb::Delete, On::Own)
    }

    /// The same on something else.
    #[must_use]
    pub const fn on(self, on: On) -> Self {
        Self { on, ..self }
    }

    /// The same at another rate than most operations have, in calls a second.
    #[must_use]
    pub const fn rate(self, rate: u32) -> Self {
        Self { rate, ..self }
    }

    /// The same at the rate that is assumed where AWS publishes none.
    #[must_use]
    pub const fn unpublished_rate(self) -> Self {
        self.rate(UNPUBLISHED)
    }
}

/// The tag operations, which every kind with an ARN has: reading, writing, removing.
pub const TAGS: [&str; 3] = ["ListTagsForResource", "TagResource", "UntagResource"];

/// What AWS does at another service with the caller's permissions, and how its statement is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elsewhere {
    /// The `Sid` of its statement, which says what it is for.
    pub sid: &'static str,
    /// IAM actions, with their service.
    pub actions: &'static [&'static str],
}

/// Letting IVS write to a bucket, and no longer: it changes the bucket's policy when a configuration that
/// records to it is created, and when it is deleted.
pub const USE_BUCKET: Elsewhere = Elsewhere {
    sid: "LetIvsWriteToBuckets",
    actions: &[
        "s3:DeleteBucketPolicy",
        "s3:GetBucketLocation",
        "s3:GetBucketPolicy",
        "s3:ListBucket",
        "s3:PutBucketPolicy",
    ],
};

/// Creating the service-linked role with which IVS records.
pub const CREATE_ROLE: Elsewhere = Elsewhere {
    sid: "CreateRecordingServiceLinkedRole",
    actions: &["iam:AttachRolePolicy", "iam:CreateServiceLinkedRole", "iam:PutRolePolicy"],
};

/// The role of [`CREATE_ROLE`]; `{account}` stands for the account.
pub const RECORDING_ROLE: &str = "arn:aws:iam::{account}:role/aws-service-role/ivs.amazonaws.com/AWSServiceRoleForIVSRecordToS3*";

/// What a configuration that records to a bucket needs elsewhere, each with the resource it is needed on.
pub fn recording_to(bucket: &str) -> Vec<(Elsewhere, String)> {
    vec![(USE_BUCKET, format!("arn:aws:s3:::{bucket}")), (CREATE_ROLE, RECORDING_ROLE.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_call_the_same_operation_give_it_the_same_rate() {
        for operation in Kind::ALL.iter().flat_map(|it| it.facts().operations) {
            let rate = PUBLISHED_RATES.calls_per_second(operation.name);
            assert!((rate - f64::from(operation.rate)).abs() < 1e-9, "{operation:?}: {rate}");
        }
    }
}
