//! `spec.writeSecretsTo`: a Secret with the stream keys of a stack, only where a Target asks for it and a namespace allows it.

use crate::server::{Cluster, deploy, reason, scenario, until};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};

const MANIFESTS: &str = "apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: main }
spec: { channel: main }
";

/// The stream keys of the account, as the API itself tells them.
fn stream_keys(cluster: &Cluster) -> Vec<String> {
    let mut keys = Vec::new();
    for (_, channel) in cluster.channels() {
        let body = json!({ "channelArn": channel });
        let listed = cluster.by_hand("us-west-2", "ListStreamKeys", &body);
        for it in listed["streamKeys"].as_array().expect("keys") {
            let got = cluster.by_hand("us-west-2", "GetStreamKey", &json!({ "arn": it["arn"] }));
            keys.push(got["streamKey"]["value"].as_str().expect("a key").to_owned());
        }
    }
    keys
}

/// Asks for a run now and waits until it has been.
async fn run_again(cluster: &Cluster, name: &str, value: &str, wanted: &str) -> Value {
    cluster
        .merge(
            name,
            json!({ "metadata": { "annotations": { "ivs-apply.dev/requested-at": value } } }),
        )
        .await;
    until("the annotation is heeded", async || {
        cluster.status(name).await["handled"] == format!("{value}/")
    })
    .await;
    let status = cluster.status(name).await;
    assert_eq!(reason(&status), wanted, "{status:#}");
    status
}

#[test]
fn secrets_are_written_only_where_a_target_asks_and_a_binding_allows_and_over_no_other_secret() {
    scenario(async |mut cluster: Cluster| {
        deploy(&cluster).await;
        cluster.bind("default", "ivs-apply-operator-tenant").await;
        cluster.manifests("manifests", MANIFESTS).await;
        let secrets = Api::<Secret>::namespaced(cluster.client.clone(), "default");
        let foreign: Secret = serde_json::from_value(
            json!({ "metadata": { "name": "taken" }, "stringData": { "password": "own" } }),
        )
        .expect("a Secret");
        secrets.create(&PostParams::default(), &foreign).await.expect("created");
        for (name, mode, secret) in [
            ("live", "Apply", Some("keys")),
            ("observed", "Observe", Some("unwanted")),
            ("silent", "Apply", None),
            ("rude", "Apply", Some("taken")),
        ] {
            let mut spec = json!({ "mode": mode, "interval": "1h" });
            if let Some(secret) = secret {
                spec["writeSecretsTo"] = json!({ "name": secret });
            }
            cluster.target("default", name, spec).await;
        }
        cluster.log = "trace";
        let config = cluster.config_of("ivs-apply", "ivs-apply-operator").await;
        let operator = cluster.operator_as("one", &config, &[]);
        for (name, wanted) in [
            ("live", "SecretForbidden"),
            ("observed", "Pending"),
            ("silent", "Applied"),
            ("rude", "SecretForbidden"),
        ] {
            cluster.until_reason(name, wanted).await;
        }
        let status = cluster.status("live").await;
        assert!(status.to_string().contains("ivs-apply-operator-secrets"), "{status:#}");
        let calls = cluster.control("GET", "calls", &Value::Null);
        assert!(calls.get("GetStreamKey").is_none(), "without the right nothing is read: {calls}");

        cluster.bind("default", "ivs-apply-operator-secrets").await;
        run_again(&cluster, "live", "1", "Applied").await;
        let status = run_again(&cluster, "rude", "1", "SecretTaken").await;
        assert!(status.to_string().contains("belongs to somebody else"), "{status:#}");
        let written = secrets.get("keys").await.expect("a Secret");
        let value = |it: &Secret, name: &str| {
            let data = it.data.as_ref().expect("data");
            String::from_utf8(data[name].0.clone()).expect("text")
        };
        let key = value(&written, "StreamKey.main.streamKey");
        assert!(stream_keys(&cluster).contains(&key));
        assert!(value(&written, "StreamKey.main.rtmpsUrl").ends_with(&key));
        let target = cluster.targets().get("live").await.expect("a Target");
        let owner = &written.metadata.owner_references.as_ref().expect("an owner")[0];
        assert_eq!(Some(&owner.uid), target.metadata.uid.as_ref());
        let other = secrets.get("taken").await.expect("there");
        assert_eq!(value(&other, "password"), "own");
        assert_eq!(other.data.expect("data").len(), 1);

        // Of the same content nothing is written.
        let version = written.metadata.resource_version.clone();
        run_again(&cluster, "live", "2", "Applied").await;
        assert_eq!(secrets.get("keys").await.expect("there").metadata.resource_version, version);
        // Another key is written over the old one.
        cluster
            .manifests(
                "manifests",
                &MANIFESTS.replace("channel: main", "channel: main, rotation: \"2\""),
            )
            .await;
        until("the new key is there", async || {
            let now = secrets.get("keys").await.expect("there");
            value(&now, "StreamKey.main.streamKey") != key
        })
        .await;
        let next = value(&secrets.get("keys").await.expect("there"), "StreamKey.main.streamKey");
        assert!(stream_keys(&cluster).contains(&next));

        // Somebody else's is left alone also where it comes later; the one of the Target is made anew.
        secrets.delete("keys", &DeleteParams::default()).await.expect("deleted");
        run_again(&cluster, "live", "3", "Applied").await;
        assert_eq!(
            value(&secrets.get("keys").await.expect("there"), "StreamKey.main.streamKey"),
            next
        );
        let names = secrets.list(&ListParams::default()).await.expect("Secrets");
        let names: Vec<String> = names
            .items
            .into_iter()
            .filter_map(|it| it.metadata.name)
            .filter(|it| !it.contains("token"))
            .collect();
        assert_eq!(names, ["keys", "taken"], "what is observed hands nothing over");

        // They are in the Secret and nowhere else: not in the log at its fullest, in no object, in no file.
        let events = Api::<Event>::namespaced(cluster.client.clone(), "default");
        let events = events.list(&ListParams::default()).await.expect("Events");
        let targets = cluster.targets().list(&ListParams::default()).await.expect("Targets");
        let texts = [
            ("the log", operator.said()),
            ("Events", serde_json::to_string(&events.items).expect("JSON")),
            ("Targets", serde_json::to_string(&targets.items).expect("JSON")),
            ("metrics", operator.metrics()),
        ];
        assert!(texts[0].1.contains("TRACE"), "the log is full");
        for secret in stream_keys(&cluster).iter().chain([&key]) {
            for (what, text) in &texts {
                assert!(!text.contains(secret.as_str()), "{what}");
            }
        }
    });
}
