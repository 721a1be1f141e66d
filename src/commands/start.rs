//! The start of the program: reads the command line, sets up logs and the runtime, runs the command, and gives back
//! the exit code. Decides nothing about manifests or AWS.

use super::completions::VARIABLE;
use super::{Cli, help, run};
use crate::cli::{
    ExitCode, add_tips, arguments, current_folder, end_with_fleet, restart_without_empty_variables,
    with_escaped_values,
};
use crate::ui::Ui;
use crate::ui::escape::GuardedTalk;
use anstream::ColorChoice;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};
use clap_complete::CompleteEnv;

/// Parses the command line and runs it.
pub fn main() -> std::process::ExitCode {
    if let Some(error) = restart_without_empty_variables() {
        Ui::new(ColorChoice::Auto)
            .say(&format!("error: the program could not be started again: {error}\n"));
        return ExitCode::Error.into();
    }
    end_with_fleet();
    let completed = CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .try_complete(arguments(), current_folder().as_deref());
    match completed {
        Ok(false) => {}
        Ok(true) => return ExitCode::Done.into(),
        Err(error) => {
            let _ = error.print();
            return ExitCode::Error.into();
        }
    }
    let cli = match parsed() {
        Ok(cli) => cli,
        Err(mut error) => {
            // clap writes help to standard output and mistakes to standard error; a mistake is 1, not 2,
            // since 2 means changes.
            if !error.use_stderr() {
                let _ = error.print();
                return ExitCode::Done.into();
            }
            let mut program = Cli::command();
            program.build();
            add_tips(&mut error, &program);
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
            let code = runtime.block_on(run(cli, ui));
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

/// The command line with what only clap knows of it, or what is wrong with it, or the help that it asks for.
fn parsed() -> Result<Cli, clap::Error> {
    let mut program = Cli::command();
    let mut matches = program.try_get_matches_from_mut(arguments())?;
    if let Some(error) = help::refused(&matches, Cli::command) {
        return Err(error);
    }
    let source = matches.value_source("format");
    let mut cli =
        Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut program))?;
    cli.global.is_format_given = source.is_some_and(|it| it != ValueSource::DefaultValue);
    Ok(cli)
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
