//! What a fleet comes to, in words: for a terminal, as Markdown, as metrics; its page is in `ui/html/fleet.rs`. Decides
//! nothing.

mod list;
mod markdown;
mod metrics;
mod progress;
mod text;

pub use list::{Listed, list_github, list_json, list_text};
pub use markdown::document;
pub(super) use markdown::weight;
pub use metrics::metrics;
pub use progress::FleetProgress;
pub use text::text;

use super::escape::escape;
use crate::fleet::{Finding, Outcome, Results, Row, Run, WaveStatus};
use std::fmt::Write;

/// Longest value shown of anything that came from outside.
pub(super) const CAP: usize = 1_000;

/// The results as JSON.
pub fn json(results: &Results) -> String {
    let text = serde_json::to_string_pretty(results);
    let text = text.expect("keys are words, and numbers are finite");
    super::escape::json(&format!("{text}\n"))
}

/// An outcome in words, as a verdict on one target.
pub(super) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Invalid => "invalid",
        Outcome::Duplicate => "duplicate",
        Outcome::Partly => "partly applied",
        Outcome::Failed => "failed",
        Outcome::Panicked => "defect",
        Outcome::Killed => "killed",
        Outcome::TimedOut => "timed out",
        Outcome::NoAnswer => "no answer",
        Outcome::Unfinished => "unfinished",
        Outcome::Interrupted => "interrupted",
        Outcome::Refused => "refused",
        Outcome::NotStarted => "not started",
        Outcome::Changes => "changes",
        Outcome::Clean => "clean",
    }
}

/// The heading of the targets with an outcome.
pub(super) fn heading(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Invalid => "Documents that cannot be read",
        Outcome::Duplicate => "Targets that are declared twice",
        Outcome::Partly => "Partly applied",
        Outcome::Failed => "Failed",
        Outcome::Panicked => "Ended by a defect of the program",
        Outcome::Killed => "Killed",
        Outcome::TimedOut => "Timed out",
        Outcome::NoAnswer => "Without an answer",
        Outcome::Unfinished => "Unfinished",
        Outcome::Interrupted => "Interrupted",
        Outcome::Refused => "Refused",
        Outcome::NotStarted => "Not started",
        Outcome::Changes => "Changes",
        Outcome::Clean => "Clean",
    }
}

/// The counts in one line: `100 targets: 2 failed, 98 clean`.
pub(super) fn counts(results: &Results) -> String {
    let s = if results.targets.len() == 1 { "" } else { "s" };
    let mut text = format!("{} target{s}", results.targets.len());
    for (at, (outcome, count)) in results.counts.iter().enumerate() {
        let between = if at == 0 { ": " } else { ", " };
        let _ = write!(text, "{between}{count} {}", word(*outcome));
    }
    text
}

/// The commands of the runs: `drift`, or `apply and drift`.
pub(super) fn title(results: &Results) -> String {
    let commands: Vec<String> = results.commands().iter().map(|it| escape(it, 40)).collect();
    format!("Fleet {}", commands.join(" and "))
}

/// Account, region and wave of a target, and how long its run took.
pub(super) fn facts(row: &Row, results: &Results) -> String {
    let mut facts = Vec::new();
    if let (Some(account), Some(region)) = (&row.account, &row.region) {
        facts.push(format!("{}/{}", escape(account, 40), escape(region, 40)));
    }
    if let Some(wave) = row.wave {
        facts.push(format!("wave {wave}"));
    }
    if results.commands().len() > 1
        && let Some(run) = results.runs.get(row.run)
    {
        facts.push(escape(&run.command, 40));
    }
    if let Some(seconds) = row.seconds {
        facts.push(format!("{seconds:.1} s"));
    }
    if row.kept {
        facts.push("of an earlier run".to_owned());
    }
    facts.join(", ")
}

/// Why a target ended as it did, each a sentence; nothing of one that is clean.
pub(super) fn why(row: &Row) -> Vec<String> {
    let Why { mut lines, help, findings } = all_of_why(row);
    lines.extend(help.map(|it| format!("help: {it}")));
    lines.extend(findings);
    lines
}

/// The one sentence of that which tells most: never what to do about it, without what is wrong.
pub(super) fn cause(row: &Row) -> Option<String> {
    let Why { mut lines, findings, .. } = all_of_why(row);
    lines.extend(findings);
    lines.pop()
}

/// Why a target ended as it did.
struct Why {
    /// How it ended, and what went wrong.
    lines: Vec<String>,
    /// What to do about it.
    help: Option<String>,
    /// What is wrong in its manifests.
    findings: Vec<String>,
}

fn all_of_why(row: &Row) -> Why {
    let mut lines = Vec::new();
    let others = || row.others.iter().map(|it| escape(it, 200)).collect::<Vec<_>>().join(", ");
    let ended = match (row.exit_code, row.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => String::new(),
    };
    match row.outcome {
        Outcome::Duplicate if row.others.iter().any(|it| it.contains(':')) => {
            lines.push(format!("another target has the same name: {}", others()));
        }
        Outcome::Duplicate => lines
            .push(format!("another target has the same account, region and stack: {}", others())),
        Outcome::Killed => lines.push(format!("its process was ended by {ended} from outside")),
        Outcome::TimedOut => {
            lines.push("it took longer than `--timeout` allows and was ended".to_owned());
        }
        Outcome::Unfinished => {
            lines.push(
                "the fleet ended before this run did: what it has done is unknown".to_owned(),
            );
        }
        Outcome::Panicked => lines.push(format!("the program has a defect ({ended})")),
        Outcome::Failed | Outcome::Partly | Outcome::Refused | Outcome::Interrupted
            if !ended.is_empty() =>
        {
            lines.push(ended);
        }
        _ => {}
    }
    if let Some(error) = &row.error {
        // A document without a name is shown by its place already.
        let is_named = row.outcome == Outcome::Invalid && row.shown() != row.place;
        let place = if is_named { format!("{}: ", escape(&row.place, 400)) } else { String::new() };
        lines.push(format!("{place}{}", escape(&error.message, CAP)));
    }
    let help = row.error.as_ref().and_then(|it| it.help.as_ref()).map(|it| escape(it, CAP));
    let finding = |it: &Finding| {
        let place = match (&it.file, it.line) {
            (Some(file), Some(line)) => format!("{}:{line}: ", escape(file, 400)),
            (Some(file), None) => format!("{}: ", escape(file, 400)),
            _ => String::new(),
        };
        format!("{place}{}", escape(&it.message, CAP))
    };
    Why { lines, help, findings: row.findings.iter().map(finding).collect() }
}

/// The last lines of what a target said, each made safe.
pub(super) fn talk(row: &Row) -> Vec<String> {
    row.talk.iter().flat_map(|it| it.lines()).map(|it| escape(it, CAP)).collect()
}

/// What a plan or an apply counts, without zeros: `2 update, 1 create`.
pub(super) fn sums(row: &Row) -> String {
    let counts = if row.steps.is_empty() { &row.summary } else { &row.steps };
    let quiet = ["unchanged", "dormant", "orphans"];
    let counts = counts.iter().filter(|(name, it)| **it > 0 && !quiet.contains(&name.as_str()));
    counts.map(|(name, it)| format!("{it} {}", escape(name, 40))).collect::<Vec<_>>().join(", ")
}

/// What the runs say beside their targets: waves that stopped, parts that are missing, runs that did not end.
pub(super) fn remarks(results: &Results) -> Vec<String> {
    let mut remarks = Vec::new();
    for run in &results.runs {
        let of = match &run.shard {
            Some(shard) => format!(" of shard {}", escape(shard, 20)),
            None => String::new(),
        };
        for it in run.waves.iter().filter(|it| it.status == WaveStatus::Stopped) {
            let most = run.max_failures.as_deref().unwrap_or("0");
            remarks.push(format!(
                "wave {}{of}: {} of {} targets are not done, more than `--max-failures {}` allows, so no further wave was \
                 started",
                it.wave,
                it.failed,
                it.targets,
                escape(most, 20)
            ));
        }
        if run.ended_at.is_none() {
            remarks.push(format!(
                "the run `{}`{of} that began at {} has not ended, or was killed",
                escape(&run.command, 40),
                run.started_at
            ));
        }
    }
    let missing = results.missing_shards();
    if !missing.is_empty() {
        remarks.push(format!(
            "there are no results of the shards {}: their targets are not in this report",
            missing.join(", ")
        ));
    }
    remarks
}

/// A run in one line: what, of which targets, when.
pub(super) fn run_line(run: &Run) -> String {
    let mut text = escape(&run.command, 40);
    for it in &run.arguments {
        let _ = write!(text, " {}", super::shell::quote(&escape(it, 200)));
    }
    if let Some(shard) = &run.shard {
        let _ = write!(text, ", shard {}", escape(shard, 20));
    }
    if let Some(wave) = run.selected.wave {
        let _ = write!(text, ", wave {wave}");
    }
    if !run.selected.labels.is_empty() {
        let _ = write!(text, ", {}", escape(&run.selected.labels.join(","), 400));
    }
    let _ = write!(text, ", {}", run.started_at.strftime("%Y-%m-%d %H:%M:%S UTC"));
    text
}
