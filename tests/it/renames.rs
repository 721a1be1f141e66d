//! Logical names move between objects in one run: into a name that was just given up, and in circles. An object
//! is never deleted for having had a name that another object gets.

use crate::account::{Account, on_paused_time};
use ivs_apply::apply::Outcome;
use ivs_apply::manifest::load_text;
use ivs_apply::plan::approval::{Inputs, Place};
use ivs_apply::plan::{Approval, Plan, Policy, Selection, Status, Terms};
use ivs_apply::ui::{plan::because, reason};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn channel(name: &str, former: &str) -> String {
    format!(
        "---\napiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: {name}, previousNames: [{former}] }}\nspec: {{}}\n"
    )
}

const PRUNE: Policy = Policy {
    prune: true,
    destroy: false,
    allow_live: std::collections::BTreeSet::new(),
    selected: None,
    ignore_freeze: None,
};

async fn planned(account: &Account, text: &str, policy: &Policy) -> Plan {
    let loaded = load_text("a.yaml", text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    account.plan(&loaded.stack, &loaded.desired, policy).await.1
}

async fn run(account: &Account, text: &str, policy: &Policy) -> Outcome {
    let loaded = load_text("a.yaml", text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, policy).await;
    assert_ne!(plan.status(), Status::Blocked, "{plan:#?}");
    account.apply(&loaded.stack, &observed, &plan).await
}

/// The sentences of a refused plan.
async fn refusals(account: &Account, text: &str, policy: &Policy) -> Vec<String> {
    let plan = planned(account, text, policy).await;
    assert_eq!(plan.status(), Status::Blocked, "{plan:#?}");
    plan.steps.iter().filter_map(|it| it.decision.reason()).map(reason::text).collect()
}

/// Applies, after which nothing is left to do, also for the next runs.
async fn applied(account: &Account, text: &str, policy: &Policy) -> BTreeMap<String, String> {
    let outcome = run(account, text, policy).await;
    assert!(outcome.is_well(), "{outcome:#?}");
    let plan = planned(account, text, policy).await;
    assert_eq!(plan.status(), Status::Clean, "{plan:#?}");
    names(account)
}

/// The ARN of each name.
fn names(account: &Account) -> BTreeMap<String, String> {
    let objects = account.control("GET", "/_emulator/objects", Value::Null);
    let channels = objects["objects"].as_array().expect("a list").iter();
    let channels = channels.filter(|it| it["kind"] == "Channel");
    let text = |it: &Value| it.as_str().expect("a text").to_owned();
    let named = |it: &Value| (text(&it["object"]["tags"]["ivs-apply:name"]), text(&it["arn"]));
    let all: Vec<_> = channels.map(named).collect();
    let names: BTreeMap<String, String> = all.iter().cloned().collect();
    assert_eq!(names.len(), all.len(), "two objects of one name: {all:?}");
    names
}

#[test]
fn names_that_are_swapped_or_handed_on_are_so_after_one_run_and_stay_so() {
    on_paused_time(async {
        let account = Account::empty().await;
        let policy = Policy::default();
        let text = [channel("a", ""), channel("b", ""), channel("c", "")].concat();
        let before = applied(&account, &text, &policy).await;
        // Two swap, and back again.
        let swap = [channel("a", "b"), channel("b", "a"), channel("c", "")].concat();
        let loaded = load_text("a.yaml", &swap, None);
        let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
        assert_eq!(plan.summary().rename, 2, "{plan:#?}");
        let outcome = account.apply(&loaded.stack, &observed, &plan).await;
        assert_eq!(outcome.counts(&plan).done, 2, "{outcome:#?}");
        let after = applied(&account, &swap, &policy).await;
        assert_eq!((&after["a"], &after["b"]), (&before["b"], &before["a"]));
        assert_eq!(after["c"], before["c"]);
        // All three go round.
        let round = [channel("x", "a"), channel("y", "b"), channel("z", "c")].concat();
        let before = applied(&account, &round, &policy).await;
        let round = [channel("x", "y"), channel("y", "z"), channel("z", "x")].concat();
        let after = applied(&account, &round, &policy).await;
        let turned = (&before["y"], &before["z"], &before["x"]);
        assert_eq!((&after["x"], &after["y"], &after["z"]), turned);
        // Into a name that was just given up.
        let chain = [channel("w", "x"), channel("x", "y"), channel("y", "z")].concat();
        let last = applied(&account, &chain, &policy).await;
        assert_eq!((&last["w"], &last["x"], &last["y"]), (&after["x"], &after["y"], &after["z"]));
    });
}

#[test]
fn a_swap_tells_which_object_has_a_temporary_name() {
    on_paused_time(async {
        let account = Account::empty().await;
        applied(&account, &[channel("a", ""), channel("b", "")].concat(), &PRUNE).await;
        let plan =
            planned(&account, &[channel("a", "b"), channel("b", "a")].concat(), &PRUNE).await;
        assert_eq!(plan.summary().rename, 2, "{plan:#?}");
        let because: Vec<String> = plan.steps.iter().map(because).collect();
        assert_eq!(
            because,
            [
                "renamed from `b` to a temporary name until its new name is free",
                "renamed from `a`",
                "renamed from `b`",
            ]
        );
        let mut drift = plan;
        let pending = drift.keep_drift(&BTreeMap::new(), false).pending;
        assert_eq!(pending.len(), 2, "each renamed object counts once: {pending:#?}");
    });
}

#[test]
fn a_swap_is_carried_out_once_also_for_objects_that_are_made_later_and_again_where_it_was_tidied_away()
 {
    on_paused_time(async {
        let account = Account::empty().await;
        let policy = Policy::default();
        let swap = [channel("a", "b"), channel("b", "a")].concat();
        // On an empty account there is nothing to swap, now or later.
        applied(&account, &swap, &policy).await;
        let before = names(&account);
        let delete = account.aws.ivs.delete_channel().arn(&before["a"]);
        delete.send().await.expect("deleted by hand");
        let after = applied(&account, &swap, &policy).await;
        assert_eq!(after["b"], before["b"]);
        // Without the former names the swap is over, and may be asked for again.
        let tidy = [channel("a", ""), channel("b", "")].concat();
        assert_eq!(applied(&account, &tidy, &policy).await, after);
        let again = applied(&account, &swap, &policy).await;
        assert_eq!((&again["a"], &again["b"]), (&after["b"], &after["a"]));
    });
}

#[test]
fn of_two_that_swap_names_the_one_that_is_left_gets_its_name_where_the_other_was_deleted_by_hand() {
    on_paused_time(async {
        let account = Account::empty().await;
        let policy = Policy::default();
        let both = [channel("a", ""), channel("b", "")].concat();
        let before = applied(&account, &both, &policy).await;
        let delete = account.aws.ivs.delete_channel().arn(&before["a"]);
        delete.send().await.expect("deleted by hand");
        let swap = [channel("a", "b"), channel("b", "a")].concat();
        let after = applied(&account, &swap, &policy).await;
        assert_eq!(after["a"], before["b"], "{after:?}");
    });
}

#[test]
fn stream_keys_that_swap_names_while_one_is_rotated_are_replaced_once() {
    on_paused_time(async {
        let account = Account::empty().await;
        let policy = Policy::default();
        let channels = [channel("one", ""), channel("two", "")].concat();
        let key = |name: &str, former: &str, channel: &str, rotation: u32| {
            format!(
                "---\napiVersion: ivs-apply.dev/v1\nkind: StreamKey\nmetadata: {{ name: {name}, previousNames: [{former}] }}\n\
                 spec: {{ channel: {channel}, rotation: \"{rotation}\" }}\n"
            )
        };
        let keys = [key("a", "", "one", 1), key("b", "", "two", 1)].concat();
        assert!(run(&account, &format!("{channels}{keys}"), &policy).await.is_well());
        let keys = [key("a", "b", "two", 2), key("b", "a", "one", 1)].concat();
        let swap = format!("{channels}{keys}");
        assert!(run(&account, &swap, &policy).await.is_well());
        let plan = planned(&account, &swap, &policy).await;
        assert_eq!(plan.status(), Status::Clean, "{plan:#?}");
    });
}

#[test]
fn a_field_that_aws_never_answers_goes_with_the_object_when_names_move() {
    let ingest = |name: &str, former: &str, spec: &str| {
        format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: IngestConfiguration\nmetadata: {{ name: {name}, previousNames: [{former}] }}\nspec: {spec}\n"
        )
    };
    let (safe, open) =
        ("{ ingestProtocol: RTMPS }", "{ ingestProtocol: RTMP, insecureIngest: true }");
    for (first, second) in [("c", "a"), ("b", "a")] {
        on_paused_time(async {
            let account = Account::empty().await;
            let before = [ingest("a", "", safe), ingest("b", "", open)].concat();
            assert!(run(&account, &before, &PRUNE).await.is_well());
            let after = [ingest(first, "a", safe), ingest(second, "b", open)].concat();
            let plan = planned(&account, &after, &PRUNE).await;
            let summary = plan.summary();
            assert_eq!((summary.rename, summary.replace), (2, 0), "{plan:#?}");
            assert!(run(&account, &after, &PRUNE).await.is_well());
            let plan = planned(&account, &after, &PRUNE).await;
            assert_eq!(plan.status(), Status::Clean, "{plan:#?}");
        });
    }
}

/// Makes a spec of one value.
type Spec<'a> = &'a dyn Fn(&str) -> String;

/// Two resources of a kind that is replaced where a field changes: by creating first, and by deleting first.
#[test]
fn names_are_swapped_in_one_run_also_where_one_or_both_of_the_objects_are_replaced() {
    let encoder = |width: &str| format!("{{ video: {{ width: {width} }} }}");
    let key = |letter: &str| {
        // The head of every P-384 key, and a point that is on no curve.
        let key = format!("MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE{}", letter.repeat(128));
        let key = format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n");
        format!("{{ publicKeyMaterial: {} }}", json!(key))
    };
    let of = |kind: &str, name: &str, former: &str, spec: &str| {
        format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name}, previousNames: [{former}] }}\nspec: {spec}\n"
        )
    };
    let cases: [(&str, Spec<'_>, [&str; 4]); 2] = [
        ("EncoderConfiguration", &encoder, ["640", "1280", "960", "1920"]),
        ("PublicKey", &key, ["A", "B", "C", "D"]),
    ];
    for (kind, spec, [a, b, c, d]) in cases {
        for (now_a, now_b) in [(b, a), (b, c), (c, a), (c, d)] {
            on_paused_time(async {
                let account = Account::empty().await;
                let before = [of(kind, "a", "", &spec(a)), of(kind, "b", "", &spec(b))].concat();
                assert!(run(&account, &before, &PRUNE).await.is_well());
                let swap = [of(kind, "a", "b", &spec(now_a)), of(kind, "b", "a", &spec(now_b))];
                let swap = swap.concat();
                let outcome = run(&account, &swap, &PRUNE).await;
                assert!(outcome.is_well(), "{kind} {now_a} {now_b}: {outcome:#?}");
                let plan = planned(&account, &swap, &PRUNE).await;
                assert_eq!(plan.status(), Status::Clean, "{kind} {now_a} {now_b}: {plan:#?}");
                let objects = account.control("GET", "/_emulator/objects", Value::Null);
                assert_eq!(objects["objects"].as_array().map(Vec::len), Some(2), "{objects:#}");
            });
        }
    }
}

#[test]
fn a_name_that_is_freed_by_a_delete_goes_to_another_object_in_the_same_run() {
    on_paused_time(async {
        let account = Account::empty().await;
        let both = [channel("main", ""), channel("next", "")].concat();
        let before = applied(&account, &both, &PRUNE).await;
        let promoted = channel("main", "next");
        // Without prune the old one keeps its name, and nothing is guessed.
        let plan = planned(&account, &promoted, &Policy::default()).await;
        assert_eq!(plan.status(), Status::Blocked, "{plan:#?}");
        let after = applied(&account, &promoted, &PRUNE).await;
        assert_eq!(after, BTreeMap::from([("main".to_owned(), before["next"].clone())]));
    });
}

#[test]
fn a_swap_that_breaks_off_anywhere_is_finished_by_the_next_run() {
    for nth in 1..=3 {
        on_paused_time(async {
            let account = Account::empty().await;
            let policy = PRUNE;
            let text = [channel("a", ""), channel("b", "")].concat();
            let before = applied(&account, &text, &policy).await;
            let denied = json!({
                "operation": "TagResource", "kind": "error", "name": "AccessDeniedException",
                "nth": nth, "times": 100,
            });
            account.control("POST", "/_emulator/faults", denied);
            let swap = [channel("a", "b"), channel("b", "a")].concat();
            let outcome = run(&account, &swap, &policy).await;
            assert!(!outcome.is_well(), "{outcome:#?}");
            account.control("DELETE", "/_emulator/faults", Value::Null);
            names(&account);
            let after = applied(&account, &swap, &policy).await;
            assert_eq!((&after["a"], &after["b"]), (&before["b"], &before["a"]), "{nth}");
        });
    }
}

/// A channel without former names.
fn new(name: &str) -> String {
    format!(
        "---\napiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: {name} }}\nspec: {{}}\n"
    )
}

#[test]
fn a_new_resource_takes_a_name_that_another_gives_up_in_the_same_run() {
    on_paused_time(async {
        let account = Account::empty().await;
        let policy = PRUNE;
        let key = "---\napiVersion: ivs-apply.dev/v1\nkind: StreamKey\nmetadata: { name: main }\nspec: { channel: main }\n";
        let before = applied(&account, &new("main"), &policy).await;
        let text = [new("main"), channel("backup", "main")].concat();
        let plan = planned(&account, &text, &policy).await;
        assert_eq!((plan.summary().rename, plan.summary().create), (1, 1), "{plan:#?}");
        let after = applied(&account, &text, &policy).await;
        assert_eq!(after["backup"], before["main"]);
        assert_ne!(after["main"], before["main"]);
        // What refers to the name refers to the new object.
        let after = applied(&account, &[text.as_str(), key].concat(), &policy).await;
        // The renamed object is deleted by hand. The new one is not what has to be renamed.
        let delete = account.aws.ivs.delete_channel().arn(&after["backup"]);
        delete.send().await.expect("deleted by hand");
        let again = applied(&account, &text, &policy).await;
        assert_eq!(again["main"], after["main"]);
        assert_ne!(again["backup"], after["backup"]);
        // The same once more with the next name: the object of each name moves on by one.
        let next = [new("main"), channel("older", "main")].concat();
        let moved = applied(&account, &next, &policy).await;
        assert_eq!(moved["older"], again["main"]);
        assert_ne!(moved["main"], again["main"]);
    });
}

#[test]
fn a_reference_to_a_freed_name_is_to_the_new_object_after_one_run() {
    on_paused_time(async {
        let account = Account::empty().await;
        let policy = PRUNE;
        let stage = |name: &str, former: &str| {
            format!(
                "---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: {name}, previousNames: [{former}] }}\nspec: {{}}\n"
            )
        };
        let ingest = "---\napiVersion: ivs-apply.dev/v1\nkind: IngestConfiguration\nmetadata: { name: in }\nspec: { stage: main, ingestProtocol: RTMPS, userId: me }\n";
        let first = [stage("main", ""), ingest.to_owned()].concat();
        assert!(run(&account, &first, &policy).await.is_well());
        let second = [
            stage("backup", "main"),
            stage("main", "").replace(", previousNames: []", ""),
            ingest.to_owned(),
        ];
        let second = second.concat();
        let outcome = run(&account, &second, &policy).await;
        assert!(outcome.is_well(), "{outcome:#?}");
        let plan = planned(&account, &second, &policy).await;
        assert_eq!(plan.status(), Status::Clean, "{plan:#?}");
        let objects = account.control("GET", "/_emulator/objects", Value::Null);
        let objects = objects["objects"].as_array().expect("a list");
        let named = |name: &str| {
            let mut all = objects.iter().filter(|it| it["kind"] == "Stage");
            all.find(|it| it["object"]["tags"]["ivs-apply:name"] == name).expect("there")["arn"]
                .clone()
        };
        let ingest = objects.iter().find(|it| it["kind"] == "IngestConfiguration").expect("there");
        assert_eq!(ingest["object"]["stageArn"], named("main"), "{objects:#?}");
    });
}

#[test]
fn of_two_objects_with_former_names_of_one_resource_none_is_taken() {
    on_paused_time(async {
        let account = Account::empty().await;
        let policy = PRUNE;
        let before = applied(&account, &[new("a"), new("b")].concat(), &policy).await;
        let plan = planned(&account, &channel("c", "a, b"), &policy).await;
        assert_eq!(plan.status(), Status::Blocked, "{plan:#?}");
        let deletes = plan.steps.iter().filter(|it| it.decision.is_do());
        assert_eq!(deletes.count(), 0, "{plan:#?}");
        // The order says nothing, and one of them with its own manifest is no question.
        let text = [new("a"), channel("c", "b")].concat();
        let after = applied(&account, &text, &policy).await;
        assert_eq!((&after["a"], &after["c"]), (&before["a"], &before["b"]));
    });
}

#[test]
fn a_saved_plan_that_swaps_names_is_the_one_that_is_made_again() {
    on_paused_time(async {
        let account = Account::empty().await;
        let policy = Policy::default();
        applied(&account, &[new("a"), new("b")].concat(), &policy).await;
        let swap = [channel("a", "b"), channel("b", "a")].concat();
        let saved = async || {
            let loaded = load_text("a.yaml", &swap, None);
            let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
            let place = Place {
                stack: loaded.stack.name.clone(),
                account: "000000000000".to_owned(),
                region: "us-west-2".to_owned(),
                endpoint: None,
            };
            let (terms, inputs) = (Terms::default(), Inputs::default());
            (Approval::of(&plan, &observed.addresses, place, terms, inputs), plan.steps.len())
        };
        let (first, steps) = saved().await;
        assert_eq!(steps, 3);
        assert_eq!(first.differences(&saved().await.0), []);
    });
}

#[test]
fn a_name_that_is_taken_tells_what_frees_it_in_this_situation() {
    on_paused_time(async {
        // No manifest declares the object that has the name.
        let account = Account::empty().await;
        applied(&account, &[channel("a", ""), channel("b", "")].concat(), &PRUNE).await;
        let text = channel("a", "b");
        let why = refusals(&account, &text, &Policy::default()).await;
        let told = "delete that object with `--prune`, or give it another name in the same run with \
                    `previousNames: [a]`";
        assert!(why[0].ends_with(told), "{why:?}");
        let only = vec!["Channel/a".parse().expect("a pattern")];
        let selection = Selection { only, ..Selection::default() };
        let desired = load_text("a.yaml", &text, None).desired;
        let selected = selection.of(&desired).expect("it matches a resource");
        for prune in [false, true] {
            let policy = Policy { prune, selected: Some(selected.clone()), ..Policy::default() };
            let why = refusals(&account, &text, &policy).await;
            let told = "delete that object with `--prune` in a run without `--only`, `--exclude` and `-l`, \
                        or give it another name in the same run with `previousNames: [a]`";
            assert!(why[0].ends_with(told), "{why:?}");
        }

        // The object is that of another resource, which may not replace it.
        let account = Account::empty().await;
        let recording = |name: &str, former: &str, bucket: &str| {
            format!(
                "---\napiVersion: ivs-apply.dev/v1\nkind: RecordingConfiguration\n\
                 metadata: {{ name: {name}, previousNames: [{former}] }}\n\
                 spec: {{ destinationConfiguration: {{ s3: {{ bucketName: {bucket} }} }} }}\n\
                 lifecycle: {{ protect: {} }}\n",
                name != "a"
            )
        };
        let text = [recording("a", "", "bucket-a"), recording("b", "", "bucket-b")].concat();
        assert!(run(&account, &text, &PRUNE).await.is_well());
        let text = [recording("c", "b", "bucket-c"), recording("b", "a", "bucket-a")].concat();
        let why = refusals(&account, &text, &PRUNE).await;
        let told =
            "and the step of RecordingConfiguration/c that would rename it is not carried out";
        assert!(why.iter().any(|it| it.ends_with(told)), "{why:?}");
    });
}
