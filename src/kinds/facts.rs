//! What is fixed about a kind, as a table that each kind file fills in for itself. A caller that treats kinds
//! differently asks these facts, never which kind it has.

use super::operation::Verb;
use super::{Kind, Operation};
use crate::aws::Service;

/// What is fixed about a kind.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The operations that it calls, without the tag operations.
    pub operations: &'static [Operation],
    /// Which of the two services has it, for the tag calls.
    pub service: Service,
    /// The resource type inside its ARNs; `None` for a relation between objects, which has none and carries
    /// no tags: its [`Arn`](super::Arn) is made up, and never shown or sent.
    pub arn_type: Option<&'static str>,
    /// Which fields an update can change.
    pub mutable: Mutable,
    /// Fields that an update changes without any effect on an audience.
    pub unobtrusive: &'static [&'static str],
    /// Whether one listing shows all of its objects that have an audience.
    pub lists_audiences: bool,
    /// Fields that AWS empties when the audience is sent away.
    pub emptied: &'static [&'static str],
    /// What a replacement does first.
    pub replace: Replace,
    /// Fields of the manifest that AWS does not have: never compared with an answer.
    pub local: &'static [&'static str],
    /// The state of a new object that can be used, and the state of one that AWS failed to create.
    pub ready_state: Option<(&'static str, &'static str)>,
    /// The likely cause where AWS fails to create one, since no answer has it.
    pub fails_by: Option<&'static str>,
    /// Kinds that refer to it and have no list filter for that: all their objects are read to find those.
    pub users_unfiltered: &'static [Kind],
    /// States in which a listed object no longer counts.
    pub ended: &'static [&'static str],
    /// States of an object that is being deleted.
    pub ending: &'static [&'static str],
    /// AWS's default quota of objects per account and region (`docs/service-reference.md` §3).
    pub quota: Option<u32>,
    /// What a replacement changes for viewers and encoders, for the plan.
    pub loss: Option<&'static str>,
    /// Why one cannot run at the moment, for the plan, where it runs only while a participant publishes.
    pub no_publisher: Option<&'static str>,
    /// What a deletion loses for good, and what it leaves, for the plan.
    pub deletion: Option<&'static str>,
    /// Its parent kind: there is no listing of an account, only one for each object of that kind.
    pub listed_under: Option<Kind>,
    /// The kind along with which AWS creates it: an object that exists already is adopted instead of created.
    pub created_by: Option<Kind>,
    /// The kind that it refers to and that an encoder publishes to with its secret.
    pub publishes_to: Option<Kind>,
    /// Endpoints that an encoder publishes to with a credential that the application makes: an encoder is configured
    /// with them, although they are no secrets.
    pub open_endpoints: &'static [&'static str],
}

impl Facts {
    /// A kind without peculiarities: every field can be changed, it is usable at once, it does not end by itself, it
    /// is created by a call of its own, and AWS publishes no quota. Each kind says where it differs.
    pub const fn plain(service: Service, arn_type: &'static str) -> Self {
        Self {
            operations: &[],
            service,
            arn_type: Some(arn_type),
            mutable: Mutable::All,
            unobtrusive: &[],
            lists_audiences: false,
            emptied: &[],
            replace: Replace::CreateFirst,
            local: &[],
            ready_state: None,
            fails_by: None,
            users_unfiltered: &[],
            ended: &[],
            ending: &[],
            quota: None,
            loss: None,
            no_publisher: None,
            deletion: None,
            listed_under: None,
            created_by: None,
            publishes_to: None,
            open_endpoints: &[],
        }
    }

    /// The operation that creates its objects. Objects without one begin with a change of another object.
    pub fn create_operation(&self) -> &'static str {
        let first = |verb| self.operations.iter().find(|it| it.verb == verb);
        first(Verb::Create).or_else(|| first(Verb::Change)).map_or("Create", |it| it.name)
    }

    /// The operation that lists its objects. Each kind names it before those that list its users.
    pub fn list_operation(&self) -> &'static str {
        let lists = self.operations.iter().map(|it| it.name).find(|it| it.starts_with("List"));
        lists.unwrap_or("List")
    }
}

/// Which fields an update can change; tags can always be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutable {
    /// Every field.
    All,
    /// None: anything but tags needs a new object.
    TagsOnly,
    /// These fields of the spec, with all that is in them.
    Only(&'static [&'static str]),
}

/// What a replacement does first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Create the new one, repoint referrers, delete the old one.
    CreateFirst,
    /// Delete the old one first: two cannot exist.
    DeleteFirst,
}
