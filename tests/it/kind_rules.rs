//! AWS's rules for single resources (`docs/service-reference.md` §2): a good manifest broken in one way, and its code.

use ivs_apply::diag::Code;
use ivs_apply::manifest::load_text;

/// What is wrong with this spec of this kind.
fn wrong(kind: &str, spec: &str) -> Vec<Code> {
    let text = format!(
        "apiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: it }}\nspec: {spec}\n"
    );
    load_text("it.yaml", &text, None).report.iter().map(|it| it.code).collect()
}

/// Which lines and columns of this spec are wrong; it starts in the fourth line.
fn places(kind: &str, spec: &str) -> Vec<(Code, usize, usize)> {
    let text = format!(
        "apiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: it }}\nspec:\n{spec}"
    );
    let loaded = load_text("it.yaml", &text, None);
    let position = |at| loaded.sources.position(at).expect("a place in the text");
    let found = loaded.report.iter().map(|it| (it.code, position(&it.at)));
    found.map(|(code, at)| (code, at.line, at.column)).collect()
}

#[test]
fn what_is_wrong_in_a_list_is_shown_where_it_stands_in_the_manifest() {
    let recording = "  destinationConfiguration: { s3: { bucketName: tape } }\n";
    for (kind, spec, code, line, column) in [
        (
            "RecordingConfiguration",
            format!("{recording}  thumbnailConfiguration:\n    storage:\n      - SEQUENTIAL\n      - SEQUENTIAL\n      - LATEST\n"),
            Code::DuplicateItem,
            9,
            9,
        ),
        (
            "RecordingConfiguration",
            format!("{recording}  renditionConfiguration: {{ renditionSelection: CUSTOM, renditions: [SD, SD, HD] }}\n"),
            Code::DuplicateItem,
            6,
            74,
        ),
        (
            "PlaybackRestrictionPolicy",
            "  allowedCountries: [\"NO\", CH, uk, AT]\n".to_owned(),
            Code::PatternMismatch,
            5,
            32,
        ),
        (
            "PlaybackRestrictionPolicy",
            "  allowedOrigins: [\"https://b.example\", \"https://a.example\", \"https://b.example\"]\n"
                .to_owned(),
            Code::DuplicateItem,
            5,
            62,
        ),
    ] {
        let found = places(kind, &spec);
        assert!(found.contains(&(code, line, column)), "{kind}\n{spec}{found:?}");
        assert!(found.iter().all(|it| it.0 != code || *it == (code, line, column)), "{found:?}");
    }
}

fn each(kind: &str, cases: &[(&str, &[Code])]) {
    for (spec, codes) in cases {
        assert_eq!(wrong(kind, spec), *codes, "{kind} {spec}");
    }
}

#[test]
fn playback_restriction_policies() {
    let long = format!("{{ allowedOrigins: [\"https://{}.example\"] }}", "a".repeat(128));
    each(
        "PlaybackRestrictionPolicy",
        &[
            ("{ allowedCountries: [CH, NO], allowedOrigins: [\"https://example.com:8443\"] }", &[]),
            ("{ allowedCountries: [ch] }", &[Code::PatternMismatch]),
            ("{ allowedCountries: [UK] }", &[Code::PatternMismatch]),
            ("{ allowedCountries: [CHE] }", &[Code::PatternMismatch]),
            ("{ allowedCountries: [CH, DE, CH] }", &[Code::DuplicateItem]),
            (
                "{ allowedOrigins: [\"https://a.example\", \"https://a.example\"] }",
                &[Code::DuplicateItem],
            ),
            ("{ allowedOrigins: [\"https://example.com/watch\"] }", &[Code::IneffectiveSetting]),
            ("{ allowedOrigins: [example.com] }", &[Code::IneffectiveSetting]),
            (&long, &[Code::OutOfRange]),
            ("{ enableStrictOriginEnforcement: true }", &[Code::RiskySetting]),
        ],
    );
}

#[test]
fn ad_configurations() {
    let one = "{ playbackConfigurationArn: \"arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/a\" }";
    let list = |items: &[&str], rest: &str| {
        format!("{{ mediaTailorPlaybackConfigurations: [{}]{rest} }}", items.join(", "))
    };
    each(
        "AdConfiguration",
        &[
            (&list(&[one, one], ""), &[]),
            ("{}", &[Code::MissingField]),
            (&list(&[], ""), &[Code::TooManyItems]),
            (&list(&[one; 4], ""), &[Code::TooManyItems]),
            (
                &list(&["{ playbackConfigurationArn: \"arn:aws:ivs:x:1:channel/a\" }"], ""),
                &[Code::WrongArn],
            ),
            (
                &list(&[one], ", postRollConfiguration: { enabled: true, durationSeconds: 300 }"),
                &[],
            ),
            (&list(&[one], ", postRollConfiguration: { enabled: true }"), &[Code::MissingField]),
            (
                &list(&[one], ", postRollConfiguration: { enabled: true, durationSeconds: 301 }"),
                &[Code::OutOfRange],
            ),
        ],
    );
}

#[test]
fn failover_slate_configurations() {
    each(
        "FailoverSlateConfiguration",
        &[
            (
                "{ activationThresholdSeconds: 5, minSlateDisplaySeconds: 10, maxSlateDisplaySeconds: 180 }",
                &[],
            ),
            ("{ activationThresholdSeconds: 2 }", &[Code::OutOfRange]),
            ("{ minSlateDisplaySeconds: 11 }", &[Code::OutOfRange]),
            ("{ maxSlateDisplaySeconds: 59 }", &[Code::OutOfRange]),
        ],
    );
}

#[test]
fn channels_with_ads_or_a_policy() {
    let arn = |what: &str| format!("\"arn:aws:ivs:us-west-2:123456789012:{what}/a\"");
    let ads = format!("adConfiguration: {}", arn("ad-configuration"));
    let policy = format!("playbackRestrictionPolicy: {}", arn("playback-restriction-policy"));
    each(
        "Channel",
        &[
            (&format!("{{ {ads}, {policy} }}"), &[]),
            (&format!("{{ {ads}, containerFormat: FRAGMENTED_MP4 }}"), &[Code::ConflictingFields]),
            (&format!("{{ {policy}, authorized: true }}"), &[Code::IneffectiveSetting]),
        ],
    );
}

#[test]
fn ingest_configurations() {
    let long = "x".repeat(129);
    let most = format!("{{ ingestProtocol: RTMPS, attributes: {{ side: {} }} }}", "x".repeat(1020));
    let more = format!("{{ ingestProtocol: RTMPS, attributes: {{ side: {} }} }}", "x".repeat(1021));
    each(
        "IngestConfiguration",
        &[
            ("{ ingestProtocol: RTMPS }", &[]),
            ("{ ingestProtocol: RTMP, insecureIngest: true }", &[]),
            ("{}", &[Code::MissingField]),
            ("{ ingestProtocol: RTMP }", &[Code::MissingCompanion]),
            ("{ ingestProtocol: RTMPS, insecureIngest: true }", &[Code::IneffectiveSetting]),
            ("{ ingestProtocol: SRT }", &[Code::UnknownWord]),
            (&format!("{{ ingestProtocol: RTMPS, userId: {long} }}"), &[Code::OutOfRange]),
            (&most, &[]),
            (&more, &[Code::OutOfRange]),
        ],
    );
}
