//! A plan that was saved is done as it was approved, or not at all.

use crate::account::{Account, settings};
use crate::binary::{KEYS, Place, Ran, Served, document, ivs_apply, run};
use ivs_apply::aws::{Sorted, Target};
use ivs_apply::emulator::{Emulator, Settings};
use ivs_apply::engine::connect;
use serde_json::Value;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

const MANIFESTS: &str = "apiVersion: ivs-apply.dev/v1
kind: RecordingConfiguration
metadata: { name: archive }
spec: { destinationConfiguration: { s3: { bucketName: an-archive } } }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: { recordingConfiguration: archive, tags: { tier: gold } }
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: main }
spec: { channel: main }
";

/// Changes a test's emulated account between two runs, as a user would in the console.
pub(crate) fn by_hand<T>(place: &Place, work: impl AsyncFnOnce(&Account) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let file = place.folder.path().join(".ivs-apply/emulator.json");
        let emulator = Emulator::open(&file, settings()).expect("the account is free");
        let target = Target { in_process: Some(emulator.http_client()), ..Target::default() };
        let aws = connect(&target).await.expect("an emulated account needs no configuration");
        let account = Account { emulator, aws };
        let done = work(&account).await;
        account.emulator.close().expect("kept");
        done
    })
}

/// The only channel there is.
async fn channel(account: &Account) -> String {
    let listed = account.aws.ivs.list_channels().send().await.sorted("ListChannels");
    listed.expect("listed").channels[0].arn.clone().expect("an ARN")
}

fn rename_by_hand(place: &Place) {
    by_hand(place, async |account| {
        let arn = channel(account).await;
        let update = account.aws.ivs.update_channel().arn(arn).name("by-hand").send().await;
        update.sorted("UpdateChannel").expect("updated");
    });
}

/// A stack that is applied, a change of its manifests, and the plan of that change saved.
fn approved(changed: &str) -> (Place, PathBuf) {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    assert_eq!(place.run("apply --yes").code, Some(0));
    place.write("all.yaml", changed);
    let ran = place.run("plan --out plan.json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("apply plan.json"), "{ran:?}");
    let file = place.folder.path().join("plan.json");
    (place, file)
}

fn normal() -> String {
    MANIFESTS.replace("tags: { tier: gold }", "latencyMode: NORMAL, tags: { tier: gold }")
}

#[track_caller]
fn stale(ran: &Ran, because: &str) {
    assert_eq!(ran.code, Some(5), "{ran:?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains(because), "{because}: {ran:?}");
    assert!(said.contains("nothing was written"), "{ran:?}");
}

/// Whether the account is as `manifests` say.
fn is_as(place: &Place, manifests: &str) -> bool {
    place.write("all.yaml", manifests);
    place.run("plan --detailed-exitcode").code == Some(0)
}

#[test]
fn an_approved_plan_is_done_without_a_question_and_is_stale_after_that() {
    let (place, _) = approved(&normal());
    let done = place.run("apply plan.json");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("1 done"), "{done:?}");
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(0));
    stale(&place.run("apply plan.json"), "approved, but not in the current plan");
}

#[test]
fn a_plan_of_nothing_can_be_saved_and_applied() {
    let (place, _) = approved(MANIFESTS);
    let done = place.run("apply plan.json");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("No changes"), "{done:?}");
}

#[test]
fn a_plan_is_saved_for_its_owner_alone_and_without_secrets() {
    let (place, file) = approved(&MANIFESTS.replace("channel: main", "channel: main, rotation: b"));
    let mode = file.metadata().expect("saved").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).expect("readable");
    let state = std::fs::read_to_string(place.folder.path().join(".ivs-apply/emulator.json"));
    let state = state.expect("kept");
    assert!(state.contains("sk_emulator") && text.contains("StreamKey/main"));
    assert!(!text.contains("sk_emulator"), "{text}");
    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/plan.json")).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a valid schema");
    let saved: Value = serde_json::from_str(&text).expect("JSON");
    let errors: Vec<String> = validator.iter_errors(&saved).map(|it| it.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert!(!validator.is_valid(&serde_json::json!({ "kind": "Plan" })), "it refuses something");
    // The same plan is the same file.
    assert_eq!(place.run("plan --out plan.json").code, Some(0));
    assert_eq!(std::fs::read_to_string(&file).expect("readable"), text);
}

#[test]
fn a_change_of_the_object_by_hand_makes_a_plan_stale() {
    let (place, _) = approved(&normal());
    rename_by_hand(&place);
    let ran = place.run("apply plan.json");
    stale(&ran, "the object was changed since it was approved");
    assert!(ran.stdout.contains("spec.name"), "it says what would be done now: {ran:?}");
    let told = place.run("apply plan.json --format json");
    assert_eq!(told.code, Some(5));
    let document = document(&told);
    let differences = document["differences"].as_array().expect("a list");
    let of = |reason: &str| differences.iter().find(|it| it["reason"] == reason).expect(reason);
    let object = of("ObjectChanged");
    assert_eq!(object["step"]["address"], "Channel/main", "{object}");
    assert!(ran.stdout.contains(object["message"].as_str().expect("a text")), "{object}");
    let field = of("FieldChanged");
    assert_eq!((&field["path"], &field["approved"]), (&"spec.name".into(), &Value::Null));
    assert!(field["now"]["before"].is_string() && field["now"]["after"].is_string(), "{field}");
    assert!(!is_as(&place, MANIFESTS), "the change by hand is still there");
}

#[test]
fn a_change_of_a_tag_that_no_field_shows_makes_a_plan_stale() {
    let (place, _) = approved(&normal());
    by_hand(&place, async |account| {
        let arn = channel(account).await;
        let tags = account.aws.ivs.list_tags_for_resource().resource_arn(&arn).send().await;
        let tags = tags.sorted("ListTagsForResource").expect("the tags");
        let record = &tags.tags["ivs-apply:record"];
        let (digest, _) = record.split_once(" op=").expect("a create attempt");
        let another = format!("{digest} op=01ARZ3NDEKTSV4RRFFQ69G5FAV");
        let tag = account.aws.ivs.tag_resource().resource_arn(arn);
        let tag = tag.tags("ivs-apply:record", another);
        tag.send().await.sorted("TagResource").expect("tagged");
    });
    stale(&place.run("apply plan.json"), "the object was changed since it was approved");
}

#[test]
fn an_object_made_again_under_the_same_name_is_not_the_one_that_was_approved() {
    let (place, _) = approved(&normal());
    by_hand(&place, async |account| {
        let arn = channel(account).await;
        account.aws.ivs.delete_channel().arn(arn).send().await.sorted("DeleteChannel").expect("ok");
    });
    let ran = place.run("apply plan.json");
    stale(&ran, "in the current plan, but not approved");
    assert!(ran.stdout.contains("create Channel/main"), "{ran:?}");
}

#[test]
fn an_audience_that_appears_after_the_approval_is_not_cut_off() {
    let consent = normal().replace(
        "spec: { recordingConfiguration",
        "lifecycle: { onLive: interrupt }\nspec: { recordingConfiguration",
    );
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    assert_eq!(place.run("apply --yes").code, Some(0));
    place.write("all.yaml", &consent);
    let saved = place.run("plan --out plan.json --allow-live Channel/main");
    assert_eq!(saved.code, Some(0), "{saved:?}");
    by_hand(&place, async |account| {
        let body = serde_json::json!({ "channelArn": channel(account).await, "viewerCount": 7 });
        account.control("POST", "/_emulator/streams", body);
    });
    stale(
        &place.run("apply plan.json"),
        "`decision` was approved as \"do\", and is \"interrupt\" now",
    );
    // Saved with the audience in sight, it is done.
    assert_eq!(place.run("plan --out plan.json --allow-live Channel/main").code, Some(0));
    let done = place.run("apply plan.json");
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn a_change_of_the_manifests_makes_a_plan_stale() {
    let (place, _) = approved(&normal());
    place.write("all.yaml", &normal().replace("tier: gold", "tier: silver"));
    let ran = place.run("apply plan.json");
    stale(
        &ran,
        "`spec.tags.tier`: \"gold\" -> \"silver\" is in the current plan, but was not approved",
    );
    place.write(
        "more.yaml",
        "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: more }\nspec: {}\n",
    );
    stale(
        &place.run("apply plan.json"),
        "create Stage/more: in the current plan, but not approved",
    );
    std::fs::remove_file(place.folder.path().join("manifests/more.yaml")).expect("there");
    assert!(is_as(&place, MANIFESTS), "nothing was written");
}

#[test]
fn an_edited_or_broken_plan_is_refused() {
    let (place, file) = approved(&normal());
    let good = std::fs::read_to_string(&file).expect("readable");
    for (text, because) in [
        (good.replace("\"NORMAL\"", "\"LOW\""), "was changed since it was saved"),
        (good.replace("\"prune\": null", "\"prune\": true"), "was changed since it was saved"),
        (good[..good.len() / 2].to_owned(), "is not a saved plan, or not a whole one"),
        (String::new(), "is not a saved plan"),
        (
            good.replace(env!("CARGO_PKG_VERSION"), "0.0.1"),
            "was saved by version 0.0.1 of the program",
        ),
    ] {
        assert_ne!(text, good);
        std::fs::write(&file, text).expect("writable");
        stale(&place.run("apply plan.json"), because);
    }
    std::fs::write(&file, b"\xff\xfe{}").expect("writable");
    stale(&place.run("apply plan.json"), "is UTF-16");
    assert_eq!(place.run("apply no-such-plan.json").code, Some(1));
    let dash = place.run("plan --out -");
    assert_eq!(dash.code, Some(1));
    assert!(dash.stderr.contains("`-` is no file"), "{dash:?}");
    assert!(is_as(&place, MANIFESTS), "nothing was written");
}

#[test]
fn the_json_of_a_plan_is_said_to_be_no_saved_plan() {
    let place = Place::new();
    place.write("all.yaml", &normal());
    for (words, command) in [("plan --format json", "plan"), ("drift --format json", "drift")] {
        let printed = place.run(words).stdout;
        std::fs::write(place.folder.path().join("plan.json"), printed).expect("writable");
        for reader in ["show plan.json", "apply plan.json"] {
            let ran = place.run(reader);
            let said = format!("`plan.json` is what `{command} --format json` printed");
            assert_eq!(ran.code, Some(1), "{reader}: {ran:?}");
            assert!(
                ran.stderr.contains(&said) && ran.stderr.contains("`plan --out FILE`"),
                "{ran:?}"
            );
        }
    }
}

#[test]
fn a_plan_of_another_account_region_or_stack_is_stale() {
    let (place, _) = approved(&normal());
    let other = place.folder.path().join("other.json");
    let another = Settings { account: "111111111111".to_owned(), ..settings() };
    Emulator::open(&other, another).expect("an empty account").close().expect("kept");
    let mut command = place.command("apply plan.json");
    let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    assert_eq!(words.last().expect("words"), "--emulator");
    command = crate::binary::ivs_apply(place.folder.path());
    command.current_dir(place.folder.path()).args(&words[..words.len() - 1]);
    let elsewhere = crate::binary::run(command.arg("--emulator=other.json"));
    stale(&elsewhere, "`account` was approved as \"000000000000\", and is \"111111111111\" now");
    stale(&place.run("apply plan.json --stack other"), "`stack` was approved as \"default\"");
    stale(
        &place.run("apply plan.json --region eu-west-1"),
        "`region` was approved as \"us-west-2\"",
    );
}

#[test]
fn a_plan_is_applied_under_the_flags_it_was_saved_with() {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    assert_eq!(place.run("apply --yes").code, Some(0));
    let channel_alone = MANIFESTS.split("---\n").nth(1).expect("the channel");
    let pruned = channel_alone.replace("recordingConfiguration: archive, ", "");
    place.write("all.yaml", &pruned);
    let saved = place.run("plan --prune --out plan.json");
    assert!(saved.stdout.contains("1 to delete"), "{saved:?}");
    for (words, flag) in [
        ("apply plan.json --prune=false", "--prune"),
        ("apply plan.json --allow-live Channel/main", "--allow-live"),
        ("apply plan.json --refresh full", "--refresh"),
    ] {
        let ran = place.run(words);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains(&format!("`{flag}` differs from the flags")), "{ran:?}");
    }
    let done = place.run("apply plan.json --prune");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(is_as(&place, &pruned));
    assert!(place.run("export").stdout.contains("kind: Channel"));
    assert!(!place.run("export").stdout.contains("RecordingConfiguration"), "pruned as approved");
}

#[test]
fn many_deletes_need_their_number_when_the_plan_is_saved_or_applied() {
    let stages = |names: std::ops::Range<usize>| {
        let stage = |it| {
            format!(
                "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: s{it} }}\nspec: {{}}\n"
            )
        };
        names.map(stage).collect::<Vec<_>>().join("---\n")
    };
    let place = Place::new();
    place.write("all.yaml", &stages(0..8));
    assert_eq!(place.run("apply --yes").code, Some(0));
    place.write("all.yaml", &stages(0..1));
    assert_eq!(place.run("plan --prune --out plan.json").code, Some(0));
    let refused = place.run("apply plan.json");
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains("--confirm-deletes 7"), "{refused:?}");
    assert_eq!(place.run("plan --prune --out plan.json --confirm-deletes 7").code, Some(0));
    let conflict = place.run("apply plan.json --confirm-deletes 6");
    assert_eq!(conflict.code, Some(1), "{conflict:?}");
    assert_eq!(place.run("apply plan.json").code, Some(0));
    assert_eq!(place.run("plan --confirm-deletes 7").code, Some(0), "done already");
}

#[test]
fn a_plan_is_never_saved_over_something_else() {
    let (place, file) = approved(&normal());
    let manifest = place.folder.path().join("manifests/all.yaml");
    let before = std::fs::read_to_string(&manifest).expect("readable");
    let ran = place.run("plan --out manifests/all.yaml");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("is not a saved plan, so it is not overwritten"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&manifest).expect("readable"), before);
    symlink("elsewhere.json", place.folder.path().join("link.json")).expect("linked");
    let ran = place.run("plan --out link.json");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("is a link"), "{ran:?}");
    assert!(!place.folder.path().join("elsewhere.json").exists());
    // Nor is one read through a link.
    std::fs::rename(&file, place.folder.path().join("real.json")).expect("moved");
    symlink("real.json", &file).expect("linked");
    assert_eq!(place.run("apply plan.json").code, Some(1));
}

#[test]
fn what_is_blocked_is_not_saved() {
    let place = Place::new();
    let protected = MANIFESTS
        .replace("spec: { destination", "lifecycle: { protect: true }\nspec: { destination");
    place.write("all.yaml", &protected);
    assert_eq!(place.run("apply --yes").code, Some(0));
    place.write("all.yaml", &protected.replace("an-archive", "another-archive"));
    let ran = place.run("plan --out plan.json");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stderr.contains("not saved"), "{ran:?}");
    assert!(!place.folder.path().join("plan.json").exists());
}

#[test]
fn a_saved_plan_among_the_manifests_is_not_taken_for_one() {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    let saved = place.run("plan --out manifests/plan.json");
    assert_eq!(saved.code, Some(0), "{saved:?}");
    let again = place.run("plan --out manifests/plan.json");
    assert_eq!(again.code, Some(0), "{again:?}");
    let done = place.run("apply manifests/plan.json");
    assert_eq!(done.code, Some(0), "{done:?}");
    std::fs::remove_file(place.folder.path().join("manifests/all.yaml")).expect("there");
    let none = place.run("apply --yes --prune");
    assert_eq!(none.code, Some(1), "a saved plan alone is no set of manifests: {none:?}");
}

/// Runs the program with nothing but these words, in this folder.
fn plainly(place: &Place, folder: &std::path::Path, words: &[&str]) -> Ran {
    run(ivs_apply(place.folder.path()).current_dir(folder).args(words))
}

#[test]
fn a_saved_plan_is_applied_from_any_folder_without_a_further_flag() {
    let (place, file) = approved(&normal());
    let elsewhere = tempfile::tempdir().expect("a folder");
    let done = plainly(&place, elsewhere.path(), &["apply", &file.to_string_lossy()]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("1 done"), "{done:?}");
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(0), "the account was changed");
    assert!(!elsewhere.path().join(".ivs-apply").exists(), "and no other");
}

#[test]
fn the_printed_command_for_a_saved_plan_works_when_pasted() {
    let place = Place::new();
    std::fs::create_dir(place.folder.path().join("my manifests")).expect("writable");
    std::fs::write(place.folder.path().join("my manifests/all.yaml"), MANIFESTS).expect("writable");
    let words =
        ["plan", "--region", "eu-west-1", "--emulator=it's here.json", "-f", "my manifests"];
    let out = ["--stack", "pasted", "--only", "Channel/*", "--out", "my plan's.json"];
    let saved = plainly(&place, place.folder.path(), &[&words[..], &out].concat());
    assert_eq!(saved.code, Some(0), "{saved:?}");
    let told = saved.stderr.split('`').nth(1).expect("a command").to_owned();
    let ran = run(std::process::Command::new("sh")
        .args(["-c", &told])
        .env_clear()
        .env("HOME", place.folder.path())
        .current_dir(place.folder.path()));
    assert_eq!(ran.code, Some(0), "{told}: {ran:?}");
    assert!(ran.stdout.contains("stack `pasted` in eu-west-1"), "{ran:?}");
    assert!(ran.stdout.contains("2 done"), "{ran:?}");
}

#[test]
fn a_saved_plan_whose_manifests_are_gone_says_which_command_names_them() {
    let (place, file) = approved(&normal());
    std::fs::rename(place.folder.path().join("manifests"), place.folder.path().join("moved"))
        .expect("writable");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let file = file.to_string_lossy();
    let lost = plainly(&place, elsewhere.path(), &["apply", &file]);
    assert_eq!(lost.code, Some(1), "{lost:?}");
    assert!(lost.stderr.contains("-f PATH`"), "{lost:?}");
    let moved = place.folder.path().join("moved");
    let words = ["apply", &file, "-f", &moved.to_string_lossy()];
    let done = plainly(&place, elsewhere.path(), &words);
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn a_plan_of_manifests_from_standard_input_says_that_they_are_needed_again() {
    let place = Place::new();
    let with = |words: &[&str]| {
        let mut child = ivs_apply(place.folder.path())
            .current_dir(place.folder.path())
            .args(words)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("the program starts");
        let text = MANIFESTS.as_bytes();
        std::io::Write::write_all(&mut child.stdin.take().expect("piped"), text).expect("read");
        let output = child.wait_with_output().expect("the program ends");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = with(&["plan", "--emulator", "-f", "-", "--out", "p.json"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("apply p.json -f -`"), "{said}");
    let without = plainly(&place, place.folder.path(), &["apply", "p.json"]);
    assert_eq!(without.code, Some(1), "{without:?}");
    assert!(without.stderr.contains("apply p.json -f -`"), "{without:?}");
    let (code, said) = with(&["apply", "p.json", "-f", "-"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_saved_plan_is_shown_in_text_in_json_and_in_markdown() {
    let (place, file) = approved(&normal());
    let elsewhere = tempfile::tempdir().expect("a folder");
    let file = file.to_string_lossy().into_owned();
    let show = |format: &str| {
        let ran = plainly(&place, elsewhere.path(), &["show", &file, "--format", format]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran
    };
    let text = show("text").stdout;
    for part in [
        "Saved plan for stack `default` in us-west-2 at endpoint emulator",
        "Account 000000000000",
        "Channel/main  update: ",
        "spec.latencyMode: \"LOW\" -> \"NORMAL\"",
        "1 step",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let told = document(&show("json"));
    assert_eq!((&told["command"], &told["status"]), (&"show".into(), &"changes".into()));
    assert_eq!(told["plan"]["steps"][0]["address"], "Channel/main");
    let markdown = show("markdown").stdout;
    assert!(markdown.contains("\n### Saved plan for stack `default`"), "{markdown}");
    assert!(markdown.contains("- `Channel/main` **update**: "), "{markdown}");
    // What was tampered with is not shown as if it had been saved so.
    let saved = std::fs::read_to_string(&file).expect("readable");
    std::fs::write(&file, saved.replace("\"NORMAL\"", "\"LOW\"")).expect("writable");
    let ran = plainly(&place, elsewhere.path(), &["show", &file]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.stderr.contains("was changed since it was saved"), "{ran:?}");
}

/// A stack, and a change of it that has a step of every action, some cutting off an audience and some deferred.
fn every_action() -> Place {
    let document = |kind: &str, metadata: &str, spec: &str, more: &str| {
        format!(
            "apiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ {metadata} }}\nspec: {spec}\n{more}---\n"
        )
    };
    let channel = |name: &str, spec: &str, more: &str| {
        document("Channel", &format!("name: {name}"), spec, more)
    };
    let archive = |bucket: &str| {
        let spec = format!("{{ destinationConfiguration: {{ s3: {{ bucketName: {bucket} }} }} }}");
        document("RecordingConfiguration", "name: archive", &spec, "")
    };
    let interrupt = "lifecycle: { onLive: interrupt }\n";
    let before = [
        archive("an-archive"),
        channel("changed", "{}", ""),
        channel("live", "{}", ""),
        channel("cut", "{}", interrupt),
        document("Stage", "name: before", "{}", ""),
        document("Stage", "name: deleted", "{}", ""),
    ];
    let place = Place::new();
    place.write("all.yaml", &before.concat());
    assert_eq!(place.run("apply --yes").code, Some(0));
    let foreign = by_hand(&place, async |account| {
        for channel in account.aws.ivs.list_channels().send().await.expect("listed").channels {
            if ["live", "cut"].contains(&channel.name.as_deref().unwrap_or_default()) {
                let body = serde_json::json!({ "channelArn": channel.arn, "viewerCount": 7 });
                account.control("POST", "/_emulator/streams", body);
            }
        }
        let made = account.aws.realtime.create_stage().name("by-hand").send().await;
        made.expect("created").stage.expect("a stage").arn
    });
    let after = [
        archive("another-archive"),
        channel("changed", "{ latencyMode: NORMAL }", ""),
        channel("live", "{ latencyMode: NORMAL }", ""),
        channel("cut", "{ latencyMode: NORMAL }", interrupt),
        channel("new", "{}", ""),
        document("StreamKey", "name: new", "{ channel: new }", ""),
        document("StreamKey", "name: changed", "{ channel: changed }", ""),
        document("Stage", "name: after, previousNames: [before]", "{}", ""),
        document(
            "Stage",
            "name: by-hand",
            "{}",
            &format!("lifecycle: {{ adopt: \"{foreign}\" }}\n"),
        ),
    ];
    place.write("all.yaml", &after.concat());
    place
}

#[test]
fn what_is_shown_of_each_step_of_a_saved_plan_is_what_the_plan_said() {
    let place = every_action();
    let plan = |more: &str| {
        let ran = place.run(&format!("plan --prune --allow-live Channel/cut {more}"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    let show = |format: &str| {
        let ran = plainly(&place, place.folder.path(), &["show", "p.json", "--format", format]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    let planned = plan("--out p.json");
    let shown = show("text");
    // The plan also has a sign before each step and its place in a manifest behind it.
    let step = regex::Regex::new(
        r"(?m)^ *\S{1,3} ([A-Z]\w+/\S+)  +([a-z].*?)(?:  manifests/\S+)?\n((?:      .*\n)*)",
    );
    let steps: Vec<_> = step.expect("a pattern").captures_iter(&planned).collect();
    let mut actions = std::collections::BTreeSet::new();
    for step in &steps {
        let [_, address, said, details] =
            [0, 1, 2, 3].map(|it| step.get(it).expect("there").as_str());
        assert!(shown.contains(&format!("\n  {address}  {said}\n")), "{address}  {said}: {shown}");
        actions.insert(said.split(':').next().expect("an action"));
        // Why it is not done, and what is lost, stand first.
        let deferred = said.starts_with("update deferred");
        let told = details.lines().map(str::trim);
        for line in told.clone().take(usize::from(deferred)) {
            assert!(shown.contains(&format!("      {line}\n")), "{line}: {shown}");
        }
        for line in told.filter(|it| it.starts_with("note: ")) {
            assert!(shown.contains(&format!("      {line}\n")), "{line}: {shown}");
        }
    }
    let every = [
        "adopt",
        "create",
        "delete",
        "rename",
        "replace",
        "update",
        "update deferred",
        "update, cutting off its audience",
    ];
    assert_eq!(Vec::from_iter(actions), every, "{planned}");
    // A spec is shown of what the run makes, and not of an object that only gets tags.
    assert!(shown.contains("\n      + channel: new\n"), "{shown}");
    assert!(!shown.contains("+ name: before") && !shown.contains("+ name: by-hand"), "{shown}");
    for reason in ["live: 7 viewers", "AWS creates it together with its channel", "already exists"]
    {
        assert!(planned.contains(reason) && shown.contains(reason), "{reason}: {shown}");
    }
    let (planned, shown) = (plan("--format markdown"), show("markdown"));
    let told = planned.lines().filter(|it| it.contains("** ") || it.contains("**: "));
    let told: Vec<&str> = told.filter(|it| it.starts_with("- `")).collect();
    assert_eq!(told.len(), steps.len(), "{planned}");
    for line in told {
        assert!(shown.contains(&format!("{line}\n")), "{line}: {shown}");
    }
}

#[test]
fn more_viewers_of_what_is_deferred_make_no_plan_stale() {
    let place = every_action();
    let planned = place.run("plan --prune --allow-live Channel/cut --out p.json");
    assert_eq!(planned.code, Some(0), "{planned:?}");
    by_hand(&place, async |account| {
        for channel in account.aws.ivs.list_channels().send().await.expect("listed").channels {
            if channel.name.as_deref() == Some("live") {
                let body = serde_json::json!({ "channelArn": channel.arn, "viewerCount": 8 });
                account.control("POST", "/_emulator/streams", body);
            }
        }
    });
    let done = plainly(&place, place.folder.path(), &["apply", "p.json"]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// The program with credentials and these further variables, and with nothing but these words.
fn signed(place: &Place, folder: &std::path::Path, more: &[(&str, &str)], words: &[&str]) -> Ran {
    let keys = KEYS;
    let mut command = ivs_apply(place.folder.path());
    command.envs(keys).envs(more.iter().copied());
    run(command.current_dir(folder).args(words))
}

/// The command that a run tells after it has saved a plan, pasted into a shell with credentials only.
fn pasted(place: &Place, saved: &Ran) -> (String, Ran) {
    let line = saved.stderr.lines().find(|it| it.starts_with("saved: ")).expect("told");
    let told = line.split('`').nth(1).expect("a command").to_owned();
    let ran = run(std::process::Command::new("sh")
        .args(["-c", &told])
        .env_clear()
        .env("HOME", place.folder.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(KEYS)
        .current_dir(place.folder.path()));
    (told, ran)
}

const AT_ENDPOINT: [&str; 7] =
    ["plan", "-f", "manifests", "--region", "us-west-2", "--out", "plan.json"];

#[test]
fn a_plan_made_at_an_endpoint_of_the_environment_is_applied_there_or_says_how() {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    let served = Served::start(place.folder.path(), &[]);
    let url = served.url.as_str();
    let here = place.folder.path();
    let at = [("AWS_ENDPOINT_URL", url)];
    let saved = signed(&place, here, &at, &AT_ENDPOINT);
    assert_eq!(saved.code, Some(0), "{saved:?}");
    assert!(saved.stderr.contains(&format!(" --endpoint-url {url}` applies it")), "{saved:?}");

    // Without the variable, from another folder: nothing is opened, and the command that works is told.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let file = here.join("plan.json").to_string_lossy().into_owned();
    for (variables, now) in [
        (&[][..], "the endpoints of AWS"),
        (
            &[("AWS_ENDPOINT_URL", "http://127.0.0.1:9/x?token=secret")][..],
            "endpoint `http://127.0.0.1:9/x`",
        ),
    ] {
        let refused = signed(&place, elsewhere.path(), variables, &["apply", &file]);
        assert_eq!(refused.code, Some(5), "{refused:?}");
        let why = format!("the plan was made at endpoint `{url}`, and this run would use {now}");
        assert!(refused.stderr.contains(&why), "{refused:?}");
        let how = format!(" apply {file} --endpoint-url {url}`");
        assert!(refused.stderr.contains(&how), "{refused:?}");
        assert!(!refused.stderr.contains("secret"), "{refused:?}");
    }

    let manifests = here.join("manifests").to_string_lossy().into_owned();
    let words = ["apply", &file, "-f", &manifests];
    let refused = signed(&place, elsewhere.path(), &[], &words);
    let how = format!(" apply {file} --endpoint-url {url} -f {manifests}`");
    assert!(refused.stderr.contains(&how), "{refused:?}");

    // With the variable, from another folder, nothing more is needed.
    let shown = signed(&place, elsewhere.path(), &at, &["apply", &file]);
    assert_eq!(shown.code, Some(0), "{shown:?}");

    let saved = signed(&place, here, &at, &AT_ENDPOINT);
    let (told, ran) = pasted(&place, &saved);
    assert_eq!(ran.code, Some(0), "{told}: {ran:?}");
    assert!(ran.stdout.contains("No changes"), "{ran:?}");
}

#[test]
fn a_plan_made_at_an_endpoint_of_a_profile_is_applied_by_the_printed_command() {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    let served = Served::start(place.folder.path(), &[]);
    let here = place.folder.path();
    std::fs::create_dir(here.join(".aws")).expect("writable");
    let profile = format!("[profile local]\nendpoint_url = {}\n", served.url);
    std::fs::write(here.join(".aws/config"), profile).expect("writable");
    let saved = signed(&place, here, &[("AWS_PROFILE", "local")], &AT_ENDPOINT);
    assert_eq!(saved.code, Some(0), "{saved:?}");
    let (told, ran) = pasted(&place, &saved);
    assert_eq!(ran.code, Some(0), "{told}: {ran:?}");
    assert!(ran.stdout.contains("3 done"), "{ran:?}");
}

#[test]
fn a_plan_made_at_endpoints_of_single_services_is_applied_by_the_printed_command() {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    let served = Served::start(place.folder.path(), &[]);
    let slash = format!("{}/", served.url);
    let names = ["AWS_ENDPOINT_URL_IVS", "AWS_ENDPOINT_URL_IVS_REALTIME", "AWS_ENDPOINT_URL_STS"];
    let at = [(names[0], served.url.as_str()), (names[1], &slash), (names[2], &slash)];
    let here = place.folder.path();
    let saved = signed(&place, here, &at, &AT_ENDPOINT);
    assert_eq!(saved.code, Some(0), "{saved:?}");
    let refused = signed(&place, here, &[], &["apply", "plan.json"]);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(names.iter().all(|it| refused.stderr.contains(it)), "{refused:?}");
    let (told, ran) = pasted(&place, &saved);
    assert_eq!(ran.code, Some(0), "{told}: {ran:?}");
    assert!(ran.stdout.contains("3 done"), "{ran:?}");
}

#[test]
fn a_plan_made_at_the_emulator_is_not_applied_at_an_endpoint_and_the_reverse() {
    let (place, _) = approved(&normal());
    let here = place.folder.path();
    let pasted = |variable: (&str, &str), refused: &Ran| {
        let told = refused.stderr.split('`').find(|it| it.contains(" apply ")).expect("a command");
        let mut shell = std::process::Command::new("sh");
        let shell = shell.args(["-c", told]).env_clear().env("HOME", here).current_dir(here);
        let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), variable];
        run(shell.envs(keys))
    };
    let variable = ("IVS_APPLY_ENDPOINT_URL", "http://127.0.0.1:9");
    let refused = signed(&place, here, &[variable], &["apply", "plan.json"]);
    let why = "made at the emulator, and this run would use endpoint `http://127.0.0.1:9`";
    stale(&refused, why);
    let done = pasted(variable, &refused);
    assert_eq!(done.code, Some(0), "{refused:?}: {done:?}");
    assert!(done.stdout.contains("1 done"), "{done:?}");

    let served = Served::start(here, &[]);
    let saved = signed(&place, here, &[("AWS_ENDPOINT_URL", &served.url)], &AT_ENDPOINT);
    assert_eq!(saved.code, Some(0), "{saved:?}");
    let variable = ("IVS_APPLY_EMULATOR", "true");
    let refused = signed(&place, here, &[variable], &["apply", "plan.json"]);
    let why = format!("made at endpoint `{}`, and this run would use the emulator", served.url);
    stale(&refused, &why);
    let done = pasted(variable, &refused);
    assert_eq!(done.code, Some(0), "{refused:?}: {done:?}");
    assert!(done.stdout.contains("3 done"), "{done:?}");
}

#[test]
fn an_endpoint_with_a_password_or_a_query_is_neither_saved_nor_printed() {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    let served = Served::start(place.folder.path(), &[]);
    let here = place.folder.path();
    let url = served.url.replace("http://", "http://user:secret@");
    for (variables, words) in [
        (&[("AWS_ENDPOINT_URL", url.as_str())][..], &[][..]),
        (&[][..], &["--endpoint-url", url.as_str()][..]),
    ] {
        let saved = signed(&place, here, variables, &[&AT_ENDPOINT[..], words].concat());
        assert_eq!(saved.code, Some(0), "{saved:?}");
        let text = std::fs::read_to_string(here.join("plan.json")).expect("saved");
        assert!(!text.contains("secret") && !saved.stderr.contains("secret"), "{text} {saved:?}");
        assert!(saved.stderr.contains(" apply plan.json --endpoint-url URL`"), "{saved:?}");
        assert!(saved.stderr.contains("`URL` is the full address of the endpoint"), "{saved:?}");
        let refused = signed(&place, here, &[], &["apply", "plan.json"]);
        assert_eq!(refused.code, Some(5), "{refused:?}");
        assert!(refused.stderr.contains(&served.url), "{refused:?}");
    }
    let query = format!("{}/?token=secret", served.url);
    let saved = signed(&place, here, &[("IVS_APPLY_ENDPOINT_URL", &query)], &AT_ENDPOINT);
    let text = std::fs::read_to_string(here.join("plan.json")).expect("saved");
    assert!(!text.contains("secret") && !saved.stderr.contains("secret"), "{text} {saved:?}");
}
