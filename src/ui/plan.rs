//! A plan as a reviewer reads it: aligned, quiet where nothing changes, the reason of each step beside it,
//! a unified diff of each spec that changes, one line that sums it up.

use super::escape::escape;
use super::reason::{self, moment, on_air};
use crate::aws::{Identity, SignedIn};
use crate::diag::{FieldPath, SourceMap};
use crate::kinds::operation::PUBLISHED_RATES;
use crate::kinds::owner::PREFIX;
use crate::kinds::spec::FieldValue;
use crate::kinds::{Address, Degraded, Spec, Stack};
use crate::manifest::write::yaml;
use crate::plan::{Action, Cause, Decision, DuplicateCopy, Note, Plan, Selected, Step, Summary};
use anstyle::{AnsiColor, Style};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};
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
const CAP: usize = 200;

/// A plan as text, coloured.
pub fn text(plan: &Plan, header: &Header<'_>, sources: &SourceMap) -> String {
    let mut text = String::new();
    title("Plan", header, &mut text);
    let width = plan.steps.iter().map(|it| it.address.to_string().len()).max().unwrap_or(0);
    for step in &plan.steps {
        one_step(step, width, sources, &mut text);
    }
    notes(plan, &mut text);
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

fn one_step(step: &Step, width: usize, sources: &SourceMap, text: &mut String) {
    let (symbol, colour) = symbol(step.action);
    let style = if step.decision.is_do() { colour.on_default() } else { Style::new().dimmed() };
    let dim = Style::new().dimmed();
    let verdict = verdict(step.action, step.decision.saved());
    let address = escape(&step.address.to_string(), CAP);
    let _ =
        write!(text, "{style}{symbol:>3} {address:<width$}  {verdict}{style:#}: {}", because(step));
    if let Some(origin) = step.origin {
        let place = crate::diag::Place::value(origin, "kind");
        if let Some(at) = sources.position(&place) {
            let name = escape(sources.name(at.source), CAP);
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
        details(step, text);
    }
}

/// The spec of what is made; the diff of what changes.
pub(super) fn details(step: &Step, text: &mut String) {
    match (&step.before, &step.spec) {
        (_, None) => {}
        (None, Some(spec)) => {
            let green = AnsiColor::Green.on_default();
            for line in shown(spec, Some(&step.address.name)).lines() {
                let _ = writeln!(text, "      {green}+ {}{green:#}", escape(line, CAP));
            }
        }
        (Some(before), Some(_)) => {
            if let Some(after) = step.wanted(Some(before)) {
                diff(step, before, &after, text);
            }
        }
    }
}

/// A spec as YAML; what is made shows only what is not a default.
fn shown(spec: &Spec, name: Option<&str>) -> String {
    let mut value = spec.minimal();
    if let (Value::Object(map), Some(name)) = (&mut value, name)
        && map.get("name").and_then(Value::as_str) == Some(name)
    {
        map.remove("name");
    }
    if value.as_object().is_some_and(serde_json::Map::is_empty) {
        String::new()
    } else {
        yaml(&value)
    }
}

fn diff(step: &Step, before: &Spec, after: &Spec, text: &mut String) {
    let (before, after) = (yaml(&before.fields()), yaml(&after.fields()));
    let (red, green, dim) =
        (AnsiColor::Red.on_default(), AnsiColor::Green.on_default(), Style::new().dimmed());
    let diff = TextDiff::from_lines(&before, &after);
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut open: Vec<&str> = Vec::new();
    for group in diff.grouped_ops(2) {
        for (index, change) in group.iter().flat_map(|op| diff.iter_changes(op)).enumerate() {
            let line = change.value().trim_end_matches('\n');
            if index == 0 {
                let (lines, at) = match (change.old_index(), change.new_index()) {
                    (Some(at), _) => (&old, at),
                    (None, at) => (&new, at.unwrap_or_default()),
                };
                for parent in parents(lines, at) {
                    if !open.contains(&parent) {
                        let parent = escape(parent, CAP);
                        let _ = writeln!(text, "      {dim}  {parent}{dim:#}");
                    }
                }
                open = parents(lines, at);
            }
            open.retain(|it| depth(it) < depth(line));
            open.push(line);
            let line = escape(line, CAP);
            let _ = match change.tag() {
                ChangeTag::Delete => writeln!(text, "      {red}- {line}{red:#}"),
                ChangeTag::Insert => writeln!(text, "      {green}+ {line}{green:#}"),
                ChangeTag::Equal => writeln!(text, "      {dim}  {line}{dim:#}"),
            };
        }
    }
    // What the two texts do not show: a reference that keeps its name, and what is not in the spec.
    for field in &step.fields {
        let upstream = matches!(field.after, FieldValue::KnownAfterApply(_));
        if upstream || !field.is_in_spec() {
            let (from, to) = (value(&field.before), new_value(&field.after));
            let path = escape(&field.path.to_string(), CAP);
            let _ = writeln!(text, "      {path}: {from} -> {to}");
        }
    }
}

/// The lines of a block of YAML inside which a line stands, the outermost first.
fn parents<'t>(lines: &[&'t str], at: usize) -> Vec<&'t str> {
    let mut found = Vec::new();
    let mut inner = lines.get(at).map_or(0, |it| depth(it));
    for line in lines[..at.min(lines.len())].iter().rev() {
        if depth(line) < inner {
            inner = depth(line);
            found.push(*line);
        }
    }
    found.reverse();
    found
}

/// How deep a line of YAML stands; an item is deeper than the key of its list, which may stand above it.
fn depth(line: &str) -> usize {
    let text = line.trim_start_matches(' ');
    2 * (line.len() - text.len()) + usize::from(text.starts_with("- "))
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
        return "created by AWS together with its channel; will be adopted".to_owned();
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
        Cause::Adopt => "already exists; will be adopted".to_owned(),
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

pub(super) fn notes(plan: &Plan, text: &mut String) {
    let yellow = AnsiColor::Yellow.on_default();
    if !plan.steps.is_empty() {
        text.push('\n');
    }
    for note in &plan.notes {
        let said = match note {
            Note::Selected(selected) => self::selected(selected),
            Note::Duplicate { address, copies, clear } => {
                let counts =
                    if *clear { "the first one counts" } else { "which one is meant is ambiguous" };
                let _ = writeln!(
                    text,
                    "{yellow}note{yellow:#}: {} objects are {}; {counts}",
                    copies.len(),
                    escape(&address.to_string(), CAP)
                );
                for copy in copies {
                    let _ = writeln!(text, "      {}", escape(&duplicate_copy(copy), 3 * CAP));
                }
                continue;
            }
            Note::Ambiguous { arn } => {
                format!("{arn} has only some of the `{PREFIX}` tags; it is not changed")
            }
            Note::UndeclaredKeys { channels } => undeclared_keys(channels),
            Note::PossibleRename { from, to } => possible_rename(from, to),
            Note::UnknownEnumValue { address, path } => unknown_enum_value(address, path),
            Note::ManyDeletes { deletes, of } => format!(
                "{deletes} of {of} resources of the stack would be deleted: confirm with `--confirm-deletes {deletes}`"
            ),
            Note::Quota { kind, wanted, quota } => format!(
                "{wanted} objects of kind {kind} exceed the quota of {quota}; nothing will be written"
            ),
        };
        let _ = writeln!(text, "{yellow}note{yellow:#}: {}", escape(&said, 3 * CAP));
    }
    if !plan.orphans.is_empty() {
        let stay = plan.orphans.iter().any(|it| it.kind.facts().created_by.is_some());
        let stay = if stay { "; a stream key stays with its channel and is released" } else { "" };
        let _ = writeln!(
            text,
            "{yellow}note{yellow:#}: orphaned (no manifest): {}; not pruned, `--prune` deletes \
             them, and reads kinds that no manifest names as well{stay}",
            escape(&list(&plan.orphans), 3 * CAP)
        );
    }
}

/// Stream keys that stay as they are.
fn undeclared_keys(channels: &[Address]) -> String {
    let (keys, them) =
        if channels.len() == 1 { ("stream key", "it") } else { ("stream keys", "them") };
    format!(
        "orphaned (no manifest): {keys} of {}; not pruned, `--prune` releases {them}",
        list(channels)
    )
}

/// What part of the stack a run is about.
pub fn selected(selected: &Selected) -> String {
    let Selected { chosen, needed, left_out, others } = selected;
    let mut said = format!("{} selected", chosen.len());
    if !needed.is_empty() {
        said.push_str(&format!(", with what that needs: {}", list(needed)));
    }
    if !left_out.is_empty() {
        said.push_str(&format!("; left out with what they need: {}", list(left_out)));
    }
    let s = if *others == 1 { "" } else { "s" };
    said.push_str(&format!("; {others} other{s} not selected, and nothing is pruned"));
    said
}

fn possible_rename(from: &Address, to: &Address) -> String {
    format!(
        "{to} is created with the spec of {from}, which no manifest declares any more: if it was renamed, add \
         `previousNames: [{}]` to the metadata of {to}, and the object is kept",
        from.name
    )
}

/// A field that a newer version may understand.
pub(super) fn unknown_enum_value(address: &Address, path: &FieldPath) -> String {
    format!(
        "{path} of {address} has a value that this version does not know; it stays unchanged: a newer version \
         may manage it"
    )
}

/// The first few of many.
fn list<'a, L: IntoIterator<Item = &'a Address, IntoIter: ExactSizeIterator>>(
    addresses: L,
) -> String {
    let addresses = addresses.into_iter();
    let more = addresses.len().saturating_sub(5);
    let names: Vec<String> = addresses.take(5).map(ToString::to_string).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

/// One of several objects with one name, on one line.
fn duplicate_copy(it: &DuplicateCopy) -> String {
    let mut parts = vec![it.arn.to_string()];
    match (&it.made, it.minutes) {
        (Some(made), Some(minutes)) => {
            parts.push(format!("made {} ({minutes} min ago)", moment(*made)));
        }
        _ => parts.push("its creation time is unknown".to_owned()),
    }
    parts.extend(it.url.clone());
    parts.extend(it.audience.as_ref().map(on_air));
    if !it.referrers.is_empty() {
        parts.push(format!("referred to by {}", it.referrers.join(", ")));
    }
    parts.join("; ")
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
