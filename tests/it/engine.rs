//! The public engine: sessions side by side, their guards and their shared rate limits.

use crate::account::{Account, on_paused_time};
use futures_util::future::join;
use ivs_apply::apply::Stop;
use ivs_apply::emulator::{Clock, Emulator, Settings};
use ivs_apply::engine::{Error, Rates, Session, SharedBuckets, Target};
use ivs_apply::kinds::Stack;
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Policy, Status};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

fn channels(stack: &str, account: &str, count: usize) -> String {
    let head = "---\napiVersion: ivs-apply.dev/v1\n";
    let mut text = format!(
        "{head}kind: Stack\nmetadata: {{ name: {stack} }}\nspec: {{ region: us-west-2, account: \"{account}\" }}\n"
    );
    for number in 0..count {
        text.push_str(&format!("{head}kind: Channel\nmetadata: {{ name: {stack}-{number} }}\n"));
    }
    text
}

fn emulator(account: &str, rates: bool) -> Emulator {
    let account = account.to_owned();
    Emulator::new(Settings { account, clock: Clock::Tokio, rates, ..Settings::default() })
}

fn target(emulator: &Emulator) -> Target {
    Target {
        in_process: Some(emulator.http_client()),
        clock: Some(emulator.time_source()),
        ..Target::default()
    }
}

async fn applied(target: &Target, text: &str) -> Status {
    let loaded = load_text("a.yaml", text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let session = Session::open(target, &loaded.stack).await.expect("it is the stack's account");
    session.may_write(&loaded.stack).expect("the stack names its place");
    let planned = session.plan(loaded.stack, loaded.desired, Policy::default(), false).await;
    let planned = planned.expect("readable");
    assert_eq!(planned.refusal(&session, None), None);
    let (_stopper, stop) = watch::channel(Stop::default());
    let outcome = Box::pin(planned.apply(&session, stop, &|_| {})).await;
    assert!(outcome.is_well(), "{outcome:#?}");
    planned.plan.status()
}

#[test]
fn two_stacks_in_two_accounts_are_applied_at_once() {
    on_paused_time(async {
        let (one, two) = (emulator("111111111111", false), emulator("222222222222", false));
        let (first, second) =
            (channels("one", "111111111111", 3), channels("two", "222222222222", 2));
        let (one_target, two_target) = (target(&one), target(&two));
        join(applied(&one_target, &first), applied(&two_target, &second)).await;
        for (emulator, count) in [(&one, 3), (&two, 2)] {
            let (_, objects) = emulator.control("GET", "/_emulator/objects", Value::Null);
            let objects = objects["objects"].as_array().expect("a list");
            assert_eq!(objects.iter().filter(|it| it["kind"] == "Channel").count(), count);
        }
        assert_eq!(applied(&one_target, &first).await, Status::Clean);
    });
}

#[test]
fn sessions_with_one_account_and_region_share_their_rate_limits() {
    let took = |shared: bool| {
        let mut took = 0.0;
        on_paused_time(async {
            let emulator = emulator("111111111111", true);
            let buckets = SharedBuckets::default();
            let target = Target {
                rates: Some(Rates::Aws { share: 1.0 }),
                shared: shared.then(|| buckets.clone()),
                ..target(&emulator)
            };
            let (one, two) =
                (channels("one", "111111111111", 50), channels("two", "111111111111", 50));
            let start = Instant::now();
            join(applied(&target, &one), applied(&target, &two)).await;
            took = start.elapsed().as_secs_f64();
            let (_, throttled) = emulator.control("GET", "/_emulator/throttled", Value::Null);
            let throttled = throttled["CreateChannel"].as_u64().unwrap_or(0);
            // Each session by itself sends as much as AWS takes, so that two are throttled.
            assert_eq!(throttled > 0, !shared, "{throttled} creates were throttled");
        });
        took
    };
    assert!(took(true) >= 19.0);
    took(false);
}

#[test]
fn another_account_or_region_than_the_stack_s_is_a_typed_error() {
    on_paused_time(async {
        let account = Account::empty().await;
        let target = target(&account.emulator);
        let elsewhere = Stack { account: Some("999999999999".to_owned()), ..Stack::named("a") };
        let wrong = Session::open(&target, &elsewhere).await.err();
        assert!(matches!(wrong, Some(Error::WrongAccount { .. })), "{wrong:?}");
        let elsewhere = Stack { region: Some("eu-west-1".to_owned()), ..Stack::named("a") };
        let wrong = Session::open(&target, &elsewhere).await.err();
        assert!(matches!(wrong, Some(Error::WrongRegion { .. })), "{wrong:?}");
    });
}
