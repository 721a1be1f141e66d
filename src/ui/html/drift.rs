//! The page of a drift report.

use super::super::blame::Blamed;
use super::super::drift::{lines, notes, summary};
use super::super::escape::escape;
use super::super::graph::Picture;
use super::super::plan::symbol;
use super::super::reason::on_air;
use super::plan::{facts, place};
use super::{CAP, Graph, Line, Page, Report, Row, Section, Tone};
use crate::diag::SourceMap;
use crate::kinds::Desired;
use crate::plan::{NotDrift, Plan, Step};

/// Drift, and what is missing and not counted. `desired` are the manifests, for the picture.
pub fn drift(
    plan: &Plan,
    others: &NotDrift,
    blamed: Option<&Blamed>,
    report: &Report<'_>,
    desired: &[Desired],
) -> String {
    let Report { header, sources, .. } = report;
    let drifted = plan.steps.iter().map(|it| (Section::Drift(it.attention()), it));
    let missing = others.missing.iter().map(|it| (Section::NotDriftMissing, it));
    let rows = drifted.chain(missing).map(|(section, step)| (section, row(step, blamed, sources)));
    let mut lines = summary(plan, others);
    let headline = lines.remove(0);
    let tone = if plan.steps.is_empty() { Tone::Good } else { Tone::Bad };
    let title = format!("Drift of stack {} in {}", escape(&header.stack.name, CAP), header.region);
    let mut page = Page::new(title, headline, tone, rows.collect());
    page.facts = facts(report);
    page.notes = lines;
    page.notes.extend(notes(plan).iter().map(|it| escape(it, 600)));
    page.notes.extend(blamed.map(Blamed::notes).into_iter().flatten());
    page.graph = Graph::of(&Picture::of_drift(desired, plan, others));
    page.text()
}

fn row(step: &Step, blamed: Option<&Blamed>, sources: &SourceMap) -> Row {
    let audience = step.impact.as_ref().map(|it| Line { tone: Tone::Bad, text: on_air(it) });
    let blamed = blamed.map(|it| it.lines(&step.address)).into_iter().flatten();
    let blamed = blamed.map(|text| Line { tone: Tone::Plain, text });
    let differs = lines(step).into_iter().map(|text| Line { tone: Tone::Attention, text });
    let differs = differs.chain(blamed);
    let arn = step.arn.as_ref();
    let arn = arn.map(|it| Line { tone: Tone::Plain, text: escape(it.as_str(), CAP) });
    Row {
        symbol: symbol(step.action).0,
        address: escape(&step.address.to_string(), CAP),
        verdict: String::new(),
        place: place(step, sources),
        lines: audience.into_iter().chain(differs).chain(arn).collect(),
        diff_label: "",
        diff: Vec::new(),
        is_open: false,
        is_part: false,
    }
}
