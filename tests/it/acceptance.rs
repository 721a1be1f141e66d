//! The kit for a real account (`tests/acceptance`, `docs/real-account.md`), run on emulators only: the recording of an
//! emulator equals what another answers, a switch set otherwise is found, and whatever ends a run, nothing stays
//! behind. That it needs an account named twice is checked by `selftest.py`, which reaches no service.

use crate::binary::Served;
use crate::client::Client;
use crate::conformance::{holds, python};
use crate::golden::root;
use crate::left_out::too_slow;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ivs-apply");

fn kit(python: &Path, command: &str, url: &str) -> Command {
    let mut kit = Command::new(python);
    kit.arg(root().join("tests/acceptance/kit.py"))
        .args([command, "--emulator", url])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("IVS_APPLY_CI", "off")
        .stdin(Stdio::null());
    kit
}

/// A run of the kit that puts its results below `out`.
fn run_of_the_kit(python: &Path, url: &str, out: &Path) -> Command {
    let mut run = kit(python, "run", url);
    run.args(["--live", "--program", PROGRAM, "--out"]).arg(out);
    run
}

/// The objects of the account, without compositions that have ended.
fn objects(url: &str) -> Vec<Value> {
    let all = Client::new(url).control("GET", "objects", &json!({}))["objects"].clone();
    let all = all.as_array().cloned().expect("a list");
    all.into_iter().filter(|it| it["object"]["state"] != "STOPPED").collect()
}

/// The folder of the only run below `out`.
fn folder_of_the_run(out: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(out).expect("a folder");
    let entry = entries.next().expect("the kit makes a folder").expect("readable");
    assert!(entries.next().is_none(), "one run makes one folder");
    entry.path()
}

#[test]
fn the_acceptance_kit_finds_no_difference_between_one_emulator_and_another() {
    if too_slow("the acceptance kit from beginning to end") {
        return;
    }
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().expect("a folder");
    let account = "123456789012";
    let served = Served::with_defaults(home.path(), &["--account", account]);
    let out = home.path().join("out");
    let output = run_of_the_kit(python, &served.url, &out).output().expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let progress = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}{progress}");
    assert!(said.contains(", 0 differences, "), "{said}");
    assert!(!progress.contains("left out"), "{progress}");
    assert_eq!(objects(&served.url), Vec::<Value>::new());
    let results = folder_of_the_run(&out).join("results");
    for file in ["recording.jsonl", "report.txt", "log.txt"] {
        let text = std::fs::read_to_string(results.join(file)).expect("the kit writes it");
        assert!(!text.is_empty() && !text.contains(account), "{file}");
        assert!(!text.contains("sk_emulator") && !text.contains("rt_emulator"), "{file}");
    }
}

#[test]
fn the_acceptance_kit_finds_every_switch_that_a_client_can_observe() {
    holds("../acceptance/prove.py", &[PROGRAM], 35);
}

#[test]
fn the_acceptance_kit_refuses_what_was_not_named_twice_and_records_no_secret() {
    holds("../acceptance/selftest.py", &[PROGRAM], 45);
}

#[test]
fn the_acceptance_kit_deletes_everything_after_a_failure() {
    if too_slow("the acceptance kit with a failure") {
        return;
    }
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().expect("a folder");
    let served = Served::with_defaults(home.path(), &[]);
    Client::new(&served.url).control("POST", "quotas", &json!({ "stages": 0 }));
    let out = home.path().join("out");
    let output = run_of_the_kit(python, &served.url, &out).output().expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("FAILED create: apply succeeds"), "{said}");
    assert_eq!(objects(&served.url), Vec::<Value>::new());
}

/// Starts a run and waits until it has made something and is at work. The id of the run.
fn in_the_middle(mut run: Command) -> (Child, BufReader<std::process::ChildStderr>, String) {
    let mut child = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("python runs");
    let mut progress = BufReader::new(child.stderr.take().expect("piped"));
    let mut identity = String::new();
    let mut line = String::new();
    while !line.starts_with("lifecycle: update") {
        line.clear();
        assert_ne!(progress.read_line(&mut line).expect("readable"), 0, "the run ended early");
        if let Some(rest) = line.strip_prefix("run ") {
            rest.split(',').next().unwrap_or_default().clone_into(&mut identity);
        }
    }
    (child, progress, identity)
}

#[test]
fn the_acceptance_kit_deletes_everything_after_ctrl_c() {
    if too_slow("the acceptance kit with Ctrl-C") {
        return;
    }
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().expect("a folder");
    let served = Served::with_defaults(home.path(), &[]);
    let run = run_of_the_kit(python, &served.url, &home.path().join("out"));
    let (mut child, progress, _) = in_the_middle(run);
    assert!(!objects(&served.url).is_empty());
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill is there").success());
    let rest: Vec<String> = progress.lines().map(|it| it.expect("readable")).collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{rest:#?}");
    assert_eq!(objects(&served.url), Vec::<Value>::new(), "{rest:#?}");
}

#[test]
fn the_acceptance_kit_cleans_up_by_command_after_it_was_killed() {
    if too_slow("the acceptance kit that is killed") {
        return;
    }
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().expect("a folder");
    let served = Served::with_defaults(home.path(), &[]);
    let run = run_of_the_kit(python, &served.url, &home.path().join("out"));
    let (mut child, progress, identity) = in_the_middle(run);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    drop(progress);
    let mut client = Client::new(&served.url);
    let other = client.call("CreateStage", &json!({ "tags": { "ivs-acceptance": "another" } }));
    let mut clean = kit(python, "clean", &served.url);
    let output = clean.args(["--run", &identity]).output().expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let left: Vec<Value> = objects(&served.url).into_iter().map(|it| it["arn"].clone()).collect();
    assert_eq!(left, [other["stage"]["arn"].clone()], "what others made stays");
}
