//! The results of a fleet for a terminal: what needs attention first, each target with its reason and the command that
//! repeats it.

use super::{counts, facts, remarks, run_line, sums, talk, title, why, word};
use crate::fleet::{Outcome, Results, Row};
use crate::ui::escape::escape;
use anstyle::{AnsiColor, Style};
use std::fmt::Write;

/// The results.
pub fn text(results: &Results) -> String {
    let mut text = format!("{}: {}\n", title(results), counts(results));
    if results.runs.len() > 1 {
        for it in &results.runs {
            let _ = writeln!(text, "  {}", run_line(it));
        }
    }
    for outcome in Outcome::ALL.into_iter().filter(|it| *it != Outcome::Clean) {
        for row in results.targets.iter().filter(|it| it.outcome == outcome) {
            target(row, results, &mut text);
        }
    }
    let remarks = remarks(results);
    if !remarks.is_empty() {
        text.push('\n');
    }
    for it in remarks {
        let _ = writeln!(text, "{it}");
    }
    text
}

fn target(row: &Row, results: &Results, text: &mut String) {
    let style = style(row.outcome);
    let facts = facts(row, results);
    let _ = writeln!(
        text,
        "\n{style}{}{style:#} {}{}{facts}",
        word(row.outcome),
        escape(row.shown(), 200),
        if facts.is_empty() { "" } else { "  " },
    );
    let sums = sums(row);
    if !sums.is_empty() {
        let _ = writeln!(text, "  {sums}");
    }
    for it in why(row) {
        let _ = writeln!(text, "  {it}");
    }
    for it in talk(row) {
        let _ = writeln!(text, "  | {it}");
    }
    if let Some(repeat) = row.repeat.as_deref().filter(|_| row.outcome != Outcome::NotStarted) {
        let _ = writeln!(text, "  repeat: {}", escape(repeat, 2_000));
    }
}

/// The colour of an outcome.
fn style(outcome: Outcome) -> Style {
    let colour = match outcome {
        Outcome::Clean => AnsiColor::Green,
        Outcome::Changes | Outcome::NotStarted | Outcome::Interrupted => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    colour.on_default()
}
