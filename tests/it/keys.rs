//! Public keys: where their text comes from, and that a key which is only known by its fingerprint is kept.

use crate::account::{Account, named, on_paused_time};
use crate::left_out::every_case;
use ivs_apply::cloud::Reading;
use ivs_apply::diag::Code;
use ivs_apply::kinds::owner::{NAME, RECORD};
use ivs_apply::kinds::{Address, Kind, Stack};
use ivs_apply::manifest::values::GivenValues;
use ivs_apply::manifest::{Loaded, StandardInput, export, load, load_text, write};
use ivs_apply::plan::{Note, Plan, Policy, Status, plan};
use ivs_apply::ui::reason;
use serde_json::{Value, json};
use std::path::Path;

const KEY: &str = include_str!("../../examples/private-playback/keys/viewers.pem");

fn manifest(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {{ {spec} }}\n"
    )
}

fn inline(key: &str) -> String {
    format!("publicKeyMaterial: {}", serde_json::json!(key))
}

fn read(folder: &Path, text: &str) -> Loaded {
    std::fs::write(folder.join("a.yaml"), text).expect("writable");
    let stdin = StandardInput { text: &mut std::io::empty(), folder: None };
    load(&[folder.to_owned()], stdin, None, &GivenValues::default())
}

fn codes(loaded: &Loaded) -> Vec<Code> {
    loaded.report.iter().map(|it| it.code).collect()
}

#[test]
fn a_key_in_a_file_beside_its_manifest_is_the_same_as_one_inside() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.pem"), KEY).expect("writable");
    for kind in ["PlaybackKeyPair", "PublicKey"] {
        let beside = read(folder.path(), &manifest(kind, "a", "publicKeyFile: a.pem"));
        let inside = read(folder.path(), &manifest(kind, "a", &inline(KEY)));
        assert_eq!(codes(&beside), []);
        assert_eq!(beside.desired, inside.desired);
    }
}

#[test]
fn a_file_that_is_no_public_key_is_refused_once_and_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let private = KEY.replace("PUBLIC", "EC PRIVATE");
    for (name, text) in [("public.pem", KEY), ("private.pem", &*private), ("text.pem", "hello")] {
        std::fs::write(folder.path().join(name), text).expect("writable");
    }
    let both = format!("publicKeyFile: public.pem, {}", inline(KEY));
    for kind in ["PlaybackKeyPair", "PublicKey"] {
        for (spec, code) in [
            ("publicKeyFile: none.pem", Code::UnreadableFile),
            ("publicKeyFile: ../../etc/passwd", Code::OutsideRoot),
            ("publicKeyFile: /etc/passwd", Code::OutsideRoot),
            ("publicKeyFile: private.pem", Code::SecretInManifest),
            ("publicKeyFile: text.pem", Code::PatternMismatch),
            (&both, Code::ConflictingFields),
            ("", Code::MissingField),
        ] {
            let loaded = read(folder.path(), &manifest(kind, "a", spec));
            assert_eq!(codes(&loaded), [code], "{kind} {spec}: {:#?}", loaded.report);
            assert!(!format!("{:?}", loaded.report).contains("MHYw"));
        }
    }
}

#[test]
fn no_two_manifests_have_the_same_key() {
    let other = KEY.replace('\n', "\r\n");
    for kind in ["PlaybackKeyPair", "PublicKey"] {
        let text = manifest(kind, "a", &inline(KEY)) + &manifest(kind, "b", &inline(&other));
        assert_eq!(codes(&load_text("a.yaml", &text, None)), [Code::DuplicateResource]);
    }
    let text =
        manifest("PlaybackKeyPair", "a", &inline(KEY)) + &manifest("PublicKey", "a", &inline(KEY));
    assert_eq!(codes(&load_text("a.yaml", &text, None)), []);
}

#[test]
fn a_key_known_by_its_fingerprint_is_kept_and_neither_made_nor_replaced() {
    on_paused_time(async {
        let account = Account::empty().await;
        let stack = Stack::named("default");
        let planned = async |text: &str| -> Plan {
            let loaded = load_text("a.yaml", text, None);
            assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
            account.plan(&stack, &loaded.desired, &Policy::default()).await.1
        };
        let made = load_text("a.yaml", &manifest("PlaybackKeyPair", "a", &inline(KEY)), None);
        let (observed, plan_) = account.plan(&stack, &made.desired, &Policy::default()).await;
        assert!(account.apply(&stack, &observed, &plan_).await.is_well());

        // What an export writes has the fingerprint only, and is no change.
        let all = Reading { every_kind: true, full: true, strangers: false };
        let observed = account.read(&stack, &[], all).await;
        let exported = export::declare(observed.owned.values(), &observed.addresses, &stack);
        let text: String = exported.iter().map(write::manifest).collect();
        assert!(text.contains("fingerprint") && !text.contains("publicKey"), "{text}");
        assert_eq!(planned(&text).await.status(), Status::Clean);
        let loaded = load_text("a.yaml", &text, None);
        assert_eq!(
            plan(&stack, &loaded.desired, &observed, &Policy::default()).status(),
            Status::Clean
        );

        // Another one cannot be imported by its fingerprint, so the old one is not deleted for it.
        let (at, _) = text.match_indices('"').next().expect("a quoted fingerprint");
        let other = format!("{}ff{}", &text[..=at], &text[at + 3..]);
        for text in [
            &other,
            &manifest(
                "PlaybackKeyPair",
                "b",
                "fingerprint: \"00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff\"",
            ),
        ] {
            let plan = planned(text).await;
            assert_eq!(plan.status(), Status::Blocked, "{plan:#?}");
            assert_eq!(plan.deletes(), 0);
        }
    });
}

#[test]
fn another_stacks_stream_key_is_left_alone() {
    on_paused_time(async {
        let account = Account::empty().await;
        let apply = async |name: &str, text: &str| {
            let loaded = load_text("a.yaml", text, Some(name));
            assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
            let (observed, plan) =
                account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
            account.apply(&loaded.stack, &observed, &plan).await
        };
        let theirs =
            manifest("Channel", "main", "") + &manifest("StreamKey", "main", "channel: main");
        assert!(apply("theirs", &theirs).await.is_well());
        let all = Reading { every_kind: true, full: true, strangers: false };
        let before = account.read(&Stack::named("theirs"), &[], all).await;
        let channel = before.all().find(|it| it.arn.as_str().contains(":channel/")).expect("made");
        let ours = manifest("StreamKey", "main", &format!("channel: \"{}\"", channel.arn));
        let loaded = load_text("a.yaml", &ours, Some("ours"));
        let (_, plan) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        assert_eq!(plan.status(), Status::Blocked, "{plan:#?}");
        assert!(
            plan.steps[0]
                .decision
                .reason()
                .is_some_and(|it| reason::text(it).contains("stack `theirs`"))
        );
        assert!(
            apply("ours", &ours).await.steps.is_empty(),
            "the engine does what was decided only"
        );
        assert_eq!(account.read(&Stack::named("theirs"), &[], all).await, before);
    });
}

#[test]
fn a_stream_key_that_was_swapped_or_deleted_by_hand_is_drift() {
    on_paused_time(async {
        let account = Account::empty().await;
        let text =
            manifest("Channel", "main", "") + &manifest("StreamKey", "main", "channel: main");
        let loaded = load_text("a.yaml", &text, None);
        let drifted = async || {
            let (observed, mut plan) =
                account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
            plan.keep_drift(&observed.audience, !observed.owned.is_empty());
            plan.steps.iter().map(|it| it.address.to_string()).collect::<Vec<_>>()
        };
        let put_back = async || {
            let (observed, plan) =
                account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
            assert!(account.apply(&loaded.stack, &observed, &plan).await.is_well());
            assert_eq!(drifted().await, [""; 0]);
        };
        assert_eq!(drifted().await, [""; 0], "what was never made is no drift");
        put_back().await;

        let (observed, _) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        let arn = |kind: &str| {
            let found = observed.owned.values().find(|it| it.kind.name() == kind).expect("made");
            found.arn.as_str().to_owned()
        };
        let (channel, key) = (arn("Channel"), arn("StreamKey"));
        let aws = &account.aws.ivs_once;
        aws.delete_stream_key().arn(&key).send().await.expect("deleted");
        assert_eq!(drifted().await, ["StreamKey/main"], "it is gone");
        aws.create_stream_key().channel_arn(&channel).send().await.expect("made by hand");
        assert_eq!(drifted().await, ["StreamKey/main"], "it is another one");
        put_back().await;
    });
}

/// The stream keys of the account that carry the stack's tags, with the channel of each.
fn owned_keys(account: &Account) -> Vec<(String, String)> {
    let objects = account.control("GET", "/_emulator/objects", serde_json::Value::Null);
    let keys = named(&objects).into_iter().filter(|(_, it)| it["kind"] == "StreamKey");
    let channel = |it: &serde_json::Value| it["object"]["channelArn"].as_str().map(str::to_owned);
    keys.filter_map(|(name, it)| Some((name.to_owned(), channel(it)?))).collect()
}

#[test]
fn a_stream_key_whose_channel_changes_leaves_one_key_with_its_name_and_the_other_is_released() {
    on_paused_time(async {
        let account = Account::empty().await;
        let with = |key: &str| manifest("Channel", "a", "") + &manifest("Channel", "b", "") + key;
        let key = |channel: &str| manifest("StreamKey", "main", &format!("channel: {channel}"));
        let applied = async |text: &str, policy: &Policy| {
            let loaded = load_text("a.yaml", text, None);
            let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, policy).await;
            assert!(account.apply(&loaded.stack, &observed, &plan).await.is_well());
            plan
        };
        applied(&with(&key("a")), &Policy::default()).await;
        let first = owned_keys(&account);
        let plan = applied(&with(&key("b")), &Policy::default()).await;
        assert_eq!((plan.summary().adopt, plan.summary().release), (1, 1), "{plan:#?}");
        let second = owned_keys(&account);
        assert_eq!((first.len(), second.len()), (1, 1), "{second:?}");
        assert_ne!(first, second);
        assert_eq!(applied(&with(&key("b")), &Policy::default()).await.status(), Status::Clean);
        // An undeclared key of a channel that stays is told, and released where orphans are pruned.
        let other = manifest("StreamKey", "other", "channel: a");
        applied(&with(&(key("b") + &other)), &Policy::default()).await;
        let plan = applied(&with(&other), &Policy::default()).await;
        let orphans: Vec<String> = plan.orphans.iter().map(ToString::to_string).collect();
        assert_eq!(orphans, ["StreamKey/main"], "{plan:#?}");
        // Also where no key is declared any more, so that keys are not read.
        let plan = applied(&with(""), &Policy::default()).await;
        let both = ["a", "b"].map(|name| Address::new(Kind::Channel, name)).to_vec();
        assert_eq!(plan.notes, [Note::UndeclaredKeys { channels: both }], "{plan:#?}");
        let prune = Policy { prune: true, ..Policy::default() };
        let plan = applied(&with(""), &prune).await;
        assert_eq!((plan.summary().release, plan.deletes()), (2, 0), "{plan:#?}");
        assert_eq!(owned_keys(&account), []);
        assert_eq!(applied(&with(""), &prune).await.status(), Status::Clean);
        assert_eq!(applied(&with(""), &Policy::default()).await.notes, []);
    });
}

#[test]
fn a_release_that_breaks_off_leaves_nothing_that_only_a_full_refresh_finds() {
    for nth in 1..=2 {
        on_paused_time(async {
            let account = Account::empty().await;
            let channel = manifest("Channel", "a", "");
            let key = manifest("StreamKey", "main", "channel: a");
            let prune = Policy { prune: true, ..Policy::default() };
            let run = async |text: &str| {
                let loaded = load_text("a.yaml", text, None);
                let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &prune).await;
                (account.apply(&loaded.stack, &observed, &plan).await.is_well(), plan.status())
            };
            assert!(run(&(channel.clone() + &key)).await.0);
            let denied = json!({
                "operation": "UntagResource", "kind": "error", "name": "AccessDeniedException",
                "nth": nth, "times": 100,
            });
            account.control("POST", "/_emulator/faults", denied);
            assert!(!run(&channel).await.0);
            account.control("DELETE", "/_emulator/faults", Value::Null);
            assert_eq!(run(&channel).await, (true, Status::Changes), "{nth}");
            assert_eq!(run(&channel).await, (true, Status::Clean), "{nth}");
            assert_eq!(owned_keys(&account), []);
            let loaded = load_text("a.yaml", &channel, None);
            let full = Reading { every_kind: true, full: true, strangers: false };
            let observed = account.read(&loaded.stack, &loaded.desired, full).await;
            let full = plan(&loaded.stack, &loaded.desired, &observed, &prune);
            assert_eq!(full.status(), Status::Clean, "{full:#?}");
            assert_eq!(full.notes, [], "{full:#?}");
        });
    }
}

/// Two runs at once, one from before a rename and one after it, may leave any of these names on two keys.
#[test]
fn keys_with_exchanged_doubled_or_former_names_get_the_names_of_their_manifests() {
    let both = manifest("Channel", "x", "") + &manifest("Channel", "y", "");
    let key = |name: &str, former: &str, channel: &str| {
        manifest("StreamKey", name, &format!("channel: {channel}")).replace(
            &format!("name: {name} }}"),
            &format!("name: {name}, previousNames: [{former}] }}"),
        )
    };
    let before = both.clone()
        + &manifest("StreamKey", "old", "channel: x")
        + &manifest("StreamKey", "older", "channel: y");
    // The key of channel `x` gives its name to that of channel `y`.
    let after = both + &key("new", "old", "x") + &key("old", "older", "y");
    let names = ["new", "old", "older"];
    let former = [None, Some("new"), Some("old"), Some("older")];
    let mut case = 0;
    for (one, two) in names.iter().flat_map(|one| names.iter().map(move |two| (*one, *two))) {
        for (was_one, was_two) in former.iter().flat_map(|a| former.iter().map(move |b| (*a, *b))) {
            // A third of the cases has each pair of names, and each pair of former names.
            case += 1;
            if case % 3 != 0 && !every_case() {
                continue;
            }
            on_paused_time(async {
                let account = Account::empty().await;
                let run = async |text: &str| {
                    let loaded = load_text("a.yaml", text, None);
                    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
                    let policy = Policy { prune: true, ..Policy::default() };
                    let (observed, plan) =
                        account.plan(&loaded.stack, &loaded.desired, &policy).await;
                    (account.apply(&loaded.stack, &observed, &plan).await, plan)
                };
                assert!(run(&before).await.0.is_well());
                let objects = account.control("GET", "/_emulator/objects", Value::Null);
                let keys = named(&objects).into_iter().filter(|(_, it)| it["kind"] == "StreamKey");
                let mut expected = Vec::new();
                for (name, it) in keys {
                    let (name, was, declared) = match name {
                        "old" => (one, was_one, "new"),
                        _ => (two, was_two, "old"),
                    };
                    let arn = it["arn"].as_str().expect("an ARN");
                    let record = it["object"]["tags"][RECORD].as_str().expect("a record");
                    let record = match was {
                        Some(was) => format!("{record} was={was}"),
                        None => record.to_owned(),
                    };
                    let request = account.aws.ivs_once.tag_resource().resource_arn(arn);
                    let request = request.tags(NAME, name).tags(RECORD, record);
                    request.send().await.expect("tagged by hand");
                    expected.push((declared, arn.to_owned()));
                }
                let what = format!("{one} was {was_one:?}, {two} was {was_two:?}");
                for turn in 0..2 {
                    let (outcome, plan) = run(&after).await;
                    assert!(outcome.is_well(), "{what}, {turn}: {plan:#?} {outcome:#?}");
                }
                let (_, plan) = run(&after).await;
                assert_eq!(plan.status(), Status::Clean, "{what}: {plan:#?}");
                let objects = account.control("GET", "/_emulator/objects", Value::Null);
                let keys = named(&objects).into_iter().filter(|(_, it)| it["kind"] == "StreamKey");
                let now: Vec<_> = keys.map(|(name, it)| (name, it["arn"].as_str())).collect();
                for (name, arn) in &expected {
                    assert!(
                        now.contains(&(*name, Some(arn.as_str()))),
                        "{what}: {now:?}, not {expected:?}"
                    );
                }
            });
        }
    }
}
