//! The summary of a plan: counts by action, and one status.

use super::action::Action;
use super::step::{Decision, Note, Plan, Step};
use schemars::JsonSchema;
use serde::Serialize;

/// Counts for the summary line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "each is the count of what it is called")]
pub struct Summary {
    pub create: usize,
    pub update: usize,
    pub replace: usize,
    pub delete: usize,
    pub adopt: usize,
    pub rename: usize,
    pub retag: usize,
    pub release: usize,
    pub unchanged: usize,
    pub deferred: usize,
    pub dormant: usize,
    pub blocked: usize,
    pub orphans: usize,
}

/// The status of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing to do, now or later.
    Clean,
    /// Something to do, now or later.
    Changes,
    /// Something must not be done, so nothing is.
    Blocked,
    /// The run broke off.
    Failed,
}

impl Status {
    /// The word of the JSON form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Changes => "changes",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }
}

impl Summary {
    /// Each count with its name in the JSON form.
    pub fn counts(&self) -> [(&'static str, usize); 13] {
        [
            ("create", self.create),
            ("update", self.update),
            ("replace", self.replace),
            ("delete", self.delete),
            ("adopt", self.adopt),
            ("rename", self.rename),
            ("retag", self.retag),
            ("release", self.release),
            ("unchanged", self.unchanged),
            ("deferred", self.deferred),
            ("dormant", self.dormant),
            ("blocked", self.blocked),
            ("orphans", self.orphans),
        ]
    }
}

impl Plan {
    /// Counts by action and decision. The second half of a replacement is not counted again.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            unchanged: self.unchanged.len(),
            orphans: self.orphans.len(),
            ..Summary::default()
        };
        let halves = self.halves_of_replacements();
        for step in &self.steps {
            if halves.contains(&step.id) {
                continue;
            }
            let count = match (&step.decision, step.action) {
                (Decision::Deferred(_), _) => &mut summary.deferred,
                (Decision::Dormant(_), _) => &mut summary.dormant,
                (Decision::Blocked(_) | Decision::Unmanaged(_), _) => &mut summary.blocked,
                (_, Action::Create) => &mut summary.create,
                (_, Action::Replace) => &mut summary.replace,
                (_, Action::Update) => &mut summary.update,
                (_, Action::Adopt) => &mut summary.adopt,
                (_, Action::Rename) => &mut summary.rename,
                (_, Action::Retag) => &mut summary.retag,
                (_, Action::Release) => &mut summary.release,
                (_, Action::Delete) => &mut summary.delete,
            };
            *count += 1;
        }
        summary
    }

    /// The status of the plan.
    pub fn status(&self) -> Status {
        let blocked =
            |step: &Step| matches!(step.decision, Decision::Blocked(_) | Decision::Unmanaged(_));
        let quota = |note: &Note| matches!(note, Note::Quota { .. });
        if self.steps.iter().any(blocked) || self.notes.iter().any(quota) {
            Status::Blocked
        } else if self.steps.iter().any(|step| !matches!(step.decision, Decision::Dormant(_))) {
            Status::Changes
        } else {
            Status::Clean
        }
    }
}
