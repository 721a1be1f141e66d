//! What becomes of a stack when its Target is deleted.

use crate::server::{Cluster, channel, scenario, until};
use kube::api::DeleteParams;
use serde_json::json;
use std::time::Duration;

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
