//! The field reference in the terminal says what the schemas say.

use crate::binary::{Place, ivs_apply, run};
use ivs_apply::manifest::envelope::kind_names;

#[test]
fn every_kind_and_field_is_explained() {
    let place = Place::new();
    let ask = |what: &str| run(ivs_apply(place.folder.path()).args(["explain", what]));
    for kind in kind_names() {
        let ran = ask(kind);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let (about, fields) = ivs_apply::manifest::schema::fields_of(kind).expect("a kind");
        assert!(ran.stdout.starts_with(&format!("{kind}\n\n{about}\n")), "{ran:?}");
        assert!(
            fields.iter().all(|it| ran.stdout.contains(&format!("  {}  ", it.path))),
            "{ran:?}"
        );
    }
    let field = ask("Channel.latencyMode").stdout;
    assert!(
        field.starts_with("Channel: spec.latencyMode  LOW NORMAL, default \"LOW\"\n"),
        "{field}"
    );
    let nested = ask("RecordingConfiguration.destinationConfiguration").stdout;
    assert!(
        nested.contains("spec.destinationConfiguration.s3.bucketName  string, required"),
        "{nested}"
    );
    assert!(!nested.contains("spec.thumbnailConfiguration"), "{nested}");
    assert!(ask("Channel.lifecycle.protect").stdout.contains("boolean"));
    for (what, help) in [("Chanel", "`Channel`"), ("Channel.latencyMod", "`latencyMode`")] {
        let ran = ask(what);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains(&format!("did you mean {help}?")), "{ran:?}");
    }
}

#[test]
fn what_explain_does_not_know_ends_with_where_to_look() {
    let place = Place::new();
    for (what, message, help) in [
        ("Channel.nope", "unknown field `nope`", "explain Channel` lists the fields"),
        ("Nonsense", "unknown kind or code `Nonsense`", "explain` lists the kinds"),
        (
            "E9999",
            "unknown kind or code `E9999`",
            "explain` lists the kinds; a code stands in brackets",
        ),
    ] {
        let ran = run(ivs_apply(place.folder.path()).args(["explain", what]));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.starts_with(&format!("error: {message}\n  help: `")), "{ran:?}");
        assert!(ran.stderr.contains(help), "{ran:?}");
    }
}

#[test]
fn codes_are_explained_and_kinds_listed_whatever_the_case() {
    let place = Place::new();
    let ask = |words: &[&str]| run(ivs_apply(place.folder.path()).arg("explain").args(words));
    for code in ivs_apply::diag::Code::ALL {
        let ran = ask(&[&code.code().to_lowercase()]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let title = format!("{}[{code}]: {}\n\n", code.severity(), code.slug());
        assert!(ran.stdout.starts_with(&title), "{ran:?}");
        assert!(ran.stdout.len() > title.len() + 10, "{ran:?}");
    }
    assert_eq!(ask(&["channel.LATENCYMODE"]).stdout, ask(&["Channel.latencyMode"]).stdout);
    let all = ask(&[]).stdout;
    assert!(kind_names().all(|kind| all.lines().any(|it| it.starts_with(kind))), "{all}");
}

#[test]
fn fields_whose_change_replaces_the_resource_are_marked_immutable() {
    let place = Place::new();
    let ask = |what: &str| run(ivs_apply(place.folder.path()).args(["explain", what])).stdout;
    for field in [
        "RecordingConfiguration.recordingReconnectWindowSeconds",
        "IngestConfiguration.userId",
        "PlaybackKeyPair.publicKeyMaterial",
        "StreamKey.rotation",
        "EncoderConfiguration.video.width",
    ] {
        let text = ask(field);
        assert!(text.lines().next().is_some_and(|it| it.ends_with(", immutable")), "{text}");
    }
    for field in
        ["Channel.latencyMode", "IngestConfiguration.stage", "Composition.run", "Stage.tags"]
    {
        assert!(!ask(field).contains("immutable"), "{field}");
    }
}
