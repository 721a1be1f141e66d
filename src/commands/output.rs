use super::answer::pretty;
use super::connection::Connection;
use super::failure::Failure;
use super::selection::{SelectionArgs, select};
use super::session;
use crate::cli::{ExitCode, Format, Global};
use crate::cloud::Reading;
use crate::kinds::{
    Arn, Desired, Kind, NamedSecret, Observed, ObservedState, Pointer, WithSecrets,
};
use crate::ui::events::Events;
use crate::ui::output::{self, NoVariables, Outputs};
use crate::ui::secrets::{self, SECRETS_FILE, Secrets};
use crate::ui::{Ui, escape::escape, file, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Print ARNs, playback URLs and ingest endpoints by logical name
///
/// `--format` is text, json, env (variables for a shell), dotenv (for readers of `.env` files) or github (lines for
/// `$GITHUB_OUTPUT`: `stack`, `account`, `region`, and `outputs` as JSON). Secrets are read only for `--secrets-to`,
/// and go nowhere else.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Write secrets to this file, or with `-` to standard output
    ///
    /// Secrets are stream keys and SRT passphrases, with the addresses that encoders publish to. A file is readable by its
    /// owner alone; standard output has them instead of the answer, and is not a terminal.
    ///
    /// They are JSON, or what `--format env` or `dotenv` asks for. For each resource there are the
    /// server and the key alone, and both in one URL: RTMPS and SRT of a stream key, RTMP or RTMPS of an ingest
    /// configuration, WHIP of a stage.
    #[arg(long, value_name = "FILE", env = "IVS_APPLY_SECRETS_TO")]
    secrets_to: Option<PathBuf>,
}

impl OutputArgs {
    /// Whether standard output is for secrets alone.
    pub(super) fn hands_over(&self) -> bool {
        self.secrets_to.as_ref().is_some_and(|it| it.as_os_str() == STANDARD_OUTPUT)
    }
}

/// Standard output, as a file of `--secrets-to`.
const STANDARD_OUTPUT: &str = "-";

/// Where secrets go.
enum Handover<'a> {
    File(&'a Path, Form),
    StandardOutput(Form),
}

/// The form of secrets.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Env,
    Dotenv,
}

impl Form {
    fn text(self, secrets: &Secrets, stack: &str) -> Result<Zeroizing<String>, Failure> {
        match self {
            Self::Json => Ok(secrets::json(secrets, stack)),
            Self::Env => secrets::env(secrets).map_err(|it| no_variables(&it)),
            Self::Dotenv => secrets::dotenv(secrets).map_err(|it| no_variables(&it)),
        }
    }
}

impl<'a> Handover<'a> {
    /// Where the secrets may go, if they were asked for; refused before anything is read.
    fn of(args: &'a OutputArgs, global: &Global, ui: Ui) -> Result<Option<Self>, Failure> {
        let Some(file) = &args.secrets_to else { return Ok(None) };
        if !args.hands_over() {
            file::may_write(file, SECRETS_FILE)?;
            let form = match global.format {
                Format::Env => Form::Env,
                Format::Dotenv => Form::Dotenv,
                _ => Form::Json,
            };
            return Ok(Some(Self::File(file, form)));
        }
        let form = match global.format {
            Format::Json => Form::Json,
            Format::Text if !global.is_format_given => Form::Json,
            Format::Env => Form::Env,
            Format::Dotenv => Form::Dotenv,
            _ => {
                let message = "`output --secrets-to -` answers in json, env, dotenv";
                return Err(Failure::error(message)
                    .help("secrets have no other form; without `--format` it is json"));
            }
        };
        if ui.answers_terminal() {
            let message = "standard output is a terminal, which would show and keep the secrets";
            return Err(Failure::error(message).help(
                "pipe them into the program that needs them: `ivs-apply output --secrets-to - | …`",
            ));
        }
        Ok(Some(Self::StandardOutput(form)))
    }
}

pub(super) async fn run(
    args: &OutputArgs,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let handover = Handover::of(args, global, ui)?;
    // Invalid manifests are told of on standard error alone where standard output is for secrets.
    let format = if args.hands_over() { Format::Text } else { global.format };
    let loaded = match session::load("output", &Global { format, ..global.clone() }, events, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let selected = select(&args.selection.selection(), &loaded)?;
    let chosen = |address| selected.as_ref().is_none_or(|it| it.chosen.contains(address));
    let connection = Connection::open(global, &loaded, ui).await?;
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
    let say_missing = || {
        if !missing.is_empty() {
            ui.say(&format!("no object exists for: {}\n", escape(&missing.join(", "), 1_000)));
        }
    };
    let stack = &loaded.stack.name;
    match handover {
        Some(Handover::StandardOutput(form)) => {
            let secrets = secrets(&connection, &observed, &outputs).await?;
            say_missing();
            ui.hand_over(&form.text(&secrets, stack)?)?;
            connection.close()?;
            return Ok(ExitCode::Done);
        }
        Some(Handover::File(file, form)) => {
            let secrets = secrets(&connection, &observed, &outputs).await?;
            write(file, form, &secrets, stack, ui)?;
        }
        None => {}
    }
    let text = match global.format {
        Format::Json => {
            let frame = connection.frame("output", &loaded);
            pretty(&json::outputs(&frame, output::json(&outputs), &missing))
        }
        Format::Env => output::env(&outputs).map_err(|it| no_variables(&it))?,
        Format::Dotenv => output::dotenv(&outputs).map_err(|it| no_variables(&it))?,
        Format::Github => {
            let account = connection.session.signed_in.account();
            output::github(&outputs, stack, account, &connection.aws().region)
        }
        _ => output::text(&outputs),
    };
    say_missing();
    ui.answer(&text)?;
    connection.close()?;
    Ok(ExitCode::Done)
}

fn no_variables(error: &NoVariables) -> Failure {
    Failure::error(error.to_string()).help("leave one out with `--exclude`, or use `--format json`")
}

/// The secrets of everything that is told of, with the addresses that they are for.
async fn secrets(
    connection: &Connection,
    observed: &ObservedState,
    outputs: &Outputs,
) -> Result<Secrets, Failure> {
    let told: Vec<_> =
        outputs.keys().filter_map(|it| Some((it, observed.owned.get(it)?))).collect();
    let target = |it: &Observed| match it.publishes_to()? {
        Pointer::Named(address) => observed.owned.get(&address),
        Pointer::Outside(arn) => observed.others.get(&arn),
    };
    // The URL of a key may need a secret of the channel, also where only the key is told of.
    let targets = told.iter().filter_map(|(_, it)| target(it));
    let mut read = read(connection, told.iter().map(|(_, it)| *it).chain(targets)).await?;
    let with = |it: &Arn| read.get(it).map(Vec::as_slice).unwrap_or_default();
    let addresses: Vec<Vec<NamedSecret>> = told
        .iter()
        .map(|(_, it)| {
            let own = WithSecrets { observed: it, secrets: with(&it.arn) };
            let open = own.open_endpoints();
            let target = target(it);
            let target = target.map(|it| WithSecrets { observed: it, secrets: with(&it.arn) });
            let addresses = target.map(|it| own.observed.kind.addresses_with_secrets(&own, &it));
            open.into_iter().chain(addresses.into_iter().flatten()).collect()
        })
        .collect();
    let mut secrets = Secrets::new();
    for ((address, it), addresses) in told.into_iter().zip(addresses) {
        let mut values = read.remove(&it.arn).unwrap_or_default();
        values.extend(addresses);
        if !values.is_empty() {
            secrets.insert(address.clone(), values);
        }
    }
    Ok(secrets)
}

/// The secrets of these objects.
async fn read<'a>(
    connection: &Connection,
    objects: impl Iterator<Item = &'a Observed>,
) -> Result<BTreeMap<Arn, Vec<NamedSecret>>, Failure> {
    let mut arns: BTreeMap<Kind, Vec<Arn>> = BTreeMap::new();
    for it in objects {
        let of_kind = arns.entry(it.kind).or_default();
        if !of_kind.contains(&it.arn) {
            of_kind.push(it.arn.clone());
        }
    }
    let mut secrets = BTreeMap::new();
    for (kind, arns) in arns {
        let read = kind.secrets(connection.aws(), &arns).await;
        secrets.extend(read.map_err(|error| {
            Failure::error(format!("the secrets of {kind} could not be read: {error}"))
        })?);
    }
    Ok(secrets)
}

fn write(file: &Path, form: Form, secrets: &Secrets, stack: &str, ui: Ui) -> Result<(), Failure> {
    let mut text = form.text(secrets, stack)?;
    if !matches!(form, Form::Json) {
        text.insert_str(0, secrets::HEADER);
    }
    file::write(file, &text, SECRETS_FILE)?;
    let (count, s) = (secrets.len(), if secrets.len() == 1 { "" } else { "s" });
    let name = escape(&file.display().to_string(), 200);
    ui.say(&format!("secrets of {count} resource{s} are in {name}: keep it out of Git\n"));
    Ok(())
}
