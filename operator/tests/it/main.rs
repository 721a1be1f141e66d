//! The operator as it runs: its own process, a real API server, the emulator of both services behind a socket.

mod server;

use crate::server::{ACCOUNT, Cluster, reason, scenario, until};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::{Read as _, Write as _};
use std::time::Duration;

const REGIONS: [&str; 3] = ["us-west-2", "us-east-1", "eu-west-1"];

fn channel(latency: &str) -> String {
    format!(
        "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: main }}\nspec: {{ latencyMode: {latency} }}\n"
    )
}

/// Waits until nothing more runs and gives the number of runs.
async fn settled(operator: &server::Operator) -> u64 {
    let mut before = operator.runs();
    loop {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let now = operator.runs();
        if now == before {
            return now;
        }
        before = now;
    }
}

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
fn a_deletion_leaves_aws_alone_or_waits_for_its_number() {
    scenario(async |cluster: Cluster| {
        cluster.manifests("manifests", &channel("LOW")).await;
        for (name, deletion) in [("orphan", "Orphan"), ("gone", "Delete"), ("kept", "Delete")] {
            cluster
                .target(
                    "default",
                    name,
                    json!({ "mode": "Apply", "deletion": deletion, "interval": "1h" }),
                )
                .await;
        }
        let _operator = cluster.operator("one", &[]);
        for name in ["orphan", "gone", "kept"] {
            cluster.until_reason(name, "Applied").await;
        }
        for name in ["orphan", "gone", "kept"] {
            cluster.targets().delete(name, &DeleteParams::default()).await.expect("deleted");
        }
        let is_gone =
            async |name: &str| cluster.targets().get_opt(name).await.expect("an answer").is_none();
        until("orphan is gone", async || is_gone("orphan").await).await;
        for name in ["gone", "kept"] {
            let status = cluster.until_reason(name, "ConfirmDeletes").await;
            assert_eq!(status["deletes"], 1, "{status:#}");
        }
        assert_eq!(cluster.channels().len(), 3);
        // Another number is none.
        cluster
            .merge(
                "gone",
                json!({ "metadata": { "annotations": { "ivs-apply.dev/confirm-deletes": "2" } } }),
            )
            .await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(cluster.channels().len(), 3);
        cluster
            .merge(
                "gone",
                json!({ "metadata": { "annotations": { "ivs-apply.dev/confirm-deletes": "1" } } }),
            )
            .await;
        until("gone is gone", async || is_gone("gone").await).await;
        // The way out.
        cluster.merge("kept", json!({ "spec": { "deletion": "Orphan" } })).await;
        until("kept is gone", async || is_gone("kept").await).await;
        let mut stacks: Vec<String> = cluster.channels().into_iter().map(|it| it.0).collect();
        stacks.sort();
        assert_eq!(stacks, ["kept", "orphan"]);
    });
}

#[test]
fn the_next_operator_takes_over_from_one_that_is_killed_in_the_middle_of_an_apply() {
    scenario(async |cluster: Cluster| {
        let many: Vec<String> =
            (0..20).map(|it| channel("LOW").replace("main", &format!("c-{it}"))).collect();
        cluster.manifests("manifests", &many.join("---\n")).await;
        for name in ["a", "b"] {
            cluster.target("default", name, json!({ "mode": "Apply", "interval": "1h" })).await;
        }
        cluster.control(
            "POST",
            "faults",
            &json!({ "operation": "CreateChannel", "kind": "delay", "seconds": 0.5 }),
        );
        let mut first = cluster.operator("first", &[]);
        first.leads().await;
        let second = cluster.operator("second", &[]);
        until("some channels are there", async || cluster.channels().len() > 3).await;
        first.child.kill().expect("killed");
        first.child.wait().expect("it ends");
        assert!(cluster.channels().len() < 40, "it was in the middle");
        assert!(!second.said().contains(" leads"), "not before the Lease ends");
        cluster.control("DELETE", "faults", &Value::Null);
        for name in ["a", "b"] {
            cluster.until_reason(name, "Applied").await;
        }
        assert_eq!(cluster.channels().len(), 40, "one object a name");
        assert!(second.said().contains(" leads"));
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

/// An archive of one file or link, compressed.
fn artifact(name: &str, kind: tar::EntryType, text: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    builder.append(&header, text).expect("in memory");
    builder.into_inner().and_then(flate2::write::GzEncoder::finish).expect("in memory")
}

/// Serves these bytes to everybody who asks; gives the address.
fn serve(bytes: Vec<u8>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let length = bytes.len();
            // A client that has read enough hangs up.
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(&bytes);
        }
    });
    format!("http://{address}/artifact.tar.gz")
}

#[test]
fn artifacts_of_flux_are_applied_and_hostile_ones_are_refused_and_say_so() {
    scenario(async |cluster: Cluster| {
        let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": "gitrepositories.source.toolkit.fluxcd.io" },
            "spec": {
                "group": "source.toolkit.fluxcd.io", "scope": "Namespaced",
                "names": { "kind": "GitRepository", "listKind": "GitRepositoryList", "plural": "gitrepositories", "singular": "gitrepository" },
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": any } }],
            },
        });
        cluster.define(&definition).await;
        let good = artifact("live/a.yaml", tar::EntryType::Regular, channel("LOW").as_bytes());
        let cases = [
            ("good", good.clone(), None, "Applied"),
            (
                "link",
                artifact("live/a.yaml", tar::EntryType::Symlink, b""),
                None,
                "ArtifactRefused",
            ),
            (
                "out",
                artifact("../../a.yaml", tar::EntryType::Regular, b"x"),
                None,
                "ArtifactRefused",
            ),
            ("other", good, Some("0".repeat(64)), "ArtifactRefused"),
            ("large", vec![0; 40_000], None, "ArtifactRefused"),
        ];
        for (name, bytes, digest, _) in &cases {
            let digest = digest.clone().unwrap_or_else(|| hex::encode(Sha256::digest(bytes)));
            let artifact = json!({ "url": serve(bytes.clone()), "digest": format!("sha256:{digest}"), "revision": "main@sha1:1" });
            let object = json!({
                "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
                "metadata": { "name": name }, "status": { "artifact": artifact },
            });
            cluster
                .put("source.toolkit.fluxcd.io/v1", "GitRepository", Some("default"), &object)
                .await;
            let source =
                json!({ "path": "live", "sourceRef": { "kind": "GitRepository", "name": name } });
            cluster
                .target(
                    "default",
                    name,
                    json!({ "mode": "Apply", "interval": "1h", "manifests": source }),
                )
                .await;
        }
        let operator = cluster.operator("one", &["--artifact-bytes", "20000"]);
        for (name, _, _, reason) in &cases {
            cluster.until_reason(name, reason).await;
        }
        assert_eq!(cluster.channels().len(), 1);
        assert_eq!(settled(&operator).await, 1, "what is refused is not run");
    });
}

#[test]
fn an_operator_with_the_rights_of_the_deployment_works_where_a_namespace_lets_it() {
    scenario(async |cluster: Cluster| {
        for document in server::documents("../deploy/operator/operator.yaml") {
            let (version, kind) = (
                document["apiVersion"].as_str().expect("a version"),
                document["kind"].as_str().expect("a kind"),
            );
            let namespace = ["ServiceAccount", "Role", "RoleBinding", "Deployment"]
                .contains(&kind)
                .then_some("ivs-apply");
            cluster.put(version, kind, namespace, &document).await;
        }
        for name in ["open", "closed"] {
            cluster.namespace(name).await;
            let manifests = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "manifests" }, "data": { "a.yaml": channel("LOW") } });
            cluster.put("v1", "ConfigMap", Some(name), &manifests).await;
            let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "tenant" } });
            cluster.put("v1", "ServiceAccount", Some(name), &account).await;
            let role = json!({ "arn": "arn:aws:iam::222222222222:role/ivs-apply" });
            cluster
                .target(name, name, json!({ "mode": "Apply", "interval": "1h", "account": "222222222222", "role": role, "serviceAccountName": "tenant" }))
                .await;
        }
        cluster.target("open", "own", json!({ "mode": "Apply", "region": "eu-west-1" })).await;
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "ivs-apply" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "ivs-apply-operator-tenant" },
            "subjects": [{ "kind": "ServiceAccount", "name": "ivs-apply-operator", "namespace": "ivs-apply" }],
        });
        cluster.put("rbac.authorization.k8s.io/v1", "RoleBinding", Some("open"), &binding).await;
        let config = cluster.config_of("ivs-apply", "ivs-apply-operator").await;
        let _operator = cluster.operator_as("one", &config, &[]);
        let until_reason = async |name: &str, namespace: &str, wanted: &str| {
            until(&format!("{name} is {wanted}"), async || {
                let found = cluster.targets_in(namespace).get(name).await.expect("a Target");
                reason(&found.data["status"]) == wanted
            })
            .await;
        };
        until_reason("open", "open", "Applied").await;
        until_reason("closed", "closed", "SourceForbidden").await;
        until_reason("own", "open", "NoCredentials").await;
        let told = cluster.control("GET", "accounts", &Value::Null);
        assert!(
            told["accounts"].as_array().expect("accounts").contains(&json!("222222222222")),
            "by the token: {told}"
        );
    });
}
