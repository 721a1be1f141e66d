//! The results of a fleet as a comment or a step summary.

use super::{counts, facts, heading, remarks, run_line, sums, talk, title, why};
use crate::fleet::{Outcome, Results, Row};
use crate::ui::escape::escape;
use crate::ui::markdown::{Document, Group, Item, Weight, span};
use std::fmt::Write;

/// The results.
pub fn document(results: &Results) -> Document {
    let mut head = format!("### {}\n\n**{}**\n\n", title(results), counts(results));
    for it in remarks(results) {
        let _ = writeln!(head, "> [!WARNING]\n> {}\n", span(&it));
    }
    if results.runs.len() > 1 {
        let _ = writeln!(head, "{} runs\n", results.runs.len());
    } else if let Some(run) = results.runs.first() {
        let _ = writeln!(head, "{}\n", span(&run_line(run)));
    }
    let groups = Outcome::ALL.into_iter().filter_map(|outcome| {
        let rows = results.targets.iter().filter(|it| it.outcome == outcome);
        let items: Vec<Item> = rows.map(|it| item(it, results)).collect();
        let mut group = Group::new(heading(outcome), weight(outcome), items);
        group.is_folded = matches!(outcome, Outcome::Clean | Outcome::NotStarted);
        (!group.items.is_empty()).then_some(group)
    });
    // The names of commands come from a file, and a marker is no code span.
    let mut commands = results.commands().join("-");
    commands.retain(|it| it.is_ascii_lowercase() || it == '-');
    let of = (format!("fleet-{commands}"), "all".to_owned());
    Document { of, head, groups: groups.collect() }
}

fn item(row: &Row, results: &Results) -> Item {
    let mut lines = format!("- {}", span(row.shown()));
    for it in [facts(row, results), sums(row)].iter().filter(|it| !it.is_empty()) {
        let _ = write!(lines, " {}", span(it));
    }
    lines.push('\n');
    if row.outcome == Outcome::Clean {
        return Item { lines, details: String::new() };
    }
    for it in why(row) {
        let _ = writeln!(lines, "  - {}", span(&it));
    }
    if let Some(repeat) = row.repeat.as_deref().filter(|_| row.outcome != Outcome::NotStarted) {
        let _ = writeln!(lines, "  - repeat: {}", span(repeat));
    }
    let mut details = String::new();
    for (at, it) in talk(row).iter().enumerate() {
        if at == 0 {
            let _ = writeln!(details, "# {}", escape(row.shown(), 200));
        }
        // A CI system takes a line that begins with `::` for a command, whatever blanks are before it.
        let _ = writeln!(details, "  | {it}");
    }
    Item { lines, details }
}

/// What a reader misses without the targets that ended so.
pub(in crate::ui) fn weight(outcome: Outcome) -> Weight {
    match outcome {
        Outcome::Refused => Weight::Blocked,
        Outcome::Changes => Weight::Drift,
        Outcome::NotStarted => Weight::Deferred,
        Outcome::Clean => Weight::Quiet,
        _ => Weight::Error,
    }
}
