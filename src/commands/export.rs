use super::session::Connection;
use super::{Failure, chain};
use crate::cli::{ExitCode, Global};
use crate::cloud::{Reading, read};
use crate::kinds::{Kind, Live, Stack};
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
    let reading = Reading { every_kind: true, full: true };
    let live = read(&connection.aws, &stack, &[], reading).await.map_err(failed)?;
    // Names first, from a reading without references; then the specs again, with references by name.
    let strangers: Vec<&Live> = live.others.values().collect();
    let mut named = live.clone();
    for (kind, arns) in by_kind(&strangers) {
        let read = kind.get(&connection.aws, &arns, &live.book).await;
        let read = read.map_err(|error| Failure::error(error.to_string()))?;
        named.others.extend(read.into_iter().map(|it| (it.arn.clone(), it)));
    }
    let (book, left_out) = export::names(&named, &stack);
    for it in &left_out {
        let arn = escape(it.live.arn.as_str(), 200);
        ui.say(&format!("left out: {arn}: it belongs to {}\n", escape(&it.owner.to_string(), 200)));
    }
    let mut declared =
        export::declare(named.owned.values().chain(named.others.values()), &book, &stack);
    for it in &mut declared {
        it.body = it.body.renamed(&book);
    }
    let text: String = declared.iter().map(write::manifest).collect();
    ui.answer(&text)?;
    connection.close()?;
    Ok(ExitCode::Done)
}

fn by_kind(objects: &[&Live]) -> Vec<(Kind, Vec<crate::kinds::Arn>)> {
    let of = |kind: Kind| {
        let its = objects.iter().filter(|it| it.kind == kind).map(|it| it.arn.clone()).collect();
        (kind, its)
    };
    Kind::ALL
        .iter()
        .map(|kind| of(*kind))
        .filter(|(_, arns): &(Kind, Vec<_>)| !arns.is_empty())
        .collect()
}
