//! Properties that must hold for generated accounts and manifests. The names are the documentation.

use crate::account::{Account, on_paused_time};
use crate::generators::{Piece, pieces, resources, stack};
use crate::left_out::{law_cases, say};
use crate::run_results::assert_counts_agree;
use ivs_apply::aws::{Sorted, Tags};
use ivs_apply::cloud::Reading;
use ivs_apply::kinds::spec::named_targets;
use ivs_apply::kinds::{Arn, Desired, Kind, Lifecycle, Stack};
use ivs_apply::manifest::{export, load_text, write};
use ivs_apply::plan::{Action, Cause, Plan, Policy, Selection, Status, Step, plan};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

/// A minute without a publisher and a little more (`docs/service.md`, compositions).
const UNPUBLISHED_COMPOSITION_ENDS: Duration = Duration::from_secs(90);

/// The same cases every time, so that a change is judged by what it changes; `LAW_SEED=n` makes others, and
/// `LAW_SEED=random` those of a number that is said. A failure that they find becomes a test of its own.
static SEED: LazyLock<u64> = LazyLock::new(|| match std::env::var("LAW_SEED").as_deref() {
    Ok("random") => {
        let seed = u64::from(fastrand::Rng::new().u32(..));
        say(&format!("the generated cases of the laws are those of LAW_SEED={seed}"));
        seed
    }
    Ok(seed) => seed.parse().expect("LAW_SEED is a number or `random`"),
    Err(_) => 2_026,
});

pub(crate) fn config() -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(*SEED);
    ProptestConfig { cases: law_cases(), rng_seed, ..ProptestConfig::default() }
}

/// A policy that lets everything happen, so that nothing is left for later.
pub(crate) fn everything(desired: &[Desired], before: &[Desired]) -> Policy {
    let all = desired.iter().chain(before);
    let allow_live = all.map(|it| it.address.clone()).collect();
    Policy { prune: true, allow_live, ..Policy::default() }
}

fn by_manifest(pieces: &[Piece]) -> Vec<Desired> {
    resources(pieces)
}

/// Applies until nothing is left, and says after how many rounds. Where all that is left waits for a
/// composition without a publisher to end, time passes, and it does.
pub(crate) async fn settle(
    account: &Account,
    stack: &Stack,
    desired: &[Desired],
    policy: &Policy,
) -> usize {
    for round in 0..4 {
        let (observed, plan) = account.plan(stack, desired, policy).await;
        if plan.status() == Status::Clean {
            return round;
        }
        let outcome = account.apply(stack, &observed, &plan).await;
        assert!(outcome.is_well(), "{:#?}\n{:#?}", outcome, plan.steps);
        assert_counts_agree(&plan, &outcome);
        if !plan.steps.iter().any(|it| it.decision.is_do()) {
            tokio::time::sleep(UNPUBLISHED_COMPOSITION_ENDS).await;
        }
    }
    panic!(
        "not settled after four rounds: {:#?}",
        account.plan(stack, desired, policy).await.1.steps
    );
}

/// Every step stands after what it needs, and whatever a step refers to is there or made before.
fn assert_ordered(plan: &Plan) {
    for step in &plan.steps {
        assert!(step.after.iter().all(|needed| *needed < step.id), "{step:#?}");
        for target in step.spec.iter().flat_map(named_targets) {
            let made = plan.steps.iter().find(|it| it.address == target && it.action.makes());
            if let Some(made) = made.filter(|it| it.decision.is_do() && step.decision.is_do()) {
                assert!(step.after.contains(&made.id), "{} before {}", step.address, made.address);
            }
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn planning_what_is_there_plans_nothing(pieces in pieces()) {
        on_paused_time(async {
            let (account, stack) = (Account::empty().await, stack());
            let desired = by_manifest(&pieces);
            settle(&account, &stack, &desired, &everything(&desired, &[])).await;
            let all = Reading { every_kind: true, full: true, strangers: false };
            let observed = account.read(&stack, &desired, all).await;
            let exported = export::declare(observed.owned.values(), &observed.addresses, &stack);
            let text: String = exported.iter().map(write::manifest).collect();
            if !text.is_empty() {
                let loaded = load_text("exported.yaml", &text, Some(&stack.name));
                assert!(!loaded.report.has_errors(), "{text}\n{:#?}", loaded.report);
                let plan = plan(&stack, &loaded.desired, &observed, &Policy::default());
                let real: Vec<_> = plan.steps.iter().filter(|it| it.decision.as_str() != "dormant").collect();
                assert!(real.is_empty(), "{text}\n{real:#?}");
            }
        });
    }

    #[test]
    fn applying_a_plan_leaves_nothing_to_plan(first in pieces(), second in pieces()) {
        on_paused_time(async {
            let (account, stack) = (Account::empty().await, stack());
            let (first, second) = (by_manifest(&first), by_manifest(&second));
            let rounds = settle(&account, &stack, &first, &everything(&first, &[])).await;
            assert!(rounds <= 1, "an empty account takes one round");
            settle(&account, &stack, &second, &everything(&second, &first)).await;
            // And back again, to nothing.
            let policy = Policy { prune: false, destroy: true, ..everything(&second, &first) };
            settle(&account, &stack, &[], &policy).await;
        });
    }

    #[test]
    fn what_only_the_manifests_changed_is_never_called_drift(
        (first, second) in pieces_before_and_after_changes(),
        observed in any::<u32>(),
    ) {
        on_paused_time(async {
            let (account, stack) = (Account::empty().await, stack());
            let (first, second) = (careful(&first), careful(&second));
            settle(&account, &stack, &first, &everything(&first, &[])).await;
            go_live(&account, observed);
            // Steps that cut off no audience come first, the others are deferred.
            for _ in 0..2 {
                let (state, plan) = account.plan(&stack, &second, &Policy::default()).await;
                let drift = |it: &&Step| {
                    it.because.iter().any(|it| matches!(it, Cause::Drift | Cause::Gone))
                };
                let drifted: Vec<_> = plan.steps.iter().filter(drift).collect();
                assert!(drifted.is_empty(), "{drifted:#?}");
                account.apply(&stack, &state, &plan).await;
            }
        });
    }

    #[test]
    fn every_step_comes_after_what_it_needs(first in pieces(), second in pieces()) {
        on_paused_time(async {
            let (account, stack) = (Account::empty().await, stack());
            let (first, second) = (by_manifest(&first), by_manifest(&second));
            settle(&account, &stack, &first, &everything(&first, &[])).await;
            let (observed, plan) = account.plan(&stack, &second, &everything(&second, &first)).await;
            assert_ordered(&plan);
            // The emulated account refuses to delete an object that others still refer to.
            let outcome = account.apply(&stack, &observed, &plan).await;
            assert!(outcome.is_well(), "{outcome:#?}\n{plan:#?}");
        });
    }

    #[test]
    fn a_selection_touches_nothing_else_and_keeps_no_later_run_from_the_rest(
        first in pieces(),
        second in pieces(),
        which in any::<proptest::sample::Index>(),
    ) {
        on_paused_time(async {
            let (account, stack) = (Account::empty().await, stack());
            let (first, mut second) = (by_manifest(&first), by_manifest(&second));
            // What no manifest declares any more is looked at by a run that prunes, and this one does not.
            let gone = |it: &&Desired| second.iter().all(|other| other.address != it.address);
            let kept: Vec<Desired> = first.iter().filter(gone).cloned().collect();
            second.extend(kept);
            settle(&account, &stack, &first, &everything(&first, &[])).await;
            if second.is_empty() {
                return;
            }
            let one = which.get(&second).address.to_string();
            let only = vec![one.parse().expect("an address is a pattern")];
            let selection = Selection { only, ..Selection::default() };
            let selected = selection.of(&second).expect("it is declared");
            // A key that something else still has cannot be imported again, and AWS says so.
            let has = |it: &Desired, of: &Desired| {
                let exclusive = it.spec.exclusive().map(|it| it.value);
                exclusive.is_some() && exclusive == of.spec.exclusive().map(|it| it.value)
            };
            let mut wanted = first.iter().chain(&second);
            let twice = |it: &Desired| {
                let mut others = second.iter().filter(|other| other.address != it.address);
                others.any(|other| has(it, other))
            };
            if wanted.any(twice) {
                return;
            }
            let whole = everything(&second, &first);
            let part = Policy { prune: false, selected: Some(selected.clone()), ..whole.clone() };
            let (observed, plan) = account.plan(&stack, &second, &part).await;
            for step in &plan.steps {
                assert!(selected.has(&step.address), "{one}: {step:#?}");
            }
            assert_ordered(&plan);
            let outcome = account.apply(&stack, &observed, &plan).await;
            assert!(outcome.is_well(), "{one}: {outcome:#?}\n{plan:#?}");
            settle(&account, &stack, &second, &whole).await;
        });
    }

    #[test]
    fn order_of_manifests_does_not_matter(
        first in pieces(),
        second in pieces(),
        order in any::<proptest::sample::Index>(),
    ) {
        on_paused_time(async {
            let (account, stack) = (Account::empty().await, stack());
            let (first, mut second) = (by_manifest(&first), by_manifest(&second));
            settle(&account, &stack, &first, &everything(&first, &[])).await;
            let policy = everything(&second, &first);
            let (observed, one) = account.plan(&stack, &second, &policy).await;
            if !second.is_empty() {
                let by = order.index(second.len());
                second.rotate_left(by);
                second.reverse();
            }
            assert_eq!(one, plan(&stack, &second, &observed, &policy));
        });
    }

    #[test]
    fn strangers_are_never_touched(pieces in pieces(), owner in 0..4_usize) {
        on_paused_time(async {
            let (account, stack) = (Account::empty().await, stack());
            let tags: Tags = match owner {
                0 => Tags::new(),
                1 => [("aws-not".to_owned(), "ours".to_owned())].into(),
                // Another stack's, and a set that is not whole.
                2 => ["stack", "name", "digest"].map(|it| (format!("ivs-apply:{it}"), "x".to_owned())).into(),
                _ => [("stack", stack.name.as_str()), ("name", "not-declared")]
                .map(|(key, value)| (format!("ivs-apply:{key}"), value.to_owned()))
                .into(),
            };
            let strangers = strangers(&account, &tags).await;
            let desired = by_manifest(&pieces);
            let policy = everything(&desired, &[]);
            let (_, plan) = account.plan(&stack, &desired, &policy).await;
            for step in &plan.steps {
                assert!(step.arn.as_ref().is_none_or(|it| !strangers.contains(it)), "{step:#?}");
            }
            settle(&account, &stack, &desired, &policy).await;
            let destroy = Policy { destroy: true, ..Policy::default() };
            let (observed, plan) = account.plan(&stack, &desired, &destroy).await;
            account.apply(&stack, &observed, &plan).await;
            let all = Reading { every_kind: true, full: false, strangers: false };
            let left = account.read(&stack, &[], all).await;
            let still: BTreeSet<Arn> = left.others.keys().cloned().collect();
            assert!(strangers.is_subset(&still), "{strangers:?} {still:?}");
            assert!(left.others.values().filter(|it| strangers.contains(&it.arn)).all(|it| it.tags == tags));
        });
    }

    #[test]
    fn nobody_is_cut_off_without_consent(
        (first, second) in pieces_before_and_after_changes(),
        observed in any::<u32>(),
        ends in 0..3_usize,
    ) {
        on_paused_time(async {
            let (account, stack) = (Account::empty().await, stack());
            let (first, second) = (careful(&first), careful(&second));
            settle(&account, &stack, &first, &everything(&first, &[])).await;
            go_live(&account, observed);
            // What was dormant starts now.
            let (state, plan) = account.plan(&stack, &first, &Policy::default()).await;
            account.apply(&stack, &state, &plan).await;
            account.control("DELETE", "/_emulator/history", Value::Null);
            let policy = [
                Policy { prune: true, ..Policy::default() },
                Policy::default(),
                Policy { destroy: true, ..Policy::default() },
            ][ends].clone();
            for _ in 0..2 {
                let (state, plan) = account.plan(&stack, &second, &policy).await;
                account.apply(&stack, &state, &plan).await;
            }
            let history = account.control("GET", "/_emulator/history", Value::Null);
            let events = history["events"].as_array().expect("a list");
            let cut: Vec<&Value> = events.iter().filter(|it| it["cutOff"] == true).collect();
            assert!(cut.is_empty(), "{cut:#?}");
        });
    }

    #[test]
    fn text_round_trips(pieces in pieces()) {
        let desired = by_manifest(&pieces);
        let text: String = desired.iter().map(write::manifest).collect();
        if !text.is_empty() {
            let mut loaded = load_text("written.yaml", &text, None);
            prop_assert!(!loaded.report.has_errors(), "{text}\n{:#?}", loaded.report);
            for (wanted, read) in desired.iter().zip(&mut loaded.desired) {
                read.origin = wanted.origin;
                read.name_is_default = wanted.name_is_default;
            }
            prop_assert_eq!(desired, loaded.desired);
        }
    }

    #[test]
    fn loading_any_text_never_panics(text in "(?s).{0,200}") {
        load_text("any.yaml", &text, None);
    }

    #[test]
    fn loading_a_broken_manifest_never_panics(pieces in pieces(), cut in any::<prop::sample::Index>(), noise in "\\PC{0,3}") {
        let mut text: String = by_manifest(&pieces).iter().map(write::manifest).collect();
        let at = cut.index(text.len() + 1);
        if text.is_char_boundary(at) {
            text.insert_str(at, &noise);
        }
        load_text("broken.yaml", &text, None);
    }
}

/// One piece of every kind and some more, and the same with some of them changed, removed or new.
fn pieces_before_and_after_changes() -> impl Strategy<Value = (Vec<Piece>, Vec<Piece>)> {
    let change = (any::<proptest::sample::Index>(), any::<[u8; 8]>(), any::<bool>());
    let changes = proptest::collection::vec(change, 0..12);
    let knobs = proptest::collection::vec(any::<[u8; 8]>(), Kind::ALL.len());
    (knobs, pieces(), changes, pieces()).prop_map(|(knobs, more, changes, new)| {
        let each = knobs.into_iter().enumerate();
        let each = each.map(|(kind, knobs)| Piece { kind, name: 0, knobs });
        let first: Vec<Piece> = each.chain(more).collect();
        let mut second = first.clone();
        for (at, knobs, stays) in changes {
            if second.is_empty() {
                break;
            }
            let at = at.index(second.len());
            if stays {
                second[at].knobs = knobs;
            } else {
                second.remove(at);
            }
        }
        second.extend(new.into_iter().take(3));
        (first, second)
    })
}

/// Resources whose manifests do not set `onLive`.
fn careful(pieces: &[Piece]) -> Vec<Desired> {
    let plain = |it: Desired| Desired { lifecycle: Lifecycle::default(), ..it };
    resources(pieces).into_iter().map(plain).collect()
}

/// Starts streams, encoders and participants wherever `observed` has a bit for it and the account allows it.
fn go_live(account: &Account, observed: u32) {
    let objects = account.control("GET", "/_emulator/objects", Value::Null);
    let objects = objects["objects"].as_array().expect("a list");
    for (index, object) in objects.iter().enumerate() {
        if observed & (1 << (index % 32)) == 0 {
            continue;
        }
        let arn = &object["arn"];
        let (path, spec) = match object["kind"].as_str().expect("a kind") {
            "Channel" => ("streams", json!({ "channelArn": arn, "viewerCount": index })),
            "Stage" => ("participants", json!({ "stageArn": arn, "userId": "host" })),
            "IngestConfiguration" => ("ingests", json!({ "ingestConfigurationArn": arn })),
            _ => continue,
        };
        // An ingest without a stage, or a channel that a composition feeds, stays as it is.
        account.emulator.control("POST", &format!("/_emulator/{path}"), spec);
    }
}

/// A channel and a stage of another owner.
async fn strangers(account: &Account, tags: &Tags) -> BTreeSet<Arn> {
    let tags = || Some(tags.clone().into_iter().collect());
    let channel = account.aws.ivs.create_channel().name("it-0").set_tags(tags()).send().await;
    let channel = channel.sorted("CreateChannel").expect("made").channel.expect("answered");
    let stage = account.aws.realtime.create_stage().name("it-0").set_tags(tags()).send().await;
    let stage = stage.sorted("CreateStage").expect("made").stage.expect("answered");
    [channel.arn.expect("answered"), stage.arn].into_iter().map(Arn::new).collect()
}

/// Found by chance as the thousandth case of a law: nothing is left to do but to wait.
#[test]
fn a_channel_goes_once_the_dormant_composition_on_it_has_ended() {
    let piece = |kind: Kind, name, knobs| Piece { kind: kind as usize, name, knobs };
    let ends = [piece(Kind::Channel, 0, [0; 8]), piece(Kind::Stage, 0, [0; 8])];
    let first = [&ends[..], &[piece(Kind::Composition, 2, [30, 0, 254, 0, 0, 165, 0, 0])]].concat();
    let ends = [piece(Kind::Channel, 1, [0; 8]), piece(Kind::Stage, 0, [0; 8])];
    let second = [&ends[..], &[piece(Kind::Composition, 2, [20, 0, 44, 0, 0, 151, 0, 0])]].concat();
    on_paused_time(async {
        let (account, stack) = (Account::empty().await, stack());
        let (first, second) = (resources(&first), resources(&second));
        settle(&account, &stack, &first, &everything(&first, &[])).await;
        settle(&account, &stack, &second, &everything(&second, &first)).await;
    });
}

#[test]
fn a_plan_with_every_action_has_no_action_without_a_word() {
    let all = [
        Action::Create,
        Action::Replace,
        Action::Update,
        Action::Adopt,
        Action::Rename,
        Action::Retag,
        Action::Release,
        Action::Delete,
    ];
    for action in all {
        assert_eq!(json!(action), json!(action.as_str()));
    }
}
