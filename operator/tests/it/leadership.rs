//! One operator leads, and its children work; where it ends or hangs, they end, and another one takes over.

use crate::operator::{Operator, children, runs};
use crate::proxy::{Fate, Rule};
use crate::server::{Cluster, SHORT_LEASE, channel, scenario, until};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The calls of one child, which assumed the role by itself and so has an access key of its own.
#[derive(Debug)]
struct Calls {
    region: String,
    first: u64,
    last: u64,
}

impl Calls {
    fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// What each child called, by the numbers that the emulator gave to the calls as they came.
fn calls_by_child(cluster: &Cluster) -> BTreeMap<String, Calls> {
    let told = cluster.control("GET", "marks", &Value::Null);
    let marks = told["marks"].as_array().expect("marks");
    assert!(marks.len() < 1_000, "the emulator has forgotten the first ones");
    let mut children: BTreeMap<String, Calls> = BTreeMap::new();
    for mark in marks.iter().filter(|it| it["fault"] == "delay") {
        let (Some(key), Some(call)) = (mark["caller"].as_str(), mark["call"].as_u64()) else {
            panic!("{mark}")
        };
        // The request for a role is signed with the keys of the operator.
        if !key.starts_with("ASIA") {
            continue;
        }
        let region = mark["region"].as_str().expect("a region").to_owned();
        let child =
            children.entry(key.to_owned()).or_insert(Calls { region, first: call, last: call });
        child.last = child.last.max(call);
    }
    children
}

#[test]
fn a_leader_that_is_killed_in_the_middle_of_an_apply_is_replaced_and_no_two_children_of_a_queue_work_at_once()
 {
    scenario(async |cluster: Cluster| {
        let many: Vec<String> =
            (0..20).map(|it| channel("LOW").replace("main", &format!("c-{it}"))).collect();
        cluster.manifests("manifests", &many.join("---\n")).await;
        // Each answer is late, so that there is a middle; and each call leaves a mark with its number.
        let late = json!({ "operation": "*", "kind": "delay", "seconds": 0.2 });
        cluster.control("POST", "faults", &late);
        let role = json!({ "arn": "arn:aws:iam::000000000000:role/ivs-apply" });
        let targets = [("a", "us-west-2"), ("b", "us-west-2"), ("c", "eu-west-1")];
        for (name, region) in targets {
            let spec = json!({ "mode": "Apply", "interval": "1h", "region": region, "role": role });
            cluster.target("default", name, spec).await;
        }
        let mut first = cluster.operator("first", &SHORT_LEASE);
        first.leads().await;
        let second = cluster.operator("second", &SHORT_LEASE);
        until("some channels are there", async || cluster.channels().len() > 3).await;
        let of_first = children(first.child.id());
        assert!(!of_first.is_empty(), "it has children");
        assert!(children(second.child.id()).is_empty(), "one that does not lead starts nothing");
        first.child.kill().expect("killed");
        first.child.wait().expect("it ends");
        until("its children ended with it", async || !of_first.iter().any(|it| runs(*it))).await;
        let begun = cluster.channels().len();
        assert!(begun < 60, "it was in the middle");
        assert!(!second.said().contains(" leads"), "not before the Lease ends");
        for (name, _) in targets {
            cluster.until_reason(name, "Applied").await;
        }
        assert!(second.said().contains(" leads"));

        let told = cluster.control("GET", "objects", &Value::Null);
        let channels: Vec<String> = told["objects"]
            .as_array()
            .expect("objects")
            .iter()
            .filter(|it| it["kind"] == "Channel")
            .map(|it| {
                let tags = &it["object"]["tags"];
                format!("{} {}", tags["ivs-apply:stack"], it["object"]["name"])
            })
            .collect();
        let different: BTreeSet<&String> = channels.iter().collect();
        assert_eq!((channels.len(), different.len()), (60, 60), "one object a name: {channels:?}");

        let calls = calls_by_child(&cluster);
        let pairs = || calls.iter().flat_map(|one| calls.iter().map(move |other| (one, other)));
        let pairs = || pairs().filter(|(one, other)| one.0 < other.0);
        for ((_, one), (_, other)) in pairs().filter(|(one, other)| one.1.region == other.1.region)
        {
            assert!(!one.overlaps(other), "two children of one queue at once: {calls:#?}");
        }
        let of_queue = calls.values().filter(|it| it.region == "us-west-2").count();
        assert!(of_queue >= 3, "the child that was killed and two of its successor: {calls:#?}");
        // What the record shows of two queues: it would show it of one as well.
        assert!(pairs().any(|(one, other)| one.1.overlaps(other.1)), "{calls:#?}");
    });
}

/// Tells an operator to end.
fn end(operator: &Operator) {
    let told = Command::new("kill").args(["-TERM", &operator.child.id().to_string()]).status();
    assert!(told.expect("kill starts").success());
}

#[test]
fn an_operator_that_is_told_to_end_gives_the_lease_back_and_the_next_one_leads_at_once() {
    scenario(async |cluster: Cluster| {
        let mut first = cluster.operator("first", &["--lease", "10m"]);
        first.leads().await;
        let second = cluster.operator("second", &[]);
        end(&first);
        until("it ends", async || first.child.try_wait().expect("a child").is_some()).await;
        assert!(first.child.wait().expect("it ended").success(), "{}", first.said());
        // Not after the ten minutes of the Lease.
        second.leads().await;
    });
}

#[test]
fn a_leader_whose_requests_about_the_lease_are_never_answered_ends_its_children_and_itself() {
    let held = |method| Rule { method, path: "/leases", fate: Fate::Held };
    let refused = |method| Rule { method, path: "/leases", fate: Fate::Refused };
    scenario(async |cluster: Cluster| {
        cluster.manifests("manifests", &channel("LOW")).await;
        for (name, rules) in
            [("unwritten", vec![held("PUT")]), ("unread", vec![refused("PUT"), held("GET")])]
        {
            let proxy = cluster.another_proxy().await;
            cluster.control("POST", "faults", &json!({ "operation": "List*", "kind": "stall" }));
            cluster.target("default", name, json!({ "mode": "Apply", "interval": "1h" })).await;
            let mut operator = cluster.operator_behind(&proxy, name, &SHORT_LEASE);
            operator.leads().await;
            until("it has a child", async || !children(operator.child.id()).is_empty()).await;
            let of_operator = children(operator.child.id());
            proxy.rules(&rules);
            until("it ends", async || operator.child.try_wait().expect("a child").is_some()).await;
            assert!(!operator.child.wait().expect("it ended").success());
            assert!(operator.said().contains("the Lease is lost"), "{}", operator.said());
            until("its children are gone", async || !of_operator.iter().any(|it| runs(*it))).await;
            cluster.control("DELETE", "faults", &Value::Null);
            let next = cluster.operator("next", &SHORT_LEASE);
            cluster.until_reason(name, "Applied").await;
            drop(next);
        }
    });
}

#[test]
fn an_operator_whose_first_requests_about_the_lease_are_never_answered_asks_again() {
    scenario(async |cluster: Cluster| {
        for (method, name) in [("GET", "unread"), ("POST", "unwritten")] {
            let proxy = cluster.another_proxy().await;
            proxy.rules(&[Rule { method, path: "/leases", fate: Fate::Held }]);
            let operator = cluster.operator_behind(&proxy, name, &SHORT_LEASE);
            until("it asks again", async || proxy.count(method, "leases") >= 2).await;
            assert!(!operator.said().contains(" leads"), "{}", operator.said());
            assert!(operator.said().contains("took too long"), "{}", operator.said());
            proxy.rules(&[]);
            operator.leads().await;
            end(&operator);
            until("the Lease is given back", async || {
                let holder = cluster.lease().await["spec"]["holderIdentity"].clone();
                holder.as_str().is_none_or(str::is_empty)
            })
            .await;
            // The next one begins without a Lease.
            cluster.delete_lease().await;
        }
    });
}
