//! The JSON documents of `schemas/output.json`. Whole even when a run fails.

use super::notes::NAME;
use super::reason;
use super::saved::difference;
use super::status::{self, OnAir};
use crate::apply::{Outcome, StepStatus};
use crate::diag::{Place, SourceMap};
use crate::kinds::operation::PUBLISHED_RATES;
use crate::kinds::{Address, Freeze};
use crate::plan::{
    Action, Approval, Difference, FreezeEffect, NotDrift, Note, Plan, Reason, ResourceStatus,
    Selected, Status, Step, StepId,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Version of the documents; a change that could break a reader counts up its first number.
pub const FORMAT_VERSION: &str = "2.0";

/// What every document says of the run.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The command's name.
    pub command: &'a str,
    /// The stack, once known.
    pub stack: Option<&'a str>,
    /// Account of the credentials, once known.
    pub account: Option<&'a str>,
    /// ARN of the user or role that is signed in, once known.
    pub caller: Option<&'a str>,
    /// Region in force, once known.
    pub region: Option<&'a str>,
    /// Endpoint that is not AWS's own.
    pub endpoint: Option<&'a str>,
    /// Calls so far.
    pub calls: BTreeMap<String, u64>,
    /// Diagnostics of the manifests.
    pub diagnostics: Value,
}

/// A document with a plan, and with an outcome once there is one.
pub fn plan(
    frame: &Frame<'_>,
    plan: &Plan,
    outcome: Option<&Outcome>,
    sources: &SourceMap,
) -> Value {
    let statuses: BTreeMap<StepId, &StepStatus> =
        outcome.iter().flat_map(|it| &it.steps).map(|(id, status)| (*id, status)).collect();
    let replacements = plan.replacements();
    let shown = |it: &Step| {
        let mut shown = step(it, outcome, statuses.get(&it.id).copied(), sources);
        shown["partOf"] = json!(replacements.get(&it.id));
        shown
    };
    let steps: Vec<Value> = plan.steps.iter().map(shown).collect();
    let status = outcome.map_or_else(|| plan.status(), |it| it.status(plan));
    let mut document = head(frame, status);
    document.insert("summary".to_owned(), json!(plan.summary()));
    if let Some(outcome) = outcome {
        document.insert("outcome".to_owned(), json!(outcome.counts(plan)));
    }
    document.insert("steps".to_owned(), Value::Array(steps));
    document.insert("orphans".to_owned(), json!(plan.orphans));
    document.insert("notes".to_owned(), plan.notes.iter().map(|it| note(it, sources)).collect());
    if let Some(copies) = outcome.map(|it| &it.copies).filter(|it| !it.is_empty()) {
        let copies = copies.iter().map(
            |it| json!({ "address": it.address, "arn": it.arn, "of": it.of, "left": it.left.as_ref().map(reason::left) }),
        );
        document.insert("copies".to_owned(), copies.collect());
    }
    if let Some(unread) = outcome.and_then(|it| it.copies_unread.as_ref()) {
        document.insert("copiesUnread".to_owned(), json!(reason::copies_unread(unread)));
    }
    let writes = plan.writes();
    let least = PUBLISHED_RATES.least_seconds(&writes);
    document.insert("writes".to_owned(), json!({ "calls": writes, "floorSeconds": least }));
    Value::Object(tail(document, frame, None))
}

/// A document with a saved plan, as it stands in its file.
pub fn saved(frame: &Frame<'_>, approval: &Approval) -> Value {
    let place = &approval.place;
    let frame = Frame {
        account: Some(&place.account),
        region: Some(&place.region),
        endpoint: place.endpoint.as_deref(),
        ..frame.clone()
    };
    let acts = approval.steps.iter().any(|it| matches!(it.decision.as_str(), "do" | "interrupt"));
    let mut document = head(&frame, if acts { Status::Changes } else { Status::Clean });
    document.insert("stack".to_owned(), json!(place.stack));
    document.insert("plan".to_owned(), json!(approval));
    Value::Object(tail(document, &frame, None))
}

/// A document with the state of a stack.
pub fn status(
    frame: &Frame<'_>,
    of: &status::Status<'_>,
    came_to: Status,
    sources: &SourceMap,
) -> Value {
    let on_air = of.on_air();
    let live: BTreeMap<&Address, &OnAir<'_>> =
        on_air.iter().map(|it| (&it.status.address, it)).collect();
    let resource = |it: &ResourceStatus| {
        let live = live.get(&it.address).map(|it| {
            let audience = it.audience;
            let live = it.live.cloned().unwrap_or_default();
            json!({
                "viewers": audience.viewers,
                "session": audience.session,
                "composition": audience.composition,
                "publishing": audience.publishing.then_some(true),
                "publishers": live.publishers,
                "health": live.health,
                "since": live.since.map(reason::moment),
                "destinations": live.destinations,
            })
        });
        json!({
            "address": it.address,
            "kind": it.address.kind,
            "name": it.address.name,
            "state": it.state,
            "arn": it.arn.as_ref().filter(|_| it.address.kind.facts().arn_type.is_some()),
            "action": it.action,
            "because": it.because,
            "reason": it.reason.as_ref().map(Reason::code),
            "message": it.reason.as_ref().map(reason::text),
            "live": live,
        })
    };
    let mut document = head(frame, came_to);
    let states: BTreeMap<&str, usize> =
        of.counts().into_iter().map(|(state, count)| (state.code(), count)).collect();
    let kinds: BTreeMap<&str, usize> =
        of.on_air_counts().into_iter().map(|(kind, count)| (kind.name(), count)).collect();
    document.insert("readAt".to_owned(), json!(of.observed.as_of.map(reason::moment)));
    document.insert("declared".to_owned(), json!(of.declared));
    document.insert("stateCounts".to_owned(), json!(states));
    document.insert("onAir".to_owned(), json!({ "kinds": kinds, "viewers": of.viewers() }));
    document.insert("resourceStates".to_owned(), of.resources.iter().map(resource).collect());
    document.insert("notes".to_owned(), of.notes.iter().map(|it| note(it, sources)).collect());
    Value::Object(tail(document, frame, None))
}

/// A plan that was carried out while a run waited for what it had deferred.
#[derive(Debug)]
pub struct Round {
    /// How long the run had waited by its end.
    pub after: Duration,
    /// Its steps, and how each of them ended.
    pub steps: Vec<(Address, Action, &'static str)>,
}

/// How long a run has waited for what it had deferred, what it has carried out meanwhile, and what is left.
pub fn waited(took: Duration, rounds: &[Round], left: &BTreeSet<Address>) -> Value {
    let step = |(address, action, status): &(Address, Action, &'static str)| json!({ "address": address, "action": action, "status": status });
    let round = |it: &Round| {
        let steps: Vec<Value> = it.steps.iter().map(step).collect();
        json!({ "afterSeconds": it.after.as_secs(), "steps": steps })
    };
    let rounds: Vec<Value> = rounds.iter().map(round).collect();
    json!({ "seconds": took.as_secs(), "rounds": rounds, "left": left })
}

/// What differs, or is not there, and is no drift.
pub fn not_drift(others: &NotDrift) -> Value {
    let addresses = |steps: &[Step]| -> Vec<Value> {
        steps.iter().map(|it| json!(it.address.to_string())).collect()
    };
    json!({ "pending": addresses(&others.pending), "missing": addresses(&others.missing) })
}

/// A document of a run that ended before there was a plan.
pub fn failure(frame: &Frame<'_>, message: &str, help: Option<&str>) -> Value {
    let document = head(frame, Status::Failed);
    Value::Object(tail(document, frame, Some(error(message, help))))
}

/// The differences between an approved plan and the plan of now.
pub fn differences(differences: &[Difference]) -> Value {
    let shown = |it: &Difference| {
        let mut shown = json!(it);
        shown["message"] = json!(difference(it));
        shown
    };
    differences.iter().map(shown).collect()
}

/// What went wrong, and what to do about it.
pub fn error(message: &str, help: Option<&str>) -> Value {
    json!({ "message": message, "help": help })
}

/// A document of outputs by address; `missing` are declared and not there.
pub fn outputs(frame: &Frame<'_>, outputs: Value, missing: &[String]) -> Value {
    let mut document = head(frame, Status::Clean);
    document.insert("outputs".to_owned(), outputs);
    document.insert("missing".to_owned(), missing.into());
    Value::Object(tail(document, frame, None))
}

/// A document of a command that needs no account.
pub fn checked(frame: &Frame<'_>, resources: usize, failed: bool) -> Value {
    let mut document = head(frame, if failed { Status::Failed } else { Status::Clean });
    document.insert("resources".to_owned(), json!(resources));
    Value::Object(tail(document, frame, None))
}

fn head(frame: &Frame<'_>, status: Status) -> Map<String, Value> {
    let head = json!({
        "formatVersion": FORMAT_VERSION,
        "command": frame.command,
        "tool": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "stack": frame.stack,
        "account": frame.account,
        "caller": frame.caller,
        "region": frame.region,
        "endpoint": frame.endpoint,
        "status": status,
    });
    match head {
        Value::Object(head) => head,
        _ => unreachable!("an object literal"),
    }
}

fn tail(
    mut document: Map<String, Value>,
    frame: &Frame<'_>,
    error: Option<Value>,
) -> Map<String, Value> {
    document.insert("calls".to_owned(), json!(frame.calls));
    document.insert("floorSeconds".to_owned(), json!(PUBLISHED_RATES.least_seconds(&frame.calls)));
    if let Some(error) = error {
        document.insert("error".to_owned(), error);
    }
    document.insert("diagnostics".to_owned(), frame.diagnostics.clone());
    document
}

fn step(
    step: &Step,
    outcome: Option<&Outcome>,
    status: Option<&StepStatus>,
    sources: &SourceMap,
) -> Value {
    let position = step.origin.and_then(|origin| sources.position(&Place::value(origin, "kind")));
    let mut value = json!({
        "id": step.id,
        "address": step.address,
        "kind": step.address.kind,
        "name": step.address.name,
        "action": step.action,
        "arn": step.arn.as_ref().filter(|_| step.address.kind.facts().arn_type.is_some()),
        "because": step.because,
        "after": step.after,
        "fields": step.fields,
        "impact": step.impact,
        "loss": step.loss(),
        "decision": step.decision.as_str(),
        "reason": step.decision.reason().map(Reason::code),
        "message": step.decision.reason().map(reason::text),
        "source": position.map(|it| json!({ "file": sources.name(it.source), "line": it.line })),
    });
    if let Some(file) = step.origin.and_then(|it| sources.written_in(it)) {
        value["source"]["writtenIn"] = json!(file);
    }
    if let (None, Some(_), Value::Object(map)) = (status, outcome, &mut value) {
        // What was not to be done has a status as well: that it was not.
        map.insert("status".to_owned(), json!(step.decision.as_str()));
        map.insert("requestId".to_owned(), Value::Null);
        map.insert("error".to_owned(), Value::Null);
    }
    if let (Some(status), Value::Object(map)) = (status, &mut value) {
        map.insert("status".to_owned(), json!(status.as_str()));
        let (arn, failure) = match status {
            StepStatus::Done(arn) => (arn.as_ref(), None),
            StepStatus::Unconfirmed(arn) => (Some(arn), None),
            StepStatus::Failed(failure) | StepStatus::Unknown(failure) => (None, Some(failure)),
            StepStatus::Skipped(_)
            | StepStatus::Stale(_)
            | StepStatus::Deferred(_)
            | StepStatus::NotStarted => (None, None),
        };
        if let Some(arn) = arn {
            map.insert("arn".to_owned(), json!(arn));
        }
        let request_id = outcome.and_then(|it| it.request_id(step.id, status));
        map.insert("requestId".to_owned(), json!(request_id));
        let why = match status {
            StepStatus::Deferred(why) => Some((why.code(), reason::text(why))),
            StepStatus::Stale(changed) => Some((changed.code(), changed.to_string())),
            _ => None,
        };
        if let Some((code, message)) = &why {
            map.insert("reason".to_owned(), json!(code));
            map.insert("message".to_owned(), json!(message));
        }
        let error = match status {
            StepStatus::Skipped(address) => Some(format!("{address} did not succeed")),
            _ => failure.map(ToString::to_string).or(why.map(|(_, message)| message)),
        };
        map.insert("error".to_owned(), json!(error));
    }
    value
}

fn note(note: &Note, sources: &SourceMap) -> Value {
    match note {
        Note::Selected(Selected { chosen, needed, left_out, others }) => json!({
            "note": "selected", "chosen": chosen, "needed": needed, "leftOut": left_out, "others": others,
        }),
        Note::Duplicate { address, copies, .. } => {
            json!({ "note": "duplicate", "address": address, "copies": copies })
        }
        Note::UndeclaredKeys { channels } => {
            json!({ "note": "undeclaredKeys", "channels": channels })
        }
        Note::Ambiguous { arn } => json!({ "note": "ambiguous", "arn": arn }),
        Note::ManyDeletes { deletes, of } => {
            json!({ "note": "manyDeletes", "deletes": deletes, "of": of })
        }
        Note::PossibleRename { from, to, at } => {
            let place = at.map(|it| Place::value(it, NAME));
            let position = place.as_ref().and_then(|it| sources.position(it));
            let mut source = json!(position.map(
                |it| json!({ "file": sources.name(it.source), "line": it.line, "column": it.column }),
            ));
            if let Some(file) = at.and_then(|it| sources.written_in(it)) {
                source["writtenIn"] = json!(file);
            }
            json!({ "note": "possibleRename", "from": from, "to": to, "source": source })
        }
        Note::UnknownEnumValue { address, path } => {
            json!({ "note": "unknownWord", "address": address, "path": path })
        }
        Note::Freeze { freeze, effect } => freeze_note(freeze, effect),
        Note::NothingExists { missing } => json!({ "note": "nothingExists", "missing": missing }),
        Note::Quota { kind, wanted, quota } => {
            json!({ "note": "quota", "kind": kind, "wanted": wanted, "quota": quota })
        }
    }
}

/// A freeze, and what it means for a run.
fn freeze_note(freeze: &Freeze, effect: &FreezeEffect) -> Value {
    let Freeze { from, to, reason } = freeze;
    let mut note = json!({ "note": "freeze", "from": from, "to": to, "reason": reason });
    if let (Value::Object(note), Value::Object(effect)) = (&mut note, json!(effect)) {
        note.extend(effect);
    }
    note
}
