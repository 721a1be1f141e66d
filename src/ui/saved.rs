//! A saved plan as a reviewer reads it, without its manifests and its account.

use super::changed_lines::{ChangedLine, Sign};
use super::escape::escape;
use super::html::approved_section as section;
use super::markdown::{Document, Item, grouped, span};
use super::plan::{CAP, reasons, verdict};
use super::reason;
use crate::manifest::write::yaml;
use crate::plan::approval::{ApprovedChange, ApprovedStep, PartChange};
use crate::plan::{Approval, Difference};
use anstyle::Style;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

/// A saved plan as text, coloured.
pub fn text(approval: &Approval) -> String {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let shown = |text: &str| escape(text, CAP);
    let place = &approval.place;
    let mut text = String::new();
    let (stack, region) = (shown(&place.stack), shown(&place.region));
    let _ = write!(text, "{bold}Saved plan for stack `{stack}` in {region}{bold:#}");
    if let Some(endpoint) = &place.endpoint {
        let _ = write!(text, " at endpoint {}", shown(endpoint));
    }
    let _ = writeln!(text, "\n{dim}{}{dim:#}\n", made_from(approval));
    for step in &approval.steps {
        let verdict = verdict(step.action, &step.decision);
        let because = reasons(Some(step.action), &step.causes());
        let _ = writeln!(text, "  {}  {verdict}: {because}", shown(&step.address));
        if let Some(arn) = &step.arn {
            let _ = writeln!(text, "      {dim}{}{dim:#}", shown(arn));
        }
        for line in details(step) {
            let _ = writeln!(text, "      {}", line.plain());
        }
    }
    if !approval.steps.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(text, "{}", sum(approval));
    text
}

/// A saved plan in Markdown.
pub fn document(approval: &Approval) -> Document {
    let place = &approval.place;
    let (stack, region) = (span(&place.stack), span(&place.region));
    let mut head = format!("### Saved plan for stack {stack} in {region}\n\n");
    if let Some(endpoint) = &place.endpoint {
        let _ = writeln!(head, "At endpoint {}\n", span(endpoint));
    }
    let _ = writeln!(head, "{}\n\n**{}**", span(&made_from(approval)), sum(approval));
    let steps = approval.steps.iter().map(|step| {
        let verdict = verdict(step.action, &step.decision);
        let because = span(&reasons(Some(step.action), &step.causes()));
        let mut lines = format!("- {} **{verdict}**: {because}\n", span(&step.address));
        for line in remarks(step) {
            let _ = writeln!(lines, "  - {}", span(&line));
        }
        let changes = changes(step);
        let address = (!changes.is_empty()).then(|| format!("# {}", escape(&step.address, CAP)));
        let mut details = String::new();
        let changes = changes.iter().map(ChangedLine::plain);
        for line in address.into_iter().chain(changes) {
            let _ = writeln!(details, "{line}");
        }
        (section(step), Item { lines, details })
    });
    let groups = grouped(steps);
    Document { of: ("show".to_owned(), place.stack.clone()), head, groups }
}

pub(super) fn made_from(approval: &Approval) -> String {
    let manifests: Vec<String> =
        approval.inputs.manifests.iter().map(|it| escape(it, CAP)).collect();
    format!(
        "Account {}, made by version {} from {} in {}",
        escape(&approval.place.account, CAP),
        escape(&approval.tool_version, CAP),
        manifests.join(", "),
        escape(&approval.inputs.folder, CAP)
    )
}

/// A difference between the approved plan and the plan of now, on one line.
pub fn difference(it: &Difference) -> String {
    let change = |it: &ApprovedChange| format!("{} -> {}", it.before, it.after);
    match it {
        Difference::PlaceChanged(part) => changed_part(part),
        Difference::ApprovedTwice => "a step was approved twice".to_owned(),
        Difference::NotPlannedNow { step } => {
            format!("{step}: approved, but not in the current plan")
        }
        Difference::NotApproved { step } => {
            format!("{step}: in the current plan, but not approved")
        }
        Difference::ObjectChanged { step } => {
            format!("{step}: the object was changed since it was approved")
        }
        Difference::PartChanged { step, part } => format!("{step}: {}", changed_part(part)),
        Difference::FieldChanged { step, path, approved: Some(approved), now: Some(now) } => {
            let (approved, now) = (change(approved), change(now));
            format!("{step}: `{path}` was approved as {approved}, and is {now} now")
        }
        Difference::FieldChanged { step, path, approved: Some(approved), now: None } => {
            let approved = change(approved);
            format!("{step}: `{path}`: {approved} was approved, but is not in the current plan")
        }
        Difference::FieldChanged { step, path, now, .. } => {
            let now = now.as_ref().map(change).unwrap_or_default();
            format!("{step}: `{path}`: {now} is in the current plan, but was not approved")
        }
    }
}

fn changed_part(part: &PartChange) -> String {
    let text = |it: &Value| if it.is_null() { "nothing".to_owned() } else { it.to_string() };
    let (path, approved, now) = (&part.path, text(&part.approved), text(&part.now));
    format!("`{path}` was approved as {approved}, and is {now} now")
}

/// Why it is not carried out, whom it cuts off, what is lost by it, and the fields that change or the spec of what is
/// made.
pub(super) fn details(step: &ApprovedStep) -> Vec<ChangedLine> {
    let remark = |text| ChangedLine { sign: Sign::Remark, text };
    remarks(step).into_iter().map(remark).chain(changes(step)).collect()
}

/// Why it is not carried out, whom it cuts off, and what is lost by it.
fn remarks(step: &ApprovedStep) -> Vec<String> {
    let reason = step.reason.as_ref().map(|it| escape(&reason::text(it), 2 * CAP));
    let cuts_off = step.cuts_off.iter().map(|it| format!("cuts off {}", escape(it, CAP)));
    let note = step.loss().map(|it| format!("note: {it}"));
    reason.into_iter().chain(cuts_off).chain(note).collect()
}

/// The fields that change, or the spec of what is made.
fn changes(step: &ApprovedStep) -> Vec<ChangedLine> {
    let value = |it: &Value| escape(&it.to_string(), CAP);
    let fields = step.fields.iter().map(|(path, change)| {
        let (before, after) = (value(&change["before"]), value(&change["after"]));
        let text = format!("{}: {before} -> {after}", escape(path, CAP));
        ChangedLine { sign: Sign::Remark, text }
    });
    let mut lines: Vec<ChangedLine> = fields.collect();
    let spec = step.spec.as_ref().filter(|it| it.as_object().is_some_and(|it| !it.is_empty()));
    if let Some(spec) = spec.filter(|_| step.object.is_none()) {
        lines.extend(yaml(spec).lines().map(|it| ChangedLine::new(Sign::Added, it)));
    }
    lines
}

pub(super) fn sum(approval: &Approval) -> String {
    // A replacement, which deletes the old object as well, is one step to a reader.
    let all: BTreeSet<_> = approval.steps.iter().map(|it| &it.address).collect();
    let doing =
        approval.steps.iter().filter(|it| matches!(it.decision.as_str(), "do" | "interrupt"));
    let doing: BTreeSet<_> = doing.map(|it| &it.address).collect();
    match (doing.len(), all.len()) {
        (0, 0) => "No changes".to_owned(),
        (1, 1) => "1 step".to_owned(),
        (doing, all) if doing == all => format!("{all} steps"),
        (doing, all) => format!("{doing} of {all} steps to apply"),
    }
}
