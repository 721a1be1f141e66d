//! The acted week: `tests/week/week.sh` is run as people type it, and `docs/tutorial.md` is its text, its commands and what
//! they answered.

use crate::ci_files::github::{Github, TOKEN};
use crate::golden::{self, root};
use crate::left_out::{left_out, say};
use regex::Regex;
use std::fmt::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the script needs beside the program.
const PROGRAMS: [(&str, &str); 6] = [
    ("bash", "bash"),
    ("curl", "curl"),
    ("git", "git"),
    ("jq", "jq"),
    ("promtool", "the package `prometheus`"),
    ("tmux", "tmux"),
];

/// The ports of the text, of the emulator and of GitHub.
const PORTS: [&str; 2] = ["4599", "4600"];

/// A part of the script.
#[derive(Debug, PartialEq)]
enum Part {
    /// Text of the tutorial.
    Prose(String),
    /// Commands that are typed one after the other.
    Commands(String),
}

/// The parts of a script whose lines of text begin with `#:`. What stands before the first of them is no part.
fn parts(script: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for line in script.lines() {
        match (line.strip_prefix("#:"), parts.last_mut()) {
            (Some(text), Some(Part::Prose(prose))) => {
                prose.push_str(text.strip_prefix(' ').unwrap_or(text));
                prose.push('\n');
            }
            (Some(text), _) => parts.push(Part::Prose(format!("{}\n", text.trim_start()))),
            (None, Some(Part::Commands(commands))) => {
                commands.push_str(line);
                commands.push('\n');
            }
            (None, Some(Part::Prose(_))) => parts.push(Part::Commands(format!("{line}\n"))),
            (None, None) => {}
        }
    }
    parts
}

/// Between the answers of two blocks; no program prints it.
pub(crate) const MARK: char = '\u{1e}';

/// The script as it is run: in one shell, with a mark before each block of commands.
fn driver(parts: &[Part]) -> String {
    let mut script = "exec 2>&1\nset -euo pipefail\n\
        trap 'kill $(jobs -p) 2>/dev/null || true; tmux -L week kill-server 2>/dev/null || true' EXIT\n"
        .to_owned();
    for part in parts {
        if let Part::Commands(commands) = part {
            let _ = writeln!(script, "printf '\\036'\n{commands}");
        }
    }
    script
}

/// Text in a fence that nothing in it closes.
fn fenced(language: &str, text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_matches('\n'))
}

/// The tutorial.
fn document(parts: &[Part], answers: &[String]) -> String {
    let mut text =
        "<!-- Made by `UPDATE=1 cargo test --test it week` from tests/week/week.sh -->\n"
            .to_owned();
    let mut answers = answers.iter();
    for part in parts {
        text.push('\n');
        match part {
            Part::Prose(prose) => text.push_str(prose.trim_matches('\n')),
            Part::Commands(commands) => {
                text.push_str(&fenced("sh", commands));
                let answer = answers.next().map(|it| it.trim_matches('\n')).unwrap_or_default();
                if !answer.is_empty() {
                    text.push('\n');
                    text.push_str(&fenced("text", answer));
                }
                text.pop();
            }
        }
        text.push('\n');
    }
    text
}

/// Without what differs from run to run, as the tutorial says.
pub(crate) fn normalised(text: &str, home: &Path, ports: &[(&str, &str)]) -> String {
    let mut text = text.replace(&home.display().to_string(), "/home/you");
    for (port, shown) in ports {
        text = text.replace(&format!(":{port}"), &format!(":{shown}"));
    }
    for (pattern, instead) in [
        ("(arn:aws:ivs:[^/ ]*/)[A-Za-z0-9]{12}\\b", "${1}<id>"),
        ("\\bst-[A-Za-z0-9]{20,}", "st-<id>"),
        ("\\b[0-9a-f]{40}\\b", "<commit>"),
        ("(T\\d\\d:\\d\\d):\\d\\d(Z|\\+)", "${1}:00${2}"),
        ("for \\d+ s, since", "for 1 s, since"),
    ] {
        let pattern = Regex::new(pattern).expect("a pattern");
        text = pattern.replace_all(&text, instead).into_owned();
    }
    text.lines().flat_map(|it| [it.trim_end(), "\n"]).collect()
}

/// Steps side by side end in any order: lines about resources that follow each other are put in the order of addresses.
pub(crate) fn in_order(text: &str) -> String {
    let step = Regex::new("^  [A-Za-z]+/[^ :]+: ").expect("a pattern");
    let mut lines: Vec<&str> = text.lines().collect();
    let address = |it: &str| step.find(it).map(|it| it.as_str().to_owned());
    for run in lines.chunk_by_mut(|a, b| step.is_match(a) && step.is_match(b)) {
        run.sort_by_key(|it| address(it));
    }
    lines.iter().flat_map(|it| [*it, "\n"]).collect()
}

fn free_port() -> String {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    free.local_addr().expect("an address").port().to_string()
}

#[test]
fn the_acted_week_goes_as_the_tutorial_says() {
    for (program, install) in PROGRAMS {
        let asked = if program == "tmux" { "-V" } else { "--version" };
        if Command::new(program).arg(asked).output().is_err() {
            return left_out("the acted week and the tutorial", install);
        }
    }
    let script = std::fs::read_to_string(root().join("tests/week/week.sh")).expect("readable");
    let parts = parts(&script);
    let github = Github::start();
    let home = tempfile::tempdir().expect("a folder");
    let ports = [free_port(), github.url.rsplit(':').next().expect("a port").to_owned()];
    let mut driver = driver(&parts);
    for (port, shown) in ports.iter().zip(PORTS) {
        driver = driver.replace(&format!(":{shown}"), &format!(":{port}"));
    }
    let built = Path::new(env!("CARGO_BIN_EXE_ivs-apply")).parent().expect("a folder");
    assert!(driver.contains("PATH=\"$clone/target/debug:"), "where the tutorial builds it");
    let driver = driver.replace("$clone/target/debug", &built.display().to_string());
    let file = home.path().join("week.sh");
    std::fs::write(&file, driver).expect("writable");
    let ran = Command::new("timeout")
        .args(["300", "bash"])
        .arg(&file)
        .current_dir(root())
        .env_clear()
        .env("HOME", home.path())
        .env("TMUX_TMPDIR", home.path())
        .env("PATH", std::env::var_os("PATH").expect("a PATH"))
        .envs([("LANG", "C.UTF-8"), ("TZ", "UTC"), ("TERM", "xterm"), ("COLUMNS", "100")])
        .envs([("AWS_EC2_METADATA_DISABLED", "true"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .envs([("GIT_AUTHOR_NAME", "You"), ("GIT_AUTHOR_EMAIL", "you@example.com")])
        .envs([("GIT_COMMITTER_NAME", "You"), ("GIT_COMMITTER_EMAIL", "you@example.com")])
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let told = String::from_utf8(ran.stdout).expect("UTF-8");
    assert!(ran.status.success(), "{}: {told}", ran.status);
    let ports: Vec<(&str, &str)> = ports.iter().map(String::as_str).zip(PORTS).collect();
    let answer = |it: &str| in_order(&normalised(it, home.path(), &ports));
    let answers: Vec<String> = told.split(MARK).skip(1).map(answer).collect();
    let blocks = parts.iter().filter(|it| matches!(it, Part::Commands(_))).count();
    assert_eq!(answers.len(), blocks, "{told}");

    // What the week is about, whatever the tutorial says.
    let whole = answers.concat();
    let mut from = 0;
    for told in [
        "::error file=ivs/channels.yaml,line=",
        "The job fails: exit code 1",
        "<!-- ivs-apply:plan:shows -->",
        "Saved plan for stack `shows`",
        "Applied: 4 done",
        "update deferred",
        "healthy, 1,204 viewers",
        "cup final",
        "Exit code 4",
        "The job fails: exit code 2",
        "The job fails: exit code 2",
        "Drift in stack shows",
        "<!-- ivs-apply:drift:shows -->",
        "IvsApplyDrift (warning)",
        "is closed: there is no drift any more",
        "No alert fires",
        "No changes",
    ] {
        let at =
            whole[from..].find(told).unwrap_or_else(|| panic!("no `{told}` after {from}: {whole}"));
        from += at + told.len();
    }
    assert_eq!(github.written(1).len(), 1, "the plans of a pull request are one comment");
    let issues = github.state().issues.clone();
    assert_eq!(issues.len(), 1, "{issues:#?}");
    assert_eq!(issues[0]["state"], "closed");
    golden::expect("docs/tutorial.md", &document(&parts, &answers));
}

#[test]
fn a_script_is_text_and_commands_and_a_fence_holds_what_is_in_it() {
    let script =
        "#!/bin/sh\nset -e\n\n#: # Title\n#:\n#: Text.\n\necho a\n# a remark\n\n#: More.\n";
    let parts = parts(script);
    let expected = [
        Part::Prose("# Title\n\nText.\n".to_owned()),
        Part::Commands("\necho a\n# a remark\n\n".to_owned()),
        Part::Prose("More.\n".to_owned()),
    ];
    assert_eq!(parts, expected);
    let text = document(&parts, &["```\na\n```\n".to_owned()]);
    let commands = "```sh\necho a\n# a remark\n```\n";
    let answer = "````text\n```\na\n```\n````\n";
    assert!(
        text.ends_with(&format!("\n# Title\n\nText.\n\n{commands}\n{answer}\nMore.\n")),
        "{text}"
    );
}

/// For people who type the tutorial: `cargo test --test it small_github -- --ignored --nocapture`, until Ctrl-C.
#[test]
#[ignore = "a server for people, not a test"]
fn the_small_github_of_the_tutorial_serves_until_it_is_stopped() {
    let port = std::env::var("GITHUB_PORT").unwrap_or_else(|_| PORTS[1].to_owned());
    let github = Github::on(&format!("127.0.0.1:{port}"));
    say(&format!("GitHub's API is at {}/api, for the token {TOKEN}", github.url));
    loop {
        std::thread::park();
    }
}
