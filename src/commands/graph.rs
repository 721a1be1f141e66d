use super::failure::Failure;
use super::selection::{SelectionArgs, select};
use super::session::{self, Session};
use crate::cli::{ExitCode, Format, Global};
use crate::plan::Policy;
use crate::ui::Ui;
use crate::ui::events::Events;
use crate::ui::graph::Picture;

/// Draw the dependency graph, coloured by what would happen
///
/// Reads the account to know what would happen; `--offline` draws the manifests alone.
#[derive(Debug, clap::Args)]
pub(crate) struct GraphArgs {
    /// Do not read the account: references only, without colours
    #[arg(long, env = "IVS_APPLY_OFFLINE", value_parser = clap::builder::BoolishValueParser::new())]
    offline: bool,
    #[command(flatten)]
    selection: SelectionArgs,
}

pub(super) async fn run(
    args: &GraphArgs,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let loaded = match session::load("graph", global, events, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let selected = select(&args.selection.selection(), &loaded)?;
    let policy = Policy { selected, ..Policy::default() };
    let draw = |picture: Picture| match global.format {
        Format::Mermaid => picture.mermaid(),
        Format::Svg => picture.svg(),
        _ => picture.dot(),
    };
    if args.offline {
        ui.answer(&draw(Picture::new(&policy.in_scope(&loaded.desired), None)))?;
        return Ok(ExitCode::Done);
    }
    let session = Session::open(loaded, global, &policy, false, &Events::default(), ui).await?;
    let desired = policy.in_scope(&session.planned.desired);
    ui.answer(&draw(Picture::new(&desired, Some(&session.planned.plan))))?;
    session.connection.close()?;
    Ok(ExitCode::Done)
}
