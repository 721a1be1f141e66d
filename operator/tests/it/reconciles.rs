//! What the operator does for Targets: it observes, applies, in the order of waves, and says what is wrong.

use crate::operator::settled;
use crate::server::{self, ACCOUNT, Cluster, REGIONS, channel, reason, scenario, until};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn fifty_targets_become_ready_each_with_one_run_and_an_edit_is_applied_in_wave_order() {
    scenario(async |cluster: Cluster| {
        cluster.manifests("manifests", &channel("LOW")).await;
        for it in 0..50 {
            let spec = json!({ "mode": "Apply", "region": REGIONS[it % 3], "wave": it / 20, "interval": "1h" });
            cluster.target("default", &format!("t-{it:02}"), spec).await;
        }
        let operator = cluster.operator("one", &[]);
        until("all are ready", async || {
            let all = cluster.targets().list(&ListParams::default()).await.expect("Targets");
            all.items.iter().filter(|it| reason(&it.data["status"]) == "Applied").count() == 50
        })
        .await;
        assert_eq!(
            settled(&operator).await,
            50,
            "a run for each Target and none more:\n{}",
            operator.metrics()
        );
        assert_eq!(cluster.channels().len(), 50);

        cluster.control("DELETE", "history", &Value::Null);
        cluster.manifests("manifests", &channel("NORMAL")).await;
        until("the edit is applied", async || {
            let history = cluster.control("GET", "history", &Value::Null);
            let events = history["events"].as_array().expect("events").iter();
            events.filter(|it| it["operation"] == "UpdateChannel").count() == 50
        })
        .await;
        let history = cluster.control("GET", "history", &Value::Null);
        let events = history["events"]
            .as_array()
            .expect("events")
            .iter()
            .filter(|it| it["operation"] == "UpdateChannel");
        let waves: Vec<usize> = events
            .map(|it| {
                let stack = it["tags"]["ivs-apply:stack"].as_str().expect("a stack");
                stack.trim_start_matches("t-").parse::<usize>().expect("a number") / 20
            })
            .collect();
        assert!(waves.is_sorted(), "{waves:?}");
        assert_eq!(settled(&operator).await, 100);
    });
}

#[test]
fn a_change_by_hand_is_drift_within_the_interval_and_is_told_once() {
    scenario(async |cluster: Cluster| {
        cluster.manifests("manifests", &channel("LOW")).await;
        cluster.target("default", "live", json!({ "mode": "Apply", "interval": "1h" })).await;
        let _operator = cluster.operator("one", &[]);
        cluster.until_reason("live", "Applied").await;
        cluster.merge("live", json!({ "spec": { "mode": "Observe", "interval": "2s" } })).await;
        cluster.until_reason("live", "InSync").await;
        let arn = cluster.channels()[0].1.clone();
        cluster.by_hand(
            "us-west-2",
            "UpdateChannel",
            &json!({ "arn": arn, "latencyMode": "NORMAL" }),
        );
        let status = cluster.until_reason("live", "Drifted").await;
        assert_eq!(status["addresses"][0]["address"], "Channel/main", "{status:#}");
        assert_eq!(status["exitCode"], 2);
        // Two more intervals: what is the same is not told again.
        let before = status["lastRun"].clone();
        until("it is compared again", async || cluster.status("live").await["lastRun"] != before)
            .await;
        let events = Api::<Event>::namespaced(cluster.client.clone(), "default")
            .list(&ListParams::default())
            .await
            .expect("Events");
        let told = events.items.iter().filter(|it| it.reason.as_deref() == Some("Drifted"));
        assert_eq!(told.filter(|it| it.series.is_none()).count(), 1, "{events:#?}");

        cluster.merge("live", json!({ "spec": { "suspend": true } })).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        cluster.control("DELETE", "calls", &Value::Null);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(
            cluster.control("GET", "calls", &Value::Null),
            json!({}),
            "a suspended Target costs no call"
        );
    });
}

#[test]
fn a_definition_that_is_deleted_and_made_again_loses_nothing_and_mistakes_say_what_to_do() {
    scenario(async |cluster: Cluster| {
        cluster.target("default", "live", json!({ "mode": "Apply", "interval": "1h" })).await;
        cluster.target("default", "wrong", json!({ "manifests": { "path": "../x", "sourceRef": { "kind": "ConfigMap", "name": "manifests" } } })).await;
        cluster.namespace("tenant").await;
        cluster.target("tenant", "foreign", json!({ "stack": "foreign" })).await;
        let _operator = cluster.operator("one", &[]);
        cluster.until_reason("live", "SourceMissing").await;
        cluster.until_reason("wrong", "InvalidSpec").await;
        cluster.manifests("manifests", "kind: Nothing\n").await;
        let status = cluster.until_reason("live", "InvalidManifests").await;
        assert!(
            status["conditions"]
                .as_array()
                .expect("conditions")
                .iter()
                .any(|it| it["type"] == "Stalled"),
            "{status:#}"
        );
        cluster.manifests("manifests", &channel("LOW")).await;
        cluster.until_reason("live", "Applied").await;
        // The twin is younger and says so.
        cluster.target("default", "twin", json!({ "stack": "live" })).await;
        cluster.until_reason("twin", "Duplicate").await;

        let definitions: Api<kube::api::DynamicObject> = Api::all_with(
            cluster.client.clone(),
            &kube::api::ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(
                "apiextensions.k8s.io",
                "v1",
                "CustomResourceDefinition",
            )),
        );
        definitions
            .delete("targets.ivs-apply.dev", &DeleteParams::default())
            .await
            .expect("deleted");
        until("the definition is gone", async || {
            definitions.get_opt("targets.ivs-apply.dev").await.expect("an answer").is_none()
        })
        .await;
        assert_eq!(cluster.channels().len(), 1);
        cluster.define(&server::yaml("../deploy/operator/crd.yaml")).await;
        cluster.target("default", "live", json!({ "mode": "Apply", "interval": "1h" })).await;
        cluster.until_reason("live", "Applied").await;
        assert_eq!(
            cluster.channels().len(),
            1,
            "nothing is lost and nothing made twice in {ACCOUNT}"
        );
        assert_eq!(cluster.reason("live").await, "Applied");
    });
}

#[test]
fn a_wave_that_cannot_be_applied_holds_up_the_next_one_which_goes_on_by_itself() {
    scenario(async |cluster: Cluster| {
        cluster.manifests("manifests", &channel("LOW")).await;
        for (name, wave, region) in [("first", 1, "us-west-2"), ("second", 2, "eu-west-1")] {
            let spec = json!({ "mode": "Apply", "interval": "1h", "wave": wave, "region": region });
            cluster.target("default", name, spec).await;
        }
        let _operator = cluster.operator("one", &[]);
        cluster.until_reason("first", "Applied").await;
        let revision = cluster.until_reason("second", "Applied").await["revision"].clone();
        cluster.manifests("manifests", "apiVersion: ivs-apply.dev/v1\nkind: Chanel\n").await;
        let status = cluster.until_reason("first", "InvalidManifests").await;
        assert!(status.to_string().contains("a.yaml:2"), "the place is told: {status:#}");
        let status = cluster.until_reason("second", "WaitingForWave").await;
        assert_eq!(status["revision"], revision, "it stays at what it had");
        cluster.manifests("manifests", &channel("NORMAL")).await;
        until("both are applied anew", async || {
            let (first, second) = (cluster.status("first").await, cluster.status("second").await);
            [&first, &second].iter().all(|it| reason(it) == "Applied" && it["revision"] != revision)
        })
        .await;
    });
}
