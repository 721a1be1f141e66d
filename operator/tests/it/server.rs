//! What a scenario runs on: a real API server, an emulator, operators as processes of their own.

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
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
fn program() -> PathBuf {
    let program = Path::new(OPERATOR).with_file_name("ivs-apply");
    assert!(program.exists(), "{} is missing: run `cargo build` first", program.display());
    program
}

/// A cluster with the definition of Target and an emulated account beside it.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) url: String,
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

/// Runs a scenario on a cluster. Without an API server on this machine it is left out, and where CI is set it fails.
pub(crate) fn scenario<F: Future<Output = ()>>(run: impl FnOnce(Cluster) -> F) {
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
        let config = Kubeconfig::read_from(folder.path().join("kubernetes/kubeconfig"))
            .expect("a configuration");
        let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
            .await
            .expect("a configuration");
        let client = Client::try_from(config).expect("a client");
        let cluster = Self { client, folder, url, emulator };
        cluster.define(&yaml("../deploy/operator/crd.yaml")).await;
        cluster.namespace("ivs-apply").await;
        cluster
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

    /// Starts an operator with the rights of the administrator.
    pub(crate) fn operator(&self, name: &str, more: &[&str]) -> Operator {
        self.operator_as(name, &self.folder.path().join("kubernetes/kubeconfig"), more)
    }

    pub(crate) fn operator_as(&self, name: &str, config: &Path, more: &[&str]) -> Operator {
        let log = self.folder.path().join(format!("{name}.log"));
        let file = std::fs::File::create(&log).expect("writable");
        let child = Command::new(OPERATOR)
            .arg("run")
            .args([
                "--look",
                "1s",
                "--lease",
                "5s",
                "--listen",
                "127.0.0.1:0",
                "--identity",
                name,
                "--own-credentials",
                "default",
            ])
            .arg("--program")
            .arg(program())
            .args(more)
            .env_clear()
            .env("KUBECONFIG", config)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
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

    /// A configuration with the rights of a service account.
    pub(crate) async fn config_of(&self, namespace: &str, name: &str) -> PathBuf {
        let request = TokenRequest::default();
        let api = Api::<ServiceAccount>::namespaced(self.client.clone(), namespace);
        let answer = api
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .expect("a token");
        let token = answer.status.expect("a token").token;
        let text = std::fs::read_to_string(self.folder.path().join("kubernetes/kubeconfig"))
            .expect("a configuration");
        let mut config: Value = serde_yaml::from_str(&text).expect("YAML");
        config["users"][0]["user"] = json!({ "token": token });
        let path = self.folder.path().join(format!("{name}.kubeconfig"));
        std::fs::write(&path, config.to_string()).expect("writable");
        path
    }

    /// A control request of the emulator.
    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = request(&self.url, method, &format!("/_emulator/{path}"), "", body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    /// A request of the API, by hand.
    pub(crate) fn by_hand(&self, region: &str, operation: &str, body: &Value) {
        let signed = format!(
            "x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=HAND/20260101/{region}/ivs/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={}\r\n",
            "0".repeat(64)
        );
        let (status, answer) = request(&self.url, "POST", &format!("/{operation}"), &signed, body);
        assert_eq!(status, 200, "{operation}: {answer}");
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

/// The reason of `Ready` in a status.
pub(crate) fn reason(status: &Value) -> String {
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().find(|it| it["type"] == "Ready");
    ready.and_then(|it| it["reason"].as_str()).unwrap_or_default().to_owned()
}

/// An operator.
pub(crate) struct Operator {
    pub(crate) child: Child,
    log: PathBuf,
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.said());
        }
    }
}

impl Operator {
    /// Everything it said.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it leads.
    pub(crate) async fn leads(&self) {
        until("the operator leads", async || self.said().lines().any(|it| it.contains(" leads")))
            .await;
    }

    /// What `/metrics` answers.
    pub(crate) fn metrics(&self) -> String {
        let said = self.said();
        let address = said
            .split_once("address=")
            .and_then(|it| it.1.split_whitespace().next())
            .expect("it says where it listens");
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    }

    /// How many runs it has counted.
    pub(crate) fn runs(&self) -> u64 {
        let text = self.metrics();
        let lines = text.lines().filter(|it| it.starts_with("ivs_apply_operator_runs_total{"));
        lines.filter_map(|it| it.rsplit(' ').next()?.parse::<u64>().ok()).sum()
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
