//! `action.yml`, its scripts and the files of `examples/ci`: run as they stand, with what a runner gives, on an emulated account and
//! a small GitHub on loopback; and checked by schemas and linters.

mod expression;
pub(crate) mod github;
mod runner;

use crate::binary::{Ran, SIGNED_IN, Served, run};
use crate::client::Client;
use crate::conformance::python;
use crate::golden::root;
use crate::left_out::left_out;
use github::{Github, REPOSITORY};
use runner::{Result, Runner};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a runner calls this machine.
fn machine() -> (&'static str, &'static str) {
    let system = if cfg!(target_os = "macos") { "macOS" } else { "Linux" };
    (system, if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" })
}

/// What the compiler calls it.
fn target() -> &'static str {
    match machine() {
        ("macOS", "X64") => "x86_64-apple-darwin",
        ("macOS", _) => "aarch64-apple-darwin",
        (_, "X64") => "x86_64-unknown-linux-musl",
        _ => "aarch64-unknown-linux-musl",
    }
}

/// A file of YAML. A tag is an object with one member.
fn yaml(path: &Path) -> Value {
    fn of(value: serde_yaml::Value) -> Value {
        match value {
            serde_yaml::Value::Sequence(items) => items.into_iter().map(of).collect(),
            serde_yaml::Value::Mapping(members) => {
                let key = |it: serde_yaml::Value| it.as_str().expect("a name").to_owned();
                let members = members.into_iter().map(|(name, value)| (key(name), of(value)));
                Value::Object(members.collect())
            }
            serde_yaml::Value::Tagged(tagged) => {
                json!({ tagged.tag.to_string(): of(tagged.value) })
            }
            plain => serde_json::to_value(plain).expect("a value"),
        }
    }
    let text = std::fs::read_to_string(path).expect("readable");
    of(serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn executable(path: &Path, text: &str) {
    std::fs::write(path, text).expect("writable");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// Copies what is in a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("writable");
    for entry in std::fs::read_dir(from).expect("readable") {
        let (path, to) = entry.map(|it| (it.path(), to.join(it.file_name()))).expect("readable");
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, to).expect("copied");
        }
    }
}

/// Made once: the archive and its checksum.
static RELEASE: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(runner::release);

const STACK: &str = "
apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: shows }
spec: { region: us-west-2 }
";

const CHANNEL: &str = "
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: { latencyMode: LOW }
";

/// A repository with manifests, an emulated account and GitHub.
struct Project {
    repository: tempfile::TempDir,
    account: Served,
    client: Client,
    github: Github,
}

impl Project {
    /// `None` where the scripts cannot run.
    fn new() -> Option<Self> {
        for program in ["bash", "curl", "flock", "git", "jq"] {
            if Command::new(program).arg("--version").output().is_err() {
                let test = std::thread::current().name().unwrap_or("a test").to_owned();
                left_out(&test, program);
                return None;
            }
        }
        let repository = tempfile::tempdir().expect("a folder");
        let account = Served::start(repository.path(), &[]);
        let client = Client::new(&account.url);
        let github = Github::start();
        github.state().files.clone_from(&RELEASE);
        let project = Self { repository, account, client, github };
        project.write("stack.yaml", STACK);
        project.write("channels.yaml", CHANNEL);
        Some(project)
    }

    fn write(&self, name: &str, text: &str) {
        let folder = self.repository.path().join("ivs/prod");
        std::fs::create_dir_all(&folder).expect("writable");
        std::fs::write(folder.join(name), text).expect("writable");
    }

    fn runner(&self) -> Runner<'_> {
        Runner::new(&self.github, &self.account.url, self.repository.path())
    }

    /// A runner of a pull request, from a branch of this repository or from a fork.
    fn of_pull_request(&self, number: u64, from: &str) -> Runner<'_> {
        let head = json!({ "sha": "c0ffee", "repo": { "full_name": from } });
        Runner {
            event_name: "pull_request",
            event: json!({ "pull_request": { "number": number, "head": head } }),
            ..self.runner()
        }
    }

    /// Runs the program beside the files that are tested.
    fn by_hand(&self, words: &str) -> Ran {
        let mut command = crate::binary::ivs_apply(self.repository.path());
        command.envs(SIGNED_IN).env("AWS_ENDPOINT_URL", &self.account.url);
        command.current_dir(self.repository.path()).args(words.split_whitespace());
        run(&mut command)
    }

    /// The latency mode of the only channel.
    fn latency(&mut self) -> Option<String> {
        let channels = self.client.call("ListChannels", &json!({}));
        let channels = channels["channels"].as_array().expect("a list");
        assert!(channels.len() <= 1, "{channels:?}");
        channels.first().map(|it| it["latencyMode"].as_str().expect("a mode").to_owned())
    }

    /// A change by hand.
    fn set_latency(&mut self, mode: &str) {
        let channels = self.client.call("ListChannels", &json!({}));
        let arn = &channels["channels"][0]["arn"];
        self.client.call("UpdateChannel", &json!({ "arn": arn, "latencyMode": mode }));
    }
}

const PLAN: &str = "examples/ci/github/plan.yml";
const APPLY: &str = "examples/ci/github/apply.yml";
const DRIFT: &str = "examples/ci/github/drift.yml";
const CI_WORKFLOW: &str = ".github/workflows/ci.yml";
const RELEASE_WORKFLOW: &str = ".github/workflows/release.yml";

#[test]
fn the_action_installs_the_release_whose_archive_has_the_checksum() {
    let Some(project) = Project::new() else { return };
    let runner = project.runner();
    let inputs = json!({ "command": "validate", "files": "ivs/prod", "version": VERSION });
    let job = runner.action(&inputs);
    assert_eq!(job.result, Result::Success, "{}", job.log);
    assert!(job.log.contains(&format!("ivs-apply {VERSION}")), "{}", job.log);
    let asked = project.github.state().requests.join("\n");
    assert!(asked.contains("/SHA256SUMS") && asked.contains(&format!("{}.tar.gz", target())));
    // The version of the action where none is named, and one with a `v`.
    for version in ["", &format!("v{VERSION}")] {
        let job = runner
            .action(&json!({ "command": "validate", "files": "ivs/prod", "version": version }));
        assert_eq!(job.result, Result::Success, "{}", job.log);
    }
}

#[test]
fn the_action_installs_nothing_whose_checksum_is_wrong() {
    let Some(project) = Project::new() else { return };
    let runner = project.runner();
    let wrong = "0".repeat(64);
    let refused = |inputs: Value, said: &str| {
        let job = runner.action(&inputs);
        assert_eq!(job.result, Result::Failure, "{}", job.log);
        let [annotation] = job.annotations()[..] else { panic!("{}", job.log) };
        assert!(annotation.starts_with("::error title=ivs-apply::"), "{annotation}");
        assert!(annotation.contains(said), "{annotation}");
        assert!(!job.log.contains("Valid") && job.summary.is_empty(), "{}", job.log);
    };
    let inputs = json!({ "command": "validate", "checksum": wrong });
    refused(inputs, &format!("instead of {wrong}; nothing was installed"));
    let archive = format!("ivs-apply-v{VERSION}-{}.tar.gz", target());
    let folder = format!("/OWNER/ivs-apply/releases/download/v{VERSION}");
    // Someone has exchanged the archive.
    project.github.state().files.insert(format!("{folder}/{archive}"), b"another".to_vec());
    refused(json!({ "command": "validate" }), "; nothing was installed");
    project.github.state().files.insert(format!("{folder}/SHA256SUMS"), b"0 other".to_vec());
    refused(json!({ "command": "validate" }), &format!("does not name `{archive}`"));
    refused(json!({ "command": "validate", "version": "9.9.9" }), "/v9.9.9/");
    refused(json!({ "command": "validate", "version": "../x" }), "`../x` is not a version");
    refused(json!({ "command": "validate", "version": "path" }), "`ivs-apply` is not on PATH");
}

#[test]
fn inputs_of_the_action_are_words_and_never_shell_code() {
    let Some(project) = Project::new() else { return };
    let runner = project.runner();
    let ran = project.repository.path().join("ran");
    let hostile = format!("$(touch {0})`touch {0}`;touch {0}", ran.display());
    let folder = project.repository.path().join("two words $x");
    std::fs::create_dir(&folder).expect("writable");
    std::fs::rename(project.repository.path().join("ivs/prod/stack.yaml"), folder.join("s.yaml"))
        .expect("moved");
    let job = runner.action(&json!({
        "command": "validate",
        "files": "  two words $x \n\nivs/prod\n",
        "arguments": "--deny-warnings\n  '--color'  never",
    }));
    assert_eq!(job.result, Result::Success, "{}", job.log);
    for name in ["command", "files", "stack", "arguments", "plan-file", "version", "checksum"] {
        let mut inputs = json!({ "command": "plan", "files": "ivs/prod" });
        inputs[name] = json!(hostile);
        let job = runner.action(&inputs);
        assert!(!ran.exists(), "{name}: {}", job.log);
        // Any text can name a stack.
        let expected = if name == "stack" { Result::Success } else { Result::Failure };
        assert_eq!(job.result, expected, "{name}: {}", job.log);
    }
    let job = runner.action(&json!({
        "command": "plan", "working-directory": "ivs", "files": "prod", "plan-file": "plan.json",
        "stack": "shows", "arguments": "--detailed-exitcode",
    }));
    let outputs = json!({ "status": "changes", "exit-code": "2" });
    assert_eq!((job.result, &job.outputs), (Result::Failure, &outputs), "{}", job.log);
    let job = runner.action(&json!({ "command": "plan", "arguments": "--only 'Channel" }));
    assert!(job.annotations()[0].contains("the quotes in the input `arguments` do not match"));
    let job = runner.action(&json!({ "command": "drift", "plan-file": "plan.json" }));
    assert!(job.annotations()[0].contains("`plan-file` is for `plan` and `apply`"));
    let job = runner.action(&json!({ "command": "destroy" }));
    assert!(job.annotations()[0].contains("not `destroy`"), "{}", job.log);
}

#[test]
fn no_line_of_a_result_is_a_command_to_the_runner_and_a_killed_program_is_told() {
    let Some(project) = Project::new() else { return };
    let folder = project.repository.path().join("programs");
    std::fs::create_dir(&folder).expect("writable");
    // Asked for its version, it says nothing.
    let program = "#!/bin/sh\n[ $# -gt 1 ] || exit 0\necho '<!-- ivs-apply:drift:shows -->'\n\
        echo ::error::forged\nkill -9 $$\n";
    executable(&folder.join("ivs-apply"), program);
    let runner = Runner { path: vec![folder], ..project.runner() };
    let inputs = json!({ "command": "drift", "version": "path", "drift-issue": "true" });
    let job = runner.action(&inputs);
    assert_eq!(job.result, Result::Failure, "{}", job.log);
    assert!(job.log.contains("\n::error::forged\n"), "the result is in the log: {}", job.log);
    let [annotation] = job.annotations()[..] else { panic!("{}", job.log) };
    assert!(annotation.contains("the drift of the stack is unknown"), "{annotation}");
    assert_eq!(job.outputs["exit-code"], "137");
    assert_eq!(project.github.state().issues.len(), 0);
}

#[test]
fn a_pull_request_has_one_comment_with_its_newest_plan() {
    let Some(project) = Project::new() else { return };
    for number in 0..130 {
        project.github.comment_by("reviewer", 7, &format!("comment {number}"));
    }
    // Others may write the marker too, and change the text whenever they like.
    project.github.comment_by("mallory", 7, "<!-- ivs-apply:plan:shows -->\nNo changes");
    let runner = project.of_pull_request(7, REPOSITORY);
    let jobs = runner.workflow(PLAN);
    assert_eq!(jobs["plan"].result, Result::Success, "{}", jobs["plan"].log);
    assert_eq!(jobs["validate"].result, Result::Skipped);
    let [comment] = &project.github.written(7)[..] else { panic!("one comment") };
    assert!(comment.starts_with("<!-- ivs-apply:plan:shows -->\n"), "{comment}");
    assert!(comment.contains("Channel/main") && comment.contains("Commit c0ffee"), "{comment}");
    assert!(comment.contains("/company/video/actions/runs/77)"), "{comment}");
    // The comment has as much as the summary of the run, which the program writes.
    assert!(jobs["plan"].summary.contains("Channel/main"), "{}", jobs["plan"].summary);
    // The next commit, in whose pull request others have written more.
    for number in 0..100 {
        project.github.comment_by("reviewer", 7, &format!("answer {number}"));
    }
    project.write("channels.yaml", &CHANNEL.replace("name: main", "name: second"));
    let jobs = runner.workflow(PLAN);
    assert_eq!(jobs["plan"].result, Result::Success, "{}", jobs["plan"].log);
    let [comment] = &project.github.written(7)[..] else { panic!("one comment") };
    assert!(comment.contains("Channel/second") && !comment.contains("Channel/main"), "{comment}");
}

#[test]
fn a_pull_request_with_mistakes_fails_and_its_comment_has_them() {
    let Some(project) = Project::new() else { return };
    project.write("channels.yaml", &CHANNEL.replace("LOW", "SLOW"));
    let jobs = project.of_pull_request(7, REPOSITORY).workflow(PLAN);
    let job = &jobs["plan"];
    assert_eq!(job.result, Result::Failure, "{}", job.log);
    let [comment] = &project.github.written(7)[..] else { panic!("one comment") };
    assert!(comment.starts_with("<!-- ivs-apply:plan:"), "{comment}");
    assert!(comment.contains("SLOW"), "{comment}");
    let error = job.annotations().into_iter().find(|it| it.starts_with("::error file="));
    let error = error.unwrap_or_else(|| panic!("{}", job.log));
    assert!(error.contains("file=ivs/prod/channels.yaml,line=5"), "{error}");
}

#[test]
fn a_pull_request_from_a_fork_is_validated_without_credentials() {
    let Some(project) = Project::new() else { return };
    project.github.state().read_only = true;
    let runner = project.of_pull_request(7, "mallory/video");
    let jobs = runner.workflow(PLAN);
    assert_eq!(jobs["plan"].result, Result::Skipped);
    assert_eq!(jobs["validate"].result, Result::Success, "{}", jobs["validate"].log);
    // Where a workflow comments all the same, what cannot be written is a warning.
    let inputs = json!({ "command": "validate", "files": "ivs/prod", "comment": "true" });
    let job = runner.action(&inputs);
    assert_eq!(job.result, Result::Success, "{}", job.log);
    let [warning] = job.annotations()[..] else { panic!("{}", job.log) };
    assert!(warning.contains("status 403: Resource not accessible by integration"), "{warning}");
    assert!(warning.starts_with("::warning ") && warning.contains("from a fork"), "{warning}");
    assert_eq!(project.github.written(7), Vec::<String>::new());
}

#[test]
fn a_person_s_token_finds_the_comment_of_that_person() {
    let Some(project) = Project::new() else { return };
    let runner = project.of_pull_request(7, REPOSITORY);
    let inputs = json!({ "command": "plan", "files": "ivs/prod", "comment": "true" });
    project.github.state().login = Some("release-bot".to_owned());
    for _ in 0..2 {
        assert_eq!(runner.action(&inputs).result, Result::Success);
    }
    let state = project.github.state();
    let comments = &state.comments[&7];
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert_eq!(comments[0]["user"]["login"], "release-bot");
}

#[test]
fn a_comment_is_written_although_github_is_busy_for_a_moment() {
    let Some(project) = Project::new() else { return };
    let runner = project.of_pull_request(7, REPOSITORY);
    let inputs = json!({ "command": "plan", "files": "ivs/prod", "comment": "true" });
    project.github.state().broken = 1;
    let job = runner.action(&inputs);
    assert_eq!(job.result, Result::Success, "{}", job.log);
    assert_eq!(project.github.written(7).len(), 1, "{}", job.log);
    // Where it stays busy, the plan is there all the same.
    project.github.state().broken = 100;
    let job = runner.action(&inputs);
    assert_eq!(job.result, Result::Success, "{}", job.log);
    assert!(job.annotations().iter().any(|it| it.contains("status 502")), "{}", job.log);
}

#[test]
fn a_result_that_is_too_long_for_a_comment_is_replaced_by_a_link() {
    let Some(project) = Project::new() else { return };
    let channel = |it: i32| format!("---{}", CHANNEL.replace("main", &format!("channel-{it}")));
    let many: Vec<String> = (0..1_500).map(channel).collect();
    project.write("channels.yaml", &many.concat());
    let runner = project.of_pull_request(7, REPOSITORY);
    for (limit, is_replaced) in [("", false), ("--markdown-limit 900000", true)] {
        let inputs = json!({
            "command": "plan", "files": "ivs/prod", "comment": "true", "arguments": limit,
        });
        let job = runner.action(&inputs);
        assert_eq!(job.result, Result::Success, "{}", job.annotations().join("\n"));
        let [comment] = &project.github.written(7)[..] else { panic!("one comment") };
        assert!(comment.starts_with("<!-- ivs-apply:plan:shows -->\n"), "{}", &comment[..200]);
        assert_eq!(comment.contains("longer than GitHub allows"), is_replaced, "{limit}");
        assert!(comment.contains("/actions/runs/77)"), "{limit}");
    }
}

#[test]
fn what_was_merged_is_applied_from_the_saved_plan_after_approval() {
    let Some(mut project) = Project::new() else { return };
    let sha = project.runner().sha;
    project.github.state().merged.insert(sha.to_owned(), 7);
    let jobs = project.runner().workflow(APPLY);
    assert_eq!(jobs["plan"].result, Result::Success, "{}", jobs["plan"].log);
    assert_eq!(jobs["apply"].result, Result::Success, "{}", jobs["apply"].log);
    assert_eq!(project.latency().as_deref(), Some("LOW"));
    let [comment] = &project.github.written(7)[..] else { panic!("one comment") };
    assert!(comment.starts_with("<!-- ivs-apply:apply:shows -->\n"), "{comment}");
    // There is nothing to approve when nothing is to be done.
    let jobs = project.runner().workflow(APPLY);
    assert_eq!(jobs["plan"].result, Result::Success, "{}", jobs["plan"].log);
    assert_eq!(jobs["apply"].result, Result::Skipped);
    // A commit that was pushed without a pull request is applied too.
    project.github.state().merged.clear();
    project.write("channels.yaml", &CHANNEL.replace("LOW", "NORMAL"));
    let jobs = project.runner().workflow(APPLY);
    assert_eq!(jobs["apply"].result, Result::Success, "{}", jobs["apply"].log);
    assert!(jobs["apply"].log.contains("belongs to no pull request"), "{}", jobs["apply"].log);
    assert_eq!(project.latency().as_deref(), Some("NORMAL"));
}

#[test]
fn a_stale_plan_is_refused_and_explained() {
    let Some(mut project) = Project::new() else { return };
    assert_eq!(project.by_hand("apply --yes -f ivs/prod").code, Some(0));
    project.write("channels.yaml", &CHANNEL.replace("LOW", "NORMAL"));
    // Before somebody approves the plan, the channel is changed by hand.
    let change = || {
        let mut client = Client::new(&project.account.url);
        let channels = client.call("ListChannels", &json!({}));
        let arn = &channels["channels"][0]["arn"];
        client.call("UpdateChannel", &json!({ "arn": arn, "authorized": true }));
    };
    let jobs = Runner { before_job: Some(("apply", &change)), ..project.runner() }.workflow(APPLY);
    let job = &jobs["apply"];
    assert_eq!(job.result, Result::Failure, "{}", job.log);
    let explained = job.annotations().into_iter().filter(|it| it.contains("Re-run all jobs"));
    assert_eq!(explained.count(), 1, "{}", job.log);
    assert_eq!(project.latency().as_deref(), Some("LOW"));
}

#[test]
fn drift_has_one_issue_that_is_opened_updated_and_closed() {
    let Some(mut project) = Project::new() else { return };
    assert_eq!(project.by_hand("apply --yes -f ivs/prod").code, Some(0));
    let issues = |project: &Project| {
        let state = project.github.state();
        let text = |issue: &Value, name: &str| issue[name].as_str().expect("a text").to_owned();
        let parts = state.issues.iter().map(|it| (text(it, "state"), text(it, "body")));
        parts.collect::<Vec<_>>()
    };
    let night = |project: &Project| {
        let jobs = project.runner().workflow(DRIFT);
        (jobs["drift"].result, jobs["drift"].log.clone())
    };
    let (result, log) = night(&project);
    assert_eq!((result, issues(&project).len()), (Result::Success, 0), "{log}");
    project.set_latency("NORMAL");
    let (result, log) = night(&project);
    assert_eq!(result, Result::Failure, "{log}");
    let opened = issues(&project);
    assert_eq!(opened.len(), 1, "{log}");
    assert_eq!(opened[0].0, "open");
    assert!(opened[0].1.starts_with("<!-- ivs-apply:drift:shows -->\n"), "{opened:?}");
    assert!(opened[0].1.contains("NORMAL"), "{opened:?}");
    assert_eq!(project.github.state().issues[0]["title"], "Drift in stack shows");
    // More drift in the next night.
    let channels = project.client.call("ListChannels", &json!({}));
    let arn = channels["channels"][0]["arn"].clone();
    project.client.call("UpdateChannel", &json!({ "arn": arn, "authorized": true }));
    let (result, log) = night(&project);
    assert_eq!(result, Result::Failure, "{log}");
    let updated = issues(&project);
    assert_eq!(updated.len(), 1, "{log}");
    assert!(updated[0].1.contains("authorized"), "{updated:?}");
    // A night in which the account cannot be read says nothing about drift.
    let unread = Runner { account: "http://127.0.0.1:9".to_owned(), ..project.runner() };
    let jobs = unread.workflow(DRIFT);
    assert_eq!(jobs["drift"].result, Result::Failure);
    let warned = jobs["drift"].annotations().join("\n");
    assert!(warned.contains("the drift of the stack is unknown"), "{warned}");
    drop((jobs, unread));
    assert_eq!(issues(&project), updated);
    // What was changed by hand is put back.
    assert_eq!(project.by_hand("apply --yes -f ivs/prod").code, Some(0));
    let (result, log) = night(&project);
    assert_eq!(result, Result::Success, "{log}");
    assert_eq!(issues(&project)[0].0, "closed", "{log}");
    let number = project.github.state().issues[0]["number"].as_u64().expect("a number");
    assert!(project.github.written(number)[0].contains("no drift any more"));
    // The next drift is another issue.
    project.set_latency("NORMAL");
    assert_eq!(night(&project).0, Result::Failure);
    assert_eq!(issues(&project).len(), 2);
}

const FLEET_APPLY: &str = "examples/ci/fleet/apply.yml";
const FLEET_DRIFT: &str = "examples/ci/fleet/drift.yml";

/// Targets in two waves, of which some have manifests with a mistake.
fn write_targets(project: &Project, wrong: usize) {
    let folder = project.repository.path();
    std::fs::create_dir_all(folder.join("targets")).expect("writable");
    for (path, text) in
        [("stacks/good", CHANNEL.to_owned()), ("stacks/wrong", CHANNEL.replace("LOW", "SLOW"))]
    {
        std::fs::create_dir_all(folder.join(path)).expect("writable");
        std::fs::write(folder.join(path).join("a.yaml"), text).expect("writable");
    }
    for it in 0..6 {
        let (wave, region) = (1 + it / 4, ["us-west-2", "eu-west-1"][it % 2]);
        let stack = if it < wrong { "wrong" } else { "good" };
        let text = format!(
            "apiVersion: ivs-apply.dev/v1\nkind: Target\nmetadata: {{ name: t-{it} }}\nspec:\n  account: \"000000000000\"\n  \
             region: {region}\n  stack: t-{it}\n  wave: {wave}\n  manifests: {{ path: ../stacks/{stack} }}\n"
        );
        std::fs::write(folder.join(format!("targets/t-{it}.yaml")), text).expect("writable");
    }
}

#[test]
fn the_waves_of_a_fleet_are_applied_one_after_another_as_long_as_few_enough_targets_fail() {
    let Some(project) = Project::new() else { return };
    write_targets(&project, 1);
    let results = |jobs: &BTreeMap<String, runner::Job>| {
        ["wave-1", "gate-1", "wave-2", "report"].map(|it| jobs[it].result)
    };
    // One of four is more than a tenth.
    let jobs = project.runner().workflow(FLEET_APPLY);
    let log = &jobs["wave-1"].log;
    let expected = [Result::Failure, Result::Failure, Result::Skipped, Result::Success];
    assert_eq!(results(&jobs), expected, "{log}");
    let summary = &jobs["report"].summary;
    assert!(summary.contains("4 targets: 1 failed, 3 clean"), "{summary}");
    assert!(summary.contains("SLOW") && summary.contains("t-0"), "{summary}");
    write_targets(&project, 0);
    let jobs = project.runner().workflow(FLEET_APPLY);
    assert_eq!(results(&jobs), [Result::Success; 4], "{}", jobs["gate-1"].log);
    let summary = &jobs["report"].summary;
    assert!(summary.contains("6 targets: 6 clean"), "{summary}");
    // Every night after that.
    let jobs = project.runner().workflow(FLEET_DRIFT);
    assert_eq!(jobs["drift"].result, Result::Success, "{}", jobs["drift"].log);
    assert!(jobs["report"].summary.contains("6 targets: 6 clean"), "{}", jobs["report"].summary);
}

#[test]
fn the_workflows_of_a_fleet_stay_within_the_jobs_that_github_runs() {
    for path in [FLEET_APPLY, FLEET_DRIFT] {
        let file = yaml(&root().join(path));
        let mut scripts = Vec::new();
        members(&file, "run", &mut scripts);
        let shards =
            scripts.iter().filter_map(|it| it.split_once("--shards ")?.1.split(' ').next());
        let shards: Vec<usize> = shards.map(|it| it.parse().expect("a number")).collect();
        assert!(!shards.is_empty() && shards.iter().sum::<usize>() <= 256, "{path}: {shards:?}");
    }
}

/// One job of GitLab: the variables, and the lines of its scripts in one shell.
struct GitLab<'a> {
    project: &'a Project,
    file: Value,
    /// The folder of the project, with the artifacts of earlier jobs.
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl<'a> GitLab<'a> {
    fn new(project: &'a Project) -> Self {
        let file = yaml(&root().join("examples/ci/gitlab/.gitlab-ci.yml"));
        let folder = tempfile::tempdir().expect("a folder");
        copy(project.repository.path(), folder.path());
        let mut variables = BTreeMap::new();
        for (name, value) in file["variables"].as_object().expect("variables") {
            variables.insert(name.clone(), value.as_str().expect("a text").to_owned());
        }
        // What the file asks to be replaced.
        let archive = format!("ivs-apply-v{VERSION}-{}", target());
        let folder_of_release = format!("/OWNER/ivs-apply/releases/download/v{VERSION}");
        let sums = &RELEASE[&format!("{folder_of_release}/SHA256SUMS")];
        let sums = String::from_utf8_lossy(sums);
        assert_eq!(variables["ARCHIVE"].replace("x86_64-unknown-linux-musl", target()), archive);
        assert!(variables["RELEASE"].ends_with(&folder_of_release));
        let set = [
            ("RELEASE", format!("{}{folder_of_release}", project.github.url)),
            ("ARCHIVE", archive),
            ("ARCHIVE_SHA256", sums[..64].to_owned()),
            ("AWS_TOKEN", "the token of the job".to_owned()),
            ("AWS_ENDPOINT_URL", project.account.url.clone()),
            ("CI", "true".to_owned()),
            ("GITLAB_CI", "true".to_owned()),
        ];
        variables.extend(set.map(|(name, value)| (name.to_owned(), value)));
        // The roles are those of the emulated account.
        for name in ["AWS_PLAN_ROLE", "AWS_APPLY_ROLE"] {
            let role = variables[name].replace("123456789012", "000000000000");
            variables.insert(name.to_owned(), role);
        }
        Self { project, file, folder, variables }
    }

    /// A job with what it extends.
    fn job(&self, name: &str) -> Map<String, Value> {
        let job = self.file[name].as_object().expect("a job");
        let mut whole = job["extends"].as_str().map(|it| self.extended(it)).unwrap_or_default();
        whole.extend(job.clone());
        whole
    }

    fn extended(&self, name: &str) -> Map<String, Value> {
        let job = self.file[name].as_object().expect("a job");
        let parent = job.get("extends").and_then(Value::as_str);
        let mut whole = parent.map(|it| self.extended(it)).unwrap_or_default();
        whole.extend(job.clone());
        whole
    }

    fn lines(&self, script: &Value) -> Vec<String> {
        let mut lines = Vec::new();
        for line in script.as_array().expect("lines") {
            match line {
                Value::String(line) => lines.push(line.clone()),
                reference => {
                    let [job, key] = &reference["!reference"].as_array().expect("a path")[..]
                    else {
                        panic!("{reference}")
                    };
                    let (job, key) = (job.as_str(), key.as_str());
                    let found = &self.file[job.expect("a name")][key.expect("a name")];
                    lines.extend(self.lines(found));
                }
            }
        }
        lines
    }

    /// Runs a job. Its dotenv report gives variables to the jobs after it.
    fn run(&mut self, name: &str) -> Ran {
        let job = self.job(name);
        let mut lines = self.lines(&job["before_script"]);
        lines.extend(self.lines(&job["script"]));
        let of_job = job.get("variables").and_then(Value::as_object).cloned().unwrap_or_default();
        let of_job = of_job.into_iter().map(|(name, value)| {
            let from = value.as_str().and_then(|it| it.strip_prefix('$')).expect("a variable");
            (name, self.variables[from].clone())
        });
        let mut bash = Command::new("bash");
        let path = std::env::var_os("PATH").expect("a PATH");
        bash.args(["-eo", "pipefail", "-c", &lines.join("\n")])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(&self.variables)
            .envs(of_job);
        let ran = run(&mut bash);
        let reports = &job["artifacts"]["reports"];
        for (kind, file) in reports.as_object().expect("reports") {
            let path = self.folder.path().join(file.as_str().expect("a name"));
            let text = std::fs::read_to_string(&path);
            let text = text.unwrap_or_else(|error| panic!("{name} {kind}: {error}: {ran:?}"));
            if kind == "codequality" {
                let list: Value = serde_json::from_str(&text).expect("JSON");
                assert!(list.is_array(), "{list}");
            } else {
                assert!(text.lines().count() > 0, "{name}: {ran:?}");
                for line in text.lines() {
                    let (name, value) = line.split_once('=').expect("name=value");
                    self.variables.insert(name.to_owned(), value.to_owned());
                }
            }
            std::fs::remove_file(path).expect("removable");
        }
        ran
    }
}

#[test]
fn gitlab_plans_applies_the_saved_plan_and_looks_for_drift() {
    let Some(mut project) = Project::new() else { return };
    let mut gitlab = GitLab::new(&project);
    for (job, code) in [("validate", 0), ("plan", 0), ("apply", 0), ("drift", 0)] {
        let ran = gitlab.run(job);
        assert_eq!(ran.code, Some(code), "{job}: {ran:?}");
        let roles = ["ivs-plan", "ivs-apply"].map(|it| format!("assumed-role/{it}/"));
        let signed_in = roles.map(|it| format!("{}{}", ran.stdout, ran.stderr).contains(&it));
        let expected = match job {
            "validate" => [false, false],
            "apply" => [false, true],
            _ => [true, false],
        };
        assert_eq!(signed_in, expected, "{job}: {ran:?}");
    }
    assert_eq!(gitlab.variables["IVS_RUN_PLAN_CREATE"], "1");
    // The plan is stale now: what it creates exists.
    let ran = gitlab.run("apply");
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.stdout.contains("Run a new pipeline"), "{ran:?}");
    gitlab.variables.insert("ARCHIVE_SHA256".to_owned(), "0".repeat(64));
    let ran = {
        let job = gitlab.job("validate");
        let lines = gitlab.lines(&job["before_script"]).join("\n");
        let mut bash = Command::new("bash");
        bash.args(["-eo", "pipefail", "-c", &lines]).current_dir(gitlab.folder.path());
        run(bash.envs(&gitlab.variables))
    };
    assert_ne!(ran.code, Some(0), "a wrong checksum is refused: {ran:?}");
    drop(gitlab);
    project.set_latency("NORMAL");
    let mut gitlab = GitLab::new(&project);
    let ran = gitlab.run("drift");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(gitlab.variables["IVS_RUN_DRIFT_DRIFTED"], "1");
    let mistaken = gitlab.folder.path().join("ivs/prod/channels.yaml");
    std::fs::write(mistaken, CHANNEL.replace("LOW", "SLOW")).expect("writable");
    let ran = gitlab.run("validate");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(gitlab.project.github.state().issues.len(), 0);
}

/// A machine with the program, a clone of the repository and the variables of a stack.
struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    fn new(project: &Project) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let host = Self { folder };
        for name in ["bin", "etc/ivs-apply", "var/lib/ivs-apply"] {
            std::fs::create_dir_all(host.path(name)).expect("writable");
        }
        let program = format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_ivs-apply"));
        executable(&host.path("bin/ivs-apply"), &program);
        copy(project.repository.path(), &host.path("origin"));
        let origin = host.path("origin").display().to_string();
        for clone in ["var/lib/ivs-apply/prod", "ivs-manifests"] {
            if !host.path("origin/.git").exists() {
                host.git(&["init", "--quiet", &origin]);
                host.git(&["-C", &origin, "add", "ivs"]);
                host.git(&["-C", &origin, "commit", "--quiet", "--message", "manifests"]);
            }
            let clone = host.path(clone).display().to_string();
            host.git(&["clone", "--quiet", &origin, &clone]);
        }
        let mut variables = format!("AWS_ENDPOINT_URL={}\n", project.account.url);
        for (name, value) in SIGNED_IN {
            variables.push_str(&format!("{name}={value}\n"));
        }
        for file in ["etc/ivs-apply/prod.env", "ivs-prod.env"] {
            std::fs::write(host.path(file), &variables).expect("writable");
        }
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn git(&self, words: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=test", "-c", "user.email=test@example.com"]).args(words);
        let ran = run(git.env("HOME", self.folder.path()).env("GIT_CONFIG_NOSYSTEM", "1"));
        assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
    }

    /// Commits a change of the channel to the repository that was cloned.
    fn commit(&self, channels: &str) {
        std::fs::write(self.path("origin/ivs/prod/channels.yaml"), channels).expect("writable");
        let origin = self.path("origin").display().to_string();
        self.git(&["-C", &origin, "commit", "--quiet", "--all", "--message", "a change"]);
    }
}

/// Runs the commands of a unit for the stack `prod` as systemd does, in the folder of the host instead of `/`.
fn started(host: &Host, unit: &str) -> Ran {
    let path = root().join("examples/ci/systemd").join(unit);
    let text = std::fs::read_to_string(path).expect("readable").replace("%i", "prod");
    let values = |key: &str| {
        let lines = text.lines().filter_map(|it| it.strip_prefix(key)?.strip_prefix('='));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let below = |path: &str| host.path(path.trim_start_matches('/'));
    let variables =
        std::fs::read_to_string(below(&values("EnvironmentFile")[0])).expect("readable");
    let mut last = None;
    for line in [values("ExecStartPre"), values("ExecStart")].concat() {
        let mut words = line.split_whitespace();
        let program = words.next().expect("a program");
        let program =
            program.strip_prefix("/usr/local/").map_or(program.into(), |it| host.path(it));
        let mut command = Command::new(program);
        command.args(words).current_dir(below(&values("WorkingDirectory")[0])).env_clear();
        command.envs(variables.lines().filter_map(|it| it.split_once('=')));
        let ran = run(command.env("PATH", "/usr/bin:/bin").env("HOME", host.folder.path()));
        if ran.code != Some(0) {
            return ran;
        }
        last = Some(ran);
    }
    last.expect("a command")
}

#[test]
fn the_units_apply_what_was_merged_and_fail_on_drift() {
    let Some(mut project) = Project::new() else { return };
    let host = Host::new(&project);
    assert_eq!(started(&host, "ivs-apply@.service").code, Some(0));
    assert_eq!(project.latency().as_deref(), Some("LOW"));
    host.commit(&CHANNEL.replace("LOW", "NORMAL"));
    let ran = started(&host, "ivs-apply@.service");
    assert_eq!((ran.code, project.latency().as_deref()), (Some(0), Some("NORMAL")), "{ran:?}");
    assert_eq!(started(&host, "ivs-apply-drift@.service").code, Some(0));
    project.set_latency("LOW");
    let ran = started(&host, "ivs-apply-drift@.service");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stdout.contains("Channel/main"), "{ran:?}");
}

#[test]
fn the_lines_of_the_crontab_print_only_what_should_be_mailed() {
    let Some(mut project) = Project::new() else { return };
    let host = Host::new(&project);
    let text = std::fs::read_to_string(root().join("examples/ci/cron/crontab")).expect("readable");
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    let mut commands = Vec::new();
    for line in text.lines().filter(|it| !it.is_empty() && !it.starts_with('#')) {
        let is_variable = line.split_once('=').filter(|(name, _)| !name.contains(' '));
        if let Some((name, value)) = is_variable {
            variables.insert(name.to_owned(), value.to_owned());
            continue;
        }
        let parts: Vec<&str> = line.splitn(6, ' ').collect();
        let times = &parts[..5];
        let is_time = |it: &&str| it.chars().all(|it| it.is_ascii_digit() || "*/".contains(it));
        assert!(times.iter().all(is_time), "{line}");
        assert!(!line.contains('%'), "cron ends the command at a `%`: {line}");
        commands.push(parts[5].to_owned());
    }
    let path = format!("{}:{}", host.path("bin").display(), variables["PATH"]);
    let cron = |command: &str| {
        let mut shell = Command::new(&variables["SHELL"]);
        shell.args(["-c", command]).env_clear().env("HOME", host.folder.path());
        run(shell.env("PATH", &path).current_dir(host.folder.path()))
    };
    let [apply, drift] = &commands[..] else { panic!("{commands:?}") };
    let quiet = |ran: &Ran| ran.stdout.is_empty() && ran.stderr.is_empty();
    let ran = cron(apply);
    assert!(ran.code == Some(0) && quiet(&ran), "{ran:?}");
    assert_eq!(project.latency().as_deref(), Some("LOW"));
    let ran = cron(drift);
    assert!(ran.code == Some(0) && quiet(&ran), "{ran:?}");
    project.set_latency("NORMAL");
    assert!(cron(drift).stdout.contains("Channel/main"));
    // While one apply has the lock, another one does nothing and says nothing.
    let held = format!("flock \"$HOME/ivs-prod.lock\" bash -c '{}'", "sleep 0");
    assert_eq!(cron(&held).code, Some(0));
    let during = format!("exec 9>\"$HOME/ivs-prod.lock\" && flock 9 && {apply}");
    let ran = cron(&during);
    assert!(quiet(&ran), "{ran:?}");
    assert_eq!(project.latency().as_deref(), Some("NORMAL"), "{ran:?}");
    let ran = cron(apply);
    assert!(ran.code == Some(0) && quiet(&ran), "{ran:?}");
    assert_eq!(project.latency().as_deref(), Some("LOW"));
    host.commit(&CHANNEL.replace("LOW", "SLOW"));
    assert!(cron(apply).stdout.contains("SLOW"));
}

/// The files with workflows for others to copy, and the action.
fn github_files() -> Vec<PathBuf> {
    let folders = ["examples/ci/github", "examples/ci/fleet"];
    let folders = folders.map(|it| std::fs::read_dir(root().join(it)).expect("readable"));
    let files = folders.into_iter().flatten();
    let mut files: Vec<PathBuf> = files.map(|it| it.expect("readable").path()).collect();
    files.sort();
    files
}

/// The values of all members of this name.
fn members<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a str>) {
    if let Some(members_of) = value.as_object() {
        for (key, value) in members_of {
            if key == name
                && let Some(text) = value.as_str()
            {
                found.push(text);
            }
            members(value, name, found);
        }
    }
    for item in value.as_array().into_iter().flatten() {
        members(item, name, found);
    }
}

#[test]
fn workflows_pin_actions_by_commit_and_put_no_expression_into_a_script() {
    let mut pinned = 0;
    let own = ["action.yml", CI_WORKFLOW, RELEASE_WORKFLOW].map(|it| root().join(it));
    for path in github_files().into_iter().chain(own) {
        let (file, text) = (yaml(&path), std::fs::read_to_string(&path).expect("readable"));
        let mut scripts = Vec::new();
        members(&file, "run", &mut scripts);
        assert!(scripts.iter().all(|it| !it.contains("${{")), "{}", path.display());
        let mut uses = Vec::new();
        members(&file, "uses", &mut uses);
        for action in uses.into_iter().filter(|it| !it.starts_with("./")) {
            let (name, commit) = action.split_once('@').expect("a version");
            if name == "OWNER/ivs-apply" {
                assert_eq!(commit, format!("v{VERSION}"), "{}", path.display());
                continue;
            }
            let is_commit = commit.len() == 40 && commit.chars().all(|it| it.is_ascii_hexdigit());
            assert!(is_commit, "{action}");
            assert!(text.contains(&format!("{action} # v")), "{action} without its version");
            pinned += 1;
        }
        // The action has no jobs, and those of the checks have one permission, to read.
        if path.ends_with("action.yml") || path.ends_with("ci.yml") {
            continue;
        }
        assert_eq!(file["permissions"], json!({}), "{}: by job", path.display());
        for (name, job) in file["jobs"].as_object().expect("jobs") {
            assert!(job["permissions"].is_object(), "{name} of {}", path.display());
            let of_another_workflow = job["uses"].is_string();
            let ends = of_another_workflow || job["timeout-minutes"].is_u64();
            assert!(ends, "{name} of {}", path.display());
        }
    }
    assert!(pinned >= 16, "{pinned}");
    let apply = &yaml(&root().join(APPLY))["jobs"]["apply"];
    assert_eq!(apply["concurrency"]["cancel-in-progress"], false);
    let gitlab = yaml(&root().join("examples/ci/gitlab/.gitlab-ci.yml"));
    assert_eq!(gitlab["apply"]["resource_group"], apply["concurrency"]["group"]);
}

/// A tool of the Python environment; `None` where there is no Python.
pub(crate) fn tool(name: &str) -> Option<Command> {
    Some(Command::new(python()?.with_file_name(name)))
}

/// Runs a check that has to accept these files and to refuse this one.
pub(crate) fn accepts(
    check: impl Fn(&[PathBuf]) -> Command,
    files: &[PathBuf],
    wrong: (&str, &str),
) {
    let ran = run(&mut check(files));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(wrong.0);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    std::fs::write(&path, wrong.1).expect("writable");
    let ran = run(&mut check(&[path]));
    assert!(ran.code.is_some_and(|it| it != 0), "what is wrong is noticed: {ran:?}");
}

/// The workflows of this project and those for others.
fn workflows() -> Vec<PathBuf> {
    let own = ["ci.yml", "release.yml"].map(|it| root().join(".github/workflows").join(it));
    github_files().into_iter().chain(own).collect()
}

fn scripts() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in
        ["deploy/action", "deploy/image", "deploy/release", "tests/kubernetes", "tests/week"]
    {
        let entries = std::fs::read_dir(root().join(folder)).expect("readable");
        let paths = entries.map(|it| it.expect("readable").path());
        files.extend(paths.filter(|it| it.extension().is_none_or(|it| it != "py")));
    }
    files.extend([".ci/book", ".ci/operator", ".ci/release", ".ci/run"].map(|it| root().join(it)));
    files.sort();
    files
}

#[test]
fn workflows_and_the_action_fit_the_schemas_of_github_and_gitlab() {
    if python().is_none() {
        return;
    }
    let check = |schema: &'static str| {
        move |files: &[PathBuf]| {
            let mut command = tool("check-jsonschema").expect("Python");
            command.args(["--builtin-schema", schema]);
            if schema.ends_with("gitlab-ci") {
                command.args(["--data-transform", "gitlab-ci"]);
            }
            command.args(files);
            command
        }
    };
    let wrong = ("x.yml", "jobs: { a: { runs-on: [], steps: 1 } }\non: [push, pushes]\n");
    accepts(check("vendor.github-workflows"), &workflows(), wrong);
    accepts(check("vendor.github-actions"), &[root().join("action.yml")], ("action.yml", "x: 1"));
    let gitlab = [root().join("examples/ci/gitlab/.gitlab-ci.yml")];
    accepts(check("vendor.gitlab-ci"), &gitlab, ("x.yml", "plan: { script: { a: 1 } }"));
}

#[test]
fn linters_find_nothing_in_workflows_and_scripts() {
    if python().is_none() {
        return;
    }
    let shellcheck = tool("shellcheck").expect("Python").get_program().to_owned();
    let actionlint = |files: &[PathBuf]| {
        let mut command = tool("actionlint").expect("Python");
        command.args(["-no-color", "-shellcheck"]).arg(&shellcheck).args(files);
        command
    };
    let steps = "on: push\njobs: { a: { runs-on: ubuntu-24.04, steps: [{ run: 'echo $HOME' }] } }";
    accepts(actionlint, &workflows(), ("x.yml", steps));
    let zizmor = |files: &[PathBuf]| {
        let mut command = tool("zizmor").expect("Python");
        command.args(["--offline", "--quiet", "--no-progress", "--min-severity", "medium"]);
        command.arg("--config").arg(root().join("tests/ci/zizmor.yml")).args(files);
        command
    };
    let files: Vec<PathBuf> = workflows().into_iter().chain([root().join("action.yml")]).collect();
    let injected = "on: issues\npermissions: {}\njobs: { a: { runs-on: ubuntu-24.04, steps: \
        [{ run: 'echo ${{ github.event.issue.title }}' }] } }";
    accepts(zizmor, &files, (".github/workflows/x.yml", injected));
    let check = |files: &[PathBuf]| {
        let mut command = tool("shellcheck").expect("Python");
        command.arg("--external-sources").args(files).current_dir(root());
        command
    };
    accepts(check, &scripts(), ("x.sh", "#!/bin/bash\nrm $1/*\n"));
}

#[test]
fn systemd_accepts_the_units_and_finds_them_hardened() {
    let known = Path::new("/usr/lib/systemd/system");
    if Command::new("systemd-analyze").arg("--version").output().is_err() || !known.exists() {
        return left_out("systemd_accepts_the_units_and_finds_them_hardened", "systemd");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let units = folder.path().join("etc/systemd/system");
    copy(&root().join("examples/ci/systemd"), &units);
    let place = folder.path().join("usr/lib/systemd/system");
    std::fs::create_dir_all(&place).expect("writable");
    for unit in [
        "sysinit.target",
        "basic.target",
        "shutdown.target",
        "network-online.target",
        "timers.target",
    ] {
        std::fs::copy(known.join(unit), place.join(unit)).expect("copied");
    }
    for program in ["usr/local/bin/ivs-apply", "usr/bin/git"] {
        let path = folder.path().join(program);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        executable(&path, "#!/bin/sh\n");
    }
    let analyze = |words: &[&str]| {
        let root = format!("--root={}", folder.path().display());
        run(Command::new("systemd-analyze").args(words).arg(root))
    };
    let verify = |unit: &str| analyze(&["verify", "--man=no", "--recursive-errors=no", unit]);
    for unit in ["ivs-apply@prod", "ivs-apply-drift@prod"] {
        for suffix in ["service", "timer"] {
            let ran = verify(&format!("{unit}.{suffix}"));
            assert!(ran.code == Some(0) && ran.stderr.is_empty(), "{unit}.{suffix}: {ran:?}");
        }
        let unit = format!("{unit}.service");
        // 10 is a unit without protection; 1.5 is called OK.
        let ran = analyze(&["security", "--offline=true", "--threshold=15", &unit]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let broken = "[Service]\nType=oneshot\nExecStart=/usr/bin/none\nProtectHom=yes\n";
    std::fs::write(units.join("broken.service"), broken).expect("writable");
    let ran = verify("broken.service");
    assert!(ran.stderr.contains("ProtectHom") && ran.stderr.contains("/usr/bin/none"), "{ran:?}");
}
