//! What the program says of a manifest that is wrong: what was found, where, and what to write instead.

use crate::binary::{Place, Ran, ivs_apply, run};
use std::io::Write;
use std::process::Stdio;

const CHANNEL: &str = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: main }\n";

/// What `validate` says of one file of this name.
fn validated(name: &str, text: &str) -> Ran {
    let place = Place::new();
    place.write(name, text);
    place.run("validate")
}

/// Exactly one error, with this message, place and help.
#[track_caller]
fn one_error(text: &str, message: &str, place: &str, help: &str) {
    let ran = validated("a.yaml", text);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains(message), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("manifests/a.yaml:{place}\n")), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("help: {help}")), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("\n1 error\n"), "{}", ran.stderr);
}

#[test]
fn a_quoted_value_where_no_string_belongs_is_told_to_lose_its_quotes() {
    for (field, found) in [
        ("authorized: \"true\"", "expected `true` or `false`, found the string `\"true\"`"),
        ("insecureIngest: 'false'", "expected `true` or `false`, found the string `\"false\"`"),
    ] {
        let text = format!("{CHANNEL}spec: {{ {field} }}\n");
        let column = 9 + field.find(": ").expect("a value") + 2;
        one_error(&text, found, &format!("4:{column}"), "remove the quotes");
    }
    let number = "apiVersion: ivs-apply.dev/v1\nkind: EncoderConfiguration\nmetadata: { name: hd }\n\
                  spec: { video: { width: \"1280\" } }\n";
    one_error(number, "found the string `\"1280\"`", "4:25", "remove the quotes");
}

#[test]
fn a_missing_document_mark_is_one_error_that_names_the_line() {
    let two = format!("{CHANNEL}spec: {{}}\n{}spec: {{}}\n", CHANNEL.replace("main", "other"));
    one_error(
        &two,
        "a second manifest begins here: a `---` is missing before line 5",
        "5:1",
        "put a line `---` between two manifests of one file",
    );
}

#[test]
fn an_alias_without_an_anchor_is_named() {
    let unknown = "unknown alias `d`";
    let help = "an anchor comes before its alias in the same document: anchors end at `---`";
    one_error(&format!("{CHANNEL}spec: *d\n"), unknown, "4:7", help);
    one_error(&format!("{CHANNEL}spec: {{ tags: {{ a: *d }} }}\n"), unknown, "4:20", help);
}

#[test]
fn a_reference_written_as_an_address_is_told_to_be_the_bare_name() {
    let text =
        format!("{CHANNEL}spec: {{ recordingConfiguration: RecordingConfiguration/archive }}\n");
    let message = "`RecordingConfiguration/archive` is an address: a reference is the name alone";
    one_error(&text, message, "4:33", "write `archive`");
}

#[test]
fn an_address_where_a_name_goes_is_told_to_be_the_bare_name() {
    let text = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: Channel/main }\n";
    let message = "`Channel/main` cannot be a logical name";
    one_error(text, message, "3:19", "write the name without its kind: `main`");
}

#[test]
fn a_field_in_the_wrong_part_of_a_manifest_is_told_where_it_belongs() {
    let text = format!("{CHANNEL}spec: {{ protect: true }}\n");
    one_error(&text, "unknown field `protect`", "4:9", "did you mean `lifecycle.protect`?");
    let text = format!("{CHANNEL}latencyMode: LOW\n");
    one_error(&text, "unknown field `latencyMode`", "4:1", "did you mean `spec.latencyMode`?");
    let text = format!("{CHANNEL}labels: {{}}\n");
    one_error(&text, "unknown field `labels`", "4:1", "did you mean `metadata.labels`?");
}

#[test]
fn a_name_that_cannot_be_one_is_one_error() {
    let bad = CHANNEL.replace("main", "\"a b\"");
    one_error(&bad, "`a b` cannot be a logical name", "3:19", "use 1 to 63 letters");
    let dotted = CHANNEL.replace("main", "a.b");
    one_error(&dotted, "a name cannot contain '.'", "3:19", "set `spec.name`");
}

#[test]
fn an_origin_with_a_path_is_shown_without_it() {
    let text = "apiVersion: ivs-apply.dev/v1\nkind: PlaybackRestrictionPolicy\nmetadata: { name: p }\n\
                spec: { allowedOrigins: [\"https://a.com/\"] }\n";
    let ran = validated("a.yaml", text);
    assert!(ran.stderr.contains("help: write `https://a.com`"), "{}", ran.stderr);
}

#[test]
fn a_file_that_is_no_manifest_is_said_to_be_none() {
    for text in ["{ \"name\": \"x\", \"version\": \"1\" }\n", "- a\n- b\n"] {
        let ran = validated("package.json", text);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("this is not an ivs-apply manifest"), "{}", ran.stderr);
        assert!(ran.stderr.contains("name the folder or the files"), "{}", ran.stderr);
        assert!(ran.stderr.ends_with("\n1 error\n"), "{}", ran.stderr);
    }
}

#[test]
fn a_spec_may_be_left_out_where_every_field_has_a_default() {
    let place = Place::new();
    let kinds = ["Channel", "Stage", "EncoderConfiguration", "FailoverSlateConfiguration"];
    for kind in kinds {
        let text = CHANNEL.replace("Channel", kind);
        place.write(&format!("{kind}.yaml"), &text);
    }
    let ran = place.run("apply --yes");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(0));
    let needs_a_bucket = CHANNEL.replace("Channel", "StorageConfiguration");
    let help = "it belongs into `spec`, which has nothing in it";
    one_error(&needs_a_bucket, "missing field `s3`", "1:1", help);
}

#[test]
fn an_address_without_a_port_is_answered_with_an_example() {
    let place = Place::new();
    let ran = run(ivs_apply(place.folder.path()).args(["emulator", "--listen", "4599"]));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("such as `127.0.0.1:4599`"), "{}", ran.stderr);
}

#[test]
fn an_export_of_nothing_says_why() {
    let place = Place::new();
    let empty = run(place.command("export").args(["--only", "Channel/*"]));
    assert_eq!((empty.code, empty.stdout.as_str()), (Some(0), ""), "{empty:?}");
    assert!(empty.stderr.contains("the account holds no Amazon IVS resource"), "{empty:?}");
}

#[test]
fn a_key_file_beside_standard_input_is_found_in_the_folder_that_is_named() {
    let place = Place::new();
    let key = crate::golden::root().join("examples/private-playback/keys/viewers.pem");
    std::fs::create_dir(place.folder.path().join("keys")).expect("writable");
    std::fs::copy(key, place.folder.path().join("keys/a.pem")).expect("copied");
    let text = "apiVersion: ivs-apply.dev/v1\nkind: PlaybackKeyPair\nmetadata: { name: a }\n\
                spec: { publicKeyFile: keys/a.pem }\n";
    let ask = |more: &[&str]| {
        let mut command = ivs_apply(place.folder.path());
        command.current_dir(place.folder.path()).args(["validate", "-f", "-"]).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("read");
        let output = child.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = ask(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("<stdin>:4:24"), "{said}");
    assert!(said.contains("`--stdin-folder .`"), "{said}");
    assert_eq!(ask(&["--stdin-folder", "."]).0, Some(0));
    let (code, said) = ask(&["--stdin-folder", "keys"]);
    assert_eq!(code, Some(1), "{said}");
}
