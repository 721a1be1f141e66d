//! The results of a fleet as `OpenMetrics` text, which the textfile collector of `node_exporter` reads as well.

use super::CAP;
use crate::fleet::{Outcome, Results, Row};
use crate::ui::escape::escape;
use crate::ui::metrics::list::{Metric, fleet};
use std::fmt::Write;

/// The results.
pub fn metrics(results: &Results) -> String {
    let mut text = String::new();
    let build = [("version", env!("CARGO_PKG_VERSION").to_owned())];
    metric(&mut text, &fleet::BUILD_INFO, [(build.to_vec(), "1".into())]);
    let counted = results.commands().into_iter().flat_map(|command| {
        Outcome::ALL.into_iter().map(move |outcome| {
            let rows = results.targets.iter().filter(|it| command_of(it, results) == command);
            let count = rows.filter(|it| it.outcome == outcome).count();
            let labels =
                vec![("command", command.to_owned()), ("outcome", outcome.code().to_owned())];
            (labels, count.to_string())
        })
    });
    metric(&mut text, &fleet::TARGETS, counted);
    let missing = results.missing_shards().len().to_string();
    metric(&mut text, &fleet::MISSING_SHARDS, [(Vec::new(), missing)]);
    let rows = || results.targets.iter().filter(|it| it.name.is_some());
    let of = |row: &Row, value: String| (labels(row, results), value);
    metric(
        &mut text,
        &fleet::DONE,
        rows().map(|it| of(it, u8::from(it.outcome.is_done()).to_string())),
    );
    metric(
        &mut text,
        &fleet::HAS_CHANGES,
        rows().map(|it| of(it, u8::from(it.outcome == Outcome::Changes).to_string())),
    );
    metric(
        &mut text,
        &fleet::EXIT_CODE,
        rows().filter_map(|it| Some(of(it, it.exit_code?.to_string()))),
    );
    metric(
        &mut text,
        &fleet::STARTED,
        rows().filter_map(|it| Some(of(it, it.started_at?.as_second().to_string()))),
    );
    metric(
        &mut text,
        &fleet::DURATION,
        rows().filter_map(|it| Some(of(it, format!("{:.3}", it.seconds?)))),
    );
    metric(&mut text, &fleet::CALLS, rows().filter_map(|it| Some(of(it, it.calls?.to_string()))));
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
    metric: &Metric,
    samples: impl IntoIterator<Item = (Vec<(&'static str, String)>, String)>,
) {
    let mut samples = samples.into_iter().peekable();
    if samples.peek().is_none() {
        return;
    }
    let Metric { name, help, .. } = metric;
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in samples {
        let labels: Vec<String> = labels
            .into_iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(&escape(&value, CAP))))
            .collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

/// The value of a label as it is written.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}
