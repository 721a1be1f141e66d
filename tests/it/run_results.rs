//! How a run ends, and what a plan says of what it costs: exit codes, failures last and each cause once, counts
//! that agree, what is lost for good, and what may have been a rename.

use crate::binary::{KEYS, Place, Ran, Served, document, ivs_apply_with_signals, side_by_side};
use crate::client::Client;
use crate::saved_plans::by_hand;
use ivs_apply::apply::Outcome;
use ivs_apply::diag::SourceMap;
use ivs_apply::kinds::Kind;
use ivs_apply::plan::Plan;
use ivs_apply::ui::json;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn manifest(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n---\n"
    )
}

fn applied(text: &str) -> Place {
    let place = Place::new();
    place.write("all.yaml", text);
    let ran = place.run("apply --yes");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    place
}

/// Makes the channels of these names live.
fn go_live(place: &Place, names: &[&str]) {
    by_hand(place, async |account| {
        for channel in account.aws.ivs.list_channels().send().await.expect("listed").channels {
            if names.contains(&channel.name.as_deref().unwrap_or_default()) {
                let body = json!({ "channelArn": channel.arn, "viewerCount": 12 });
                account.control("POST", "/_emulator/streams", body);
            }
        }
    });
}

/// Counts as the program prints them: `Plan: 1 to create, 2 deferred`.
fn printed(ran: &Ran, beginning: &str) -> BTreeMap<String, usize> {
    let line = ran.stdout.lines().rfind(|it| it.starts_with(beginning));
    let line = line.unwrap_or_else(|| panic!("no `{beginning}`: {ran:?}"));
    let counts = line.split_once(": ").expect("counts").1;
    let count = |it: &str| {
        let (count, word) = it.split_once(' ').expect("a count and a word");
        (word.to_owned(), count.parse().expect("a number"))
    };
    counts.split(", ").map(count).collect()
}

#[test]
fn a_destroy_that_leaves_something_behind_exits_3_and_4_where_nothing_was_deleted() {
    let two = [manifest("Channel", "live", "{}"), manifest("Channel", "quiet", "{}")].concat();
    let place = applied(&two);
    go_live(&place, &["live"]);
    let ran = place.run("destroy --yes");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let last = ran.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: 1 resource was not deleted: Channel/live ("), "{ran:?}");
    let ran = place.run("destroy --yes");
    assert_eq!(ran.code, Some(4), "nothing was deleted: {ran:?}");
    let told = document(&place.run("destroy --yes --format json"));
    assert_eq!((&told["outcome"]["deferred"], &told["outcome"]["done"]), (&json!(1), &json!(0)));
    by_hand(&place, async |account| {
        for channel in account.aws.ivs.list_channels().send().await.expect("listed").channels {
            let body = json!({ "channelArn": channel.arn });
            account.control("DELETE", "/_emulator/streams", body);
        }
    });
    assert_eq!(place.run("destroy --yes").code, Some(0), "nothing is left");
    assert_eq!(place.run("destroy --yes").code, Some(0), "nothing was there");
}

#[test]
fn deferred_steps_fail_a_run_that_asks_for_it_and_are_counted_in_every_format() {
    let two = [manifest("Channel", "live", "{}"), manifest("Channel", "quiet", "{}")].concat();
    let place = applied(&two);
    go_live(&place, &["live"]);
    place.write("all.yaml", &two.replace("spec: {}", "spec: { latencyMode: NORMAL }"));
    let ran = place.run("plan --format github");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    for line in ["stack=default", "status=changes", "update=1", "deferred=1", "create=0"] {
        assert!(lines.contains(&line), "{line}: {ran:?}");
    }
    let ran = place.run("apply --yes --fail-on-deferred");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let last = ran.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("1 resource was deferred to a later run: Channel/live ("), "{ran:?}");
    // Nothing is left to do but what waits.
    assert_eq!(place.run("apply --yes --fail-on-deferred").code, Some(3));
    assert_eq!(place.run("apply --yes").code, Some(0));
    let told = place.run("apply --yes --format json");
    assert_eq!(document(&told)["outcome"]["deferred"], json!(1));
    let told = place.run("apply --yes --format github");
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains("\ndeferred=1\n") && told.stdout.contains("\ndone=0\n"));
}

const NOWHERE: &str = "arn:aws:ivs:us-west-2:000000000000:recording-configuration/NowhereAtAll";

#[test]
fn a_failed_run_ends_with_its_failures_causes_first_and_each_cause_once() {
    let mut text = manifest("Stage", "fine", "{}");
    for name in ["a", "b", "c", "d", "e"] {
        text.push_str(&manifest(
            "Channel",
            name,
            &format!("{{ recordingConfiguration: \"{NOWHERE}\" }}"),
        ));
        text.push_str(&manifest("StreamKey", name, &format!("{{ channel: {name} }}")));
    }
    let runs = side_by_side(["apply --yes", "apply --yes --format json"], |words| {
        let place = Place::new();
        place.write("all.yaml", &text);
        place.run(words)
    });
    let [ran, in_json] = &runs[..] else { panic!("{runs:?}") };
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let [.., before, cause, rest] = lines[..] else { panic!("{ran:?}") };
    assert!(!before.starts_with("error:"), "{ran:?}");
    assert!(cause.starts_with("error: 5 resources: create failed: CreateChannel: "), "{ran:?}");
    assert!(cause.contains("(Channel/a, Channel/b, Channel/c and 2 more)"), "{ran:?}");
    assert_eq!(rest, "error: 5 steps were skipped because of that", "{ran:?}");
    let counts = printed(ran, "Applied: ");
    assert_eq!((counts["done"], counts["failed"], counts["skipped"]), (1, 5, 5), "{ran:?}");
    // The same in the document, which does not keep the block off standard error.
    let told = document(in_json);
    assert_eq!((&told["outcome"]["failed"], &told["outcome"]["skipped"]), (&json!(5), &json!(5)));
    assert!(
        in_json.stderr.ends_with("error: 5 steps were skipped because of that\n"),
        "{in_json:?}"
    );
}

/// An apply of `text` that is interrupted after a line of its standard error contains `line`, while the creation of
/// a recording configuration takes seconds; the first creation of a channel fails.
fn interrupted(text: &str, line: &str) -> Ran {
    let place = Place::new();
    place.write("all.yaml", text);
    let served = Served::start(place.folder.path(), &[]);
    let mut client = Client::new(&served.url);
    let slow =
        json!({ "operation": "CreateRecordingConfiguration", "kind": "stall", "seconds": 3 });
    client.control("POST", "faults", &slow);
    let refused = json!({
        "operation": "CreateChannel", "kind": "error", "name": "ValidationException", "message": "no",
    });
    client.control("POST", "faults", &refused);
    let mut command = ivs_apply_with_signals(place.folder.path());
    command
        .current_dir(place.folder.path())
        .args(["apply", "--yes", "-f", "manifests", "--region", "us-west-2"])
        .args(["--endpoint-url", &served.url])
        .envs(KEYS)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stderr = String::new();
    let mut lines = BufReader::new(child.stderr.take().expect("piped"));
    while !stderr.contains(line) {
        let read = lines.read_line(&mut stderr).expect("the program writes UTF-8");
        assert!(read > 0, "no `{line}`: {stderr}");
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    std::io::Read::read_to_string(&mut lines, &mut stderr).expect("the program writes UTF-8");
    let output = child.wait_with_output().expect("the program ends");
    let stdout = String::from_utf8(output.stdout).expect("the program writes UTF-8");
    Ran { code: output.status.code(), stdout, stderr }
}

#[test]
fn steps_that_were_skipped_and_steps_that_were_not_started_are_counted_in_the_last_line_of_a_run() {
    let bucket = "{ destinationConfiguration: { s3: { bucketName: an-archive } } }";
    let waits = [
        manifest("Stage", "fine", "{}"),
        manifest("RecordingConfiguration", "archive", bucket),
        manifest("Channel", "waits", "{ recordingConfiguration: archive }"),
    ]
    .concat();
    let key = manifest("StreamKey", "waits", "{ channel: waits }");
    // What is independent of the failure ends before it.
    let fails = [
        manifest("Channel", "fails", "{ playbackRestrictionPolicy: fine }"),
        manifest("PlaybackRestrictionPolicy", "fine", "{ allowedCountries: [CH] }"),
        manifest("StreamKey", "fails", "{ channel: fails }"),
    ]
    .concat();
    let cases = [
        (
            fails + &waits + &key,
            "Channel/fails: create failed",
            "1 step was skipped because of that, 2 steps were not started because the run was stopped",
            (1, 2),
        ),
        (
            waits.clone() + &key,
            "Stage/fine: create done",
            "2 steps were not started because the run was stopped",
            (0, 2),
        ),
        (
            waits,
            "Stage/fine: create done",
            "1 step was not started because the run was stopped",
            (0, 1),
        ),
    ];
    side_by_side(cases, |(text, line, last, (skipped, not_started))| {
        let ran = interrupted(&text, line);
        assert_eq!(ran.code, Some(130), "{ran:?}");
        let lines: Vec<&str> = ran.stderr.lines().collect();
        let told = lines.iter().filter(|it| it.starts_with("error: ")).collect::<Vec<_>>();
        assert_eq!(told.len(), 1 + skipped, "the failure and the count: {ran:?}");
        assert_eq!(lines.last(), Some(&format!("error: {last}").as_str()), "{ran:?}");
        let counts = printed(&ran, "Applied: ");
        assert_eq!(counts.get("skipped").copied().unwrap_or_default(), skipped, "{ran:?}");
        assert_eq!(counts["not started"], not_started, "{ran:?}");
    });
}

#[test]
fn a_mistake_in_many_manifests_is_one_report_with_a_count_and_its_first_places() {
    let place = Place::new();
    let text: String = (0..40)
        .map(|it| manifest("Channel", &format!("c{it}"), "{ recordingConfiguration: archiv }"))
        .collect();
    place.write("all.yaml", &text);
    let ran = place.run("validate");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.stderr.matches("error[E0103]").count(), 1, "{ran:?}");
    let first = "the same in 40 places: manifests/all.yaml:4:33, manifests/all.yaml:9:33, \
                 manifests/all.yaml:14:33 and 37 more";
    assert!(ran.stderr.contains(first), "{ran:?}");
    assert!(ran.stderr.ends_with("1 error in 40 places\n"), "{ran:?}");
    // Programs are told of each.
    let told = document(&place.run("validate --format json"));
    assert_eq!(told["diagnostics"].as_array().map(Vec::len), Some(40));
}

/// A plan, the summary of it, what became of it and the document of both count the same steps.
pub(crate) fn assert_counts_agree(plan: &Plan, outcome: &Outcome) {
    let summary = plan.summary();
    let planned: usize = summary.counts()[..8].iter().map(|(_, count)| count).sum();
    let counts = outcome.counts(plan);
    let told: usize = counts.steps().iter().map(|(_, count)| count).sum();
    let waiting = summary.deferred + summary.dormant + summary.blocked;
    assert_eq!(planned + waiting, told, "{summary:?} {counts:?}");
    assert_eq!(summary.unchanged, counts.unchanged);
    assert_eq!((summary.dormant, summary.blocked), (counts.dormant, counts.blocked));
    assert!(counts.deferred >= summary.deferred, "a run may defer more: {summary:?} {counts:?}");
    let frame = json::Frame {
        command: "apply",
        stack: None,
        account: None,
        caller: None,
        region: None,
        endpoint: None,
        calls: BTreeMap::new(),
        diagnostics: Value::Null,
    };
    let document = json::plan(&frame, plan, Some(outcome), &SourceMap::default());
    let mut by_word: BTreeMap<String, usize> = BTreeMap::new();
    for step in document["steps"].as_array().expect("steps") {
        let (decision, action) = (step["decision"].as_str(), step["action"].as_str());
        let word = match decision.expect("a word") {
            "do" => action.expect("a word"),
            "unmanaged" => "blocked",
            other => other,
        };
        if step["partOf"].is_null() {
            *by_word.entry(word.to_owned()).or_default() += 1;
        }
    }
    for (word, count) in summary.counts() {
        if !matches!(word, "unchanged" | "orphans") {
            assert_eq!(by_word.get(word).copied().unwrap_or_default(), count, "{word}");
            assert_eq!(document["summary"][word], json!(count));
        }
    }
    for (word, count) in counts.steps() {
        let word = if word == "not started" { "notStarted" } else { word };
        assert_eq!(document["outcome"][word], json!(count), "{word}");
    }
}

#[test]
fn a_rotation_and_a_replacement_are_one_step_in_the_plan_the_run_and_the_document() {
    let text = |rotation: &str, width: u32| {
        [
            manifest("Channel", "main", "{}"),
            manifest("StreamKey", "main", &format!("{{ channel: main, rotation: {rotation} }}")),
            manifest("EncoderConfiguration", "hd", &format!("{{ video: {{ width: {width} }} }}")),
        ]
        .concat()
    };
    let place = applied(&text("one", 1280));
    for (rotation, width, json) in [("two", 640, false), ("three", 320, true)] {
        place.write("all.yaml", &text(rotation, width));
        let planned = place.run("plan");
        let counts = printed(&planned, "Plan: ");
        assert_eq!((counts["to replace"], counts["unchanged"]), (2, 1), "{planned:?}");
        assert!(!counts.contains_key("to delete"), "{planned:?}");
        if json {
            let told = document(&place.run("apply --yes --format json"));
            assert_eq!(told["summary"]["replace"], json!(2));
            assert_eq!(told["outcome"]["done"], json!(2));
        } else {
            let ran = place.run("apply --yes");
            assert!(ran.stdout.contains("\nApplied: 2 done, 1 unchanged\n"), "{ran:?}");
        }
    }
}

#[test]
fn a_diff_keeps_the_keys_and_items_around_what_it_shows() {
    let spec = |gap: u32, storage: &str| {
        format!(
            "{{ stage: studio, run: ALWAYS, layout: {{ pip: {{ pipOffset: {gap} }} }}, destinations: \
             [{{ name: air, channel: {{ channel: main }} }}, {{ name: tape, s3: {{ storageConfiguration: \
             shows, encoderConfigurations: [hd], thumbnailConfigurations: [{{ storage: [{storage}] }}] }} \
             }}] }}"
        )
    };
    let rest = [
        manifest("Stage", "studio", "{}"),
        manifest("Channel", "main", "{}"),
        manifest("EncoderConfiguration", "hd", "{}"),
        manifest("StorageConfiguration", "shows", "{ s3: { bucketName: tape } }"),
    ]
    .concat();
    let all = |gap, storage| rest.clone() + &manifest("Composition", "show", &spec(gap, storage));
    let place = applied(&all(4, "LATEST"));
    place.write("all.yaml", &all(8, "SEQUENTIAL"));
    let ran = place.run("plan");
    let lines: Vec<&str> = ran.stdout.lines().map(|it| it.get(8..).unwrap_or_default()).collect();
    let place_of = |line: &str| {
        let found = lines.iter().position(|it| *it == line);
        found.unwrap_or_else(|| panic!("`{line}` is not shown: {}", ran.stdout))
    };
    let parents = ["destinations:", "  - name: tape", "    s3:", "      thumbnailConfigurations:"];
    let changed = place_of("            - LATEST");
    let places: Vec<usize> = parents.iter().map(|it| place_of(it)).collect();
    assert!(places.is_sorted() && places.iter().all(|it| *it < changed), "{}", ran.stdout);
    let offset = place_of("    pipOffset: 4");
    assert!(changed < place_of("layout:") && place_of("  pip:") < offset, "{}", ran.stdout);
    for parent in parents.iter().chain(&["layout:", "  pip:"]) {
        assert_eq!(lines.iter().filter(|it| it == &parent).count(), 1, "{parent}: {}", ran.stdout);
    }
}

#[test]
fn permanent_losses_of_a_delete_or_a_replacement_are_shown_for_each_kind_that_has_any() {
    for kind in Kind::ALL {
        let facts = kind.facts();
        let told = facts.deletion.is_some();
        let loses_nothing = matches!(
            kind,
            Kind::AdConfiguration
                | Kind::EncoderConfiguration
                | Kind::FailoverSlateConfiguration
                | Kind::PlaybackRestrictionPolicy
        );
        assert_eq!(told, !loses_nothing, "{kind}");
    }
    let place = applied(
        &[
            manifest("Channel", "main", "{}"),
            manifest("Stage", "studio", "{}"),
            manifest("IngestConfiguration", "camera", "{ ingestProtocol: RTMPS, userId: a }"),
            manifest("StorageConfiguration", "shows", "{ s3: { bucketName: tape } }"),
        ]
        .concat(),
    );
    let replaced =
        manifest("IngestConfiguration", "camera", "{ ingestProtocol: RTMPS, userId: b }");
    place.write("all.yaml", &replaced);
    let ran = place.run("plan --prune");
    for line in [
        "note: playback URL, ingest endpoint and stream key are lost for good; recordings stay in their bucket",
        "note: its endpoints are lost for good, and all participant tokens become invalid",
        "note: recordings made so far stay in their bucket",
        "note: the encoder needs the new stream key",
    ] {
        assert_eq!(ran.stdout.matches(line).count(), 1, "{line}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("participant id are lost"), "it is replaced: {}", ran.stdout);
    let told = document(&place.run("plan --prune --format json"));
    let lost = told["steps"].as_array().expect("steps").iter().filter(|it| !it["loss"].is_null());
    assert_eq!(lost.count(), 4, "{told:#}");
    let ran = place.run("plan --prune --format markdown");
    assert!(ran.stdout.contains("note: `playback URL, ingest endpoint"), "{ran:?}");
}

#[test]
fn a_delete_beside_a_create_of_an_equal_spec_suggests_previous_names() {
    let channel = |name: &str| manifest("Channel", name, "{ latencyMode: NORMAL }");
    let place = applied(&channel("before"));
    place.write("all.yaml", &channel("after"));
    let suggestion =
        "add `previousNames: [before]` to the metadata of Channel/after at manifests/all.yaml:3:";
    // Without `--prune` the object is not even read: its tags tell what it was applied with.
    for words in ["plan", "plan -v", "plan --prune", "plan --prune --refresh full"] {
        let ran = place.run(words);
        assert!(ran.stdout.contains(suggestion), "{words}: {ran:?}");
        for form in ["markdown", "html"] {
            let ran = place.run(&format!("{words} --format {form}"));
            assert!(ran.stdout.contains("previousNames: [before]"), "{words}: {ran:?}");
            assert!(ran.stdout.contains("manifests/all.yaml:3:"), "{words}: {ran:?}");
        }
        let told = document(&place.run(&format!("{words} --format json")));
        let notes = told["notes"].as_array().expect("notes");
        let note = notes.iter().find(|it| it["note"] == "possibleRename").expect("a note");
        let place =
            json!({ "file": "manifests/all.yaml", "line": 3, "column": note["source"]["column"] });
        let note = [&note["from"], &note["to"], &note["source"]];
        assert_eq!(note, [&json!("Channel/before"), &json!("Channel/after"), &place], "{told:#}");
    }
    // Taken, it is a rename.
    let renamed = "{ name: after, previousNames: [before] }";
    place.write("all.yaml", &channel("after").replace("{ name: after }", renamed));
    let ran = place.run("plan --prune");
    assert!(ran.stdout.contains("Plan: 1 to rename"), "{ran:?}");
    assert!(!ran.stdout.contains("looks like a rename"), "{ran:?}");
    // Another spec, or several that are alike, are no hint.
    place.write("all.yaml", &manifest("Channel", "after", "{}"));
    assert!(!place.run("plan --prune").stdout.contains("looks like a rename"));
    place.write("all.yaml", &[channel("one"), channel("two")].concat());
    assert!(!place.run("plan --prune").stdout.contains("looks like a rename"));
}
