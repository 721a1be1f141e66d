//! `fleet report`: the results of one or several runs.

use super::super::failure::Failure;
use super::args::ReportArgs;
use crate::cli::{ExitCode, Format, Global};
use crate::fleet::{FORMAT_VERSION, Gate, Results};
use crate::ui::file::results;
use crate::ui::fleet::{document, json, metrics, text};
use crate::ui::{Ui, html};
use std::path::Path;

pub(super) fn run(args: &ReportArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    let mut all = Vec::new();
    for folder in &args.folders {
        for (path, text) in results(folder)? {
            all.push(parsed(&path, &text)?);
        }
    }
    let results = Results::merged(all);
    ui.answer(&shown(&results, global))?;
    let Some(most) = args.max_failures else { return Ok(ExitCode::Done) };
    let failed = results.targets.iter().filter(|it| !it.outcome.is_done()).count();
    let gate = Gate { most, failed, of: results.targets.len() };
    let is_whole = results.missing_shards().is_empty() && results.has_ended();
    if gate.is_open() && is_whole {
        return Ok(ExitCode::Done);
    }
    let of = results.targets.len();
    ui.say(&if gate.is_open() {
        "the results are not complete: a shard is missing, or a run has not ended\n".to_owned()
    } else {
        format!("{failed} of {of} targets are not done, more than `--max-failures {most}` allows\n")
    });
    Ok(ExitCode::Partly)
}

/// Results in the form that was asked for.
pub(super) fn shown(results: &Results, global: &Global) -> String {
    match global.format {
        Format::Json => json(results),
        Format::Markdown => document(results).text(global.markdown_limit),
        Format::Html => html::fleet(results),
        Format::Metrics => metrics(results),
        _ => text(results),
    }
}

/// The results in a `fleet.json`.
pub(super) fn parsed(folder: &Path, text: &str) -> Result<Results, Failure> {
    let file = folder.join("fleet.json");
    let version = |it: &str| it.split('.').next().map(str::to_owned);
    // Another format may have other members, which would be called wrong first.
    if let Ok(Version { format_version }) = serde_json::from_str(text)
        && version(&format_version) != version(FORMAT_VERSION)
    {
        let message = format!(
            "`{}` has format {format_version}, and this program reads {FORMAT_VERSION}",
            file.display(),
        );
        return Err(Failure::error(message).help("use the version of ivs-apply that wrote it"));
    }
    serde_json::from_str(text).map_err(|error| {
        let message = format!("`{}` is not what a fleet has written: {error}", file.display());
        Failure::error(message).help(
            "a fleet writes the file whole, so it was cut off or changed since: copy it again, or leave its folder out",
        )
    })
}

/// What tells the format of results, whatever else they have.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    format_version: String,
}
