//! The blocks of the language `sh` in the documents. Every command line of `ivs-apply` in them is one that the program takes,
//! and every block is run: here, or by the tests that the table names. Blocks of the language `console` are those of
//! `docs_commands`.

use crate::binary::Served;
use crate::client::Client;
use crate::conformance::python;
use crate::docs_links::documents;
use crate::golden::root;
use crate::left_out::left_out;
use clap::CommandFactory;
use ivs_apply::commands::Cli;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The state of the account in which a block is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Account {
    Empty,
    /// The manifests are applied.
    Applied,
    /// They were, and the channel was changed by hand.
    Changed,
    /// Two shards of a fleet have looked for drift.
    Shards,
}

/// How a block is tested.
#[derive(Clone, Copy)]
enum Tested {
    /// It is run here and succeeds, and then this holds.
    Here(Account, fn(&Reader, &str)),
    /// Each of its lines runs until it is stopped: here, until its output has a text.
    Stopped(&'static [&'static str]),
    /// Other tests run what it says, some with arguments of their own: the file of them.
    By(&'static str),
    /// It needs what no test has; its command lines are checked.
    NotRun,
}

use Account::{Applied, Changed, Empty, Shards};
use Tested::{By, Here, NotRun, Stopped};

const PAGES: &str = "operator/tests/it/pages.rs";
const KIT: &str = "tests/it/acceptance.rs";
const SECRETS: &str = "tests/it/secrets_handover.rs";
const EXAMPLES: &str = "tests/it/emulator_examples.rs";
/// What the blocks need that are not run.
const A_RELEASE: Tested = NotRun;
const A_CLUSTER: Tested = NotRun;
const CONTAINERS: Tested = NotRun;
const HOURS: Tested = NotRun;

/// Every block: the document, a part of the block that no other one of it has, and how it is tested.
const BLOCKS: [(&str, &str, Tested); 49] = [
    ("CONTRIBUTING.md", "EVERY_CASE=1", HOURS),
    ("README.md", "cargo run", By("tests/it/readme.rs")),
    ("README.md", "cargo test", By(".ci/run")),
    ("docs/commands.md", "--out plan.json", Here(Empty, the_channel_exists)),
    ("docs/emulator.md", "aws ivs list-channels", Here(Empty, both_answers_are_empty)),
    ("docs/emulator.md", "docker run", CONTAINERS),
    ("docs/emulator.md", "loseReply", Here(Empty, the_fault_is_set)),
    ("docs/fleet.md", "fleet list", Here(Empty, each_command_of_the_fleet_has_a_folder)),
    ("docs/fleet.md", "results/*/", Here(Shards, the_report_is_about_both_targets)),
    ("docs/fleet.md", "deploy/jobs", A_CLUSTER),
    ("docs/fleet.md", "job=drift-now", A_CLUSTER),
    ("docs/howto/README.md", "emulator --account", Stopped(&["listening on"])),
    ("docs/howto/README.md", "export AWS_ENDPOINT_URL", Here(Empty, |_, _| ())),
    ("docs/howto/README.md", "control()", By("tests/it/docs_commands.rs")),
    ("docs/howto/drift.md", "17 3 * * *", Here(Changed, the_drift_is_printed)),
    ("docs/howto/move.md", "untag-resource", Here(Applied, the_channel_belongs_to_nobody)),
    ("docs/howto/operator.md", "kubectl", By(PAGES)),
    ("docs/howto/secrets.md", "put-secret-value", Here(Applied, the_store_has_the_key)),
    ("docs/install.md", "sha256sum", A_RELEASE),
    ("docs/install.md", "cyclonedx", A_RELEASE),
    ("docs/install.md", "apt install", A_RELEASE),
    ("docs/install.md", "brew install", A_RELEASE),
    ("docs/install.md", "cargo binstall", A_RELEASE),
    ("docs/install.md", "docker run", A_RELEASE),
    ("docs/install.md", "completions bash", Here(Empty, the_completions_are_in_place)),
    ("docs/operations.md", "--wait 3h", Here(Empty, the_channel_exists)),
    ("docs/operations.md", "--interval 5m", Stopped(&["Applied: 2 done", "\"status\""])),
    ("docs/operator.md", "apply -k deploy/operator", By(PAGES)),
    ("docs/operator.md", "confirm-deletes", By(PAGES)),
    ("docs/operator.md", "ivs-apply-operator-tenant", By(PAGES)),
    ("docs/operator.md", "ivs-apply-operator-secrets", By(PAGES)),
    ("docs/real-account.md", "cargo build", By(KIT)),
    ("docs/real-account.md", "kit.py run", By(KIT)),
    ("docs/real-account.md", "kit.py clean", By(KIT)),
    ("docs/real-account.md", "kit.py compare", By(KIT)),
    ("docs/secrets.md", "eval", Here(Applied, |_, _| ())),
    ("docs/secrets.md", "secretsmanager", By(SECRETS)),
    ("docs/secrets.md", "ssm put-parameter", By(SECRETS)),
    ("docs/secrets.md", "vault kv put", By(SECRETS)),
    ("docs/secrets.md", "kind: \"Secret\"", By(SECRETS)),
    ("docs/secrets.md", "create secret generic", By(SECRETS)),
    ("docs/targets.md", "#prod-usw2", Here(Empty, the_target_is_applied)),
    ("docs/tutorial.md", "", By("tests/it/week.rs")),
    ("docs/why.md", "cargo bench", HOURS),
    ("examples/emulator/README.md", "pytest python", By(EXAMPLES)),
    ("examples/emulator/README.md", "npm test", By(EXAMPLES)),
    ("examples/emulator/README.md", "docker compose", By(EXAMPLES)),
    ("examples/monitoring/README.md", "--metrics", Here(Empty, both_files_have_metrics)),
    ("tests/random_tester/README.md", "-m random_tester", HOURS),
];

const MANIFESTS: &str = r#"
apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: shows }
spec: { region: eu-west-1, account: "123456789012" }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: main }
spec: { channel: main }
"#;

const LIVE: &str = "{ apiVersion: ivs-apply.dev/v1, kind: Stack, metadata: { name: live } }\n---\n\
                    { apiVersion: ivs-apply.dev/v1, kind: Channel, metadata: { name: main } }\n";

const TARGETS: &str = r#"
apiVersion: ivs-apply.dev/v1
kind: Target
metadata: { name: prod-usw2 }
spec: { account: "123456789012", region: us-west-2, manifests: { path: ../stacks/live } }
---
apiVersion: ivs-apply.dev/v1
kind: Target
metadata: { name: prod-euw1 }
spec: { account: "123456789012", region: eu-west-1, manifests: { path: ../stacks/live } }
"#;

/// `fleet plan` ends with exit code 2, since there are changes; every other command succeeds.
const CHANGES_ARE_PLANNED: &str =
    "ivs-apply() { command ivs-apply \"$@\" || [ \"$1 $2 $?\" = 'fleet plan 2' ]; }\n";

/// The folders of a person's shells.
const COMPLETIONS: &str =
    "fpath=(. .)\nmkdir -p ~/.local/share/bash-completion/completions ~/.config/fish/completions\n";

/// Every block of the documents: the file and the text.
fn blocks() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, text) in documents() {
        let path = path.to_str().expect("UTF-8").to_owned();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("```") {
                let block: Vec<&str> = lines.by_ref().take_while(|it| *it != "```").collect();
                if line == "```sh" {
                    found.push((path.clone(), block.join("\n") + "\n"));
                }
            }
        }
    }
    assert!(found.len() > 60, "{} blocks", found.len());
    found
}

/// The entry of a block.
fn entry(path: &str, block: &str) -> Tested {
    let of_block = BLOCKS.iter().filter(|it| it.0 == path && block.contains(it.1));
    let tested: Vec<Tested> = of_block.map(|it| it.2).collect();
    let [tested] = tested[..] else {
        panic!("{path}: {} entries, and one is needed, for:\n{block}", tested.len());
    };
    tested
}

/// A line of a crontab without its times.
fn without_times(block: &str) -> &str {
    block.strip_prefix("17 3 * * * ").unwrap_or(block)
}

/// The arguments of each `ivs-apply` of a block, as a shell without other programs passes them on.
fn command_lines(block: &str) -> Vec<Vec<String>> {
    let home = tempfile::tempdir().expect("a folder");
    for folder in [".local/share/bash-completion/completions", ".config/fish/completions"] {
        std::fs::create_dir_all(home.path().join(folder)).expect("writable");
    }
    std::fs::create_dir(home.path().join("shows")).expect("writable");
    std::fs::write(home.path().join("ivs.env"), "").expect("writable");
    let script = format!(
        "exec 3> \"$HOME/told\" 4>&1 > /dev/null 2>&1\n\
         command_not_found_handle() {{ :; }}\n\
         fpath=(. .)\n\
         ivs-apply() {{ printf '%s\\037' \"$@\" >&3; printf '\\036' >&3; }}\n\
         {block}\nwait\n"
    );
    let ran = Command::new("/usr/bin/timeout")
        .args(["20", "/bin/bash", "-c", &script])
        .current_dir(home.path())
        .env_clear()
        .envs([("HOME", home.path()), ("PATH", Path::new("/nonexistent"))])
        .stdin(Stdio::null())
        .status();
    assert!(ran.expect("bash runs").code().is_some_and(|it| it != 124), "it hangs: {block}");
    let told = std::fs::read_to_string(home.path().join("told")).expect("written");
    let words = |it: &str| it.split_terminator('\u{1f}').map(str::to_owned).collect();
    told.split_terminator('\u{1e}').map(words).collect()
}

#[test]
fn every_block_of_shell_lines_is_tested_in_a_way_that_the_table_says() {
    let blocks = blocks();
    for (path, block) in &blocks {
        let tested = entry(path, block);
        if let By(file) = tested {
            assert!(root().join(file).exists(), "{path}: {file} is missing");
        }
        let ran = Command::new("bash").args(["-n", "-c", without_times(block)]).output();
        let ran = ran.expect("bash runs");
        assert!(ran.status.success(), "{path}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    for (path, part, _) in BLOCKS {
        let is_there = blocks.iter().any(|it| it.0 == path && it.1.contains(part));
        assert!(is_there, "{path} has no block with `{part}` any more");
    }
}

#[test]
fn the_program_takes_every_command_line_of_the_documents() {
    let mut taken = 0;
    for (path, block) in blocks() {
        for words in command_lines(without_times(&block)) {
            let line = std::iter::once("ivs-apply").chain(words.iter().map(String::as_str));
            if let Err(error) = Cli::command().try_get_matches_from(line) {
                panic!("{path}: {words:?}: {error}");
            }
            taken += 1;
        }
    }
    assert!(taken > 40, "{taken} command lines");
}

/// Somebody who types the blocks of one document, with an account and a folder of manifests.
struct Reader {
    home: tempfile::TempDir,
    served: Served,
    programs: PathBuf,
}

impl Reader {
    fn new(account: Account, programs: &Path) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let served = Served::with_defaults(home.path(), &["--account", "123456789012"]);
        let reader = Self { home, served, programs: programs.to_owned() };
        for (path, text) in [
            ("manifests/show.yaml", MANIFESTS),
            ("ivs/show.yaml", MANIFESTS),
            ("stacks/live/live.yaml", LIVE),
            ("targets/production.yaml", TARGETS),
        ] {
            reader.write(path, text);
        }
        std::fs::create_dir(reader.home.path().join("metrics")).expect("writable");
        // What the page asks for: the credentials, and a search path with the program.
        let variables = format!(
            "AWS_ENDPOINT_URL={}\nAWS_ACCESS_KEY_ID=any\nAWS_SECRET_ACCESS_KEY=any\nAWS_REGION=eu-west-1\nPATH=$PATH\n",
            reader.served.url
        );
        reader.write("../ivs.env", &variables);
        if matches!(account, Applied | Changed) {
            reader.types("ivs-apply apply -f ivs --yes");
        }
        if account == Changed {
            reader.types("aws ivs update-channel --arn $arn --latency-mode NORMAL");
        }
        if account == Shards {
            for shard in ["0/2", "1/2"] {
                let out = shard.replace('/', "-");
                reader.types(&format!(
                    "ivs-apply fleet drift -f targets --out results/{out} --shard {shard}"
                ));
            }
        }
        reader
    }

    fn here(&self) -> PathBuf {
        self.home.path().join("shows")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.here().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.here().join(path)).unwrap_or_else(|it| panic!("{path}: {it}"))
    }

    fn objects(&self) -> Vec<Value> {
        let mut client = Client::new(&self.served.url);
        let told = client.control("GET", "objects", &json!({}));
        told["objects"].as_array().expect("a list").clone()
    }

    /// The ARN of the channel, or nothing.
    fn arn(&self) -> String {
        let objects = self.objects();
        let channel = objects.iter().find(|it| it["kind"] == "Channel");
        channel.and_then(|it| it["arn"].as_str()).unwrap_or_default().to_owned()
    }

    /// A block with the places of this machine in place of those of a person's.
    fn of_this_machine(&self, block: &str) -> String {
        let port = if block.contains("ivs-apply emulator") {
            let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            free.local_addr().expect("an address").port().to_string()
        } else {
            self.served.url.rsplit(':').next().expect("a port").to_owned()
        };
        let metrics = self.home.path().join("metrics").display().to_string();
        let block = block.replace("/var/lib/prometheus/node-exporter", &metrics);
        let block =
            block.replace("emulator --account", "emulator --listen 127.0.0.1:4599 --account");
        block.replace(":4599", &format!(":{port}"))
    }

    fn shell(&self, script: &str) -> Command {
        let built = Path::new(env!("CARGO_BIN_EXE_ivs-apply")).parent().expect("a folder");
        let path = std::env::var("PATH").expect("a PATH");
        let first = self.home.path().join("bin");
        let mut bash = Command::new("timeout");
        bash.args(["120", "bash", "-c", script])
            .current_dir(self.here())
            .env_clear()
            .env("HOME", self.home.path())
            .env(
                "PATH",
                format!(
                    "{}:{}:{}:{path}",
                    first.display(),
                    built.display(),
                    self.programs.display()
                ),
            )
            .envs([("LANG", "C.UTF-8"), ("TZ", "UTC"), ("AWS_EC2_METADATA_DISABLED", "true")])
            .envs([("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any")])
            .envs([("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "eu-west-1")])
            .envs([("AWS_ENDPOINT_URL", self.served.url.as_str()), ("arn", &self.arn())])
            .stdin(Stdio::null());
        bash
    }

    /// What a script writes; it has to succeed.
    fn types(&self, script: &str) -> String {
        let script =
            format!("set -eo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n{script}");
        let ran = self.shell(&script).output().expect("bash runs");
        let said = String::from_utf8_lossy(&ran.stderr);
        let told = String::from_utf8(ran.stdout).expect("UTF-8");
        assert!(ran.status.success(), "{script}: {}: {told}{said}", ran.status);
        told
    }

    /// Runs a line until its output has a text, and then asks it to end.
    fn stops(&self, line: &str, text: &str) {
        let told = self.home.path().join("told");
        let file = std::fs::File::create(&told).expect("writable");
        let both = file.try_clone().expect("a file");
        let mut child = self
            .shell(&format!("exec {line}"))
            .stdout(file)
            .stderr(both)
            .spawn()
            .expect("bash runs");
        let said = || std::fs::read_to_string(&told).expect("readable");
        for _ in 0..600 {
            if said().contains(text) || child.try_wait().expect("a child").is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(kill.expect("kill runs").success(), "{line} ended by itself: {}", said());
        child.wait().expect("it ends");
        assert!(said().contains(text), "{line}: {}", said());
    }
}

fn the_channel_exists(reader: &Reader, told: &str) {
    assert!(!reader.arn().is_empty(), "{told}");
}

fn both_answers_are_empty(_: &Reader, told: &str) {
    assert!(told.contains("\"objects\":[]") && told.contains("\"channels\": []"), "{told}");
}

fn the_fault_is_set(reader: &Reader, _: &str) {
    let faults = Client::new(&reader.served.url).control("GET", "faults", &json!({}));
    assert_eq!(faults["faults"][0]["nth"], 2, "{faults}");
}

fn each_command_of_the_fleet_has_a_folder(reader: &Reader, told: &str) {
    assert!(told.contains("2 targets in 2 queues"), "{told}");
    for command in ["validate", "plan", "apply", "drift"] {
        let results: Value =
            serde_json::from_str(&reader.read(&format!("results/{command}/fleet.json")))
                .expect("JSON");
        assert_eq!(results["targets"].as_array().map(Vec::len), Some(2), "{results:#}");
    }
    let objects = reader.objects();
    assert_eq!(objects.iter().filter(|it| it["kind"] == "Channel").count(), 2, "{objects:#?}");
    assert!(told.contains("<!-- ivs-apply:fleet"), "the report is Markdown: {told}");
}

fn the_completions_are_in_place(reader: &Reader, _: &str) {
    for file in [
        "../.local/share/bash-completion/completions/ivs-apply",
        "../.config/fish/completions/ivs-apply.fish",
        "_ivs-apply",
    ] {
        assert!(reader.read(file).contains("ivs-apply"), "{file}");
    }
}

fn the_report_is_about_both_targets(_: &Reader, told: &str) {
    assert!(told.contains("2 targets: 2 clean") && told.contains("shard 1/2"), "{told}");
}

fn the_drift_is_printed(_: &Reader, told: &str) {
    assert!(told.contains("Changed outside") && told.contains("Channel/main"), "{told}");
}

fn the_channel_belongs_to_nobody(reader: &Reader, _: &str) {
    let objects = reader.objects();
    let channel = objects.iter().find(|it| it["kind"] == "Channel").expect("a channel");
    let tags = channel["object"]["tags"].to_string();
    assert!(!tags.contains("ivs-apply:"), "{tags}");
}

fn the_store_has_the_key(reader: &Reader, told: &str) {
    let stored: Value = serde_json::from_str(&reader.read("../stored")).expect("JSON");
    let key = stored["streamKey"].as_str().expect("a key");
    assert!(key.starts_with("sk_") && !told.contains(key), "{told}");
}

fn the_target_is_applied(reader: &Reader, told: &str) {
    assert!(reader.arn().contains(":us-west-2:"), "{told}");
}

fn both_files_have_metrics(reader: &Reader, _: &str) {
    for command in ["apply", "drift"] {
        let metrics = reader.read(&format!("../metrics/ivs-apply-prod-{command}.prom"));
        assert!(metrics.contains("ivs_apply_last_run_exit_code"), "{metrics}");
    }
}

#[test]
fn the_shell_lines_of_the_documents_do_what_they_say() {
    for program in ["curl", "jq"] {
        if Command::new(program).arg("--version").output().is_err() {
            return left_out("the shell lines of the documents", program);
        }
    }
    // The command line of AWS is in the environment of the conformance tests.
    let Some(programs) = python().and_then(Path::parent) else { return };
    let mut run = 0;
    for (path, block) in blocks() {
        match entry(&path, &block) {
            Here(account, holds) => {
                let reader = Reader::new(account, programs);
                if path == "docs/howto/secrets.md" {
                    reader.write("../bin/aws", "#!/bin/sh\ncat > ~/stored\n");
                    reader.types("chmod +x ~/bin/aws");
                }
                let mut lines = reader.of_this_machine(without_times(&block));
                if ["docs/commands.md", "docs/secrets.md"].contains(&path.as_str()) {
                    // It names no manifests: they are those of the folder that one is in.
                    lines.insert_str(0, "cd manifests\n");
                }
                if block.contains("eval") {
                    lines.push_str("test -n \"$IVS_STREAM_KEY_MAIN_RTMPS_URL\"\n");
                }
                if block.contains("fpath") {
                    lines.insert_str(0, COMPLETIONS);
                }
                if block.contains("fleet plan") {
                    lines.insert_str(0, CHANGES_ARE_PLANNED);
                }
                let told = reader.types(&lines);
                holds(&reader, &told);
                run += 1;
            }
            Stopped(texts) => {
                let reader = Reader::new(Empty, programs);
                let block = reader.of_this_machine(&block);
                assert_eq!(block.lines().count(), texts.len(), "{path}: {block}");
                for (line, text) in block.lines().zip(texts) {
                    reader.stops(line, text);
                    if line.contains("--metrics") {
                        assert!(reader.read("../metrics/prod.prom").contains("ivs_apply_last_run"));
                    }
                }
                run += 1;
            }
            By(_) | NotRun => {}
        }
    }
    assert!(run >= 14, "{run} blocks are run");
}
