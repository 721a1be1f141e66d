//! The page of a saved plan, from its file alone.

use super::super::escape::escape;
use super::super::graph::Picture;
use super::super::plan::{reasons, symbol, verdict};
use super::super::saved::{details, made_from, sum};
use super::plan::changed;
use super::{CAP, Fact, Graph, Line, Page, Row, Section, Tone};
use crate::plan::approval::ApprovedStep;
use crate::plan::{Action, Approval};

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
    page.graph = Graph::of(&Picture::saved(approval));
    page.text()
}

/// The section of a step of a saved plan.
pub(in crate::ui) fn section(step: &ApprovedStep) -> Section {
    match (step.decision.as_str(), step.action) {
        ("interrupt", _) => Section::CutsOff,
        ("deferred", _) => Section::Deferred,
        ("dormant", _) => Section::Dormant,
        (_, Action::Delete) => Section::Delete,
        (_, Action::Replace) => Section::Replace,
        (_, Action::Create) => Section::Create,
        (_, Action::Adopt | Action::Rename) => Section::Adopt,
        (_, Action::Update | Action::Retag | Action::Release) => Section::Update,
    }
}

fn row(step: &ApprovedStep) -> Row {
    let arn = step.arn.iter();
    let because = reasons(Some(step.action), &step.causes());
    Row {
        symbol: symbol(step.action).0,
        address: escape(&step.address, CAP),
        verdict: format!("{}: {because}", verdict(step.action, &step.decision)),
        place: None,
        lines: arn.map(|it| Line { tone: Tone::Plain, text: escape(it, CAP) }).collect(),
        diff_label: "Details",
        diff: details(step).iter().map(changed).collect(),
        is_open: false,
        is_part: false,
    }
}
