//! The page of the state of a stack, and of what is on air.

use super::super::escape::escape;
use super::super::on_air::on_air_words;
use super::super::status::{OnAir, Status, Urgency, detail, urgency};
use super::{CAP, Line, Page, Report, Row, Section, Tone};
use crate::diag::SourceMap;
use crate::plan::{ResourceState, ResourceStatus};

/// The state of a stack.
pub fn status(status: &Status<'_>) -> String {
    let header = &status.header;
    let on_air = status.on_air();
    let rows = on_air.iter().map(|it| (section(it), on_air_row(it, status)));
    let resources = status.resources.iter().map(|it| (Section::State(it.state), resource_row(it)));
    let troubled = on_air.iter().any(OnAir::is_troubled);
    let tone = if troubled || status.resources.iter().any(|it| tone(it.state) == Tone::Bad) {
        Tone::Bad
    } else if status.resources.iter().any(|it| tone(it.state) == Tone::Attention) {
        Tone::Attention
    } else {
        Tone::Good
    };
    let title = format!("Status of stack {} in {}", escape(&header.stack.name, CAP), header.region);
    let headline = format!("{}. {}", status.summary(), status.on_air_summary());
    let mut page = Page::new(title, headline, tone, rows.chain(resources).collect());
    let sources = SourceMap::default();
    let read_at = status.observed.as_of;
    page.facts =
        super::plan::facts(&Report { command: "status", header, sources: &sources, read_at });
    page.notes = status.remarks().iter().map(|it| escape(it, CAP)).collect();
    page.text()
}

fn section(it: &OnAir<'_>) -> Section {
    if it.is_troubled() { Section::NotHealthy } else { Section::OnAir }
}

fn on_air_row(it: &OnAir<'_>, status: &Status<'_>) -> Row {
    let words = on_air_words(it.audience, it.live, status.observed.as_of);
    let tone = if it.is_troubled() { Tone::Bad } else { Tone::Good };
    let line = Line { tone, text: escape(&words, CAP) };
    row("\u{25cf}", it.status, vec![line])
}

fn resource_row(it: &ResourceStatus) -> Row {
    let text = escape(&detail(it), CAP);
    let line = (!text.is_empty()).then(|| Line { tone: tone(it.state), text });
    row("", it, line.into_iter().collect())
}

fn row(symbol: &'static str, it: &ResourceStatus, mut lines: Vec<Line>) -> Row {
    let arn = it.arn.iter().map(|it| Line { tone: Tone::Plain, text: escape(it.as_str(), CAP) });
    lines.extend(arn);
    Row {
        symbol,
        address: escape(&it.address.to_string(), CAP),
        verdict: String::new(),
        place: None,
        lines,
        diff_label: "",
        diff: Vec::new(),
        is_open: false,
        is_part: false,
    }
}

fn tone(state: ResourceState) -> Tone {
    match urgency(state) {
        Urgency::Now => Tone::Bad,
        Urgency::Later => Tone::Attention,
        Urgency::Never => Tone::Plain,
    }
}
