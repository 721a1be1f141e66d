use super::answer::{frame_of, pretty};
use super::apply::read_approval;
use super::failure::Failure;
use crate::cli::{ExitCode, Format, Global};
use crate::ui::{Ui, html, json, saved};
use std::path::PathBuf;

/// Show a saved plan
///
/// Reads the file of `plan --out`, and neither manifests nor an account. Whether the plan still holds is
/// decided by `apply`.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Saved plan of `plan --out`
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
}

pub(super) fn run(args: &ShowArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    let approval = read_approval(&args.plan, "plan")?;
    let text = match global.format {
        Format::Json => pretty(&json::saved(&frame_of("show"), &approval)),
        Format::Html => html::saved(&approval),
        Format::Markdown => saved::document(&approval).text(global.markdown_limit),
        _ => saved::text(&approval),
    };
    ui.answer(&text)?;
    Ok(ExitCode::Done)
}
