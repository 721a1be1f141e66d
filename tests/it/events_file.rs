//! The file of `--events`: whole lines, in order, as `schemas/events.json` says, whatever happens to the run or the file.

use crate::binary::{Place, Ran, run, side_by_side};
use crate::killed::{MANIFESTS, Moment, Stage, killed_at, secrets};
use crate::left_out::{every_case, part_of};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The lines of a file, each of which must fit the schema.
fn lines(path: &Path) -> Vec<Value> {
    let schema = serde_json::from_str(include_str!("../../schemas/events.json")).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a valid schema");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole: {text:?}");
    let read = |line: &str| {
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let errors: Vec<String> = validator.iter_errors(&value).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}: {value:#}");
        value
    };
    text.lines().map(read).collect()
}

/// The lines by run, in the order of the file; those of each run are counted from 1 without a gap.
fn runs(path: &Path) -> Vec<Vec<Value>> {
    let mut runs: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in lines(path) {
        let run = runs.entry(line["run"].as_str().expect("an id").to_owned()).or_default();
        run.push(line);
        assert_eq!(run.last().expect("pushed")["seq"], run.len(), "{run:#?}");
    }
    runs.into_values().collect()
}

fn named<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|it| it["event"] == event).collect()
}

/// The lines of a file that one run wrote.
fn of_one_run(path: &Path) -> Vec<Value> {
    let runs = runs(path);
    let [lines] = &runs[..] else { panic!("one run: {runs:#?}") };
    lines.clone()
}

fn file(stage: &Stage, name: &str) -> PathBuf {
    stage.place.folder.path().join(name)
}

fn assert_code(ran: &Ran, code: i32) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
}

#[test]
fn each_run_tells_where_it_works_what_it_does_and_how_it_ended() {
    let stage = Stage::new(&[]);
    let ran = run(&mut stage.command("plan --detailed-exitcode --events plan.jsonl"));
    assert_code(&ran, 2);
    let plan = of_one_run(&file(&stage, "plan.jsonl"));
    let names: Vec<&Value> = plan.iter().map(|it| &it["event"]).collect();
    assert_eq!(names, ["run.started", "run.planned", "run.ended"]);
    let started = &plan[0];
    let place = ["command", "stack", "account", "region", "endpoint"].map(|it| &started[it]);
    assert_eq!(place, ["plan", "killed", "000000000000", "us-west-2", stage.served.url.as_str()]);
    let tool = json!({ "name": "ivs-apply", "version": env!("CARGO_PKG_VERSION") });
    assert_eq!(started["tool"], tool);
    assert_eq!(plan[1]["summary"]["create"], 11, "{plan:#?}");
    let ended = json!([2, plan[1]["summary"], null, null]);
    let of = |it: &Value| json!([it["exitCode"], it["summary"], it["outcome"], it["error"]]);
    assert_eq!(of(&plan[2]), ended);

    assert_code(&run(&mut stage.command("apply --yes --events apply.jsonl")), 0);
    let apply = of_one_run(&file(&stage, "apply.jsonl"));
    let history = stage.control("GET", "history", &Value::Null);
    let sent = history["events"].as_array().expect("a list").iter();
    let sent: BTreeSet<&str> = sent.filter_map(|it| it["requestId"].as_str()).collect();
    let ended = named(&apply, "ended");
    assert_eq!((named(&apply, "started").len(), ended.len()), (12, 12));
    for step in ended {
        assert_eq!(step["status"], "done", "{step:#}");
        assert!(sent.contains(step["requestId"].as_str().expect("an id")), "{step:#}");
    }
    let last = apply.last().expect("a line");
    assert_eq!((&last["event"], &last["exitCode"]), (&json!("run.ended"), &json!(0)));
    assert_eq!(last["outcome"]["done"], 12, "{last:#}");

    assert_code(&run(&mut stage.command("drift --events drift.jsonl")), 0);
    let drift = of_one_run(&file(&stage, "drift.jsonl"));
    assert_eq!(drift[1]["status"], "clean", "{drift:#?}");
    let mut destroy = stage.command("destroy --yes --confirm-deletes 11");
    let ran = run(destroy.env("IVS_APPLY_EVENTS", "destroy.jsonl"));
    assert_code(&ran, 0);
    let destroy = of_one_run(&file(&stage, "destroy.jsonl"));
    assert_eq!(destroy.last().expect("a line")["exitCode"], 0);
    assert!(!named(&destroy, "ended").is_empty());
}

#[test]
fn an_answer_about_invalid_manifests_names_the_region_that_the_events_name() {
    let place = Place::new();
    place.write(
        "a.yaml",
        "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: a }\nspec: { type: X }\n",
    );
    let mut command = place.command("plan --format json --events a.jsonl");
    let ran = run(command.env("AWS_REGION", "eu-west-1"));
    assert_code(&ran, 1);
    let answer: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let lines = of_one_run(&place.folder.path().join("a.jsonl"));
    assert_eq!((&answer["region"], &lines[0]["region"]), (&json!("eu-west-1"), &answer["region"]));
}

#[test]
fn a_run_that_does_not_do_its_work_tells_its_start_its_end_and_why() {
    let stage = Stage::new(&[]);
    let ran = run(&mut stage.command("plan --events a.jsonl --profile nobody"));
    assert_code(&ran, 1);
    let lines = of_one_run(&file(&stage, "a.jsonl"));
    let [started, ended] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!((&started["event"], &started["account"]), (&json!("run.started"), &Value::Null));
    assert_eq!((&started["stack"], &started["region"]), (&json!("killed"), &json!("us-west-2")));
    assert_eq!(ended["exitCode"], 1);
    assert_eq!(
        ended["error"]["message"],
        "profile `nobody` does not exist in the AWS configuration files"
    );
    for format in ["text", "json", "github"] {
        let name = format!("{format}.jsonl");
        let words = format!("apply --format {format} --events {name}");
        assert_code(&run(&mut stage.command(&words)), 4);
        let lines = of_one_run(&file(&stage, &name));
        let message = lines.last().expect("a line")["error"]["message"].as_str();
        assert!(message.is_some_and(|it| it.contains("confirmation prompt")), "{lines:#?}");
    }
    stage.place.write("all.yaml", "nonsense");
    assert_code(&run(&mut stage.command("apply --yes --events b.jsonl")), 1);
    let lines = of_one_run(&file(&stage, "b.jsonl"));
    assert_eq!((lines.len(), &lines[1]["exitCode"]), (2, &json!(1)));
}

#[test]
fn what_has_drifted_is_deferred_or_blocked_has_a_line_of_its_own_with_its_reason() {
    let stage = Stage::new(&[]);
    let stack = |spec: &str| {
        let head = "---\napiVersion: ivs-apply.dev/v1\n";
        let channels = ["a", "b"].map(|name| {
            format!("{head}kind: Channel\nmetadata: {{ name: {name} }}\nspec: {{ {spec} }}\n")
        });
        let place = "{ region: us-west-2, account: \"000000000000\" }";
        format!(
            "{head}kind: Stack\nmetadata: {{ name: shows }}\nspec: {place}\n{}",
            channels.concat()
        )
    };
    stage.place.write("all.yaml", &stack(""));
    assert_code(&run(&mut stage.command("apply --yes")), 0);
    let arn = stage.objects()["Channel/a"][0].clone();
    let mut client = crate::client::Client::new(&stage.served.url);
    client.call("UpdateChannel", &json!({ "arn": arn, "authorized": true }));
    assert_code(&run(&mut stage.command("drift --events drift.jsonl")), 2);
    let drift = of_one_run(&file(&stage, "drift.jsonl"));
    let [drifted] = named(&drift, "drifted")[..] else { panic!("one line: {drift:#?}") };
    let of = |it: &Value| json!([it["address"], it["attention"], it["action"]]);
    assert_eq!(of(drifted), json!(["Channel/a", "changed", "update"]));
    stage.control("POST", "streams", &json!({ "channelArn": arn, "viewerCount": 12 }));
    stage.place.write("all.yaml", &stack("latencyMode: NORMAL"));
    assert_code(&run(&mut stage.command("plan --events plan.jsonl")), 0);
    let plan = of_one_run(&file(&stage, "plan.jsonl"));
    let names: Vec<&Value> = plan.iter().map(|it| &it["event"]).collect();
    assert_eq!(names, ["run.started", "run.planned", "drifted", "deferred", "run.ended"]);
    assert_eq!(
        (&plan[3]["address"], &plan[3]["reason"]),
        (&json!("Channel/a"), &json!("LiveAudience"))
    );
    assert!(plan[3]["message"].as_str().is_some_and(|it| it.contains("12 viewers")), "{plan:#?}");
    let named_a = "metadata: { name: a }\n";
    let fails = format!("lifecycle: {{ onLive: fail }}\n{named_a}");
    stage.place.write("all.yaml", &stack("latencyMode: NORMAL").replace(named_a, &fails));
    assert_code(&run(&mut stage.command("plan --events blocked.jsonl")), 4);
    let plan = of_one_run(&file(&stage, "blocked.jsonl"));
    assert_eq!(named(&plan, "blocked")[0]["address"], "Channel/a", "{plan:#?}");
}

#[test]
fn runs_that_are_killed_leave_whole_lines_in_the_file_that_they_share() {
    let stage = Stage::new(&[]);
    let path = file(&stage, "events.jsonl");
    let mut killed = 0;
    for moment in [Moment::Before, Moment::Answered] {
        for request in part_of(1.., 10) {
            stage.control("POST", "reset", &Value::Null);
            if !killed_at(&stage, "apply --yes --events events.jsonl", request, moment) {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed >= 6, "{killed}");
    let runs = runs(&path);
    assert!(runs.len() >= 6, "{}", runs.len());
    let ended = runs.iter().filter(|it| !named(it, "run.ended").is_empty()).count();
    assert_eq!(ended, 2, "the two that were not killed");
    assert!(runs.iter().any(|it| named(it, "run.ended").is_empty() && it.len() > 4));
}

#[test]
fn two_runs_at_once_share_a_file_line_by_line() {
    let stage = Stage::new(&[]);
    let path = file(&stage, "events.jsonl");
    side_by_side(0..4, |_| run(&mut stage.command("apply --yes --events events.jsonl")));
    let runs = runs(&path);
    assert_eq!(runs.len(), 4);
    for lines in runs {
        assert_eq!(lines.last().expect("a line")["event"], "run.ended", "{lines:#?}");
    }
}

/// Through bash, which limits the size of files or makes pipes.
fn through_bash(stage: &Stage, script: &str, words: &str) -> Ran {
    let command = stage.command(words);
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash"]).arg(command.get_program()).args(command.get_args());
    bash.env_clear().current_dir(stage.place.folder.path());
    bash.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bash.env("PATH", "/usr/bin:/bin");
    run(&mut bash)
}

#[track_caller]
fn assert_goes_on(stage: &Stage, ran: &Ran) {
    assert_code(ran, 0);
    let told = ran.stderr.matches("warning: an event could not be written").count();
    assert_eq!(told, 1, "{}", ran.stderr);
    stage.assert_whole("the run went on");
}

#[test]
fn a_full_disk_is_told_once_and_stops_no_apply() {
    let stage = Stage::new(&[]);
    // A limit of 2 KiB: a line that does not fit leaves no part of itself, and a shorter one may fit later.
    let script = "trap '' XFSZ; ulimit -f 2; exec \"$@\"";
    let ran = through_bash(&stage, script, "apply --yes --events events.jsonl");
    assert_goes_on(&stage, &ran);
    let lines = lines(&file(&stage, "events.jsonl"));
    let counted: Vec<u64> = lines.iter().map(|it| it["seq"].as_u64().expect("a number")).collect();
    assert!(counted.len() > 3 && counted.is_sorted(), "{counted:?}");
    if cfg!(target_os = "linux") {
        stage.control("POST", "reset", &Value::Null);
        let ran = run(&mut stage.command("apply --yes --events /dev/full"));
        assert_goes_on(&stage, &ran);
    }
}

#[test]
fn a_pipe_whose_reader_ends_is_told_once_and_stops_no_apply() {
    let stage = Stage::new(&[]);
    let script = "exec \"$@\" --events >(head -n 1 > first.jsonl)";
    let ran = through_bash(&stage, script, "apply --yes");
    assert_goes_on(&stage, &ran);
    assert_eq!(of_one_run(&file(&stage, "first.jsonl"))[0]["event"], "run.started");
}

#[test]
fn events_go_to_an_open_stream_by_its_name_but_not_to_that_of_the_answer() {
    let stage = Stage::new(&[]);
    let script = "exec \"$@\" --events /dev/fd/3 3> third.jsonl";
    let ran = through_bash(&stage, script, "plan");
    assert_code(&ran, 0);
    assert_eq!(of_one_run(&file(&stage, "third.jsonl")).len(), 3);
    for script in [
        "exec \"$@\" --events /dev/stdout",
        "exec \"$@\" --events /dev/stderr",
        "exec \"$@\" --events out.txt > out.txt",
    ] {
        let ran = through_bash(&stage, script, "apply --yes");
        assert_code(&ran, 1);
        let why = "is where the answer or the messages of this run go";
        assert!(ran.stderr.contains(why), "{script}: {}", ran.stderr);
    }
}

#[test]
fn a_file_of_anything_else_is_not_appended_to_and_nothing_is_begun() {
    let stage = Stage::new(&[]);
    std::fs::create_dir(file(&stage, "folder")).expect("writable");
    for (name, why) in [
        ("manifests/all.yaml", "already exists and is not a file of events"),
        ("-", "`-` is no file"),
        ("folder", "Is a directory"),
        ("nowhere/events.jsonl", "No such file"),
    ] {
        let ran = run(&mut stage.command(&format!("apply --yes --events {name}")));
        assert_code(&ran, 1);
        assert!(ran.stderr.contains(why), "{name}: {}", ran.stderr);
    }
    let text = std::fs::read_to_string(file(&stage, "manifests/all.yaml")).expect("readable");
    assert_eq!(text, MANIFESTS);
    let calls = stage.control("GET", "calls", &Value::Null);
    assert_eq!(calls["counts"].as_object().map_or(0, serde_json::Map::len), 0, "{calls}");
}

#[test]
fn a_file_of_events_in_a_folder_of_manifests_is_no_manifest() {
    let stage = Stage::new(&[]);
    for _ in 0..2 {
        assert_code(&run(&mut stage.command("apply --yes --events manifests/events.json")), 0);
    }
    assert_eq!(runs(&file(&stage, "manifests/events.json")).len(), 2);
}

#[test]
fn no_secret_is_in_a_file_of_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state.json");
    let stage = Stage::new(&["--state", state.to_str().expect("a plain path")]);
    assert_code(&run(&mut stage.command("apply --yes --events events.jsonl")), 0);
    let text = std::fs::read_to_string(file(&stage, "events.jsonl")).expect("written");
    let secrets = secrets(&state);
    assert!(!secrets.is_empty());
    for secret in secrets {
        assert!(!text.contains(&secret));
    }
}

#[test]
fn five_thousand_steps_are_ten_thousand_lines_in_order() {
    let count = if every_case() { 5_000 } else { 500 };
    let place = Place::new();
    let head = "---\napiVersion: ivs-apply.dev/v1\n";
    let mut text = format!("{head}kind: Stack\nmetadata: {{ name: many }}\nspec: {{}}\n");
    for number in 0..count {
        text.push_str(&format!("{head}kind: Channel\nmetadata: {{ name: c{number} }}\n"));
    }
    place.write("all.yaml", &text);
    assert_eq!(place.run("apply --yes --events events.jsonl").code, Some(0));
    let lines = of_one_run(&place.folder.path().join("events.jsonl"));
    let (started, ended) = (named(&lines, "started"), named(&lines, "ended"));
    assert_eq!((started.len(), ended.len()), (count, count));
    let begun: BTreeMap<&str, u64> = started
        .iter()
        .map(|it| (it["address"].as_str().expect("a text"), it["seq"].as_u64().expect("a number")))
        .collect();
    for it in ended {
        let address = it["address"].as_str().expect("a text");
        assert!(begun[address] < it["seq"].as_u64().expect("a number"), "{it:#}");
    }
    let times: Vec<&str> = lines.iter().map(|it| it["time"].as_str().expect("a text")).collect();
    assert!(times.is_sorted(), "the clock of this machine was not put back");
    assert_eq!(lines.last().expect("a line")["outcome"]["done"], count);
}
