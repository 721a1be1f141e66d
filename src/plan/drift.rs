//! The part of a plan that is drift: what was changed outside ivs-apply, and how much attention it needs.

use super::step::{Cause, Decision, Note, Plan, Step};
use crate::kinds::{Arn, Audience};
use std::collections::BTreeMap;

/// How much attention a resource with drift needs; the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attention {
    /// It was changed outside ivs-apply, and is live.
    Live,
    /// It was changed outside ivs-apply.
    Changed,
    /// It was deleted outside ivs-apply.
    Gone,
    /// It is declared and missing: it was deleted outside ivs-apply, or never applied.
    Missing,
    /// It runs, and some of its destinations have failed.
    Degraded,
    /// Its tags were changed outside ivs-apply, so that its object is not known.
    Unclear,
    /// AWS failed to create it.
    Failed,
}

/// What differs and is no drift.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NotDrift {
    /// Its manifest changed, or it exists and is to be adopted.
    pub pending: Vec<Step>,
    /// It is declared and missing.
    pub missing: Vec<Step>,
}

impl Cause {
    /// Whether something outside ivs-apply, or AWS, made the resource differ from what was applied.
    pub(super) fn is_drift(&self) -> bool {
        matches!(
            self,
            Self::Drift | Self::Gone | Self::Unclear | Self::Failed { .. } | Self::Degraded(_)
        )
    }
}

impl Attention {
    /// A word that stays the same.
    pub fn code(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Changed => "changed",
            Self::Gone => "deleted",
            Self::Missing => "missing",
            Self::Degraded => "degraded",
            Self::Unclear => "unclear",
            Self::Failed => "failed",
        }
    }
}

impl Step {
    /// Whether one of its causes is drift.
    pub fn is_drift(&self) -> bool {
        self.because.iter().any(Cause::is_drift)
    }

    /// How much attention the drift of this step needs.
    pub fn attention(&self) -> Attention {
        if self.because.contains(&Cause::Unclear) {
            Attention::Unclear
        } else if self.because.contains(&Cause::Gone) {
            Attention::Gone
        } else if self.because.contains(&Cause::Missing) {
            Attention::Missing
        } else if !self.because.contains(&Cause::Drift) {
            let degraded = self.because.iter().any(|it| matches!(it, Cause::Degraded(_)));
            if degraded { Attention::Degraded } else { Attention::Failed }
        } else if self.impact.is_some() {
            Attention::Live
        } else {
            Attention::Changed
        }
    }
}

impl Plan {
    /// How many steps repair drift.
    pub fn drifted(&self) -> usize {
        self.steps.iter().filter(|it| it.is_drift()).count()
    }

    /// Leaves only the steps with drift, live resources first and those that AWS failed to create last. Returns
    /// the steps that are pending, and those of missing resources that are no drift: resources that end by
    /// themselves, and, unless `missing_is_drift`, those that may never have been applied. A change outside
    /// ivs-apply is drift also where its repair has to wait for an audience.
    pub fn keep_drift(
        &mut self,
        audience: &BTreeMap<Arn, Audience>,
        missing_is_drift: bool,
    ) -> NotDrift {
        let steps = std::mem::take(&mut self.steps);
        let mut not_drift = NotDrift::default();
        for step in steps.into_iter().filter(|it| it.spec.is_some()) {
            let has = |cause: fn(&Cause) -> bool| step.because.iter().any(cause);
            // A dormant resource is not to exist now.
            let lasting = step.spec.as_ref().is_none_or(|it| !it.comes_and_goes())
                && !matches!(step.decision, Decision::Dormant(_));
            let missing = missing_is_drift && lasting && has(|it| *it == Cause::Missing);
            if step.is_drift() || missing {
                self.steps.push(step);
            } else if has(|it| matches!(it, Cause::Pending | Cause::Adopt | Cause::Rename { .. })) {
                not_drift.pending.push(step);
            } else if has(|it| *it == Cause::Missing)
                && !matches!(step.decision, Decision::Dormant(_))
            {
                not_drift.missing.push(step);
            }
        }
        for step in &mut self.steps {
            // A reader needs to know the audience, whether or not the repair would cut it off.
            step.impact = step.arn.as_ref().and_then(|it| audience.get(it)).cloned();
        }
        self.steps.sort_by_key(|it| (it.attention(), it.address.clone()));
        self.orphans.clear();
        self.notes.retain(|it| matches!(it, Note::Selected(_) | Note::UnknownEnumValue { .. }));
        not_drift
    }
}
