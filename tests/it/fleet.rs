//! `fleet`: many targets as processes of their own, against an emulator behind a socket. What is broken, killed or frozen is one
//! failed target; the others run.

use crate::account::switches;
use crate::binary::{Place, Ran, SIGNED_IN, Served, ivs_apply, run};
use crate::client::Client;
use crate::hostile_text::{HOSTILE, assert_inert};
use crate::left_out::left_out;
use crate::metrics::listed;
use ivs_apply::ui::metrics::list;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ACCOUNT: &str = "000000000000";

/// All of them in one emulator.
const ACCOUNTS: [&str; 3] = [ACCOUNT, "222222222222", "333333333333"];

const REGIONS: [&str; 7] = ivs_apply::aws::REGIONS;

const CHANNEL: &str = "
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: {}
";

/// Planning it takes a call that planning the others does not take.
const SLOW: &str = "
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: { playbackRestrictionPolicy: home }
---
apiVersion: ivs-apply.dev/v1
kind: PlaybackRestrictionPolicy
metadata: { name: home }
spec: { allowedCountries: [CH] }
";

/// The call.
const SLOW_CALL: &str = "ListPlaybackRestrictionPolicies";

/// A folder with targets and manifests, and an emulated account.
struct Work {
    place: Place,
    served: Served,
    client: Client,
}

/// A document.
fn target(name: &str, region: &str, manifests: &str, more: &str) -> String {
    format!(
        "apiVersion: ivs-apply.dev/v1\nkind: Target\nmetadata: {{ name: {name} }}\nspec:\n  account: \"{ACCOUNT}\"\n  \
         region: {region}\n  stack: {name}\n  manifests: {{ path: ../{manifests} }}\n{more}"
    )
}

/// The role of a target, which the emulator's own account does not need.
fn role(account: &str) -> String {
    if account == ACCOUNT {
        return String::new();
    }
    format!("  role: {{ arn: \"arn:aws:iam::{account}:role/ivs-apply\" }}\n")
}

impl Work {
    fn new() -> Self {
        let place = Place::new();
        let served = Served::start(place.folder.path(), &[]);
        let mut client = Client::new(&served.url);
        let mut answers = switches();
        answers["largestPage"] = json!(0);
        client.control("POST", "switches", &answers);
        let work = Self { place, served, client };
        for (name, text) in [("manifests", CHANNEL), ("slow", SLOW)] {
            work.write(&format!("{name}/a.yaml"), text);
        }
        work
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }

    /// So many good targets, each in a file of its own, over all regions of three accounts. In two of these a role is assumed.
    fn targets(&self, count: usize) {
        for it in 0..count {
            let (name, region) = (format!("t-{it:03}"), REGIONS[it % REGIONS.len()]);
            let account = ACCOUNTS[it / REGIONS.len() % ACCOUNTS.len()];
            let text = target(&name, region, "manifests", &role(account)).replace(ACCOUNT, account);
            self.write(&format!("targets/{name}.yaml"), &text);
        }
    }

    fn command(&self, words: &str) -> Command {
        let mut command = ivs_apply(self.place.folder.path());
        command.envs(SIGNED_IN).current_dir(self.place.folder.path());
        command.env("IVS_APPLY_ENDPOINT_URL", &self.served.url);
        command.arg("fleet").args(words.split_whitespace());
        command
    }

    fn run(&self, words: &str) -> Ran {
        run(&mut self.command(words))
    }

    /// The results in a folder.
    fn results(&self, folder: &str) -> Value {
        let text = std::fs::read_to_string(self.path(folder).join("fleet.json"));
        let results: Value = serde_json::from_str(&text.expect("written")).expect("JSON");
        fits(&results);
        results
    }

    /// How each target of a folder ended.
    fn outcomes(&self, folder: &str) -> BTreeMap<String, String> {
        outcomes(&self.results(folder))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn outcomes(results: &Value) -> BTreeMap<String, String> {
    let rows = results["targets"].as_array().expect("targets").iter();
    rows.map(|it| {
        let name = it["name"].as_str().or(it["place"].as_str());
        (name.expect("a name or a place").to_owned(), text(&it["outcome"]))
    })
    .collect()
}

/// The row of a target.
fn row<'a>(results: &'a Value, name: &str) -> &'a Value {
    let rows = results["targets"].as_array().expect("targets");
    rows.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{name}: {results:#}"))
}

/// How many of the outcomes are this one.
fn count(outcomes: &BTreeMap<String, String>, outcome: &str) -> usize {
    outcomes.values().filter(|it| *it == outcome).count()
}

#[track_caller]
fn fits(results: &Value) {
    let schema = serde_json::from_str(include_str!("../../schemas/fleet.json")).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = schema.iter_errors(results).map(|it| it.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{results:#}");
}

/// The process of a target, where there is one. Other tests have targets of this name in other folders.
fn process_of(work: &Work, name: &str) -> Option<u32> {
    let folder = work.place.folder.path().canonicalize().expect("there");
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let number = entry.file_name().to_string_lossy().parse::<u32>();
        let Ok(number) = number else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|it| *it == 0).collect();
        let reference = format!("#{name}");
        let is_target = words.iter().any(|it| it.ends_with(reference.as_bytes()));
        let is_here = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|it| it == folder);
        if is_here && is_target && words.contains(&b"--target".as_slice()) {
            return Some(number);
        }
    }
    None
}

/// Waits until something is there. The bound only ends a test that would never end.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(signal: &str, process: u32) {
    let sent = Command::new("kill").args([signal, &process.to_string()]).status();
    assert!(sent.expect("kill is there").success(), "{signal}");
}

/// Starts a fleet of which some targets do not get an answer, and waits until so many of them wait for it.
fn started(work: &mut Work, words: &str, waiting: u64) -> Child {
    held(work, SLOW_CALL, words, waiting)
}

/// The same for another call.
fn held(work: &mut Work, operation: &str, words: &str, waiting: u64) -> Child {
    work.client.control("POST", "faults", &json!({ "operation": operation, "kind": "hold" }));
    let mut command = work.command(words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_for("a call that is held", || {
        let faults = work.client.control("GET", "faults", &Value::Null);
        (faults["held"].as_u64() >= Some(waiting)).then_some(())
    });
    child
}

fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Whether processes can be looked for.
fn has_proc() -> bool {
    let there = std::path::Path::new("/proc/self/cmdline").exists();
    if !there {
        left_out("targets that are killed and frozen", "/proc");
    }
    there
}

#[test]
fn of_a_hundred_targets_five_fail_in_five_ways_and_the_others_are_done() {
    if !has_proc() {
        return;
    }
    let mut work = Work::new();
    work.targets(95);
    // What was never applied is looked for in every listing, the slow one as well.
    assert_eq!(work.run("apply -f targets --out applied --yes").code, Some(0));
    work.write(
        "targets/broken.yaml",
        &format!("{}  wave: [\n", target("broken", REGIONS[0], "x", "")),
    );
    // A role that nobody may assume.
    let arn = "arn:aws:iam::444444444444:role/ivs-apply";
    work.client.control("POST", "roles", &json!({ "arn": arn, "refused": true }));
    let foreign = target("foreign", REGIONS[0], "manifests", &role("444444444444"));
    work.write("targets/foreign.yaml", &foreign.replace(ACCOUNT, "444444444444"));
    for (name, region) in [("hangs", 0), ("killed", 1), ("frozen", 2)] {
        let text = target(name, REGIONS[region], "slow", "");
        // The first one of its queue, so that it waits while others run.
        work.write(&format!("targets/{name}.yaml"), &text);
    }
    let child = started(&mut work, "drift -f targets --out results --timeout 20s", 3);
    signal("-9", process_of(&work, "killed").expect("it runs"));
    signal("-STOP", process_of(&work, "frozen").expect("it runs"));
    let ran = ended(child);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let results = work.results("results");
    let outcomes = outcomes(&results);
    assert_eq!(count(&outcomes, "clean"), 95, "{outcomes:#?}");
    for (name, outcome) in [
        ("broken", "invalid"),
        ("foreign", "failed"),
        ("hangs", "timedOut"),
        ("killed", "killed"),
        ("frozen", "timedOut"),
    ] {
        let found = results["targets"].as_array().expect("targets").iter().find(|it| {
            it["name"] == name || text(&it["place"]).starts_with(&format!("targets/{name}.yaml:"))
        });
        let found = found.unwrap_or_else(|| panic!("{name}: {results:#}"));
        assert_eq!(found["outcome"], outcome, "{found:#}");
    }
    assert_eq!(row(&results, "killed")["signal"], 9);
    let line = ran.stderr.lines().find(|it| it.starts_with("foreign: failed"));
    assert!(
        line.is_some_and(|it| it.contains("could not be assumed") && !it.contains("help:")),
        "the line of a target says what is wrong: {line:?}"
    );
    let report = work.run("report results");
    assert_eq!(report.code, Some(0), "{report:?}");
    for told in [
        "100 targets: 1 invalid, 1 failed, 1 killed, 2 timed out, 95 clean",
        "targets/broken.yaml:",
        "444444444444:role/ivs-apply",
        "its process was ended by signal 9 from outside",
        "it took longer than `--timeout` allows and was ended",
        "drift --target 'targets/foreign.yaml#foreign'",
    ] {
        assert!(report.stdout.contains(told), "{told}: {}", report.stdout);
    }
    assert!(
        !work.path("results/killed/answer.json").exists()
            || row(&results, "killed")["calls"].is_null()
    );
    // What a report says to repeat is what a person can type.
    let line = report.stdout.lines().find_map(|it| it.trim().strip_prefix("repeat: "));
    assert!(line.is_some_and(|it| it.contains(" drift --target 'targets/")), "{line:?}");
}

#[test]
fn three_shards_are_the_whole_fleet_and_have_one_report() {
    let work = Work::new();
    work.targets(20);
    work.write("targets/broken.yaml", "kind: Target\n---\nkind: [\n");
    let mut seen = BTreeSet::new();
    for index in 0..3 {
        let ran = work.run(&format!("drift -f targets --shard {index}/3 --out results/{index}"));
        assert_eq!(ran.code, Some(if index == 0 { 3 } else { 0 }), "{ran:?}");
        for name in work.outcomes(&format!("results/{index}")).into_keys() {
            assert!(seen.insert(name.clone()), "{name} is in two shards");
        }
    }
    let report = work.run("report results --format json");
    let merged: Value = serde_json::from_str(&report.stdout).expect("JSON");
    fits(&merged);
    assert_eq!(outcomes(&merged).into_keys().collect::<BTreeSet<_>>(), seen);
    assert_eq!(merged["counts"]["clean"], 20);
    assert_eq!(merged["runs"].as_array().expect("runs").len(), 3);
    // Without one of them the report says so, and no gate opens.
    let two = work.run("report results/0 results/2 --max-failures 100%");
    assert_eq!(two.code, Some(3), "{two:?}");
    assert!(two.stdout.contains("no results of the shards 1/3"), "{two:?}");
    let all = work.run("report results --max-failures 100%");
    assert_eq!(all.code, Some(0), "{all:?}");
    assert_eq!(work.run("report results --max-failures 0").code, Some(3));
}

#[test]
fn a_wave_with_too_many_failures_stops_the_next_and_a_resumed_run_does_what_is_left() {
    let mut work = Work::new();
    let wave = |it: usize| format!("  wave: {}\n", if it < 10 { 1 } else { 2 });
    for it in 0..15 {
        let (name, region) = (format!("t-{it:02}"), REGIONS[it % REGIONS.len()]);
        let manifests = if it < 2 { "wrong" } else { "manifests" };
        work.write(&format!("targets/{name}.yaml"), &target(&name, region, manifests, &wave(it)));
    }
    work.write("wrong/a.yaml", &CHANNEL.replace("spec: {}", "spec: { latencyMode: SLOW }"));
    let words = "apply -f targets --out results --max-failures 10% --yes";
    assert_eq!(work.run(&words.replace(" --yes", "")).code, Some(1), "nobody is asked");
    let ran = work.run(words);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let outcomes = work.outcomes("results");
    assert_eq!(count(&outcomes, "failed"), 2, "{outcomes:#?}");
    assert_eq!(count(&outcomes, "clean"), 8, "{outcomes:#?}");
    assert_eq!(count(&outcomes, "notStarted"), 5, "{outcomes:#?}");
    let results = work.results("results");
    assert_eq!(results["runs"][0]["waves"][0]["status"], "stopped");
    assert_eq!(results["runs"][0]["waves"][1]["status"], "notEnded");
    let finding = &row(&results, "t-00")["findings"][0];
    assert!(text(&finding["message"]).contains("SLOW") && finding["line"] == 5, "{finding:#}");
    assert!(ran.stdout.contains("wave 1: 2 of 10 targets are not done"), "{ran:?}");

    // Twenty per cent are allowed: the next wave runs, and nothing of the first again but what failed.
    work.write("wrong/a.yaml", CHANNEL);
    work.client.control("DELETE", "history", &Value::Null);
    assert_eq!(work.run(words).code, Some(1), "the folder has results");
    let ran = work.run(&format!("{words} --resume"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let results = work.results("results");
    let kept = results["targets"].as_array().expect("targets").iter();
    assert_eq!(kept.filter(|it| it["kept"] == true).count(), 8, "{results:#}");
    let history = work.client.control("GET", "history", &Value::Null);
    let stacks: BTreeSet<String> = history["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|it| text(&it["tags"]["ivs-apply:stack"]))
        .filter(|it| !it.is_empty())
        .collect();
    let expected: BTreeSet<String> =
        (0..15).filter(|it| !(2..10).contains(it)).map(|it| format!("t-{it:02}")).collect();
    assert_eq!(stacks, expected);
    // There is nothing left.
    let again = work.run(&format!("{words} --resume"));
    assert_eq!(again.code, Some(0), "{again:?}");
    // Another command is not that run.
    let other = work.run("plan -f targets --out results --resume");
    assert_eq!(other.code, Some(1), "{other:?}");
    assert!(other.stderr.contains("another command"), "{other:?}");
}

#[test]
fn as_many_failures_as_are_put_up_with_let_the_next_wave_start() {
    let work = Work::new();
    for it in 0..6 {
        let name = format!("t-{it}");
        let manifests = if it == 0 { "wrong" } else { "manifests" };
        let wave = format!("  wave: {}\n", it / 5);
        work.write(&format!("targets/{name}.yaml"), &target(&name, REGIONS[0], manifests, &wave));
    }
    work.write("wrong/a.yaml", "kind: Nothing\n");
    let ran = work.run("apply -f targets --out results --max-failures 20% --yes");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(work.outcomes("results")["t-5"], "clean");
}

#[test]
fn the_targets_of_a_queue_are_applied_one_after_another() {
    let mut work = Work::new();
    for it in 0..12 {
        let name = format!("t-{it:02}");
        let text = target(&name, REGIONS[it % 3], "manifests", "");
        work.write(&format!("targets/{name}.yaml"), &text);
    }
    work.write("manifests/b.yaml", &CHANNEL.replace("main", "second"));
    for parallel in ["16", "1"] {
        work.client.control("DELETE", "history", &Value::Null);
        let words =
            format!("apply -f targets --out results-{parallel} --parallel {parallel} --yes");
        let ran = work.run(&words);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        if parallel == "1" {
            break;
        }
        let history = work.client.control("GET", "history", &Value::Null);
        let mut queues: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for it in history["events"].as_array().expect("events") {
            let stack = text(&it["tags"]["ivs-apply:stack"]);
            let queue = queues.entry(text(&it["region"])).or_default();
            if !stack.is_empty() && queue.last() != Some(&stack) {
                queue.push(stack);
            }
        }
        assert_eq!(queues.len(), 3, "{queues:#?}");
        for stacks in queues.values() {
            let once: BTreeSet<&String> = stacks.iter().collect();
            assert_eq!((once.len(), stacks.len()), (4, 4), "no stack comes twice: {stacks:#?}");
        }
    }
}

#[test]
fn an_interrupted_fleet_passes_the_signal_on_and_writes_its_report() {
    let mut work = Work::new();
    // One queue: the second target waits for the first.
    for name in ["a", "b"] {
        work.write(&format!("targets/{name}.yaml"), &target(name, REGIONS[0], "slow", ""));
    }
    for (sent, code) in [("-INT", 130), ("-TERM", 143)] {
        let out = format!("results{sent}");
        work.client.control("DELETE", "faults", &Value::Null);
        let held = work.client.control("GET", "faults", &Value::Null)["held"].as_u64().unwrap_or(0);
        let child = started(&mut work, &format!("plan -f targets --out {out}"), held + 1);
        signal(sent, child.id());
        let ran = ended(child);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.stderr.contains("stopping"), "{ran:?}");
        let outcomes = work.outcomes(&out);
        assert_eq!(outcomes["a"], "interrupted", "{outcomes:#?}");
        assert_eq!(outcomes["b"], "notStarted", "{outcomes:#?}");
        let results = work.results(&out);
        assert_eq!(results["runs"][0]["exitCode"], code);
        // No process is left behind.
        if has_proc() {
            assert_eq!(process_of(&work, "a"), None);
        }
    }
    // What was interrupted is left to do.
    work.client.control("DELETE", "faults", &Value::Null);
    let ran = work.run("plan -f targets --out results-INT --resume");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(count(&work.outcomes("results-INT"), "changes"), 2);
}

#[test]
fn a_second_signal_ends_targets_that_still_wait_for_an_answer() {
    let mut work = Work::new();
    work.write("targets/a.yaml", &target("second-signal", REGIONS[0], "slow", ""));
    let words = "apply -f targets --out results --yes";
    let mut child = held(&mut work, "CreatePlaybackRestrictionPolicy", words, 1);
    signal("-TERM", child.id());
    let mut talk = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.starts_with("stopping") {
        line.clear();
        assert_ne!(talk.read_line(&mut line).expect("text"), 0, "it says that it stops");
    }
    // What it has sent has no answer yet, and `apply` waits for it.
    signal("-TERM", child.id());
    let ran = ended(child);
    assert_eq!(ran.code, Some(143), "{ran:?}");
    let results = work.results("results");
    let row = row(&results, "second-signal");
    assert_eq!((&row["outcome"], &row["signal"]), (&json!("interrupted"), &json!(9)), "{row:#}");
}

#[test]
fn results_are_never_mixed_with_other_files() {
    let work = Work::new();
    work.targets(1);
    work.write("mine/notes.txt", "precious");
    for words in ["validate -f targets --out mine", "validate -f targets --out mine --resume"] {
        let ran = work.run(words);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("`mine` is not empty"), "{ran:?}");
    }
    assert_eq!(std::fs::read_dir(work.path("mine")).expect("there").count(), 1);
    let ran = work.run("validate -f targets --out targets/t-000.yaml");
    assert!(ran.code == Some(1) && ran.stderr.contains("is not a folder"), "{ran:?}");
    let ran = work.run("report mine");
    assert!(ran.code == Some(1) && ran.stderr.contains("no `fleet.json`"), "{ran:?}");
    work.write("mine/fleet.json", "{}");
    let ran = work.run("report mine");
    assert!(ran.code == Some(1) && ran.stderr.contains("is not what a fleet"), "{ran:?}");
}

#[test]
fn without_a_target_nothing_runs_and_an_empty_shard_is_done() {
    let work = Work::new();
    work.write("none/a.yaml", CHANNEL);
    let ran = work.run("plan -f none --out results");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("no document of kind Target in `none`"), "{ran:?}");
    assert!(!work.path("results").exists());
    work.targets(2);
    let ran = work.run("plan -f targets --wave 7 --out results");
    assert!(ran.code == Some(1) && ran.stderr.contains("these labels"), "{ran:?}");
    let ran = work.run("drift -f targets --shard 5/8 --out results");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(work.results("results")["targets"], json!([]));
}

#[test]
fn a_document_whose_name_is_no_name_is_invalid_and_two_of_one_name_or_stack_are_duplicates() {
    let work = Work::new();
    for (at, name) in ["\"a#b\"", "\"a b\"", "\"../x\"", "zürich", "\"\""].iter().enumerate() {
        let text =
            target("x", REGIONS[0], "manifests", "").replace("name: x", &format!("name: {name}"));
        work.write(&format!("targets/bad-{at}.yaml"), &text);
    }
    for file in ["one", "two"] {
        work.write(&format!("targets/{file}.yaml"), &target("twice", REGIONS[0], "manifests", ""));
    }
    let same = target("same", REGIONS[1], "manifests", "").replace("stack: same", "stack: good");
    work.write("targets/same.yaml", &same);
    work.write("targets/good.yaml", &target("good", REGIONS[1], "manifests", ""));
    work.write("targets/fine.yaml", &target("fine", REGIONS[1], "manifests", ""));
    let ran = work.run("validate -f targets --out results");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let results = work.results("results");
    let counts = &results["counts"];
    assert_eq!(*counts, json!({ "invalid": 5, "duplicate": 4, "clean": 1 }), "{results:#}");
    assert_eq!(row(&results, "same")["others"], json!(["good"]));
    assert!(text(&row(&results, "twice")["others"][0]).starts_with("targets/"));
    let list = work.run("list -f targets");
    assert_eq!(list.code, Some(3), "{list:?}");
    assert!(
        list.stdout.contains("duplicate: the same account, region and stack as good"),
        "{list:?}"
    );
}

#[test]
fn a_target_that_fails_is_told_with_what_is_wrong_and_where_and_not_with_its_help_alone() {
    let work = Work::new();
    work.targets(1);
    let broken = target("broken", "nowhere-1", "manifests", "");
    work.write("targets/broken.yaml", &broken);
    // Nothing listens there.
    let ran = work.run("plan -f targets --out results --endpoint-url http://127.0.0.1:9");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let line = ran.stderr.lines().find(|it| it.starts_with("t-000: failed, ")).expect("a line");
    assert!(line.contains("GetCallerIdentity: no connection to 127.0.0.1:9"), "{ran:?}");
    let place = "targets/broken.yaml:6:11: ";
    assert!(ran.stderr.contains(&format!("broken: invalid: {place}")), "{ran:?}");
    assert!(ran.stdout.contains(&format!("invalid broken\n  {place}")), "{ran:?}");
    for format in ["text", "markdown", "html"] {
        let report = work.run(&format!("report results --format {format}"));
        assert!(report.stdout.contains(place), "{report:?}");
    }
    // A document without a name is shown by its place, once.
    work.write("targets/broken.yaml", &broken.replace("name: broken", "labels: {}"));
    let ran = work.run("validate -f targets --out again");
    assert_eq!(ran.stdout.matches("targets/broken.yaml:").count(), 1, "{ran:?}");
}

#[test]
fn a_file_that_is_not_what_a_fleet_of_this_version_has_written_is_named_with_what_to_do() {
    let work = Work::new();
    work.targets(1);
    assert_eq!(work.run("plan -f targets --out results").code, Some(2));
    let whole = std::fs::read_to_string(work.path("results/fleet.json")).expect("written");
    let half = &whole[..whole.len() / 2];
    for (text, told) in [
        ("", "`results/fleet.json` is not what a fleet has written: EOF"),
        (half, "help: a fleet writes the file whole, so it was cut off or changed since"),
        (
            "{ \"formatVersion\": \"9.0\", \"queues\": [] }",
            "`results/fleet.json` has format 9.0, and this program reads 1.0",
        ),
    ] {
        work.write("results/fleet.json", text);
        for words in ["report results", "plan -f targets --out results --resume"] {
            let ran = work.run(words);
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{words}: {ran:?}");
            assert!(ran.stderr.contains(told), "{words}: {told}: {ran:?}");
        }
        let kept = std::fs::read_to_string(work.path("results/fleet.json"));
        assert_eq!(kept.expect("there"), text, "nothing is written over it");
    }
    work.write("results/fleet.json", &whole);
    let mut show = ivs_apply(work.place.folder.path());
    let ran = run(show.current_dir(work.place.folder.path()).args(["show", "results/fleet.json"]));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("has the results of a fleet, and is not a saved plan"), "{ran:?}");
    assert!(ran.stderr.contains("fleet report FOLDER"), "{ran:?}");
}

#[test]
fn a_list_is_the_same_twice_and_feeds_a_matrix() {
    let work = Work::new();
    work.targets(20);
    for format in ["text", "json", "github"] {
        let words = format!("list -f targets --shards 3 --format {format}");
        let (one, two) = (work.run(&words), work.run(&words));
        assert_eq!(one.code, Some(0), "{one:?}");
        assert_eq!(one.stdout, two.stdout);
    }
    let lines = work.run("list -f targets --shards 256 --format github").stdout;
    let outputs: BTreeMap<&str, &str> =
        lines.lines().map(|it| it.split_once('=').expect("name=value")).collect();
    let matrix: Value = serde_json::from_str(outputs["matrix"]).expect("JSON");
    let jobs = matrix["include"].as_array().expect("jobs");
    // There are no more jobs than queues: seven regions in two accounts, six in the third.
    assert_eq!(jobs.len(), 20);
    assert_eq!((outputs["targets"], outputs["shards"], outputs["invalid"]), ("20", "20", "0"));
    let mut seen = 0;
    for job in jobs {
        let shard = job["shard"].as_str().expect("a shard");
        let folder = format!("results/{}", job["index"]);
        let ran = work.run(&format!("validate -f targets --shard {shard} --out {folder}"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let found = work.outcomes(&folder).len();
        assert_eq!(json!(found), job["targets"]);
        seen += found;
    }
    assert_eq!(seen, 20);
    let all = work.run("report results --max-failures 0");
    assert_eq!(all.code, Some(0), "{all:?}");
}

#[test]
fn labels_choose_targets_and_flags_after_the_dashes_are_for_each_of_them() {
    let work = Work::new();
    work.targets(3);
    let labelled = target("labelled", REGIONS[0], "manifests", "")
        .replace("name: labelled", "name: labelled, labels: { env: prod }");
    work.write("targets/labelled.yaml", &labelled);
    let ran = work.run("plan -f targets -l env=prod --out results -- --only Stage/*");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let results = work.results("results");
    assert_eq!(outcomes(&results).len(), 1);
    assert_eq!(results["runs"][0]["arguments"], json!(["--only", "Stage/*"]));
    let error = text(&row(&results, "labelled")["error"]["message"]);
    assert!(error.contains("Stage/*"), "{error}");
    let repeat = text(&row(&results, "labelled")["repeat"]);
    assert!(
        repeat.ends_with(&format!("--only 'Stage/*' --endpoint-url {}", work.served.url)),
        "{repeat}"
    );
    for flag in ["--format text", "--target x", "--out=x", "--events x", "-f x", "--interval 1h"] {
        let ran = work.run(&format!("plan -f targets --out refused -- {flag}"));
        assert_eq!(ran.code, Some(1), "{flag}: {ran:?}");
        assert!(ran.stderr.contains("cannot be given to the command of every target"), "{ran:?}");
    }
    for flag in ["--stack x", "--region us-west-2", "--set a=b", "--emulator"] {
        let ran = work.run(&format!("plan -f targets --out refused {flag}"));
        assert_eq!(ran.code, Some(1), "{flag}: {ran:?}");
    }
    assert!(!work.path("refused").exists());
}

#[test]
fn variables_of_the_fleet_do_not_reach_its_targets() {
    let work = Work::new();
    work.targets(1);
    let mut command = work.command("plan");
    command
        .env("IVS_APPLY_FILENAME", "targets")
        .env("IVS_APPLY_OUT", "results")
        .env("IVS_APPLY_FORMAT", "html")
        .env("IVS_APPLY_SELECTOR", "")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", work.path("summary"));
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stdout.starts_with("<!doctype html>"), "{ran:?}");
    assert!(!ran.stderr.contains("::"), "{ran:?}");
    assert!(!work.path("summary").exists());
    assert_eq!(work.outcomes("results")["t-000"], "changes");
    let answer = std::fs::read_to_string(work.path("results/t-000/answer.json")).expect("written");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["command"], "plan");
    assert!(!work.path("results/t-000/.answer.json.part").exists());
}

#[test]
fn a_report_has_every_form_and_no_text_of_it_steers_anything() {
    let work = Work::new();
    work.targets(1);
    let ran = work.run("plan -f targets --out results");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let mut results = work.results("results");
    let good = results["targets"][0].clone();
    let mut rows = Vec::new();
    for outcome in ["invalid", "duplicate", "partly", "failed", "panicked", "killed", "timedOut"]
        .iter()
        .chain(&["noAnswer", "unfinished", "interrupted", "refused", "notStarted", "changes"])
        .chain(&["clean"])
    {
        let mut it = good.clone();
        let hostile = format!("{outcome}{HOSTILE}");
        for name in ["name", "target", "place", "account", "region", "stack", "talk", "repeat"] {
            it[name] = json!(hostile);
        }
        it["outcome"] = json!(outcome);
        it["summary"] = json!({ hostile.clone(): 1 });
        it["error"] = json!({ "message": hostile, "help": hostile });
        it["findings"] = json!([{ "message": hostile, "file": hostile, "line": 1 }]);
        it["others"] = json!([hostile]);
        rows.push(it);
    }
    results["targets"] = json!(rows);
    let run = &mut results["runs"][0];
    run["command"] = json!(format!("x{HOSTILE}"));
    run["arguments"] = json!([HOSTILE]);
    run["selected"]["labels"] = json!([HOSTILE]);
    run["maxFailures"] = json!(HOSTILE);
    run["waves"] = json!([{ "wave": 1, "targets": 2, "failed": 2, "status": "stopped" }]);
    run["endedAt"] = Value::Null;
    std::fs::write(work.path("results/fleet.json"), format!("{results:#}\n")).expect("written");
    for format in ["text", "json", "markdown", "html", "metrics"] {
        let ran = work.run(&format!("report results --format {format}"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_inert(&ran, &format!("fleet report --format {format}"));
        match format {
            "json" => fits(&serde_json::from_str(&ran.stdout).expect("JSON")),
            "html" => {
                assert!(ran.stdout.contains("Content-Security-Policy"), "{ran:?}");
                assert!(!ran.stdout.contains("<b>") && !ran.stdout.contains("<script"), "{ran:?}");
            }
            "metrics" => {
                assert!(ran.stdout.ends_with("# EOF\n"), "{ran:?}");
                let names = listed(&ran.stdout, list::fleet::ALL, &[]);
                assert_eq!(names.len(), list::fleet::ALL.len(), "{names:?}");
            }
            _ => {}
        }
    }
    // Documents as a list shows them.
    work.write(
        "targets/hostile.yaml",
        &format!(
            "apiVersion: ivs-apply.dev/v1\nkind: Target\nmetadata: {{ name: {} }}\nspec: {{}}\n",
            json!(HOSTILE)
        ),
    );
    for format in ["text", "json", "github"] {
        let ran = work.run(&format!("list -f targets --format {format}"));
        assert_inert(&ran, &format!("fleet list --format {format}"));
    }
    let ran = work.run("validate -f targets --out hostile");
    assert_inert(&ran, "fleet validate");
}

#[test]
fn a_fleet_that_was_killed_left_what_it_knew() {
    let mut work = Work::new();
    for (name, manifests) in [("a", "manifests"), ("b", "slow"), ("c", "manifests")] {
        work.write(&format!("targets/{name}.yaml"), &target(name, REGIONS[0], manifests, ""));
    }
    let mut child = started(&mut work, "plan -f targets --out results", 1);
    child.kill().expect("killed");
    let _ = child.wait();
    // Nothing answers its target, which ends all the same.
    if has_proc() && cfg!(target_os = "linux") {
        wait_for("the end of its target", || process_of(&work, "b").is_none().then_some(()));
    }
    work.client.control("DELETE", "faults", &Value::Null);
    let report = work.run("report results");
    assert_eq!(report.code, Some(0), "{report:?}");
    assert!(report.stdout.contains("has not ended, or was killed"), "{report:?}");
    let gate = work.run("report results --max-failures 100%");
    assert_eq!(gate.code, Some(3), "{gate:?}");
    // Its lock is gone with it, and a resumed run does the rest.
    let ran = work.run("plan -f targets --out results --resume");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(count(&work.outcomes("results"), "changes"), 3);
}
