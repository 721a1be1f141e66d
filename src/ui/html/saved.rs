//! The page of a saved plan, from its file alone.

use super::super::escape::escape;
use super::super::saved::{details, made_from, sum, verdict};
use super::plan::changed;
use super::{CAP, Fact, Line, Page, Row, Section, Tone};
use crate::plan::Approval;
use crate::plan::approval::ApprovedStep;

/// A saved plan.
pub fn saved(approval: &Approval) -> String {
    let place = &approval.place;
    let (stack, region) = (escape(&place.stack, CAP), escape(&place.region, CAP));
    let rows = approval.steps.iter().map(|it| (section(it), row(it)));
    let tone = if approval.steps.is_empty() { Tone::Good } else { Tone::Attention };
    let title = format!("Saved plan for stack {stack} in {region}");
    let mut page = Page::new(title, sum(approval), tone, rows.collect());
    let fact = |label, value| Fact { label, value };
    page.facts = vec![fact("Stack", stack), fact("Region", region)];
    page.facts.extend(place.endpoint.as_ref().map(|it| fact("Endpoint", escape(it, CAP))));
    page.facts.push(fact("Origin", made_from(approval)));
    page.text()
}

/// The actions and decisions of a saved plan are text, since its file may be of another version.
fn section(step: &ApprovedStep) -> Section {
    match (step.decision.as_str(), step.action.as_str()) {
        ("interrupt", _) => Section::CutsOff,
        ("deferred", _) => Section::Deferred,
        ("dormant", _) => Section::Dormant,
        (_, "delete") => Section::Delete,
        (_, "replace") => Section::Replace,
        (_, "create") => Section::Create,
        (_, "adopt" | "rename") => Section::Adopt,
        _ => Section::Update,
    }
}

fn row(step: &ApprovedStep) -> Row {
    let arn = step.arn.iter();
    Row {
        symbol: "",
        address: escape(&step.address, CAP),
        verdict: verdict(step),
        place: None,
        lines: arn.map(|it| Line { tone: Tone::Plain, text: escape(it, CAP) }).collect(),
        diff_label: "Details",
        diff: details(step).iter().map(|it| changed(it)).collect(),
        is_open: false,
        is_part: false,
    }
}
