use super::Failure;
use crate::cli::{Cli, ExitCode};
use crate::ui::Ui;
use clap::CommandFactory;
use clap_complete::Shell;

/// Print a completion script for a shell
///
/// For bash: `ivs-apply completions bash > ~/.local/share/bash-completion/completions/ivs-apply`
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, ui: Ui) -> Result<ExitCode, Failure> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    ui.answer(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Done)
}
