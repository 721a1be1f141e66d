//! The summary of a plan: counts by action, and one status.

use super::action::Action;
use super::step::{Decision, Note, Plan, Step};
use schemars::JsonSchema;
use serde::Serialize;

/// Counts for the summary line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// Objects that are made.
    pub create: usize,
    /// Objects whose spec is changed, and their tags where they differ.
    pub update: usize,
    /// Objects that get a successor; the delete of the old one is not counted by itself.
    pub replace: usize,
    /// Objects that are deleted, other than those of a replacement.
    pub delete: usize,
    /// Unowned objects that are taken over.
    pub adopt: usize,
    /// Objects that get another logical name.
    pub rename: usize,
    /// Objects of which tags alone are changed.
    pub retag: usize,
    /// Objects whose ownership tags are taken off.
    pub release: usize,
    /// Resources that are as declared.
    pub unchanged: usize,
    /// Steps that are left for a later run.
    pub deferred: usize,
    /// Resources with nothing to do at the moment, which is no drift.
    pub dormant: usize,
    /// Steps that must not be carried out, and with them nothing of the plan.
    pub blocked: usize,
    /// Resources of the stack that no manifest declares and that stay, since nothing is pruned.
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
