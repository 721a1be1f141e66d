//! How the steps of a plan and the whole run ended, and the counts of it.
//!
//! Never says it in sentences: `ui` does.

use super::changed::Changed;
use super::failure::Failure;
use super::stop::Signal;
use super::unread::Unread;
use crate::aws::CloudError;
use crate::kinds::{Address, Arn};
use crate::plan::{Decision, Plan, Reason, Status, StepId};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// How a step ended.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "status", content = "detail", rename_all = "camelCase")]
pub enum StepStatus {
    /// Done; the ARN of the object that it created or changed.
    Done(Option<Arn>),
    /// AWS refused, or answered something else than was planned.
    Failed(Failure),
    /// A step that it depends on did not succeed.
    Skipped(Address),
    /// The object is no longer what the plan saw; nothing was written.
    Stale(Changed),
    /// The result is unknown: the request may have been carried out.
    Unknown(Failure),
    /// Done, but the listings do not show it yet.
    Unconfirmed(Arn),
    /// An audience went live since the plan was made; a later run carries the step out.
    Deferred(Reason),
    /// The run was stopped before its turn.
    NotStarted,
}

impl StepStatus {
    /// The name in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
            Self::Stale(_) => "stale",
            Self::Unknown(_) => "unknown",
            Self::Unconfirmed(_) => "unconfirmed",
            Self::Deferred(_) => "deferred",
            Self::NotStarted => "notStarted",
        }
    }

    /// AWS's id of the request that failed, where one did.
    pub(super) fn request_id(&self) -> Option<&str> {
        match self {
            Self::Failed(failure) | Self::Unknown(failure) => failure.request_id(),
            _ => None,
        }
    }

    /// How far from done it is, to compare the two parts of a replacement.
    fn severity(&self) -> u8 {
        match self {
            Self::Done(_) => 0,
            Self::Unconfirmed(_) => 1,
            Self::Deferred(_) => 2,
            Self::NotStarted => 3,
            Self::Skipped(_) => 4,
            Self::Stale(_) => 5,
            Self::Unknown(_) => 6,
            Self::Failed(_) => 7,
        }
    }

    /// Records that the listings do not show what the step created.
    pub(super) fn not_listed(&mut self, arn: &Arn) {
        *self = match std::mem::replace(self, Self::NotStarted) {
            Self::Failed(failure) => Self::Failed(Failure::Unlisted { failure: Box::new(failure) }),
            _ => Self::Unconfirmed(arn.clone()),
        }
    }

    /// Whether the listings do not show what the step created: the next run has to wait.
    pub fn is_unlisted(&self) -> bool {
        matches!(self, Self::Unconfirmed(_) | Self::Failed(Failure::Unlisted { .. }))
    }

    /// Whether what depends on the step can go on.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Unconfirmed(_))
    }

    /// Whether the step ended as it should: done, or deferred.
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Deferred(_))
    }
}

/// A duplicate that this run created.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copy {
    /// The address they share.
    pub address: Address,
    /// The object.
    pub arn: Arn,
    /// The object that counts.
    pub of: Arn,
    /// Why it was left; `None` where it was deleted.
    pub left: Option<Left>,
}

/// Why a duplicate was not deleted.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "why", rename_all = "camelCase")]
pub enum Left {
    /// Its delete waits for something.
    Waits(Box<Reason>),
    /// It was not deleted before the time for it was over.
    NotInTime {
        /// The error of the last delete, where AWS refused one.
        #[serde(skip_serializing_if = "Option::is_none")]
        refused: Option<Box<CloudError>>,
    },
}

/// How a run ended: every step that the plan said to do, with its status.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// By number, in the order of the plan.
    #[serde(serialize_with = "with_ids")]
    pub steps: Vec<(StepId, StepStatus)>,
    /// What stopped it, if anything did.
    pub stopped: Option<Signal>,
    /// Whether the account was changed, or may have been.
    pub wrote: bool,
    /// AWS's id of each step's last write, where it made one and that was answered.
    pub requests: BTreeMap<StepId, String>,
    /// Duplicates that this run created.
    pub copies: Vec<Copy>,
    /// Why it is unknown whether more duplicates are left: the account could not be read again.
    pub copies_unread: Option<Unread>,
}

/// Serializes steps as objects with the number of the step in `id`.
fn with_ids<S: Serializer>(
    steps: &[(StepId, StepStatus)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Ended<'a> {
        id: StepId,
        #[serde(flatten)]
        status: &'a StepStatus,
    }
    serializer.collect_seq(steps.iter().map(|(id, status)| Ended { id: *id, status }))
}

/// How the steps of a plan ended, counted as a reader does: a replacement is one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Must not be carried out.
    pub blocked: usize,
    /// Left for a later run, by the plan or by this run.
    pub deferred: usize,
    /// Done.
    pub done: usize,
    /// Nothing to do at the moment.
    pub dormant: usize,
    /// AWS refused, or answered something else than was planned.
    pub failed: usize,
    /// The run was stopped before their turn.
    pub not_started: usize,
    /// A step that they depend on did not succeed.
    pub skipped: usize,
    /// The object is no longer what the plan saw; nothing was written.
    pub stale: usize,
    /// Done, but the listings do not show it yet.
    pub unconfirmed: usize,
    /// The request may have been carried out.
    pub unknown: usize,
    /// Resources that are as declared.
    pub unchanged: usize,
}

impl Counts {
    /// Each count with its name, in alphabetical order; unchanged resources are no steps.
    pub fn steps(&self) -> [(&'static str, usize); 10] {
        [
            ("blocked", self.blocked),
            ("deferred", self.deferred),
            ("done", self.done),
            ("dormant", self.dormant),
            ("failed", self.failed),
            ("not started", self.not_started),
            ("skipped", self.skipped),
            ("stale", self.stale),
            ("unconfirmed", self.unconfirmed),
            ("unknown", self.unknown),
        ]
    }

    /// How many steps were carried out.
    pub fn carried_out(&self) -> usize {
        self.done + self.unconfirmed
    }

    /// How many steps were not.
    pub fn left(&self) -> usize {
        let all: usize = self.steps().iter().map(|(_, count)| count).sum();
        all - self.carried_out()
    }

    fn note(&mut self, status: &StepStatus) {
        *match status {
            StepStatus::Done(_) => &mut self.done,
            StepStatus::Failed(_) => &mut self.failed,
            StepStatus::Skipped(_) => &mut self.skipped,
            StepStatus::Stale(_) => &mut self.stale,
            StepStatus::Unknown(_) => &mut self.unknown,
            StepStatus::Unconfirmed(_) => &mut self.unconfirmed,
            StepStatus::Deferred(_) => &mut self.deferred,
            StepStatus::NotStarted => &mut self.not_started,
        } += 1;
    }
}

impl Outcome {
    /// How the steps of `plan` ended, those included that it decided not to carry out. Of the two parts of a
    /// replacement, the one that is further from done counts.
    pub fn counts(&self, plan: &Plan) -> Counts {
        let mut counts = Counts { unchanged: plan.unchanged.len(), ..Counts::default() };
        let statuses: BTreeMap<StepId, &StepStatus> =
            self.steps.iter().map(|(id, status)| (*id, status)).collect();
        let replacements = plan.replacements();
        let mut parts: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
        for (part, whole) in &replacements {
            parts.entry(*whole).or_default().push(*part);
        }
        for step in plan.steps.iter().filter(|it| !replacements.contains_key(&it.id)) {
            match &step.decision {
                Decision::Do | Decision::Interrupt => {
                    let parts = parts.get(&step.id).into_iter().flatten();
                    let parts = parts.filter_map(|part| statuses.get(part));
                    let all = statuses.get(&step.id).into_iter().chain(parts);
                    if let Some(status) = all.max_by_key(|it| it.severity()) {
                        counts.note(status);
                    }
                }
                Decision::Deferred(_) => counts.deferred += 1,
                Decision::Dormant(_) => counts.dormant += 1,
                Decision::Blocked(_) | Decision::Unmanaged(_) => counts.blocked += 1,
            }
        }
        counts
    }

    /// Steps that are done.
    pub fn done(&self) -> usize {
        self.steps.iter().filter(|(_, status)| status.is_done()).count()
    }

    /// Whether the result of a step is unknown.
    pub fn is_unclear(&self) -> bool {
        self.steps.iter().any(|(_, status)| matches!(status, StepStatus::Unknown(_)))
    }

    /// AWS's request id for a step: that of its last write, else that of the read that failed.
    pub fn request_id<'a>(&'a self, id: StepId, status: &'a StepStatus) -> Option<&'a str> {
        self.requests.get(&id).map(String::as_str).or_else(|| status.request_id())
    }

    /// Whether every step ended as it should, and no duplicate is left.
    pub fn is_well(&self) -> bool {
        self.stopped.is_none()
            && self.steps.iter().all(|(_, status)| status.is_well())
            && self.copies.iter().all(|it| it.left.is_none())
            && self.copies_unread.is_none()
    }

    /// The status of the run that carried `plan` out.
    pub fn status(&self, plan: &Plan) -> Status {
        if self.is_well() { plan.status() } else { Status::Failed }
    }

    /// Records that another object counts in the place of one that this run created.
    pub(super) fn gave_way(&mut self, copy: &Copy) {
        for (_, status) in &mut self.steps {
            match status {
                StepStatus::Done(Some(arn)) | StepStatus::Unconfirmed(arn) if *arn == copy.arn => {
                    *status = StepStatus::Done(Some(copy.of.clone()));
                }
                _ => {}
            }
        }
    }
}
