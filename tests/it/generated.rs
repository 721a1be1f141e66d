//! Files that the code makes are what the code makes.

mod reference;

use crate::binary::{ivs_apply, run};
use crate::golden;
use clap::CommandFactory;
use ivs_apply::commands::Cli;
use ivs_apply::diag::Code;
use ivs_apply::kinds::{Check, Edge, Kind, Verb};
use ivs_apply::manifest::schema;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn the_schemas_are_current() {
    let mut goldens = golden::Goldens::default();
    for (name, text) in schema::files() {
        goldens.expect(format!("schemas/{name}"), &text);
    }
    let made: Vec<String> = schema::files().into_iter().map(|(name, _)| name).collect();
    for file in std::fs::read_dir(golden::root().join("schemas")).expect("there are schemas") {
        let name = file.expect("readable").file_name().to_string_lossy().into_owned();
        let others = ["emulator.json", "events.json", "fleet.json", "output.json", "plan.json"];
        let elsewhere = others.contains(&name.as_str());
        assert!(elsewhere || made.contains(&name), "{name} is left over");
    }
}

#[test]
fn the_schema_of_saved_plans_is_current() {
    let schema = ivs_apply::plan::approval::schema();
    golden::expect("schemas/plan.json", &format!("{schema:#}\n"));
}

#[test]
fn the_schema_of_events_is_current() {
    let schema = ivs_apply::ui::events::schema();
    golden::expect("schemas/events.json", &format!("{schema:#}\n"));
}

#[test]
fn the_schema_of_control_requests_is_current() {
    let schema = ivs_apply::emulator::schema();
    golden::expect("schemas/emulator.json", &format!("{schema:#}\n"));
}

#[test]
fn the_schema_of_the_results_of_a_fleet_is_current() {
    let schema = ivs_apply::fleet::schema();
    golden::expect("schemas/fleet.json", &format!("{schema:#}\n"));
}

#[test]
fn the_reference_of_errors_is_current() {
    let mut text = String::from(
        "<!-- Made by `UPDATE=1 cargo test --test it generated::` from src/diag/code.rs -->\n\n\
         # Errors and warnings\n\n\
         What can be wrong with manifests, by code: the cause, and what to do. `ivs-apply explain E0103` says the same \
         in the terminal. All of them are found before the first call, and in one run. A warning does not stop a run, \
         unless `--deny-warnings` is given.\n\n\
         How a run ends is its [exit code](commands.md#exit-codes).\n",
    );
    for code in Code::ALL {
        let (cause, cure) =
            code.explanation().split_once("\n\n").unwrap_or_else(|| panic!("{code}: what to do?"));
        let line = |it: &str| it.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        assert!(line(cure).len() > 5, "{code}: what to do?");
        let heading = format!("{code} {}", code.slug());
        text.push_str(&format!(
            "\n## {heading}\n\n{}\n\n**What to do:** {}\n",
            line(cause),
            line(cure)
        ));
    }
    golden::expect("docs/errors.md", &text);
}

/// The commands below a command, with the words that lead to each: only those that have no commands of their own.
fn leaves(command: &clap::Command, words: &[&str], found: &mut Vec<(Vec<String>, String)>) {
    for inner in command.get_subcommands().filter(|it| it.get_name() != "help" && !it.is_hide_set())
    {
        let words = [words, &[inner.get_name()]].concat();
        if inner.get_subcommands().any(|it| it.get_name() != "help") {
            leaves(inner, &words, found);
        } else {
            let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
            found.push((words.iter().map(|it| (*it).to_owned()).collect(), about));
        }
    }
}

#[test]
fn the_reference_of_commands_is_current() {
    let mut cli = Cli::command();
    cli.build();
    let mut commands = Vec::new();
    leaves(&cli, &[], &mut commands);
    assert!(commands.len() > 20, "{commands:?}");
    let home = tempfile::tempdir().expect("a folder");
    let (mut table, mut parts) = (String::new(), String::new());
    for (words, about) in &commands {
        let name = words.join(" ");
        table.push_str(&format!("| [`{name}`](#{}) | {about} |\n", words.join("-")));
        let ran = run(ivs_apply(home.path()).args(words).arg("--help"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let help: String = ran.stdout.lines().flat_map(|it| [it.trim_end(), "\n"]).collect();
        parts.push_str(&format!("\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end()));
    }
    let text = format!(
        "<!-- Made by `UPDATE=1 cargo test --test it generated::` from the help of the program -->\n\n\
         # All commands\n\n\
         The help of every command, as `ivs-apply COMMAND --help` prints it. What they have in common, such as exit codes \
         and selections, is in [commands, flags and exit codes](commands.md).\n\n\
         | Command | What |\n|---|---|\n{table}{parts}"
    );
    golden::expect("docs/cli.md", &text);
}

#[test]
fn the_reference_of_reasons_is_current() {
    let schema = ivs_apply::ui::events::schema();
    let rows = |of: &str| -> String {
        let reasons = schema["definitions"][of]["oneOf"].as_array().expect("a list");
        let row = |it: &Value| {
            let code = it["properties"]["reason"]["const"].as_str().expect("a code");
            let about = it["description"].as_str().expect("a description");
            format!("| `{code}` | {} |\n", about.replace('\n', " "))
        };
        reasons.iter().map(row).collect()
    };
    let text = format!(
        "<!-- Made by `UPDATE=1 cargo test --test it generated::` from src/plan/reason.rs and src/apply/changed.rs -->\n\n\
         # Reasons\n\n\
         Why a step is not carried out, as `--format json`, `--events` and the HTML pages have it: `reason` is one of these \
         codes, which stay the same between versions. The text of a plan says the same in a sentence, with names.\n\n\
         ## Of a plan\n\n| Code | What |\n|---|---|\n{}\n\
         ## Found while applying\n\n\
         The step is `stale`: an object is not as the plan found it, so nothing was written to it. The next run plans again.\n\n\
         | Code | What |\n|---|---|\n{}",
        rows("Reason"),
        rows("Changed")
    );
    golden::expect("docs/reasons.md", &text);
}

#[test]
fn the_reference_of_permissions_is_current() {
    let mut text = String::from(
        "<!-- Made by `UPDATE=1 cargo test --test it generated::` from the kinds and `iam-policy` -->\n\n\
         # Permissions\n\n\
         `ivs-apply iam-policy plan`, `drift` and `apply` print the least-privilege policy for the manifests at hand: what is \
         written is held to objects of the stack by their tags. This page has the operations of each kind with AWS's rate, \
         and the policies of a channel that is recorded.\n\n\
         A job that plans or looks for drift needs the operations for `plan` alone. All jobs call \
         `sts:GetCallerIdentity`, which needs no permission. Tags take `ivs:TagResource`, `ivs:UntagResource` and \
         `ivs:ListTagsForResource`. A [lock](operations.md#several-runs-at-once) takes `s3:GetObject`, `s3:PutObject` and \
         `s3:DeleteObject` of its object.\n\n## Operations\n\n\
         | Kind | Operation | For | Calls a second |\n|---|---|---|---|\n",
    );
    for kind in Kind::ALL {
        for operation in kind.facts().operations {
            let needed = match operation.verb {
                Verb::Look => "plan, apply",
                Verb::Reveal => "apply, just before a change",
                Verb::Shortcut => "apply, to read many at once",
                Verb::Create => "apply: create",
                Verb::Change => "apply: change",
                Verb::Delete => "apply: delete",
            };
            text.push_str(&format!(
                "| {kind} | `ivs:{}` | {needed} | {} |\n",
                operation.name, operation.rate
            ));
        }
    }
    let home = tempfile::tempdir().expect("a folder");
    for purpose in ["plan", "apply"] {
        let mut command = ivs_apply(home.path());
        command.args(["iam-policy", purpose, "-f", "examples/quickstart"]);
        let ran = run(&mut command);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        text.push_str(&format!(
            "\n## `iam-policy {purpose} -f examples/quickstart`\n\n```json\n{}\n```\n",
            ran.stdout.trim_end()
        ));
    }
    golden::expect("docs/permissions.md", &text);
}

/// The facts that the only list of kinds must hold for every kind in it.
#[test]
fn every_kind_is_described_whole() {
    for &kind in Kind::ALL {
        let (mut declared, mut set) = (Vec::new(), BTreeSet::new());
        for example in kind.examples() {
            let spec = serde_json::to_value(&example).expect("specs serialise");
            assert_eq!(kind.from_json(spec.clone()), Some(example.clone()), "{kind} round-trips");
            let refs = example.refs();
            let field = |it: &Edge| it.field.to_string().replace("[0]", "[]").replace("[1]", "[]");
            declared.extend(refs.iter().map(field));
            let minimal = example.minimal();
            set.extend(minimal.as_object().into_iter().flatten().map(|(field, _)| field.clone()));
            let mut report = ivs_apply::diag::Report::new();
            let origin =
                ivs_apply::diag::Origin { source: ivs_apply::diag::SourceId(0), document: 0 };
            example.check(&mut Check::new(origin, &mut report));
            assert!(!report.has_errors(), "{kind}: {report:#?}");
        }

        let schema = schema::without_values(kind);
        let mut expected = Vec::new();
        references(&schema["properties"]["spec"], "", &mut expected);
        expected.sort();
        declared.sort();
        declared.dedup();
        assert_eq!(declared, expected, "{kind}: every field marked as a reference is one");

        // Every field of the schema is set in an example, or the round trips would prove nothing.
        for field in
            schema["properties"]["spec"]["properties"].as_object().expect("specs are maps").keys()
        {
            assert!(set.contains(field), "{kind}: `{field}` has its default in every example");
        }
    }
}

/// Paths of the fields that a schema marks as references, list positions without numbers.
fn references(schema: &Value, path: &str, found: &mut Vec<String>) {
    if schema.get("x-ivs-ref").is_some() {
        found.push(path.to_owned());
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        references(field, &path, found);
    }
    for option in schema["anyOf"].as_array().into_iter().flatten() {
        references(option, path, found);
    }
    if schema.get("items").is_some() {
        references(&schema["items"], &format!("{path}[]"), found);
    }
}

#[test]
fn the_schema_of_the_output_lists_the_code_of_every_reason() {
    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/output.json")).expect("JSON");
    let listed = |definition: &str| -> Vec<&str> {
        let reason = &schema["definitions"][definition]["properties"]["reason"];
        reason["enum"].as_array().expect("a list").iter().filter_map(Value::as_str).collect()
    };
    let codes = [ivs_apply::plan::Reason::CODES, ivs_apply::apply::Changed::CODES].concat();
    assert_eq!(listed("step"), codes);
    let states = schema["definitions"]["resourceState"]["enum"].as_array().expect("a list");
    assert_eq!(*states, ivs_apply::plan::ResourceState::CODES);
    assert_eq!(listed("difference"), ivs_apply::plan::Difference::CODES);
}
