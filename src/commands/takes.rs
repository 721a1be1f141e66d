//! Which command takes which of the arguments that several commands have, and in which forms it answers.
//!
//! The parser, help, the manual, completions and the check of a form are made from this one table. Parses nothing and
//! shows nothing.

use crate::cli::Format;

/// What one command takes of what several commands have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// The name of the command.
    pub(super) command: &'static str,
    /// The forms of its answer. A command with one of them has no `--format`.
    pub(super) formats: &'static [Format],
    /// The form of its answer where none is asked for, if that is not text.
    pub(super) default_format: Option<&'static str>,
    /// Whether it reads the manifests of `-f`.
    manifests: bool,
    /// Whether it works on an account.
    account: bool,
    /// Flags of a command that reads manifests or works on an account, where it does not do that.
    further: &'static [&'static str],
    /// Flags that it takes only to say what to give instead of them.
    refuses: &'static [&'static str],
    /// Flags that its short help shows, and that of other commands does not.
    pub(super) shown: &'static [&'static str],
}

/// The flags of a command that reads manifests.
const MANIFESTS: [&str; 6] =
    ["filename", "stdin-folder", "set", "values", "stack", "deny-warnings"];

/// The flags of a command that works on an account.
const ACCOUNT: [&str; 5] = ["region", "profile", "endpoint-url", "rates", "rate-share"];

/// The flags that every command takes. `--emulator` is one of them, so that a line can be tried by adding it; what a
/// failure looks like in a CI system is a matter of each command.
const EVERYWHERE: [&str; 4] = ["emulator", "ci", "color", "verbose"];

/// The flags that depend on the forms of the answer.
const FORMS: [&str; 2] = ["format", "markdown-limit"];

/// The flag of a command that reads manifests or works on an account: a Target names both.
const TARGET: &str = "target";

/// Every flag that several commands have, in one place.
pub(super) fn shared() -> impl Iterator<Item = &'static str> {
    MANIFESTS.into_iter().chain(ACCOUNT).chain(EVERYWHERE).chain(FORMS).chain([TARGET])
}

/// The command `name`, by its name and not by another that it can be called by.
pub(super) fn of(name: &str) -> Option<&'static Taken> {
    COMMANDS.iter().find(|it| it.command == name)
}

impl Taken {
    /// Whether the command takes a flag that several commands have.
    pub(super) fn takes(&self, flag: &str) -> bool {
        match flag {
            "format" => self.formats.len() > 1,
            "markdown-limit" => self.formats.contains(&Format::Markdown),
            TARGET => self.manifests || self.account || self.refuses.contains(&flag),
            _ => {
                EVERYWHERE.contains(&flag)
                    || self.manifests && MANIFESTS.contains(&flag)
                    || self.account && ACCOUNT.contains(&flag)
                    || self.further.contains(&flag)
                    || self.refuses.contains(&flag)
            }
        }
    }

    /// Whether a flag that the command takes makes a difference to it.
    pub(super) fn heeds(&self, flag: &str) -> bool {
        let is_told_better = self.refuses.contains(&flag);
        self.takes(flag) && !is_told_better && (flag != "emulator" || self.account)
    }
}

const TEXT: &[Format] = &[Format::Text];
const JSON: &[Format] = &[Format::Text, Format::Json];
const PLANS: &[Format] =
    &[Format::Text, Format::Json, Format::Markdown, Format::Html, Format::Github];
const VIEWS: &[Format] = &[Format::Text, Format::Json, Format::Markdown, Format::Html];

/// A command that takes nothing but what all of them take.
const fn command(command: &'static str) -> Taken {
    Taken {
        command,
        formats: TEXT,
        default_format: None,
        manifests: false,
        account: false,
        further: &[],
        refuses: &[],
        shown: &[],
    }
}

/// A command that reads manifests.
const fn reader(name: &'static str) -> Taken {
    Taken { manifests: true, ..command(name) }
}

/// A command that reads manifests and works on an account.
const fn worker(name: &'static str) -> Taken {
    Taken { account: true, ..reader(name) }
}

/// A command that starts others with the flags of the connection.
const fn fleet(command: &'static str) -> Taken {
    Taken {
        command,
        formats: VIEWS,
        further: &["filename", "profile", "endpoint-url", "rates", "rate-share", "deny-warnings"],
        refuses: &["stack", "region", "target", "set", "values", "stdin-folder"],
        ..self::command(command)
    }
}

/// Every command, and every command of a command.
const COMMANDS: [Taken; 26] = [
    Taken { further: &["stack", "region"], shown: &["stack"], ..command("init") },
    Taken {
        formats: &[Format::Text, Format::Json, Format::Markdown, Format::Github],
        shown: &["values", "stack", "deny-warnings", "report"],
        ..reader("validate")
    },
    Taken { formats: JSON, shown: &["values", "stack"], ..reader("render") },
    Taken { formats: PLANS, ..worker("plan") },
    Taken { formats: VIEWS, ..command("show") },
    Taken { formats: PLANS, ..worker("apply") },
    Taken { formats: PLANS, shown: &["exclude", "interval"], ..worker("drift") },
    Taken { formats: VIEWS, shown: &["stack", "exclude", "selector"], ..worker("status") },
    Taken { account: true, further: &["stack"], shown: &["stack"], ..command("export") },
    Taken { formats: PLANS, shown: &["exclude", "confirm-deletes"], ..worker("destroy") },
    worker("unlock"),
    Taken {
        formats: &[Format::Text, Format::Json, Format::Env, Format::Dotenv, Format::Github],
        shown: &["exclude", "selector"],
        ..worker("output")
    },
    Taken {
        formats: &[Format::Dot, Format::Mermaid, Format::Svg],
        default_format: Some("dot"),
        shown: &["exclude", "selector"],
        ..worker("graph")
    },
    Taken { formats: JSON, shown: &["values", "stack"], ..reader("iam-policy") },
    command("fleet"),
    Taken {
        formats: &[Format::Text, Format::Json, Format::Github],
        further: &["filename"],
        ..fleet("fleet list")
    },
    fleet("fleet validate"),
    fleet("fleet plan"),
    fleet("fleet apply"),
    fleet("fleet drift"),
    Taken {
        formats: &[Format::Text, Format::Json, Format::Markdown, Format::Html, Format::Metrics],
        ..command("fleet report")
    },
    Taken {
        formats: &[Format::Json, Format::Crd],
        default_format: Some("json"),
        ..command("schema")
    },
    command("explain"),
    Taken { further: &["rates"], shown: &["rates"], ..command("emulator") },
    command("completions"),
    command("man"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Global;
    use clap::{Args, ValueEnum};
    use std::collections::BTreeSet;

    #[test]
    fn the_flags_of_several_commands_are_those_that_the_table_knows() {
        let global = Global::augment_args(clap::Command::new("all"));
        let named = |it: &clap::Arg| it.get_long().map(ToOwned::to_owned);
        let all: BTreeSet<String> = global.get_arguments().filter_map(named).collect();
        assert_eq!(all, shared().map(ToOwned::to_owned).collect());
        for taken in COMMANDS {
            let known = |it: &str| shared().any(|flag| flag == it);
            for flag in taken.further.iter().chain(taken.refuses) {
                assert!(known(flag), "{}: --{flag}", taken.command);
            }
            assert!(!taken.formats.is_empty(), "{}", taken.command);
        }
        for flag in shared() {
            assert!(COMMANDS.iter().any(|it| it.heeds(flag)), "no command has --{flag}");
        }
    }

    #[test]
    fn a_default_form_is_one_of_the_forms_of_its_command() {
        for taken in COMMANDS {
            let default = taken.default_format.unwrap_or("text");
            let default = Format::from_str(default, false).unwrap();
            assert!(taken.formats.contains(&default), "{}", taken.command);
        }
    }
}
