//! The commands of the documents: each page below `docs` with a `console` block is run from its top to its end by one shell,
//! in an empty folder and on an account of its own, and the answers stand in the page.
//!
//! A page is Markdown with three things in it. A block of the language `console` has commands behind `$ `, which `> `
//! continues, and the answer of each below it. A comment `<!-- file PATH -->` makes the block after it a file, which the line
//! before names. A comment `<!-- run` has commands that readers do not see, such as those that let somebody else change the
//! account. `UPDATE=1` writes what the program answers into the pages.
//!
//! A command that fails stands before `$ echo $?`, so that no page shows a failure without a word.

use crate::binary::{Served, side_by_side};
use crate::client::Client;
use crate::golden::{Goldens, root};
use crate::left_out::left_out;
use crate::week::{MARK, in_order, normalised};
use regex::Regex;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What pages must tell, whatever else they show: the page below `docs`, and texts of its answers in their order.
const TOLD: [(&str, &[&str]); 19] = [
    ("quickstart.md", &["Applied: 3 done", "No changes", "update deferred", "live: 1,204 viewers"]),
    ("concepts/identity.md", &["ivs-apply:stack", "it belongs to stack `shows`", "\n4\n"]),
    (
        "concepts/plan.md",
        &["create: does not exist", "replace: configuration changed, cannot be changed in place"],
    ),
    ("concepts/drift.md", &["Changed outside", "\n2\n", "update: changed outside ivs-apply"]),
    (
        "concepts/live.md",
        &["update deferred", "update deferred", "cutting off its audience", "Applied: 1 done"],
    ),
    ("concepts/replacement.md", &["delete deferred: replaced", "Applied: 2 done", "No changes"]),
    ("concepts/deletion.md", &["not deleted", "delete blocked", "\n4\n", "retag", "1 to delete"]),
    ("howto/adopt.md", &["Plan: 2 to adopt", "Applied: 2 done", "No changes"]),
    ("howto/rename.md", &["1 to rename", "the same URL", "No changes"]),
    ("howto/rotate-keys.md", &["deleted before replacement", "rtmpsUrl", "replace deferred"]),
    ("howto/move.md", &["orphaned", "Plan: 1 to adopt", "No changes"]),
    ("howto/drift.md", &["No drift", "UpdateChannel by", "\n2\n", "No drift"]),
    (
        "howto/show-day.md",
        &["frozen until", "\n4\n", "waiting at most", "Applied: 1 done", "No changes"],
    ),
    ("howto/delete.md", &["not deleted", "1 to delete", "delete: destroy"]),
    (
        "howto/values.md",
        &[
            "bucketName: recordings-dev",
            ">   protect: true",
            "Applied: 2 done",
            "in account 222222222222",
            "Applied: 2 done",
            "E0122",
        ],
    ),
    (
        "howto/kustomize.md",
        &[
            "3 to create, 1 to adopt",
            "channel: try-main",
            "No changes",
            "Applied: 1 done",
            "backup.yaml (document",
        ],
    ),
    (
        "howto/secrets.md",
        &[
            "\nrtmpsUrl\n",
            "\nrtmps\n",
            "IVS_STREAM_KEY_MAIN_RTMPS_URL\n",
            "-rw-------",
            "\n1\n",
            "is a terminal",
        ],
    ),
    (
        "howto/fleet.md",
        &[
            "3 targets in 3 queues",
            "3 changes",
            "3 clean",
            "2 not started",
            "could not be assumed",
            "\n3\n",
            "3 clean",
            "1 changes, 2 clean",
        ],
    ),
    (
        "howto/operator.md",
        &[
            "CustomResourceDefinition",
            "the same\n",
            "Plan: 1 to create",
            "name: ivs-apply-operator-tenant",
        ],
    ),
];

/// The port of the pages.
const PORT: &str = "4599";

/// Lines of progress that come and go with the speed of the machine.
const PACE: &str = r"(?m)^(  \S+: waiting at most \d+ s for (state|the end of|AWS to release) .*| WARN no answer from 127\.0\.0\.1.*; trying again)\n";

/// Lines of a fleet about one of its targets: what is before the name, and how long it took.
const TARGET: &str = r"(?m)^((?:\S+: (?:clean|changes|failed|refused)|[a-z ]+ \S+  [0-9]{12}/[a-z0-9-]+, wave [0-9]+), )[0-9]+\.[0-9] s";

/// Programs that not every machine has: a page with them is left out where they are not.
const PROGRAMS: [(&str, &str); 2] =
    [("kubectl", "kubectl 1.25 or later"), ("script", "the package `bsdutils`")];

/// Ends the answer of a command and begins its exit code; no program prints it.
const END: char = '\u{1f}';

/// A part of a page.
#[derive(Debug, PartialEq)]
enum Part {
    /// Text that stays as it is.
    Text(String),
    /// The block before is a file of this path.
    File(String, String),
    /// Commands that readers do not see.
    Hidden(String),
    /// A command as it is typed, with `$ ` and `> `.
    Typed(String),
}

/// The parts of a page. Every line of it is in one of them, other than answers.
fn parts(page: &str) -> Vec<Part> {
    let mut parts = vec![Part::Text(String::new())];
    // The path of the next block, the marks that end this one and whether it has commands, and its text.
    let (mut file, mut fence, mut block) = (None, None, String::new());
    let (mut hidden, mut is_answer) = (None, false);
    let mut line_before = "";
    for line in page.lines() {
        if let Some(commands) = hidden.take() {
            if line == "-->" {
                parts.push(Part::Hidden(commands));
                parts.push(Part::Text("-->\n".to_owned()));
            } else {
                hidden = Some(format!("{commands}{line}\n"));
            }
            continue;
        }
        let closes = fence.as_ref().is_some_and(|(marks, _): &(String, bool)| line == marks);
        let has_commands = !closes && fence.as_ref().is_some_and(|(_, commands)| *commands);
        match parts.last_mut() {
            _ if has_commands && line.starts_with("$ ") => {
                parts.push(Part::Typed(format!("{line}\n")));
                is_answer = false;
            }
            Some(Part::Typed(typed)) if has_commands => {
                // What follows a command is its answer, which is made anew.
                is_answer |= !line.starts_with("> ");
                if !is_answer {
                    let _ = writeln!(typed, "{line}");
                }
            }
            Some(Part::Text(text)) => {
                let _ = writeln!(text, "{line}");
            }
            _ => parts.push(Part::Text(format!("{line}\n"))),
        }
        if closes {
            fence = None;
            if let Some(path) = file.take() {
                parts.push(Part::File(path, std::mem::take(&mut block)));
                parts.push(Part::Text(String::new()));
            }
        } else if fence.is_some() {
            let _ = writeln!(block, "{line}");
        } else if line.starts_with("```") {
            let marks = line.chars().take_while(|it| *it == '`').count();
            fence = Some(("`".repeat(marks), &line[marks..] == "console"));
            block.clear();
        } else if line == "<!-- run" {
            hidden = Some(String::new());
        } else if let Some(path) = line.strip_prefix("<!-- file ") {
            let path = path.trim_end_matches("-->").trim();
            assert!(line_before.contains(&format!("`{path}`")), "readers are not told of {path}");
            file = Some(path.to_owned());
        }
        if !line.is_empty() {
            line_before = line;
        }
    }
    assert!(hidden.is_none() && fence.is_none() && file.is_none(), "no end: {page}");
    parts
}

/// A command without its prompts.
fn command(typed: &str) -> String {
    typed.lines().flat_map(|it| [it.get(2..).unwrap_or_default(), "\n"]).collect()
}

/// The functions that `docs/howto/README.md` gives to those who type along.
fn functions() -> String {
    let page = std::fs::read_to_string(root().join("docs/howto/README.md")).expect("readable");
    let (_, rest) = page.split_once("<!-- functions -->\n```sh\n").expect("the mark is there");
    rest.split_once("```").expect("the end of the block").0.to_owned()
}

/// The script of a page. Files are taken from `files`, where they have the number of their part.
fn driver(parts: &[Part], files: &Path) -> String {
    let mut script =
        "exec 2>&1\npage_code=0\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n".to_owned();
    script.push_str(&functions());
    for (number, part) in parts.iter().enumerate() {
        let _ = match part {
            Part::Text(_) => Ok(()),
            Part::File(path, text) => {
                let from = files.join(number.to_string());
                std::fs::write(&from, text).expect("writable");
                writeln!(
                    script,
                    "mkdir -p \"$(dirname '{path}')\" && cp '{}' '{path}' || exit 1",
                    from.display()
                )
            }
            Part::Hidden(commands) => {
                writeln!(script, "set -eo pipefail\n{commands}set +eo pipefail\n")
            }
            Part::Typed(typed) => writeln!(
                script,
                "printf '\\036'; (exit \"$page_code\")\n{}page_code=$?; printf '\\037%s\\036' \"$page_code\"",
                command(typed)
            ),
        };
    }
    script.push_str("printf '\\036'\n");
    script
}

/// The ids of AWS of one page, numbered in the order in which it shows them, so that one that stays the same can be seen.
#[derive(Default)]
struct Ids(BTreeMap<String, usize>);

impl Ids {
    fn numbered(&mut self, answer: &str) -> String {
        let id = Regex::new(concat!(
            r"(?P<before>(?:arn:aws:ivs:[a-z0-9-]*:(?P<owner>[0-9]*):[a-z-]+/",
            r"|\.(?P<of>[0-9]{12})\.channel\.))(?P<id>[A-Za-z0-9]{12})\b",
            r"|\b(?P<host>[0-9a-f]{12})(?P<rest>(?:\.[a-z0-9-]+)*\.live-video\.net)",
        ));
        let id = id.expect("a pattern");
        let numbered = id.replace_all(answer, |it: &regex::Captures<'_>| {
            let part = |name: &str| it.name(name).map_or("", |it| it.as_str());
            let seen = self.0.len() + 1;
            // Two emulated accounts may have given out the same id.
            let key = ["owner", "of", "id", "host"].map(part).concat();
            let number = self.0.entry(key).or_insert(seen);
            format!("{}<id-{number}>{}", part("before"), part("rest"))
        });
        numbered.into_owned()
    }
}

/// The page with what its commands answered.
fn page(parts: &[Part], answers: &[String]) -> String {
    let mut text = String::new();
    let mut answers = answers.iter();
    for part in parts {
        match part {
            Part::Text(it) | Part::Hidden(it) => text.push_str(it),
            Part::File(..) => {}
            Part::Typed(typed) => {
                text.push_str(typed);
                let answer = answers.next().map_or("", |it| it.trim_matches('\n'));
                assert!(
                    !answer.lines().any(|it| it.starts_with("```")),
                    "it would end its block: {answer}"
                );
                text.push_str(answer);
                if !answer.is_empty() {
                    text.push('\n');
                }
            }
        }
    }
    text
}

/// What a fleet says of its targets: how long they took is no matter, and those that run side by side end in any order.
fn of_targets(answer: &str) -> String {
    let target = Regex::new(TARGET).expect("a pattern");
    let answer = target.replace_all(answer, "${1}1.0 s");
    let ended = Regex::new("^\\S+: [a-z]+, 1\\.0 s").expect("a pattern");
    let mut lines: Vec<&str> = answer.lines().collect();
    for run in lines.chunk_by_mut(|a, b| ended.is_match(a) && ended.is_match(b)) {
        run.sort_unstable();
    }
    lines.iter().flat_map(|it| [*it, "\n"]).collect()
}

/// Whether each program of a page is on this machine; where one is not, the page is left out.
fn has_programs(name: &str, text: &str) -> bool {
    let commands: String = parts(text)
        .iter()
        .filter_map(|it| if let Part::Typed(it) = it { Some(command(it)) } else { None })
        .collect();
    for (program, install) in PROGRAMS {
        let is_used = commands.split_whitespace().any(|it| it == program);
        if is_used && Command::new(program).arg("--help").output().is_err() {
            left_out(&format!("the commands of docs/{name}"), install);
            return false;
        }
    }
    true
}

/// Runs a page; what each of its commands answered.
fn run(name: &str, parts: &[Part]) -> Vec<String> {
    let home = tempfile::tempdir().expect("a folder");
    let (here, files) = (home.path().join("shows"), home.path().join(".files"));
    std::fs::create_dir(&here).expect("writable");
    std::fs::create_dir(&files).expect("writable");
    // The clone of this repository that some pages take files from.
    symlink(root(), home.path().join("ivs-apply")).expect("writable");
    let served = Served::with_defaults(home.path(), &["--account", "123456789012"]);
    let mut client = Client::new(&served.url);
    let now = client.control("GET", "clock", &json!({}))["nowMillis"].as_i64().expect("a time");
    // 2035-07-09T09:00:00Z, as in the tutorial.
    let ahead = 2_067_584_400 - now / 1000;
    client.control("POST", "clock", &json!({ "advanceSeconds": ahead }));
    let port = served.url.rsplit(':').next().expect("a port").to_owned();
    let script = driver(parts, &files).replace(&format!(":{PORT}"), &format!(":{port}"));
    let file = home.path().join(".page.sh");
    std::fs::write(&file, script).expect("writable");
    let built = Path::new(env!("CARGO_BIN_EXE_ivs-apply")).parent().expect("a folder");
    let path = std::env::var("PATH").expect("a PATH");
    let ran = Command::new("timeout")
        .args(["120", "bash"])
        .arg(&file)
        .current_dir(&here)
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", format!("{}:{path}", built.display()))
        .envs([("LANG", "C.UTF-8"), ("TZ", "UTC"), ("TERM", "dumb"), ("COLUMNS", "100")])
        .envs([("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any")])
        .envs([("AWS_REGION", "eu-west-1"), ("AWS_EC2_METADATA_DISABLED", "true")])
        .env("AWS_ENDPOINT_URL", &served.url)
        .envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_NAME", "You"),
            ("GIT_AUTHOR_EMAIL", "you@example.com"),
        ])
        .envs([("GIT_COMMITTER_NAME", "You"), ("GIT_COMMITTER_EMAIL", "you@example.com")])
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let told = String::from_utf8(ran.stdout).expect("UTF-8");
    let typed: Vec<&str> = parts
        .iter()
        .filter_map(|it| if let Part::Typed(it) = it { Some(it.as_str()) } else { None })
        .collect();
    let pace = Regex::new(PACE).expect("a pattern");
    let first_hour = Regex::new("(2035-07-09T09):\\d\\d").expect("a pattern");
    let (mut answers, mut ids, mut code) = (Vec::new(), Ids::default(), "0");
    for (part, answer) in told.split(MARK).filter(|it| it.contains(END)).enumerate() {
        assert!(
            code == "0" || typed[part].trim() == "$ echo $?",
            "{name}: exit code {code} is not shown: {told}"
        );
        let (answer, ended) = answer.split_once(END).expect("an end");
        code = ended;
        let answer = pace.replace_all(answer, "");
        let answer = normalised(
            &ids.numbered(&in_order(&of_targets(&answer))),
            home.path(),
            &[(&port, PORT)],
        );
        // The first hour of the account: how long the commands before took is no matter.
        answers.push(first_hour.replace_all(&answer, "${1}:00").into_owned());
    }
    assert!(ran.status.success() && code == "0", "{name}: {}: {told}", ran.status);
    assert_eq!(answers.len(), typed.len(), "{name}: {told}");
    answers
}

/// Every page below `docs` with commands: its name and its text.
fn pages() -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|it| it == "md") {
                found.push(path);
            }
        }
    }
    let docs = root().join("docs");
    let mut found = Vec::new();
    collect(&docs, &mut found);
    found.sort();
    let text = |it: PathBuf| {
        let name = it.strip_prefix(&docs).expect("below docs").display().to_string();
        (name, std::fs::read_to_string(it).expect("readable"))
    };
    found.into_iter().map(text).filter(|(_, it)| it.contains("\n```console\n")).collect()
}

#[test]
fn every_command_of_the_pages_answers_what_they_show() {
    let asked = std::env::var("PAGE").ok();
    let pages = pages();
    let chosen = |it: &&(String, String)| asked.as_ref().is_none_or(|asked| it.0.contains(asked));
    let (runs, missing): (Vec<_>, Vec<_>) =
        pages.iter().filter(chosen).partition(|(name, text)| has_programs(name, text));
    let ran = side_by_side(runs, |(name, text)| {
        let parts = parts(text);
        (name, page(&parts, &run(name, &parts)))
    });
    let mut goldens = Goldens::default();
    for (name, made) in &ran {
        if let Some((_, texts)) = TOLD.iter().find(|(it, _)| it == name) {
            let mut from = 0;
            for told in *texts {
                let at = made[from..].find(told);
                let at = at.unwrap_or_else(|| panic!("{name}: no `{told}` after {from}: {made}"));
                from += at + told.len();
            }
        }
        goldens.expect(format!("docs/{name}"), made);
    }
    if asked.is_none() {
        for (name, _) in TOLD {
            let is_there = ran.iter().any(|(it, _)| *it == name);
            let is_left_out = missing.iter().any(|(it, _)| it == name);
            assert!(is_there || is_left_out, "docs/{name} has commands");
        }
    }
}

#[test]
fn a_page_is_text_files_hidden_commands_and_commands_with_their_answers() {
    let text = "# Title\n\n`a/b.yaml`:\n\n<!-- file a/b.yaml -->\n```yaml\na: 1\n```\n\n<!-- run\ntrue\n-->\n\n```console\n\
        $ echo a \\\n> b\nold\n> old\n$ false\n$ echo $?\n```\n\nEnd.\n";
    let parts = parts(text);
    let typed: Vec<&Part> = parts.iter().filter(|it| !matches!(it, Part::Text(_))).collect();
    let expected = [
        &Part::File("a/b.yaml".to_owned(), "a: 1\n".to_owned()),
        &Part::Hidden("true\n".to_owned()),
        &Part::Typed("$ echo a \\\n> b\n".to_owned()),
        &Part::Typed("$ false\n".to_owned()),
        &Part::Typed("$ echo $?\n".to_owned()),
    ];
    assert_eq!(typed, expected);
    assert_eq!(command("$ echo a \\\n> b\n"), "echo a \\\nb\n");
    let made = page(&parts, &["a b\n".to_owned(), String::new(), "1\n".to_owned()]);
    assert_eq!(made, text.replace("old\n> old\n", "a b\n").replace("$?\n", "$?\n1\n"));
    assert_eq!(run("a test", &parts), ["a b\n", "", "1\n"], "and it runs");
}
