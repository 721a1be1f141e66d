//! Scenarios: each folder of `tests/scenarios/` is a sequence of runs and events on one account, recorded in `story.txt`.
//!
//! `1.yaml`, `2.yaml`, … are applied one after another, and then back down to the first: every way must be
//! possible both ways. `N.before.json` holds control requests that come before step N on the way up, and calls
//! of the API itself, `["AWS", "UpdateChannel", {…}]`, for changes by hand; `N.between.json` those
//! that come between its plan and its apply;
//! `policy.json` what the command line allows and selects, `N.policy.json` the same for one step. After each
//! apply the plan is made again and told as well. Where there is an `N.sh`, step N on the way up is what its
//! lines do instead (see [`terminal`]). `$Kind/name` in any of these stands for an ARN.

mod terminal;

use crate::account::{Account, on_paused_time};
use crate::golden;
use ivs_apply::apply::StepStatus;
use ivs_apply::emulator::{Clock, Settings};
use ivs_apply::manifest::{Loaded, load_text};
use ivs_apply::plan::{Plan, Policy, Status, Terms};
use ivs_apply::ui;
use ivs_apply::ui::reason;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(golden::root().join("tests/scenarios"))
        .expect("there are scenarios")
        .map(|it| it.expect("readable").path())
        .filter(|it| it.is_dir())
        .collect();
    folders.sort();
    folders
}

/// Makes a test of each folder: `_061_a_story` is `tests/scenarios/061-a-story`, and `cargo test --test it 061` runs it
/// alone. (A name in Rust cannot start with a digit.)
macro_rules! scenarios {
    ($($name:ident)*) => {
        const LISTED: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                runs_as_recorded(stringify!($name));
            }
        )*
    };
}

scenarios! {
    _001_recording_configuration_replaced
    _002_live_channel_is_left_alone
    _003_live_channel_is_changed_with_consent
    _004_live_channel_refuses
    _005_rename_is_one_tag_change
    _006_orphans_are_pruned_against_their_references
    _007_orphans_stay_without_prune
    _008_composition_sleeps_until_its_stage_is_active
    _009_running_composition_is_not_cut_off
    _010_encoder_replaced_under_a_running_composition_with_consent
    _011_stage_with_a_session_is_not_deleted
    _012_stream_key_is_taken_over_and_rotated
    _013_protected_channel_is_not_deleted
    _014_tags_change_without_an_update
    _015_storage_configuration_replaced_under_a_stage
    _016_everything_goes_and_comes_back
    _017_rename_of_what_others_refer_to
    _018_live_channel_is_renamed_and_its_key_with_it
    _019_replaced_again_before_the_first_replacement_was_over
    _020_the_show_goes_on_when_its_new_encoder_cannot_be_made
    _021_ignored_fields_are_left_as_they_are_found
    _022_composition_on_its_way_out_keeps_its_encoder
    _023_stream_key_moves_to_another_manifest
    _024_feeding_composition_is_not_cut_off_for_its_channel
    _025_composition_restarts_although_its_channel_has_to_wait
    _026_renamed_and_replaced_at_once_while_live
    _027_recording_configuration_changed_twice_during_one_show
    _028_protection_goes_ahead_of_a_change_that_waits
    _029_replication_sleeps_until_its_participant_publishes
    _030_playback_restriction_policy_is_changed_and_let_go
    _031_order_of_ad_configurations_matters
    _032_failover_slate_is_waited_for
    _033_playback_key_is_told_by_its_fingerprint
    _034_public_key_is_replaced_by_deleting_first
    _035_active_ingest_is_not_cut_off
    _036_active_ingest_is_moved_with_consent
    _037_ingest_is_replaced_for_what_cannot_change
    _038_stream_key_goes_to_another_name
    _039_running_replication_is_not_cut_off
    _050_selected_part_brings_what_it_needs
    _051_excluded_part_takes_along_what_needs_it
    _060_replication_is_changed_and_stopped_with_consent
    _061_one_of_three_channels_is_live
    _062_the_show_goes_on_and_the_prune_waits
    _063_composition_is_started_again_after_its_day
    _064_running_composition_is_stopped_with_consent
    _065_drift_and_a_pending_change_are_told_apart
    _066_tags_that_others_look_after
    _067_two_stacks_never_touch_one_object
    _068_protection_is_lifted_before_the_change_it_stood_against
    _069_live_channel_is_deleted_with_consent
    _070_plan_that_cannot_fit_says_so_before_the_first_write
    _071_adopted_by_its_arn
    _072_adopted_and_made_equal
    _073_foreign_owners_are_refused_by_name
    _074_partial_tags_are_ambiguous
    _075_copied_tags_are_ambiguous
    _076_whole_account_is_exported_and_taken_over
    _077_part_of_an_account_is_exported
    _078_saved_plan_is_applied_once
    _079_saved_plan_is_stale_when_the_account_has_changed
    _080_saved_plan_is_stale_when_manifests_or_the_file_have_changed
    _081_empty_manifests_prune_nothing
    _082_many_deletes_need_their_exact_number
    _083_everything_is_destroyed_and_made_again
    _084_outputs_by_name
    _085_permissions_that_a_stack_needs
    _086_drift_tells_first_who_needs_attention
    _087_stranger_that_still_uses_it_is_named
    _088_audience_that_comes_between_plan_and_call
    _089_impact_is_told_in_text_and_in_json
    _090_labels_select_a_part
    _091_storage_configuration_replaced_under_a_running_composition
    _092_what_is_ours_and_cloudformations_is_left_alone
    _093_saved_plan_cuts_off_nobody_who_came_later
    _094_rename_without_previous_names_is_pointed_out
    _100_what_acts_on_foreign_objects_is_refused
}

fn runs_as_recorded(test: &str) {
    let name = test.trim_start_matches('_').replace('_', "-");
    let folder = golden::root().join("tests/scenarios").join(&name);
    let story = on_paused_time(tell(&folder));
    golden::expect(format!("tests/scenarios/{name}/story.txt"), &story);
}

fn names() -> Vec<String> {
    let name = |it: &PathBuf| it.file_name().expect("a folder").to_string_lossy().into_owned();
    folders().iter().map(name).collect()
}

#[test]
fn every_scenario_folder_is_a_test() {
    let listed: Vec<String> = LISTED.iter().map(|it| (*it).to_owned()).collect();
    let expected: Vec<String> =
        names().iter().map(|it| format!("_{}", it.replace('-', "_"))).collect();
    let missing: Vec<&String> = expected.iter().filter(|it| !listed.contains(it)).collect();
    assert!(missing.is_empty(), "add these lines to `scenarios!` in this file: {missing:#?}");
    assert_eq!(listed, expected, "left: `scenarios!`, which has a folder twice or out of order");
}

#[test]
fn ten_scenarios_are_the_reading_order_for_newcomers() {
    let text = std::fs::read_to_string(golden::root().join("tests/scenarios/README.md"));
    let link = regex::Regex::new(r"(?m)^[0-9]+\. \[([0-9]{3})\]\(([^/)]+)/story\.txt\): \S");
    let link = link.expect("a valid pattern");
    let named: Vec<(String, String)> = link
        .captures_iter(&text.expect("readable"))
        .map(|it| (it[1].to_owned(), it[2].to_owned()))
        .collect();
    let different: BTreeSet<&String> = named.iter().map(|(_, folder)| folder).collect();
    assert_eq!(different.len(), 10, "{named:?}");
    let names = names();
    for (number, folder) in &named {
        assert!(names.contains(folder) && folder.starts_with(number), "{number}: {folder}");
    }
}

#[test]
fn every_file_of_a_scenario_is_read() {
    let file = regex::Regex::new(r"^([1-9][0-9]*)\.(yaml|sh|(before|between|policy)\.json)$");
    let file = file.expect("a valid pattern");
    for folder in folders() {
        let steps = steps(&folder);
        for entry in std::fs::read_dir(&folder).expect("readable") {
            let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
            let step = file.captures(&name).map(|it| it[1].parse::<usize>().expect("a number"));
            let read = match step {
                Some(step) => step <= steps,
                None => ["README.md", "story.txt", "policy.json"].contains(&name.as_str()),
            };
            assert!(read, "{} has {name}, which no step reads", folder.display());
        }
    }
}

#[test]
fn every_scenario_is_listed_once_in_the_table() {
    let table = std::fs::read_to_string(golden::root().join("tests/scenarios/README.md"));
    let link = regex::Regex::new(r"\[([0-9]{3})\]\(([^/)]+)/story\.txt\)");
    let link = link.expect("a valid pattern");
    let table = table.expect("readable");
    let rows = table.lines().filter(|it| it.starts_with('|'));
    let links: Vec<_> = rows.flat_map(|row| link.captures_iter(row)).collect();
    assert!(links.iter().all(|it| it[2].starts_with(&it[1])), "a link leads to another folder");
    let mut named: Vec<String> = links.iter().map(|it| it[2].to_owned()).collect();
    named.sort_unstable();
    assert_eq!(named, names(), "left: the table, right: the folders");
}

fn read_json(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn policy(folder: &Path, step: usize, loaded: &Loaded) -> Policy {
    let of_step = read_json(&folder.join(format!("{step}.policy.json")));
    let of_all = || read_json(&folder.join("policy.json"));
    let written = of_step.or_else(of_all).unwrap_or(Value::Null);
    let texts = |flag: &str| -> BTreeSet<String> {
        let texts = written[flag].as_array().into_iter().flatten();
        texts.map(|it| it.as_str().expect("a text").to_owned()).collect()
    };
    let terms = Terms {
        prune: written["prune"].as_bool(),
        allow_live: texts("allowLive"),
        only: texts("only"),
        exclude: texts("exclude"),
        ..Terms::default()
    };
    let selection = terms.selection().expect("patterns");
    let selected =
        (!selection.is_everything()).then(|| selection.of(&loaded.desired).expect("something"));
    terms.policy(loaded.stack.prune, loaded.desired.len(), selected).expect("addresses")
}

/// How many steps a scenario has.
fn steps(folder: &Path) -> usize {
    (1..100).take_while(|step| folder.join(format!("{step}.yaml")).exists()).count()
}

async fn tell(folder: &Path) -> String {
    // A story tells of one set of answers, whatever the other tests run with: the default, or its own requests'.
    let settings = Settings { clock: Clock::Tokio, ..Settings::default() };
    let account = Account::with(settings).await;
    let mut terminal = None;
    let mut ids = BTreeSet::new();
    let mut story = String::new();
    let steps = steps(folder);
    assert!(steps > 0, "{} has no 1.yaml", folder.display());
    let back = (1..steps).rev();
    for (turn, step) in (1..=steps).chain(back).enumerate() {
        let up = turn < steps;
        if up && let Some(before) = read_json(&folder.join(format!("{step}.before.json"))) {
            control(&account, &before, &mut story).await;
        }
        let name = format!("{step}.yaml");
        let text = std::fs::read_to_string(folder.join(&name)).expect("readable");
        let text = with_arns(&account, &text);
        let unnamed = (!text.contains("kind: Stack\n")).then_some("scenario");
        let loaded = load_text(&name, &text, unnamed);
        assert!(!loaded.report.has_errors(), "{}: {:#?}", folder.display(), loaded.report);
        let _ = writeln!(story, "=== {name}\n");
        let policy = policy(folder, step, &loaded);
        account.calls();
        let lines = std::fs::read_to_string(folder.join(format!("{step}.sh"))).ok();
        if let Some(lines) = lines.filter(|_| up) {
            assert!(unnamed.is_none(), "{} needs a Stack document", folder.display());
            let terminal = match &mut terminal {
                Some(terminal) => terminal,
                none => none.insert(terminal::Terminal::on(&account).await),
            };
            terminal.declare(&name, &text);
            terminal.run(&lines, &mut story).await;
            let (_, again) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
            let _ = writeln!(story, "then: {}", ui::plan::sum(&again.summary()));
            there(&account, &mut ids, &mut story);
            continue;
        }
        let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
        let calls = account.calls();
        let header = ui::plan::Header {
            stack: &loaded.stack,
            region: "us-west-2",
            identity: None,
            endpoint: None,
            calls: serde_json::from_value(calls.clone()).expect("counts by operation"),
        };
        let text = ui::plan::text(&plan, &header, &loaded.sources, true);
        let _ = writeln!(story, "{}", anstream::adapter::strip_str(&text));
        let _ = writeln!(story, "calls to plan: {calls}\n");
        if plan.status() == Status::Blocked {
            let _ = writeln!(story, "refused, nothing is written");
            there(&account, &mut ids, &mut story);
            assert!(turn < 2 * steps - 2, "{}: it ends refused", folder.display());
            continue;
        }
        if up && let Some(between) = read_json(&folder.join(format!("{step}.between.json"))) {
            control(&account, &between, &mut story).await;
        }
        let outcome = account.apply(&loaded.stack, &observed, &plan).await;
        told(&plan, &outcome.steps, &mut story);
        crate::run_results::assert_counts_agree(&plan, &outcome);
        let calls = account.calls();
        if outcome.steps.iter().all(|(_, it)| it.is_done()) {
            for (operation, least) in plan.writes() {
                let made = calls[&operation].as_u64().unwrap_or_default();
                assert!(made >= least, "{operation}: {made} of at least {least}:\n{story}");
            }
            let planned = plan.writes();
            for (operation, made) in calls.as_object().into_iter().flatten() {
                // Tags of our own come and go as well: that of a key on its channel, a rotation.
                let others = ["Get", "List", "BatchGet", "TagResource", "UntagResource"];
                let others = others.iter().any(|it| operation.starts_with(it));
                assert!(others || planned.contains_key(operation), "{operation} {made}:\n{story}");
            }
        }
        let _ = writeln!(story, "calls to apply: {calls}\n");
        let (_, again) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
        let _ = writeln!(story, "then: {}", ui::plan::sum(&again.summary()));
        there(&account, &mut ids, &mut story);
        let last = turn == 2 * steps - 2;
        // One run may do what another one waits for: lift the protection of what is to be replaced.
        let doing: Vec<_> =
            plan.steps.iter().filter(|it| it.decision.is_do()).map(|it| &it.address).collect();
        let mut waiting = plan.steps.iter().filter(|it| !it.decision.is_do());
        let in_two_runs = waiting.any(|it| doing.contains(&&it.address));
        assert!(
            !again.has_work()
                || !last && in_two_runs
                || outcome.steps.iter().any(|(_, it)| !it.is_well()),
            "{}:\n{story}",
            folder.display()
        );
    }
    let id = regex::Regex::new(
        "/[A-Za-z0-9]{12}\\b|\\b01[0-9A-Z]{24}\\b|\\bst-[A-Za-z0-9]+|[0-9a-f-]{36}",
    )
    .expect("a valid pattern");
    let story = id.replace_all(&story, "/<id>").into_owned();
    // What the program asks side by side makes other ids each time, and names, tags and URLs have them in too.
    let ids = if terminal.is_some() { ids } else { BTreeSet::new() };
    ids.iter().fold(story, |story, id| story.replace(id, "<id>"))
}

/// A text with the ARN in the place of each `$Kind/name`.
fn with_arns(account: &Account, text: &str) -> String {
    let named = regex::Regex::new(r"\$([A-Z][A-Za-z]+/[A-Za-z0-9._-]+)").expect("a valid pattern");
    named.replace_all(text, |found: &regex::Captures<'_>| arn_of(account, &found[1])).into_owned()
}

/// Carries out control requests, and calls of the API. `"tags": "$Kind/name"` is a copy of that object's tags.
async fn control(account: &Account, requests: &Value, story: &mut String) {
    for request in requests.as_array().expect("a list of requests") {
        let (method, path) =
            (request[0].as_str().expect("a method"), request[1].as_str().expect("a path"));
        let _ = writeln!(story, "--- {method} {path} {}", request[2]);
        let mut body = request[2].clone();
        for (key, value) in body.as_object_mut().into_iter().flatten() {
            let Some(named) = value.as_str().and_then(|it| it.strip_prefix('$')) else { continue };
            *value = match key.as_str() {
                "tags" => object_of(account, named)["object"]["tags"].clone(),
                _ => json!(arn_of(account, named)),
            };
        }
        if method.starts_with("AWS") {
            let path = match path.split_once('$') {
                Some((start, rest)) => {
                    let (named, query) = rest.split_once('?').unwrap_or((rest, ""));
                    let arn = arn_of(account, named).replace(':', "%3A").replace('/', "%2F");
                    format!("{start}{arn}?{query}")
                }
                None => path.to_owned(),
            };
            let method = method.strip_prefix("AWS ").unwrap_or("POST");
            by_hand(account, method, &path, &body).await;
        } else {
            account.control(method, &format!("/_emulator/{path}"), body);
        }
    }
    story.push('\n');
}

/// A call of the API that is not ours.
async fn by_hand(account: &Account, method: &str, operation: &str, body: &Value) {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-west-2/ivs/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={}",
        "0".repeat(64)
    );
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://127.0.0.1/{operation}"))
        .header("authorization", authorization)
        .header("x-amz-date", "20260101T000000Z")
        .body(body.to_string().into_bytes())
        .expect("a request");
    let answer = account.emulator.answer(request).await.expect("an answer");
    let text = String::from_utf8_lossy(answer.body());
    assert!(answer.status().is_success(), "{operation}: {text}");
}

/// Every object of the account as the emulator itself knows it.
fn objects(account: &Account) -> Vec<Value> {
    let answer = account.control("GET", "/_emulator/objects", Value::Null);
    answer["objects"].as_array().expect("a list of objects").clone()
}

/// The object that carries this name of ours, else the one with this display name.
fn object_of(account: &Account, named: &str) -> Value {
    let (kind, name) = named.split_once('/').expect("Kind/name");
    let objects = objects(account);
    let mut tagged = objects.iter().filter(|it| it["object"]["tags"]["ivs-apply:name"] == name);
    let mut called = objects.iter().filter(|it| it["name"] == name);
    let found =
        tagged.find(|it| it["kind"] == kind).or_else(|| called.find(|it| it["kind"] == kind));
    found.unwrap_or_else(|| panic!("there is no {named}")).clone()
}

fn arn_of(account: &Account, named: &str) -> String {
    object_of(account, named)["arn"].as_str().expect("an ARN").to_owned()
}

fn told(plan: &Plan, steps: &[(usize, StepStatus)], story: &mut String) {
    let by_id = plan.by_id();
    for (id, status) in steps {
        let step = by_id[id];
        let why = match status {
            StepStatus::Failed(failure) | StepStatus::Unknown(failure) => format!(": {failure}"),
            StepStatus::Stale(changed) => format!(": {changed}"),
            StepStatus::Deferred(why) => format!(": {}", reason::text(why)),
            _ => String::new(),
        };
        let _ = writeln!(
            story,
            "{}. {} {}: {}{why}",
            id,
            step.action.as_str(),
            step.address,
            status.as_str()
        );
    }
}

/// The account afterwards, by the emulator's own record.
fn there(account: &Account, ids: &mut BTreeSet<String>, story: &mut String) {
    let objects = objects(account);
    let arns = objects.iter().filter_map(|it| it["arn"].as_str());
    ids.extend(arns.filter_map(|it| Some(it.rsplit_once('/')?.1.to_owned())));
    let mut lines: Vec<String> = objects
        .iter()
        .map(|it| {
            let (kind, object) = (it["kind"].as_str().unwrap_or_default(), &it["object"]);
            let tags = object["tags"].as_object().into_iter().flatten();
            let mut tags: Vec<String> = tags
                .filter(|(key, _)| key.as_str() != "ivs-apply:stack")
                .flat_map(|(key, value)| {
                    let value = value.as_str().unwrap_or_default();
                    if key != "ivs-apply:record" {
                        return vec![format!("{key}={value}")];
                    }
                    // Digests, attempts and ids are others in each run.
                    let rotation = value.split_once(" rotation=").map(|(_, it)| it);
                    let rotation = rotation.map(|it| format!("ivs-apply:rotation={it}"));
                    let replaces =
                        value.contains(" replaces=").then(|| "ivs-apply:replaces".to_owned());
                    rotation.into_iter().chain(replaces).collect()
                })
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            // The SDK sends tags in any order, and the emulator keeps the one they came in.
            tags.sort();
            let state = object["state"].as_str().map(|it| format!(" {it}")).unwrap_or_default();
            format!("  {kind}{state} {{{}}}", tags.join(", "))
        })
        .collect();
    lines.sort();
    let _ = writeln!(story, "there: \n{}\n", lines.join("\n"));
}
