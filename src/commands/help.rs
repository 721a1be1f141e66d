//! How the arguments of each command are arranged: which of those that several commands have it takes, their headings
//! and order, what the short help leaves out, and examples. The help, the manual and completions follow from it.
//!
//! Takes commands as clap describes them; starts none and prints nothing.

mod examples;

pub(super) use examples::{Example, of as examples_of};

use super::completions::{targets, value_names};
use super::takes::{self, Taken};
use crate::cli::{Format, Global};
use clap::builder::{PossibleValuesParser, StyledStr, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, ValueEnum};
use clap_complete::ArgValueCompleter;

/// Headings in their order, and the flags under each in theirs. A flag that is in no line is one of the command's own.
const HEADINGS: [(&str, &[&str]); 4] = [
    (
        "Selection",
        &[
            "filename",
            "target",
            "set",
            "values",
            "stack",
            "only",
            "exclude",
            "selector",
            "bucket",
            "stdin-folder",
        ],
    ),
    (
        "Safety",
        &[
            "yes",
            "prune",
            "allow-live",
            "confirm-deletes",
            "ignore-freeze",
            "fail-on-deferred",
            "deny-warnings",
        ],
    ),
    ("AWS", &["region", "profile", "emulator", "endpoint-url", "refresh", "rates", "rate-share"]),
    (
        "Output",
        &["format", "markdown-limit", "report", "events", "metrics", "ci", "color", "verbose"],
    ),
];

/// What the short help leaves out, so that it fits on a screen, unless the command says otherwise.
const ONLY_IN_LONG_HELP: [&str; 22] = [
    "ci",
    "color",
    "confirm-deletes",
    "deny-warnings",
    "endpoint-url",
    "events",
    "exclude",
    "fail-on-deferred",
    "ignore-freeze",
    "interval",
    "markdown-limit",
    "metrics",
    "rate-share",
    "rates",
    "refresh",
    "report",
    "selector",
    "stack",
    "stdin-folder",
    "target",
    "timeout",
    "values",
];

/// The place of a flag: its heading, if it has one, and its number among all flags.
fn place(flag: &str) -> (Option<&'static str>, usize) {
    let mut number = 100;
    for (heading, flags) in HEADINGS {
        match flags.iter().position(|it| *it == flag) {
            Some(at) => return (Some(heading), number + at),
            None => number += 100,
        }
    }
    (None, 0)
}

/// A command with the arguments that it takes of those that several commands have, all of them arranged. clap calls it
/// once a command is needed, so that a start arranges one command and not all.
pub(super) fn arranged(command: Command) -> Command {
    let name = command.get_name().to_owned();
    if name == FLEET {
        let command = command.mut_subcommands(|it| it.defer(arranged_of_fleet));
        return command.after_long_help(examples(&name));
    }
    arranged_as(command, &name)
}

/// The command that has commands of its own.
const FLEET: &str = "fleet";

fn arranged_of_fleet(command: Command) -> Command {
    let name = format!("{FLEET} {}", command.get_name());
    arranged_as(command, &name)
}

fn arranged_as(command: Command, name: &str) -> Command {
    let Some(taken) = takes::of(name) else { return command };
    let shared = Global::augment_args(Command::new(""));
    let shared =
        shared.get_arguments().filter(|it| it.get_long().is_some_and(|it| taken.takes(it)));
    let shared: Vec<Arg> = shared.map(|it| it.clone().global(true)).collect();
    let name = taken.command;
    in_order(command.args(shared), |arg| of_command(arg, taken)).after_long_help(examples(name))
}

/// The program itself: its help shows the commands, and its long help every argument that several of them have.
pub(super) fn arranged_program(program: Command) -> Command {
    let of_program = |arg: Arg| {
        if arg.get_id() == "format" {
            let text = "Form of the answer; the help of a command shows those that it has";
            return arg.hide_short_help(true).hide_possible_values(true).help(text);
        }
        arg.hide_short_help(true)
    };
    in_order(program, of_program).after_long_help(examples(env!("CARGO_PKG_NAME")))
}

/// Gives each argument its place. Headings come in the order of their first argument, so the arguments do too.
fn in_order(mut command: Command, dressed: impl Fn(Arg) -> Arg) -> Command {
    let mut places: Vec<_> = command
        .get_arguments()
        .enumerate()
        .map(|(at, arg)| {
            let (heading, number) = place(arg.get_long().unwrap_or_default());
            (number, at, heading, arg.get_id().clone())
        })
        .collect();
    places.sort_by_key(|(number, at, ..)| (*number, *at));
    for (order, (.., heading, id)) in places.into_iter().enumerate() {
        command = command.mut_arg(id.as_str(), |arg| {
            let arg = with_variable(dressed(arg)).help_heading(heading);
            let arg = if arg.is_positional() { arg } else { arg.display_order(order) };
            // Names of values are in the manifests that the line names.
            match id.as_str() {
                "set" => arg.add(ArgValueCompleter::new(value_names)),
                // The file of a Target has the names that follow `#`.
                "target" => arg.add(ArgValueCompleter::new(targets)),
                _ => arg,
            }
        });
    }
    command
}

/// An argument as its command has it.
fn of_command(arg: Arg, taken: &Taken) -> Arg {
    let Some(flag) = arg.get_long().map(ToOwned::to_owned) else { return arg };
    let flag = flag.as_str();
    let is_rare = ONLY_IN_LONG_HELP.contains(&flag) && !taken.shown.contains(&flag);
    let is_idle = takes::shared().any(|it| it == flag) && !taken.heeds(flag);
    let mut arg = arg.hide_short_help(is_rare).hide(is_idle);
    if flag == "filename" && taken.command.starts_with(FLEET) {
        let text = "Documents of kind Target: a file, or a folder";
        arg = arg.help(text).long_help(format!(
            "{text}\n\nThe default is the current folder. Can be given several times."
        ));
    }
    if flag != "format" {
        return arg;
    }
    let names = taken.formats.iter().filter_map(Format::to_possible_value);
    let read = |it: String| Format::from_str(&it, false);
    let arg = arg.value_parser(PossibleValuesParser::new(names).try_map(read));
    match taken.default_format {
        Some(name) => arg.default_value(name),
        None => arg,
    }
}

/// An argument whose long help names its variable, and whose short help does not. The value of the variable is shown by
/// neither, since an address may have a password in it.
fn with_variable(arg: Arg) -> Arg {
    let Some(variable) = arg.get_env().map(|it| it.to_string_lossy().into_owned()) else {
        return arg;
    };
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    arg.long_help(format!("{help}\n\n[env: {variable}]")).hide_env(true)
}

/// The examples of a command, as its long help ends.
fn examples(name: &str) -> StyledStr {
    let header = *clap::builder::Styles::default().get_header();
    let each =
        examples_of(name).iter().map(|Example { what, line }| format!("  # {what}\n  {line}"));
    let text = each.collect::<Vec<_>>().join("\n\n");
    format!("{header}Examples:{header:#}\n{text}").into()
}

/// The error for what was given before the command, as in `ivs-apply --region us-east-1 explain`, and is nothing that
/// the command takes. What follows the command is checked by clap.
pub(super) fn refused(
    matches: &ArgMatches,
    program: impl FnOnce() -> Command,
) -> Option<clap::Error> {
    let (name, below) = matches.subcommand()?;
    let names = || [Some(name), below.subcommand_name()].into_iter().flatten();
    let taken = takes::of(&names().collect::<Vec<_>>().join(" "))?;
    let is_given = |flag: &str| {
        matches.value_source(&flag.replace('-', "_")) == Some(ValueSource::CommandLine)
    };
    let no_flag = takes::shared().find(|it| is_given(it) && !taken.takes(it));
    let format = matches.get_one::<Format>("format");
    let no_format = format.filter(|it| is_given("format") && !taken.formats.contains(it));
    if no_flag.is_none() && no_format.is_none() {
        return None;
    }
    let mut program = program();
    program.build();
    let command = names().try_fold(&program, |it, name| it.find_subcommand(name))?.clone();
    let text = |it: &str| ContextValue::String(it.to_owned());
    let names = |formats: &[Format]| -> Vec<String> {
        let values = formats.iter().filter_map(Format::to_possible_value);
        values.map(|it| it.get_name().to_owned()).collect()
    };
    let mut error;
    if let Some(flag) = no_flag {
        error = clap::Error::new(ErrorKind::UnknownArgument).with_cmd(&command);
        error.insert(ContextKind::InvalidArg, text(&format!("--{flag}")));
        let usage = command.clone().render_usage();
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    } else {
        error = clap::Error::new(ErrorKind::InvalidValue).with_cmd(&command);
        error.insert(ContextKind::InvalidArg, text("--format <FORMAT>"));
        error.insert(ContextKind::InvalidValue, text(&names(&[*no_format?]).concat()));
        error.insert(ContextKind::ValidValue, ContextValue::Strings(names(taken.formats)));
    }
    Some(error)
}
