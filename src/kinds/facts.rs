//! What is fixed about a kind, as a table that each kind file fills in for itself. A caller that treats kinds
//! differently asks these facts, never which kind it has.

use super::{Kind, Operation};
use crate::aws::Service;

/// What is fixed about a kind.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// What it calls, and on what; the tag operations aside.
    pub operations: &'static [Operation],
    /// Which of the two services has it, for the tag calls.
    pub service: Service,
    /// The resource type inside its ARNs; `None` for a relation between objects, which has none and carries
    /// no tags: its [`Arn`](super::Arn) is made up, and never shown or sent.
    pub arn_type: Option<&'static str>,
    /// Which fields an update can change.
    pub mutable: Mutable,
    /// Fields that an update changes without any effect on whoever is live.
    pub unobtrusive: &'static [&'static str],
    /// Fields that AWS empties when the audience is sent away.
    pub emptied: &'static [&'static str],
    /// What a replacement does first.
    pub replace: Replace,
    /// Fields of the manifest that AWS knows nothing of: never compared with an answer.
    pub local: &'static [&'static str],
    /// The state word that says a new object can be used, and the one that says it failed.
    pub ready_state: Option<(&'static str, &'static str)>,
    /// What is probably wrong where AWS fails to make one: no answer tells.
    pub fails_by: Option<&'static str>,
    /// Kinds that refer to it and have no list filter for that: who uses it is told by reading all of them.
    pub users_unfiltered: &'static [Kind],
    /// State words under which a listed object no longer counts.
    pub ended: &'static [&'static str],
    /// State words of an object that is on its way out.
    pub ending: &'static [&'static str],
    /// AWS's default quota of objects per account and region (`docs/service-reference.md` §3).
    pub quota: Option<u32>,
    /// What a replacement changes for people outside, for the plan.
    pub loss: Option<&'static str>,
    /// Why one cannot run at the moment, for the plan, where it runs only while somebody publishes.
    pub no_publisher: Option<&'static str>,
    /// What a deletion loses for good, and what it leaves, for the plan.
    pub deletion: Option<&'static str>,
    /// The kind that has it: there is no listing of an account, only one for each of those.
    pub listed_under: Option<Kind>,
    /// The kind that makes it by itself: an object that is there already is taken over instead of made.
    pub created_by: Option<Kind>,
}

impl Facts {
    /// A kind without peculiarities: every field can be changed, it is usable at once, it lasts, it is made
    /// on its own, and nobody published a quota. Each kind says where it differs.
    pub const fn plain(service: Service, arn_type: &'static str) -> Self {
        Self {
            operations: &[],
            service,
            arn_type: Some(arn_type),
            mutable: Mutable::All,
            unobtrusive: &[],
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
        }
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
