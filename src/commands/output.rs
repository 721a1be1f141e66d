use super::answer::pretty;
use super::connection::Connection;
use super::failure::Failure;
use super::selection::{SelectionArgs, select};
use super::session;
use crate::cli::{ExitCode, Format, Global};
use crate::cloud::Reading;
use crate::kinds::{Arn, Desired, Kind, ObservedState};
use crate::ui::output::{self, Outputs, SECRETS_FILE, Secrets};
use crate::ui::{Ui, escape::escape, file, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Print ARNs, playback URLs and ingest endpoints by logical name
///
/// `--format` is text, json, env (variables for a shell) or github (lines for `$GITHUB_OUTPUT`: `stack`,
/// `account`, `region`, and `outputs` as JSON). Secrets are read only for `--secrets-to`, and go nowhere
/// else.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Write stream keys and SRT passphrases to this file, readable by its owner alone
    #[arg(long, value_name = "FILE", env = "IVS_APPLY_SECRETS_TO")]
    secrets_to: Option<PathBuf>,
}

pub(super) async fn run(args: &OutputArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    if let Some(file) = &args.secrets_to {
        file::may_write(file, SECRETS_FILE)?;
    }
    let loaded = match session::load("output", global, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let selected = select(&args.selection.selection(), &loaded)?;
    let chosen = |address| selected.as_ref().is_none_or(|it| it.chosen.contains(address));
    let connection = Connection::open(global, &loaded.stack, ui).await?;
    let needed: Vec<Desired> = loaded
        .desired
        .iter()
        .filter(|it| selected.as_ref().is_none_or(|selected| selected.has(&it.address)))
        .cloned()
        .collect();
    let observed = connection.read(&loaded.stack, &needed, Reading::default()).await?;
    let mut outputs = Outputs::new();
    let mut missing = Vec::new();
    for address in loaded.desired.iter().map(|it| &it.address).filter(|it| chosen(it)) {
        match observed.owned.get(address) {
            Some(observed) => drop(outputs.insert(address.clone(), output::of(observed))),
            None => missing.push(address.to_string()),
        }
    }
    let text = match global.format {
        Format::Json => {
            let frame = connection.frame("output", &loaded);
            pretty(&json::outputs(&frame, output::json(&outputs), &missing))
        }
        Format::Env => output::env(&outputs).map_err(|error| {
            Failure::error(error.to_string()).help("leave one out, or use `--format json`")
        })?,
        Format::Github => {
            let account = connection.session.signed_in.account();
            output::github(&outputs, &loaded.stack.name, account, &connection.aws().region)
        }
        _ => output::text(&outputs),
    };
    if let Some(file) = &args.secrets_to {
        let secrets = secrets(&connection, &observed, &outputs).await?;
        write(file, &secrets, &loaded.stack.name, ui)?;
    }
    if !missing.is_empty() {
        ui.say(&format!("no object exists for: {}\n", escape(&missing.join(", "), 1_000)));
    }
    ui.answer(&text)?;
    connection.close()?;
    Ok(ExitCode::Done)
}

/// The secrets of everything that is told of.
async fn secrets(
    connection: &Connection,
    observed: &ObservedState,
    outputs: &Outputs,
) -> Result<Secrets, Failure> {
    let mut arns: BTreeMap<Kind, Vec<Arn>> = BTreeMap::new();
    for it in outputs.keys().filter_map(|address| observed.owned.get(address)) {
        arns.entry(it.kind).or_default().push(it.arn.clone());
    }
    let mut secrets = Secrets::new();
    for (kind, arns) in arns {
        let read = kind.secrets(connection.aws(), &arns).await;
        let read = read.map_err(|error| {
            Failure::error(format!("the secrets of {kind} could not be read: {error}"))
        })?;
        for (arn, values) in read {
            if let Some(address) = observed.addresses.address(&arn).filter(|_| !values.is_empty()) {
                secrets.insert(address.clone(), values);
            }
        }
    }
    Ok(secrets)
}

fn write(file: &Path, secrets: &Secrets, stack: &str, ui: Ui) -> Result<(), Failure> {
    file::write(file, &output::secrets(secrets, stack), SECRETS_FILE)?;
    let (count, s) = (secrets.len(), if secrets.len() == 1 { "" } else { "s" });
    let name = escape(&file.display().to_string(), 200);
    ui.say(&format!("secrets of {count} resource{s} are in {name}: keep it out of Git\n"));
    Ok(())
}
