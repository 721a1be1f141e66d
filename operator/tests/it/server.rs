//! What a scenario runs on: a real API server, an emulator, operators as processes of their own.

use crate::operator::Operator;
use crate::proxy::{Proxy, Servers};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Client, Config};
use serde_json::{Value, json};
use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The account of the emulator.
pub(crate) const ACCOUNT: &str = "000000000000";

const OPERATOR: &str = env!("CARGO_BIN_EXE_ivs-apply-operator");

/// How long something that must happen may take before a test fails.
const PATIENCE: Duration = Duration::from_mins(2);

/// One API server at a time: it is half a gigabyte.
static ONE: Mutex<()> = Mutex::new(());

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kubernetes/server.sh")
}

/// The command line that operators start; `cargo build` makes it.
pub(crate) fn program() -> PathBuf {
    let program = Path::new(OPERATOR).with_file_name("ivs-apply");
    assert!(program.exists(), "{} is missing: run `cargo build` first", program.display());
    program
}

/// A cluster, and an emulated account beside it.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) url: String,
    /// Between the API server and the operators.
    pub(crate) proxy: Proxy,
    /// What operators write to their logs.
    pub(crate) log: &'static str,
    servers: Servers,
    token: String,
    emulator: Child,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
        let _ =
            Command::new(script()).arg("down").arg(self.folder.path().join("kubernetes")).status();
    }
}

/// For an operator whose successor does not wait long, or which is to lose its Lease.
pub(crate) const SHORT_LEASE: [&str; 2] = ["--lease", "5s"];

/// Whether the definitions are on the newest API server, and the rest on the one of Debian 12.
pub(crate) fn is_newest() -> bool {
    let named = std::env::var("IVS_APPLY_API_SERVER").unwrap_or_default();
    assert!(
        ["", "newest"].contains(&named.as_str()),
        "IVS_APPLY_API_SERVER is `newest` or nothing"
    );
    named == "newest"
}

/// A client without credentials, for what has its own.
async fn without_credentials(file: &Path) -> Client {
    let config = Kubeconfig::read_from(file).expect("a configuration");
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
    let mut config = config.expect("a configuration");
    config.auth_info = kube::config::AuthInfo::default();
    Client::try_from(config).expect("a client")
}

/// A configuration for an address, with a token.
fn config_for(url: &str, token: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{ "name": "test", "cluster": { "server": url } }],
        "users": [{ "name": "test", "user": { "token": token } }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test", "namespace": "default" } }],
    })
    .to_string()
}

/// A client by a configuration.
pub(crate) async fn client_of(file: &Path) -> Client {
    let config = Kubeconfig::read_from(file).expect("a configuration");
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a configuration")).expect("a client")
}

/// Runs a scenario on a cluster with the definition of Target.
pub(crate) fn scenario<F: Future<Output = ()>>(run: impl FnOnce(Cluster) -> F) {
    on_an_empty_cluster(async |cluster: Cluster| {
        cluster.define(&yaml("../deploy/operator/crd.yaml")).await;
        cluster.namespace("ivs-apply").await;
        run(cluster).await;
    });
}

/// Runs a scenario on a cluster as it begins. Without an API server on this machine it is left out, and where CI is set it fails.
pub(crate) fn on_an_empty_cluster(run: impl AsyncFnOnce(Cluster)) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let is_there = std::env::var_os("IVS_APPLY_KUBERNETES").is_some()
        || Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../target/kubernetes/1.20.2/kube-apiserver")
            .exists();
    if !is_there {
        let install = "tests/kubernetes/server.sh get";
        assert!(std::env::var_os("CI").is_none(), "there is no API server; to build it: {install}");
        let _ = writeln!(
            std::io::stderr(),
            "left out: a scenario on an API server; to build it: {install}"
        );
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let cluster = Cluster::start().await;
        run(cluster).await;
    });
}

impl Cluster {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let up = Command::new(script())
            .arg("up")
            .arg(folder.path().join("kubernetes"))
            .args(is_newest().then_some("newest"))
            .output()
            .expect("bash");
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        let mut emulator = Command::new(program())
            .args(["emulator", "--listen", "127.0.0.1:0"])
            .env_clear()
            .env("HOME", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the emulator starts");
        let mut line = String::new();
        BufReader::new(emulator.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("an address");
        let url = line.trim().rsplit(' ').next().expect("an address").to_owned();
        let of = |name: &str| folder.path().join("kubernetes").join(name);
        let text = std::fs::read_to_string(of("kubeconfig")).expect("a configuration");
        let read: Value = serde_yaml::from_str(&text).expect("YAML");
        let token = read["users"][0]["user"]["token"].as_str().expect("a token").to_owned();
        let of_definitions = if is_newest() {
            Some(without_credentials(&of("kubeconfig.newest")).await)
        } else {
            None
        };
        let servers =
            Servers { main: without_credentials(&of("kubeconfig")).await, of_definitions };
        let own = Proxy::start(servers.clone()).await;
        let file = folder.path().join("own.kubeconfig");
        std::fs::write(&file, config_for(&own.url, &token)).expect("writable");
        let client = client_of(&file).await;
        let proxy = Proxy::start(servers.clone()).await;
        Self { client, folder, url, proxy, log: "info", servers, token, emulator }
    }

    /// Creates a definition and waits until its objects can be listed.
    pub(crate) async fn define(&self, definition: &Value) {
        self.put("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, definition).await;
        let (spec, names) = (&definition["spec"], &definition["spec"]["names"]);
        let version = spec["versions"][0]["name"].as_str().expect("a version");
        let kind = GroupVersionKind::gvk(
            spec["group"].as_str().expect("a group"),
            version,
            names["kind"].as_str().expect("a kind"),
        );
        let resource =
            ApiResource::from_gvk_with_plural(&kind, names["plural"].as_str().expect("a plural"));
        let api = Api::<DynamicObject>::all_with(self.client.clone(), &resource);
        until("the definition is served", async || api.list(&ListParams::default()).await.is_ok())
            .await;
    }

    /// Writes an object.
    pub(crate) async fn put(
        &self,
        version: &str,
        kind: &str,
        namespace: Option<&str>,
        object: &Value,
    ) {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let name = object["metadata"]["name"].as_str().expect("a name");
        api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(object))
            .await
            .unwrap_or_else(|it| panic!("{kind} {name}: {it}"));
    }

    pub(crate) async fn namespace(&self, name: &str) {
        let object =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        let api = Api::<Namespace>::all(self.client.clone());
        api.patch(name, &PatchParams::apply("test"), &Patch::Apply(object))
            .await
            .expect("a namespace");
    }

    /// Writes manifests into a `ConfigMap`.
    pub(crate) async fn manifests(&self, name: &str, text: &str) {
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "a.yaml": text } });
        let api = Api::<ConfigMap>::namespaced(self.client.clone(), "default");
        api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(object))
            .await
            .expect("a ConfigMap");
    }

    /// Targets of a namespace.
    pub(crate) fn targets(&self) -> Api<DynamicObject> {
        self.targets_in("default")
    }

    pub(crate) fn targets_in(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(
            self.client.clone(),
            namespace,
            &ApiResource::from_gvk(&GroupVersionKind::gvk("ivs-apply.dev", "v1", "Target")),
        )
    }

    /// Writes a Target whose stack has its name.
    pub(crate) async fn target(&self, namespace: &str, name: &str, more: Value) {
        let mut spec = json!({
            "account": ACCOUNT, "region": "us-west-2", "stack": name,
            "manifests": { "path": ".", "sourceRef": { "kind": "ConfigMap", "name": "manifests" } },
        });
        for (name, it) in more.as_object().expect("an object") {
            spec[name] = it.clone();
        }
        let object = json!({ "apiVersion": "ivs-apply.dev/v1", "kind": "Target", "metadata": { "name": name }, "spec": spec });
        self.targets_in(namespace)
            .patch(name, &PatchParams::apply("test").force(), &Patch::Apply(object))
            .await
            .expect("a Target");
    }

    pub(crate) async fn merge(&self, name: &str, patch: Value) {
        self.targets()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .expect("patched");
    }

    pub(crate) async fn status(&self, name: &str) -> Value {
        let found = self.targets().get_opt(name).await.expect("an answer");
        found.map_or(Value::Null, |it| it.data["status"].clone())
    }

    /// The reason of `Ready`.
    pub(crate) async fn reason(&self, name: &str) -> String {
        reason(&self.status(name).await)
    }

    /// Waits for a reason.
    pub(crate) async fn until_reason(&self, name: &str, wanted: &str) -> Value {
        let began = Instant::now();
        loop {
            let status = self.status(name).await;
            if reason(&status) == wanted {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "{name} is not {wanted}: {status:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Another proxy in front of the API server.
    pub(crate) async fn another_proxy(&self) -> Proxy {
        Proxy::start(self.servers.clone()).await
    }

    /// Starts an operator with the rights of the administrator.
    pub(crate) fn operator(&self, name: &str, more: &[&str]) -> Operator {
        self.operator_behind(&self.proxy, name, more)
    }

    /// The same behind another proxy.
    pub(crate) fn operator_behind(&self, proxy: &Proxy, name: &str, more: &[&str]) -> Operator {
        let config = self.folder.path().join(format!("{name}.kubeconfig"));
        std::fs::write(&config, config_for(&proxy.url, &self.token)).expect("writable");
        self.operator_as(name, &config, more)
    }

    /// Starts an operator with the rights of a configuration.
    pub(crate) fn operator_as(&self, name: &str, config: &Path, more: &[&str]) -> Operator {
        let log = self.folder.path().join(format!("{name}.log"));
        let file = std::fs::File::create(&log).expect("writable");
        let mut child = Command::new(OPERATOR);
        child.args(["run", "--listen", "127.0.0.1:0", "--identity", name]);
        child.arg("--program").arg(program()).args(more).env_clear();
        let child = child
            .env("KUBECONFIG", config)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("IVS_APPLY_OPERATOR_LOG", self.log)
            .env("IVS_APPLY_OPERATOR_OWN_CREDENTIALS", "default")
            // Flags come before these. A slow machine must not make an operator lose its Lease where that is not what is tested.
            .envs([("IVS_APPLY_OPERATOR_LOOK", "1s"), ("IVS_APPLY_OPERATOR_LEASE", "1m")])
            .envs([
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_ENDPOINT_URL", &self.url),
            ])
            .env("TMPDIR", self.folder.path())
            .stderr(file)
            .spawn()
            .expect("the operator starts");
        Operator { child, log }
    }

    /// Starts an operator with the rights of the administrator that talks to the API server itself, as in a cluster.
    pub(crate) fn operator_direct(&self, name: &str, more: &[&str]) -> Operator {
        if is_newest() {
            return self.operator(name, more);
        }
        self.operator_as(name, &self.folder.path().join("kubernetes/kubeconfig"), more)
    }

    /// Lets the operator have a role in a namespace.
    pub(crate) async fn bind(&self, namespace: &str, role: &str) {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": role },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "kind": "ServiceAccount", "name": "ivs-apply-operator", "namespace": "ivs-apply" }],
        });
        self.put("rbac.authorization.k8s.io/v1", "RoleBinding", Some(namespace), &binding).await;
    }

    fn leases(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("coordination.k8s.io", "v1", "Lease");
        let resource = ApiResource::from_gvk(&kind);
        Api::namespaced_with(self.client.clone(), "ivs-apply", &resource)
    }

    /// The Lease of the operators.
    pub(crate) async fn lease(&self) -> Value {
        self.leases().get("ivs-apply-operator").await.expect("a Lease").data
    }

    pub(crate) async fn delete_lease(&self) {
        let deleted = self.leases().delete("ivs-apply-operator", &DeleteParams::default()).await;
        deleted.expect("deleted");
    }

    /// A configuration with the rights of a service account.
    pub(crate) async fn config_of(&self, namespace: &str, name: &str) -> PathBuf {
        let request = TokenRequest::default();
        let api = Api::<ServiceAccount>::namespaced(self.client.clone(), namespace);
        let answer = api
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .expect("a token");
        let token = answer.status.expect("a token").token;
        let path = self.folder.path().join(format!("{name}.kubeconfig"));
        std::fs::write(&path, config_for(&self.proxy.url, &token)).expect("writable");
        path
    }

    /// A control request of the emulator.
    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = request(&self.url, method, &format!("/_emulator/{path}"), "", body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    /// A request of the API, by hand, with its answer.
    pub(crate) fn by_hand(&self, region: &str, operation: &str, body: &Value) -> Value {
        let signed = format!(
            "x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=HAND/20260101/{region}/ivs/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={}\r\n",
            "0".repeat(64)
        );
        let (status, answer) = request(&self.url, "POST", &format!("/{operation}"), &signed, body);
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    /// The channels of the account: the stack of each, and its ARN.
    pub(crate) fn channels(&self) -> Vec<(String, String)> {
        let told = self.control("GET", "objects", &Value::Null);
        let objects = told["objects"]
            .as_array()
            .expect("objects")
            .iter()
            .filter(|it| it["kind"] == "Channel");
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        objects
            .map(|it| (text(&it["object"]["tags"]["ivs-apply:stack"]), text(&it["arn"])))
            .collect()
    }
}

/// Regions of Targets.
pub(crate) const REGIONS: [&str; 3] = ["us-west-2", "us-east-1", "eu-west-1"];

/// The manifest of a channel.
pub(crate) fn channel(latency: &str) -> String {
    format!(
        "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: main }}\nspec: {{ latencyMode: {latency} }}\n"
    )
}

/// The reason of `Ready` in a status.
pub(crate) fn reason(status: &Value) -> String {
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().find(|it| it["type"] == "Ready");
    ready.and_then(|it| it["reason"].as_str()).unwrap_or_default().to_owned()
}

/// Writes what `deploy/operator` has beside the definition.
pub(crate) async fn deploy(cluster: &Cluster) {
    for document in documents("../deploy/operator/operator.yaml") {
        let text = |name: &str| document[name].as_str().expect("text").to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let is_inside =
            ["ServiceAccount", "Role", "RoleBinding", "Deployment"].contains(&kind.as_str());
        cluster.put(&version, &kind, is_inside.then_some("ivs-apply"), &document).await;
    }
}

/// Waits until something is the case.
pub(crate) async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The documents of a YAML file.
pub(crate) fn documents(path: &str) -> Vec<Value> {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file");
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents.map(|it| serde::Deserialize::deserialize(it).expect("YAML")).collect()
}

/// A YAML file, by its path from the folder of the operator.
pub(crate) fn yaml(path: &str) -> Value {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file");
    serde_yaml::from_str(&text).expect("YAML")
}

fn request(url: &str, method: &str, path: &str, headers: &str, body: &Value) -> (u16, Value) {
    let address = url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("the emulator listens");
    let body = body.to_string();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let status = text.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
    let body = text.split_once("\r\n\r\n").map_or("", |it| it.1);
    (status, serde_json::from_str(body).unwrap_or_default())
}
