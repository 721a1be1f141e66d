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
fn codes_kinds_and_immutable_fields_are_explained_in_upper_and_lower_case() {
    let place = Place::new();
    let ask = |words: &[&str]| run(ivs_apply(place.folder.path()).arg("explain").args(words));
    for code in ivs_apply::diag::Code::ALL {
        for word in [code.code().to_owned(), code.code().to_lowercase(), code.slug().to_owned()] {
            let ran = ask(&[&word]);
            assert_eq!(ran.code, Some(0), "{ran:?}");
            let head = format!("{}: {}  {}", code.code(), code.slug(), code.severity());
            assert!(ran.stdout.starts_with(&head), "{ran:?}");
            let first = code.explanation().trim().lines().next().expect("a line");
            assert!(ran.stdout.contains(first.trim()), "{ran:?}");
        }
    }
    let kinds = ask(&[]);
    assert_eq!(kinds.code, Some(0), "{kinds:?}");
    for kind in kind_names() {
        assert!(kinds.stdout.contains(&format!("  {kind} ")), "{kind}: {kinds:?}");
    }
    assert_eq!(ask(&["channel.latencymode"]).stdout, ask(&["Channel.latencyMode"]).stdout);
    let encoder = ask(&["EncoderConfiguration"]).stdout;
    let width = encoder.lines().find(|it| it.contains("spec.video.width")).expect("the field");
    assert!(width.contains("immutable"), "{width}");
    let tags = encoder.lines().find(|it| it.contains("spec.tags")).expect("the field");
    assert!(!tags.contains("immutable"), "{tags}");
    assert!(!ask(&["Channel"]).stdout.contains("immutable"));
}
