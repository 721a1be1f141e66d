//! What a person reads who has written something that is nearly right.

use crate::binary::{Place, Ran, ivs_apply, run};
use std::io::Write;
use std::process::Stdio;

const CHANNEL: &str = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: main }\n";

/// What is said of one file.
fn validate(name: &str, text: &str) -> Ran {
    let place = Place::new();
    place.write(name, text);
    run(ivs_apply(place.folder.path()).current_dir(place.folder.path()).args([
        "validate",
        "-f",
        &format!("manifests/{name}"),
    ]))
}

#[track_caller]
fn says(text: &str, parts: &[&str], errors: usize) {
    let ran = validate("a.yaml", text);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in parts {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert_eq!(ran.stderr.matches("error[").count(), errors, "{}", ran.stderr);
}

#[test]
fn a_scalar_in_quotes_is_called_a_string_and_the_quotes_are_to_go() {
    let text = format!("{CHANNEL}spec: {{ authorized: \"true\" }}\n");
    says(&text, &["found the string `\"true\"`", "remove the quotes"], 1);
    let encoder = CHANNEL.replace("Channel", "EncoderConfiguration")
        + "spec: { video: { width: \"1920\", height: 1080, framerate: 30, bitrate: 4500000 } }\n";
    says(&encoder, &["found the string `\"1920\"`", "remove the quotes"], 1);
    let word = format!("{CHANNEL}spec: {{ authorized: \"yes\" }}\n");
    says(&word, &["found `yes`"], 1);
}

#[test]
fn a_missing_line_between_two_manifests_is_one_error() {
    let text = format!("{CHANNEL}{}", CHANNEL.replace("main", "other"));
    says(&text, &["a `---` is missing before this line", "a.yaml:4:1"], 1);
}

#[test]
fn an_alias_without_an_anchor_is_named() {
    let text = format!("{CHANNEL}spec: *d\n");
    says(&text, &["unknown alias `d`", "anchors end at `---`"], 1);
    let across =
        format!("{CHANNEL}spec: &d {{ latencyMode: LOW }}\n---\n{}", CHANNEL.replace("main", "b"));
    says(&format!("{across}spec: *d\n"), &["unknown alias `d`"], 1);
}

#[test]
fn an_address_where_a_bare_name_goes_is_told_so() {
    let text =
        format!("{CHANNEL}spec: {{ recordingConfiguration: RecordingConfiguration/archive }}\n");
    says(&text, &["write the bare name: `archive`"], 1);
}

#[test]
fn a_field_in_the_wrong_part_of_a_manifest_is_told_its_place() {
    let in_spec = format!("{CHANNEL}spec: {{ protect: true }}\n");
    says(&in_spec, &["unknown field `protect`", "did you mean `lifecycle.protect`?"], 1);
    let at_the_top = format!("{CHANNEL}spec: {{}}\nlatencyMode: LOW\n");
    says(&at_the_top, &["did you mean `spec.latencyMode`?"], 1);
    let labels = format!("{CHANNEL}spec: {{ labels: {{ team: a }} }}\n");
    says(&labels, &["did you mean `metadata.labels`?"], 1);
}

#[test]
fn a_file_that_is_no_manifest_is_called_that() {
    let ran = validate("package.json", "{ \"name\": \"x\", \"version\": \"1.0.0\" }\n");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("is no ivs-apply manifest"), "{ran:?}");
    assert!(ran.stderr.contains("name that folder with `-f`"), "{ran:?}");
    assert_eq!(ran.stderr.matches("error[").count(), 1, "{ran:?}");
    // What is half a manifest is told what it lacks.
    says("kind: Channel\nmetadata: { name: a }\n", &["missing field `apiVersion`"], 1);
}

#[test]
fn a_bad_name_is_one_error() {
    let text = CHANNEL.replace("main", "my channel") + "spec: {}\n";
    says(&text, &["`my channel` cannot be a logical name"], 1);
}

#[test]
fn an_origin_with_a_path_is_told_without_it() {
    let text = CHANNEL.replace("Channel", "PlaybackRestrictionPolicy")
        + "spec: { allowedOrigins: [\"https://a.example/\"] }\n";
    let ran = validate("a.yaml", &text);
    assert!(ran.stderr.contains("write `https://a.example`"), "{ran:?}");
}

#[test]
fn a_spec_may_be_left_out_where_every_field_has_a_default() {
    let ran = validate("a.yaml", CHANNEL);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let storage = CHANNEL.replace("Channel", "StorageConfiguration");
    says(&storage, &["missing field `spec`"], 1);
}

#[test]
fn words_of_other_tools_lead_to_ours() {
    let place = Place::new();
    place.write("channel.yaml", CHANNEL);
    let on = |words: &str| place.run(words);
    assert_eq!(on("diff --detailed-exitcode").code, Some(2));
    assert_eq!(on("apply --auto-approve --target Channel/main").code, Some(0));
    assert!(!on("plan --help").stdout.contains("auto-approve"));
    let list = on("list");
    assert_eq!(list.code, Some(1), "{list:?}");
    assert!(list.stderr.contains("'output'") || list.stderr.contains("'status'"), "{list:?}");
    let dash = on("apply -auto-approve");
    assert!(dash.stderr.contains("`--auto-approve`"), "{dash:?}");
}

#[test]
fn a_manifest_given_as_a_saved_plan_is_told_how_it_is_applied() {
    let place = Place::new();
    place.write("channel.yaml", CHANNEL);
    let folder = place.folder.path();
    let at =
        |path: &str| run(ivs_apply(folder).current_dir(folder).args(["apply", path, "--emulator"]));
    for path in ["manifests/channel.yaml", "manifests"] {
        let ran = at(path);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("not a saved plan"), "{ran:?}");
        assert!(ran.stderr.contains(&format!("apply -f {path}`")), "{ran:?}");
    }
}

#[test]
fn a_file_named_by_a_manifest_from_standard_input_needs_a_folder() {
    let place = Place::new();
    let folder = place.folder.path();
    let key = include_str!("../../examples/private-playback/keys/viewers.pem");
    std::fs::write(folder.join("key.pem"), key).expect("writable");
    let text = CHANNEL.replace("Channel", "PlaybackKeyPair") + "spec: { publicKeyFile: key.pem }\n";
    let validate = |words: &[&str]| {
        let mut child = ivs_apply(folder)
            .current_dir(folder)
            .args(["validate", "-f", "-"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("read");
        child.wait_with_output().expect("the program ends")
    };
    let without = validate(&[]);
    let said = String::from_utf8_lossy(&without.stderr).into_owned();
    assert_eq!(without.status.code(), Some(1), "{said}");
    assert!(said.contains("--stdin-root ."), "{said}");
    let with = validate(&["--stdin-root", "."]);
    assert_eq!(with.status.code(), Some(0), "{}", String::from_utf8_lossy(&with.stderr));
}
