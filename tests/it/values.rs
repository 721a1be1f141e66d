//! Values: `Stack.spec.values`, `--set` and `--values`, and `${name}` in manifests.

use crate::binary::{Place, Ran, document, run};
use ivs_apply::diag::Code;
use ivs_apply::kinds::{Desired, Kind};
use ivs_apply::manifest::values::Setting;
use ivs_apply::manifest::{Loaded, load_text, load_text_with, schema};
use proptest::prelude::*;
use serde_json::{Value, json};

const STACK: &str = "apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: live }
spec:
  values:
    mode: { type: string, default: LOW, enum: [LOW, NORMAL] }
    width: { type: integer, default: 1280 }
    rate: { type: number, default: 29.97 }
    secure: { type: boolean, default: true }
    countries: { type: list, default: [DE, \"NO\"] }
    tier: { type: string, pattern: '[a-z]+' }
";

fn set(words: &[&str]) -> Vec<Setting> {
    words.iter().map(|it| it.parse().expect("name=value")).collect()
}

/// The Stack above with these documents behind it.
fn with(documents: &str, words: &[&str]) -> Loaded {
    load_text_with("a.yaml", &format!("{STACK}---\n{documents}"), None, &set(words))
}

/// What is wrong, each as `line:column code message (help)`; warnings of unused values left out.
fn told(loaded: &Loaded) -> Vec<String> {
    let sorted = loaded.report.sorted(&loaded.sources).into_iter();
    sorted
        .filter(|(_, it)| it.code != Code::UnusedValue)
        .map(|(at, it)| {
            let at = at.map(|it| format!("{}:{} ", it.line, it.column)).unwrap_or_default();
            let help = it.help.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
            format!("{at}{} {}{help}", it.code, it.message)
        })
        .collect()
}

#[track_caller]
fn spec_of(loaded: &Loaded, index: usize) -> Value {
    assert_eq!(told(loaded), Vec::<String>::new());
    json!(loaded.desired[index].spec)
}

fn document_of(kind: &str, spec: &str) -> String {
    format!("apiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: main }}\nspec:\n{spec}")
}

#[test]
fn a_scalar_that_is_exactly_a_reference_takes_the_type_of_the_value() {
    let encoder = document_of(
        "EncoderConfiguration",
        "  video: { width: \"${width}\", height: 720, framerate: '${rate}' }\n  name: ${width}\n",
    );
    let spec = spec_of(&with(&encoder, &[]), 0);
    assert_eq!(spec["video"]["width"], json!(1280));
    assert_eq!(spec["video"]["framerate"], json!(29.97));
    assert_eq!(spec["name"], json!("1280"));
    let policy = document_of(
        "PlaybackRestrictionPolicy",
        "  allowedCountries: ${countries}\n  enableStrictOriginEnforcement: ${secure}\n  allowedOrigins: [\"https://example.com\"]\n",
    );
    let spec = spec_of(&with(&policy, &["countries=US,DE", "secure=false"]), 0);
    assert_eq!(spec["allowedCountries"], json!(["DE", "US"]));
    assert_eq!(spec["enableStrictOriginEnforcement"], json!(false));
    assert_eq!(spec_of(&with(&policy, &[]), 0)["allowedCountries"], json!(["DE", "NO"]));
}

#[test]
fn a_reference_inside_a_text_makes_a_text_and_two_dollars_stand_for_one() {
    let ingest = document_of(
        "IngestConfiguration",
        "  ingestProtocol: RTMPS\n  name: in-${tier}-${width}\n  attributes: { a: \"$${mode}\", b: '$5 {x}', c: '${rate}' }\n",
    );
    let spec = spec_of(&with(&ingest, &["tier=gold", "mode=NORMAL"]), 0);
    assert_eq!(spec["name"], json!("in-gold-1280"));
    assert_eq!(spec["attributes"], json!({ "a": "${mode}", "b": "$5 {x}", "c": "29.97" }));
}

#[test]
fn everything_wrong_with_values_is_told_in_one_run_at_the_place_of_use() {
    let channel = document_of(
        "Channel",
        "  latencyMode: ${nothing}\n  authorized: ${mode}\n  name: a-${tier}\n  type: ${mood}\n  tags:\n    \
         a: \"x ${tier} ${gone}\"\n    b: |\n      one\n      two ${gone}\n    c: >-\n      ${gone\n    d: \
         a${b${mode}}\n    e: ${countries}x\n",
    );
    let loaded = with(&channel, &["mode=LOW"]);
    assert_eq!(
        told(&loaded),
        [
            "17:16 E0121 the Stack declares no value `nothing` (declare it: `spec: { values: { nothing: { type: string } } }`)",
            "18:15 E0108 expected `true` or `false`, found `LOW` (the value `mode` is of type `string`: declare the type that the field takes)",
            "19:11 E0122 the value `tier` is not given, and it has no default (give it with `--set tier=…`, or in a file with `--values FILE`)",
            "20:9 E0121 the Stack declares no value `mood` (declare it: `spec: { values: { mood: { type: string } } }`)",
            "22:11 E0122 the value `tier` is not given, and it has no default (give it with `--set tier=…`, or in a file with `--values FILE`)",
            "22:19 E0121 the Stack declares no value `gone` (declare it: `spec: { values: { gone: { type: string } } }`)",
            "25:11 E0121 the Stack declares no value `gone` (declare it: `spec: { values: { gone: { type: string } } }`)",
            "27:7 E0124 a `${` without `}` (write a value as `${name}`, without functions, and `$${` where the text is to have a `${`)",
            "28:9 E0124 `b${mode` is not the name of a value (write a value as `${name}`, without functions, and `$${` where the text is to have a `${`)",
            "29:8 E0108 the value `countries` is a list, which no text can hold (write `${countries}` alone, where a list is expected)",
        ]
    );
    assert!(loaded.desired.is_empty());
}

#[test]
fn a_value_that_does_not_fit_its_field_is_shown_where_it_is_used_and_where_it_is_given() {
    let loaded = with(&document_of("Channel", "  authorized: ${tier}\n"), &["tier=yes"]);
    assert_eq!(told(&loaded).len(), 1);
    let place = Place::new();
    place.write("stack.yaml", STACK);
    place.write("channel.yaml", &document_of("Channel", "  authorized: ${tier}\n"));
    std::fs::write(place.folder.path().join("prod.yaml"), "tier: gold\n").expect("writable");
    let ran = place.run("validate --values prod.yaml");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("manifests/channel.yaml:5:15"), "{ran:?}");
    assert!(ran.stderr.contains("prod.yaml:1:7"), "{ran:?}");
    assert!(ran.stderr.contains("the value `tier` is given here"), "{ran:?}");
}

#[test]
fn a_declaration_that_is_wrong_is_told_at_its_place() {
    for (values, expected) in [
        (
            "a: { type: integer, default: x }",
            "5:38 E0108 value `a`: expected a whole number, found `x`",
        ),
        (
            "a: { type: integer, default: \"1\" }",
            "5:38 E0108 value `a`: expected a whole number, found the string `\"1\"` (remove the quotes)",
        ),
        (
            "a: { type: boolean, default: yes }",
            "5:38 E0108 value `a`: expected `true` or `false`, found `yes`",
        ),
        (
            "a: { type: string, default: { b: c } }",
            "5:28 E0108 value `a`: expected a string, found a mapping",
        ),
        (
            "a: { type: list, default: [[b]] }",
            "5:26 E0108 value `a`: expected a list of strings, numbers or truth values, found a list",
        ),
        (
            "a: { type: string, default: x, enum: [y, z] }",
            "5:37 E0109 value `a`: invalid value `x`: expected one of `y`, `z`",
        ),
        (
            "a: { type: string, default: X, pattern: '[a-z]+' }",
            "5:37 E0202 value `a`: `X` does not match the pattern `[a-z]+`",
        ),
        (
            "a: { type: string, pattern: '[' }",
            "5:37 E0202 value `a`: `[` is not a regular expression: unclosed character class",
        ),
        (
            "a: { type: integer, pattern: '1+' }",
            "5:38 E0203 value `a`: a value of type `integer` has no pattern (remove `pattern`, or declare the type `string`)",
        ),
        (
            "a: { type: string, default: '${b}' }",
            "5:37 E0123 value `a`: a value cannot refer to another value or hold `${` (write out what the value is)",
        ),
        (
            "a: { type: text }",
            "5:20 E0109 invalid value `text`: expected `string`, `integer`, `number`, `boolean` or `list`",
        ),
        ("a: {}", "5:9 E0107 missing field `type` (`ivs-apply explain Stack` tells what it takes)"),
        (
            "a.b: { type: string }",
            "5:9 E0112 `a.b` cannot be the name of a value (use 1 to 63 letters, digits, `_` and `-`, with a letter or `_` first)",
        ),
        (
            "a: { type: string, default: sk_us-west-2_AbCdEfGhIjKl }",
            "5:37 E0014 value `a`: the value looks like a secret (values are for what differs between environments: no field of a manifest takes a secret)",
        ),
    ] {
        let text = format!(
            "apiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: {{ name: live }}\nspec:\n  values: {{ {values} }}\n"
        );
        // The place of the mapping that lacks a field may be its key.
        let told = told(&load_text("a.yaml", &text, None));
        let at_column = |it: &str| {
            it.split_once(':').map(|it| it.1.split_once(' ').unwrap_or_default().1.to_owned())
        };
        assert_eq!(told.len(), 1, "{values}: {told:?}");
        assert_eq!(at_column(&told[0]), at_column(expected), "{values}: {told:?}");
        assert!(told[0].starts_with("5:"), "{values}: {told:?}");
    }
}

#[test]
fn what_the_command_line_gives_is_checked() {
    let channel = document_of("Channel", "  latencyMode: ${mode}\n  name: ${tier}\n");
    for (words, expected) in [
        (
            ["mode=low", "tier=a"],
            "E0109 `--set mode=…`: value `mode`: invalid value `low`: expected one of `LOW`, `NORMAL` (did you mean `LOW`?)",
        ),
        (
            ["tier=A", "mode=LOW"],
            "E0202 `--set tier=…`: value `tier`: `A` does not match the pattern `[a-z]+`",
        ),
        (
            ["width=wide", "tier=a"],
            "E0108 `--set width=…`: value `width`: expected a whole number, found `wide`",
        ),
        (
            ["countries=[DE]", "tier=a"],
            "E0108 `--set countries=…`: value `countries`: expected items with commas between them, found `[DE]` (write a list as `--set name=one,two`)",
        ),
        (
            ["mod=LOW", "tier=a"],
            "E0121 `--set mod=…`: the Stack declares no value `mod` (did you mean `mode`?)",
        ),
    ] {
        assert_eq!(told(&with(&channel, &words)), [expected], "{words:?}");
    }
    // Of one name the last counts.
    assert_eq!(spec_of(&with(&channel, &["tier=a", "tier=b"]), 0)["name"], json!("b"));
    let none = load_text_with("a.yaml", &channel, None, &set(&["tier=a"]));
    assert!(told(&none)[0].contains("declares no value `tier`"), "{:?}", told(&none));
}

#[test]
fn no_value_stands_in_a_key_a_kind_a_name_or_another_value() {
    let at = |documents: &str| {
        let told = told(&with(documents, &["tier=gold"]));
        assert!(told.iter().all(|it| it.contains("E0123")), "{documents}: {told:?}");
        told.iter()
            .map(|it| it.split(' ').next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let head = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: main }\n";
    assert_eq!(at(&head.replace("Channel", "${tier}")), ["14:7"]);
    assert_eq!(at(&head.replace("ivs-apply.dev/v1", "${tier}")), ["13:13"]);
    assert_eq!(at(&head.replace("main", "\"x-${tier}\"")), ["15:19"]);
    assert_eq!(at(&format!("{head}spec: {{ \"${{tier}}\": LOW }}\n")), ["16:9"]);
    assert_eq!(at(&format!("{head}spec: {{ tags: {{ \"a${{tier}}\": LOW }} }}\n")), ["16:17"]);
    assert_eq!(
        at(&format!("{head}lifecycle: {{ ignoreChanges: [\"spec.${{tier}}\"] }}\n")),
        ["16:30"]
    );
    assert_eq!(
        at(
            "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: a, previousNames: [\"${tier}\"] }\n"
        ),
        ["15:38"]
    );
    // Annotations are for other tools, which may have a `${` of their own.
    let annotated = head.replace("name: main", "name: main, annotations: { \"${x}\": \"${y}\" }");
    assert_eq!(told(&with(&annotated, &[])), Vec::<String>::new());
}

#[test]
fn the_stack_takes_values_as_well_and_its_name_tells_environments_apart() {
    let text = "apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: \"ivs-${env}\" }
spec:
  region: ${region}
  account: ${account}
  tags: { env: \"${env}\" }
  prune: ${prune}
  values:
    env: { type: string, enum: [dev, prod] }
    region: { type: string, default: us-west-2 }
    account: { type: string, default: \"012345678901\" }
    prune: { type: boolean, default: false }
";
    let loaded = load_text_with("a.yaml", text, None, &set(&["env=prod", "prune=true"]));
    assert_eq!(told(&loaded), Vec::<String>::new());
    assert_eq!(loaded.stack.name, "ivs-prod");
    assert_eq!(loaded.stack.account.as_deref(), Some("012345678901"));
    assert_eq!(loaded.stack.tags["env"], "prod");
    assert!(loaded.stack.prune);
}

#[test]
fn a_value_that_no_manifest_uses_is_a_warning() {
    let loaded = with(&document_of("Channel", "  name: ${tier}\n"), &["tier=a"]);
    let unused = loaded.report.iter().filter(|it| it.code == Code::UnusedValue);
    let names: Vec<&str> = unused.map(|it| it.message.as_str()).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(names.contains(&"no manifest uses the value `width`"), "{names:?}");
    assert!(!loaded.report.has_errors());
}

#[test]
fn aliases_and_anchors_take_values_once() {
    let channel = document_of(
        "Channel",
        "  name: &name ch-${tier}\n  tags: { a: *name, b: &b \"${tier}\", c: *b }\n",
    );
    let spec = spec_of(&with(&channel, &["tier=a"]), 0);
    assert_eq!(spec["name"], json!("ch-a"));
    assert_eq!(spec["tags"], json!({ "a": "ch-a", "b": "a", "c": "a" }));
    // An alias of what has no value is left out as well, and says nothing more.
    let told = told(&with(&channel, &[]));
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn a_reference_in_a_hostile_place_is_refused_or_text() {
    let codes = |spec: &str| -> Vec<String> {
        let told = told(&with(&document_of("Channel", spec), &["tier=gold"]));
        let code = |it: &String| {
            it.split(' ').find(|it| it.starts_with(['E', 'W'])).map(ToOwned::to_owned)
        };
        told.iter().filter_map(code).collect()
    };
    assert_eq!(codes("  <<: ${tier}\n"), ["E0011"]);
    assert_eq!(codes("  name: &${tier} x\n"), ["E0009"]);
    assert_eq!(codes("  name: *${tier}\n"), ["E0009"]);
    assert_eq!(codes("  name: !${tier} x\n"), ["E0009"]);
    assert_eq!(codes(&format!("  name: ${{{}}}\n", "a".repeat(10_000))), ["E0124"]);
    assert_eq!(codes(&format!("  name: {}\n", "${".repeat(1000))), ["E0124"; 50]);
    assert_eq!(codes("  ? ${tier}\n  : a\n"), ["E0123"]);
    assert_eq!(codes("  # ${nothing}\n  name: a # ${nothing}\n"), Vec::<String>::new());
    let long = told(&with(
        &document_of("Channel", &format!("  name: ${{{}}}\n", "a".repeat(10_000))),
        &[],
    ));
    assert!(long[0].len() < 400, "{long:?}");
    // An escape that makes a reference is one, and is shown where the text begins.
    let escaped =
        told(&with(&document_of("Channel", "  name: \"x \\x24{nothing} ${tier}\"\n"), &["tier=a"]));
    assert!(escaped[0].starts_with("17:9 E0121"), "{escaped:?}");
}

#[test]
fn what_values_come_to_in_one_document_is_bounded() {
    let tags: String = (0..30)
        .fold(String::new(), |all, it| format!("{all}    k{it}: \"{}\"\n", "${tier}".repeat(30)));
    let channel = document_of("Channel", &format!("  tags:\n{tags}"));
    let long = format!("tier={}", "a".repeat(20_000));
    let loaded = with(&channel, &[&long]);
    let told = told(&loaded);
    assert!(
        told.iter().any(|it| it.contains("E0004 the document is larger than 8 MiB")),
        "{}",
        told[0]
    );
    assert_eq!(told.iter().filter(|it| it.contains("E0004")).count(), 1);
}

fn ran(place: &Place, words: &str, code: i32) -> Ran {
    let ran = place.run(words);
    assert_eq!(ran.code, Some(code), "{words}: {ran:?}");
    ran
}

fn environments() -> Place {
    let place = Place::new();
    place.write("stack.yaml", STACK);
    place.write(
        "channel.yaml",
        &document_of("Channel", "  latencyMode: ${mode}\n  tags: { tier: \"${tier}\" }\n"),
    );
    let folder = place.folder.path();
    std::fs::write(folder.join("common.yaml"), "mode: NORMAL\ntier: common\n").expect("writable");
    std::fs::write(folder.join("prod.yaml"), "tier: prod\n").expect("writable");
    place
}

/// What a channel becomes: its mode and its tier.
fn planned(place: &Place, words: &str) -> (String, String) {
    let ran = ran(place, &format!("render --format json {words}"), 0);
    let rendered: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let spec = &rendered["items"][1]["spec"];
    let text = |it: &Value, default: &str| it.as_str().unwrap_or(default).to_owned();
    (text(&spec["latencyMode"], "LOW"), text(&spec["tags"]["tier"], ""))
}

#[test]
fn a_setting_comes_before_files_and_a_later_file_before_an_earlier_one() {
    let place = environments();
    let pair = |mode: &str, tier: &str| (mode.to_owned(), tier.to_owned());
    assert_eq!(planned(&place, "--values common.yaml").1, "common");
    assert_eq!(planned(&place, "--values common.yaml --values prod.yaml"), pair("NORMAL", "prod"));
    assert_eq!(
        planned(&place, "--values prod.yaml --values common.yaml"),
        pair("NORMAL", "common")
    );
    assert_eq!(
        planned(&place, "--values prod.yaml --set tier=set --set mode=NORMAL"),
        pair("NORMAL", "set")
    );
    // In a variable each line is one.
    let mut command = place.command("render");
    let ran = run(command
        .env("IVS_APPLY_SET", "tier=a\nmode=NORMAL\n")
        .env("IVS_APPLY_VALUES", "prod.yaml\ncommon.yaml"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("NORMAL") && ran.stdout.contains("tier: a"), "{ran:?}");
    // The flag comes before its variable.
    let mut command = place.command("validate --set tier=A");
    let ran = run(command.env("IVS_APPLY_SET", "tier=a"));
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[test]
fn every_command_that_reads_manifests_takes_values() {
    let place = environments();
    for command in [
        "validate",
        "plan",
        "drift",
        "status",
        "output",
        "graph --offline",
        "iam-policy plan",
        "render",
        "destroy --yes",
    ] {
        let ran = ran(&place, command, 1);
        assert!(ran.stderr.contains("E0122"), "{command}: {ran:?}");
    }
    ran(&place, "apply --yes --values prod.yaml", 0);
    for (command, code) in [
        ("validate", 0),
        ("plan --detailed-exitcode", 0),
        ("drift", 0),
        ("status", 0),
        ("output", 0),
        ("graph", 0),
        ("graph --offline", 0),
        ("iam-policy apply", 0),
        ("render", 0),
        ("destroy --yes", 0),
    ] {
        ran(&place, &format!("{command} --values prod.yaml"), code);
    }
}

#[test]
fn a_saved_plan_keeps_its_values_and_files_of_values() {
    let place = environments();
    ran(&place, "plan --values prod.yaml --set mode=NORMAL --out plan.json", 0);
    let saved = std::fs::read_to_string(place.folder.path().join("plan.json")).expect("saved");
    assert!(saved.contains("\"mode=NORMAL\""), "{saved}");
    ran(&place, "apply plan.json", 0);
    ran(&place, "plan --detailed-exitcode --values prod.yaml --set mode=NORMAL", 0);
    // A file of values that changes after that makes the plan stale.
    ran(&place, "plan --values prod.yaml --set mode=LOW --out plan.json", 0);
    std::fs::write(place.folder.path().join("prod.yaml"), "tier: other\n").expect("writable");
    let ran = ran(&place, "apply plan.json", 5);
    assert!(ran.stderr.contains("nothing was written"), "{ran:?}");
}

#[test]
fn files_of_values_may_be_beside_the_manifests() {
    let place = environments();
    place.write("dev.yaml", "tier: dev\n");
    place.write("prod.yaml", "tier: inside\nmode: LOW\n");
    std::fs::remove_file(place.folder.path().join("prod.yaml")).expect("there");
    // It is not in the working folder, but in one of `-f`.
    assert_eq!(planned(&place, "--values prod.yaml").1, "inside");
    assert_eq!(planned(&place, "--values manifests/prod.yaml").1, "inside");
    // Named as a manifest it is none.
    let ran = place.run("validate --set tier=a -f manifests/dev.yaml");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("give a file of values with `--values`"), "{ran:?}");
    let ran = place.run("validate --values nowhere.yaml");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stderr.contains("the file of values `nowhere.yaml` cannot be read: there is no such"),
        "{ran:?}"
    );
}

#[test]
fn a_file_of_values_is_checked_at_its_lines() {
    let place = environments();
    let folder = place.folder.path();
    for (text, expected) in [
        ("tier: a\nmode: MEDIUM\n", "bad.yaml:2:7"),
        ("tier: a\nwide: 1\n", "bad.yaml:2:1"),
        ("tier: a\nwidth: \"1\"\n", "remove the quotes"),
        ("- a\n", "a file of values is a mapping of names to values"),
        ("tier: a\n---\ntier: b\n", "a file of values is one document"),
        ("tier: a\ntier: b\n", "the key `tier` appears twice"),
        ("tier: [\n", "error[E0009]"),
        ("tier: \"-----BEGIN PRIVATE KEY-----\"\n", "error[E0014]"),
        ("tier: sk_us-west-2_AbCdEfGhIjKl\n", "looks like a secret"),
        ("tier: ${mode}\n", "a value cannot refer to another value"),
        ("tier:\n", "expected a string, found nothing"),
    ] {
        std::fs::write(folder.join("bad.yaml"), text).expect("writable");
        let ran = place.run("validate --values bad.yaml");
        assert_eq!(ran.code, Some(1), "{text:?}: {ran:?}");
        assert!(ran.stderr.contains(expected), "{text:?}: {expected}: {}", ran.stderr);
        assert!(!ran.stderr.contains("AbCdEfGh"), "{}", ran.stderr);
    }
    std::fs::write(folder.join("empty.yaml"), "# nothing yet\n").expect("writable");
    ran(&place, "validate --values empty.yaml --set tier=a", 0);
    // A pipe is not waited for.
    let ran = place.run("validate --values /dev/stdin");
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[test]
fn rendered_manifests_give_the_same_plan_and_are_rendered_the_same() {
    let place = environments();
    place.write("more.yaml", "apiVersion: ivs-apply.dev/v1\nkind: StreamKey\nmetadata: { name: key }\nspec: { channel: main }\n---\n\
        apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: stage, labels: { team: \"$${x}\" }, previousNames: [old] }\nspec: { name: stage, tags: { note: \"${tier}\" } }\nlifecycle: { protect: true, onLive: fail }\n");
    place.write("stack.yaml", &STACK.replace("spec:\n", "spec:\n  prune: true\n  quotas: { Stage: 5 }\n  ignoreTags: [\"cost:*\"]\n  tags: { service: \"live\", n: \"NO\" }\n"));
    let text = ran(&place, "render --values prod.yaml", 0).stdout;
    let expected = "---
apiVersion: ivs-apply.dev/v1
kind: Stack
metadata:
  name: live
spec:
  tags:
    \"n\": \"NO\"
    service: live
  ignoreTags:
    - \"cost:*\"
  prune: true
  quotas:
    Stage: 5
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata:
  name: main
spec:
  tags:
    tier: prod
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata:
  name: stage
  labels:
    team: \"$${x}\"
  previousNames:
    - old
spec:
  name: stage
  tags:
    note: prod
lifecycle:
  protect: true
  onLive: fail
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata:
  name: key
spec:
  channel: main
";
    let documents = |text: &str| {
        let mut all: Vec<String> = text.split("---\n").map(ToOwned::to_owned).collect();
        all.sort();
        all
    };
    assert_eq!(documents(&text), documents(expected), "{text}");
    let steps = |ran: &Ran| {
        let mut steps = document(ran)["steps"].clone();
        for it in steps.as_array_mut().expect("steps") {
            it["source"] = Value::Null;
        }
        steps
    };
    let direct = steps(&ran(&place, "plan --format json --values prod.yaml", 0));
    let other = Place::new();
    for format in ["text", "json"] {
        let rendered =
            ran(&place, &format!("render --values prod.yaml --format {format}"), 0).stdout;
        other.write("rendered.yaml", &rendered);
        assert_eq!(steps(&ran(&other, "plan --format json", 0)), direct, "{format}");
        assert_eq!(ran(&other, "render", 0).stdout, text, "{format}");
    }
}

#[test]
fn the_json_schemas_take_a_reference_wherever_the_program_takes_one() {
    for kind in Kind::ALL {
        let validator = jsonschema::draft7::new(&schema::of_kind(*kind)).expect("a valid schema");
        for example in kind.examples() {
            let document = json!({
                "apiVersion": "ivs-apply.dev/v1", "kind": kind, "metadata": { "name": "a" }, "spec": example,
            });
            assert!(validator.is_valid(&document), "{kind}");
            let mut replaced = document.clone();
            replace_scalars(&mut replaced["spec"], "${value}");
            let errors: Vec<String> = validator
                .iter_errors(&replaced)
                .map(|it| format!("{it} at {}", it.instance_path()))
                .collect();
            assert_eq!(errors, Vec::<String>::new(), "{kind}");
            for wrong in ["${a", "$value", "{value}", "${a.b}"] {
                let mut replaced = document.clone();
                replace_scalars(&mut replaced["spec"], wrong);
                let narrow = example_has_narrow_fields(&document["spec"]);
                assert!(!narrow || !validator.is_valid(&replaced), "{kind} {wrong}");
            }
        }
    }
    let stack = jsonschema::draft7::new(&schema::of_stack()).expect("a valid schema");
    let document = |values: Value| {
        json!({
            "apiVersion": "ivs-apply.dev/v1", "kind": "Stack", "metadata": { "name": "${env}" },
            "spec": { "region": "${region}", "prune": "${prune}", "quotas": { "Stage": "${n}" }, "values": values },
        })
    };
    assert!(stack.is_valid(&document(
        json!({ "env": { "type": "string", "default": "a", "enum": ["a"] } })
    )));
    assert!(!stack.is_valid(&document(json!({ "env": { "type": "text" } }))));
    assert!(!stack.is_valid(&document(json!({ "env": { "type": "${x}" } }))));
}

/// Puts a text in the place of every scalar.
fn replace_scalars(value: &mut Value, text: &str) {
    match value {
        Value::Object(map) => map.values_mut().for_each(|it| replace_scalars(it, text)),
        Value::Array(list) => list.iter_mut().for_each(|it| replace_scalars(it, text)),
        other => *other = json!(text),
    }
}

fn example_has_narrow_fields(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.values().any(example_has_narrow_fields),
        Value::Array(list) => list.iter().any(example_has_narrow_fields),
        Value::Bool(_) | Value::Number(_) => true,
        _ => false,
    }
}

/// The resources of a text, in a form that can be compared.
fn read(text: &str) -> (Vec<Desired>, Vec<String>) {
    let loaded = load_text("a.yaml", text, None);
    let told = told(&loaded);
    (loaded.desired, told)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A document without a reference to a value reads the same whether or not values are declared.
    #[test]
    fn values_change_nothing_where_no_reference_is(
        name in "[ -#%-~é]{0,20}",
        tag in prop::sample::select(vec!["plain", "'quoted'", "\"esc\\x41\"", "|\n      block\n", ">-\n      folded\n      text\n", "$5", "{}", "~", "0x1F", "$ {a}", "$$"]),
    ) {
        let name = serde_json::Value::String(name).to_string();
        let documents = document_of("Channel", &format!("  name: {name}\n  tags:\n    a: {tag}\n"));
        let before = read(&documents);
        let after = with(&documents, &["tier=gold"]);
        let found: Vec<String> = told(&after).iter().map(|it| it.split_once(' ').map_or(String::new(), |it| it.1.to_owned())).collect();
        let expected: Vec<String> = before.1.iter().map(|it| it.split_once(' ').map_or(String::new(), |it| it.1.to_owned())).collect();
        prop_assert_eq!(found, expected);
        let specs = |all: &[Desired]| all.iter().map(|it| it.spec.clone()).collect::<Vec<_>>();
        prop_assert_eq!(specs(&after.desired), specs(&before.0));
    }

    /// Whatever stands in a scalar, reading it does not panic, and each finding has its place.
    #[test]
    fn no_text_with_references_makes_reading_panic(
        parts in prop::collection::vec(prop::sample::select(vec!["${", "}", "$", "{", "tier", "a b", "$${", "${tier}", "\\\\", "é", ":", "${width}"]), 0..12),
        style in 0..4_usize,
        key in any::<bool>(),
    ) {
        let text = parts.concat();
        let scalar = match style {
            0 => serde_json::Value::String(text.clone()).to_string(),
            1 => format!("'{text}'"),
            2 => format!("|\n      {text}"),
            _ => text.clone(),
        };
        let spec = if key { format!("  {scalar}: a\n") } else { format!("  tags:\n    a: {scalar}\n") };
        let loaded = with(&document_of("Channel", &spec), &["tier=gold"]);
        for it in &loaded.report {
            prop_assert!(loaded.sources.position(&it.at).is_some() || it.at == ivs_apply::diag::Place::Nowhere);
        }
    }
}
