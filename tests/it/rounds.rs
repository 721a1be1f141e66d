//! `--interval`: the same command again and again, until a signal comes.

use crate::binary::{Place, Ran, run};
use crate::first_applies::document as manifest;
use crate::killed::Stage;
use crate::left_out::{every_case, say};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const STACK: &str = "{ region: us-west-2, account: \"000000000000\" }";

fn channels(count: usize, spec: &str) -> String {
    let stack = manifest("Stack", "shows", STACK, "");
    let channels = (0..count).map(|it| manifest("Channel", &format!("c{it}"), spec, ""));
    stack + &channels.collect::<String>()
}

/// A run that repeats, with its answers as they come.
struct Repeated {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Repeated {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, answers }
    }

    /// The next answer, a document on one line.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("readable");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    fn ended(mut self) -> Ran {
        let begun = Instant::now();
        while self.child.try_wait().expect("a child").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30), "it ends");
            std::thread::sleep(Duration::from_millis(10));
        }
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.answers.read_to_string(&mut stdout).expect("UTF-8");
        self.child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("UTF-8");
        let code = self.child.wait().expect("ended").code();
        Ran { code, stdout, stderr }
    }
}

#[test]
fn an_apply_that_repeats_reads_the_manifests_anew_and_ends_on_a_signal() {
    let stage = Stage::new(&[]);
    stage.place.write("all.yaml", &channels(1, "{}"));
    let words = "apply --yes --interval 20ms --format json --metrics a.prom --events e.jsonl";
    let mut running = Repeated::start(&mut stage.command(words));
    let first = running.next();
    assert_eq!(first["outcome"]["done"], 1, "{first:#}");
    stage.place.write("all.yaml", &channels(2, "{}"));
    while running.next()["outcome"]["done"] != 1 {}
    stage.place.write("all.yaml", "kind: nonsense");
    while running.next()["status"] != "failed" {}
    let metrics = std::fs::read_to_string(stage.place.folder.path().join("a.prom"));
    assert!(metrics.expect("written each round").contains("last_run_exit_code"));
    stage.place.write("all.yaml", &channels(3, "{}"));
    while running.next()["outcome"]["done"] != 1 {}
    running.signal("-TERM");
    let ran = running.ended();
    assert_eq!(ran.code, Some(143), "{ran:?}");
    assert!(ran.stderr.contains("exit code 1; the next round is in"), "{ran:?}");
    assert_eq!(stage.objects().len(), 3);
    let events = std::fs::read_to_string(stage.place.folder.path().join("e.jsonl"));
    let events = events.expect("written");
    let count = |event: &str| events.lines().filter(|it| it.contains(event)).count();
    assert!(count("\"run.ended\"") >= 4);
    assert!(count("\"run.started\"").abs_diff(count("\"run.ended\"")) <= 1);
}

#[test]
fn a_drift_that_repeats_tells_each_answer_and_ends_on_a_signal_in_a_pause() {
    let stage = Stage::new(&[]);
    stage.place.write("all.yaml", &channels(1, "{}"));
    assert_eq!(run(&mut stage.command("apply --yes")).code, Some(0));
    let mut running = Repeated::start(&mut stage.command("drift --interval 10m --format json"));
    assert_eq!(running.next()["status"], "clean");
    let begun = Instant::now();
    running.signal("-INT");
    assert_eq!(running.ended().code, Some(130));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn rounds_end_when_nothing_reads_their_answers_any_more() {
    let stage = Stage::new(&[]);
    stage.place.write("all.yaml", &channels(1, "{}"));
    for words in [
        "apply --yes --interval 50ms --format json",
        "apply --yes --interval 50ms",
        "drift --interval 50ms",
    ] {
        let mut running = Repeated::start(&mut stage.command(words));
        let mut line = String::new();
        running.answers.read_line(&mut line).expect("a first answer");
        drop(running.answers);
        let begun = Instant::now();
        let code = loop {
            if let Some(status) = running.child.try_wait().expect("a child") {
                break status.code();
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{words} goes on without a reader");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(code, Some(0), "{words}");
    }
}

#[test]
fn what_cannot_be_repeated_is_refused() {
    let place = Place::new();
    place.write("a.yaml", &channels(1, "{}"));
    for (words, message) in [
        ("apply --interval 1m", "asks no question"),
        ("apply --yes --interval 1m --format html", "answers in text, json"),
        ("apply --yes --interval soon", "write it as"),
        ("apply --yes --interval 1m --wait 1m", "cannot be used with"),
        ("apply plan.json --yes --interval 1m", "cannot be used with"),
        ("drift --interval 200h", "at most"),
    ] {
        let ran = place.run(words);
        assert_eq!(ran.code, Some(1), "{words}: {ran:?}");
        assert!(ran.stderr.contains(message), "{words}: {ran:?}");
    }
    let mut piped = place.command("drift --interval 1m");
    piped.args(["-f", "-"]);
    assert_eq!(run(&mut piped).code, Some(1));
    place.write("a.yaml", "kind: nonsense");
    let ran = place.run("drift --interval 1m");
    assert_eq!(ran.code, Some(1), "a first round that fails is the last: {ran:?}");
}

/// What the process holds, in KiB.
#[cfg(target_os = "linux")]
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it is there");
    line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number")
}

#[cfg(target_os = "linux")]
fn open_files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).expect("Linux tells").count()
}

/// How many rounds: `ROUNDS`, such as 10,000 in 25 minutes, else 800 with `EVERY_CASE` and 220 without.
#[cfg(target_os = "linux")]
fn rounds() -> u64 {
    let asked = std::env::var("ROUNDS").ok();
    let asked = asked.map(|it| it.parse().expect("`ROUNDS` is a number"));
    asked.unwrap_or(if every_case() { 800 } else { 220 })
}

#[cfg(target_os = "linux")]
#[test]
fn memory_and_open_files_do_not_grow_with_the_number_of_rounds() {
    let rounds = rounds();
    for command in ["apply --yes", "drift"] {
        let stage = Stage::new(&[]);
        stage.place.write("all.yaml", &channels(5, "{}"));
        assert_eq!(run(&mut stage.command("apply --yes")).code, Some(0));
        let words = format!("{command} --interval 1ms --format json --metrics a.prom");
        let mut running = Repeated::start(&mut stage.command(&words));
        let process = running.child.id();
        // By then the allocator and the connections have reached the size that they keep.
        let warm = 100;
        for _ in 0..warm {
            running.next();
        }
        let before = (resident(process), open_files(process));
        for _ in warm..rounds {
            assert_ne!(running.next()["status"], "failed");
        }
        let after = (resident(process), open_files(process));
        running.signal("-TERM");
        assert_eq!(running.ended().code, Some(143));
        let grown = format!("{command}: {before:?} have become {after:?} after {rounds} rounds");
        say(&grown);
        assert!(after.0 < before.0 + 6 * 1024, "{grown}");
        assert!(after.1 < before.1 + 10, "{grown}");
    }
}
