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
