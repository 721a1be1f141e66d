//! Runs workflows and actions as a runner of GitHub does: the `run:` steps as they stand in bash, with the files and variables of
//! a runner. Of the actions of others it does what a job sees of them.

use super::expression::{Scope, as_text};
use super::github::{Github, REPOSITORY, TOKEN};
use super::{VERSION, copy, yaml};
use crate::golden::root;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What all jobs of a workflow share.
pub(super) struct Runner<'a> {
    pub(super) github: &'a Github,
    /// The address of the emulated account.
    pub(super) account: String,
    /// The repository with the manifests.
    pub(super) repository: PathBuf,
    pub(super) event_name: &'static str,
    pub(super) event: Value,
    pub(super) sha: &'static str,
    /// What happens between the start of the workflow and this job, such as while its approval is waited for.
    pub(super) before_job: Option<(&'static str, &'a dyn Fn())>,
    /// Folders with programs of the runner, before those of this machine.
    pub(super) path: Vec<PathBuf>,
    /// Artifacts by name, from one job to the next.
    pub(super) artifacts: tempfile::TempDir,
}

/// How a job ended, or that it was skipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Result {
    Success,
    Failure,
    Skipped,
}

/// A job that has ended.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) result: Result,
    pub(super) log: String,
    pub(super) summary: String,
    pub(super) outputs: Value,
}

impl Job {
    /// The annotations of the log: its lines that are commands to the runner.
    pub(super) fn annotations(&self) -> Vec<&str> {
        let mut stopped: Option<String> = None;
        let mut found = Vec::new();
        for line in self.log.lines() {
            if let Some(token) = &stopped {
                if line == token {
                    stopped = None;
                }
            } else if let Some(token) = line.strip_prefix("::stop-commands::") {
                stopped = Some(format!("::{token}::"));
            } else if ["::error", "::warning", "::notice"].iter().any(|it| line.starts_with(it)) {
                found.push(line);
            }
        }
        assert_eq!(stopped, None, "{}", self.log);
        found
    }
}

/// What the steps of a job share.
struct Machine {
    folder: tempfile::TempDir,
    environment: BTreeMap<String, String>,
    path: Vec<PathBuf>,
    log: String,
    summary: String,
}

impl Machine {
    fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }
}

impl<'a> Runner<'a> {
    pub(super) fn new(github: &'a Github, account: &str, repository: &Path) -> Self {
        Self {
            github,
            account: account.to_owned(),
            repository: repository.to_owned(),
            event_name: "push",
            event: json!({}),
            sha: "0123456789012345678901234567890123456789",
            before_job: None,
            path: Vec::new(),
            artifacts: tempfile::tempdir().expect("a folder"),
        }
    }

    fn contexts(&self) -> Value {
        json!({
            "github": {
                "repository": REPOSITORY,
                "event": self.event,
                "event_name": self.event_name,
                "server_url": self.github.url,
                "sha": self.sha,
                "token": TOKEN,
            },
            "env": {},
            "inputs": {},
            "matrix": {},
            "needs": {},
            "steps": {},
        })
    }

    /// Runs the jobs of a workflow, those that others need first.
    pub(super) fn workflow(&self, path: &str) -> BTreeMap<String, Job> {
        let workflow = yaml(&root().join(path));
        let mut ended: BTreeMap<String, Job> = BTreeMap::new();
        let mut scope = Scope { contexts: self.contexts(), failed: false };
        scope.contexts["env"] = workflow["env"].clone();
        for (name, job) in workflow["jobs"].as_object().expect("jobs") {
            let needs: Vec<&str> = match &job["needs"] {
                Value::Null => Vec::new(),
                Value::String(one) => vec![one],
                several => {
                    several.as_array().expect("names").iter().filter_map(Value::as_str).collect()
                }
            };
            scope.contexts["needs"] = json!({});
            for need in &needs {
                let Job { outputs, result, .. } = &ended[*need];
                let result = format!("{result:?}").to_lowercase();
                scope.contexts["needs"][need] = json!({ "outputs": outputs, "result": result });
            }
            scope.failed = needs.iter().any(|it| ended[*it].result != Result::Success);
            if let Some((_, happens)) = self.before_job.filter(|it| it.0 == name) {
                happens();
            }
            let job = if scope.holds(job.get("if")) {
                self.jobs(job, &Scope { failed: false, ..scope.clone() })
            } else {
                let (log, summary, outputs) = (String::new(), String::new(), json!({}));
                Job { result: Result::Skipped, log, summary, outputs }
            };
            ended.insert(name.clone(), job);
        }
        ended
    }

    /// Runs a job, or one for each entry of its matrix, as one: it fails where one of them does.
    fn jobs(&self, job: &Value, scope: &Scope) -> Job {
        let Some(matrix) = job["strategy"]["matrix"].as_str() else { return self.job(job, scope) };
        assert_eq!(job["strategy"]["fail-fast"], false, "one failure must not cancel the others");
        let matrix = scope.evaluated(matrix);
        let include = matrix["include"].as_array().expect("jobs");
        assert!((1..=256).contains(&include.len()), "GitHub runs 1 to 256 jobs of a matrix");
        let (log, summary, outputs) = (String::new(), String::new(), json!({}));
        let mut all = Job { result: Result::Success, log, summary, outputs };
        for entry in include {
            let mut scope = scope.clone();
            scope.contexts["matrix"] = entry.clone();
            let one = self.job(job, &scope);
            if one.result == Result::Failure {
                all.result = Result::Failure;
            }
            all.log.push_str(&one.log);
            all.summary.push_str(&one.summary);
        }
        all
    }

    /// Runs one job with the action of this project and these inputs. Outputs of the job are two of the action.
    pub(super) fn action(&self, inputs: &Value) -> Job {
        let steps = json!([
            { "uses": "actions/checkout@0" },
            { "uses": "aws-actions/configure-aws-credentials@0", "with": { "role-to-assume": "r", "aws-region": "us-west-2" } },
            { "id": "it", "uses": "OWNER/ivs-apply@v0", "with": inputs },
        ]);
        let outputs = ["status", "exit-code"]
            .map(|it| (it.to_owned(), json!(format!("${{{{ steps.it.outputs.{it} }}}}"))));
        let job = json!({ "steps": steps, "outputs": Map::from_iter(outputs) });
        self.job(&job, &Scope { contexts: self.contexts(), failed: false })
    }

    fn job(&self, job: &Value, scope: &Scope) -> Job {
        let mut machine = Machine {
            folder: tempfile::tempdir().expect("a folder"),
            environment: BTreeMap::new(),
            path: self.path.clone(),
            log: String::new(),
            summary: String::new(),
        };
        for folder in ["home", "temp", "workspace"] {
            std::fs::create_dir(machine.folder.path().join(folder)).expect("writable");
        }
        let mut scope = scope.clone();
        let steps = job["steps"].as_array().expect("steps");
        self.steps(steps, &mut scope, &mut machine, None);
        let mut outputs = json!({});
        for (name, value) in job["outputs"].as_object().unwrap_or(&Map::new()) {
            outputs[name] = json!(scope.filled(&as_text(value)));
        }
        let result = if scope.failed { Result::Failure } else { Result::Success };
        Job { result, log: machine.log, summary: machine.summary, outputs }
    }

    /// Runs steps. Their outputs, and whether one of them has failed, are in the scope afterwards.
    fn steps(
        &self,
        steps: &[Value],
        scope: &mut Scope,
        machine: &mut Machine,
        action: Option<&Path>,
    ) {
        for step in steps {
            if !scope.holds(step.get("if")) {
                continue;
            }
            let (well, outputs) = match step["uses"].as_str() {
                Some(uses) => self.uses(uses, step, scope, machine),
                None => self.run(step, scope, machine, action),
            };
            scope.failed |= !well;
            if let Some(id) = step["id"].as_str() {
                scope.contexts["steps"][id] = json!({ "outputs": outputs });
            }
        }
    }

    fn uses(
        &self,
        uses: &str,
        step: &Value,
        scope: &Scope,
        machine: &mut Machine,
    ) -> (bool, Value) {
        let mut with = Map::new();
        for (name, value) in step["with"].as_object().unwrap_or(&Map::new()) {
            with.insert(name.clone(), json!(scope.filled(&as_text(value))));
        }
        let input = |name: &str| with.get(name).map(as_text).unwrap_or_default();
        let artifact = self.artifacts.path().join(input("name"));
        match uses.split_once('@').expect("a version").0 {
            "actions/checkout" => copy(&self.repository, &machine.workspace()),
            "aws-actions/configure-aws-credentials" => {
                assert!(!input("role-to-assume").is_empty(), "a role");
                for (name, value) in crate::binary::KEYS {
                    machine.environment.insert(name.to_owned(), value.to_owned());
                }
                machine.environment.insert("AWS_REGION".to_owned(), input("aws-region"));
            }
            "actions/upload-artifact" => {
                let file = machine.workspace().join(input("path"));
                if !file.exists() {
                    return (input("if-no-files-found") != "error", json!({}));
                }
                std::fs::create_dir_all(&artifact).expect("writable");
                if file.is_dir() {
                    // Of a folder, what is in it.
                    copy(&file, &artifact);
                    return (true, json!({}));
                }
                std::fs::copy(&file, artifact.join(input("path"))).expect("copied");
            }
            "actions/download-artifact" if with.contains_key("pattern") => {
                let pattern = input("pattern");
                let start = pattern.strip_suffix('*').expect("a pattern with a star at its end");
                for entry in std::fs::read_dir(self.artifacts.path()).expect("readable") {
                    let entry = entry.expect("readable");
                    let name = entry.file_name().to_string_lossy().into_owned();
                    if name.starts_with(start) {
                        let to = machine.workspace().join(input("path")).join(name);
                        copy(&entry.path(), &to);
                    }
                }
            }
            "actions/download-artifact" => copy(&artifact, &machine.workspace()),
            "OWNER/ivs-apply" => return self.composite(&with, scope, machine),
            other => panic!("what {other} does is not known here"),
        }
        (true, json!({}))
    }

    /// The action of this project.
    fn composite(
        &self,
        with: &Map<String, Value>,
        outer: &Scope,
        machine: &mut Machine,
    ) -> (bool, Value) {
        let action = yaml(&root().join("action.yml"));
        let mut scope = Scope { contexts: self.contexts(), failed: false };
        scope.contexts["env"] = outer.contexts["env"].clone();
        scope.contexts["github"]["action_repository"] = json!("OWNER/ivs-apply");
        let inputs = action["inputs"].as_object().expect("inputs");
        for (name, input) in inputs {
            let given = with.get(name).cloned();
            assert!(given.is_some() || input["required"] != true, "the input {name} is required");
            let usual = || json!(scope.filled(&as_text(&input["default"])));
            scope.contexts["inputs"][name] = given.unwrap_or_else(usual);
        }
        let unknown = with.keys().find(|it| !inputs.contains_key(*it));
        assert_eq!(unknown, None, "the action has no such input");
        let steps = action["runs"]["steps"].as_array().expect("steps");
        self.steps(steps, &mut scope, machine, Some(&root()));
        let mut outputs = json!({});
        for (name, output) in action["outputs"].as_object().expect("outputs") {
            outputs[name] = json!(scope.filled(&as_text(&output["value"])));
        }
        (!scope.failed, outputs)
    }

    fn run(
        &self,
        step: &Value,
        scope: &Scope,
        machine: &mut Machine,
        action: Option<&Path>,
    ) -> (bool, Value) {
        let temp = machine.folder.path().join("temp");
        let files = tempfile::tempdir_in(machine.folder.path()).expect("a folder");
        let file = |name: &str, text: &str| {
            let path = files.path().join(name);
            std::fs::write(&path, text).expect("writable");
            path
        };
        let script = file("script.sh", &scope.filled(step["run"].as_str().expect("a script")));
        let event = file("event.json", &self.event.to_string());
        let [output, environment, path, summary] =
            ["output", "environment", "path", "summary"].map(|it| file(it, ""));
        let mut command = Command::new("bash");
        match step["shell"].as_str() {
            Some("bash") => command.args(["--noprofile", "--norc", "-eo", "pipefail"]),
            None => command.arg("-e"),
            Some(other) => panic!("the shell {other} is not known here"),
        };
        let folder = step["working-directory"].as_str().unwrap_or(".");
        let mut paths = machine.path.clone();
        paths.extend(std::env::split_paths(&std::env::var_os("PATH").expect("a PATH")));
        let (system, processor) = super::machine();
        command
            .arg(script)
            .current_dir(machine.workspace().join(scope.filled(folder)))
            .env_clear()
            .env("PATH", std::env::join_paths(paths).expect("a PATH"))
            .env("HOME", machine.folder.path().join("home"))
            .env("LANG", "C.UTF-8")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL", &self.account)
            .envs([("CI", "true"), ("GITHUB_ACTIONS", "true"), ("GITHUB_RUN_ID", "77")])
            .env("GITHUB_API_URL", format!("{}/api", self.github.url))
            .env("GITHUB_SERVER_URL", &self.github.url)
            .env("GITHUB_REPOSITORY", REPOSITORY)
            .env("GITHUB_SHA", self.sha)
            .env("GITHUB_EVENT_NAME", self.event_name)
            .env("GITHUB_EVENT_PATH", event)
            .env("GITHUB_WORKSPACE", machine.workspace())
            .env("GITHUB_OUTPUT", &output)
            .env("GITHUB_ENV", &environment)
            .env("GITHUB_PATH", &path)
            .env("GITHUB_STEP_SUMMARY", &summary)
            .envs([("RUNNER_OS", system), ("RUNNER_ARCH", processor)])
            .env("RUNNER_TEMP", temp)
            .envs(action.map(|it| ("GITHUB_ACTION_PATH", it)))
            .envs(texts(&scope.contexts["env"], scope))
            .envs(&machine.environment)
            .envs(texts(&step["env"], scope))
            .stdin(Stdio::null());
        let ran = command.output().expect("bash runs");
        let read = |path: &Path| std::fs::read_to_string(path).expect("text");
        machine.log.push_str(&String::from_utf8_lossy(&ran.stdout));
        machine.log.push_str(&String::from_utf8_lossy(&ran.stderr));
        machine.summary.push_str(&read(&summary));
        machine.path.splice(0..0, read(&path).lines().map(PathBuf::from));
        machine.environment.extend(variables(&read(&environment)));
        (ran.status.success(), json!(variables(&read(&output))))
    }
}

/// The members of a map of variables.
fn texts(map: &Value, scope: &Scope) -> Vec<(String, String)> {
    let members = map.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.clone(), scope.filled(&as_text(value)))).collect()
}

/// Lines such as `name=value`, and values of several lines between `name<<END` and `END`.
fn variables(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let heredoc = line.split_once("<<").filter(|(name, _)| !name.contains('='));
        let (name, value) = if let Some((name, end)) = heredoc {
            let value: Vec<&str> = lines.by_ref().take_while(|it| *it != end).collect();
            (name, value.join("\n"))
        } else {
            let (name, value) = line.split_once('=').expect("name=value");
            (name, value.to_owned())
        };
        found.insert(name.to_owned(), value);
    }
    found
}

/// The action of this version from an archive that the steps of the release workflow have packed and summed up.
pub(super) fn release() -> BTreeMap<String, Vec<u8>> {
    let place = tempfile::tempdir().expect("a folder");
    let workflow = yaml(&root().join(".github/workflows/release.yml"));
    let target = super::target();
    // The program itself would be 100 MB without optimisation.
    let built = place.path().join("target").join(target).join("release");
    std::fs::create_dir_all(&built).expect("writable");
    let program = format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_ivs-apply"));
    super::executable(&built.join("ivs-apply"), &program);
    for name in ["README.md", "CHANGELOG.md", "LICENSE", "Cargo.toml"] {
        std::fs::copy(root().join(name), place.path().join(name)).expect("copied");
    }
    for folder in ["deploy", "schemas"] {
        copy(&root().join(folder), &place.path().join(folder));
    }
    let contexts = json!({ "matrix": { "target": target } });
    let scope = Scope { contexts, failed: false };
    for (job, name) in [("build", "Pack"), ("attest", "Write checksums")] {
        let job = &workflow["jobs"][job];
        let steps = job["steps"].as_array().expect("steps");
        let step = steps.iter().find(|it| it["name"] == name).expect("the step is there");
        let ran = Command::new("bash")
            .args(["-eo", "pipefail", "-c", &scope.filled(step["run"].as_str().expect("a script"))])
            .current_dir(place.path())
            .envs(texts(&job["env"], &scope))
            .envs(texts(&step["env"], &scope))
            .output()
            .expect("bash runs");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    let dist = std::fs::read_dir(place.path().join("dist")).expect("the archives");
    let files = dist.map(|it| it.expect("readable").path()).filter(|it| it.is_file());
    files
        .map(|it| {
            let name = it.file_name().expect("a file").to_string_lossy().into_owned();
            let path = format!("/OWNER/ivs-apply/releases/download/v{VERSION}/{name}");
            (path, std::fs::read(it).expect("readable"))
        })
        .collect()
}
