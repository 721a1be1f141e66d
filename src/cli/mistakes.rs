//! Mistakes on the command line: what was probably meant, added to the message of clap, and the message made safe
//! to print. Takes the commands as clap describes them and starts none.

use super::environment::{arguments, variable, variables};
use crate::kinds::Kind;
use crate::ui::escape::escape;
use crate::ui::shell::quote;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

/// The variable that a flag's value came from, where a flag has a value that it does not take.
fn variable_of_mistake(error: &clap::Error, cli: &clap::Command) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (flag, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let flag = flag.trim_start_matches('-').split(['=', ' ', '[', '.']).next()?;
    let arguments =
        cli.get_arguments().chain(cli.get_subcommands().flat_map(clap::Command::get_arguments));
    let names = arguments.filter(|it| it.get_long() == Some(flag)).filter_map(clap::Arg::get_env);
    let name = names.map(|it| it.to_string_lossy().into_owned()).next()?;
    // Of a variable with several values, clap names the one that it does not take.
    let given = variable(&name)?;
    (given == value || given.split([' ', ',']).any(|it| it == value)).then_some(name)
}

/// A message of clap, which repeats values as they were given, with what is unsafe to print in them escaped: line
/// feeds too, since a value could begin a line that a CI takes for a command.
pub(crate) fn with_escaped_values(mut text: String) -> String {
    let lossy = |it: OsString| it.to_string_lossy().into_owned();
    let variables = variables().filter(|(name, _)| lossy(name.clone()).starts_with("IVS_"));
    let given = arguments().skip(1).chain(variables.map(|(_, value)| value)).map(lossy);
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

/// What other tools call a command that has another name here and cannot be its alias.
const ELSEWHERE: [(&str, &str); 5] = [
    ("delete", "destroy"),
    ("rm", "destroy"),
    ("down", "destroy"),
    ("up", "apply"),
    ("create", "apply"),
];

/// What to do instead of `list`.
const LIST: &str = "`ivs-apply status` lists the resources of a stack with their states and what is on air, \
                    and `ivs-apply output` their ARNs; `ivs-apply export` prints manifests of the objects \
                    that exist, without those of other stacks";

/// Commands of other tools that have no counterpart here, with what to do instead.
const COMMANDS_ELSEWHERE: [(&str, &str); 5] =
    [("list", LIST), ("ls", LIST), ("get", LIST), ("state", LIST), ("top", LIST)];

/// Flags of other tools that have no counterpart here, with what to do instead.
const FLAGS_ELSEWHERE: [(&str, &str); 3] = [
    ("--dry-run", "`ivs-apply plan` shows what `apply` would do, and writes nothing"),
    (
        "--force",
        "`--yes` of `apply` and `destroy` skips the confirmation prompt; no flag overrides a refusal",
    ),
    (
        "--strict",
        "an unknown field is always an error; `--deny-warnings` makes warnings errors too",
    ),
];

/// Adds what was probably meant to the message of clap, which would suggest something else or nothing. `cli` is built,
/// so that each command has all of its arguments.
pub(crate) fn add_tips(error: &mut clap::Error, cli: &clap::Command) {
    let tip = |text: String| ContextValue::StyledStrs(vec![StyledStr::from(text)]);
    if let Some(name) = variable_of_mistake(error, cli) {
        let text = format!("the value is that of the variable `{name}`");
        error.insert(ContextKind::Suggested, tip(text));
    }
    if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) {
        let instead = COMMANDS_ELSEWHERE.iter().find(|(theirs, _)| theirs == word);
        let ours = ELSEWHERE.iter().find(|(theirs, _)| theirs == word);
        if let Some((_, text)) = instead {
            error.remove(ContextKind::SuggestedSubcommand);
            error.insert(ContextKind::Suggested, tip((*text).to_owned()));
        } else if let Some((_, ours)) = ours {
            let ours = ContextValue::Strings(vec![(*ours).to_owned()]);
            error.insert(ContextKind::SuggestedSubcommand, ours);
        }
    }
    // What other tools call a flag is taken, and not suggested.
    if let Some(ContextValue::String(flag)) = error.get(ContextKind::SuggestedArg)
        && let Some(ours) = flag.strip_prefix("--").and_then(|it| own_name(it, cli))
    {
        error.insert(ContextKind::SuggestedArg, ContextValue::String(format!("--{ours}")));
    }
    if error.kind() == clap::error::ErrorKind::UnknownArgument {
        let instead = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(flag)) => FLAGS_ELSEWHERE.iter().find(|(it, _)| it == flag),
            _ => None,
        };
        if let Some((_, text)) = instead {
            error.remove(ContextKind::SuggestedArg);
            // The usage would be that of the flag that clap suggests.
            error.remove(ContextKind::Usage);
            error.insert(ContextKind::Suggested, tip((*text).to_owned()));
        } else if let Some(long) = with_one_dash(cli) {
            let text = format!("a long flag has two dashes: `--{long}`");
            error.insert(ContextKind::Suggested, tip(text));
        } else if let Some(text) = flag_of_others(error, cli) {
            error.remove(ContextKind::SuggestedArg);
            error.remove(ContextKind::Usage);
            error.insert(ContextKind::Suggested, tip(text));
        } else if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg)
            && let Some(text) = instead_of_positional(word, cli)
        {
            error.insert(ContextKind::Suggested, tip(text));
        }
    }
}

/// The command that the line is about.
fn command(cli: &clap::Command) -> Option<&clap::Command> {
    words().skip(1).find_map(|it| cli.find_subcommand(it))
}

/// The commands that have the flag which this one has not.
fn flag_of_others(error: &clap::Error, cli: &clap::Command) -> Option<String> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    let its = command(cli)?;
    let is_it = |it: &clap::Arg| match (flag.strip_prefix("--"), flag.strip_prefix('-')) {
        (Some(long), _) => {
            it.get_long() == Some(long) || it.get_all_aliases().unwrap_or_default().contains(&long)
        }
        (None, Some(short)) => it.get_short().is_some_and(|it| short.chars().eq([it])),
        (None, None) => false,
    };
    let has = |it: &&clap::Command| it.get_arguments().any(|it| !it.is_hide_set() && is_it(it));
    let others = cli.get_subcommands().filter(has).map(|it| format!("`{}`", it.get_name()));
    let others: Vec<String> = others.collect();
    let name = its.get_name();
    match others.as_slice() {
        [] => None,
        [one] => Some(format!("`{name}` has no `{flag}`; {one} has it")),
        [most @ .., last] => {
            Some(format!("`{name}` has no `{flag}`; {} and {last} have it", most.join(", ")))
        }
    }
}

/// The flag that was probably left out before `word`.
fn instead_of_positional(word: &str, cli: &clap::Command) -> Option<String> {
    let command = command(cli)?;
    let has = |flag| command.get_arguments().any(|it| it.get_long() == Some(flag));
    if word.starts_with('-') || !has("filename") {
        return None;
    }
    if let Some(flag) = flag_before(word, command) {
        return Some(format!("to give `--{flag}` a value, use `--{flag}={}`", quote(word)));
    }
    let of_resource = word.split_once('/').is_some_and(|(kind, _)| Kind::named(kind).is_some());
    if of_resource && has("only") && !Path::new(word).exists() {
        return Some(format!("to name a part of the manifests, use `--only {}`", quote(word)));
    }
    Some(format!("to name manifests, use `-f {}`", quote(word)))
}

/// The flag right before `word`, where it takes its value only behind an equals sign.
fn flag_before(word: &str, command: &clap::Command) -> Option<String> {
    let before = words().zip(words().skip(1)).find(|(_, it)| it == word)?.0;
    let long = before.strip_prefix("--")?;
    let flag = command.get_arguments().find(|it| it.get_long() == Some(long))?;
    (flag.is_require_equals_set() && flag.get_action().takes_values()).then(|| long.to_owned())
}

/// The name of the flag that is called `name`, be it by a hidden alias.
fn own_name(name: &str, cli: &clap::Command) -> Option<String> {
    let arguments = cli.get_subcommands().flat_map(clap::Command::get_arguments);
    let mut arguments = arguments.chain(cli.get_arguments());
    let flag = arguments.find(|it| {
        let aliases = it.get_all_aliases().unwrap_or_default();
        it.get_long() == Some(name) || aliases.contains(&name)
    });
    flag?.get_long().map(ToOwned::to_owned)
}

/// The flag that the first word of the command line with one dash and a long name means, as Terraform has them.
fn with_one_dash(cli: &clap::Command) -> Option<String> {
    words().skip(1).take_while(|it| it != "--").find_map(|word| {
        let name = word.strip_prefix('-').filter(|it| !it.starts_with('-'))?;
        let name = name.split('=').next()?;
        own_name(name, cli).filter(|_| name.len() > 2)
    })
}

/// The words of the command line, as far as they are text.
fn words() -> impl Iterator<Item = String> {
    arguments().map(|it| it.to_string_lossy().into_owned())
}
