//! Several objects with one identity (`docs/reliability.md` §2): which may go, when, and what a person must be told.
//!
//! The one that counts is the least by `Live::standing` and never loses; this only judges the others. The engine looks
//! at them again before it deletes one.

use super::policy::{self, Policy};
use super::step::{Decision, Note, Twin};
use crate::kinds::{Arn, Duplicate, Live, LiveState, Owner};
use jiff::{SignedDuration, Timestamp};

/// A younger one may be that of a run which is still at work.
pub(super) const OLD: SignedDuration = SignedDuration::from_mins(15);

/// Why a duplicate is not to be deleted, if so.
pub(super) fn decide(live: &LiveState, it: &Duplicate) -> Option<Decision> {
    let Owner::Stack(marks) = it.live.owner() else {
        return Some(Decision::Blocked("its tags are not whole".to_owned()));
    };
    let own = live.is_own(&it.live.owner());
    if let Some(blocked) = policy::protected(&it.live, None).filter(|_| !own) {
        return Some(blocked);
    }
    if let Some(audience) = live.audience.get(&it.live.arn) {
        let who = policy::live(audience);
        return Some(Decision::Blocked(format!(
            "{} has the same name, and this one is {who}",
            it.winner
        )));
    }
    // The first of several that nobody can tell apart may be the copy, and this one what it was made from.
    if let Some(why) = unclear_which(live, it).or_else(|| not_as_made(it)) {
        return Some(Decision::Blocked(why));
    }
    if own {
        // The run that made a copy knows that no run is at work on it. It must not be the last that is of use.
        let winner = live.owned.get(&it.address);
        return winner
            .is_some_and(|it| !it.is_ready())
            .then(|| Decision::Deferred(format!("waits until {} is ready for use", it.winner)));
    }
    let (Some(made), Some(now)) = (marks.made(), live.as_of) else {
        return Some(Decision::Blocked(format!(
            "{} has the same name, and the age of this one is unknown",
            it.winner
        )));
    };
    let ripe = made + OLD;
    (now <= ripe).then(|| {
        Decision::Deferred(format!(
            "another run may be in progress; it may be deleted after {}",
            text(ripe)
        ))
    })
}

/// Why an object that is not as it was made stays: somebody may use it, or its tags may be copies.
pub(super) fn not_as_made(it: &Duplicate) -> Option<String> {
    (!it.untouched).then(|| {
        format!(
            "{} has the same name, and this one is not as it was made: delete it by hand, or take its \
             `ivs-apply:` tags off",
            it.winner
        )
    })
}

/// Why nobody can say which of several objects a name means: one attempt makes one object, so where two carry
/// its name, either the request was delivered twice and the two are alike, or somebody copied tags.
pub(super) fn unclear(live: &LiveState, winner: &Live) -> Option<String> {
    let op = |live: &Live| match live.owner() {
        Owner::Stack(marks) => marks.op,
        _ => String::new(),
    };
    let mut twins = live.duplicates.iter().filter(|it| it.winner == winner.arn);
    let copied = twins.find(|it| {
        let one_attempt = op(&it.live) == op(winner);
        // One without an attempt was taken over, or its tags were copied without it.
        op(winner).is_empty() || (one_attempt && !(it.untouched && it.winner_untouched))
    })?;
    Some(format!(
        "{} and {} carry the same tags: take the `ivs-apply:` tags off the one that is not it",
        winner.arn, copied.live.arn
    ))
}

/// [`unclear`] of the one that counts in the place of a duplicate.
pub(super) fn unclear_which(live: &LiveState, it: &Duplicate) -> Option<String> {
    unclear(live, live.owned.get(&it.address)?)
}

/// One note for each address that several objects have.
pub(super) fn notes(live: &LiveState, policy: &Policy) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for it in live.duplicates.iter().filter(|it| policy.is_about(&it.address)) {
        let last = notes.last_mut();
        if let Some(Note::Duplicate { address, copies, .. }) = last
            && *address == it.address
        {
            copies.push(twin(live, &it.live));
            continue;
        }
        let winner = live.owned.get(&it.address);
        let copies = winner.into_iter().chain([&it.live]).map(|it| twin(live, it)).collect();
        let clear = winner.is_none_or(|it| unclear(live, it).is_none());
        notes.push(Note::Duplicate { address: it.address.clone(), copies, clear });
    }
    notes
}

fn twin(live: &LiveState, it: &Live) -> Twin {
    let made = match it.owner() {
        Owner::Stack(marks) => marks.made(),
        _ => None,
    };
    let name =
        |arn: &Arn| live.book.address(arn).map_or_else(|| arn.to_string(), ToString::to_string);
    let users = live.referrers.iter().filter(|(_, to)| *to == it.arn);
    Twin {
        arn: it.arn.clone(),
        made: made.map(text),
        minutes: made.zip(live.as_of).map(|(made, now)| now.duration_since(made).as_mins()),
        url: it.outputs.get("playbackUrl").cloned(),
        audience: live.audience.get(&it.arn).cloned(),
        referrers: users.map(|(user, _)| name(user)).collect(),
    }
}

/// A moment, to the second.
pub(super) fn text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
