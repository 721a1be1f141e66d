//! The page of what a fleet came to.

use super::super::escape::escape;
use super::super::fleet::{counts, facts, remarks, run_line, sums, talk, title, why, word};
use super::{CAP, Fact, Line, Page, Row, Section, Tone};
use crate::fleet::{self, Outcome, Results, Status};

/// Runs that are listed one by one.
const RUNS: usize = 20;

/// The results of a fleet.
pub fn fleet(results: &Results) -> String {
    let rows = results.targets.iter().map(|it| (Section::Fleet(it.outcome), row(it, results)));
    let tone = match results.status {
        Status::Clean => Tone::Good,
        Status::Changes => Tone::Attention,
        Status::Failed | Status::Refused | Status::NothingRan => Tone::Bad,
    };
    let mut page = Page::new(title(results), counts(results), tone, rows.collect());
    let runs = results.runs.iter().take(RUNS);
    page.facts = runs.map(|it| Fact { label: "Run", value: run_line(it) }).collect();
    let more = results.runs.len().saturating_sub(RUNS);
    if more > 0 {
        page.facts.push(Fact { label: "Runs", value: format!("and {more} more") });
    }
    page.notes = remarks(results);
    page.text()
}

fn row(it: &fleet::Row, results: &Results) -> Row {
    let tone = tone(it.outcome);
    let mut lines: Vec<Line> = why(it).into_iter().map(|text| Line { tone, text }).collect();
    let sums = sums(it);
    if !sums.is_empty() {
        lines.insert(0, Line { tone: Tone::Plain, text: sums });
    }
    if let Some(repeat) = it.repeat.as_deref().filter(|_| it.outcome != Outcome::Clean) {
        lines.push(Line { tone: Tone::Plain, text: format!("repeat: {}", escape(repeat, CAP)) });
    }
    let talk = talk(it).into_iter();
    Row {
        symbol: "",
        address: escape(it.shown(), CAP),
        verdict: word(it.outcome).to_owned(),
        place: Some(facts(it, results)).filter(|it| !it.is_empty()),
        lines,
        diff_label: "last messages",
        diff: talk.map(|it| Line { tone: Tone::Plain, text: format!("{it}\n") }).collect(),
        is_open: false,
        is_part: false,
    }
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Clean => Tone::Good,
        Outcome::Changes | Outcome::NotStarted | Outcome::Interrupted => Tone::Attention,
        _ => Tone::Bad,
    }
}
