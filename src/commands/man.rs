use super::failure::Failure;
use super::help::{Example, examples_of};
use crate::cli::ExitCode;
use crate::ui::Ui;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// Print the manual page, or that of one command
///
/// To read it: `ivs-apply man | man -l -`
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The command, such as `apply` or `fleet list`; the program as a whole if absent
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn run(args: &ManArgs, mut program: clap::Command, ui: Ui) -> Result<ExitCode, Failure> {
    program.build();
    let mut command = program;
    for name in &args.command {
        command = command.find_subcommand(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
            let failure = Failure::error(format!("unknown command `{name}`"));
            match crate::diag::suggest(name, names) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure,
            }
        })?;
    }
    let examples = match args.command.as_slice() {
        [] => examples_of(command.get_name()),
        names => examples_of(&names.join(" ")),
    };
    let mut page = Vec::new();
    // They would come under a heading that says nothing.
    Man::new(command.after_long_help(None::<&str>)).render(&mut page)?;
    let mut section = Roff::new();
    section.control("SH", ["EXAMPLES"]);
    for Example { what, line } in examples {
        section.control("TP", []).text([roman(*what)]).text([bold(*line)]);
    }
    section.to_writer(&mut page)?;
    ui.answer(&String::from_utf8_lossy(&page))?;
    Ok(ExitCode::Done)
}
