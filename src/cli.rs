//! The command line: arguments, variables, exit codes, and the runtime that a command runs on.
//!
//! Only here are the process's arguments and environment read. Decides nothing about manifests or AWS.

use crate::apply::lock::Who;
use crate::aws::Rates;
use crate::commands::completions::{self, regions};
use crate::commands::{self, Command};
use crate::kinds::Kind;
use crate::ui::Ui;
use crate::ui::escape::{GuardedTalk, escape};
use crate::ui::shell::quote;
use anstream::ColorChoice;
use clap::builder::{OsStringValueParser, StyledStr, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory, Parser, ValueEnum};
use clap_complete::{ArgValueCandidates, CompleteEnv};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

/// Declarative reconciler for Amazon IVS: manifests in Git, no state file, live audiences protected
#[derive(Debug, Parser)]
#[command(name = "ivs-apply", version, max_term_width = 100, infer_subcommands = false)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Manifests: a file, a folder (searched for *.yaml, *.yml, *.json), or `-` for standard input
    #[arg(
        short = 'f',
        long = "filename",
        value_name = "PATH",
        global = true,
        env = "IVS_APPLY_FILENAME"
    )]
    pub filename: Vec<PathBuf>,
    /// Folder that file names in manifests from standard input are relative to, and cannot lead out of
    #[arg(long, value_name = "FOLDER", global = true, env = "IVS_APPLY_STDIN_FOLDER")]
    pub stdin_folder: Option<PathBuf>,
    /// Stack to work on, where no Stack document says so
    #[arg(
        long,
        value_name = "NAME",
        global = true,
        value_parser = not_empty,
        env = "IVS_APPLY_STACK"
    )]
    pub stack: Option<String>,
    /// AWS region
    #[arg(
        long,
        global = true,
        value_parser = not_empty,
        add = ArgValueCandidates::new(regions),
        env = "IVS_APPLY_REGION"
    )]
    pub region: Option<String>,
    /// AWS profile; comes before keys in the environment
    #[arg(long, global = true, value_parser = not_empty, env = "IVS_APPLY_PROFILE")]
    pub profile: Option<String>,
    /// Override the endpoint URL of both services
    // `--help` shows the values of variables, and an address may have a password in it.
    #[arg(
        long,
        value_name = "URL",
        global = true,
        value_parser = not_empty,
        env = "IVS_APPLY_ENDPOINT_URL",
        hide_env_values = true
    )]
    pub endpoint_url: Option<String>,
    /// Work on an emulated account in this process, with its state in FILE [`true`:
    /// .ivs-apply/emulator.json; `false`: work on AWS]
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = OsStringValueParser::new().map(EmulatorChoice::from),
        env = "IVS_APPLY_EMULATOR"
    )]
    pub emulator: Option<EmulatorChoice>,
    /// Pace calls at the rates AWS publishes, or not at all; off by default on a loopback endpoint
    #[arg(long, value_enum, global = true, env = "IVS_APPLY_RATES")]
    pub rates: Option<RatesWord>,
    /// Part of the published rates to use, leaving the rest to the live product
    #[arg(
        long,
        value_name = "SHARE",
        global = true,
        default_value_t = 1.0,
        value_parser = share,
        env = "IVS_APPLY_RATE_SHARE"
    )]
    pub rate_share: f64,
    /// Output format
    #[arg(long, value_enum, global = true, default_value_t = Format::Text, env = "IVS_APPLY_FORMAT")]
    pub format: Format,
    /// Colour in text
    #[arg(long, value_enum, global = true, default_value_t = Colour::Auto, env = "IVS_APPLY_COLOR")]
    pub color: Colour,
    /// Treat warnings as errors
    #[arg(
        long,
        global = true,
        env = "IVS_APPLY_DENY_WARNINGS",
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub deny_warnings: bool,
    /// Show progress; twice (-vv) also every call of the API
    #[arg(
        short,
        long,
        action = clap::ArgAction::Count,
        global = true,
        value_parser = verbosity,
        env = "IVS_APPLY_VERBOSE"
    )]
    pub verbose: u8,
}

/// Form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for a terminal.
    Text,
    /// JSON for other programs.
    Json,
    /// A comment on a pull request; `plan` and `show` have it.
    Markdown,
    /// Variables for a shell; `output` alone has it.
    Env,
    /// Lines for `$GITHUB_OUTPUT`; `output`, `plan`, `apply` and `destroy` have it.
    Github,
    /// For Graphviz; `graph` alone has it.
    Dot,
    /// For Markdown; `graph` alone has it.
    Mermaid,
    /// A picture; `graph` alone has it.
    Svg,
}

/// Whether text has colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal; `NO_COLOR` and `CLICOLOR_FORCE` decide otherwise.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How calls are paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RatesWord {
    /// The published rates.
    Aws,
    /// Not at all.
    Off,
}

/// What `--emulator` or its variable says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmulatorChoice {
    /// The account is on AWS, whatever the variable said before.
    Off,
    /// The account is emulated, with its state in this file.
    StateIn(PathBuf),
}

/// The emulator's state file where none is named.
const EMULATOR_FILE: &str = ".ivs-apply/emulator.json";

/// The words that clap takes for a truth value.
const TRUE: [&str; 6] = ["y", "yes", "t", "true", "on", "1"];
const FALSE: [&str; 6] = ["n", "no", "f", "false", "off", "0"];

impl From<OsString> for EmulatorChoice {
    fn from(value: OsString) -> Self {
        let word = value.to_string_lossy().to_lowercase();
        if FALSE.contains(&word.as_str()) {
            Self::Off
        } else if TRUE.contains(&word.as_str()) {
            Self::StateIn(EMULATOR_FILE.into())
        } else {
            Self::StateIn(value.into())
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("a share is above 0 and at most 1".to_owned()),
    }
}

/// The value of a flag that is left out where there is nothing to say.
fn not_empty(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty; give it a value or leave the flag out".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

fn verbosity(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| "it takes a number: 1 as for `-v`, 2 as for `-vv`".to_owned())
}

impl Global {
    /// The emulator's state file, where the account is emulated.
    pub fn emulator_file(&self) -> Option<&Path> {
        match &self.emulator {
            Some(EmulatorChoice::StateIn(file)) => Some(file),
            Some(EmulatorChoice::Off) | None => None,
        }
    }

    /// The pacing asked for, if any was.
    pub fn rates(&self) -> Option<Rates> {
        match self.rates {
            Some(RatesWord::Off) => Some(Rates::Off),
            Some(RatesWord::Aws) => Some(Rates::Aws { share: self.rate_share }),
            None if self.rate_share < 1.0 => Some(Rates::Aws { share: self.rate_share }),
            None => None,
        }
    }

    fn ui(&self) -> Ui {
        Ui::new(match self.color {
            Colour::Auto => ColorChoice::Auto,
            Colour::Always => ColorChoice::Always,
            Colour::Never => ColorChoice::Never,
        })
    }
}

/// How a run ends (`README.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Done, or nothing to do.
    Done,
    /// An error; nothing was written.
    Error,
    /// Changes, or drift.
    Changes,
    /// Partly applied.
    Partly,
    /// Refused by a guard; nothing was written.
    Refused,
    /// A saved plan is not what would be done now; nothing was written.
    Stale,
    /// Stopped by SIGHUP: the terminal was closed.
    HungUp,
    /// Stopped by SIGINT (Ctrl-C).
    Interrupted,
    /// Stopped by SIGTERM.
    Terminated,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(match code {
            ExitCode::Done => 0,
            ExitCode::Error => 1,
            ExitCode::Changes => 2,
            ExitCode::Partly => 3,
            ExitCode::Refused => 4,
            ExitCode::Stale => 5,
            ExitCode::HungUp => 129,
            ExitCode::Interrupted => 130,
            ExitCode::Terminated => 143,
        })
    }
}

/// Who runs this, for whoever meets its lock.
pub(crate) fn who() -> Who {
    let github = || {
        let parts = ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"].map(variable);
        let [Some(server), Some(repository), Some(run)] = parts else { return None };
        Some(format!("{server}/{repository}/actions/runs/{run}"))
    };
    let others = ["CI_JOB_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL", "BUILD_URL"];
    let run = github().or_else(|| others.into_iter().find_map(variable));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let clean = |text: String| escape(&text, 200);
    Who {
        user: variable("USER").or_else(|| variable("LOGNAME")).map(clean),
        host: Some(clean(host)),
        run: run.map(clean),
    }
}

/// The folder that the program runs in.
pub(crate) fn current_folder() -> Option<PathBuf> {
    std::env::current_dir().ok()
}

/// The program as it was called.
pub(crate) fn program() -> String {
    let name = std::env::args_os().next().map(|it| it.to_string_lossy().into_owned());
    name.filter(|it| !it.is_empty()).unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned())
}

/// The paths of `-f` in a command line that is being typed, or those of its variable.
pub(crate) fn typed_filenames() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut words = std::env::args_os().map(|it| it.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        if word == "-f" || word == "--filename" {
            paths.extend(words.next());
        } else if let Some(path) = word.strip_prefix("--filename=") {
            paths.push(path.to_owned());
        } else if let Some(path) = word.strip_prefix("-f").filter(|_| !word.starts_with("--")) {
            paths.push(path.to_owned());
        }
    }
    if paths.is_empty() {
        paths.push(variable("IVS_APPLY_FILENAME").unwrap_or_else(|| ".".to_owned()));
    }
    paths.into_iter().filter(|it| it != "-" && !it.is_empty()).map(PathBuf::from).collect()
}

/// A variable of the environment, where it is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|it| !it.is_empty())
}

/// Starts the program again without those of its own and the SDK's variables that are set to an empty text: to
/// clap and to the SDK these would be values, and a script that blanks a variable means that it is not set. Comes
/// back only where there are none, or with the error that kept the program from starting.
fn restart_without_empty_variables() -> Option<std::io::Error> {
    let empty: Vec<OsString> = std::env::vars_os()
        .filter(|(name, value)| {
            let name = name.to_string_lossy();
            value.is_empty() && (name.starts_with("IVS_APPLY_") || name.starts_with("AWS_"))
        })
        .map(|(name, _)| name)
        .collect();
    if empty.is_empty() {
        return None;
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Some(error),
    };
    let mut arguments = std::env::args_os();
    let mut command = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments);
    for name in empty {
        command.env_remove(name);
    }
    Some(command.exec())
}

/// The variable that a flag's value came from, where a flag has a value that it does not take.
fn variable_of_mistake(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (flag, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let flag = flag.trim_start_matches('-').split(['=', ' ', '[', '.']).next()?;
    let command = Cli::command();
    let arguments = command
        .get_arguments()
        .chain(command.get_subcommands().flat_map(clap::Command::get_arguments));
    let names = arguments.filter(|it| it.get_long() == Some(flag)).filter_map(clap::Arg::get_env);
    let name = names.map(|it| it.to_string_lossy().into_owned()).next()?;
    // Of a variable with several values, clap names the one that it does not take.
    let given = variable(&name)?;
    (given == value || given.split([' ', ',']).any(|it| it == value)).then_some(name)
}

/// A message of clap, which repeats values as they were given, with what is unsafe to print in them escaped: line
/// feeds too, since a value could begin a line that a CI takes for a command.
fn with_escaped_values(mut text: String) -> String {
    let lossy = |it: OsString| it.to_string_lossy().into_owned();
    let variables = std::env::vars_os().filter(|(name, _)| lossy(name.clone()).starts_with("IVS_"));
    let given = std::env::args_os().skip(1).chain(variables.map(|(_, value)| value)).map(lossy);
    // clap repeats one of several values as well, and the value of `--flag=value`.
    let parts = |it: String| {
        let parts = it.split([' ', ',', '=']).map(ToOwned::to_owned).collect::<Vec<_>>();
        let rest = it.split_once('=').map(|(_, value)| value.to_owned());
        parts.into_iter().chain(rest).chain([it])
    };
    let all: BTreeSet<String> = given.flat_map(parts).collect();
    let mut raw: Vec<(String, String)> = all
        .into_iter()
        .map(|it| (escape(&it, usize::MAX), it))
        .filter(|(shown, raw)| shown != raw)
        .collect();
    raw.sort_by_key(|(_, raw)| std::cmp::Reverse(raw.len()));
    for (shown, raw) in raw {
        text = text.replace(&raw, &shown);
    }
    text
}

/// What other tools call something that has another name here and cannot be its alias.
const ELSEWHERE: [(&str, &[&str]); 5] = [
    ("list", &["status", "output"]),
    ("ls", &["status", "output"]),
    ("get", &["status", "output"]),
    ("state", &["status", "output"]),
    ("delete", &["destroy"]),
];

/// The commands that read the manifests of `-f`.
const READ_MANIFESTS: [&str; 10] = [
    "validate",
    "plan",
    "apply",
    "drift",
    "export",
    "destroy",
    "unlock",
    "output",
    "graph",
    "iam-policy",
];

/// Says what was probably meant, where clap would say something else.
fn add_tips(error: &mut clap::Error) {
    let tip = |text: String| ContextValue::StyledStrs(vec![StyledStr::from(text)]);
    if let Some(name) = variable_of_mistake(error) {
        let text = format!("the value is that of the variable `{name}`");
        error.insert(ContextKind::Suggested, tip(text));
    }
    if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) {
        let cli = Cli::command();
        let ours = ELSEWHERE.iter().find(|(theirs, _)| theirs == word);
        let ours =
            ours.and_then(|(_, ours)| ours.iter().find(|it| cli.find_subcommand(it).is_some()));
        if let Some(ours) = ours {
            let ours = ContextValue::Strings(vec![(*ours).to_owned()]);
            error.insert(ContextKind::SuggestedSubcommand, ours);
        }
    }
    // What other tools call a flag is taken, and not suggested.
    if let Some(ContextValue::String(flag)) = error.get(ContextKind::SuggestedArg)
        && let Some(ours) = flag.strip_prefix("--").and_then(own_name)
    {
        error.insert(ContextKind::SuggestedArg, ContextValue::String(format!("--{ours}")));
    }
    if error.kind() == clap::error::ErrorKind::UnknownArgument {
        if let Some(long) = with_one_dash() {
            let text = format!("a long flag has two dashes: `--{long}`");
            error.insert(ContextKind::Suggested, tip(text));
        } else if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg)
            && let Some(text) = instead_of_positional(word)
        {
            error.insert(ContextKind::Suggested, tip(text));
        }
    }
}

/// How to say what somebody meant who gave `word` to a command without a flag before it.
fn instead_of_positional(word: &str) -> Option<String> {
    let cli = Cli::command();
    let mut words = std::env::args().skip(1);
    let command = words.find_map(|it| cli.find_subcommand(&it).cloned())?;
    let name = command.get_name();
    if word.starts_with('-') || !READ_MANIFESTS.contains(&name) {
        return None;
    }
    let of_resource = word.split_once('/').is_some_and(|(kind, _)| Kind::named(kind).is_some());
    let has_only = command.get_arguments().any(|it| it.get_long() == Some("only"));
    if of_resource && has_only && !Path::new(word).exists() {
        return Some(format!("to name a part of the manifests, use `--only {}`", quote(word)));
    }
    Some(format!("to name manifests, use `-f {}`", quote(word)))
}

/// The name of the flag that is called `name`, be it by a hidden alias.
fn own_name(name: &str) -> Option<String> {
    let cli = Cli::command();
    let arguments = cli.get_subcommands().flat_map(clap::Command::get_arguments);
    let mut arguments = arguments.chain(cli.get_arguments());
    let flag = arguments.find(|it| {
        let aliases = it.get_all_aliases().unwrap_or_default();
        it.get_long() == Some(name) || aliases.contains(&name)
    });
    flag?.get_long().map(ToOwned::to_owned)
}

/// The flag that the first word of the command line with one dash and a long name means, as Terraform has them.
fn with_one_dash() -> Option<String> {
    std::env::args().skip(1).take_while(|it| it != "--").find_map(|word| {
        let name = word.strip_prefix('-').filter(|it| !it.starts_with('-'))?;
        let name = name.split('=').next()?;
        own_name(name).filter(|_| name.len() > 2)
    })
}

/// Parses the command line and runs it.
pub fn main() -> std::process::ExitCode {
    if let Some(error) = restart_without_empty_variables() {
        Ui::new(ColorChoice::Auto)
            .say(&format!("error: the program could not be started again: {error}\n"));
        return ExitCode::Error.into();
    }
    let words = std::env::args_os();
    let completed = CompleteEnv::with_factory(Cli::command)
        .var(completions::VARIABLE)
        .try_complete(words, current_folder().as_deref());
    match completed {
        Ok(false) => {}
        Ok(true) => return ExitCode::Done.into(),
        Err(error) => {
            let _ = error.print();
            return ExitCode::Error.into();
        }
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(mut error) => {
            add_tips(&mut error);
            // clap writes help to standard output and mistakes to standard error; a mistake is 1, not 2,
            // since 2 means changes.
            if !error.use_stderr() {
                let _ = error.print();
                return ExitCode::Done.into();
            }
            let text = error.render().ansi().to_string();
            Ui::new(ColorChoice::Auto).say(&with_escaped_values(text));
            return ExitCode::Error.into();
        }
    };
    let ui = cli.global.ui();
    log(cli.global.verbose, ui);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let code = match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(commands::run(cli, ui));
            // A worker that is stuck in a lookup must not keep the process.
            runtime.shutdown_timeout(std::time::Duration::from_millis(200));
            code
        }
        Err(error) => {
            ui.say(&format!("error: the program could not start its runtime: {error}\n"));
            ExitCode::Error
        }
    };
    code.into()
}

/// Logs of this program only. The SDK's own logs print credentials and request bodies, so they are shut
/// off whatever `RUST_LOG` says.
fn log(verbose: u8, ui: Ui) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::prelude::*;
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let ours = Targets::new().with_target("ivs_apply", level);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(GuardedTalk::default)
        .with_target(false)
        .with_ansi(ui.colours_talk())
        .without_time();
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours)).try_init();
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn every_flag_has_its_variable() {
        let cli = Cli::command();
        for command in cli.get_subcommands().chain([&cli]) {
            for flag in command.get_arguments().filter_map(|it| Some((it, it.get_long()?))) {
                let (argument, name) = flag;
                if matches!(name, "help" | "version") {
                    continue;
                }
                let variable = format!("IVS_APPLY_{}", name.replace('-', "_").to_uppercase());
                let its = argument.get_env().map(|it| it.to_string_lossy().into_owned());
                assert_eq!(its, Some(variable), "{} --{name}", command.get_name());
            }
        }
    }
}
