//! Behaviour as stories: each folder of `tests/scenarios/` is an account's life, told in `story.txt`.
//!
//! `1.yaml`, `2.yaml`, … are applied one after another, and then back down to the first: every way must be
//! possible both ways. `N.before.json` holds control requests that come before step N on the way up, and calls
//! of the API itself, `["AWS", "UpdateChannel", {…}]`, for what somebody does by hand;
//! `policy.json` what the command line allows and selects, `N.policy.json` the same for one step. After each
//! apply the plan is made again and told as well.

use crate::account::{Account, on_paused_time};
use crate::golden;
use ivs_apply::apply::StepStatus;
use ivs_apply::kinds::{Address, Kind};
use ivs_apply::manifest::{Loaded, load_text};
use ivs_apply::plan::selection::Pattern;
use ivs_apply::plan::{Plan, Policy, Selection, Status};
use ivs_apply::ui;
use serde_json::{Value, json};
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

#[test]
fn every_scenario_goes_as_its_story_says() {
    let folders = folders();
    assert!(!folders.is_empty());
    for folder in folders {
        let story = on_paused_time(tell(&folder));
        let name = folder.file_name().expect("a folder").to_string_lossy().into_owned();
        golden::expect(format!("tests/scenarios/{name}/story.txt"), &story);
    }
}

fn read_json(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn policy(folder: &Path, step: usize, loaded: &Loaded) -> Policy {
    let of_step = read_json(&folder.join(format!("{step}.policy.json")));
    let of_all = || read_json(&folder.join("policy.json"));
    let written = of_step.or_else(of_all).unwrap_or(Value::Null);
    let patterns = |flag: &str| -> Vec<Pattern> {
        let texts = written[flag].as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.map(|it| it.parse().expect("a pattern")).collect()
    };
    let labels = written["labels"].as_object().into_iter().flatten();
    let selection = Selection {
        only: patterns("only"),
        exclude: patterns("exclude"),
        labels: labels
            .map(|(key, value)| (key.clone(), value.as_str().expect("a text").to_owned()))
            .collect(),
    };
    let everything = selection.is_everything();
    let selected =
        (!everything).then(|| selection.of(&loaded.desired).expect("it selects something"));
    let allowed = written["allowLive"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Policy {
        prune: everything && written["prune"].as_bool().unwrap_or(loaded.stack.prune),
        destroy: false,
        allow_live: allowed
            .map(|it| {
                let (kind, name) = it.split_once('/').expect("KIND/NAME");
                Address::new(Kind::named(kind).expect("a kind"), name)
            })
            .collect(),
        selected,
    }
}

async fn tell(folder: &Path) -> String {
    let account = Account::empty().await;
    let mut story = String::new();
    let steps = (1..100).take_while(|step| folder.join(format!("{step}.yaml")).exists()).count();
    assert!(steps > 0, "{} has no 1.yaml", folder.display());
    let back = (1..steps).rev();
    for (turn, step) in (1..=steps).chain(back).enumerate() {
        let text = std::fs::read_to_string(folder.join(format!("{step}.yaml"))).expect("readable");
        let unnamed = (!text.contains("kind: Stack\n")).then_some("scenario");
        let loaded = load_text(&format!("{step}.yaml"), &text, unnamed);
        assert!(!loaded.report.has_errors(), "{}: {:#?}", folder.display(), loaded.report);
        if turn < steps
            && let Some(before) = read_json(&folder.join(format!("{step}.before.json")))
        {
            control(&account, &before, &mut story).await;
        }
        let _ = writeln!(story, "=== {step}.yaml\n");
        let policy = policy(folder, step, &loaded);
        account.calls();
        let (live, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
        let calls = account.calls();
        let header = ui::plan::Header {
            stack: &loaded.stack,
            region: "us-west-2",
            endpoint: None,
            calls: serde_json::from_value(calls.clone()).expect("counts by operation"),
        };
        let text = ui::plan::text(&plan, &header, &loaded.sources);
        let _ = writeln!(story, "{}", anstream::adapter::strip_str(&text));
        let _ = writeln!(story, "calls to plan: {calls}\n");
        if plan.status() == Status::Blocked {
            let _ = writeln!(story, "refused, nothing is written\n");
            continue;
        }
        let outcome = account.apply(&loaded.stack, &live, &plan).await;
        told(&plan, &outcome.steps, &mut story);
        let calls = account.calls();
        if outcome.steps.iter().all(|(_, it)| it.is_done()) {
            for (operation, least) in plan.writes() {
                let made = calls[&operation].as_u64().unwrap_or_default();
                assert!(made >= least, "{operation}: {made} of at least {least}:\n{story}");
            }
        }
        let _ = writeln!(story, "calls to apply: {calls}\n");
        let (_, again) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
        let _ = writeln!(story, "then: {}", ui::plan::sum(&again.summary()));
        there(&account, &mut story);
        // One run may do what another one waits for: lift the protection of what is to be replaced.
        let doing: Vec<_> =
            plan.steps.iter().filter(|it| it.decision.is_do()).map(|it| &it.address).collect();
        let mut waiting = plan.steps.iter().filter(|it| !it.decision.is_do());
        let in_two_runs = waiting.any(|it| doing.contains(&&it.address));
        assert!(
            !again.has_work() || in_two_runs || outcome.steps.iter().any(|(_, it)| !it.is_well()),
            "{}:\n{story}",
            folder.display()
        );
    }
    let id = regex::Regex::new(
        "/[A-Za-z0-9]{12}\\b|\\b01[0-9A-Z]{24}\\b|\\bst-[A-Za-z0-9]+|[0-9a-f-]{36}",
    )
    .expect("a valid pattern");
    id.replace_all(&story, "/<id>").into_owned()
}

/// Carries out control requests; `$Kind/name` stands for the ARN of the object whose display name that is.
async fn control(account: &Account, requests: &Value, story: &mut String) {
    for request in requests.as_array().expect("a list of requests") {
        let (method, path) =
            (request[0].as_str().expect("a method"), request[1].as_str().expect("a path"));
        let _ = writeln!(story, "--- {method} {path} {}", request[2]);
        let mut body = request[2].clone();
        for value in body.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            let named = value.as_str().and_then(|it| it.strip_prefix('$')).map(ToOwned::to_owned);
            if let Some(named) = named {
                *value = json!(arn_of(account, &named));
            }
        }
        if method == "AWS" {
            let path = match path.split_once('$') {
                Some((start, named)) => {
                    let arn = arn_of(account, named).replace(':', "%3A").replace('/', "%2F");
                    format!("{start}{arn}")
                }
                None => path.to_owned(),
            };
            by_hand(account, &path, &body).await;
        } else {
            account.control(method, &format!("/_emulator/{path}"), body);
        }
    }
    story.push('\n');
}

/// A call of the API that is not ours.
async fn by_hand(account: &Account, operation: &str, body: &Value) {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-west-2/ivs/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={}",
        "0".repeat(64)
    );
    let request = http::Request::post(format!("http://127.0.0.1/{operation}"))
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

fn arn_of(account: &Account, named: &str) -> String {
    let (kind, name) = named.split_once('/').expect("$Kind/name");
    let arn_type = Kind::named(kind).expect("a kind").facts().arn_type;
    let arn = objects(account).into_iter().find_map(|it| {
        let arn = it["arn"].as_str()?.to_owned();
        let tagged = it["object"]["tags"]["ivs-apply:name"] == name;
        (arn.contains(&format!(":{}/", arn_type.unwrap_or("none")))
            && (it["name"] == name || tagged))
            .then_some(arn)
    });
    arn.unwrap_or_else(|| panic!("there is no {named}"))
}

fn told(plan: &Plan, steps: &[(usize, StepStatus)], story: &mut String) {
    let by_id = plan.by_id();
    for (id, status) in steps {
        let step = by_id[id];
        let why = match status {
            StepStatus::Failed(failure) | StepStatus::Unknown(failure) => format!(": {failure}"),
            StepStatus::Stale(why) | StepStatus::Deferred(why) => format!(": {why}"),
            _ => String::new(),
        };
        let _ = writeln!(
            story,
            "{}. {} {}: {}{why}",
            id,
            step.action.word(),
            step.address,
            status.word()
        );
    }
}

/// The account afterwards, by the emulator's own record.
fn there(account: &Account, story: &mut String) {
    let mut lines: Vec<String> = objects(account)
        .iter()
        .map(|it| {
            let (kind, object) = (it["kind"].as_str().unwrap_or_default(), &it["object"]);
            let tags = object["tags"].as_object().into_iter().flatten();
            let mut tags: Vec<String> = tags
                .filter(|(key, _)| {
                    !matches!(key.as_str(), "ivs-apply:op" | "ivs-apply:digest" | "ivs-apply:stack")
                })
                .map(|(key, value)| match key.as_str() {
                    "ivs-apply:replaces" => key.clone(),
                    _ => format!("{key}={}", value.as_str().unwrap_or_default()),
                })
                .collect::<std::collections::BTreeSet<_>>()
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
