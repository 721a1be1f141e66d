//! Consent to cut off an audience: from the manifest and from the command line, for one show only, and the result
//! where the audience returns each time.

use crate::account::{Account, on_paused_time};
use crate::binary::{Place, document};
use crate::saved_plans::by_hand;
use ivs_apply::apply::StepStatus;
use ivs_apply::kinds::{Address, Kind};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Decision, Policy};
use serde_json::json;

const MAIN: &str = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: main }\n";

fn main_channel(spec: &str, on_live: &str) -> String {
    format!("{MAIN}spec: {spec}\nlifecycle: {{ onLive: {on_live} }}\n")
}

/// The only channel goes live with so many viewers.
fn observed(place: &Place, viewers: u32) {
    by_hand(place, async |account| {
        let channels = account.aws.ivs.list_channels().send().await.expect("listed").channels;
        let arn = channels[0].arn.clone().expect("an ARN");
        // The show before this one, if there was one, is over.
        let before = json!({ "channelArn": arn });
        let _ = account.emulator.control("DELETE", "/_emulator/streams", before);
        let stream = json!({ "channelArn": arn, "viewerCount": viewers });
        account.control("POST", "/_emulator/streams", stream);
    });
}

#[test]
fn destroy_needs_the_manifests_consent_as_well() {
    for (on_live, without, with, there) in
        [("fail", 4, 4, 1), ("defer", 4, 4, 1), ("interrupt", 4, 0, 0)]
    {
        let place = Place::new();
        place.write("main.yaml", &main_channel("{}", on_live));
        assert_eq!(place.run("apply --yes").code, Some(0));
        observed(&place, 55);
        let ran = place.run("destroy --yes");
        assert_eq!(ran.code, Some(without), "{on_live}: {ran:?}");
        let ran = place.run("destroy --yes --allow-live Channel/main");
        assert_eq!(ran.code, Some(with), "{on_live}: {ran:?}");
        let left = by_hand(&place, async |account| {
            account.aws.ivs.list_channels().send().await.expect("listed").channels.len()
        });
        assert_eq!(left, there, "{on_live}: {ran:?}");
        if on_live == "defer" {
            assert!(ran.stdout.contains("needs `onLive: interrupt`"), "{ran:?}");
        }
    }
}

#[test]
fn a_saved_plan_to_cut_off_one_show_does_not_cut_off_the_next() {
    let place = Place::new();
    place.write("main.yaml", &main_channel("{}", "interrupt"));
    assert_eq!(place.run("apply --yes").code, Some(0));
    observed(&place, 5);
    place.write("main.yaml", &main_channel("{ latencyMode: NORMAL }", "interrupt"));
    assert_eq!(place.run("plan --allow-live Channel/main --out plan.json").code, Some(0));
    observed(&place, 15_000);
    let ran = place.run("apply plan.json");
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.stdout.contains("`cutsOff`"), "{ran:?}");
}

#[test]
fn who_watches_a_composition_on_its_channel_stands_in_its_impact() {
    let place = Place::new();
    let text = |width: u32| {
        format!(
            "{MAIN}spec: {{}}\n---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: studio }}\nspec: {{}}\n\
             ---\napiVersion: ivs-apply.dev/v1\nkind: EncoderConfiguration\nmetadata: {{ name: hd }}\n\
             spec: {{ video: {{ width: {width}, height: 720 }} }}\n\
             ---\napiVersion: ivs-apply.dev/v1\nkind: Composition\nmetadata: {{ name: show }}\n\
             spec: {{ stage: studio, run: ALWAYS, destinations: [{{ channel: {{ channel: main, encoderConfiguration: hd }} }}] }}\n"
        )
    };
    place.write("all.yaml", &text(1280));
    assert_eq!(place.run("apply --yes").code, Some(0));
    observed(&place, 9_000);
    place.write("all.yaml", &text(720));
    let told = document(&place.run("plan --format json"));
    let steps = told["steps"].as_array().expect("steps");
    let impacts: Vec<_> = steps
        .iter()
        .filter(|it| it["address"] == "Composition/show" && it["impact"] != json!(null))
        .map(|it| it["impact"]["viewers"].clone())
        .collect();
    assert!(!impacts.is_empty() && impacts.iter().all(|it| *it == 9_000), "{told:#}");
    assert!(place.run("plan").stdout.contains("live: a composition is running, 9,000 viewers"));
}

#[test]
fn an_encoder_that_connects_again_and_again_is_left_to_people_in_the_end() {
    on_paused_time(async {
        let account = Account::empty().await;
        let before = load_text("a.yaml", &main_channel("{}", "interrupt"), None);
        let after =
            load_text("a.yaml", &main_channel("{ latencyMode: NORMAL }", "interrupt"), None);
        let (observed, plan) =
            account.plan(&before.stack, &before.desired, &Policy::default()).await;
        assert!(account.apply(&before.stack, &observed, &plan).await.is_well());
        let main = Address::new(Kind::Channel, "main");
        let arn = account.plan(&before.stack, &before.desired, &Policy::default()).await.0;
        let arn = arn.owned[&main].arn.as_str().to_owned();
        let stream = json!({ "channelArn": arn, "viewerCount": 3 });
        account.control("POST", "/_emulator/streams", stream.clone());
        let policy = Policy { allow_live: [main].into(), ..Policy::default() };
        let (observed, plan) = account.plan(&after.stack, &after.desired, &policy).await;
        assert_eq!(plan.steps[0].decision, Decision::Interrupt);
        account.calls();
        let comes_back = async {
            loop {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                // Refused while it is still there.
                let _ = account.emulator.control("POST", "/_emulator/streams", stream.clone());
            }
        };
        let outcome = tokio::select! {
            outcome = account.apply(&after.stack, &observed, &plan) => outcome,
            () = comes_back => unreachable!("it never ends"),
        };
        let [(_, StepStatus::Failed(failure))] = outcome.steps.as_slice() else {
            panic!("{outcome:#?}")
        };
        assert!(failure.to_string().contains("was live again each time"), "{failure}");
        assert!(failure.help().is_some_and(|it| it.contains("stop the encoder")));
        let calls = account.calls();
        assert_eq!(calls["StopStream"], 4, "{calls}");
        assert!(calls.get("UpdateChannel").is_none(), "{calls}");
    });
}
