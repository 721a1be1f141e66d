//! `fleet list`.

use super::super::failure::Failure;
use super::args::ListArgs;
use super::read;
use crate::cli::{ExitCode, Format, Global};
use crate::ui::Ui;
use crate::ui::fleet::{Listed, list_github, list_json, list_text};

pub(super) fn run(args: &ListArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    let fleet = read::fleet(global)?.selected(&args.chosen.selection());
    // More shards than queues would be jobs that have nothing to do.
    let most = fleet.queues().len().max(1);
    let wanted = match (args.shards, global.format) {
        (Some(shards), _) => Some(usize::from(shards).min(most)),
        (None, Format::Github) => Some(most.min(usize::from(JOBS))),
        (None, _) => None,
    };
    let dealt = wanted.map(|it| fleet.dealt(it));
    let listed = Listed { fleet: &fleet, dealt: dealt.as_ref() };
    let text = match global.format {
        Format::Json => list_json(&listed),
        Format::Github => list_github(&listed),
        _ => list_text(&listed),
    };
    ui.answer(&text)?;
    if fleet.is_empty() {
        ui.say("note: no target has these labels and this wave\n");
    }
    let faulty = fleet.targets.iter().any(|it| it.fault.is_some());
    if global.format == Format::Github {
        // The jobs tell of what is wrong with some documents; the others are run.
        return Ok(ExitCode::Done);
    }
    Ok(if faulty || !fleet.unread.is_empty() { ExitCode::Partly } else { ExitCode::Done })
}

/// The most jobs that GitHub runs of a matrix.
const JOBS: u16 = 256;
