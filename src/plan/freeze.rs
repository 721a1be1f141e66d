//! Freezes of the stack: which one counts for a plan, and the steps that are deferred because of it.
//!
//! The moment is that of the reading, by the service's clock.

use super::inputs::Inputs;
use super::reason::Reason;
use super::step::{Decision, FreezeEffect, Note, Step};
use crate::kinds::{Freeze, OnFreeze};
use jiff::SignedDuration;

/// A freeze that begins within this time is told of.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// The freeze that is active, or begins within a day, with what it means for the run.
pub(super) fn note(inputs: &Inputs<'_>) -> Option<Note> {
    let (stack, now) = (inputs.stack, inputs.observed.as_of?);
    let ignored = inputs.policy.ignores_freezes();
    let ignored = ignored.map(|it| FreezeEffect::Ignored { because: it.to_owned() });
    let (freeze, effect) = if let Some(active) = stack.freeze_at(now) {
        let effect = match stack.on_freeze {
            OnFreeze::Refuse => FreezeEffect::Refuses,
            OnFreeze::Defer => FreezeEffect::Defers,
        };
        (active, effect)
    } else {
        let next = stack.next_freeze(now);
        (next.filter(|it| it.from.duration_since(now) <= AHEAD)?, FreezeEffect::Ahead)
    };
    Some(Note::Freeze { freeze: freeze.clone(), effect: ignored.unwrap_or(effect) })
}

/// Defers each step that would be carried out, where the freeze says so.
pub(super) fn hold(note: Option<&Note>, steps: &mut [Step]) {
    let Some(Note::Freeze { freeze, effect: FreezeEffect::Defers }) = note else { return };
    for step in steps.iter_mut().filter(|it| it.decision.is_do()) {
        step.decision = Decision::Deferred(Reason::frozen(freeze));
    }
}

impl Reason {
    /// A freeze, as the reason of a step that waits for its end.
    pub(crate) fn frozen(freeze: &Freeze) -> Self {
        Self::Frozen { until: freeze.to, why: freeze.reason.clone() }
    }
}
