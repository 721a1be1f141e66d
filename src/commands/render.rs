use super::answer::pretty;
use super::failure::Failure;
use super::session;
use crate::cli::{ExitCode, Format, Global};
use crate::manifest::write;
use crate::ui::Ui;
use crate::ui::escape::yaml;
use crate::ui::events::Events;

/// Print the manifests as they are understood
///
/// Offline: the values are put in, the tags of the Stack and texts from files beside the manifests too, and what is as
/// its default is left out. The Stack comes first, then the resources by address. The answer is manifests again:
/// `ivs-apply render | ivs-apply plan -f -` gives the same plan. JSON is one document of kind `List`.
#[derive(Debug, clap::Args)]
pub(crate) struct RenderArgs {}

pub(super) fn run(
    _: &RenderArgs,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let loaded = match session::load("render", global, events, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let documents = write::documents(&loaded.stack, &loaded.stack_spec, &loaded.desired);
    if global.format == Format::Json {
        ui.answer(&pretty(&write::list(&documents)))?;
    } else {
        let text: String = documents.iter().map(write::document).collect();
        ui.answer(&yaml(&text))?;
    }
    Ok(ExitCode::Done)
}
