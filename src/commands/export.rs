use super::session::Connection;
use super::{Failure, chain};
use crate::cli::{ExitCode, Global};
use crate::cloud::{Reading, read};
use crate::kinds::Stack;
use crate::manifest::{export, write};
use crate::ui::Ui;
use crate::ui::escape::escape;

/// Write manifests for what exists
///
/// Reads the whole account and writes one minimal manifest for each object that nobody else owns, with
/// `lifecycle.adopt` set. No secrets are read. Objects of other stacks and of `CloudFormation` stay out.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {}

pub(super) async fn run(_: &ExportArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    let stack = Stack::named(global.stack.as_deref().unwrap_or("default"));
    let connection = Connection::open(global, &stack).await?;
    let failed = |error: crate::cloud::ReadError| Failure::error(chain(&error));
    let reading = Reading { every_kind: true, full: true, strangers: true };
    let live = read(&connection.aws, &stack, &[], reading).await.map_err(failed)?;
    let (book, left_out) = export::names(&live, &stack);
    for it in &left_out {
        let arn = escape(it.live.arn.as_str(), 200);
        ui.say(&format!("left out: {arn}: it belongs to {}\n", escape(&it.owner.to_string(), 200)));
    }
    let mut declared =
        export::declare(live.owned.values().chain(live.others.values()), &book, &stack);
    for it in &mut declared {
        it.body = it.body.renamed(&book);
    }
    let text: String = declared.iter().map(write::manifest).collect();
    ui.answer(&text)?;
    connection.close()?;
    Ok(ExitCode::Done)
}
