use super::connection::{Account, Connection};
use super::failure::{Failure, chain};
use crate::aws::SignedIn;
use crate::cli::{ExitCode, Global};
use crate::cloud::{Reading, read};
use crate::kinds::{Desired, Kind, Stack};
use crate::manifest::{export, schema, write};
use crate::plan::selection::{Pattern, Selection};
use crate::ui::Ui;
use crate::ui::escape::{escape, yaml};
use crate::ui::{export as told, file};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Write manifests for what exists
///
/// Reads the whole account and writes one minimal manifest for each object that no other owner has, with
/// `lifecycle.adopt` set. No secrets are read. Objects of other stacks and of `CloudFormation` are left out. A name
/// is the display name where only one object has it, else with the object's id. A replication that was begun
/// by hand is not exported, as AWS gives it no id and no tags, and neither are the stream keys that come with channels, unless
/// the stack manages them. What is left out is told in one line a reason, with
/// `-v` in one line an object.
///
/// The first line names the JSON Schema `.schemas/ivs-apply.json` for editors. `--out` writes that file too, if it does
/// not exist; `ivs-apply schema > .schemas/ivs-apply.json` writes it anew.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Only what matches, such as `Channel/*`
    ///
    /// What it needs comes with it.
    #[arg(long, value_name = "GLOB", value_delimiter = ' ', env = "IVS_APPLY_ONLY")]
    only: Vec<Pattern>,
    /// Write into this folder instead of standard output
    ///
    /// One new file a kind, and one for the Stack.
    #[arg(long, value_name = "FOLDER", env = "IVS_APPLY_OUT")]
    out: Option<PathBuf>,
}

pub(super) async fn run(args: &ExportArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    if let Some(folder) = &args.out {
        let names = Kind::ALL.iter().map(|it| it.name()).chain([STACK]);
        file::may_fill(folder, names.map(file_name))?;
    }
    let mut stack = Stack::named(global.stack.as_deref().unwrap_or("default"));
    let account = Account::of(global, None).await?;
    let connection = Connection::open_at(account, global, &stack, ui).await?;
    let failed = |error: crate::cloud::ReadError| Failure::error(chain(&error));
    let reading = Reading { every_kind: true, full: true, strangers: true };
    let observed = read(connection.aws(), &stack, &[], reading).await.map_err(failed)?;
    let (addresses, left_out) = export::names(&observed);
    let each = global.verbose > 0;
    ui.say(&told::left_out(&left_out, each));
    let mut declared = export::declare(
        export::own(&observed).map(|it| it.1).chain(observed.others.values()),
        &addresses,
        &stack,
    );
    if declared.is_empty() {
        ui.say(match left_out.as_slice() {
            [] => "the account holds no Amazon IVS resource: there is nothing to export\n",
            _ => "every resource of the account is left out: there is nothing to export\n",
        });
        connection.close()?;
        return Ok(ExitCode::Done);
    }
    for it in &mut declared {
        it.spec = it.spec.renamed(&addresses);
    }
    let selection = Selection { only: args.only.clone(), ..Selection::default() };
    if selection.is_everything() {
        ui.say(&told::comes_along(&declared));
    } else {
        let selected = selection.of(&declared)?;
        declared.retain(|it| selected.has(&it.address));
    }
    let ending = declared.iter().filter(|it| !it.address.kind.facts().ended.is_empty());
    ui.say(&told::ends_by_itself(&ending.map(|it| &it.address).collect::<Vec<_>>(), each));
    if let Some(folder) = &args.out {
        stack.region = Some(connection.aws().region.clone());
        stack.account = connection.session.signed_in.account().map(ToOwned::to_owned);
        if let SignedIn::Unknown(why) = &connection.session.signed_in {
            ui.say(&format!(
                "warning: the Stack does not name its account, which is unknown: {}\n",
                escape(why, 400)
            ));
        }
        let mut files = by_kind(&stack, &declared);
        let manifests = files.len();
        // The one that `init` has written stays.
        if file::may_fill(folder, [schema::FILE.to_owned()]).is_ok() {
            files.insert(schema::FILE.to_owned(), schema::file());
        }
        file::fill(folder, &files)?;
        say_written(folder, manifests, declared.len(), ui);
    } else {
        let text: String = declared.iter().map(write::manifest).collect();
        ui.answer(&format!("{}{}", schema::line(), yaml(&text)))?;
    }
    connection.close()?;
    Ok(ExitCode::Done)
}

const STACK: &str = crate::manifest::envelope::STACK;

fn file_name(kind: &str) -> String {
    format!("{kind}.yaml")
}

/// Files by name. The stack says where all this is, so that it can be applied there and nowhere else.
fn by_kind(stack: &Stack, declared: &[Desired]) -> BTreeMap<String, String> {
    let stack = format!("{}{}", schema::line(), write::stack(stack));
    let mut files = BTreeMap::from([(file_name(STACK), stack)]);
    for it in declared {
        let text = files.entry(file_name(it.address.kind.name())).or_insert_with(schema::line);
        text.push_str(&yaml(&write::manifest(it)));
    }
    files
}

fn say_written(folder: &Path, files: usize, count: usize, ui: Ui) {
    let s = if count == 1 { "" } else { "s" };
    let name = escape(&folder.display().to_string(), 200);
    ui.say(&format!(
        "{count} resource{s} in {files} files of {name}: `ivs-apply plan -f {name}` shows what taking them over \
         writes\n"
    ));
}
