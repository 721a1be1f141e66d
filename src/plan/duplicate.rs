//! Several objects with one identity (`docs/reliability.md` §2): which may be deleted, when, and what the user must be told.
//!
//! The one that counts is the least by `Observed::standing` and is never deleted here; this judges the others. The engine
//! reads them again before it deletes one.

use super::policy::{self, Policy};
use super::reason::Reason;
use super::step::{Decision, DuplicateCopy, Note};
use crate::kinds::{Arn, Duplicate, Observed, ObservedState, Owner};
use jiff::{SignedDuration, Timestamp};

/// A younger one may be that of a run which is still at work.
pub(super) const OLD: SignedDuration = SignedDuration::from_mins(15);

/// Why a duplicate is not to be deleted, if so.
pub(super) fn decide(observed: &ObservedState, it: &Duplicate) -> Option<Decision> {
    let winner = || it.winner.clone();
    let Owner::Stack(ownership) = it.observed.owner() else {
        return Some(Decision::Blocked(Reason::IncompleteTags { arn: None }));
    };
    let own = observed.is_own(&it.observed.owner());
    if let Some(blocked) = policy::protected(&it.observed, None).filter(|_| !own) {
        return Some(Decision::Blocked(blocked));
    }
    if let Some(audience) = observed.audience.get(&it.observed.arn) {
        let audience = audience.clone();
        return Some(Decision::Blocked(Reason::DuplicateLive { winner: winner(), audience }));
    }
    // Where several cannot be told apart, the first may be the copy, and this one the original.
    if let Some(reason) = unclear_which(observed, it).or_else(|| not_as_made(it)) {
        return Some(Decision::Blocked(reason));
    }
    if own {
        // The run that created a copy knows that no other run uses it. The object that counts must be ready.
        let counts = observed.owned.get(&it.address);
        return counts
            .is_some_and(|it| !it.is_ready())
            .then(|| Decision::Deferred(Reason::WinnerNotReady { winner: winner() }));
    }
    let (Some(made), Some(now)) = (ownership.made(), observed.as_of) else {
        return Some(Decision::Blocked(Reason::DuplicateOfUnknownAge { winner: winner() }));
    };
    let after = made + OLD;
    (now <= after).then_some(Decision::Deferred(Reason::DuplicateTooYoung { after }))
}

/// Why an object that is not as it was made stays: it may be in use, or its tags may be copies.
pub(super) fn not_as_made(it: &Duplicate) -> Option<Reason> {
    (!it.untouched).then(|| Reason::DuplicateChanged { winner: it.winner.clone() })
}

/// Why it cannot be determined which of several objects an address means: one attempt creates one object, so where
/// two have its id, either the request was delivered twice and the two are equal, or tags were copied.
pub(super) fn unclear(observed: &ObservedState, winner: &Observed) -> Option<Reason> {
    let attempt_id = |observed: &Observed| match observed.owner() {
        Owner::Stack(ownership) => ownership.attempt_id,
        _ => String::new(),
    };
    let mut copies = observed.duplicates.iter().filter(|it| it.winner == winner.arn);
    let copied = copies.find(|it| {
        let one_attempt = attempt_id(&it.observed) == attempt_id(winner);
        // One without an attempt was taken over, or its tags were copied without it.
        attempt_id(winner).is_empty() || (one_attempt && !(it.untouched && it.winner_untouched))
    })?;
    Some(Reason::SameTags { first: winner.arn.clone(), second: copied.observed.arn.clone() })
}

/// [`unclear`] of the one that counts in the place of a duplicate.
pub(super) fn unclear_which(observed: &ObservedState, it: &Duplicate) -> Option<Reason> {
    unclear(observed, observed.owned.get(&it.address)?)
}

/// One note for each address that several objects have.
pub(super) fn notes(observed: &ObservedState, policy: &Policy) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for it in observed.duplicates.iter().filter(|it| policy.is_about(&it.address)) {
        let last = notes.last_mut();
        if let Some(Note::Duplicate { address, copies, .. }) = last
            && *address == it.address
        {
            copies.push(duplicate_copy(observed, &it.observed));
            continue;
        }
        let winner = observed.owned.get(&it.address);
        let copies = winner
            .into_iter()
            .chain([&it.observed])
            .map(|it| duplicate_copy(observed, it))
            .collect();
        let clear = winner.is_none_or(|it| unclear(observed, it).is_none());
        notes.push(Note::Duplicate { address: it.address.clone(), copies, clear });
    }
    notes
}

fn duplicate_copy(observed: &ObservedState, it: &Observed) -> DuplicateCopy {
    let made = match it.owner() {
        Owner::Stack(ownership) => ownership.made(),
        _ => None,
    };
    let name = |arn: &Arn| {
        observed.addresses.address(arn).map_or_else(|| arn.to_string(), ToString::to_string)
    };
    let users = observed.referrers.iter().filter(|(_, to)| *to == it.arn);
    DuplicateCopy {
        arn: it.arn.clone(),
        // To the second.
        made: made.and_then(|it| Timestamp::from_second(it.as_second()).ok()),
        minutes: made.zip(observed.as_of).map(|(made, now)| now.duration_since(made).as_mins()),
        url: it.outputs.get("playbackUrl").cloned(),
        audience: observed.audience.get(&it.arn).cloned(),
        referrers: users.map(|(user, _)| name(user)).collect(),
    }
}
