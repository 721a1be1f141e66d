//! Manifests that mean harm: each a clear error, in bounded memory, without a panic or an echo of secrets.

use crate::binary::{Place, Ran};
use std::process::Command;

/// Validates the folder with one gigabyte of address space and a minute of processor time.
fn validate(place: &Place) -> Ran {
    let inner = place.command("validate");
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -v 1048576; ulimit -t 60; exec \"$0\" \"$@\""])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_clear()
        .env("HOME", place.folder.path())
        .current_dir(place.folder.path());
    crate::binary::run(&mut command)
}

fn channel(spec: &str) -> String {
    format!("apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: x }}\nspec: {spec}\n")
}

#[track_caller]
fn refused(text: impl AsRef<[u8]>, code: &str) -> Ran {
    let place = Place::new();
    std::fs::write(place.folder.path().join("manifests/x.yaml"), text).expect("writable");
    let ran = validate(&place);
    assert_clean(&ran, code);
    ran
}

#[track_caller]
fn assert_clean(ran: &Ran, code: &str) {
    let said = &ran.stderr[..ran.stderr.len().min(2_000)];
    assert_eq!(ran.code, Some(1), "{said}");
    assert!(ran.stderr.contains(&format!("error[{code}]")), "{code} was expected: {said}");
    assert!(!ran.stderr.contains("panicked"), "{said}");
    assert!(ran.stderr.len() < 20_000, "an error is not a book: {} bytes", ran.stderr.len());
    assert!(!ran.stderr.chars().any(|it| it.is_control() && it != '\n'), "{said:?}");
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", ")));
    }
    refused(text, "E0013");
}

#[test]
fn two_hundred_thousand_brackets_are_refused() {
    refused(channel(&"[".repeat(200_000)), "E0006");
    refused(channel(&"{a: ".repeat(200_000)), "E0006");
}

#[test]
fn an_eighty_megabyte_scalar_is_refused_unread() {
    refused(channel(&"x".repeat(80_000_000)), "E0004");
}

#[test]
fn duplicate_keys_are_refused_at_every_depth() {
    refused("apiVersion: ivs-apply.dev/v1\nkind: Channel\nkind: Stage\n", "E0012");
    refused(channel("{ tags: { a: b, a: c } }"), "E0012");
}

#[test]
fn a_fifo_is_refused_and_not_waited_for() {
    let place = Place::new();
    let fifo = place.folder.path().join("manifests/x.yaml");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo is there").success());
    assert_clean(&validate(&place), "E0002");
}

#[test]
fn a_link_out_of_the_root_is_refused() {
    let place = Place::new();
    let secret = place.folder.path().join("secret.yaml");
    std::fs::write(&secret, "top: secret-of-the-house").expect("writable");
    std::os::unix::fs::symlink(&secret, place.folder.path().join("manifests/x.yaml"))
        .expect("a link");
    let ran = validate(&place);
    assert!(ran.stderr.contains("error[E0003]") || ran.stderr.contains("error[E0002]"), "{ran:?}");
    assert_eq!(ran.code, Some(1));
    assert!(!ran.stderr.contains("secret-of-the-house"), "{ran:?}");
}

#[test]
fn utf_16_is_refused_with_the_remedy() {
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend(channel("{}").encode_utf16().flat_map(u16::to_le_bytes));
    let ran = refused(bytes, "E0007");
    assert!(ran.stderr.contains("UTF-8"), "{ran:?}");
}

#[test]
fn a_private_key_is_refused_without_being_shown() {
    let key = "MIGkAgEBBDCanaryCanaryCanary";
    let text = format!(
        "{{ name: \"-----BEGIN EC PRIVATE KEY----- {key} -----END EC PRIVATE KEY-----\" }}"
    );
    let ran = refused(channel(&text), "E0014");
    assert!(!ran.stderr.contains(key) && !ran.stdout.contains(key), "{ran:?}");
}

#[test]
fn escape_and_bidi_characters_never_reach_the_terminal() {
    let place = Place::new();
    place.write("x.yaml", &channel("{ name: \"a\\u001b[31mb\\u202ec\" }"));
    let ran = validate(&place);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    }
    refused(channel("{ name: a\u{1b}[31mb }"), "E0015");
}

#[test]
fn tags_of_programming_languages_are_refused() {
    refused(channel("!include other.yaml"), "E0010");
    refused(channel("!!python/object/apply:os.system [id]"), "E0010");
    refused(channel("{ <<: { name: x } }"), "E0011");
}

#[test]
fn every_mistake_of_one_run_is_shown() {
    let place = Place::new();
    place.write(
        "x.yaml",
        &format!(
            "{}---\n{}---\n{}",
            channel("{ latencyMod: LOW }"),
            channel("{ latencyMode: SLOW }"),
            channel("{ preset: HIGHER_BANDWIDTH_DELIVERY, recordingConfiguration: nowhere }")
        ),
    );
    let ran = validate(&place);
    for code in ["E0106", "E0109", "E0103", "E0203"] {
        assert!(ran.stderr.contains(code), "{code}: {}", ran.stderr);
    }
    assert!(ran.stderr.contains("did you mean `latencyMode`"), "{}", ran.stderr);
}
