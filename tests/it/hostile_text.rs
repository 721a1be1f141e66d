//! Text that steers a terminal, a document or a CI system never leaves the program as it came, whatever it stands in
//! and in whatever form it is shown.

use crate::binary::{Place, Ran, ServedPlace, ivs_apply, reads_manifests, run};
use crate::left_out::part_of;
use serde_json::{Value, json};

/// What must not be written raw. Line feeds separate lines, and nothing here is coloured.
fn steers(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

pub(crate) const HOSTILE: &str = "\n::error::x\r\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{85}\u{202e}\u{2066}\u{200b}\u{7f}\u{e0041}##[error]x##vso[a]`|<b>";

/// Looks at each byte of both streams.
#[track_caller]
pub(crate) fn assert_inert(ran: &Ran, what: &str) {
    for (stream, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        for line in text.split('\n') {
            let at = line.chars().position(steers);
            assert!(at.is_none(), "{what}: {stream}, {at:?} of {line:?}");
            let command = line.trim_start().starts_with("::") && !line.contains("::: ");
            let command = command || line.contains("##[") || line.contains("##vso[");
            assert!(!command, "{what}: a command to a CI system on {stream}: {line:?}");
        }
    }
    assert!(!ran.stderr.contains("defect in the program"), "{what}: {ran:?}");
}

const MANIFESTS: &str = "
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: { latencyMode: NORMAL, recordingConfiguration: archive, tags: { a: b } }
---
apiVersion: ivs-apply.dev/v1
kind: RecordingConfiguration
metadata: { name: archive }
spec: { destinationConfiguration: { s3: { bucketName: the-archive } } }
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: main }
spec: { channel: main }
";

/// Every command that shows something of an account, in every form that it has. `show` shows what the plan before it
/// saved, and the last one deletes everything.
const SHOWN: [&str; 49] = [
    "status",
    "status --format json",
    "status --format markdown",
    "plan",
    "plan --format json",
    "plan --format markdown",
    "plan --format html",
    "plan --format github",
    "plan --prune --refresh full",
    "plan --prune --refresh full --out saved",
    "show saved",
    "show saved --format json",
    "show saved --format markdown",
    "show saved --format html",
    "drift",
    "drift --format json",
    "drift --format html",
    "status --format html",
    "drift --format markdown",
    "drift --format github",
    "drift --refresh full",
    "drift --blame",
    "drift --blame --format json",
    "drift --blame --format html",
    "export --stack other",
    "output",
    "output --format json",
    "output --format env",
    "output --format dotenv",
    "output --format github",
    "output --secrets-to - --format json",
    "output --secrets-to - --format env",
    "graph",
    "graph --format dot",
    "graph --format mermaid",
    "graph --format svg",
    "apply --yes",
    "apply --yes --format json",
    "apply --yes --format html",
    "apply --yes --format markdown",
    "apply --yes --format github",
    "apply saved",
    "destroy",
    "destroy --format json",
    "destroy --format html",
    "destroy --format markdown",
    "destroy --format github",
    "destroy --yes --confirm-deletes 4 --format json",
    "destroy --yes --confirm-deletes 4",
];

/// Commands that show nothing of an account. What `unlock` shows is the text of a lock, and what `fleet` shows is what its targets
/// have written, for which there are tests of their own.
const WITHOUT_AN_ACCOUNT: [&str; 11] = [
    "completions",
    "emulator",
    "explain",
    "fleet",
    "help",
    "iam-policy",
    "init",
    "man",
    "render",
    "schema",
    "validate",
];

#[test]
fn every_command_that_shows_an_account_is_tried_in_every_form_that_it_has() {
    let place = Place::new();
    let tried = |command: &str, format: &str| {
        SHOWN.iter().any(|it| {
            let words: Vec<&str> = it.split_whitespace().collect();
            let at = words.iter().position(|it| *it == "--format");
            let default = if command == "graph" { "dot" } else { "text" };
            words[0] == command && at.map_or(default, |at| words[at + 1]) == format
        })
    };
    let help = run(ivs_apply(place.folder.path()).arg("--help")).stdout;
    let commands = help.split("Commands:\n").nth(1).and_then(|it| it.split("\n\n").next());
    let commands: Vec<&str> = commands
        .expect("a list of commands")
        .lines()
        .filter_map(|it| it.strip_prefix("  ")?.split(' ').next())
        .filter(|it| !it.is_empty())
        .filter(|it| *it != "unlock" && !WITHOUT_AN_ACCOUNT.contains(it))
        .collect();
    assert!(commands.len() >= 8, "{commands:?}");
    for command in commands {
        // A form that there is not is answered with those that there are.
        let words: &[&str] = if command == "show" { &["show", "saved"] } else { &[command] };
        let ran = run(ivs_apply(place.folder.path()).args(words).args(["--format", "none"]));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let forms = ran.stderr.split("[possible values: ").nth(1);
        let forms = match forms.and_then(|it| it.split(']').next()) {
            Some(forms) => forms,
            None if ran.stderr.contains("unexpected argument '--format'") => "text",
            None => panic!("{command}: {ran:?}"),
        };
        for form in forms.split(", ") {
            assert!(tried(command, form), "{command} --format {form}");
        }
    }
}

fn run_on(work: &ServedPlace, words: &str) -> Ran {
    let manifests = if reads_manifests(words) { " -f manifests" } else { "" };
    work.run(&format!("{words} -vv{manifests}"))
}

/// Runs every command while each of these faults is in force, on an account that is as the manifests say.
fn shows(work: &mut ServedPlace, faults: &[Value]) {
    let mut last = None;
    let all = faults.iter().flat_map(|fault| SHOWN.map(|words| (fault, words)));
    // Each third of the commands meets another fault.
    for (fault, words) in part_of(all, 3) {
        if last.replace(fault) != Some(fault) {
            let ran = run_on(work, "apply --yes");
            assert_eq!(ran.code, Some(0), "{ran:?}");
            assert_eq!(run_on(work, "plan --out saved").code, Some(0));
        }
        work.client.control("POST", "faults", fault);
        let ran = run_on(work, words);
        work.client.control("DELETE", "faults", &Value::Null);
        assert_inert(&ran, &format!("{words} under {fault}"));
        if words.ends_with("json") && !ran.stdout.is_empty() {
            let read: Result<Value, _> = serde_json::from_str(&ran.stdout);
            assert!(read.is_ok(), "{words}: {}", ran.stdout);
        }
    }
}

#[test]
fn names_tags_urls_and_arns_of_an_account_never_leave_as_they_came() {
    let mut work = ServedPlace::applied(MANIFESTS);
    let faults = ["hostile", "hostileArn", "control"]
        .map(|how| json!({ "operation": "*", "kind": "odd", "name": how }));
    shows(&mut work, &faults);
    // They are there all the same: a reader of JSON gets what the account says.
    let fault = json!({ "operation": "*", "kind": "odd", "name": "hostile" });
    work.client.control("POST", "faults", &fault);
    let told = run_on(&work, "output --format json").stdout;
    assert!(told.contains("\\u202e") && told.contains("\\u0023#[error]"), "{told}");
    let read: Value = serde_json::from_str(&told).expect("JSON");
    assert!(read["outputs"].to_string().contains('\u{202e}'), "{read:#}");
    let exported = run_on(&work, "export --stack other");
    assert_inert(&exported, "export");
}

#[test]
fn values_of_flags_and_variables_never_leave_as_they_came_where_they_are_refused() {
    let place = Place::new();
    let hostile = format!("x{HOSTILE}");
    let hostile = hostile.as_str();
    for flag in [
        "--only",
        "--format",
        "--allow-live",
        "--rates",
        "--rate-share",
        "--selector",
        "--no-such",
        "--color",
        "--target",
    ] {
        for given in [vec![flag.to_owned(), hostile.to_owned()], vec![format!("{flag}={hostile}")]]
        {
            let ran = run(ivs_apply(place.folder.path()).arg("plan").args(&given));
            assert_eq!(ran.code, Some(1), "{given:?}: {ran:?}");
            assert_inert(&ran, flag);
        }
    }
    for name in [
        "ONLY",
        "FORMAT",
        "ALLOW_LIVE",
        "RATES",
        "RATE_SHARE",
        "VERBOSE",
        "COLOR",
        "REFRESH",
        "PRUNE",
        "SELECTOR",
        "DENY_WARNINGS",
        "TARGET",
    ] {
        let name = format!("IVS_APPLY_{name}");
        let ran = run(ivs_apply(place.folder.path()).arg("plan").env(&name, hostile));
        assert_eq!(ran.code, Some(1), "{name}: {ran:?}");
        assert_inert(&ran, &name);
    }
    for words in [
        vec![hostile],
        vec!["completions", hostile],
        vec!["schema", hostile],
        vec!["schema", hostile, "--format", "crd"],
    ] {
        let ran = run(ivs_apply(place.folder.path()).args(&words));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert_inert(&ran, "a command");
    }
}

#[test]
fn what_a_target_and_sts_say_never_leaves_as_it_came() {
    let work = ServedPlace::applied(MANIFESTS);
    let mut client = work.client;
    let file = work.place.folder.path().join("target.yaml");
    let target = |name: &str, more: &str| {
        json!({
            "apiVersion": "ivs-apply.dev/v1", "kind": "Target", "metadata": { "name": name },
            "spec": {
                "account": "111111111111", "region": "us-west-2", "manifests": { "path": "manifests" },
                "role": { "arn": "arn:aws:iam::111111111111:role/apply" }, "values": if more.is_empty() { json!({}) } else { json!({ "x": more }) },
            },
        })
    };
    let run_with = |words: &[&str], target: &Value| {
        std::fs::write(&file, target.to_string()).expect("writable");
        let mut command = ivs_apply(work.place.folder.path());
        command.current_dir(work.place.folder.path()).args(words);
        command.args(["--target", "target.yaml", "--endpoint-url", &work.served.url]);
        run(command.envs(crate::binary::KEYS))
    };
    let hostile = format!("x{HOSTILE}");
    for words in [&["plan"][..], &["plan", "--format", "json"], &["plan", "--format", "html"]] {
        for target in [target(&hostile, "x"), target("one", &hostile)] {
            let ran = run_with(words, &target);
            assert_eq!(ran.code, Some(1), "{ran:?}");
            assert_inert(&ran, "a Target");
        }
        let message = format!("no{HOSTILE}");
        let fault = json!({ "operation": "AssumeRole", "kind": "error", "name": "AccessDenied", "message": message });
        client.control("POST", "faults", &fault);
        let ran = run_with(words, &target("one", ""));
        client.control("DELETE", "faults", &Value::Null);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("could not be assumed"), "{ran:?}");
        assert_inert(&ran, "a role");
    }
}

#[test]
fn what_a_server_says_of_an_error_never_leaves_as_it_came() {
    let mut work = ServedPlace::applied(MANIFESTS);
    let message = format!("no{HOSTILE}");
    let fault = |operation, name| json!({ "operation": operation, "kind": "error", "name": name, "message": message });
    let faults: Vec<Value> = ["ListChannels", "BatchGetChannel", "GetStage", "ListStreams"]
        .into_iter()
        .flat_map(|operation| {
            ["ValidationException", "AccessDeniedException"].map(|name| fault(operation, name))
        })
        .collect();
    shows(&mut work, &faults);
    // A write that is refused is told by another line.
    work.place.write("b.yaml", &MANIFESTS.replace("main", "second").replace("---\napiVersion: ivs-apply.dev/v1\nkind: RecordingConfiguration\nmetadata: { name: archive }\nspec: { destinationConfiguration: { s3: { bucketName: the-archive } } }\n", "").replace("studio", "second"));
    let fault = fault("Create*", "ConflictException");
    for words in ["apply --yes", "apply --yes --format json"] {
        work.client.control("POST", "faults", &fault);
        let ran = run_on(&work, words);
        work.client.control("DELETE", "faults", &Value::Null);
        assert!(ran.stdout.contains("failed") || ran.stderr.contains("failed"), "{ran:?}");
        assert_inert(&ran, words);
    }
}

/// A text as a string of JSON, and of YAML, with every character written as a number.
fn coded(text: &str) -> String {
    let mut coded = String::new();
    for unit in text.encode_utf16() {
        coded.push_str(&format!("\\u{unit:04x}"));
    }
    format!("\"{coded}\"")
}

#[test]
fn texts_of_manifests_in_json_too_never_leave_as_they_came() {
    let hostile = coded(HOSTILE);
    let document = |metadata: &str, spec: &str, more: &str| {
        format!(
            "{{\"apiVersion\": \"ivs-apply.dev/v1\", \"kind\": \"Channel\", \
             \"metadata\": {{ {metadata} }}, \"spec\": {{ {spec} }} {more} }}"
        )
    };
    let name = "\"name\": \"x\"";
    let wrong = [
        document(&format!("\"name\": {hostile}"), "", ""),
        document(&format!("{name}, \"labels\": {{ {hostile}: {hostile} }}"), "", ""),
        document(&format!("{name}, \"previousNames\": [{hostile}]"), "", ""),
        document(name, &format!("\"name\": {hostile}"), ""),
        document(name, &format!("\"latencyMode\": {hostile}"), ""),
        document(name, &format!("{hostile}: 1"), ""),
        document(name, &format!("\"recordingConfiguration\": {hostile}"), ""),
        document(name, &format!("\"tags\": {{ {hostile}: {hostile} }}"), ""),
        document(name, "", &format!(", \"lifecycle\": {{ \"adopt\": {hostile} }}")),
        document(name, "", &format!(", \"lifecycle\": {{ \"ignoreChanges\": [{hostile}] }}")),
        document(name, "", &format!(", {hostile}: 1")),
        document(name, "", "").replace("\"Channel\"", &hostile),
        document(name, "", "").replace("\"ivs-apply.dev/v1\"", &hostile),
        document(name, "", "").replace("\"Channel\"", "\"Stack\"").replace("\"x\"", &hostile),
        format!("{{ {hostile}: 1 }}"),
        format!("{{ \"a\": {HOSTILE} }}"),
    ];
    let files = ["a.json", "a.yaml", "a\u{1b}[2J\u{202e}##[error].json"];
    let all_words = [
        "validate",
        "validate --format json",
        "validate --format markdown",
        "validate --format github",
        "plan",
        "plan --format json",
        "plan --format markdown",
        "plan --format github",
        "graph --format mermaid",
        "apply --yes",
        "iam-policy plan",
    ];
    let all = wrong.iter().enumerate().flat_map(|(index, text)| {
        let of_file = move |file| all_words.map(|words| (index, text, file, words));
        files.into_iter().flat_map(of_file)
    });
    for (index, text, file, words) in part_of(all, 4) {
        let place = Place::new();
        place.write(file, text);
        assert_inert(&place.run(words), &format!("{words} of {index} in {file:?}"));
    }
}

#[test]
fn a_saved_plan_and_an_export_hold_no_raw_character_and_are_read_all_the_same() {
    let work = ServedPlace::applied(MANIFESTS);
    work.place.write("b.json", "{\"apiVersion\": \"ivs-apply.dev/v1\", \"kind\": \"Channel\", \"metadata\": { \"name\": \"tagged\" }, \"spec\": { \"tags\": { \"note\": \"\\u00e9\\u65e5\" } } }");
    assert_eq!(run_on(&work, "plan --out p.json").code, Some(0));
    let saved = std::fs::read_to_string(work.place.folder.path().join("p.json")).expect("saved");
    assert!(!saved.chars().any(steers), "{saved}");
    assert_eq!(run_on(&work, "apply p.json").code, Some(0));
}
