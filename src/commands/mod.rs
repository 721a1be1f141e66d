//! The commands of the program, one file each. A command is a part of one line: load, connect, read, plan, apply.
//!
//! This file lists them and starts the one that was asked for; no command imports it.

mod answer;
mod apply;
mod carry_out;
mod completions;
mod connection;
mod destroy;
mod drift;
mod emulator;
mod events;
mod explain;
mod export;
mod failure;
mod fleet;
mod graph;
mod help;
mod iam_policy;
mod init;
mod inputs;
mod lock;
mod man;
mod output;
mod plan;
mod render;
mod reports;
mod rounds;
mod schema;
mod selection;
mod session;
mod show;
mod start;
mod status;
mod takes;
mod target;
mod unlock;
mod validate;
mod wait;

pub use start::main;

use crate::cli::{ExitCode, Format, Global};
use crate::ui::ci::{Known, Record, Report, RunSummary, Settings};
use crate::ui::events::Events;
use crate::ui::{Ui, json};
use answer::{frame_of, printed};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::{ArgValueCandidates, CompletionCandidate};
use failure::Failure;
use std::path::Path;
use std::time::Duration;

/// Declarative reconciler for Amazon IVS: no state file, live audiences protected
///
/// Manifests in Git declare the desired state; `plan` shows how an account differs from it, and `apply` changes the
/// account. A flag that a command does not have is an error; the variable of such a flag is ignored, so that one
/// environment can serve several commands. Flags may come before or after the command, and take precedence over their
/// variables.
#[derive(Debug, Parser)]
#[command(name = "ivs-apply", version, max_term_width = 100, infer_subcommands = false)]
#[command(mut_subcommands(|it| it.defer(help::arranged)), defer(help::arranged_program))]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::InitArgs),
    Validate(validate::ValidateArgs),
    Render(render::RenderArgs),
    #[command(alias = "diff")]
    Plan(plan::PlanArgs),
    Show(show::ShowArgs),
    Apply(apply::ApplyArgs),
    Drift(drift::DriftArgs),
    Fleet(fleet::FleetArgs),
    Status(status::StatusArgs),
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
    #[command(mut_arg("command", |it| it.add(ArgValueCandidates::new(names))))]
    Man(man::ManArgs),
}

/// Names of commands, for completions.
fn names() -> Vec<CompletionCandidate> {
    let cli = Cli::command();
    cli.get_subcommands().map(|it| CompletionCandidate::new(it.get_name())).collect()
}

/// Runs a command, or repeats it until a signal comes.
pub(crate) async fn run(cli: Cli, ui: Ui) -> ExitCode {
    let Cli { mut global, command } = cli;
    // A variable may ask every command of a pipeline for a form, and this one has no `--format`.
    if let [only] = command.formats() {
        global.format = *only;
    }
    let Some(interval) = command.interval() else { return once(&command, &global, ui).await };
    global.repeats = true;
    let writes = matches!(command, Command::Apply(_));
    let is_confirmed = !matches!(&command, Command::Apply(args) if !args.is_confirmed());
    if let Err(failure) = rounds::can_be_repeated(&global, is_confirmed) {
        return say(&failure, ui);
    }
    Box::pin(rounds::repeat(interval, writes, ui, async || once(&command, &global, ui).await)).await
}

/// Runs a command once and says what went wrong, in the form that was asked for.
async fn once(command: &Command, global: &Global, ui: Ui) -> ExitCode {
    let format = global.format;
    let name = command.name();
    // What reads secrets or a schema from a pipe must not take a failure for them.
    let format = if command.hands_over() { Format::Text } else { format };
    let has_target = takes::of(name).is_some_and(|it| it.heeds("target"));
    let resolved = if has_target { target::resolved(global, ui) } else { Ok(None) };
    let (resolved, refused) = match resolved {
        Ok(resolved) => (resolved, None),
        Err(failure) => (None, Some(failure)),
    };
    let global = resolved.as_ref().unwrap_or(global);
    let stack = global.stack.as_deref().unwrap_or("default");
    // A fleet is no run on one stack: a CI system is told by what `fleet report` writes.
    let is_fleet = matches!(command, Command::Fleet(_));
    let told = if is_fleet { Settings::default() } else { global.ci(command.reports()) };
    let record = Record::new(RunSummary::new(name, stack), told);
    record.is_about(Known {
        stack: global.stack.clone(),
        region: connection::region_named(global, None),
    });
    let (events, metrics) = command.told();
    let opened = record.may_report();
    let opened = opened.and_then(|()| Events::open(events, metrics, name, record.clone(), ui));
    let (events, ended) = match opened {
        Ok(events) => {
            let ended = match refused {
                Some(failure) => Err(failure),
                None => Box::pin(start_command(command, global, &events, ui)).await,
            };
            (events, ended)
        }
        Err(refused) => (Events::without_file(record), Err(refused.into())),
    };
    let code = match &ended {
        Ok(code) => *code,
        Err(failure) => {
            failure.tell(&events);
            show_failure(name, format, failure, &events.record.known(), global, ui);
            failure.code
        }
    };
    let code = end(code, name, format, &events.record, ui);
    events.ended(code.number());
    code
}

/// Says what went wrong, in the form that was asked for. What is written from the record of the run comes later.
fn show_failure(
    name: &str,
    format: Format,
    failure: &Failure,
    known: &Known,
    global: &Global,
    ui: Ui,
) {
    let help = failure.help.as_deref();
    if format == Format::Json {
        let (stack, region) = (known.stack.as_deref(), known.region.as_deref());
        let frame = json::Frame { stack, region, ..frame_of(name) };
        let document = json::failure(&frame, &failure.message, help);
        let _ = ui.answer(&printed(&document, global));
    }
    if format == Format::Html {
        let _ = ui.answer(&crate::ui::html::failure(name, &failure.message, help));
    }
    say(failure, ui);
}

/// Says what went wrong, on standard error.
fn say(failure: &Failure, ui: Ui) -> ExitCode {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    let mut text =
        format!("{red}error{red:#}: {}\n", crate::ui::escape::escape(&failure.message, 2_000));
    if let Some(help) = &failure.help {
        text.push_str(&format!("  help: {}\n", crate::ui::escape::escape(help, 2_000)));
    }
    ui.say(&text);
    failure.code
}

/// Writes what is made from the record of the run: an answer in Markdown or for GitHub, report files, and what is for
/// the CI system. An answer or a report that cannot be written is an error, since the command line asks for it.
fn end(code: ExitCode, name: &str, format: Format, record: &Record, ui: Ui) -> ExitCode {
    record.ended(code.number());
    let answer = match format {
        Format::Github if name != "output" && !name.starts_with("fleet") => Some(record.outputs()),
        Format::Markdown => record.markdown(),
        _ => None,
    };
    let answered = answer.map_or(Ok(()), |it| ui.answer(&it));
    let mut missing: Vec<String> = answered
        .err()
        .map(|error| format!("the result could not be written: {error}"))
        .into_iter()
        .collect();
    let code_of = |missing: &[String]| match code {
        ExitCode::Done | ExitCode::Changes if missing.is_empty() => code,
        ExitCode::Done | ExitCode::Changes if record.wrote() => ExitCode::Partly,
        ExitCode::Done | ExitCode::Changes => ExitCode::Error,
        other => other,
    };
    record.ended(code_of(&missing).number());
    missing.extend(record.report(ui).iter().map(ToString::to_string));
    let code = code_of(&missing);
    record.ended(code.number());
    for it in missing {
        let it = crate::ui::escape::escape(&it, 1_000);
        let applied = if record.wrote() { "all changes were applied, but " } else { "" };
        ui.say(&format!("error: {applied}{it}\n"));
    }
    record.tell(ui);
    code
}

async fn start_command(
    command: &Command,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    match command {
        Command::Init(args) => init::run(args, global, ui),
        Command::Validate(args) => validate::run(args, global, events, ui),
        Command::Render(args) => render::run(args, global, events, ui),
        Command::Plan(args) => plan::run(args, global, events, ui).await,
        Command::Show(args) => show::run(args, global, ui),
        Command::Apply(args) => Box::pin(apply::run(args, global, events, ui)).await,
        Command::Status(args) => status::run(args, global, events, ui).await,
        Command::Drift(args) => Box::pin(drift::run(args, global, events, ui)).await,
        Command::Fleet(args) => Box::pin(fleet::run(args, global, ui)).await,
        Command::Export(args) => export::run(args, global, ui).await,
        Command::Destroy(args) => Box::pin(destroy::run(args, global, events, ui)).await,
        Command::Unlock(args) => unlock::run(args, global, events, ui).await,
        Command::Output(args) => output::run(args, global, events, ui).await,
        Command::Graph(args) => graph::run(args, global, events, ui).await,
        Command::IamPolicy(args) => iam_policy::run(args, global, events, ui),
        Command::Explain(args) => explain::run(args, ui),
        Command::Schema(args) => schema::run(args, global, ui),
        Command::Completions(args) => completions::run(args, ui),
        Command::Man(args) => man::run(args, Cli::command(), ui),
        Command::Emulator(args) => emulator::run(args, global, ui).await,
    }
}

impl Command {
    /// The pause after which the command is carried out again.
    fn interval(&self) -> Option<Duration> {
        match self {
            Self::Apply(args) => args.interval,
            Self::Drift(args) => args.interval,
            _ => None,
        }
    }

    /// The files of events and of metrics that were asked for.
    fn told(&self) -> (Option<&Path>, Option<&Path>) {
        let asked = match self {
            Self::Plan(args) => &args.events,
            Self::Apply(args) => &args.events,
            Self::Drift(args) => &args.events,
            Self::Destroy(args) => &args.events,
            Self::Status(args) => return (None, args.metrics.metrics.as_deref()),
            _ => return (None, None),
        };
        (asked.events.as_deref(), asked.metrics.metrics.as_deref())
    }

    /// Whether standard output is for secrets alone.
    fn hands_over(&self) -> bool {
        // A schema is JSON whether it was asked for or not.
        matches!(self, Self::Schema(_)) || matches!(self, Self::Output(args) if args.hands_over())
    }

    /// The reports that were asked for.
    fn reports(&self) -> Vec<Report> {
        let asked = match self {
            Self::Validate(args) => &args.reports,
            Self::Plan(args) => &args.reports,
            Self::Apply(args) => &args.reports,
            Self::Drift(args) => &args.reports,
            Self::Destroy(args) => &args.reports,
            _ => return Vec::new(),
        };
        asked.report.clone()
    }

    /// The forms of its answer.
    fn formats(&self) -> &'static [Format] {
        takes::of(self.name()).map_or(&[Format::Text], |it| it.formats)
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Validate(_) => "validate",
            Self::Render(_) => "render",
            Self::Plan(_) => "plan",
            Self::Show(_) => "show",
            Self::Apply(_) => "apply",
            Self::Drift(_) => "drift",
            Self::Fleet(args) => args.name(),
            Self::Status(_) => "status",
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

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn every_flag_has_its_variable() {
        let cli = Cli::command();
        let all = cli.get_subcommands().chain([&cli]);
        for command in all.flat_map(|it| it.get_subcommands().chain([it])) {
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
