//! What the operator may do with the rights of `deploy/operator`, and what it may not.

use crate::server::{Cluster, channel, client_of, deploy, reason, scenario, until};
use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

#[test]
fn an_operator_with_the_rights_of_the_deployment_works_where_a_namespace_lets_it() {
    scenario(async |cluster: Cluster| {
        deploy(&cluster).await;
        for name in ["open", "closed"] {
            cluster.namespace(name).await;
            let manifests = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "manifests" }, "data": { "a.yaml": channel("LOW") } });
            cluster.put("v1", "ConfigMap", Some(name), &manifests).await;
            let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "tenant" } });
            cluster.put("v1", "ServiceAccount", Some(name), &account).await;
            let role = json!({ "arn": "arn:aws:iam::222222222222:role/ivs-apply" });
            let spec = json!({ "mode": "Apply", "interval": "1h", "account": "222222222222", "role": role, "serviceAccountName": "tenant", "deletion": "Delete" });
            cluster.target(name, name, spec).await;
        }
        cluster.target("open", "own", json!({ "mode": "Apply", "region": "eu-west-1" })).await;
        let role = json!({ "arn": "arn:aws:iam::222222222222:role/ivs-apply" });
        let nobody = json!({ "account": "222222222222", "region": "us-east-1", "role": role, "serviceAccountName": "nobody" });
        cluster.target("open", "nobody", nobody).await;
        cluster.bind("open", "ivs-apply-operator-tenant").await;
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
        until_reason("nobody", "open", "NoCredentials").await;
        let open = cluster.targets_in("open").get("open").await.expect("a Target");
        let finalizers = open.metadata.finalizers.unwrap_or_default();
        assert_eq!(
            finalizers,
            ["ivs-apply.dev/destroy"],
            "the rights are enough for the finalizer"
        );
        let events = Api::<Event>::namespaced(cluster.client.clone(), "open");
        until("the rights are enough for Events", async || {
            let told = events.list(&ListParams::default()).await.expect("Events");
            told.items.iter().any(|it| it.reason.as_deref() == Some("Applied"))
        })
        .await;
        let told = cluster.control("GET", "accounts", &Value::Null);
        assert!(
            told["accounts"].as_array().expect("accounts").contains(&json!("222222222222")),
            "by the token: {told}"
        );
    });
}

/// What the API server says to a request: its status code.
async fn code(client: &Client, method: &str, path: &str) -> u16 {
    let body = if ["POST", "PUT", "PATCH"].contains(&method) { b"{}".to_vec() } else { Vec::new() };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(
            "content-type",
            if method == "PATCH" { "application/merge-patch+json" } else { "application/json" },
        )
        .body(kube::client::Body::from(body))
        .expect("a request");
    client.send(request).await.expect("an answer").status().as_u16()
}

#[test]
fn the_rights_of_the_deployment_and_of_a_namespace_end_where_the_documents_say() {
    const TARGETS: &str = "/apis/ivs-apply.dev/v1/targets";
    scenario(async |cluster: Cluster| {
        deploy(&cluster).await;
        for (namespace, roles) in [
            ("closed", &[][..]),
            ("open", &["ivs-apply-operator-tenant"]),
            ("secret", &["ivs-apply-operator-secrets"]),
        ] {
            cluster.namespace(namespace).await;
            for role in roles {
                cluster.bind(namespace, role).await;
            }
        }
        let config = cluster.config_of("ivs-apply", "ivs-apply-operator").await;
        let client = client_of(&config).await;
        let is_denied = async |method: &str, path: &str| code(&client, method, path).await == 403;
        assert!(!is_denied("GET", TARGETS).await, "it lists Targets");
        let lease = "/apis/coordination.k8s.io/v1/namespaces/ivs-apply/leases";
        assert!(!is_denied("GET", &format!("{lease}/ivs-apply-operator")).await);
        assert!(is_denied("GET", &format!("{lease}/other")).await, "no Lease but its own");
        assert!(is_denied("GET", lease).await);
        assert!(is_denied("DELETE", &format!("{lease}/ivs-apply-operator")).await);
        // What it may do in each namespace, and what in none.
        for namespace in ["closed", "open", "secret", "ivs-apply", "default"] {
            let of = |kind: &str| format!("/api/v1/namespaces/{namespace}/{kind}");
            let (is_open, has_secrets) = (namespace == "open", namespace == "secret");
            let denied = async |method: &str, path: String| is_denied(method, &path).await;
            assert_eq!(denied("GET", of("configmaps/a")).await, !is_open, "{namespace}");
            assert_eq!(
                denied("POST", of("serviceaccounts/a/token")).await,
                !is_open,
                "{namespace}"
            );
            let flux = format!(
                "/apis/source.toolkit.fluxcd.io/v1/namespaces/{namespace}/gitrepositories/a"
            );
            assert_eq!(denied("GET", flux).await, !is_open, "{namespace}");
            assert_eq!(denied("GET", of("secrets/a")).await, !has_secrets, "{namespace}");
            assert_eq!(denied("POST", of("secrets")).await, !has_secrets, "{namespace}");
            assert_eq!(denied("PUT", of("secrets/a")).await, !has_secrets, "{namespace}");
            for (method, path) in [
                ("GET", "secrets"),
                ("PATCH", "secrets/a"),
                ("DELETE", "secrets/a"),
                ("GET", "configmaps"),
                ("PUT", "configmaps/a"),
                ("GET", "serviceaccounts/a"),
                ("GET", "pods"),
                ("POST", "pods"),
            ] {
                assert!(denied(method, of(path)).await, "{method} {path} in {namespace}");
            }
            let targets = format!("/apis/ivs-apply.dev/v1/namespaces/{namespace}/targets");
            assert!(denied("POST", targets.clone()).await, "it makes no Target");
            assert!(denied("DELETE", format!("{targets}/a")).await, "it deletes no Target");
        }
        for path in [
            "/api/v1/secrets",
            "/api/v1/configmaps",
            "/api/v1/namespaces",
            "/api/v1/nodes",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        ] {
            assert!(is_denied("GET", path).await, "{path}");
        }
    });
}
