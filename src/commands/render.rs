use super::answer::pretty;
use super::failure::Failure;
use super::session;
use crate::cli::{ExitCode, Format, Global};
use crate::manifest::write;
use crate::ui::Ui;
use crate::ui::escape::yaml;
use crate::ui::events::Events;

/// Print the manifests with their values filled in
///
/// Works offline. Fills in the values, adds the tags of the Stack and the texts of files beside the manifests, and omits
/// fields that have their default. Prints the Stack first, then the resources by address. The output is valid input:
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
