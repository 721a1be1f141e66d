//! AWS's rules for single resources (`ivs-api.md` §2): a good manifest broken in one way, and its code.

use ivs_apply::diag::Code;
use ivs_apply::manifest::load_text;

/// What is wrong with this spec of this kind.
fn wrong(kind: &str, spec: &str) -> Vec<Code> {
    let text = format!(
        "apiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: it }}\nspec: {spec}\n"
    );
    load_text("it.yaml", &text, None).report.iter().map(|it| it.code).collect()
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
