//! AWS's rules that a client can check before any call (`docs/service-reference.md` §2): a good manifest, and for each rule
//! the same manifest broken in one way.

use crate::binary::Place;
use ivs_apply::diag::Report;
use ivs_apply::manifest::load_text;

/// A set of manifests that breaks no rule, to break in one place.
const GOOD: &str = r"
apiVersion: ivs-apply.dev/v1
kind: RecordingConfiguration
metadata: { name: archive }
spec:
  destinationConfiguration: { s3: { bucketName: recordings } }
  thumbnailConfiguration: { recordingMode: INTERVAL, targetIntervalSeconds: 60, storage: [LATEST] }
  recordingReconnectWindowSeconds: 300
  renditionConfiguration: { renditionSelection: CUSTOM, renditions: [HD] }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: { name: main, type: ADVANCED_SD, preset: CONSTRAINED_BANDWIDTH_DELIVERY, recordingConfiguration: archive, tags: { a: b } }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: tracks }
spec: { type: STANDARD, containerFormat: FRAGMENTED_MP4, multitrackInputConfiguration: { enabled: true } }
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: main }
spec: { channel: main, rotation: first }
---
apiVersion: ivs-apply.dev/v1
kind: StorageConfiguration
metadata: { name: tape }
spec: { s3: { bucketName: tape-bucket } }
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
spec:
  autoParticipantRecordingConfiguration:
    storageConfiguration: tape
    mediaTypes: [AUDIO_VIDEO]
    recordingReconnectWindowSeconds: 299
    hlsConfiguration: { targetSegmentDurationSeconds: 10 }
    thumbnailConfiguration: { recordingMode: INTERVAL, targetIntervalSeconds: 86400, storage: [SEQUENTIAL] }
---
apiVersion: ivs-apply.dev/v1
kind: EncoderConfiguration
metadata: { name: hd }
spec: { video: { width: 1920, height: 1080, framerate: 60, bitrate: 8500000 } }
---
apiVersion: ivs-apply.dev/v1
kind: Composition
metadata: { name: show }
spec:
  stage: studio
  destinations:
    - name: air
      channel: { channel: main, encoderConfiguration: hd }
    - name: rec
      s3:
        storageConfiguration: tape
        encoderConfigurations: [hd]
        recordingConfiguration: { hlsConfiguration: { targetSegmentDurationSeconds: 2 } }
        thumbnailConfigurations: [{ targetIntervalSeconds: 1, storage: [LATEST] }]
  layout: { pip: { featuredParticipantAttribute: host, gridGap: 1, pipOffset: 3, pipWidth: 320, pipHeight: 180 } }
";

fn report(text: &str) -> Report {
    load_text("rules.yaml", text, None).report
}

/// Rule, what is replaced, by what, and the code that must come of it.
const BROKEN: &[(u8, &str, &str, &str)] = &[
    (1, "name: main, type", "name: \"has space\", type", "E0202"),
    (1, "- name: air", "- name: a.b", "E0202"),
    (1, "featuredParticipantAttribute: host", "featuredParticipantAttribute: \"a/b\"", "E0202"),
    (3, "tags: { a: b }", "tags: { a: \"b;c\" }", "E0202"),
    (3, "tags: { a: b }", "tags: { \"a*\": b }", "E0202"),
    (4, "tags: { a: b }", "tags: { \"AWS:a\": b }", "E0113"),
    (4, "tags: { a: b }", "tags: { \"ivs-apply:stack\": b }", "E0113"),
    (6, "type: ADVANCED_SD, preset", "type: STANDARD, preset", "E0203"),
    (
        7,
        "type: STANDARD, containerFormat: FRAGMENTED_MP4",
        "type: BASIC, containerFormat: FRAGMENTED_MP4",
        "E0203",
    ),
    (7, "containerFormat: FRAGMENTED_MP4", "containerFormat: TS", "E0203"),
    (10, "type: STANDARD, containerFormat", "insecureIngest: true, containerFormat", "W0302"),
    (
        11,
        "recordingConfiguration: archive",
        "recordingConfiguration: \"arn:aws:ivs:us-west-2:123456789012:stage/abc\"",
        "E0207",
    ),
    (12, "type: ADVANCED_SD, preset: CONSTRAINED_BANDWIDTH_DELIVERY", "type: BASIC", "W0301"),
    (
        13,
        "spec: { channel: main, rotation: first }",
        "spec: { channel: main }\n---\napiVersion: ivs-apply.dev/v1\nkind: StreamKey\nmetadata: { name: other }\nspec: { channel: main }",
        "E0110",
    ),
    (14, "bucketName: recordings", "bucketName: Recordings", "E0202"),
    (14, "bucketName: recordings", "bucketName: ab", "E0201"),
    (15, "targetIntervalSeconds: 60,", "targetIntervalSeconds: 61,", "E0201"),
    (
        15,
        "recordingMode: INTERVAL, targetIntervalSeconds: 60",
        "recordingMode: DISABLED, targetIntervalSeconds: 60",
        "E0203",
    ),
    (
        16,
        "storage: [LATEST] }\n  recordingReconnect",
        "storage: [LATEST, LATEST] }\n  recordingReconnect",
        "E0206",
    ),
    (
        17,
        "type: STANDARD, containerFormat: FRAGMENTED_MP4",
        "recordingConfiguration: quick, type: STANDARD, containerFormat: FRAGMENTED_MP4",
        "W0301",
    ),
    (18, "renditionSelection: CUSTOM, renditions: [HD]", "renditionSelection: CUSTOM", "E0204"),
    (
        18,
        "renditionSelection: CUSTOM, renditions: [HD]",
        "renditionSelection: ALL, renditions: [HD]",
        "W0301",
    ),
    (18, "renditions: [HD]", "renditions: [HD, HD]", "E0206"),
    (19, "recordingReconnectWindowSeconds: 300", "recordingReconnectWindowSeconds: 301", "E0201"),
    (
        27,
        "autoParticipantRecordingConfiguration:\n    storageConfiguration: tape\n",
        "autoParticipantRecordingConfiguration:\n",
        "E0204",
    ),
    (28, "mediaTypes: [AUDIO_VIDEO]", "mediaTypes: [AUDIO_VIDEO, NONE]", "E0205"),
    (28, "mediaTypes: [AUDIO_VIDEO]", "mediaTypes: [AUDIO_ONLY]", "W0301"),
    (29, "targetIntervalSeconds: 86400", "targetIntervalSeconds: 86401", "E0201"),
    (
        29,
        "recordingMode: INTERVAL, targetIntervalSeconds: 86400",
        "targetIntervalSeconds: 86400",
        "E0203",
    ),
    (30, "targetSegmentDurationSeconds: 10", "targetSegmentDurationSeconds: 11", "E0201"),
    (30, "recordingReconnectWindowSeconds: 299", "recordingReconnectWindowSeconds: -1", "E0201"),
    (31, "width: 1920", "width: 1919", "E0201"),
    (31, "height: 1080", "height: 1082", "E0201"),
    (31, "framerate: 60", "framerate: 60.5", "E0201"),
    (31, "framerate: 60", "framerate: .nan", "E0108"),
    (31, "bitrate: 8500000", "bitrate: 8500001", "E0201"),
    (32, "bucketName: tape-bucket", "bucketName: tape_bucket", "E0202"),
    (
        32,
        "kind: StorageConfiguration\nmetadata: { name: tape }\nspec: { s3: { bucketName: tape-bucket } }\n",
        "kind: StorageConfiguration\nmetadata: { name: tape }\nspec: { s3: { bucketName: tape-bucket } }\n---\napiVersion: ivs-apply.dev/v1\nkind: StorageConfiguration\nmetadata: { name: reel }\nspec: { s3: { bucketName: tape-bucket } }\n",
        "W0302",
    ),
    (33, "      channel: { channel: main, encoderConfiguration: hd }\n", "", "E0203"),
    (34, "encoderConfigurations: [hd]", "encoderConfigurations: [hd, hd]", "E0205"),
    (35, "targetIntervalSeconds: 1, storage", "targetIntervalSeconds: 0, storage", "E0201"),
    (35, "storage: [LATEST] }]", "storage: [LATEST] }, {}]", "E0205"),
    (36, "targetSegmentDurationSeconds: 2 }", "targetSegmentDurationSeconds: 1 }", "E0201"),
    (37, "layout: { pip:", "layout: { grid: {}, pip:", "E0203"),
    (38, "gridGap: 1", "gridGap: -1", "E0201"),
    (38, "pipWidth: 320", "pipWidth: 0", "E0201"),
    (38, "pipWidth: 320", "pipWidth: 1921", "W0301"),
    (
        40,
        "stage: studio\n  destinations:",
        "stage: studio\n  run: ALWAYS\n  destinations: [{ channel: { channel: main } }]\n---\napiVersion: ivs-apply.dev/v1\nkind: Composition\nmetadata: { name: twin }\nspec:\n  stage: studio\n  destinations:",
        "E0203",
    ),
    (
        50,
        "apiVersion: ivs-apply.dev/v1\nkind: StorageConfiguration",
        "apiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: { name: x }\nspec: { region: eu-north-1 }\n---\napiVersion: ivs-apply.dev/v1\nkind: StorageConfiguration",
        "E0210",
    ),
];

/// A second recording configuration for rule 17, whose interval is not what AWS takes without being asked.
const QUICK: &str = "---\napiVersion: ivs-apply.dev/v1\nkind: RecordingConfiguration\nmetadata: { name: quick }\nspec:\n  destinationConfiguration: { s3: { bucketName: quick-recordings } }\n  thumbnailConfiguration: { targetIntervalSeconds: 5 }\n";

#[test]
fn a_good_set_breaks_no_rule() {
    let report = report(&format!("{GOOD}{QUICK}"));
    assert!(report.is_empty(), "{report:#?}");
}

#[test]
fn each_rule_is_told_when_it_alone_is_broken() {
    let whole = format!("{GOOD}{QUICK}");
    let mut wrong = Vec::new();
    for (rule, good, broken, code) in BROKEN {
        let places = whole.matches(good).count();
        if places != 1 {
            wrong.push(format!("rule {rule}: `{good}` stands {places} times in the good set"));
        }
        let report = report(&whole.replacen(good, broken, 1));
        let told: Vec<&str> = report.iter().map(|it| it.code.code()).collect();
        if told != [*code] {
            wrong.push(format!("rule {rule}, `{broken}`: expected {code}, told {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_quota_of_compositions_on_a_stage_is_five() {
    let mut text = GOOD.to_owned();
    for index in 0..5 {
        text.push_str(&format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: Composition\nmetadata: {{ name: c{index} }}\nspec:\n  \
             stage: studio\n  destinations: [{{ s3: {{ storageConfiguration: tape, encoderConfigurations: [hd] }} }}]\n"
        ));
    }
    let report = report(&text);
    assert!(report.iter().any(|it| it.code.code() == "E0209"), "{report:#?}");
}

#[test]
fn a_broken_document_does_not_put_blame_on_those_that_refer_to_it() {
    let broken = GOOD.replacen("bucketName: recordings", "bucketName: [1]", 1);
    let codes: Vec<&str> = report(&broken).iter().map(|it| it.code.code()).collect();
    assert_eq!(codes, ["E0108"]);
}

#[test]
fn a_field_that_nobody_knows_does_not_hide_what_else_is_wrong() {
    let text = GOOD.replacen("width: 1920", "width: 1919, depth: 3", 1);
    let codes: Vec<String> = report(&text).iter().map(|it| it.code.code().to_owned()).collect();
    assert!(
        codes.contains(&"E0106".to_owned()) && codes.contains(&"E0201".to_owned()),
        "{codes:?}"
    );
}

/// What is told of a text: code, line, column, message, in the order of the text.
fn told(text: &str) -> Vec<String> {
    let loaded = load_text("rules.yaml", text, None);
    let all = loaded.report.sorted(&loaded.sources).into_iter();
    all.map(|(at, it)| {
        let at = at.map_or_else(String::new, |it| format!("{}:{}", it.line, it.column));
        format!("{at} {} {}", it.code, it.message)
    })
    .collect()
}

#[test]
fn every_field_that_is_missing_is_told_in_one_run() {
    let head = |kind: &str| {
        format!("apiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: x }}\n")
    };
    let composition = format!(
        "{}spec:\n  destinations:\n    - s3: {{}}\n    - channel: {{}}\n  layout: {{ grid: {{ gridGap: wide }} }}\n",
        head("Composition")
    );
    for (text, expected) in [
        (
            "{}\n",
            &[
                "1:1 E0107 this is not an ivs-apply manifest: it has neither `apiVersion` nor `kind`",
            ][..],
        ),
        ("kind: Stage\n", &["1:1 E0107 missing field `apiVersion`"]),
        (
            "apiVersion: ivs-apply.dev/v1\nkind: Composition\n",
            &["1:1 E0107 missing field `metadata`", "1:1 E0107 missing field `spec`"],
        ),
        (
            &format!("{}spec: {{}}\n", head("Composition")),
            &["4:1 E0107 missing field `destinations`", "4:1 E0107 missing field `stage`"],
        ),
        (
            &composition,
            &[
                "4:1 E0107 missing field `stage`",
                "6:7 E0107 missing field `encoderConfigurations`",
                "6:7 E0107 missing field `storageConfiguration`",
                "7:7 E0107 missing field `channel`",
                "8:30 E0108 expected a whole number, found `wide`",
            ],
        ),
        (
            "apiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: {}\nspec: { prune: perhaps }\n",
            &[
                "3:1 E0107 missing field `name`",
                "4:16 E0108 expected `true` or `false`, found `perhaps`",
            ],
        ),
    ] {
        let mut told = told(text);
        told.sort();
        assert_eq!(told, expected, "{text}");
    }
}

#[test]
fn a_value_that_cannot_be_read_hides_no_rule_that_does_not_depend_on_it() {
    let document = |kind: &str, name: &str, spec: &str| {
        format!(
            "apiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n"
        )
    };
    for (text, expected) in [
        // How many pixels there are depends on the width.
        (
            document(
                "EncoderConfiguration",
                "x",
                "{ video: { width: wide, height: 1920, bitrate: 0 } }",
            ),
            &["4:25 E0108", "4:54 E0201"][..],
        ),
        // Whether a preset fits depends on the type; whether a resource is named `x.y` or exists does not.
        (
            document(
                "Channel",
                "\"a b\"",
                "{ type: STANDRD, preset: HIGHER_BANDWIDTH_DELIVERY, name: x.y, recordingConfiguration: nowhere }",
            ),
            &["3:19 E0112", "4:15 E0109", "4:65 E0202", "4:94 E0103"],
        ),
        // Of a list with an item that cannot be read, nothing is known by its number.
        (
            document(
                "Composition",
                "x",
                "{ stage: nowhere, destinations: [{ s3: 1 }, { name: a.b, channel: { channel: none } }] }",
            ),
            &["4:16 E0103", "4:46 E0108"],
        ),
        // One whose kind of reference is settled by what else is declared.
        (
            document(
                "ParticipantReplication",
                "x",
                "{ sourceStage: a, destinationStage: b, participant: abCD12efGH34, run: NEVER }",
            ),
            &["4:22 E0103", "4:43 E0103", "4:78 E0109"],
        ),
    ] {
        let all = told(&text);
        let places: Vec<String> =
            all.iter().map(|it| it.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(places, expected, "{text}{all:#?}");
    }
}

#[test]
fn a_stage_has_room_for_so_many_replications_as_its_own_tags_leave() {
    let stage = |name: &str, tags: usize| {
        let tags: Vec<String> = (0..tags).map(|it| format!("t{it}: x")).collect();
        format!(
            "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: {name} }}\nspec: {{ tags: {{ {} }} }}\n---\n",
            tags.join(", ")
        )
    };
    let replication = |index: usize| {
        format!(
            "apiVersion: ivs-apply.dev/v1\nkind: ParticipantReplication\nmetadata: {{ name: r{index} }}\n\
             spec: {{ sourceStage: a, destinationStage: b, participantId: p{index} }}\n---\n"
        )
    };
    for (tags, replications, expected) in
        [(40, 6, &[][..]), (40, 7, &["E0208"][..]), (0, 46, &[]), (0, 47, &["E0208"])]
    {
        let text = stage("a", tags)
            + &stage("b", 0)
            + &(0..replications).map(replication).collect::<String>();
        let codes: Vec<String> = report(&text).iter().map(|it| it.code.code().to_owned()).collect();
        assert_eq!(codes, expected, "{tags} tags, {replications} replications");
    }
}

#[test]
fn a_malformed_glob_is_told_where_it_stands() {
    let stack = "apiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: { name: prod }\n\
                 spec:\n  ignoreTags:\n    - cost:*\n    - \"cost:[\"\n---";
    let loaded = load_text("all.yaml", &format!("{stack}{GOOD}"), None);
    let found: Vec<_> = loaded.report.iter().collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].code.code(), "E0116");
    assert_eq!(loaded.sources.position(&found[0].at).map(|at| (at.line, at.column)), Some((7, 7)));
    assert_eq!(loaded.stack.ignore_tags.len(), 1);
}

#[test]
fn a_reference_by_a_former_name_is_told_the_name_of_today() {
    let text = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: arena, previousNames: [main] }\n---\n\
                apiVersion: ivs-apply.dev/v1\nkind: StreamKey\nmetadata: { name: main }\nspec: { channel: main }\n";
    let report = report(text);
    let found: Vec<_> = report.iter().collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].code.code(), "E0103");
    let help = found[0].help.as_deref();
    assert_eq!(help, Some("`main` is a former name of Channel/arena: write `arena`"));
}

#[test]
fn two_storage_configurations_on_one_bucket_are_a_warning_and_on_two_buckets_are_none() {
    let storage = |name: &str, bucket: &str| {
        format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: StorageConfiguration\n\
             metadata: {{ name: {name} }}\nspec: {{ s3: {{ bucketName: {bucket} }} }}\n"
        )
    };
    for (second, warned) in [("shows", true), ("films", false)] {
        let place = Place::new();
        place.write("a.yaml", &(storage("first", "shows") + &storage("second", second)));
        for words in ["validate", "plan"] {
            let ran = place.run(words);
            assert_eq!(ran.code, Some(0), "{words}: {ran:?}");
            let told = ran.stderr.matches("warning[W0302]").count();
            assert_eq!(told, usize::from(warned), "{words}, {second}: {ran:?}");
            if warned {
                assert!(ran.stderr.contains("share this bucket"), "{words}: {ran:?}");
                assert!(ran.stderr.contains("manifests/a.yaml:10:"), "{words}: {ran:?}");
            }
        }
    }
}
