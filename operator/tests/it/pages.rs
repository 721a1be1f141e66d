//! The commands of the pages about the operator, typed by `kubectl` into an API server from their top to their end.
//!
//! `docs/howto/operator.md` has blocks `console`, whose answers the tests of the command line compare, and `console cluster`,
//! whose answers are compared here. The blocks `sh` of both pages have no answers that are the same with every version of
//! `kubectl`; they have to succeed.

use crate::operator::Operator;
use crate::server::{Cluster, is_newest, on_an_empty_cluster, program};
use serde_json::Value;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a page has for those who type along.
#[derive(Debug)]
enum Part {
    /// The text of a file.
    File(String, String),
    /// A command, and its answer where it is compared here.
    Command(String, Option<String>),
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("a folder")
}

fn page(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The commands of a block `console`, each with what stands below it.
fn typed(block: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((format!("{command}\n"), String::new()));
        } else {
            let (command, answer) = commands.last_mut().expect("a command comes first");
            match line.strip_prefix("> ") {
                Some(more) => command.extend([more, "\n"]),
                None => answer.extend([line, "\n"]),
            }
        }
    }
    commands
}

/// The parts of a page in their order.
fn parts(page: &str) -> Vec<Part> {
    let (mut parts, mut lines, mut file) = (Vec::new(), page.lines(), None);
    while let Some(line) = lines.next() {
        if let Some(path) = line.strip_prefix("<!-- file ") {
            file = Some(path.trim_end_matches("-->").trim().to_owned());
        } else if let Some(language) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|it| *it != "```").collect();
            let block = block.join("\n") + "\n";
            match (file.take(), language) {
                (Some(path), _) => parts.push(Part::File(path, block)),
                (None, "console") => {
                    parts.extend(typed(&block).into_iter().map(|it| Part::Command(it.0, None)));
                }
                (None, "console cluster") => {
                    let typed = typed(&block).into_iter();
                    parts.extend(typed.map(|it| Part::Command(it.0, Some(it.1))));
                }
                (None, "sh") => {
                    parts.extend(block.lines().map(|it| Part::Command(it.to_owned(), None)));
                }
                _ => {}
            }
        }
    }
    parts
}

/// The age of an object is no matter.
fn without_age(answer: &str) -> String {
    let line = |line: &str| {
        let (rest, last) = line.rsplit_once("   ").unwrap_or((line, ""));
        let is_age = last.ends_with(['s', 'm']) && last.starts_with(|it: char| it.is_ascii_digit());
        if is_age { format!("{rest}   AGE\n") } else { format!("{line}\n") }
    };
    answer.trim_matches('\n').lines().map(line).collect()
}

/// Somebody who types into a cluster.
struct Person<'a> {
    cluster: &'a Cluster,
    home: tempfile::TempDir,
    here: PathBuf,
}

impl<'a> Person<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        symlink(root(), home.path().join("ivs-apply")).expect("writable");
        let here = home.path().join("here");
        std::fs::create_dir(&here).expect("writable");
        Self { cluster, home, here }
    }

    /// What a command answers; it has to succeed.
    fn answer(&self, command: &str) -> String {
        let path = std::env::var("PATH").expect("a PATH");
        let built = program();
        let ran = Command::new("timeout")
            .args(["180", "bash", "-eo", "pipefail", "-c"])
            .arg(format!("exec 2>&1\n{command}"))
            .current_dir(&self.here)
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", format!("{}:{path}", built.parent().expect("a folder").display()))
            .env("KUBECONFIG", self.cluster.folder.path().join("kubernetes/kubeconfig"))
            .envs([("LANG", "C.UTF-8"), ("TZ", "UTC"), ("AWS_EC2_METADATA_DISABLED", "true")])
            .envs([("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any")])
            .env("AWS_ENDPOINT_URL", &self.cluster.url)
            .stdin(Stdio::null())
            .output()
            .expect("bash runs");
        let told = String::from_utf8(ran.stdout).expect("UTF-8");
        assert!(ran.status.success(), "{command}: {}: {told}", ran.status);
        told
    }

    /// Whether an emulated account has a channel.
    fn has_channel(&self, account: &str, region: &str) -> bool {
        let query = format!("objects?account={account}&region={region}");
        let told = self.cluster.control("GET", &query, &Value::Null);
        let objects = told["objects"].as_array().expect("objects");
        objects.iter().any(|it| it["kind"] == "Channel")
    }
}

/// Whether `kubectl` can type into one API server that has everything. Without it a test is left out, and where CI is set it fails.
fn can_type() -> bool {
    let is_there = Command::new("kubectl").arg("--help").output().is_ok();
    let install = "to install it: tests/kubernetes/kubectl.sh";
    assert!(is_there || std::env::var_os("CI").is_none(), "kubectl is missing; {install}");
    let can_type = is_there && !is_newest();
    if !can_type {
        let why = if is_there { "definitions are on a server of their own" } else { install };
        let _ = writeln!(std::io::stderr(), "left out: the commands of the pages; {why}");
    }
    can_type
}

#[test]
fn the_page_about_the_operator_can_be_typed_into_an_api_server() {
    if !can_type() {
        return;
    }
    on_an_empty_cluster(async |cluster: Cluster| {
        let person = Person::new(&cluster);
        let mut operator: Option<Operator> = None;
        let (mut compared, mut applied) = (0, false);
        for part in parts(&page("docs/howto/operator.md")) {
            match part {
                Part::File(path, text) => {
                    let path = person.here.join(path);
                    std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
                    std::fs::write(path, text).expect("writable");
                }
                Part::Command(command, expected) => {
                    let answer = person.answer(&command);
                    if let Some(expected) = expected {
                        assert_eq!(without_age(&answer), without_age(&expected), "{command}");
                        compared += 1;
                    }
                    if command.starts_with("kubectl apply -k") {
                        // The Deployment is there; what its pods would run runs beside the API server, with their rights.
                        let config = cluster.config_of("ivs-apply", "ivs-apply-operator").await;
                        operator = Some(cluster.operator_as("one", &config, &[]));
                    }
                    applied |= person.has_channel("123456789012", "eu-west-1");
                }
            }
        }
        assert!(operator.is_some() && compared > 8, "{compared} answers are compared");
        assert!(applied, "the operator applied the manifests");
        let left = person.has_channel("123456789012", "eu-west-1");
        assert!(left, "the Target is gone, and AWS is as it was");
        assert_eq!(
            person.answer("kubectl get targets -n video").trim(),
            "No resources found in video namespace."
        );
    });
}

#[test]
fn the_api_server_takes_each_command_of_the_reference_of_the_operator() {
    if !can_type() {
        return;
    }
    on_an_empty_cluster(async |cluster: Cluster| {
        let text = page("docs/operator.md");
        let (_, rest) = text.split_once("```yaml\n").expect("a Target");
        let (target, _) = rest.split_once("```").expect("its end");
        let mut person = Person::new(&cluster);
        std::fs::write(person.here.join("target.yaml"), target).expect("writable");
        person.answer("kubectl create namespace video");
        person.answer("kubectl config set-context --current --namespace video");
        let mut target_is_there = false;
        let folder = std::mem::replace(&mut person.here, root());
        for part in parts(&text) {
            let Part::Command(command, None) = part else { panic!("{part:?}") };
            if command.contains("target prod-usw2") && !target_is_there {
                let file = folder.join("target.yaml");
                person.answer(&format!("kubectl apply -f {}", file.display()));
                target_is_there = true;
            }
            person.answer(&command);
        }
        let target = cluster.targets_in("video").get("prod-usw2").await.expect("a Target");
        let annotations = target.metadata.annotations.unwrap_or_default();
        assert_eq!(
            annotations.get("ivs-apply.dev/confirm-deletes").map(String::as_str),
            Some("12")
        );
        assert_eq!(target.data["spec"]["deletion"], "Orphan");
        let bindings = person.answer("kubectl get rolebindings -o name");
        assert_eq!(bindings.lines().count(), 2, "{bindings}");
    });
}
