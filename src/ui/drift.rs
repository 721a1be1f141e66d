//! Drift, worded from the live side: what is there, and what was applied.

use super::escape::escape;
use super::plan::{Header, title, value};
use crate::diag::{Place, SourceMap};
use crate::plan::{Cause, Note, Plan};
use anstyle::{AnsiColor, Style};
use std::fmt::Write;

/// Drift as text; beside it how many differ because of their manifests,
/// and how many are not there.
pub fn text(
    plan: &Plan,
    (pending, missing): (usize, usize),
    header: &Header<'_>,
    sources: &SourceMap,
) -> String {
    let mut text = String::new();
    title("Drift", header, &mut text);
    let (red, dim) = (AnsiColor::Red.on_default(), Style::new().dimmed());
    for step in &plan.steps {
        let address = escape(&step.address.to_string(), 200);
        let _ = write!(text, "  {red}{address}{red:#}");
        if let Some(at) = step.origin.and_then(|it| sources.position(&Place::value(it, "kind"))) {
            let _ =
                write!(text, "  {dim}{}:{}{dim:#}", escape(sources.name(at.source), 200), at.line);
        }
        text.push('\n');
        for cause in &step.because {
            if let Cause::Failed { state } = cause {
                let _ = writeln!(text, "      AWS says {state}");
            }
        }
        for field in &step.fields {
            let (is, was) = (value(&field.before), value(&field.after));
            let _ =
                writeln!(text, "      {} is {is}, and {was} was applied", escape(&field.path, 200));
        }
        if let Some(why) = step.decision.reason() {
            let _ = writeln!(text, "      {}", escape(why, 400));
        }
    }
    for note in &plan.notes {
        if let Note::Selected(selected) = note {
            let _ = writeln!(text, "note: {}", escape(&super::plan::selected(selected), 600));
        }
    }
    let drifted = plan.steps.len();
    if drifted > 0 {
        let s = if drifted == 1 { "" } else { "s" };
        let _ = writeln!(
            text,
            "\nDrift: {drifted} resource{s}; `ivs-apply apply` puts back what was applied"
        );
    } else {
        let _ = writeln!(text, "No drift: {} unchanged", plan.unchanged.len());
    }
    if pending > 0 {
        let _ = writeln!(
            text,
            "{pending} more differ because their manifests changed: see `ivs-apply plan`"
        );
    }
    if missing > 0 {
        let _ = writeln!(text, "{missing} declared and not there: see `ivs-apply plan`");
    }
    text
}
