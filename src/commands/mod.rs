//! One file a command. Each is a prefix or a branch of one line: load, connect, read, plan, apply.

mod apply;
pub(crate) mod completions;
mod destroy;
mod drift;
mod emulator;
mod explain;
mod export;
mod graph;
mod iam_policy;
mod inputs;
mod lock;
mod man;
mod output;
mod plan;
mod schema;
mod selection;
mod session;
mod show;
mod unlock;
mod validate;

use crate::cli::{Cli, ExitCode, Format, Global};
use crate::plan::Status;
use crate::ui::{Ui, json};
use clap::{Subcommand, ValueEnum};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Validate(validate::ValidateArgs),
    #[command(alias = "diff")]
    Plan(plan::PlanArgs),
    Show(show::ShowArgs),
    Apply(apply::ApplyArgs),
    Drift(drift::DriftArgs),
    Export(export::ExportArgs),
    Destroy(destroy::DestroyArgs),
    Unlock(unlock::UnlockArgs),
    Output(output::OutputArgs),
    Graph(graph::GraphArgs),
    IamPolicy(iam_policy::IamPolicyArgs),
    Schema(schema::SchemaArgs),
    Explain(explain::ExplainArgs),
    Emulator(emulator::EmulatorArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// What went wrong before there was a plan to show, or kept one from being carried out.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: ExitCode,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Failure {
    fn error(message: impl Into<String>) -> Self {
        Self { code: ExitCode::Error, message: message.into(), help: None }
    }

    fn refused(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code: ExitCode::Refused, message: message.into(), help: Some(help.into()) }
    }

    fn stale(message: impl Into<String>) -> Self {
        Self {
            code: ExitCode::Stale,
            message: message.into(),
            help: Some(
                "nothing was written; save a new plan with `plan --out` and have it looked at"
                    .to_owned(),
            ),
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With this help where there is none yet.
    fn or_help(mut self, help: impl Into<String>) -> Self {
        self.help.get_or_insert_with(|| help.into());
        self
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::error(format!("the answer could not be written: {error}"))
    }
}

impl From<crate::ui::file::Refused> for Failure {
    fn from(refused: crate::ui::file::Refused) -> Self {
        Self::error(refused.to_string()).help("name another file")
    }
}

/// An error with what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// Runs a command and says what went wrong, in the form that was asked for.
pub(crate) async fn run(cli: Cli, ui: Ui) -> ExitCode {
    let Cli { global, command } = cli;
    let format = global.format;
    let name = command.name();
    if !command.formats().contains(&format) {
        let names: Vec<_> =
            command.formats().iter().filter_map(ValueEnum::to_possible_value).collect();
        let names: Vec<&str> = names.iter().map(clap::builder::PossibleValue::get_name).collect();
        ui.say(&format!("error: `{name}` answers in {}\n", names.join(", ")));
        return ExitCode::Error;
    }
    let ended = match command {
        Command::Validate(args) => validate::run(&args, &global, ui),
        Command::Plan(args) => plan::run(&args, &global, ui).await,
        Command::Show(args) => show::run(&args, &global, ui),
        Command::Apply(args) => Box::pin(apply::run(&args, &global, ui)).await,
        Command::Drift(args) => drift::run(&args, &global, ui).await,
        Command::Export(args) => export::run(&args, &global, ui).await,
        Command::Destroy(args) => Box::pin(destroy::run(&args, &global, ui)).await,
        Command::Unlock(args) => unlock::run(&args, &global, ui).await,
        Command::Output(args) => output::run(&args, &global, ui).await,
        Command::Graph(args) => graph::run(&args, &global, ui).await,
        Command::IamPolicy(args) => iam_policy::run(&args, &global, ui),
        Command::Explain(args) => explain::run(&args, ui),
        Command::Schema(args) => schema::run(&args, ui),
        Command::Completions(args) => completions::run(&args, ui),
        Command::Man(args) => man::run(&args, ui),
        Command::Emulator(args) => emulator::run(args, &global, ui).await,
    };
    let failure = match ended {
        Ok(code) => return code,
        Err(failure) => failure,
    };
    let help = failure.help.as_deref();
    if format == Format::Json {
        let frame = frame_of(name);
        let document = json::failure(&frame, &failure.message, help);
        let _ = ui.answer(&pretty(&document));
    }
    if format == Format::Github && name != "output" {
        let _ = ui.answer(&crate::ui::output::github_counts("", Status::Failed.as_str(), &[]));
    }
    let red = anstyle::AnsiColor::Red.on_default().bold();
    let mut text =
        format!("{red}error{red:#}: {}\n", crate::ui::escape::escape(&failure.message, 2_000));
    if let Some(help) = help {
        text.push_str(&format!("  help: {}\n", crate::ui::escape::escape(help, 2_000)));
    }
    ui.say(&text);
    failure.code
}

impl Command {
    /// The forms of its answer.
    fn formats(&self) -> &'static [Format] {
        match self {
            Self::Graph(_) => &[Format::Text, Format::Dot, Format::Mermaid, Format::Svg],
            Self::Plan(_) => &[Format::Text, Format::Json, Format::Markdown, Format::Github],
            Self::Show(_) => &[Format::Text, Format::Json, Format::Markdown],
            Self::Apply(_) | Self::Destroy(_) => &[Format::Text, Format::Json, Format::Github],
            Self::Unlock(_) | Self::Export(_) | Self::Explain(_) => &[Format::Text],
            Self::Output(_) => &[Format::Text, Format::Json, Format::Env, Format::Github],
            _ => &[Format::Text, Format::Json],
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Validate(_) => "validate",
            Self::Plan(_) => "plan",
            Self::Show(_) => "show",
            Self::Apply(_) => "apply",
            Self::Drift(_) => "drift",
            Self::Export(_) => "export",
            Self::Destroy(_) => "destroy",
            Self::Unlock(_) => "unlock",
            Self::Output(_) => "output",
            Self::Graph(_) => "graph",
            Self::IamPolicy(_) => "iam-policy",
            Self::Schema(_) => "schema",
            Self::Explain(_) => "explain",
            Self::Emulator(_) => "emulator",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }
}

/// A frame that knows nothing yet but the command.
fn frame_of(command: &str) -> json::Frame<'_> {
    json::Frame {
        command,
        stack: None,
        account: None,
        caller: None,
        region: None,
        endpoint: None,
        calls: BTreeMap::new(),
        diagnostics: Value::Array(Vec::new()),
    }
}

/// A document as it is printed.
fn pretty(document: &Value) -> String {
    crate::ui::escape::json(&format!("{document:#}\n"))
}

/// The folder to read where no `-f` is given.
fn paths(global: &Global) -> Vec<std::path::PathBuf> {
    if global.filename.is_empty() { vec![".".into()] } else { global.filename.clone() }
}
