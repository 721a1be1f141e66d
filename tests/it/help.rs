//! Help of every command: its own flags and forms under headings, a short form that fits on a screen, variables in the
//! long form alone, and examples that run. The manual and completions are made from the same.

use crate::binary::{Place, Ran, SIGNED_IN, ServedPlace, ivs_apply, run, run_at, side_by_side};
use crate::left_out::{every_case, part_of};
use clap::CommandFactory;
use ivs_apply::commands::Cli;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// The headings in their order.
const HEADINGS: [&str; 4] = ["Selection", "Safety", "AWS", "Output"];

/// The most lines of a short help, as wide as this.
const SCREEN: (usize, usize) = (30, 80);

/// Commands whose answer has but one form.
const ONE_FORM: [&str; 8] =
    ["completions", "emulator", "explain", "export", "init", "man", "unlock", "no such command"];

/// The program with all that it knows of its commands.
fn built() -> clap::Command {
    let mut cli = Cli::command();
    cli.build();
    cli
}

/// Every command but `fleet`, which has commands of its own.
fn commands(cli: &clap::Command) -> Vec<clap::Command> {
    let all = cli.get_subcommands().filter(|it| !matches!(it.get_name(), "help" | "fleet"));
    let all: Vec<clap::Command> = all.cloned().collect();
    assert!(all.len() >= 19, "{all:?}");
    all
}

/// The arguments of a command that the command shows and that are flags.
fn flags(command: &clap::Command) -> Vec<&clap::Arg> {
    let shown = command.get_arguments().filter(|it| !it.is_hide_set() && it.get_long().is_some());
    shown.filter(|it| !matches!(it.get_long(), Some("help" | "version"))).collect()
}

fn names(command: &clap::Command) -> BTreeSet<String> {
    flags(command).iter().filter_map(|it| it.get_long()).map(ToOwned::to_owned).collect()
}

/// The help of a command on a screen of a usual width.
fn help(words: &[&str]) -> String {
    let place = Place::new();
    let columns = SCREEN.1.to_string();
    let ran = run(ivs_apply(place.folder.path()).args(words).env("COLUMNS", columns));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{words:?}: {ran:?}");
    ran.stdout
}

#[test]
fn each_flag_that_several_commands_have_is_under_one_heading() {
    let cli = built();
    let mut found: BTreeMap<String, BTreeSet<Option<String>>> = BTreeMap::new();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for command in commands(&cli) {
        for flag in flags(&command) {
            let name = flag.get_long().unwrap_or_default().to_owned();
            let heading = flag.get_help_heading();
            assert!(heading.is_none_or(|it| HEADINGS.contains(&it)), "--{name}: {heading:?}");
            found.entry(name.clone()).or_default().insert(heading.map(ToOwned::to_owned));
            *count.entry(name).or_default() += 1;
        }
    }
    // What a command writes or when it repeats is its own, and so is what CloudTrail is asked.
    let own = ["blame", "interval", "out"];
    for (flag, headings) in &found {
        assert_eq!(headings.len(), 1, "--{flag}: {headings:?}");
        let is_own = headings.contains(&None);
        assert!(!is_own || count[flag] == 1 || own.contains(&flag.as_str()), "--{flag}");
    }
    for flag in flags(&cli) {
        assert!(flag.get_help_heading().is_some(), "--{:?}", flag.get_long());
    }
}

#[test]
fn headings_come_in_one_order_and_the_arguments_of_the_command_itself_before_them() {
    let order = [
        "Usage",
        "Commands",
        "Arguments",
        "Options",
        "Selection",
        "Safety",
        "AWS",
        "Output",
        "Examples",
    ];
    let heading = |line: &str| {
        let name = line.split_once(':')?.0;
        order.iter().position(|it| *it == name)
    };
    for command in commands(&built()) {
        let name = command.get_name();
        for form in ["-h", "--help"] {
            let text = help(&[name, form]);
            let places: Vec<usize> = text.lines().filter_map(heading).collect();
            assert!(places.is_sorted() && places.len() > 1, "{name} {form}: {text}");
            let mut once = places.clone();
            once.dedup();
            assert_eq!(once, places, "{name} {form}: {text}");
        }
    }
    let text = help(&["plan", "--help"]);
    for heading in HEADINGS {
        assert!(text.contains(&format!("\n{heading}:\n")), "{heading}: {text}");
    }
}

#[test]
fn a_short_help_fits_on_a_screen_and_names_no_variable() {
    let (most, width) = SCREEN;
    let cli = built();
    let names: Vec<String> = commands(&cli).iter().map(|it| it.get_name().to_owned()).collect();
    for name in names.iter().map(String::as_str).chain([""]) {
        let words: Vec<&str> = [name, "-h"].into_iter().filter(|it| !it.is_empty()).collect();
        let text = help(&words);
        let lines = text.lines().count();
        assert!(lines <= most, "{name}: {lines} lines:\n{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{name}: {line}");
        }
        assert!(!text.contains("IVS_APPLY_") && !text.contains("[env"), "{name}: {text}");
        assert!(text.contains("see more with '--help'"), "{name}: {text}");
    }
}

#[test]
fn each_command_of_a_fleet_has_its_own_flags_and_a_help_like_every_other_command() {
    let cli = built();
    let fleet = cli.find_subcommand("fleet").expect("a command");
    let mut tried = 0;
    for command in fleet.get_subcommands().filter(|it| it.get_name() != "help") {
        let name = command.get_name();
        let short = help(&["fleet", name, "-h"]);
        assert!(short.lines().count() <= SCREEN.0, "{name}: {short}");
        assert!(short.lines().all(|it| it.chars().count() <= SCREEN.1), "{name}: {short}");
        assert!(!short.contains("IVS_APPLY_") && !short.contains("[env"), "{name}: {short}");
        let long = help(&["fleet", name, "--help"]);
        for flag in flags(command) {
            let heading = flag.get_help_heading();
            assert!(heading.is_none_or(|it| HEADINGS.contains(&it)), "{name}: {heading:?}");
            let variable = flag.get_env().unwrap_or_default().to_string_lossy().into_owned();
            assert!(long.contains(&format!("[env: {variable}]")), "{name}: {long}");
        }
        let examples = examples(&["fleet", name, "--help"]);
        assert_eq!(examples.len(), 3, "{name}: {examples:?}");
        for (_, line) in &examples {
            assert!(line.starts_with(&format!("ivs-apply fleet {name}")), "{line}");
            let read = Cli::command().try_get_matches_from(words(line));
            assert!(read.is_ok(), "{line}: {}", read.expect_err("it is"));
        }
        tried += 1;
    }
    assert_eq!(tried, 6);
    let place = Place::new();
    for words in
        [["--region", "us-west-2", "fleet", "report"], ["fleet", "report", "--region", "x"]]
    {
        let ran = run(ivs_apply(place.folder.path()).args(words).arg("results"));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("unexpected argument '--region' found"), "{ran:?}");
    }
}

#[test]
fn a_long_help_names_the_variable_of_each_flag_and_the_value_of_none() {
    let place = Place::new();
    let variables = |text: &str| -> BTreeSet<String> {
        let all = text.split("[env: ").skip(1).filter_map(|it| it.split(']').next());
        all.map(ToOwned::to_owned).collect()
    };
    let named = |command: &clap::Command| -> BTreeSet<String> {
        let all = flags(command).into_iter().filter_map(clap::Arg::get_env);
        all.map(|it| it.to_string_lossy().into_owned()).collect()
    };
    let cli = built();
    assert_eq!(variables(&help(&["--help"])), named(&cli));
    for command in commands(&cli) {
        let name = command.get_name();
        let text = help(&[name, "--help"]);
        assert_eq!(variables(&text), named(&command), "{name}: {text}");
        assert_eq!(help(&["help", name]), text);
        let url = "http://user:password@127.0.0.1:1";
        let mut shown = ivs_apply(place.folder.path());
        shown.args([name, "--help"]).env("COLUMNS", "80").env("IVS_APPLY_ENDPOINT_URL", url);
        assert_eq!(run(&mut shown).stdout, text);
    }
}

/// A value that a flag takes.
fn value(flag: &str) -> Option<&'static str> {
    match flag {
        "deny-warnings" | "verbose" => None,
        "rates" | "ci" => Some("off"),
        "rate-share" => Some("0.5"),
        "format" => Some("json"),
        "markdown-limit" => Some("5000"),
        "color" => Some("never"),
        "set" => Some("name=value"),
        _ => Some("value"),
    }
}

#[test]
fn a_flag_that_a_command_does_not_have_is_an_error_and_its_variable_is_none() {
    let cli = built();
    let place = Place::new();
    place.write("a.yaml", "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: a }\n");
    let at = || {
        let mut command = ivs_apply(place.folder.path());
        command.current_dir(place.folder.path());
        command
    };
    let mut tried = 0;
    for command in commands(&cli) {
        let name = command.get_name();
        let its = command.get_arguments().filter_map(clap::Arg::get_long).collect::<Vec<_>>();
        let without: Vec<&clap::Arg> = cli
            .get_arguments()
            .filter(|it| it.get_long().is_some_and(|it| it != "version" && !its.contains(&it)))
            .collect();
        tried += without.len();
        // Behind the command and before it; without `EVERY_CASE` each third of these.
        let lines = without.iter().flat_map(|flag| {
            let long = flag.get_long().unwrap_or_default();
            let flag = format!("--{long}");
            let given: Vec<&str> = std::iter::once(flag.as_str()).chain(value(long)).collect();
            let after = [&[name][..], &given].concat().join(" ");
            let before = [&given[..], &[name]].concat().join(" ");
            [(flag.clone(), after), (flag, before)]
        });
        let lines: Vec<_> = part_of(lines, 3).collect();
        let rans = side_by_side(lines, |(flag, line)| {
            let ran = run(at().args(line.split(' ')));
            (flag, line, ran)
        });
        for (flag, line, ran) in rans {
            // Where the command needs an argument, clap may tell of that one first.
            let first = ran.stderr.lines().next().unwrap_or_default();
            let refused = format!("unexpected argument '{flag}' found");
            let told = first.contains(&refused) || first.contains("required arguments");
            assert!(ran.code == Some(1) && told, "{line}: {ran:?}");
            if first.contains(&refused) {
                let tip = format!("tip: `{name}` has no `{flag}`; ");
                assert!(ran.stderr.contains(&tip), "{line}: {ran:?}");
                assert!(!ran.stderr.contains("similar"), "{line}: {ran:?}");
            }
        }
    }
    assert!(tried > 50, "{tried}");
    let short = run(at().args(["explain", "-f", "manifests"]));
    assert!(short.stderr.contains("tip: `explain` has no `-f`; `validate`, "), "{short:?}");
    // Variables that a whole pipeline has.
    for words in [vec!["explain", "Channel"], vec!["schema"], vec!["validate", "-f", "manifests"]] {
        let plain = run(at().args(&words));
        assert_eq!(plain.code, Some(0), "{plain:?}");
        let with = run(at()
            .args(&words)
            .envs([("IVS_APPLY_REGION", "us-west-2"), ("IVS_APPLY_RATES", "aws")])
            .envs([("IVS_APPLY_ENDPOINT_URL", "http://127.0.0.1:1"), ("IVS_APPLY_PROFILE", "x")]));
        assert_eq!((with.code, with.stdout, with.stderr), (plain.code, plain.stdout, plain.stderr));
    }
    // A form that a variable asks for is none of a command that has but one, also where it fails.
    let of = |format: &str| run(at().args(["explain", "nonsense"]).env("IVS_APPLY_FORMAT", format));
    let (json, text) = (of("json"), of("text"));
    assert_eq!((json.code, &json.stdout), (Some(1), &text.stdout), "{json:?}");
    assert_eq!(json.stdout, "", "{json:?}");
}

#[test]
fn what_every_command_takes_is_taken_by_every_command() {
    let cli = built();
    for command in commands(&cli) {
        let name = command.get_name();
        for flag in ["emulator", "ci", "color", "verbose"] {
            let has = command.get_arguments().any(|it| it.get_long() == Some(flag));
            assert!(has, "{name} --{flag}");
        }
        let on_an_account = names(&command).contains("region") && name != "init";
        assert_eq!(names(&command).contains("emulator"), on_an_account, "{name}");
    }
    let place = Place::new();
    let ran = run(ivs_apply(place.folder.path()).args(["explain", "Channel", "--emulator", "-v"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

/// The forms that the help of a command lists.
fn forms(command: &clap::Command) -> Vec<String> {
    let format = command.get_arguments().find(|it| it.get_long() == Some("format"));
    let values = format.map(clap::Arg::get_possible_values).unwrap_or_default();
    values.iter().map(|it| it.get_name().to_owned()).collect()
}

/// Whether a text is of this form, as far as its beginning tells.
fn is_form(form: &str, text: &str) -> bool {
    match form {
        "json" => serde_json::from_str::<serde_json::Value>(text).is_ok(),
        "html" => text.starts_with("<!doctype html>") || text.starts_with("<!DOCTYPE html>"),
        "markdown" => text.starts_with("<!-- ivs-apply:"),
        "github" => text.lines().all(|it| it.contains('=')),
        "env" | "dotenv" => text.lines().all(|it| it.starts_with("IVS_")),
        "dot" => text.starts_with("digraph"),
        "mermaid" => text.starts_with("flowchart") || text.starts_with("graph"),
        "crd" => text.contains("\nkind: CustomResourceDefinition\n"),
        "svg" => text.starts_with("<svg") || text.starts_with("<?xml"),
        _ => !text.is_empty(),
    }
}

#[test]
fn a_command_answers_in_each_form_that_its_help_lists_and_in_no_other() {
    let cli = built();
    let mut all = BTreeSet::new();
    for command in commands(&cli) {
        let its = forms(&command);
        assert_eq!(its.is_empty(), ONE_FORM.contains(&command.get_name()), "{its:?}");
        all.extend(its);
    }
    assert_eq!(all.len(), 11, "{all:?}");
    let work = prepared("help-forms");
    // Without `EVERY_CASE` the flag stands behind the command and before it by turns.
    let skipped = if every_case() { 1 } else { 2 };
    for command in commands(&cli) {
        let (name, its) = (command.get_name(), forms(&command));
        let text = help(&[name, "--help"]);
        for (index, form) in all.iter().enumerate() {
            let words = match name {
                "show" => "show plan.json".to_owned(),
                "iam-policy" => "iam-policy plan -f manifests".to_owned(),
                "apply" => "apply --yes -f manifests".to_owned(),
                // Nothing is deleted.
                "destroy" => "destroy -f manifests".to_owned(),
                "schema" => "schema Target".to_owned(),
                "render" | "validate" | "plan" | "drift" | "status" | "output" | "graph" => {
                    format!("{name} -f manifests")
                }
                _ => name.to_owned(),
            };
            let after = format!("{words} --format {form}");
            let before = format!("--format {form} {words}");
            for line in [after, before].iter().skip(index % skipped).step_by(skipped) {
                let ran = run_at(&work.place, &work.served, line);
                if its.contains(form) {
                    let listed = text.contains(&format!("- {form}:"));
                    assert!(listed, "{name} --help does not list {form}: {text}");
                    let code = if name == "destroy" { 4 } else { 0 };
                    assert_eq!(ran.code, Some(code), "{line}: {ran:?}");
                    assert!(is_form(form, &ran.stdout), "{line}: {ran:?}");
                    continue;
                }
                assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{line}: {ran:?}");
                let said = format!("invalid value '{form}' for '--format <FORMAT>'");
                let list = format!("[possible values: {}]", its.join(", "));
                let refused = match its.as_slice() {
                    [] => {
                        ran.stderr.contains("unexpected argument '--format' found")
                            || ran.stderr.contains("required arguments")
                    }
                    _ => ran.stderr.contains(&said) && ran.stderr.contains(&list),
                };
                assert!(refused, "{line}: {ran:?}");
            }
        }
    }
}

const MANIFESTS: &str = "apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: prod }
spec: { values: { latency: { type: string, default: LOW } } }
---
apiVersion: ivs-apply.dev/v1
kind: RecordingConfiguration
metadata: { name: archive }
spec: { destinationConfiguration: { s3: { bucketName: example-recordings } } }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: { latencyMode: '${latency}', recordingConfiguration: archive }
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: main }
spec: { channel: main }
";

/// An account that is as the manifests say, and a saved plan of a change of them.
fn prepared(command: &str) -> ServedPlace {
    let mut text = MANIFESTS.to_owned();
    for number in 1..=5 {
        text.push_str(&format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: test-{number} }}\n"
        ));
    }
    let work = ServedPlace::applied(&text);
    std::fs::write(work.place.folder.path().join("prod.yaml"), "latency: NORMAL\n")
        .expect("written");
    work.place.write("a.yaml", &text.replace("default: LOW", "default: NORMAL"));
    assert_eq!(work.run("plan -f manifests --out plan.json").code, Some(0), "{command}");
    if command != "apply" {
        assert_eq!(work.run("apply plan.json").code, Some(0), "{command}");
    }
    let completions = work.place.folder.path().join(".config/fish/completions");
    std::fs::create_dir_all(completions).expect("writable");
    work
}

/// What the help of a command shows as examples: each line to type after what it does.
fn examples(words: &[&str]) -> Vec<(String, String)> {
    let text = help(words);
    let (_, examples) = text.split_once("\nExamples:\n").unwrap_or_else(|| panic!("{text}"));
    let mut found = Vec::new();
    let mut what = None;
    for line in examples.lines().filter(|it| !it.trim().is_empty()) {
        let line = line.strip_prefix("  ").unwrap_or_else(|| panic!("not indented: {line}"));
        match (line.strip_prefix("# "), what.take()) {
            (Some(comment), None) => what = Some(comment.to_owned()),
            (None, Some(comment)) => found.push((comment, line.to_owned())),
            _ => panic!("an example is what it does, and a line: {text}"),
        }
    }
    found
}

/// Examples that go on until a signal comes, or need the lock of a run that was killed.
fn goes_on(line: &str) -> bool {
    ["ivs-apply emulator", "ivs-apply unlock", "--watch", "--interval"]
        .iter()
        .any(|it| line.contains(it))
}

/// Runs a line in a shell that finds the program, and other programs that the examples name.
fn typed(work: &ServedPlace, line: &str) -> Ran {
    let folder = work.place.folder.path();
    let programs = folder.join("programs");
    std::fs::create_dir_all(&programs).expect("writable");
    // A reader of manuals is not on every machine.
    let reader = programs.join("man");
    std::fs::write(&reader, "#!/bin/sh\nexec cat\n").expect("writable");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&reader, mode).expect("an owned file");
    let ours = Path::new(env!("CARGO_BIN_EXE_ivs-apply")).parent().expect("a folder");
    let mut bash = Command::new("bash");
    bash.args(["-o", "pipefail", "-ec", line])
        .env_clear()
        .envs(SIGNED_IN)
        .env("PATH", format!("{}:{}:/usr/bin:/bin", programs.display(), ours.display()))
        .env("HOME", folder)
        .env("IVS_APPLY_ENDPOINT_URL", &work.served.url)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .current_dir(folder)
        .stdin(std::process::Stdio::null());
    run(&mut bash)
}

/// The words of a part of a line between pipes, without what the shell reads.
fn words(part: &str) -> Vec<String> {
    let part = part.split(['>', ')']).next().unwrap_or_default();
    let start = part.find("ivs-apply").unwrap_or_default();
    part[start..].split_whitespace().map(|it| it.trim_matches('\'').to_owned()).collect()
}

#[test]
fn the_examples_of_each_command_can_be_typed_as_they_stand() {
    let cli = built();
    let names: Vec<String> = commands(&cli).iter().map(|it| it.get_name().to_owned()).collect();
    side_by_side(names.iter().map(String::as_str).chain([""]), |name| {
        let asked: Vec<&str> = [name, "--help"].into_iter().filter(|it| !it.is_empty()).collect();
        let examples = examples(&asked);
        assert_eq!(examples.len(), 3, "{name}: {examples:?}");
        let lines: BTreeSet<&String> = examples.iter().map(|(_, line)| line).collect();
        assert_eq!(lines.len(), 3, "{name}: {examples:?}");
        let mut work = prepared(name);
        for (what, line) in &examples {
            // One example deletes what the next one names.
            if name == "destroy" {
                work = prepared(name);
            }
            assert!(line.contains("ivs-apply"), "{line}");
            assert!(name.is_empty() || line.contains(&format!("ivs-apply {name}")), "{line}");
            assert!(!what.ends_with('.'), "{what}");
            for part in line.split('|').filter(|it| it.contains("ivs-apply ")) {
                let read = Cli::command().try_get_matches_from(words(part));
                assert!(read.is_ok(), "{line}: {}", read.expect_err("it is"));
            }
            if goes_on(line) {
                continue;
            }
            // The folder of functions is one of zsh.
            let ran = typed(&work, &line.replace("${fpath[1]}", "."));
            let asks = ["apply", "destroy"]
                .iter()
                .any(|it| line.contains(&format!("ivs-apply {it} ")) && line.contains("-f "));
            // There is no terminal on which it could ask.
            let wanted = if asks && !line.contains("--yes") { 4 } else { 0 };
            assert_eq!(ran.code, Some(wanted), "{line}: {ran:?}");
            let told = ["--yes", "--confirm-deletes 7"].iter().any(|it| ran.stderr.contains(it));
            assert!(wanted == 0 || told, "{line}: {ran:?}");
        }
    });
}

#[test]
fn a_manual_has_the_headings_the_variables_and_the_examples_of_the_help() {
    let cli = built();
    for command in commands(&cli) {
        let name = command.get_name();
        let page = help(&["man", name]).replace("\\-", "-");
        let text = help(&[name, "--help"]);
        for heading in HEADINGS {
            let has = page.contains(&format!("\n.SH {}\n", heading.to_uppercase()));
            assert_eq!(has, text.contains(&format!("\n{heading}:\n")), "{name} {heading}: {page}");
        }
        for flag in flags(&command) {
            let long = flag.get_long().unwrap_or_default();
            assert!(page.contains(&format!("\\fB--{long}\\fR")), "{name} --{long}: {page}");
            let variable = flag.get_env().unwrap_or_default().to_string_lossy().into_owned();
            assert!(page.contains(&format!("[env: {variable}]")), "{name} --{long}: {page}");
        }
        let hidden = command.get_arguments().filter(|it| it.is_hide_set());
        for flag in hidden.filter_map(clap::Arg::get_long) {
            assert!(!page.contains(&format!("\\fB--{flag}\\fR")), "{name} --{flag}: {page}");
        }
        assert!(page.contains("\n.SH EXAMPLES\n") && !page.contains(".SH EXTRA"), "{name}: {page}");
        for (what, line) in examples(&[name, "--help"]) {
            let line = line.replace('\'', "\\*(Aq");
            let what = what.replace('\'', "\\*(Aq");
            assert!(page.contains(&what) && page.contains(&line), "{name}: {line}: {page}");
        }
    }
}

/// What a shell is offered for the last of these words.
fn offered(place: &Place, words: &[&str]) -> Vec<String> {
    let mut command = ivs_apply(place.folder.path());
    command.current_dir(place.folder.path()).env("IVS_APPLY_COMPLETE", "fish");
    let ran = run(command.arg("--").arg("ivs-apply").args(words));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let first = |it: &str| it.split('\t').next().unwrap_or_default().to_owned();
    ran.stdout.lines().map(first).collect()
}

#[test]
fn completions_offer_the_flags_and_forms_that_the_command_has() {
    let place = Place::new();
    let formats = |command: &str| {
        let mut all = offered(&place, &[command, "--format", ""]);
        all.sort();
        all
    };
    assert_eq!(formats("plan"), ["github", "html", "json", "markdown", "text"]);
    assert_eq!(formats("graph"), ["dot", "mermaid", "svg"]);
    assert_eq!(offered(&place, &["explain", "--reg"]), [""; 0]);
    assert_eq!(offered(&place, &["validate", "--rate"]), [""; 0]);
    assert_eq!(offered(&place, &["plan", "--reg"]), ["--region"]);
    for command in commands(&built()) {
        let all = offered(&place, &[command.get_name(), "--"]);
        let all: BTreeSet<&str> = all.iter().filter_map(|it| it.strip_prefix("--")).collect();
        let its = names(&command);
        let its: BTreeSet<&str> = its.iter().map(String::as_str).chain(["help"]).collect();
        assert_eq!(all, its, "{}", command.get_name());
    }
}

#[test]
fn a_start_arranges_the_command_that_is_called_and_no_other() {
    let mut cli = Cli::command();
    cli.try_get_matches_from_mut(["ivs-apply", "plan", "--region", "us-west-2"])
        .expect("it is read");
    for command in commands(&cli) {
        let is_arranged = command.get_arguments().any(|it| it.get_long() == Some("color"));
        assert_eq!(is_arranged, command.get_name() == "plan", "{}", command.get_name());
    }
}
