//! The results of a fleet as `OpenMetrics` text, which the textfile collector of `node_exporter` reads as well.

use super::CAP;
use crate::fleet::{Outcome, Results, Row};
use crate::ui::escape::escape;
use std::fmt::Write;

/// The beginning of each name.
const PREFIX: &str = "ivs_apply_fleet_";

/// The results.
pub fn metrics(results: &Results) -> String {
    let mut text = String::new();
    let build = [("version", env!("CARGO_PKG_VERSION").to_owned())];
    metric(&mut text, "build_info", "The program that wrote this.", [(build.to_vec(), "1".into())]);
    let counted = results.commands().into_iter().flat_map(|command| {
        Outcome::ALL.into_iter().map(move |outcome| {
            let rows = results.targets.iter().filter(|it| command_of(it, results) == command);
            let count = rows.filter(|it| it.outcome == outcome).count();
            let labels =
                vec![("command", command.to_owned()), ("outcome", outcome.code().to_owned())];
            (labels, count.to_string())
        })
    });
    metric(&mut text, "targets", "Targets by how their last run ended.", counted);
    let missing = results.missing_shards().len().to_string();
    let help = "Shards without results, though there are results of other shards.";
    metric(&mut text, "missing_shards", help, [(Vec::new(), missing)]);
    let rows = || results.targets.iter().filter(|it| it.name.is_some());
    let of = |row: &Row, value: String| (labels(row, results), value);
    metric(
        &mut text,
        "target_done",
        "Whether the last run of a target did what was asked: it ended with exit code 0 or 2.",
        rows().map(|it| of(it, u8::from(it.outcome.is_done()).to_string())),
    );
    metric(
        &mut text,
        "target_has_changes",
        "Whether the last run of a target found changes or drift.",
        rows().map(|it| of(it, u8::from(it.outcome == Outcome::Changes).to_string())),
    );
    metric(
        &mut text,
        "target_exit_code",
        "The exit code of the last run of a target, where it had one.",
        rows().filter_map(|it| Some(of(it, it.exit_code?.to_string()))),
    );
    metric(
        &mut text,
        "target_start_timestamp_seconds",
        "When the last run of a target began.",
        rows().filter_map(|it| Some(of(it, it.started_at?.as_second().to_string()))),
    );
    metric(
        &mut text,
        "target_duration_seconds",
        "How long the last run of a target took.",
        rows().filter_map(|it| Some(of(it, format!("{:.3}", it.seconds?)))),
    );
    metric(
        &mut text,
        "target_calls",
        "Calls of AWS of the last run of a target.",
        rows().filter_map(|it| Some(of(it, it.calls?.to_string()))),
    );
    text.push_str("# EOF\n");
    text
}

fn command_of<'a>(row: &Row, results: &'a Results) -> &'a str {
    results.runs.get(row.run).map_or("", |it| it.command.as_str())
}

/// The labels of a target. Two documents of one name differ by their place.
fn labels(row: &Row, results: &Results) -> Vec<(&'static str, String)> {
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    let mut labels = vec![
        ("command", command_of(row, results).to_owned()),
        ("target", row.shown().to_owned()),
        ("account", text(&row.account)),
        ("region", text(&row.region)),
        ("stack", text(&row.stack)),
        ("wave", row.wave.map(|it| it.to_string()).unwrap_or_default()),
    ];
    if row.outcome == Outcome::Duplicate {
        labels.push(("place", row.place.clone()));
    }
    labels
}

/// A metric with its samples; nothing where it has none.
fn metric(
    text: &mut String,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Vec<(&'static str, String)>, String)>,
) {
    let mut samples = samples.into_iter().peekable();
    if samples.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} gauge");
    for (labels, value) in samples {
        let labels: Vec<String> = labels
            .into_iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(&escape(&value, CAP))))
            .collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(text, "{PREFIX}{name}{labels} {value}");
    }
}

/// The value of a label as it is written.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}
