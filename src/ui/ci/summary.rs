//! What a run came to, as one typed value, and its members under fixed names: outputs for `$GITHUB_OUTPUT`, which
//! `--format github` prints as well, and variables of a dotenv report.

use super::super::escape::{escape, is_unsafe};
use crate::apply::Counts;
use crate::plan::{Status, Summary};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What a run came to.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// The command.
    pub command: &'static str,
    /// The stack; before its manifests are read the one that the command line names.
    pub stack: String,
    /// How it came out.
    pub status: Status,
    /// The number that the process ends with; known at the end.
    pub exit_code: Option<u8>,
    /// Errors in the manifests.
    pub errors: Option<usize>,
    /// Warnings about the manifests.
    pub warnings: Option<usize>,
    /// Resources that the manifests declare.
    pub resources: Option<usize>,
    /// Steps of the plan by action; of a drift report, steps that would restore what was applied.
    pub planned: Option<Summary>,
    /// Steps by how they ended.
    pub outcome: Option<Counts>,
    /// Resources with drift.
    pub drifted: Option<usize>,
    /// The file that the plan was saved to, as it was named.
    pub plan_file: Option<PathBuf>,
    /// Why the run did not do its work: what is wrong, and what to do about it.
    pub error: Option<(String, Option<String>)>,
}

/// A name and its value; `None` where the run does not know it.
pub(super) type Member = (&'static str, Option<String>);

impl RunSummary {
    /// Of a run that has told nothing yet.
    pub fn new(command: &'static str, stack: &str) -> Self {
        Self {
            command,
            stack: stack.to_owned(),
            status: Status::Failed,
            exit_code: None,
            errors: None,
            warnings: None,
            resources: None,
            planned: None,
            outcome: None,
            drifted: None,
            plan_file: None,
            error: None,
        }
    }

    /// Whether the command has outputs.
    pub(super) fn has_members(&self) -> bool {
        matches!(self.command, "validate" | "plan" | "apply" | "destroy" | "drift")
    }

    /// Whether the command can answer in Markdown.
    pub(super) fn has_markdown(&self) -> bool {
        self.has_members() || matches!(self.command, "status" | "show")
    }

    /// Every member that the command has, known or not: at most twenty, since GitLab takes no more of them.
    pub(super) fn members(&self) -> Vec<Member> {
        let number = |count: Option<usize>| count.map(|it| it.to_string());
        let mut members = vec![
            ("status", Some(self.status.as_str().to_owned())),
            ("stack", Some(escape(&self.stack, 200))),
            ("exit-code", self.exit_code.map(|it| it.to_string())),
        ];
        let planned = |name: &'static str, count: fn(&Summary) -> usize| -> Member {
            (name, number(self.planned.as_ref().map(count)))
        };
        let ended = |name: &'static str, count: fn(&Counts) -> usize| -> Member {
            (name, number(self.outcome.as_ref().map(count)))
        };
        let changes = [
            planned("create", |it| it.create),
            planned("update", |it| it.update),
            planned("replace", |it| it.replace),
            planned("delete", |it| it.delete),
            planned("adopt", |it| it.adopt),
            planned("rename", |it| it.rename),
        ];
        let deferred = |it: &Summary| it.deferred;
        match self.command {
            "validate" => members.extend([
                ("resources", number(self.resources)),
                ("errors", number(self.errors)),
                ("warnings", number(self.warnings)),
            ]),
            "plan" => {
                members.extend(changes);
                members.extend([
                    planned("retag", |it| it.retag),
                    planned("release", |it| it.release),
                    planned("unchanged", |it| it.unchanged),
                    planned("deferred", deferred),
                    planned("dormant", |it| it.dormant),
                    planned("blocked", |it| it.blocked),
                    planned("orphans", |it| it.orphans),
                    ("plan-file", self.plan_file.as_deref().and_then(plain)),
                ]);
            }
            "drift" => {
                members.push(("drifted", number(self.drifted)));
                members.extend(changes);
                members.extend([
                    planned("unchanged", |it| it.unchanged),
                    planned("deferred", deferred),
                    planned("blocked", |it| it.blocked),
                ]);
            }
            _ => {
                members.extend(changes);
                members.extend([
                    // A run that carries nothing out still says what it waits for or was refused for.
                    or(ended("deferred", |it| it.deferred), planned("deferred", deferred)),
                    or(ended("blocked", |it| it.blocked), planned("blocked", |it| it.blocked)),
                    or(ended("dormant", |it| it.dormant), planned("dormant", |it| it.dormant)),
                    or(
                        ended("unchanged", |it| it.unchanged),
                        planned("unchanged", |it| it.unchanged),
                    ),
                    ended("done", |it| it.done),
                    ended("failed", |it| it.failed),
                    ended("not-started", |it| it.not_started),
                    ended("skipped", |it| it.skipped),
                    ended("stale", |it| it.stale),
                    ended("unconfirmed", |it| it.unconfirmed),
                    ended("unknown", |it| it.unknown),
                ]);
            }
        }
        members
    }

    /// Lines for `$GITHUB_OUTPUT`. What the run does not know is empty, so that no value of a run before it stays.
    pub fn outputs(&self) -> String {
        let members = self.members().into_iter();
        members.map(|(name, value)| output_line(name, &value.unwrap_or_default())).collect()
    }

    /// Lines for GitLab's `artifacts: reports: dotenv`, and the names whose values it does not take: such with white
    /// space, quotes or characters that cannot be seen. What the run does not know is left out.
    pub(super) fn dotenv(&self) -> (String, Vec<&'static str>) {
        let (mut text, mut refused) = (String::new(), Vec::new());
        let prefix = self.command.replace('-', "_").to_uppercase();
        for (name, value) in self.members() {
            let Some(value) = value.filter(|it| !it.is_empty()) else { continue };
            let is_plain = !value
                .chars()
                .any(|it| it.is_whitespace() || is_unsafe(it) || "'\"$`\\".contains(it));
            if is_plain && value.len() <= LONGEST {
                let name = name.replace('-', "_").to_uppercase();
                let _ = writeln!(text, "IVS_RUN_{prefix}_{name}={value}");
            } else {
                refused.push(name);
            }
        }
        (text, refused)
    }
}

/// GitLab takes 5 KiB in one file, of which the path of a saved plan is the only part without a limit of its own.
const LONGEST: usize = 3_000;

/// A path as text, if it is one line without characters that a log could take for a command.
fn plain(path: &Path) -> Option<String> {
    let path = path.to_str()?;
    (escape(path, usize::MAX) == path).then(|| path.to_owned())
}

/// The first of two members of one name that is known.
fn or(first: Member, second: Member) -> Member {
    (first.0, first.1.or(second.1))
}

/// `key=value` for `$GITHUB_OUTPUT`, or the form with a delimiter, one that the value does not contain.
pub(in crate::ui) fn output_line(key: &str, value: &str) -> String {
    if !value.contains(['\n', '\r']) {
        return format!("{key}={value}\n");
    }
    let delimiters = (0..).map(|it| format!("ivs_apply_{it}"));
    let mut unused = delimiters.filter(|it| !value.contains(it.as_str()));
    let delimiter = unused.next().expect("a text contains finitely many delimiters");
    format!("{key}<<{delimiter}\n{value}\n{delimiter}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitlab_takes_every_dotenv_that_a_command_can_write() {
        for command in ["validate", "plan", "apply", "destroy", "drift"] {
            let summary = RunSummary {
                exit_code: Some(255),
                errors: Some(0),
                warnings: Some(0),
                resources: Some(0),
                planned: Some(Summary::default()),
                outcome: Some(Counts::default()),
                drifted: Some(0),
                plan_file: Some("p".repeat(LONGEST).into()),
                ..RunSummary::new(command, &"s".repeat(63))
            };
            let (text, refused) = summary.dotenv();
            assert!(refused.is_empty() && text.len() < 5 * 1024, "{command}: {}", text.len());
            assert!(text.lines().count() <= 20, "{command}: {text}");
            for line in text.lines() {
                let (name, value) = line.split_once('=').unwrap();
                // `IVS_APPLY_…` would be a flag of every later run.
                assert!(name.starts_with("IVS_RUN_") && !value.is_empty(), "{line}");
                let fits = |it: char| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_';
                assert!(name.chars().all(fits), "{line}");
            }
        }
    }

    #[test]
    fn an_output_that_holds_the_delimiter_gets_another_one() {
        assert_eq!(output_line("k", "v"), "k=v\n");
        assert!(output_line("k", "ivs_apply_0\n").starts_with("k<<ivs_apply_1\n"));
    }
}
