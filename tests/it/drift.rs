//! The report of `drift`: changes made outside, live resources first, and differences that are not drift.

use crate::binary::{Place, document};
use crate::saved_plans::by_hand;

const MANIFESTS: &str = "apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: a-quiet }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: b-live }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: c-live-tag }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: gone }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: pending }
spec: {}
";

#[test]
fn changed_objects_that_are_live_come_first() {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    assert_eq!(place.run("apply --yes").code, Some(0));
    by_hand(&place, async |account| {
        let channels = account.aws.ivs.list_channels().send().await.expect("listed").channels;
        for channel in channels {
            let (arn, name) = (channel.arn.expect("an ARN"), channel.name.expect("a name"));
            if name == "c-live-tag" {
                let tag = account.aws.ivs.tag_resource().resource_arn(&arn).tags("who", "me");
                tag.send().await.expect("tagged");
            } else {
                let update = account.aws.ivs.update_channel().arn(&arn).authorized(true);
                update.send().await.expect("updated");
            }
            if name != "a-quiet" {
                let body = serde_json::json!({ "channelArn": arn, "viewerCount": 12 });
                account.control("POST", "/_emulator/streams", body);
            }
        }
        let stages = account.aws.realtime.list_stages().send().await.expect("listed").stages;
        let gone = stages.into_iter().find(|it| it.name.as_deref() == Some("gone"));
        let arn = gone.expect("there").arn;
        account.aws.realtime.delete_stage().arn(arn).send().await.expect("deleted");
    });
    place.write(
        "all.yaml",
        &MANIFESTS
            .replace("name: pending }\nspec: {}", "name: pending }\nspec: { tags: { a: b } }"),
    );
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(
        ran.stdout,
        "Drift for stack `default` in us-west-2 at endpoint emulator
Account 000000000000, signed in as arn:aws:iam::000000000000:user/emulator

Live, and changed outside
  Channel/b-live  live: 12 viewers  manifests/all.yaml:7
      spec.authorized is true, and false was applied
  Channel/c-live-tag  live: 12 viewers  manifests/all.yaml:12
      spec.tags.who is me, and (none) was applied

Changed outside
  Channel/a-quiet  manifests/all.yaml:2
      spec.authorized is true, and false was applied

Missing
  Stage/gone  manifests/all.yaml:17

Drift: 4 resources; `ivs-apply apply` restores what was applied
Missing resources were deleted outside ivs-apply or never applied; `--missing-ok` does not count them
1 differs because its manifest changed: see `ivs-apply plan`
"
    );
    let told = document(&place.run("drift --format json"));
    let order: Vec<&str> = told["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|it| it["address"].as_str())
        .collect();
    assert_eq!(order, ["Channel/b-live", "Channel/c-live-tag", "Channel/a-quiet", "Stage/gone"]);
    assert_eq!(told["steps"][1]["impact"]["viewers"], 12);
}

#[test]
fn an_object_that_lost_some_ownership_tags_is_drift_and_not_reported_as_deleted() {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    assert_eq!(place.run("apply --yes").code, Some(0));
    by_hand(&place, async |account| {
        let channel = account.aws.ivs.list_channels().send().await.expect("listed").channels;
        let arn = channel[0].arn.clone().expect("an ARN");
        let untag = account.aws.ivs.untag_resource().resource_arn(arn).tag_keys("ivs-apply:name");
        untag.send().await.expect("untagged");
    });
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stdout.contains("Unclear, since its tags were changed outside"), "{ran:?}");
    assert!(!ran.stdout.contains("Missing"), "{ran:?}");
    assert!(ran.stdout.contains("does nothing while any is unclear"), "{ran:?}");
    assert_eq!(
        document(&place.run("drift --format json"))["steps"][0]["because"][0]["cause"],
        "unclear"
    );
}

#[test]
fn a_removed_previous_name_is_a_change_of_the_manifest_and_not_drift() {
    let place = Place::new();
    let stage = |metadata: &str| {
        format!("apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {metadata}\nspec: {{}}\n")
    };
    place.write("stage.yaml", &stage("{ name: a }"));
    assert_eq!(place.run("apply --yes").code, Some(0));
    place.write("stage.yaml", &stage("{ name: b, previousNames: [a] }"));
    assert_eq!(place.run("apply --yes").code, Some(0));
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(0), "a rename is one tag change");
    place.write("stage.yaml", &stage("{ name: b }"));
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = place.run("plan");
    assert!(ran.stdout.contains("update: configuration changed"), "{ran:?}");
    assert_eq!(place.run("apply --yes").code, Some(0));
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(0));
}

#[test]
fn pending_changes_and_deleted_objects_are_in_the_json_document_as_in_the_text() {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    assert_eq!(place.run("apply --yes").code, Some(0));
    by_hand(&place, async |account| {
        let stages = account.aws.realtime.list_stages().send().await.expect("listed").stages;
        let gone = stages.iter().find(|it| it.name.as_deref() == Some("gone")).expect("made");
        account.aws.realtime.delete_stage().arn(&gone.arn).send().await.expect("deleted");
    });
    place.write(
        "all.yaml",
        &MANIFESTS.replace("name: pending }\nspec: {}", "name: pending }\nspec: { name: other }"),
    );
    let ran = place.run("drift --missing-ok --format json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told = document(&ran);
    assert_eq!(told["notDrift"]["missing"], serde_json::json!(["Stage/gone"]));
    assert_eq!(told["notDrift"]["pending"], serde_json::json!(["Stage/pending"]));
}

#[test]
fn a_change_by_hand_beside_a_change_of_the_manifest_is_drift_and_both_are_told() {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    assert_eq!(place.run("apply --yes").code, Some(0));
    let pending =
        MANIFESTS.replace("name: a-quiet }\nspec: {}", "name: a-quiet }\nspec: { type: BASIC }");
    place.write("all.yaml", &pending);
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(0), "only the manifest changed: {ran:?}");
    by_hand(&place, async |account| {
        let channels = account.aws.ivs.list_channels().send().await.expect("listed").channels;
        let quiet = channels.into_iter().find(|it| it.name.as_deref() == Some("a-quiet"));
        let arn = quiet.and_then(|it| it.arn).expect("made");
        let update = account.aws.ivs.update_channel().arn(arn).authorized(true);
        update.send().await.expect("updated");
    });
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.stdout.contains(
            "Changed outside
  Channel/a-quiet  manifests/all.yaml:2
      spec.type is STANDARD, and its manifest says BASIC
      spec.authorized is true, and its manifest says false
      changed outside ivs-apply, and the configuration changed as well
"
        ),
        "{ran:?}"
    );
    let told = document(&place.run("drift --format json"));
    assert_eq!(
        told["steps"][0]["because"],
        serde_json::json!([{ "cause": "pending" }, { "cause": "drift" }])
    );
    assert_eq!(place.run("apply --yes").code, Some(0));
    assert_eq!(place.run("drift").code, Some(0));
}

#[test]
fn a_change_by_hand_beside_a_pending_one_is_told_also_where_some_fields_have_no_effect() {
    // Without thumbnails it makes no difference how they are kept, nor which renditions there are beside ALL.
    let text = |team: &str| {
        format!(
            "apiVersion: ivs-apply.dev/v1
kind: StorageConfiguration
metadata: {{ name: tape }}
spec: {{ s3: {{ bucketName: tape }} }}
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: {{ name: studio }}
spec:
  tags: {{ team: {team} }}
  autoParticipantRecordingConfiguration:
    storageConfiguration: tape
    thumbnailConfiguration: {{ recordingMode: DISABLED, storage: [LATEST] }}
---
apiVersion: ivs-apply.dev/v1
kind: RecordingConfiguration
metadata: {{ name: archive }}
spec:
  tags: {{ team: {team} }}
  destinationConfiguration: {{ s3: {{ bucketName: archive }} }}
  thumbnailConfiguration: {{ recordingMode: DISABLED, storage: [LATEST] }}
"
        )
    };
    let place = Place::new();
    place.write("all.yaml", &text("blue"));
    assert_eq!(place.run("apply --yes").code, Some(0));
    assert_eq!(place.run("plan --detailed-exitcode --refresh full").code, Some(0));
    place.write("all.yaml", &text("red"));
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(0), "only the manifest changed: {ran:?}");
    by_hand(&place, async |account| {
        let objects = account.control("GET", "/_emulator/objects", serde_json::Value::Null);
        for it in objects["objects"].as_array().expect("a list") {
            let arn = it["arn"].as_str().expect("an ARN");
            if it["kind"] == "Stage" {
                let tag = account.aws.realtime.tag_resource().resource_arn(arn);
                tag.tags("team", "green").send().await.expect("tagged");
            } else if it["kind"] == "RecordingConfiguration" {
                let tag = account.aws.ivs.tag_resource().resource_arn(arn);
                tag.tags("team", "green").send().await.expect("tagged");
            }
        }
    });
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for address in ["Stage/studio", "RecordingConfiguration/archive"] {
        assert!(ran.stdout.contains(address), "{ran:?}");
    }
    let both = ran
        .stdout
        .matches("changed outside ivs-apply, and the configuration changed as well")
        .count();
    assert_eq!(both, 2, "{ran:?}");
}

#[test]
fn a_composition_that_must_always_run_and_does_not_is_drift_and_one_that_follows_its_stage_is_none()
{
    for (run, code) in [("ALWAYS", 2), ("WHILE_STAGE_ACTIVE", 0)] {
        let place = Place::new();
        let text = format!(
            "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: studio }}\n---\n\
             apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: main }}\n---\n\
             apiVersion: ivs-apply.dev/v1\nkind: Composition\nmetadata: {{ name: show }}\n\
             spec: {{ stage: studio, run: {run}, destinations: [{{ channel: {{ channel: main }} }}] }}\n"
        );
        place.write("all.yaml", &text);
        assert_eq!(place.run("apply --yes").code, Some(0));
        by_hand(&place, async |account| {
            let objects = account.control("GET", "/_emulator/objects", serde_json::Value::Null);
            for it in objects["objects"].as_array().expect("a list") {
                let arn = it["arn"].as_str().expect("an ARN");
                if it["kind"] == "Composition" {
                    account.aws.realtime.stop_composition().arn(arn).send().await.expect("stopped");
                } else if it["kind"] == "Stage" {
                    let here = serde_json::json!({ "stageArn": arn, "userId": "host" });
                    account.control("POST", "/_emulator/participants", here);
                }
            }
        });
        let ran = place.run("drift");
        assert_eq!(ran.code, Some(code), "{run}: {ran:?}");
        assert!(ran.stdout.contains("Composition/show"), "{run}: {ran:?}");
        assert_eq!(place.run("drift --missing-ok").code, Some(0), "{run}");
    }
}

#[test]
fn what_refers_to_a_deleted_object_was_changed_outside_and_its_manifest_was_not() {
    let place = Place::new();
    let document = |kind: &str, name: &str, spec: &str| {
        format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n"
        )
    };
    let text = [
        document("Stage", "studio", "{}"),
        document("IngestConfiguration", "camera", "{ ingestProtocol: RTMPS, stage: studio }"),
        document(
            "RecordingConfiguration",
            "archive",
            "{ destinationConfiguration: { s3: { bucketName: archive } } }",
        ),
        document("Channel", "main", "{ recordingConfiguration: archive }"),
    ]
    .concat();
    place.write("all.yaml", &text);
    assert_eq!(place.run("apply --yes").code, Some(0));
    by_hand(&place, async |account| {
        let objects = account.control("GET", "/_emulator/objects", serde_json::Value::Null);
        let all = objects["objects"].as_array().expect("a list").clone();
        let arn = |kind: &str| {
            let it = all.iter().find(|it| it["kind"] == kind).expect("made");
            it["arn"].as_str().expect("an ARN").to_owned()
        };
        let realtime = &account.aws.realtime;
        realtime.delete_stage().arn(arn("Stage")).send().await.expect("deleted");
        let ivs = &account.aws.ivs;
        let update = ivs.update_channel().arn(arn("Channel")).recording_configuration_arn("");
        update.send().await.expect("updated");
        let delete = ivs.delete_recording_configuration().arn(arn("RecordingConfiguration"));
        delete.send().await.expect("deleted");
    });
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for address in ["Stage/studio", "RecordingConfiguration/archive", "Channel/main"] {
        assert!(ran.stdout.contains(address), "{address}: {ran:?}");
    }
    assert!(ran.stdout.contains("IngestConfiguration/camera"), "{ran:?}");
    for output in [ran, place.run("plan")] {
        assert!(!output.stdout.contains("manifests changed"), "{output:?}");
        assert!(!output.stdout.contains("configuration changed"), "{output:?}");
    }
}

#[test]
fn drift_exits_two_where_something_that_was_applied_is_gone_and_zero_where_nothing_was_ever_applied()
 {
    let place = Place::new();
    let recording = "apiVersion: ivs-apply.dev/v1
kind: RecordingConfiguration
metadata: { name: archive }
spec: { destinationConfiguration: { s3: { bucketName: archive } } }
---
";
    let stage = "apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: IngestConfiguration
metadata: { name: camera }
spec: { ingestProtocol: RTMPS, stage: studio }
";
    place.write("all.yaml", &format!("{recording}{stage}"));
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(0), "never applied: {ran:?}");
    assert!(ran.stdout.contains("Missing, not counted as drift"), "{ran:?}");
    assert!(
        ran.stdout.contains("note: no resource of the stack exists, but 3 are declared"),
        "{ran:?}"
    );
    assert_eq!(place.run("apply --yes").code, Some(0));
    let ran = place.run("drift");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let deletes = |kind: &'static str| {
        by_hand(&place, async |account| {
            let objects = account.control("GET", "/_emulator/objects", serde_json::Value::Null);
            let mut all = objects["objects"].as_array().expect("a list").iter();
            let it = all.find(|it| it["kind"] == kind).expect("made");
            let arn = it["arn"].as_str().expect("an ARN");
            if kind == "Stage" {
                let delete = account.aws.realtime.delete_stage().arn(arn);
                delete.send().await.expect("deleted");
            } else {
                let delete = account.aws.ivs.delete_recording_configuration().arn(arn);
                delete.send().await.expect("deleted");
            }
        });
    };
    deletes("Stage");
    // The ingest configuration has lost the stage that was applied, which `--missing-ok` does not excuse.
    for flags in ["", " --missing-ok"] {
        let ran = place.run(&format!("drift{flags}"));
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stdout.contains("Deleted outside\n  Stage/studio"), "{ran:?}");
    }
    assert_eq!(place.run("apply --yes").code, Some(0));
    deletes("RecordingConfiguration");
    // Nothing refers to it: only the rest of the stack says that it was applied. Of its own kind nothing is left.
    let ran = place.run("drift --only RecordingConfiguration/archive");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stdout.contains("Missing\n  RecordingConfiguration/archive"), "{ran:?}");
    assert_eq!(place.run("drift --missing-ok").code, Some(0));
    assert_eq!(
        document(&place.run("drift --format json"))["steps"][0]["because"][0]["cause"],
        "missing"
    );
}

#[test]
fn a_stack_of_which_everything_was_deleted_is_told_in_every_form_by_a_code() {
    let place = Place::new();
    let channel = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: main }\n";
    place.write("all.yaml", channel);
    assert_eq!(place.run("apply --yes").code, Some(0));
    by_hand(&place, async |account| {
        let channels = account.aws.ivs.list_channels().send().await.expect("listed").channels;
        let arn = channels[0].arn.clone().expect("an ARN");
        account.aws.ivs.delete_channel().arn(arn).send().await.expect("deleted");
    });
    let warning = "warning: no resource of the stack exists, but 1 is declared";
    let ran = place.run("drift --format json --ci github --report codequality=q.json");
    assert_eq!(ran.code, Some(0), "the tags went with the objects: {ran:?}");
    assert!(ran.stderr.contains(warning) && ran.stderr.contains("::warning"), "{}", ran.stderr);
    let notes = document(&ran)["notes"].clone();
    assert_eq!(notes, serde_json::json!([{ "note": "nothingExists", "missing": 1 }]));
    let report = std::fs::read_to_string(place.folder.path().join("q.json")).expect("written");
    assert!(report.contains("ivs-apply/nothing-exists"), "{report}");
    for format in ["text", "markdown", "html"] {
        let ran = place.run(&format!("drift --format {format}"));
        // The text says it once, whether or not both streams go to one terminal.
        assert_eq!(ran.stderr.contains(warning), format != "text", "{format}: {ran:?}");
        assert!(ran.stdout.contains("no resource of the stack exists"), "{format}: {}", ran.stdout);
    }
    let told = place.run("drift --missing-ok");
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_running_composition_with_a_failed_destination_is_drift_and_shown_by_plan_and_drift() {
    let place = Place::new();
    place.write("all.yaml", &crate::delayed_stops::show(1280, "bucket-a"));
    assert_eq!(place.run("apply --yes").code, Some(0));
    assert_eq!(place.run("drift").code, Some(0));
    by_hand(&place, async |account| {
        let channels = account.aws.ivs.list_channels().send().await.expect("listed").channels;
        let channel = channels[0].arn.clone().expect("an ARN");
        account.control("POST", "/_emulator/clock", serde_json::json!({ "advanceSeconds": 5 }));
        account.aws.ivs.stop_stream().channel_arn(channel).send().await.expect("stopped");
        account.control("POST", "/_emulator/clock", serde_json::json!({ "advanceSeconds": 5 }));
    });
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for told in ["Running, and degraded", "Composition/show", "1 of 2 destinations has failed"] {
        assert!(ran.stdout.contains(told), "{told}: {ran:?}");
    }
    let ran = place.run("plan");
    assert!(ran.stdout.contains("degraded: 1 of 2 destinations has failed"), "{ran:?}");
    let told = document(&place.run("drift --format json"));
    let cause = serde_json::json!({ "cause": "degraded", "failed": 1, "of": 2 });
    assert_eq!(told["steps"][0]["because"], serde_json::json!([cause]));
}

#[test]
fn a_missing_stream_key_is_counted_like_its_missing_channel() {
    let place = Place::new();
    let channel = "apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: encoder }
spec: { channel: main }
";
    let stage = "---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
spec: {}
";
    place.write("all.yaml", &format!("{channel}{stage}"));
    let both = serde_json::json!(["Channel/main", "StreamKey/encoder"]);
    let missing_of = |ran: &crate::binary::Ran| document(ran)["notDrift"]["missing"].clone();
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(0), "never applied: {ran:?}");
    assert!(ran.stdout.contains("  StreamKey/encoder"), "{ran:?}");
    assert!(ran.stdout.contains("3 declared and missing"), "{ran:?}");
    assert_eq!(
        missing_of(&place.run("drift --format json --only Channel/main --only StreamKey/encoder")),
        both
    );
    assert_eq!(place.run("apply --yes").code, Some(0));
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    by_hand(&place, async |account| {
        let channels = account.aws.ivs.list_channels().send().await.expect("listed").channels;
        let arn = channels[0].arn.clone().expect("an ARN");
        account.aws.ivs.delete_channel().arn(arn).send().await.expect("deleted");
    });
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stdout.contains("Drift: 2 resources"), "{ran:?}");
    assert_eq!(
        document(&place.run("drift --format json"))["steps"][1]["because"],
        serde_json::json!([{ "cause": "missing" }])
    );
    let ran = place.run("drift --missing-ok --format json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(missing_of(&ran), both);
}

#[test]
fn a_resource_that_is_not_adopted_or_renamed_yet_is_pending_and_not_drift() {
    let document = |kind: &str, metadata: &str, spec: &str| {
        format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ {metadata} }}\nspec: {spec}\n"
        )
    };
    let place = Place::new();
    place.write("all.yaml", &document("Channel", "name: main", "{}"));
    assert_eq!(place.run("apply --yes").code, Some(0));
    // AWS made a stream key with the managed channel and another with the channel that was made by hand.
    let by_hand = by_hand(&place, async |account| {
        let made = account.aws.ivs.create_channel().name("by-hand").send().await.expect("made");
        made.channel.and_then(|it| it.arn).expect("an ARN")
    });
    let foreign = format!("{{ channel: \"{by_hand}\" }}");
    let text = [
        document("Channel", "name: studio, previousNames: [main]", "{}"),
        document("StreamKey", "name: encoder", "{ channel: studio }"),
        document("StreamKey", "name: other", &foreign),
    ];
    place.write("all.yaml", &text.concat());
    let ran = place.run("drift");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("No drift: 0 unchanged"), "{ran:?}");
    assert!(
        ran.stdout.contains(
            "\n1 differs because its manifest changed: see `ivs-apply plan`\n\
             2 exist and are not adopted yet: see `ivs-apply plan`\n"
        ),
        "{ran:?}"
    );
    let mut told = crate::binary::document(&place.run("drift --format json"))["notDrift"].take();
    told["pending"].as_array_mut().expect("a list").sort_by_key(ToString::to_string);
    let pending = ["Channel/studio", "StreamKey/encoder", "StreamKey/other"];
    assert_eq!(told, serde_json::json!({ "pending": pending, "missing": [] }));
    let ran = place.run("apply --yes");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = place.run("drift");
    assert!(ran.stdout.ends_with("\nNo drift: 3 unchanged\n"), "{ran:?}");
}

#[test]
fn a_first_drift_of_every_example_names_every_resource_and_is_no_drift() {
    for (name, declared) in
        [("ads", 3), ("broadcast", 6), ("private-playback", 4), ("quickstart", 3), ("real-time", 6)]
    {
        let folder = crate::golden::root().join("examples").join(name);
        let place = Place::new();
        let ran = place.run(&format!("drift -f {}", folder.display()));
        assert_eq!(ran.code, Some(0), "{name}: {ran:?}");
        let told = format!("\n{declared} declared and missing");
        assert!(ran.stdout.contains(&told), "{name}: {ran:?}");
    }
}
