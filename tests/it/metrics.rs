//! The file of `--metrics`: as Prometheus and `OpenMetrics` read it, with what the run did; and the rules and the dashboard
//! that are made for it.

use crate::binary::{Place, Ran, SIGNED_IN, ivs_apply, run};
use crate::first_applies::document as manifest;
use crate::golden::root;
use crate::killed::Stage;
use crate::left_out::left_out;
use ivs_apply::ui::metrics::list::{self, Metric};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

#[track_caller]
fn code(ran: &Ran, code: i32) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
}

/// The value of the one sample whose name and labels contain all of these.
#[track_caller]
fn sample(text: &str, parts: &[&str]) -> i64 {
    let found: Vec<&str> = text
        .lines()
        .filter(|it| !it.starts_with('#') && parts.iter().all(|part| it.contains(part)))
        .collect();
    let [line] = found[..] else { panic!("one line with {parts:?}: {text}") };
    line.rsplit_once(' ').and_then(|(_, value)| value.parse().ok()).expect("a number")
}

fn read(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("written");
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    listed(&text, list::run::ALL, &list::run::LABELS);
    text
}

/// The names of the metrics of a text. Each is one of these, with its text and its labels and those that all have.
#[track_caller]
pub(crate) fn listed(text: &str, all: &[Metric], common: &[&str]) -> BTreeSet<String> {
    let label = Regex::new(r#"([a-z_]+)="(?:[^"\\]|\\.)*""#).expect("a pattern");
    let mut names = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and a text");
            let of_list = all.iter().find(|it| it.name == name);
            assert_eq!(of_list.map(|it| it.help), Some(help), "{name}");
            names.insert(name.to_owned());
        } else if !line.starts_with('#') {
            let (name, rest) = line.split_once(['{', ' ']).expect("a sample");
            let metric = all.iter().find(|it| it.name == name).expect("of the list");
            let found = label.captures_iter(rest).map(|it| it[1].to_owned());
            // Of duplicates alone.
            let found: BTreeSet<String> = found.filter(|it| it != "place").collect();
            let expected = common.iter().chain(metric.labels).map(|it| (*it).to_owned());
            assert_eq!(found, expected.collect(), "{line}");
        }
    }
    names
}

/// Whether `promtool` is there; where it is not, a test is left out.
fn has_promtool() -> bool {
    let there = Command::new("promtool").arg("--version").output().is_ok();
    if !there {
        left_out("what Prometheus makes of the metrics", "the package `prometheus`");
    }
    there
}

/// What `promtool` says of metrics.
fn checked(text: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut input = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, text.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{told}: {text}");
}

/// The metrics of an apply with a throttled call.
fn all_metrics() -> String {
    let stage = Stage::new(&[]);
    let fault = json!({ "operation": "ListChannels", "kind": "throttle", "nth": 1 });
    stage.control("POST", "faults", &fault);
    code(&run(&mut stage.command("apply --yes --metrics a.prom")), 0);
    read(&stage.place.folder.path().join("a.prom"))
}

#[test]
fn an_apply_writes_what_it_did_for_a_collector_of_files() {
    let text = all_metrics();
    let labels = "account=\"000000000000\",command=\"apply\",region=\"us-west-2\",stack=\"killed\"";
    let samples = text.lines().filter(|it| !it.starts_with('#'));
    assert!(samples.clone().all(|it| it.contains(&format!("{{{labels}"))), "{text}");
    assert_eq!(sample(&text, &["calls", "\"CreateStage\""]), 1);
    assert_eq!(sample(&text, &["throttled_calls", "\"ListChannels\""]), 1);
    assert_eq!(sample(&text, &["exit_code"]), 0);
    assert_eq!(sample(&text, &["last_run_steps", "\"done\""]), 12);
    assert_eq!(sample(&text, &["resources", "\"InSync\""]), 12);
    assert_eq!(sample(&text, &["resources", "\"Missing\""]), 0);
    let now = jiff::Timestamp::now().as_second();
    let success = sample(&text, &["last_success_timestamp_seconds"]);
    assert!((now - 60..=now).contains(&success), "{text}");
    if has_promtool() {
        checked(&text);
    }
}

#[test]
fn the_file_can_be_read_by_another_user_and_replaces_nothing_else() {
    let place = Place::new();
    place.write("a.yaml", &manifest("Channel", "main", "{}", ""));
    let home = place.folder.path();
    let mut command = Command::new("sh");
    let inner = place.command("plan --metrics a.prom");
    command.args(["-c", "umask 077; exec \"$0\" \"$@\""]).arg(inner.get_program());
    command.args(inner.get_args()).current_dir(home).env("HOME", home);
    code(&run(&mut command), 0);
    let mode = home.join("a.prom").metadata().expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    let rest = std::fs::read_dir(home).expect("readable").filter_map(Result::ok);
    let rest: Vec<String> = rest.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
    assert!(!rest.iter().any(|it| it.starts_with(".a.prom")), "{rest:?}");

    std::fs::write(home.join("other"), "kind: Channel").expect("writable");
    symlink("other", home.join("link")).expect("a link");
    for file in ["other", "link", "no/such", "-", "."] {
        let ran = place.run(&format!("plan --metrics {file}"));
        code(&ran, 1);
    }
    assert_eq!(std::fs::read_to_string(home.join("other")).expect("readable"), "kind: Channel");
}

#[test]
fn a_run_that_fails_keeps_the_last_success_and_the_labels() {
    let place = Place::new();
    let stack = manifest("Stack", "prod", "{ region: eu-west-1 }", "");
    let main = manifest("Channel", "main", "{}", "");
    place.write("a.yaml", &[stack.clone(), main.clone()].concat());
    let file = place.folder.path().join("a.prom");
    code(&place.run("apply --yes --metrics a.prom"), 0);
    let success = sample(&read(&file), &["last_success"]);
    place.write("a.yaml", &[stack, main.replace("Channel", "Chanel")].concat());
    code(&place.run("apply --yes --metrics a.prom"), 1);
    let text = read(&file);
    assert_eq!(sample(&text, &["last_success", "stack=\"prod\""]), success, "{text}");
    assert_eq!(sample(&text, &["exit_code", "region=\"eu-west-1\""]), 1);
    if has_promtool() {
        checked(&text);
    }
}

#[test]
fn a_first_run_with_an_invalid_manifest_has_the_labels_of_its_stack() {
    let place = Place::new();
    let stack = manifest("Stack", "prod", "{ region: eu-west-1 }", "");
    place.write("a.yaml", &(stack + &manifest("Chanel", "main", "{}", "")));
    let file = place.folder.path().join("a.prom");
    code(&place.run("plan --metrics a.prom"), 1);
    let text = read(&file);
    assert_eq!(sample(&text, &["exit_code", "stack=\"prod\"", "region=\"eu-west-1\""]), 1);
    // A Stack document that is broken elsewhere has a name; a document that is no YAML may be the Stack.
    let broken = manifest("Stack", "prod", "{ region: 7 }", "");
    for (text, stack) in [(broken.as_str(), "stack=\"prod\""), ("a: [", "stack=\"\"")] {
        place.write("a.yaml", text);
        std::fs::remove_file(&file).expect("written before");
        code(&place.run("plan --metrics a.prom"), 1);
        assert_eq!(sample(&read(&file), &["exit_code", stack]), 1, "{text}");
    }
}

#[test]
fn a_channel_and_its_stream_key_have_one_audience() {
    let stage = Stage::new(&[]);
    let stack = "{ region: us-west-2, account: \"000000000000\" }";
    let manifests = |authorized: bool| {
        manifest("Stack", "shows", stack, "")
            + &manifest("Channel", "a", &format!("{{ authorized: {authorized} }}"), "")
            + &manifest("StreamKey", "a", "{ channel: a }", "")
    };
    stage.place.write("all.yaml", &manifests(false));
    code(&run(&mut stage.command("apply --yes")), 0);
    let arn = stage.objects()["Channel/a"][0].clone();
    stage.control("POST", "streams", &json!({ "channelArn": arn, "viewerCount": 12 }));
    stage.place.write("all.yaml", &manifests(true));
    code(&run(&mut stage.command("plan --metrics a.prom")), 0);
    let text = read(&stage.place.folder.path().join("a.prom"));
    assert_eq!(sample(&text, &["ivs_apply_viewers{"]), 12, "{text}");
    assert_eq!(sample(&text, &["audience_viewers", "\"at_stake\""]), 12, "{text}");
}

#[test]
fn status_writes_metrics_and_its_participants_are_no_sessions() {
    let stage = Stage::new(&[]);
    let stack = manifest("Stack", "shows", "{ region: us-west-2, account: \"000000000000\" }", "");
    let studio = manifest("Stage", "studio", "{}", "");
    let ingest = |user: &str| {
        let spec = format!("{{ stage: studio, ingestProtocol: RTMPS, userId: {user} }}");
        manifest("IngestConfiguration", "camera", &spec, "")
    };
    stage.place.write("all.yaml", &[stack.clone(), studio.clone(), ingest("one")].concat());
    code(&run(&mut stage.command("apply --yes")), 0);
    let objects = stage.objects();
    let (arn, camera) = (&objects["Stage/studio"][0], &objects["IngestConfiguration/camera"][0]);
    stage.control("POST", "participants", &json!({ "stageArn": arn }));
    stage.control("POST", "ingests", &json!({ "ingestConfigurationArn": camera }));
    let file = stage.place.folder.path().join("a.prom");
    code(&run(&mut stage.command("status --metrics a.prom")), 0);
    let text = read(&file);
    assert_eq!(sample(&text, &["ivs_apply_publishers{", "command=\"status\""]), 2, "{text}");
    assert_eq!(sample(&text, &["ivs_apply_resources", "\"InSync\""]), 2);
    let of = |text: &str, of: &str| {
        sample(text, &["ivs_apply_audiences{", "\"at_stake\"", &format!("of=\"{of}\"")])
    };
    assert_eq!(of(&text, "session"), 0, "the plan has no step: {text}");
    // A change of both: one session, and one participant that publishes.
    let studio = manifest(
        "Stage",
        "studio",
        "{ autoParticipantRecordingConfiguration: { mediaTypes: [AUDIO_ONLY], storageConfiguration: tape } }",
        "",
    ) + &manifest("StorageConfiguration", "tape", "{ s3: { bucketName: tape } }", "");
    stage.place.write("all.yaml", &[stack, studio, ingest("two")].concat());
    code(&run(&mut stage.command("plan --metrics a.prom")), 0);
    let text = read(&file);
    assert!(!text.contains("ivs_apply_publishers"), "{text}");
    assert_eq!(
        ["stream", "session", "composition", "publisher"].map(|it| of(&text, it)),
        [0, 1, 0, 1],
        "{text}"
    );
    if has_promtool() {
        checked(&text);
    }
    // Without manifests there is no plan, and `--watch` never ends.
    let home = stage.place.folder.path();
    let url = &stage.served.url;
    let mut command = ivs_apply(home);
    command.current_dir(home).envs(SIGNED_IN);
    let words = ["status", "--stack", "shows", "--endpoint-url", url, "--metrics", "b.prom"];
    code(&run(command.args(words)), 0);
    let text = read(&home.join("b.prom"));
    assert_eq!(sample(&text, &["ivs_apply_publishers{", "stack=\"shows\""]), 2, "{text}");
    assert!(!text.contains("ivs_apply_audiences") && !text.contains("drifted"), "{text}");
    let refused = run(&mut stage.command("status --watch --metrics c.prom"));
    assert!(refused.code != Some(0) && refused.stderr.contains("--metrics"), "{refused:?}");
}

#[test]
fn drift_and_deferred_steps_and_audiences_are_counted() {
    let stage = Stage::new(&[]);
    let channel = |spec: &str| {
        let stack = "{ region: us-west-2, account: \"000000000000\" }";
        let channels = ["a", "b"].map(|it| manifest("Channel", it, spec, "")).concat();
        manifest("Stack", "shows", stack, "") + &channels
    };
    stage.place.write("all.yaml", &channel("{}"));
    code(&run(&mut stage.command("apply --yes")), 0);
    let arn = stage.objects()["Channel/a"][0].clone();
    let mut client = crate::client::Client::new(&stage.served.url);
    client.call("UpdateChannel", &json!({ "arn": arn, "authorized": true }));
    stage.control("POST", "streams", &json!({ "channelArn": arn, "viewerCount": 12 }));
    let file = stage.place.folder.path().join("a.prom");
    code(&run(&mut stage.command("drift --metrics a.prom")), 2);
    let text = read(&file);
    assert_eq!(sample(&text, &["drifted_resources"]), 1);
    assert_eq!(sample(&text, &["ivs_apply_viewers{"]), 12, "{text}");
    stage.place.write("all.yaml", &channel("{ latencyMode: NORMAL }"));
    code(&run(&mut stage.command("apply --yes --metrics a.prom")), 0);
    let text = read(&file);
    assert_eq!(sample(&text, &["deferred_steps"]), 1);
    assert_eq!(sample(&text, &["audience_viewers", "\"deferred\""]), 12);
    assert_eq!(sample(&text, &["audience_viewers", "\"cut\""]), 0);
    assert_eq!(sample(&text, &["ivs_apply_resources", "\"InSync\""]), 1, "{text}");
}

#[test]
fn rules_and_dashboard_use_metrics_that_exist_and_the_rules_pass_their_tests() {
    let stage = Stage::new(&[]);
    code(&run(&mut stage.command("status --metrics status.prom")), 0);
    // Each metric is written by one of the two.
    let text = all_metrics() + &read(&stage.place.folder.path().join("status.prom"));
    let written: BTreeSet<&str> =
        text.lines().filter_map(|it| it.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(
        written,
        list::run::ALL.iter().map(|it| it.name).collect(),
        "src/ui/metrics/list.rs"
    );
    let name = Regex::new("ivs_apply_[a-z_]+").expect("a pattern");
    let folder = root().join("examples/monitoring");
    for file in ["alerts.yaml", "alerts_test.yaml", "dashboard.json", "../../docs/operations.md"] {
        let text = std::fs::read_to_string(folder.join(file)).expect("readable");
        let used: BTreeSet<&str> = name.find_iter(&text).map(|it| it.as_str()).collect();
        assert!(!used.is_empty());
        let unknown: Vec<&&str> = used.difference(&written).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
    let dashboard = std::fs::read_to_string(folder.join("dashboard.json")).expect("readable");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    let shown = dashboard["panels"].to_string();
    let missing: Vec<&&str> = written.iter().filter(|it| !shown.contains(**it)).collect();
    assert!(missing.is_empty(), "the dashboard shows every metric: {missing:?}");
    if !has_promtool() {
        return;
    }
    for words in [&["check", "rules", "alerts.yaml"][..], &["test", "rules", "alerts_test.yaml"]] {
        let output = Command::new("promtool").args(words).current_dir(&folder).output();
        let output = output.expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
