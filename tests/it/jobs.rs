//! The Kubernetes jobs of `deploy/jobs`: against the schemas of Kubernetes, and each pod's command as it stands, for every
//! index, on an emulator that holds the accounts of `examples/fleet`.

use crate::binary::{Ran, SIGNED_IN, Served, ivs_apply, run};
use crate::client::Client;
use crate::conformance::python;
use crate::golden::root;
use crate::kustomize::kustomize;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What finds the results in the log of a pod; the documentation has the same.
const RESULTS_OF_A_LOG: &str = "/^{/,$p";

/// The oldest Kubernetes that has every field as a stable one.
const OLDEST: &str = "1.33";

/// What `kubectl kustomize deploy/jobs` writes; nothing without kubectl.
fn rendered() -> Option<(String, Vec<Value>)> {
    let text = kustomize(&root().join("deploy/jobs"))?;
    let documents = serde_yaml::Deserializer::from_str(&text)
        .map(|it| Value::deserialize(it).expect("YAML"))
        .collect();
    Some((text, documents))
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    let found = documents.iter().find(|it| it["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}"))
}

/// The specifications of both jobs: drift, and a wave.
fn jobs(documents: &[Value]) -> [&Value; 2] {
    let drift = &of_kind(documents, "CronJob")["spec"]["jobTemplate"]["spec"];
    [drift, &of_kind(documents, "Job")["spec"]]
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[test]
fn the_jobs_fit_the_schemas_of_kubernetes() {
    let (Some((text, _)), Some(python)) = (rendered(), python()) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let check = |text: &str, version: &str| {
        let file = folder.path().join("jobs.yaml");
        std::fs::write(&file, text).expect("writable");
        let mut command = Command::new(python.with_file_name("kubernetes-validate"));
        command.args(["--strict", "--kubernetes-version", version]).arg(file);
        run(&mut command)
    };
    for version in [OLDEST, "1.37"] {
        let ran = check(&text, version);
        assert_eq!(ran.code, Some(0), "{version}: {ran:?}");
        for (right, wrong) in [
            ("backoffLimitPerIndex: 1", "backoffLimitPerIndexes: 1"),
            ("completionMode: Indexed", "completionMode: [Indexed]"),
        ] {
            let ran = check(&text.replace(right, wrong), version);
            assert_ne!(ran.code, Some(0), "{wrong} is noticed: {ran:?}");
        }
    }
}

#[test]
fn the_pods_have_no_rights_but_their_token() {
    let Some((_, documents)) = rendered() else { return };
    for job in jobs(&documents) {
        let pod = &job["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        for shared in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pod[shared].is_null(), "{shared}");
        }
        let [container] = list(&pod["containers"]) else { panic!("one container") };
        let context = &container["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["privileged"], false);
        assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }));
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(container["image"], format!("ghcr.io/OWNER/ivs-apply:{version}"));
        // Each shard has an index, and no failed shard ends the others.
        assert_eq!(job["maxFailedIndexes"], job["completions"]);
        assert!(job["backoffLimit"].is_null(), "it would count the failures of all shards");
    }
}

#[test]
fn a_wave_waits_for_somebody_to_start_it_and_two_nights_never_run_at_once() {
    let Some((_, documents)) = rendered() else { return };
    assert_eq!(of_kind(&documents, "Job")["spec"]["suspend"], true);
    assert_eq!(of_kind(&documents, "CronJob")["spec"]["concurrencyPolicy"], "Forbid");
}

/// What the job does about a pod that ended so: the first rule that fits. `Count` is what Kubernetes does without one.
fn action(job: &Value, code: i32) -> String {
    let fits = |rule: &&Value| {
        let on = &rule["onExitCodes"];
        on["operator"] == "In" && list(&on["values"]).iter().any(|it| *it == code)
    };
    let found = list(&job["podFailurePolicy"]["rules"]).iter().find(fits);
    found.map_or("Count", |it| text(&it["action"])).to_owned()
}

#[test]
fn a_shard_is_tried_again_where_that_can_help() {
    let Some((_, documents)) = rendered() else { return };
    for job in jobs(&documents) {
        // A target failed; ended for want of memory; ended by a signal.
        for code in [3, 137, 143] {
            assert_eq!(action(job, code), "Count", "{code}");
        }
        // Nothing was started; refused; a defect.
        for code in [1, 4, 101] {
            assert_eq!(action(job, code), "FailIndex", "{code}");
        }
        let first = &job["podFailurePolicy"]["rules"][0];
        assert_eq!(first["action"], "Ignore");
        assert_eq!(first["onPodConditions"][0]["type"], "DisruptionTarget");
        let containers = &job["template"]["spec"]["containers"];
        for rule in list(&job["podFailurePolicy"]["rules"]) {
            let named = &rule["onExitCodes"]["containerName"];
            assert!(named.is_null() || *named == containers[0]["name"], "{named}");
        }
        assert_eq!(job["template"]["spec"]["restartPolicy"], "Never");
    }
    // Drift is found again at once; `apply` has no such result.
    assert_eq!(action(jobs(&documents)[0], 2), "FailIndex");
}

/// A node: the folders of the pods, and an account for each target.
struct Node {
    folder: tempfile::TempDir,
    account: Served,
    client: Client,
    documents: Vec<Value>,
}

impl Node {
    fn new(documents: Vec<Value>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let account = Served::start(folder.path(), &[]);
        let client = Client::new(&account.url);
        Self { folder, account, client, documents }
    }

    /// Lays a volume out as the kubelet does: the files in a hidden folder, links to them beside it.
    fn volume(&self, volume: &Value, place: &Path) {
        std::fs::create_dir_all(place).expect("writable");
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        if let Some(map) = volume.get("configMap") {
            let of_name =
                |it: &&Value| it["kind"] == "ConfigMap" && it["metadata"]["name"] == map["name"];
            let found = self.documents.iter().find(of_name).expect("the ConfigMap is rendered");
            let data = found["data"].as_object().expect("data");
            let items = list(&map["items"]);
            assert_eq!(items.len(), data.len(), "every key has a path");
            for it in items {
                files
                    .insert(text(&it["path"]).to_owned(), text(&data[text(&it["key"])]).to_owned());
            }
        } else if let Some(projected) = volume.get("projected") {
            for it in list(&projected["sources"]) {
                let token = &it["serviceAccountToken"];
                assert_eq!(token["audience"], "sts.amazonaws.com");
                files.insert(text(&token["path"]).to_owned(), "a.service.token".to_owned());
            }
        } else {
            assert!(volume.get("emptyDir").is_some(), "{volume}");
            return;
        }
        let hidden = place.join("..2026_01_01");
        let mut first = BTreeSet::new();
        for (path, content) in files {
            let file = hidden.join(&path);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("writable");
            std::fs::write(file, content).expect("writable");
            first.insert(path.split('/').next().expect("a name").to_owned());
        }
        symlink("..2026_01_01", place.join("..data")).expect("a link");
        for it in first {
            symlink(Path::new("..data").join(&it), place.join(&it)).expect("a link");
        }
    }

    /// Runs the command of a pod as it stands, and its log.
    fn pod(&self, job: &Value, name: &str, index: u64) -> (Option<i32>, String) {
        let spec = &job["template"]["spec"];
        let container = &spec["containers"][0];
        let root = self.folder.path().join(format!("{name}-{index}"));
        let mut mounts: Vec<(&str, PathBuf)> = Vec::new();
        for mount in list(&container["volumeMounts"]) {
            let of_name = |it: &&Value| it["name"] == mount["name"];
            let volume = list(&spec["volumes"]).iter().find(of_name).expect("the volume is there");
            let place = root.join(text(&mount["name"]));
            self.volume(volume, &place);
            mounts.push((text(&mount["mountPath"]), place));
        }
        let home = root.join("home");
        std::fs::create_dir_all(&home).expect("writable");
        // Kubernetes adds the index to the variables of the container, and puts variables into the words of the command.
        let index = index.to_string();
        let mapped = |it: &Value| {
            let word = text(it).replace("$(JOB_COMPLETION_INDEX)", &index);
            let found = mounts.iter().find_map(|(path, place)| {
                let rest = word.strip_prefix(path)?;
                let is_within = rest.is_empty() || rest.starts_with('/');
                is_within.then(|| format!("{}{rest}", place.display()))
            });
            found.unwrap_or(word)
        };
        assert_eq!(container["command"], json!(["/ivs-apply"]));
        let mut command = ivs_apply(&home);
        command.current_dir(&home).args(list(&container["args"]).iter().map(mapped));
        for it in list(&container["env"]) {
            command.env(text(&it["name"]), mapped(&it["value"]));
        }
        command.env("JOB_COMPLETION_INDEX", &index).env("AWS_ENDPOINT_URL", &self.account.url);
        let log = root.join("log");
        let file = std::fs::File::create(&log).expect("writable");
        // A log has both streams.
        let talk = file.try_clone().expect("another one");
        let status = command.stdin(Stdio::null()).stdout(file).stderr(talk).status();
        let log = std::fs::read_to_string(log).expect("UTF-8");
        // What the pod wrote is below its volume of results: everything else is read-only.
        assert_eq!(std::fs::read_dir(&home).expect("there").count(), 0, "{log}");
        (status.expect("it starts").code(), log)
    }

    /// Runs every index of a job. The exit code of each, and one report of what the logs say.
    fn job(&self, job: &Value, name: &str) -> (Vec<Option<i32>>, Ran) {
        let results = self.folder.path().join(format!("results-{name}"));
        let mut codes = Vec::new();
        for index in 0..job["completions"].as_u64().expect("a number") {
            let (code, log) = self.pod(job, name, index);
            let folder = results.join(index.to_string());
            std::fs::create_dir_all(&folder).expect("writable");
            let file = folder.join("log");
            std::fs::write(&file, log).expect("writable");
            let found = run(Command::new("sed").args(["-n", RESULTS_OF_A_LOG]).arg(&file));
            std::fs::write(folder.join("fleet.json"), found.stdout).expect("writable");
            std::fs::remove_file(file).expect("removed");
            codes.push(code);
        }
        let mut report = ivs_apply(self.folder.path());
        report.args(["fleet", "report", "--format", "json", "--max-failures", "0"]).arg(results);
        (codes, run(&mut report))
    }

    /// How many objects an account has that the manifests declare.
    fn objects(&mut self, account: &str) -> usize {
        let path = format!("objects?account={account}");
        let found = self.client.control("GET", &path, &Value::Null);
        let declared = ["Channel", "RecordingConfiguration"];
        list(&found["objects"]).iter().filter(|it| declared.contains(&text(&it["kind"]))).count()
    }
}

/// How many shards ended with this code.
fn ended(codes: &[Option<i32>], code: i32) -> usize {
    codes.iter().filter(|it| **it == Some(code)).count()
}

fn counts(report: &Ran) -> Value {
    let merged: Value =
        serde_json::from_str(&report.stdout).unwrap_or_else(|_| panic!("{report:?}"));
    merged["counts"].clone()
}

#[test]
fn every_index_of_the_jobs_runs_its_shard_and_the_logs_are_one_report() {
    let Some((_, documents)) = rendered() else { return };
    let mut node = Node::new(documents.clone());
    let [drift, wave] = jobs(&documents);
    let second = {
        let mut second = wave.clone();
        let args = second["template"]["spec"]["containers"][0]["args"].as_array_mut();
        let args = args.expect("words");
        let at = args.iter().position(|it| it == "--wave").expect("a wave") + 1;
        assert_eq!(args[at], "1");
        args[at] = json!("2");
        second
    };
    let (codes, report) = node.job(wave, "wave-1");
    assert_eq!(ended(&codes, 0), 8, "{codes:?} {report:?}");
    assert_eq!((report.code, counts(&report)), (Some(0), json!({ "clean": 1 })), "{report:?}");
    assert_eq!(node.objects("111111111111"), 2);
    assert_eq!(node.objects("222222222222"), 0, "it is of the second wave");

    // Somebody has applied a part of the other target: what is missing is drift of one shard, and the report is in order.
    let target = root().join("examples/fleet/targets/production.yaml");
    let mut by_hand = ivs_apply(node.folder.path());
    by_hand.envs(SIGNED_IN).env("AWS_ENDPOINT_URL", &node.account.url);
    by_hand.args(["apply", "--yes", "--only", "RecordingConfiguration/archive", "--target"]);
    let ran = run(by_hand.arg(format!("{}#prod-euw1", target.display())));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (codes, report) = node.job(drift, "drifted");
    assert_eq!((ended(&codes, 2), ended(&codes, 0)), (1, 7), "{codes:?} {report:?}");
    let expected = json!({ "changes": 1, "clean": 1 });
    assert_eq!((report.code, counts(&report)), (Some(0), expected), "{report:?}");

    let (codes, report) = node.job(&second, "wave-2");
    assert_eq!(ended(&codes, 0), 8, "{codes:?} {report:?}");
    assert_eq!(node.objects("222222222222"), 2);
    let (codes, report) = node.job(drift, "clean");
    assert_eq!(ended(&codes, 0), 8, "{codes:?} {report:?}");
    assert_eq!((report.code, counts(&report)), (Some(0), json!({ "clean": 2 })), "{report:?}");

    // A role that is refused fails one shard, which is tried again; the others are done.
    let arn = "arn:aws:iam::222222222222:role/ivs-apply";
    node.client.control("POST", "roles", &json!({ "arn": arn, "refused": true }));
    let (codes, report) = node.job(drift, "refused");
    assert_eq!((ended(&codes, 3), ended(&codes, 0)), (1, 7), "{codes:?} {report:?}");
    let expected = json!({ "failed": 1, "clean": 1 });
    assert_eq!((report.code, counts(&report)), (Some(3), expected), "{report:?}");
}

#[test]
fn the_documentation_finds_the_results_in_a_log_as_the_test_does() {
    let text = std::fs::read_to_string(root().join("docs/fleet.md")).expect("readable");
    assert!(text.contains(&format!("sed -n '{RESULTS_OF_A_LOG}'")), "docs/fleet.md");
}
