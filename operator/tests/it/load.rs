//! What many Targets, and Targets that nothing is done about, cost: runs, requests to the API server, calls to AWS, memory.

use crate::operator::{Operator, settled};
use crate::server::{Cluster, REGIONS, SHORT_LEASE, channel, reason, scenario, until};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most requests that a look at one Target may cost: its source, and where it seems due the Target and the source again.
const MOST_A_LOOK: u64 = 3;

#[test]
fn targets_that_wait_cost_looks_and_no_runs_no_writes_and_no_calls() {
    scenario(async |cluster: Cluster| {
        cluster.manifests("manifests", &channel("LOW")).await;
        cluster.manifests("alone", &channel("LOW")).await;
        cluster.manifests("broken", "kind: Nothing\n").await;
        cluster.namespace("tenant").await;
        let source =
            |name: &str| json!({ "path": ".", "sourceRef": { "kind": "ConfigMap", "name": name } });
        let refused = json!({ "arn": "arn:aws:iam::000000000000:role/refused", "refused": true });
        cluster.control("POST", "roles", &refused);
        let role = json!({ "arn": refused["arn"] });
        for (name, more) in [
            ("ready", json!({})),
            ("failing", json!({ "role": role })),
            ("waiting", json!({ "wave": 1 })),
            ("drifted", json!({ "manifests": source("alone") })),
            ("confirm", json!({ "manifests": source("alone"), "deletion": "Delete" })),
            ("broken", json!({ "manifests": source("broken") })),
            ("missing", json!({ "manifests": source("missing") })),
            ("wrong", json!({ "manifests": source("../x") })),
            ("asleep", json!({ "suspend": true })),
        ] {
            let mut spec = json!({ "mode": "Apply", "interval": "1h" });
            for (name, it) in more.as_object().expect("an object") {
                spec[name] = it.clone();
            }
            cluster.target("default", name, spec).await;
        }
        cluster.target("tenant", "foreign", json!({ "mode": "Apply", "stack": "foreign" })).await;
        let manifests = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "manifests" }, "data": { "a.yaml": channel("LOW") } });
        cluster.put("v1", "ConfigMap", Some("tenant"), &manifests).await;
        let operator = cluster.operator("one", &[]);
        for name in ["ready", "drifted", "confirm"] {
            cluster.until_reason(name, "Applied").await;
        }
        cluster.target("default", "twin", json!({ "mode": "Apply", "stack": "ready" })).await;
        cluster.merge("drifted", json!({ "spec": { "mode": "Observe" } })).await;
        cluster.until_reason("drifted", "InSync").await;
        let channels = cluster.channels();
        let (_, arn) = channels.iter().find(|it| it.0 == "drifted").expect("its channel");
        cluster.by_hand(
            "us-west-2",
            "UpdateChannel",
            &json!({ "arn": arn, "latencyMode": "NORMAL" }),
        );
        let now = json!({ "metadata": { "annotations": { "ivs-apply.dev/requested-at": "1" } } });
        cluster.merge("drifted", now).await;
        cluster.targets().delete("confirm", &DeleteParams::default()).await.expect("deleted");
        for (name, reason) in [
            ("ready", "Applied"),
            ("failing", "Failed"),
            ("waiting", "WaitingForWave"),
            ("drifted", "Drifted"),
            ("confirm", "ConfirmDeletes"),
            ("broken", "InvalidManifests"),
            ("missing", "SourceMissing"),
            ("wrong", "InvalidSpec"),
            ("asleep", ""),
            ("twin", "Duplicate"),
        ] {
            cluster.until_reason(name, reason).await;
        }
        until("foreign is refused", async || {
            let found = cluster.targets_in("tenant").get("foreign").await.expect("a Target");
            reason(&found.data["status"]) == "NoCredentials"
        })
        .await;
        let before = settled(&operator).await;
        cluster.control("DELETE", "calls", &Value::Null);
        cluster.proxy.forget();
        let began = Instant::now();
        tokio::time::sleep(Duration::from_secs(15)).await;
        let runs = operator.runs() - before;
        let counts = cluster.proxy.counts();
        let looks = began.elapsed().as_secs() + 2;
        // The one that fails is tried again after minutes.
        assert!(runs <= 1, "{runs} runs\n{}", operator.metrics());
        let calls = cluster.control("GET", "calls", &Value::Null);
        let calls = calls.as_object().expect("counts");
        assert!(calls.keys().all(|it| it == "AssumeRole"), "{calls:?}");
        let of = |methods: &[&str]| -> u64 {
            let chosen = counts.iter().filter(|((method, kind), _)| {
                methods.contains(&method.as_str()) && kind != "leases"
            });
            chosen.map(|it| it.1).sum()
        };
        // That run writes its status; its Event has been written.
        assert!(of(&["POST", "PUT", "PATCH", "DELETE"]) <= runs, "{counts:?}");
        assert!(of(&["GET"]) > 10, "the sources are looked at: {counts:?}");
        assert!(of(&["GET"]) <= MOST_A_LOOK * 11 * looks, "{counts:?} in {looks} looks");
        assert_eq!(of(&["WATCH"]), 0, "the watch goes on: {counts:?}");
    });
}

#[test]
fn a_look_at_a_target_that_is_not_due_is_one_request_and_no_call() {
    scenario(async |cluster: Cluster| {
        cluster.manifests("manifests", &channel("LOW")).await;
        cluster.target("default", "live", json!({ "mode": "Apply", "interval": "1h" })).await;
        let operator = cluster.operator("one", &[]);
        cluster.until_reason("live", "Applied").await;
        settled(&operator).await;
        cluster.control("DELETE", "calls", &Value::Null);
        cluster.proxy.forget();
        until("it was looked at", async || cluster.proxy.count("GET", "configmaps") >= 5).await;
        let mut counts = cluster.proxy.counts();
        counts.retain(|(_, kind), _| kind != "leases");
        assert_eq!(counts.len(), 1, "the source alone is asked for: {counts:?}");
        assert_eq!(cluster.control("GET", "calls", &Value::Null), json!({}));
        assert_eq!(operator.runs(), 1);
    });
}

/// The most memory that a process had, in KiB.
fn most_memory(operator: &Operator) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", operator.child.id()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_thousand_targets_that_are_up_to_date_cost_no_call_and_at_most_100_mib() {
    const COUNT: usize = 1_000;
    scenario(async |cluster: Cluster| {
        cluster.manifests("manifests", &channel("LOW")).await;
        let spec =
            |it: usize| json!({ "mode": "Apply", "interval": "1h", "region": REGIONS[it % 3] });
        cluster.target("default", "t-0000", spec(0)).await;
        let first = cluster.operator("first", &SHORT_LEASE);
        let mut status = cluster.until_reason("t-0000", "Applied").await;
        drop(first);
        // The others say the same of themselves, as after a run of each.
        let cluster = Arc::new(cluster);
        status["stack"] = Value::Null;
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..16 {
            let (cluster, status) = (Arc::clone(&cluster), status.clone());
            tasks.spawn(async move {
                for it in (1..COUNT).filter(|it| it % 16 == worker) {
                    let name = format!("t-{it:04}");
                    cluster.target("default", &name, spec(it)).await;
                    let patch = Patch::Merge(json!({ "status": status }));
                    let targets = cluster.targets();
                    targets
                        .patch_status(&name, &PatchParams::default(), &patch)
                        .await
                        .expect("written");
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("they are made");
        }
        cluster.control("DELETE", "calls", &Value::Null);
        let operator = cluster.operator_direct("second", &["--look", "5s"]);
        until("all were looked at twice", async || {
            operator.said().contains(" leads") && operator.metric("looks_total") >= 2 * COUNT as u64
        })
        .await;
        let ready = operator.metrics();
        let ready = ready
            .lines()
            .filter(|it| it.starts_with("ivs_apply_operator_target_ready{") && it.ends_with(" 1"));
        assert_eq!(ready.count(), COUNT);
        assert_eq!(operator.runs(), 0, "nothing is due");
        assert_eq!(cluster.control("GET", "calls", &Value::Null), json!({}));
        let most = most_memory(&operator);
        let told =
            format!("measured: the operator with {COUNT} Targets had at most {most} KiB of memory");
        // On a line of its own, also where the name of the test has begun one.
        writeln!(std::io::stdout(), "\n{told}").expect("standard output");
        assert!(most <= 100 << 10, "{most} KiB");
        // It would have run one that is due.
        let now = json!({ "metadata": { "annotations": { "ivs-apply.dev/requested-at": "1" } } });
        cluster.merge("t-0500", now).await;
        until("the one is run", async || operator.runs() == 1).await;
    });
}
