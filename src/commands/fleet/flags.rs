//! What the processes of the targets are started with: flags, variables, and which of them cannot be meant for all.

use super::super::failure::Failure;
use crate::cli::{FLEET_PROCESS, Global, arguments, own_process, program, program_file};
use crate::ui::shell::quote;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Flags that each target has from its document, or that would name one file for all of them.
const NOT_FOR_TARGETS: [(&str, &str); 12] = [
    ("--target", "the targets are those of `-f` and `-l`"),
    (
        "--format",
        "the answer of each target is JSON, and the report has the form of `--format` before `--`",
    ),
    ("--interval", "repeat the fleet as a whole"),
    ("--out", "every target would write the same file"),
    ("--report", "every target would write the same file; `fleet report` writes one of all"),
    ("--events", "every target would write the same file"),
    (
        "--metrics",
        "every target would write the same file; `fleet report --format metrics` writes one of all",
    ),
    ("--secrets-to", "every target would write the same file"),
    ("--emulator", "start `ivs-apply emulator`, and give its address with `--endpoint-url`"),
    ("--stack", "the document of each target names its stack"),
    ("--region", "the document of each target names its region"),
    ("--yes", "give it before `--`"),
];

/// Flags of every command that mean something else before `--` than after it.
const ONLY_FOR_TARGETS: [&str; 3] = ["--set", "--values", "--stdin-folder"];

/// Variables of flags that are the fleet's own, or that would mean every target. An empty one counts as not set.
const TAKEN_OUT: [&str; 17] = [
    "IVS_APPLY_FILENAME",
    "IVS_APPLY_STDIN_FOLDER",
    "IVS_APPLY_TARGET",
    "IVS_APPLY_STACK",
    "IVS_APPLY_REGION",
    "IVS_APPLY_FORMAT",
    "IVS_APPLY_SELECTOR",
    "IVS_APPLY_OUT",
    "IVS_APPLY_REPORT",
    "IVS_APPLY_EVENTS",
    "IVS_APPLY_METRICS",
    "IVS_APPLY_INTERVAL",
    "IVS_APPLY_SECRETS_TO",
    "IVS_APPLY_EMULATOR",
    "IVS_APPLY_COMPLETE",
    "IVS_APPLY_MARKDOWN_LIMIT",
    "IVS_APPLY_YES",
];

/// How each target is run.
pub(super) struct Program {
    file: PathBuf,
    command: &'static str,
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, String)>,
    /// The flags of the connection as a person types them.
    typed: String,
}

impl Program {
    /// For a command with these flags for each target.
    pub(super) fn new(
        command: &'static str,
        given: &[OsString],
        global: &Global,
    ) -> Result<Self, Failure> {
        check(given, global)?;
        let mut variables = global.variables_of_connection();
        // No target tells the CI system of itself: `fleet report` tells of all.
        variables.push(("IVS_APPLY_CI", "off".to_owned()));
        variables.push((FLEET_PROCESS, own_process()));
        match command {
            "plan" => variables.push(("IVS_APPLY_DETAILED_EXITCODE", "true".to_owned())),
            "apply" => variables.push(("IVS_APPLY_YES", "true".to_owned())),
            _ => {}
        }
        let file = program_file().map_err(|error| {
            Failure::error(format!("the program does not find itself: {error}"))
        })?;
        let typed = typed(global);
        Ok(Self { file, command, arguments: given.to_vec(), variables, typed })
    }

    /// The process of a target, without its streams.
    pub(super) fn of(&self, reference: &str) -> Command {
        let mut command = Command::new(&self.file);
        command.arg(self.command).arg("--target").arg(reference).args(["--format", "json"]);
        command.args(&self.arguments).stdin(Stdio::null());
        for name in TAKEN_OUT {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The same as a person types it to run one target alone; `apply` then asks before it writes.
    pub(super) fn repeat(&self, reference: &str) -> String {
        let program = quote(&program());
        let mut text = format!("{program} {} --target {}", self.command, quote(reference));
        for it in &self.arguments {
            text.push_str(&format!(" {}", quote(&it.to_string_lossy())));
        }
        text.push_str(&self.typed);
        text
    }

    /// The flags of each target as text, for `fleet.json`.
    pub(super) fn arguments(&self) -> Vec<String> {
        self.arguments.iter().map(|it| it.to_string_lossy().into_owned()).collect()
    }
}

/// The flags of the connection that have no value that is secret.
fn typed(global: &Global) -> String {
    let mut text = String::new();
    if let Some(profile) = &global.profile {
        text.push_str(&format!(" --profile {}", quote(profile)));
    }
    if let Some(url) = &global.endpoint_url {
        // An address may have a password in it.
        let shown = if url.contains('@') || url.contains('?') { "URL" } else { url };
        text.push_str(&format!(" --endpoint-url {}", quote(shown)));
    }
    text
}

/// Refuses flags that cannot be meant for every target.
fn check(given: &[OsString], global: &Global) -> Result<(), Failure> {
    for it in given {
        let found = NOT_FOR_TARGETS.iter().find(|(flag, _)| is_flag(it, flag));
        if let Some((flag, why)) = found {
            let message = format!("`{flag}` cannot be given to the command of every target");
            return Err(Failure::error(message).help(*why));
        }
        if let Some(word) = ["-f", "--filename"].iter().find(|flag| is_flag(it, flag)) {
            let message = format!("`{word}` cannot be given to the command of every target");
            return Err(Failure::error(message).help(
                "the document of each target names its manifests; `-f` before `--` names the documents",
            ));
        }
    }
    let own = arguments().skip(1).take_while(|it| it != "--");
    for it in own {
        if let Some(flag) = ONLY_FOR_TARGETS.iter().find(|flag| is_flag(&it, flag)) {
            let message = format!("`{flag}` is for the command of each target");
            return Err(Failure::error(message).help(format!("give it after `--`: `-- {flag} …`")));
        }
        let of_document = ["--stack", "--region", "--target"];
        if let Some(flag) = of_document.iter().find(|flag| is_flag(&it, flag)) {
            let message = format!("`{flag}` is not for a fleet");
            let help = "the document of each target names its stack and its region; `-l` and `--wave` choose targets";
            return Err(Failure::error(message).help(help));
        }
    }
    if global.emulator_file().is_some() {
        let message =
            "`--emulator` keeps one account in one process, and a fleet has many processes";
        return Err(Failure::error(message)
            .help("start `ivs-apply emulator`, and give its address with `--endpoint-url`"));
    }
    if global.paths().iter().any(|it| it == Path::new("-")) {
        let message = "the documents of a fleet cannot come from standard input";
        return Err(Failure::error(message)
            .help("each target reads its own document again: name files or folders with `-f`"));
    }
    Ok(())
}

/// Whether a word of a command line is this flag, with or without a value behind an equals sign.
fn is_flag(word: &OsStr, flag: &str) -> bool {
    let word = word.to_string_lossy();
    // A short flag has its value right behind it, too.
    let is_short = flag.len() == 2;
    word.strip_prefix(flag).is_some_and(|it| is_short || it.is_empty() || it.starts_with('='))
}
