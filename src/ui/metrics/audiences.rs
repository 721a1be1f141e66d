//! The audiences that a plan concerns, each counted once.

use crate::kinds::{Audience, ObservedState};
use crate::plan::{Decision, Plan, Reason};
use std::collections::{BTreeMap, BTreeSet};

/// What an audience watches or takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Watched {
    /// A stream of a channel.
    Stream,
    /// A session of a stage.
    Session,
    /// A running composition.
    Composition,
    /// An ingest configuration with which a participant publishes.
    Publisher,
}

impl Watched {
    pub(super) const ALL: [(Self, &'static str); 4] = [
        (Self::Stream, "stream"),
        (Self::Session, "session"),
        (Self::Composition, "composition"),
        (Self::Publisher, "publisher"),
    ];
}

/// Audiences, each of them once: by what it watches and the id of that.
#[derive(Debug, Default)]
pub(super) struct Reached {
    pub(super) viewers: i64,
    audiences: BTreeSet<(Watched, String)>,
}

impl Reached {
    /// Adds the audience of a step about the object `arn`.
    fn add(&mut self, audience: &Audience, arn: &str, observed: &ObservedState) {
        let Audience { viewers, session, composition, .. } = audience;
        let (watched, id) = match (session, composition) {
            (Some(session), _) => {
                let is_of_stage = observed.all().any(|it| it.session.as_ref() == Some(session));
                (if is_of_stage { Watched::Session } else { Watched::Stream }, session.as_str())
            }
            (None, Some(composition)) => (Watched::Composition, composition.as_str()),
            (None, None) if audience.publishing => (Watched::Publisher, arn),
            (None, None) => (Watched::Stream, arn),
        };
        if !self.audiences.insert((watched, id.to_owned())) {
            return;
        }
        if watched != Watched::Composition {
            self.viewers = self.viewers.saturating_add(viewers.unwrap_or_default());
            return;
        }
        // The viewers of a composition watch its channels, and those may have steps of their own.
        for (arn, channel) in &observed.audience {
            if channel.composition == *composition && channel.session.is_some() {
                self.add(channel, arn.as_str(), observed);
            }
        }
    }

    pub(super) fn count(&self, of: Watched) -> usize {
        self.audiences.iter().filter(|(it, _)| *it == of).count()
    }
}

/// The audiences of the steps of a plan, by what the plan does to them.
pub(super) fn of(plan: &Plan, observed: &ObservedState) -> BTreeMap<&'static str, Reached> {
    let mut audiences: BTreeMap<&'static str, Reached> =
        ["at_stake", "cut", "deferred"].map(|it| (it, Reached::default())).into();
    for step in &plan.steps {
        let reason = step.decision.reason();
        let audience = reason.and_then(audience_of).or(step.impact.as_ref());
        let Some(audience) = audience else { continue };
        let effect = match &step.decision {
            Decision::Interrupt => "cut",
            Decision::Deferred(_) => "deferred",
            _ => "at_stake",
        };
        let name = || step.address.to_string();
        let object = step.arn.as_ref().map_or_else(name, |it| it.as_str().to_owned());
        for effect in BTreeSet::from(["at_stake", effect]) {
            audiences.entry(effect).or_default().add(audience, &object, observed);
        }
    }
    audiences
}

/// The audience in the reason of a step.
fn audience_of(reason: &Reason) -> Option<&Audience> {
    match reason {
        Reason::LiveAudience { audience, .. }
        | Reason::LiveThroughComposition { audience, .. }
        | Reason::TargetLive { audience, .. } => Some(audience),
        _ => None,
    }
}
