use super::answer::{frame_of, pretty};
use super::failure::Failure;
use super::reports::ReportsArgs;
use super::session;
use crate::cli::{ExitCode, Format, Global};
use crate::ui::events::Events;
use crate::ui::{Ui, diagnostic, json};

/// Check manifests offline
///
/// Parses every manifest, resolves references, and checks AWS's rules, without any call. Every mistake is
/// shown, not only the first.
#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(super) reports: ReportsArgs,
}

pub(super) fn run(
    _: &ValidateArgs,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let loaded = match session::load("validate", global, events, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    if matches!(global.format, Format::Github | Format::Markdown) {
        return Ok(ExitCode::Done);
    }
    let count = loaded.desired.len();
    let text = if global.format == Format::Json {
        let mut frame = frame_of("validate");
        frame.stack = Some(&loaded.stack.name);
        frame.diagnostics = diagnostic::json(&loaded.report, &loaded.sources);
        pretty(&json::checked(&frame, count, false))
    } else {
        let s = if count == 1 { "" } else { "s" };
        format!("{count} resource{s} valid\n")
    };
    ui.answer(&text)?;
    Ok(ExitCode::Done)
}
