//! Sentences for why a step is not carried out, and for who is on air.

use crate::apply::{Left, Unread};
use crate::kinds::{Address, Arn, Audience, Freeze, Pointer};
use crate::plan::{Action, Consent, FreezeEffect, NameFreedBy, Reason, Referrer};
use jiff::Timestamp;

/// Why a step is not carried out, in a sentence without a full stop.
pub fn text(reason: &Reason) -> String {
    match reason {
        Reason::LiveAudience { audience, needs } => live_audience(audience, needs),
        Reason::LiveThroughComposition { audience, composition } => {
            live_through_composition(audience, composition)
        }
        Reason::TargetLive { target, audience } => {
            let (target, live) = (pointer(target), on_air(audience));
            format!("{target} has to be offline before this can start, and is {live}")
        }
        Reason::ForeignPublisher { source } => format!(
            "a participant who is recorded comes from {source}, and this stack may not disconnect it; the change is \
             made once the recording has ended"
        ),
        Reason::OwnedByAnother { owner } => format!("it belongs to {owner}"),
        Reason::ActsOnForeignObject { field, arn, owner } => {
            format!("`{field}` is {arn}, which belongs to {owner}")
        }
        Reason::AlreadyManaged { arn, address } => {
            format!("{arn} is {address} already; `previousNames` would rename it")
        }
        Reason::AdoptedObjectMissing { arn } => format!(
            "{arn} does not exist and cannot be adopted; remove `lifecycle.adopt` to create a new object"
        ),
        Reason::ImportedByCloudFormation { arn, owner } => format!(
            "{arn} has its tags and belongs to {owner}: release it there, or remove the manifest"
        ),
        Reason::IncompleteTags { arn: Some(arn) } => format!(
            "{arn} has only some of the ownership tags and may be this resource: complete them, or remove them"
        ),
        Reason::IncompleteTags { arn: None } => "its ownership tags are incomplete".to_owned(),
        Reason::SameTags { first, second } => format!(
            "{first} and {second} have the same tags: remove the `ivs-apply:` tags from the one that is not this resource"
        ),
        Reason::AmbiguousFormerNames { first, second } => format!(
            "{first} and {second} both exist, and `previousNames` lists both: remove the name of the one that \
             is not renamed"
        ),
        Reason::NameTaken { address, holder, freed_by } => name_taken(address, holder, freed_by),
        Reason::AdoptionReplaces => {
            "adopting it would replace it; change the manifest to match the existing object".to_owned()
        }
        Reason::NoPublisher { kind, ends } => {
            let why = kind.facts().no_publisher.unwrap_or("no participant publishes");
            if *ends { format!("{why}, so it ends by itself") } else { why.to_owned() }
        }
        Reason::PublicKeyRequired => "AWS never shows a key: give `publicKeyMaterial`".to_owned(),
        Reason::PredecessorEnding => "the previous one is still ending".to_owned(),
        Reason::FailedRecently { likely, after } => format!(
            "{}; a run after {} creates it again, and an earlier run only if its manifest changes",
            likely.as_deref().unwrap_or("AWS gives no reason"),
            moment(*after)
        ),
        Reason::Protected { declared } => protected(*declared),
        Reason::ProtectionLifted { then } => {
            let then = if *then == Action::Delete { "deletes" } else { "replaces" };
            format!("it is protected: this run removes the protection, and the next run {then} it")
        }
        Reason::HoldsProtectedKey => {
            "its stream key is protected and would be deleted with it: remove `lifecycle.protect` from the \
             manifest of the stream key and apply that first"
                .to_owned()
        }
        Reason::HasDuplicate => "it waits until its duplicate is deleted".to_owned(),
        Reason::SuccessorFailed { arn, state } => {
            format!("{arn}, which replaces it, is in state {state}")
        }
        Reason::StillReferredTo { by } => still_referred_to(by),
        Reason::DuplicateLive { winner, audience } => {
            format!("{winner} has the same name, and this one is {}", on_air(audience))
        }
        Reason::DuplicateChanged { winner } => format!(
            "{winner} has the same name, and this one was changed since it was created: delete it by hand, or remove \
             its `ivs-apply:` tags"
        ),
        Reason::DuplicateOfUnknownAge { winner } => {
            format!("{winner} has the same name, and the age of this one is unknown")
        }
        Reason::DuplicateReferredTo { by } => format!("{by} refers to it"),
        Reason::DuplicateTooYoung { after } => {
            format!("another run may be in progress; it may be deleted after {}", moment(*after))
        }
        Reason::WinnerNotReady { winner } => format!("waits until {winner} is ready for use"),
        Reason::Frozen { until, why } => {
            format!("the stack is frozen until {}: {why}", moment(*until))
        }
        Reason::WaitsFor { address, action } => {
            let whom =
                address.as_ref().map_or_else(|| "another object of this name".to_owned(), ToString::to_string);
            format!("waits for {whom} ({})", action.as_str())
        }
    }
}

fn live_audience(audience: &Audience, needs: &Consent) -> String {
    let who = on_air(audience);
    match needs {
        Consent::Wait => who,
        Consent::Flag(address) => format!("{who}; `--allow-live {address}` would do it now"),
        Consent::Manifest => {
            format!("{who}; `--allow-live` needs `onLive: interrupt` in its manifest as well")
        }
        Consent::Never(address) => format!(
            "{who}, and its manifest says `onLive: fail`; wait until it is no longer live, set \
             `onLive: defer`, or set `onLive: interrupt` and give `--allow-live {address}`"
        ),
    }
}

fn live_through_composition(audience: &Audience, composition: &Pointer) -> String {
    let who = on_air(audience);
    match composition {
        Pointer::Named(address) => format!(
            "{who}; its stream is that of {address}, which has to be allowed to end as well: \
             `onLive: interrupt` in its manifest, and `--allow-live {address}`"
        ),
        Pointer::Outside(arn) => format!("{who}; its stream is that of {arn}"),
    }
}

fn name_taken(address: &Address, holder: &Arn, freed_by: &NameFreedBy) -> String {
    let taken = format!("{address} is still the name of {holder}");
    let renames =
        format!("or give it another name in the same run with `previousNames: [{}]`", address.name);
    match freed_by {
        NameFreedBy::Prune => format!("{taken}: delete that object with `--prune`, {renames}"),
        NameFreedBy::PruneWithoutSelection => format!(
            "{taken}: delete that object with `--prune` in a run without `--only`, `--exclude` and `-l`, {renames}"
        ),
        NameFreedBy::StepOf(other) => {
            format!("{taken}, and the step of {other} that would rename it is not carried out")
        }
    }
}

fn protected(declared: bool) -> String {
    let first = if declared {
        "remove `lifecycle.protect` from its manifest"
    } else {
        "restore its manifest without `lifecycle.protect`"
    };
    format!("protected: {first} and apply that first")
}

fn still_referred_to(by: &[Referrer]) -> String {
    let mut names: Vec<String> = by.iter().map(referrer).collect();
    names.sort();
    let refer = if names.len() == 1 { "still refers" } else { "still refer" };
    format!("{} {refer} to it", names.join(" and "))
}

fn pointer(it: &Pointer) -> String {
    match it {
        Pointer::Named(address) => address.to_string(),
        Pointer::Outside(arn) => arn.to_string(),
    }
}

fn referrer(it: &Referrer) -> String {
    match it {
        Referrer::Managed(address) => address.to_string(),
        Referrer::Foreign { arn, owner } => format!("{arn}, which belongs to {owner},"),
        Referrer::Undeclared { arn } => format!("{arn}, which no manifest declares,"),
    }
}

/// Why a copy of this run's own making is left.
pub fn left(left: &Left) -> String {
    match left {
        Left::Waits(why) => text(why),
        Left::NotInTime { refused: None } => "it was not deleted in time".to_owned(),
        Left::NotInTime { refused: Some(error) } => {
            format!("it was not deleted in time; the last request failed: {error}")
        }
    }
}

/// Why it is not known whether a run has left duplicates.
pub fn copies_unread(unread: &Unread) -> String {
    format!(
        "objects were created twice at the same time, and duplicates that this run made may be left, since the account \
         could not be read to the end: {unread}; run `ivs-apply plan` to see them"
    )
}

/// A freeze of the stack, and what it means for a run.
pub fn freeze(freeze: &Freeze, effect: &FreezeEffect) -> String {
    let (to, reason) = (moment(freeze.to), &freeze.reason);
    match effect {
        FreezeEffect::Ahead => {
            format!("a freeze begins at {} and ends at {to}: {reason}", moment(freeze.from))
        }
        FreezeEffect::Refuses => format!(
            "the stack is frozen until {to}: {reason}; `apply` and `destroy` refuse to change it, unless \
             `--ignore-freeze REASON` is given"
        ),
        FreezeEffect::Defers => {
            format!("the stack is frozen until {to}: {reason}; each step is deferred until then")
        }
        FreezeEffect::Ignored { because } => {
            format!("the freeze until {to} ({reason}) is ignored: {because}")
        }
    }
}

/// Who would be cut off, in a few words.
pub fn on_air(audience: &Audience) -> String {
    if let Some(viewers) = audience.viewers {
        let s = if viewers == 1 { "" } else { "s" };
        let what = if audience.composition.is_some() { "a composition is running, " } else { "" };
        return format!("live: {what}{} viewer{s}", thousands(viewers));
    }
    if let Some(session) = &audience.session {
        return format!("live: session {session}");
    }
    if audience.composition.is_some() {
        return "live: the composition is running".to_owned();
    }
    if audience.publishing {
        return "live: a participant is publishing with it".to_owned();
    }
    "live".to_owned()
}

/// A moment, to the second.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A number with a comma before each three digits.
pub(super) fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_because_of_an_audience_tells_what_to_do() {
        let address = "Channel/main".parse().expect("an address");
        let audience = Audience::stream(3, None);
        let reason = Reason::LiveAudience { audience, needs: Consent::Never(address) };
        assert_eq!(
            text(&reason),
            "live: 3 viewers, and its manifest says `onLive: fail`; wait until it is no longer live, set \
             `onLive: defer`, or set `onLive: interrupt` and give `--allow-live Channel/main`"
        );
    }

    #[test]
    fn viewers_are_counted_in_thousands() {
        assert_eq!(on_air(&Audience::stream(1_204, None)), "live: 1,204 viewers");
        assert_eq!(on_air(&Audience::stream(1, None)), "live: 1 viewer");
        assert_eq!(on_air(&Audience::stream(-1, None)), "live");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
