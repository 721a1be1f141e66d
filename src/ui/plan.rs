//! A plan as a reviewer reads it: aligned, quiet where nothing changes, the reason of each step beside it,
//! a unified diff of each spec that changes, one line that sums it up.

use super::changed_lines::changed_lines;
use super::escape::escape;
use super::notes::notes;
use super::reason::{self, on_air};
use crate::aws::{Identity, SignedIn};
use crate::diag::SourceMap;
use crate::kinds::operation::PUBLISHED_RATES;
use crate::kinds::spec::FieldValue;
use crate::kinds::{Degraded, Stack};
use crate::plan::{Action, Cause, Decision, Plan, Step, Summary};
use anstyle::{AnsiColor, Style};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Where a plan was made.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// Region in force.
    pub region: &'a str,
    /// Endpoint that is not AWS's own.
    pub endpoint: Option<&'a str>,
    /// The identity of the credentials in force.
    pub identity: Option<&'a SignedIn>,
    /// Calls that reading the account took, by operation.
    pub calls: BTreeMap<String, u64>,
}

/// Longest value shown of anything that came from outside.
pub(super) const CAP: usize = 200;

/// A plan as text, coloured; with `places`, the line of each manifest beside its step. Without, the same resources from other
/// files give the same text below the header, apart from notes that name a line to change.
pub fn text(plan: &Plan, header: &Header<'_>, sources: &SourceMap, places: bool) -> String {
    let mut text = String::new();
    title("Plan", header, &mut text);
    let width = plan.steps.iter().map(|it| it.address.to_string().len()).max().unwrap_or(0);
    for step in &plan.steps {
        one_step(step, width, places.then_some(sources), &mut text);
    }
    let yellow = AnsiColor::Yellow.on_default();
    if !plan.steps.is_empty() {
        text.push('\n');
    }
    for note in notes(plan, sources) {
        let _ = writeln!(text, "{yellow}note{yellow:#}: {}", note.sentence);
        for object in note.objects {
            let _ = writeln!(text, "      {object}");
        }
    }
    let dim = Style::new().dimmed();
    let _ = writeln!(text, "{}\n{dim}{}{dim:#}", sum(&plan.summary()), calls(plan, header));
    text
}

/// The numbers of calls of the reading and of the apply, with the least time that AWS's rates allow for them.
pub(super) fn calls(plan: &Plan, header: &Header<'_>) -> String {
    let read = format!("Read with {} at AWS's rates", counted(&header.calls, "call"));
    let writes = plan.writes();
    if writes.is_empty() {
        return read;
    }
    format!("{read}; applying takes at least {}", counted(&writes, "write"))
}

/// The calls of a whole run, which has ended.
pub(super) fn calls_made(header: &Header<'_>) -> String {
    format!("{} at AWS's rates", counted(&header.calls, "call"))
}

fn counted(calls: &BTreeMap<String, u64>, word: &str) -> String {
    let count: u64 = calls.values().sum();
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {word}{s}, {:.1} s", PUBLISHED_RATES.least_seconds(calls))
}

/// The account, and who is signed in.
pub(super) fn signed_in(signed_in: &SignedIn) -> String {
    match signed_in {
        SignedIn::Unknown(why) => format!("Account unknown: {}", escape(why, CAP)),
        SignedIn::Known(Identity { account, caller: None }) => {
            format!("Account {}", escape(account, CAP))
        }
        SignedIn::Known(Identity { account, caller: Some(caller) }) => {
            format!("Account {}, signed in as {}", escape(account, CAP), escape(caller, CAP))
        }
    }
}

/// `Plan for stack …`.
pub fn title(word: &str, header: &Header<'_>, text: &mut String) {
    let bold = Style::new().bold();
    let name = escape(&header.stack.name, CAP);
    let _ = write!(text, "{bold}{word} for stack `{name}` in {}{bold:#}", header.region);
    if let Some(endpoint) = header.endpoint {
        let _ = write!(text, " at endpoint {}", escape(endpoint, CAP));
    }
    text.push('\n');
    if let Some(identity) = header.identity {
        let dim = Style::new().dimmed();
        let _ = writeln!(text, "{dim}{}{dim:#}", signed_in(identity));
    }
    text.push('\n');
}

pub(super) fn symbol(action: Action) -> (&'static str, AnsiColor) {
    match action {
        Action::Create => ("+", AnsiColor::Green),
        Action::Replace => ("-/+", AnsiColor::Magenta),
        Action::Update | Action::Retag | Action::Release => ("~", AnsiColor::Yellow),
        Action::Adopt => ("<-", AnsiColor::Cyan),
        Action::Rename => ("->", AnsiColor::Cyan),
        Action::Delete => ("-", AnsiColor::Red),
    }
}

fn one_step(step: &Step, width: usize, places: Option<&SourceMap>, text: &mut String) {
    let (symbol, colour) = symbol(step.action);
    let style = if step.decision.is_do() { colour.on_default() } else { Style::new().dimmed() };
    let dim = Style::new().dimmed();
    let verdict = verdict(step.action, step.decision.saved());
    let address = escape(&step.address.to_string(), CAP);
    let _ =
        write!(text, "{style}{symbol:>3} {address:<width$}  {verdict}{style:#}: {}", because(step));
    if let (Some(origin), Some(sources)) = (step.origin, places) {
        let place = crate::diag::Place::value(origin, "kind");
        if let Some(at) = sources.position(&place) {
            let name = escape(&sources.cited_name(&place).unwrap_or_default(), CAP);
            let _ = write!(text, "  {dim}{name}:{}{dim:#}", at.line);
        }
    }
    text.push('\n');
    if let Some(why) = step.decision.reason() {
        let _ = writeln!(text, "      {}", escape(&reason::text(why), 2 * CAP));
    } else if let Some(audience) = &step.impact {
        let _ = writeln!(text, "      impact: {}", on_air(audience));
    }
    if let Some(loss) = step.loss() {
        let _ = writeln!(text, "      note: {loss}");
    }
    // Nothing is done to an object of another owner, so there are no details.
    if !matches!(step.decision, Decision::Unmanaged(_)) {
        for line in changed_lines(step) {
            let _ = writeln!(text, "      {}", line.coloured());
        }
    }
}

/// A value on one line.
pub fn value(value: &Value) -> String {
    let text = match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    escape(&text, CAP)
}

/// The value that a field is to have, on one line.
pub fn new_value(after: &FieldValue) -> String {
    match after {
        FieldValue::Known(known) => value(known),
        FieldValue::KnownAfterApply(_) => escape(&after.to_string(), CAP),
    }
}

/// What is done, or that it is not, in a few words; the decision is the word of a saved plan.
pub(super) fn verdict(action: Action, decision: &str) -> String {
    let action = action.as_str();
    match decision {
        "do" => action.to_owned(),
        "interrupt" => format!("{action}, cutting off its audience"),
        // The reason after it says whose the object is; nothing is written, as with every blocked step.
        "unmanaged" => format!("{action} blocked"),
        other => format!("{action} {}", escape(other, CAP)),
    }
}

/// Why a step is there, in words.
pub fn because(step: &Step) -> String {
    reasons(Some(step.action), &step.because)
}

/// The reasons of an action, on one line.
pub(super) fn reasons(action: Option<Action>, causes: &[Cause]) -> String {
    // What AWS creates together with another object is adopted and never created here.
    if action == Some(Action::Adopt) && causes == [Cause::Missing] {
        return "AWS creates it together with its channel".to_owned();
    }
    let reasons: Vec<String> = causes.iter().map(cause).collect();
    escape(&reasons.join(", "), 2 * CAP)
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Missing => "does not exist".to_owned(),
        Cause::Gone => "deleted outside ivs-apply".to_owned(),
        Cause::Unclear => "its object or its owner is ambiguous".to_owned(),
        Cause::Drift => "changed outside ivs-apply".to_owned(),
        Cause::Pending => "configuration changed".to_owned(),
        Cause::Immutable { fields } => {
            let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
            format!("cannot be changed in place ({})", fields.join(", "))
        }
        Cause::CutOff { by } => format!("the change of {by} ends its stream"),
        Cause::Upstream { address } => format!("{address} is replaced"),
        Cause::Failed { state } => format!("creation failed at AWS ({state})"),
        Cause::Degraded(it) => format!("degraded: {}", degraded(it)),
        Cause::Orphan => "orphaned (no manifest)".to_owned(),
        Cause::Moved => "its manifest names another channel".to_owned(),
        Cause::Superseded => "replaced".to_owned(),
        Cause::Duplicate { of } => format!("duplicate of {of}"),
        Cause::MakesRoom => "deleted before replacement".to_owned(),
        Cause::Adopt => "already exists".to_owned(),
        Cause::Rename { from } => format!("renamed from `{from}`"),
        Cause::TemporaryName { from } => {
            format!("renamed from `{from}` to a temporary name until its new name is free")
        }
        Cause::Recorded => "ownership tags are out of date".to_owned(),
        Cause::KeyReleased => "its stream key is not managed any more".to_owned(),
        Cause::Stopped => "run is STOPPED".to_owned(),
        Cause::Destroy => "destroy".to_owned(),
    }
}

/// What has failed of an object that runs.
pub(super) fn degraded(it: &Degraded) -> String {
    let have = if it.failed == 1 { "has" } else { "have" };
    format!("{} of {} destinations {have} failed", it.failed, it.of)
}

/// One line that sums a plan up.
pub fn sum(summary: &Summary) -> String {
    let Summary {
        create,
        update,
        replace,
        delete,
        adopt,
        rename,
        retag,
        release,
        unchanged,
        deferred,
        dormant,
        blocked,
        orphans: _,
    } = summary;
    let parts: Vec<String> = [
        (*create, "to create"),
        (*adopt, "to adopt"),
        (*rename, "to rename"),
        (*update, "to update"),
        (*retag, "to retag"),
        (*release, "to release"),
        (*replace, "to replace"),
        (*delete, "to delete"),
        (*deferred, "deferred"),
        (*dormant, "dormant"),
        (*blocked, "blocked"),
        (*unchanged, "unchanged"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    let changes = create + update + replace + delete + adopt + rename + retag + release;
    match (changes, parts.is_empty()) {
        (_, true) => "Nothing to do".to_owned(),
        _ if *blocked > 0 => format!("Refused: {}", parts.join(", ")),
        (0, _) if *deferred > 0 => format!("No changes now: {}", parts.join(", ")),
        (0, _) => format!("No changes: {}", parts.join(", ")),
        _ => format!("Plan: {}", parts.join(", ")),
    }
}
