use super::failure::Failure;
use crate::cli::ExitCode;
use crate::ui::Ui;
use clap_mangen::Man;

/// Print the manual page, or that of one command
///
/// To read it: `ivs-apply man | man -l -`
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The command; the program as a whole if absent
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(super) fn run(args: &ManArgs, mut program: clap::Command, ui: Ui) -> Result<ExitCode, Failure> {
    program.build();
    let command = match &args.command {
        None => program,
        Some(name) => program.find_subcommand(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
            let failure = Failure::error(format!("unknown command `{name}`"));
            match crate::diag::suggest(name, names) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure,
            }
        })?,
    };
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    ui.answer(&String::from_utf8_lossy(&page))?;
    Ok(ExitCode::Done)
}
