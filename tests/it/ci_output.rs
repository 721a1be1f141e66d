//! What a run tells a CI system, with the environment as a runner gives it: annotations, outputs and a step summary for
//! GitHub Actions, reports for GitLab, and Markdown for comments.

use crate::binary::{Place, Ran, ivs_apply, run};
use crate::kustomize::{piped, with_input};
use crate::saved_plans::by_hand;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn manifest(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n"
    )
}

/// A stack of this name without resources.
fn stack(name: &str) -> String {
    format!(
        "apiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: {{ name: {name} }}\nspec: {{ region: us-west-2 }}\n"
    )
}

/// A place whose folder is the checkout of a runner.
struct Runner {
    place: Place,
}

impl Runner {
    fn new(manifests: &str) -> Self {
        let place = Place::new();
        place.write("all.yaml", manifests);
        std::fs::create_dir(place.folder.path().join("runner")).expect("writable");
        Self { place }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A command in a step of GitHub Actions, with new files for its outputs and its summary.
    fn on_github(&self, words: &str) -> Command {
        let mut command = self.place.command(words);
        for name in ["runner/output", "runner/summary"] {
            std::fs::write(self.path(name), "").expect("writable");
        }
        command
            .env("CI", "true")
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_WORKSPACE", self.place.folder.path())
            .env("GITHUB_OUTPUT", self.path("runner/output"))
            .env("GITHUB_STEP_SUMMARY", self.path("runner/summary"));
        command
    }

    fn step(&self, words: &str) -> Ran {
        run(&mut self.on_github(words))
    }

    /// The outputs of the last step, read as GitHub reads them.
    fn outputs(&self) -> BTreeMap<String, String> {
        outputs(&self.read("runner/output"))
    }

    fn summary(&self) -> String {
        self.read("runner/summary")
    }
}

/// Outputs by name, as GitHub reads them: `name=value`, or `name<<delimiter`, lines, `delimiter`.
fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let equals = line.find('=').unwrap_or(usize::MAX);
        if let Some(at) = line.find("<<").filter(|it| *it < equals) {
            let delimiter = &line[at + 2..];
            let value: Vec<&str> = lines.by_ref().take_while(|it| *it != delimiter).collect();
            outputs.insert(line[..at].to_owned(), value.join("\n"));
        } else {
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{line:?}"));
            outputs.insert(name.to_owned(), value.to_owned());
        }
    }
    outputs
}

/// One workflow command of a log.
#[derive(Debug)]
struct Annotation {
    level: String,
    properties: BTreeMap<String, String>,
    message: String,
}

/// The commands in both streams, read as the runner of GitHub reads them.
fn annotations(ran: &Ran) -> Vec<Annotation> {
    let lines = ran.stdout.lines().chain(ran.stderr.lines());
    let commands = lines.filter_map(|it| it.trim_start().strip_prefix("::"));
    let read = |line: &str| {
        let (head, message) = line.split_once("::")?;
        let (level, properties) = head.split_once(' ').unwrap_or((head, ""));
        // A frame of a diagnostic begins with three colons and a blank.
        if level.is_empty() || level == ":" {
            return None;
        }
        let plain = |it: &str| {
            let it = it.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":");
            it.replace("%2C", ",").replace("%25", "%")
        };
        let properties = properties.split(',').filter_map(|it| it.split_once('='));
        Some(Annotation {
            level: level.to_owned(),
            properties: properties.map(|(name, it)| (name.to_owned(), plain(it))).collect(),
            message: plain(message),
        })
    };
    commands.filter_map(read).collect()
}

fn of_level<'a>(all: &'a [Annotation], level: &str) -> Vec<&'a Annotation> {
    all.iter().filter(|it| it.level == level).collect()
}

#[track_caller]
fn assert_output(outputs: &BTreeMap<String, String>, name: &str, value: &str) {
    assert_eq!(outputs.get(name).map(String::as_str), Some(value), "{name}: {outputs:#?}");
}

/// Changes the latency of the channels of these names outside ivs-apply.
fn changed_outside(place: &Place, names: &[&str]) {
    by_hand(place, async |account| {
        for channel in account.aws.ivs.list_channels().send().await.expect("listed").channels {
            if names.contains(&channel.name.as_deref().unwrap_or_default()) {
                let update = account.aws.ivs.update_channel().set_arn(channel.arn);
                let latency = aws_sdk_ivs::types::ChannelLatencyMode::NormalLatency;
                update.latency_mode(latency).send().await.expect("changed");
            }
        }
    });
}

fn go_live(place: &Place, names: &[&str]) {
    by_hand(place, async |account| {
        for channel in account.aws.ivs.list_channels().send().await.expect("listed").channels {
            if names.contains(&channel.name.as_deref().unwrap_or_default()) {
                let body = json!({ "channelArn": channel.arn, "viewerCount": 12 });
                account.control("POST", "/_emulator/streams", body);
            }
        }
    });
}

#[test]
fn each_mistake_in_a_manifest_is_an_annotation_at_its_line_from_whatever_folder_the_step_runs_in() {
    let text = manifest("Channel", "main", "{ latencyMode: FAST, nonsense: 1 }");
    let runner = Runner::new(&text);
    for (folder, path) in [("", "./manifests"), ("manifests", "."), ("runner", "../manifests")] {
        let mut command = ivs_apply(runner.place.folder.path());
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", runner.place.folder.path());
        let ran = run(command.current_dir(runner.path(folder)).args(["validate", "-f", path]));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let all = annotations(&ran);
        let errors = of_level(&all, "error");
        let at = errors.iter().filter(|it| {
            it.properties.get("file").is_some_and(|it| it == "manifests/all.yaml")
                && it.properties["line"] == "5"
        });
        assert!(at.count() >= 2, "{folder}: {all:#?}: {ran:?}");
    }
}

#[test]
fn outputs_and_a_summary_are_written_where_the_manifests_are_invalid() {
    let runner = Runner::new(&(stack("prod") + &manifest("Channel", "main", "{ nonsense: 1 }")));
    for command in ["validate", "plan --out p.json", "apply --yes", "drift", "destroy --yes"] {
        let name = command.split(' ').next().expect("a word");
        let ran = runner.step(command);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let outputs = runner.outputs();
        assert_output(&outputs, "status", "failed");
        assert_output(&outputs, "exit-code", "1");
        assert_output(&outputs, "stack", "prod");
        if name == "validate" {
            assert_output(&outputs, "errors", "1");
        } else {
            assert_output(&outputs, "create", "");
        }
        let summary = runner.summary();
        let marker = format!("<!-- ivs-apply:{name}:prod -->\n### ");
        assert!(summary.starts_with(&marker), "{summary}");
        assert!(summary.contains("**E"), "{summary}");
        // The answer in Markdown is the same, and never empty.
        let ran = runner.step(&format!("{command} --format markdown"));
        assert_eq!(ran.stdout.trim_end(), runner.summary().trim_end());
    }
}

#[test]
fn a_plan_and_an_apply_tell_what_they_came_to() {
    let text = stack("prod") + &manifest("Channel", "a", "{}") + &manifest("Stage", "b", "{}");
    let runner = Runner::new(&text);
    let ran = runner.step("plan --out p.json --detailed-exitcode");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(annotations(&ran).is_empty(), "{ran:?}");
    let planned = runner.outputs();
    for (name, value) in [
        ("status", "changes"),
        ("stack", "prod"),
        ("exit-code", "2"),
        ("create", "2"),
        ("update", "0"),
        ("replace", "0"),
        ("delete", "0"),
        ("adopt", "0"),
        ("rename", "0"),
        ("deferred", "0"),
        ("blocked", "0"),
        ("plan-file", "p.json"),
    ] {
        assert_output(&planned, name, value);
    }
    assert!(runner.summary().contains("**Plan: 2 to create**"), "{}", runner.summary());
    let ran = runner.step("apply p.json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let applied = runner.outputs();
    for (name, value) in [("status", "changes"), ("exit-code", "0"), ("create", "2"), ("done", "2")]
    {
        assert_output(&applied, name, value);
    }
    assert!(runner.summary().contains("**Applied: 2 done, 0 unchanged**"), "{}", runner.summary());
    let ran = runner.step("plan --detailed-exitcode");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_output(&runner.outputs(), "status", "clean");
    assert_output(&runner.outputs(), "plan-file", "");
}

#[test]
fn the_summary_of_a_step_has_the_states_that_status_read_and_nothing_of_other_commands() {
    let runner = Runner::new(&(stack("prod") + &manifest("Channel", "a", "{}")));
    let ran = runner.step("status");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let summary = runner.summary();
    assert!(
        summary.starts_with("<!-- ivs-apply:status:prod -->\n### Status of stack"),
        "{summary}"
    );
    assert!(summary.contains("#### Not in sync: 1\n\n- `Channel/a` **missing**"), "{summary}");
    assert_eq!(runner.read("runner/output"), "");
    for words in ["output", "graph --offline", "iam-policy plan", "schema"] {
        let ran = runner.step(words);
        assert_eq!(runner.summary() + &runner.read("runner/output"), "", "{words}: {ran:?}");
    }
    runner.place.write("all.yaml", "nonsense");
    let ran = runner.step("output");
    assert!(!annotations(&ran).is_empty(), "mistakes are annotations of each command: {ran:?}");
    assert_eq!(runner.summary() + &runner.read("runner/output"), "", "{ran:?}");
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error_that_the_outputs_tell() {
    let runner = Runner::new(&manifest("Channel", "a", "{}"));
    for (words, code) in [("plan", 1), ("apply --yes", 3), ("drift", 1)] {
        for format in ["markdown", "github"] {
            let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux");
            let mut command = runner.on_github(&format!("{words} --format {format}"));
            let ran = run(command.stdout(full));
            // Nothing is left to apply for the second format.
            let code = if words.starts_with("apply") && format == "github" { 1 } else { code };
            assert_eq!(ran.code, Some(code), "{words} {format}: {ran:?}");
            assert!(ran.stderr.contains("the result could not be written"), "{ran:?}");
            assert_output(&runner.outputs(), "exit-code", &code.to_string());
        }
    }
}

#[test]
fn a_warning_about_a_manifest_is_an_annotation_and_stands_in_the_summary_of_a_valid_set() {
    let countries = "{ allowedCountries: [], allowedOrigins: [\"*\"] }";
    let text = manifest("PlaybackRestrictionPolicy", "p", countries)
        + &manifest("Channel", "a", "{ insecureIngest: true }");
    let runner = Runner::new(&text);
    let ran = runner.step("validate");
    let warned = of_level(&annotations(&ran), "warning").len();
    assert_eq!(warned > 0, ran.stderr.contains("warning[W"), "{ran:?}");
    assert!(warned > 0, "{ran:?}");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_output(&runner.outputs(), "warnings", &warned.to_string());
    assert!(runner.summary().contains("**2 resources valid**"), "{}", runner.summary());
    assert!(
        runner.summary().contains("#### Warnings about the manifests: "),
        "{}",
        runner.summary()
    );
    let ran = runner.step("plan --deny-warnings");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(of_level(&annotations(&ran), "error").len(), warned, "{ran:?}");
}

#[test]
fn the_same_lines_are_printed_by_format_github_and_appended_for_the_step() {
    let runner = Runner::new(&manifest("Channel", "a", "{}"));
    for words in ["validate", "plan", "apply --yes", "drift", "apply", "destroy --yes"] {
        let ran = runner.step(&format!("{words} --format github"));
        assert_eq!(outputs(&ran.stdout), runner.outputs(), "{words}: {ran:?}");
        assert!(!ran.stdout.is_empty());
    }
}

#[test]
fn outputs_stand_behind_those_of_earlier_commands_and_a_file_that_ends_within_a_line() {
    let runner = Runner::new(&manifest("Channel", "a", "{}"));
    let mut command = runner.on_github("validate");
    std::fs::write(runner.path("runner/output"), "mine=1").expect("writable");
    std::fs::write(runner.path("runner/summary"), "# Mine").expect("writable");
    assert_eq!(run(&mut command).code, Some(0));
    assert_output(&runner.outputs(), "mine", "1");
    assert_output(&runner.outputs(), "status", "clean");
    assert!(runner.summary().starts_with("# Mine\n<!-- ivs-apply:validate:default -->\n"));
}

#[test]
fn drift_is_a_warning_at_the_line_of_the_manifest() {
    let text = manifest("Channel", "a", "{}") + &manifest("Channel", "b", "{}");
    let runner = Runner::new(&text);
    assert_eq!(runner.step("apply --yes").code, Some(0));
    changed_outside(&runner.place, &["b"]);
    let ran = runner.step("drift");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let all = annotations(&ran);
    let [one] = &all[..] else { panic!("{all:#?}") };
    assert_eq!(one.level, "warning");
    assert_eq!(one.properties["file"], "manifests/all.yaml");
    assert_eq!(one.properties["line"], "8");
    assert_eq!(one.properties["title"], "Channel/b");
    assert!(one.message.starts_with("Changed outside\nspec.latencyMode is NORMAL"), "{one:?}");
    let outputs = runner.outputs();
    for (name, value) in [("status", "changes"), ("drifted", "1"), ("exit-code", "2")] {
        assert_output(&outputs, name, value);
    }
    let summary = runner.summary();
    assert!(summary.contains("#### Changed outside: 1\n\n- `Channel/b`\n"), "{summary}");
    // Nothing of it is mixed with a document.
    let ran = runner.step("drift --format json");
    serde_json::from_str::<Value>(&ran.stdout).expect("JSON alone");
    assert_eq!(annotations(&ran).len(), 1, "{ran:?}");
}

#[test]
fn failed_steps_are_errors_at_the_lines_of_their_manifests() {
    const NOWHERE: &str = "arn:aws:ivs:us-west-2:000000000000:recording-configuration/NowhereAtAll";
    let broken = format!("{{ recordingConfiguration: \"{NOWHERE}\" }}");
    let text = manifest("Stage", "fine", "{}") + &manifest("Channel", "broken", &broken);
    let runner = Runner::new(&text);
    let ran = runner.step("apply --yes");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let all = annotations(&ran);
    let [one] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((one.level.as_str(), one.properties["line"].as_str()), ("error", "8"));
    assert!(one.message.starts_with("create failed: "), "{one:?}");
    let outputs = runner.outputs();
    for (name, value) in [("status", "failed"), ("done", "1"), ("failed", "1"), ("exit-code", "3")]
    {
        assert_output(&outputs, name, value);
    }
    let summary = runner.summary();
    assert!(summary.contains("#### Not carried out: 1\n\n- `Channel/broken`: "), "{summary}");
}

#[test]
fn a_refused_run_says_why_in_an_annotation_in_its_summary_and_in_its_outputs() {
    let protected = "lifecycle: { protect: true }\n";
    let text = manifest("Channel", "a", "{}");
    let runner = Runner::new(&(text.clone() + protected));
    assert_eq!(runner.step("apply --yes").code, Some(0));
    let replaced = manifest("Channel", "other", "{}");
    runner.place.write("all.yaml", &replaced);
    let ran = runner.step("plan --prune --out p.json");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let all = annotations(&ran);
    assert!(!of_level(&all, "error").is_empty(), "{ran:?}");
    assert_output(&runner.outputs(), "status", "blocked");
    assert_output(&runner.outputs(), "plan-file", "");
    let ran = runner.step("apply --prune --yes");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert_output(&runner.outputs(), "status", "blocked");
    assert_output(&runner.outputs(), "exit-code", "4");
    assert!(runner.summary().contains("\n**Error**: "), "{}", runner.summary());
    assert!(runner.summary().contains("#### Blocked: 1\n"), "{}", runner.summary());
    // Without a terminal there is no question, and the plan is in the summary as well.
    runner.place.write("all.yaml", &(text + &replaced));
    let ran = runner.step("apply --format markdown");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stdout.contains("there is no terminal"), "{ran:?}");
    assert!(ran.stdout.contains("- `Channel/other` **create**"), "{ran:?}");
}

#[test]
fn an_account_that_cannot_be_read_leaves_no_empty_comment() {
    let runner = Runner::new(&(stack("prod") + &manifest("Channel", "a", "{}")));
    for command in ["plan", "apply --yes", "drift", "destroy --yes", "status"] {
        let mut on_aws = ivs_apply(runner.place.folder.path());
        on_aws.current_dir(runner.place.folder.path()).env("GITHUB_ACTIONS", "true");
        let ran = run(on_aws.args(command.split_whitespace()).args([
            "--format",
            "markdown",
            "--profile",
            "nobody",
            "-f",
            "manifests",
        ]));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stdout.starts_with("<!-- ivs-apply:"), "{ran:?}");
        assert!(ran.stdout.contains(":prod -->\n### "), "{ran:?}");
        assert!(ran.stdout.contains("**Error**: "), "{ran:?}");
        assert_eq!(of_level(&annotations(&ran), "error").len(), 1, "{ran:?}");
    }
    let ran = run(runner.on_github("show --format markdown").arg("missing.json"));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("**Error**: "), "{ran:?}");
}

#[test]
fn a_stale_plan_says_in_markdown_what_differs() {
    let runner = Runner::new(&manifest("Channel", "a", "{}"));
    assert_eq!(runner.step("plan --out p.json").code, Some(0));
    runner.place.write("all.yaml", &manifest("Channel", "a", "{ latencyMode: NORMAL }"));
    let ran = runner.step("apply p.json --format markdown");
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.stdout.contains("#### Differences from the approved plan: "), "{ran:?}");
    assert!(ran.stdout.contains("**Error**: `the saved plan is stale: "), "{ran:?}");
    assert_output(&runner.outputs(), "exit-code", "5");
}

#[test]
fn files_of_the_runner_that_cannot_be_written_are_told_and_change_nothing() {
    let runner = Runner::new(&manifest("Channel", "a", "{}"));
    let mut command = runner.on_github("apply --yes");
    command.env("GITHUB_OUTPUT", runner.path("runner")).env("GITHUB_STEP_SUMMARY", "/no/such/file");
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let warned = ran.stderr.lines().filter(|it| it.starts_with("warning: the "));
    assert_eq!(warned.count(), 2, "{ran:?}");
    // Variables that are set to nothing are not set.
    let mut command = runner.on_github("plan");
    let ran = run(command.env("GITHUB_OUTPUT", "").env("GITHUB_STEP_SUMMARY", ""));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
}

#[test]
fn nothing_is_told_where_it_is_switched_off_or_no_runner_reads_it() {
    let runner = Runner::new(&manifest("Channel", "a", "{ nonsense: 1 }"));
    let quiet = |command: &mut Command| {
        let ran = run(command);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(annotations(&ran).is_empty(), "{ran:?}");
        assert_eq!((runner.read("runner/output"), runner.summary()), Default::default());
    };
    quiet(&mut runner.on_github("validate --ci off"));
    quiet(runner.on_github("validate").env("IVS_APPLY_CI", "off"));
    quiet(runner.on_github("validate").env("GITHUB_ACTIONS", "false"));
    quiet(runner.on_github("validate").env("GITHUB_ACTIONS", ""));
    let mut command = runner.on_github("validate --ci github");
    let ran = run(command.env_remove("GITHUB_ACTIONS"));
    assert_eq!(annotations(&ran).len(), 1, "{ran:?}");
    assert_output(&runner.outputs(), "status", "failed");
}

#[test]
fn of_two_thousand_mistakes_each_sort_comes_first_and_the_rest_is_counted() {
    let many: String =
        (0..2_000).map(|it| manifest("Channel", &format!("c{it}"), "{ nonsense: 1 }")).collect();
    let runner = Runner::new(&(many + &manifest("Channel", "last", "{ latencyMode: FAST }")));
    let ran = runner.step("plan");
    let all = annotations(&ran);
    let errors = of_level(&all, "error");
    assert_eq!(errors.len(), 10, "{all:#?}");
    assert!(errors[1].message.contains("FAST"), "{errors:#?}");
    let [notice] = &of_level(&all, "notice")[..] else { panic!("{all:#?}") };
    assert!(notice.message.starts_with("1991 errors more"), "{notice:?}");
    let summary = runner.summary();
    assert!(summary.contains("the same in 2000 places"), "{}", &summary[..2_000]);
}

#[test]
fn a_summary_of_two_thousand_resources_fits_beside_what_is_there_already() {
    let many: String = (0..2_000).map(|it| manifest("Channel", &format!("c{it}"), "{}")).collect();
    let runner = Runner::new(&many);
    let limit = 1024 * 1024;
    for (there, is_added) in [(0, true), (limit - 50_000, true), (limit - 1_000, false)] {
        let mut command = runner.on_github("plan");
        std::fs::write(runner.path("runner/summary"), "x".repeat(there)).expect("writable");
        let ran = run(&mut command);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let summary = runner.summary();
        assert!(summary.len() <= limit, "{there}: {}", summary.len());
        assert_eq!(summary.len() > there, is_added, "{there}: {}", summary.len());
        assert_eq!(ran.stderr.contains("warning: the summary"), !is_added, "{}", ran.stderr);
        if there == 0 {
            assert!(summary.contains("`Channel/c1999`") && !summary.contains("do not fit"));
        }
    }
}

#[test]
fn a_comment_that_is_too_long_keeps_deletes_and_audiences_and_says_what_it_leaves_out() {
    let old = manifest("Channel", "gone", "{}") + &manifest("Channel", "live", "{}");
    let runner = Runner::new(&old);
    assert_eq!(runner.step("apply --yes").code, Some(0));
    go_live(&runner.place, &["live"]);
    let many: String = (0..1_000).map(|it| manifest("Channel", &format!("c{it}"), "{}")).collect();
    let live = manifest("Channel", "live", "{ latencyMode: NORMAL }");
    let live = live + "lifecycle: { onLive: interrupt }\n";
    runner.place.write("all.yaml", &(live + &many));
    for limit in [4_000, 32_768, 60_000, 1_000_000] {
        let words = "plan --prune --allow-live Channel/live --format markdown --markdown-limit";
        let ran = runner.step(&format!("{words} {limit}"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.len() <= limit, "{limit}: {}", ran.stdout.len());
        for part in [
            "#### Cuts off an audience: 1\n\n- `Channel/live` **update, cutting off its audience**",
            "#### Delete: 1\n\n- `Channel/gone` **delete**",
            "#### Create: 1000\n",
        ] {
            assert!(ran.stdout.contains(part), "{limit}: {part}: {}", ran.stdout);
        }
        let all = ran.stdout.contains("`Channel/c999`");
        assert_eq!(all, limit >= 60_000, "{limit}: {}", ran.stdout);
        assert_eq!(ran.stdout.contains(" more, which do not fit\n"), !all, "{limit}");
    }
    for wrong in ["0", "100", "x", "-1"] {
        let ran = runner.step(&format!("plan --markdown-limit {wrong}"));
        assert_eq!(ran.code, Some(1), "{ran:?}");
    }
}

/// A report as GitLab reads it, each entry with all that it must have.
fn code_quality(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("written");
    let read: Value = serde_json::from_str(&text).expect("JSON");
    let entries = read.as_array().expect("a list").clone();
    let mut known = std::collections::BTreeSet::new();
    for it in &entries {
        for member in ["description", "check_name", "fingerprint", "severity"] {
            assert!(it[member].as_str().is_some_and(|it| !it.is_empty()), "{it:#}");
        }
        let severities = ["info", "minor", "major", "critical", "blocker"];
        assert!(severities.contains(&it["severity"].as_str().expect("a word")), "{it:#}");
        let path = it["location"]["path"].as_str().expect("a path");
        assert!(!path.starts_with(['.', '/']), "{it:#}");
        assert!(it["location"]["lines"]["begin"].as_u64().is_some_and(|it| it > 0), "{it:#}");
        assert!(known.insert(it["fingerprint"].to_string()), "twice: {it:#}");
    }
    entries
}

fn dotenv(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).expect("written");
    assert!(text.len() < 5 * 1024 && text.lines().count() <= 20, "{text}");
    let read = |line: &str| {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{line:?}"));
        assert!(!value.contains(char::is_whitespace), "{line:?}");
        (name.to_owned(), value.to_owned())
    };
    text.lines().map(read).collect()
}

#[test]
fn gitlab_gets_code_quality_and_variables_from_every_run() {
    let good = manifest("Channel", "a", "{}") + &manifest("Channel", "b", "{}");
    let runner = Runner::new(&good);
    let (quality, variables) = (runner.path("q.json"), runner.path("run.env"));
    let reports = "--report codequality=q.json --report dotenv=run.env";
    let step = |words: &str| {
        let mut command = runner.place.command(&format!("{words} {reports}"));
        let ran =
            run(command.env("GITLAB_CI", "true").env("CI_PROJECT_DIR", runner.place.folder.path()));
        assert!(annotations(&ran).is_empty(), "{ran:?}");
        (ran.code, code_quality(&quality), dotenv(&variables))
    };
    let (code, found, told) = step("validate");
    assert_eq!((code, found.len()), (Some(0), 0));
    assert_eq!(told["IVS_RUN_VALIDATE_STATUS"], "clean");
    let (code, _, told) = step("apply --yes");
    assert_eq!(code, Some(0));
    assert_eq!(told["IVS_RUN_APPLY_DONE"], "2");
    changed_outside(&runner.place, &["a", "b"]);
    let (code, first, told) = step("drift");
    assert_eq!((code, first.len()), (Some(2), 2), "{first:#?}");
    assert_eq!((&*told["IVS_RUN_DRIFT_DRIFTED"], &*told["IVS_RUN_DRIFT_EXIT_CODE"]), ("2", "2"));
    assert_eq!(first[0]["check_name"], "ivs-apply/drift-changed");
    assert_eq!(first[0]["location"]["path"], "manifests/all.yaml");
    // Lines move, the finding is the same.
    runner.place.write("all.yaml", &format!("# one line\n# more\n{good}"));
    let (_, second, _) = step("drift");
    let prints =
        |all: &[Value]| -> Vec<Value> { all.iter().map(|it| it["fingerprint"].clone()).collect() };
    assert_eq!(prints(&first), prints(&second));
    assert_ne!(first[0]["location"], second[0]["location"]);
    runner
        .place
        .write("all.yaml", &(good + &manifest("Channel", "c", "{ nonsense: 1 }").repeat(2)));
    let (code, found, told) = step("plan");
    assert_eq!(code, Some(1));
    assert!(found.iter().any(|it| it["check_name"] == "ivs-apply/unknown-field"), "{found:#?}");
    assert_eq!(told["IVS_RUN_PLAN_STATUS"], "failed");
}

#[test]
fn what_is_wrong_with_standard_input_is_cited_by_the_file_of_kustomize_or_by_a_name_for_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |path: &str, spec: &str| {
        let note = format!("annotations: {{ config.kubernetes.io/origin: \"path: {path}\\n\" }}");
        let metadata = format!("metadata: {{ name: x, {note} }}");
        format!("---\napiVersion: ivs-apply.dev/v1\nkind: Channel\n{metadata}\nspec: {spec}\n")
    };
    let plain = manifest("Channel", "plain", "{ nonsense: 1 }");
    let both = at("../../base/a.yaml", "{ nonsense: 1 }") + &plain;
    std::fs::create_dir_all(folder.path().join("live/base")).expect("writable");
    let validated = |text: &str, more: &[&str]| {
        let words = ["validate", "-f", "-", "--report", "codequality=q.json"];
        let ran = piped(folder.path(), folder.path(), &[&words[..], more].concat(), text);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let found = code_quality(&folder.path().join("q.json")).into_iter();
        found.map(|it| it["location"].clone()).collect::<Vec<_>>()
    };
    let place = |path: &str, line: usize| json!({ "path": path, "lines": { "begin": line } });
    let cited = validated(&both, &[]);
    assert_eq!(cited[0], place("base/a.yaml", 1));
    assert_eq!((cited.len(), &cited[1]["path"]), (2, &json!("stdin")));
    assert!(cited[1]["lines"]["begin"].as_u64() > Some(5), "the line of standard input: {cited:?}");
    assert_eq!(validated("", &[]), [place("stdin", 1)], "no manifest at all");
    let remote = at("https://example.com/a.yaml", "{ nonsense: 1 }");
    assert_eq!(validated(&remote, &[])[0]["path"], "stdin");
    // The folder that the names are relative to may be deeper in the repository.
    let mut command = ivs_apply(folder.path());
    command.current_dir(folder.path()).env("CI_PROJECT_DIR", folder.path());
    let words = ["validate", "-f", "-", "--stdin-folder", "live", "--report", "codequality=q.json"];
    let ran = with_input(command.args(words), &both);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let found = code_quality(&folder.path().join("q.json"));
    assert_eq!(found[0]["location"]["path"], "live/base/a.yaml", "{found:#?}");
}

#[test]
fn a_report_beside_the_manifests_is_not_read_as_one() {
    let runner = Runner::new(&manifest("Channel", "a", "{ nonsense: 1 }"));
    let words = "validate --report codequality=manifests/gl-code-quality-report.json";
    assert_eq!(runner.place.run(words).code, Some(1));
    runner.place.write("all.yaml", &manifest("Channel", "a", "{}"));
    assert_eq!(runner.place.run(words).code, Some(0), "with findings in the file");
    assert_eq!(runner.place.run(words).code, Some(0), "with none");
    assert_eq!(runner.read("manifests/gl-code-quality-report.json"), "[]\n");
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_before_anything_is_done() {
    let runner = Runner::new(&manifest("Channel", "a", "{}"));
    std::fs::write(runner.path("mine"), "precious").expect("writable");
    for report in ["dotenv=mine", "codequality=mine", "dotenv=no/such/folder/x", "dotenv=runner"] {
        let ran = runner.place.run(&format!("apply --yes --report {report}"));
        assert_eq!(ran.code, Some(1), "{report}: {ran:?}");
        assert_eq!(ran.stderr.matches("error: ").count(), 1, "{report}: {ran:?}");
    }
    assert_eq!(runner.read("mine"), "precious");
    for wrong in ["junit=x", "dotenv", "dotenv=", "=x", ""] {
        let ran = run(runner.place.command("plan").args(["--report", wrong]));
        assert_eq!(ran.code, Some(1), "{wrong}: {ran:?}");
    }
    assert!(runner.place.run("plan").stdout.contains("1 to create"), "nothing was applied");
    // A name with a blank is a name.
    let ran = run(runner.place.command("plan").args(["--report", "dotenv=run of today.env"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(dotenv(&runner.path("run of today.env"))["IVS_RUN_PLAN_CREATE"], "1");
}

#[test]
fn hostile_names_begin_no_command_and_set_no_output() {
    let hostile = "x\\n::error file=a::b\\r\\n##[error]y\\nstatus=clean\\u202e%0A::warning::z";
    let spec = format!("{{ \"{hostile}\": 1, latencyMode: \"{hostile}\" }}");
    let named =
        stack(&format!("\"{hostile}\"")) + &manifest("Channel", &format!("\"{hostile}\""), &spec);
    let runner = Runner::new(&named);
    runner.place.write("a,b:c%0A::error::d.yaml", &manifest("Channel", "other", &spec));
    for words in
        ["validate", "plan", "drift --format markdown", "plan --format github", "apply --yes"]
    {
        let mut command = runner.on_github(words);
        let ran =
            run(command.args(["--report", "dotenv=run.env", "--report", "codequality=q.json"]));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let all = annotations(&ran);
        assert!(all.len() > 2, "{all:#?}");
        for it in &all {
            let title = it.properties.get("title").expect("a title");
            assert!(title.starts_with('E') || title.starts_with("ivs-apply "), "{it:?}");
            let file = it.properties.get("file").map_or("", String::as_str);
            let known = ["manifests/all.yaml", "manifests/a,b:c%0A::error::d.yaml", ""];
            assert!(known.contains(&file), "{it:?}");
        }
        for stream in [&ran.stdout, &ran.stderr] {
            assert!(!stream.contains("##[") && !stream.contains('\u{202e}'), "{stream}");
        }
        let outputs = runner.outputs();
        assert_output(&outputs, "status", "failed");
        assert!(outputs.keys().all(|it| !it.contains("::") && !it.contains(' ')), "{outputs:#?}");
        assert!(code_quality(&runner.path("q.json")).len() > 2);
        dotenv(&runner.path("run.env"));
        assert!(runner.summary().starts_with("<!-- ivs-apply:"), "{}", runner.summary());
        assert_eq!(runner.summary().matches("-->").count(), 1, "{}", runner.summary());
    }
}
