//! Each code that says why a step is not carried out, how an object turned out to be another than planned, or in what a
//! saved plan differs from the plan of now, can occur: for each there is a situation that leads to it, so none of them
//! is dead.

use crate::account::{Account, on_paused_time};
use crate::delayed_stops::{allowing, applied, manifest, planned, show};
use crate::first_applies::document;
use crate::stages::a_foreign_publisher;
use ivs_apply::apply::{Changed, Event, Left, Outcome, StepStatus, Stop, Until, apply};
use ivs_apply::kinds::owner::{NAME, PROTECT, RECORD, STACK};
use ivs_apply::kinds::{Kind, Observed, ObservedState, Scope, Stack};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::approval::{Inputs, Place};
use ivs_apply::plan::{Approval, Difference, Plan, Policy, Reason, Terms};
use ivs_apply::ui::reason;
use ivs_apply::ui::saved::difference;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// What leads to a code, and which reasons are given then.
type Situation<T> = (&'static str, Pin<Box<dyn Future<Output = Vec<T>>>>);

const STUDIO: &str =
    "---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: studio }\nspec: {}\n";

/// A channel without a name at AWS, as one that is made by hand.
fn channel(rest: &str) -> String {
    document("Channel", "main", "{ name: \"\" }", rest)
}

fn renamed(name: &str, former: &str) -> String {
    document("Channel", &format!("{name}, previousNames: [{former}]"), "{}", "")
}

/// A recording configuration without a name at AWS, as one that is made by hand.
fn archive(bucket: &str, rest: &str) -> String {
    let spec =
        format!("{{ name: \"\", destinationConfiguration: {{ s3: {{ bucketName: {bucket} }} }} }}");
    document("RecordingConfiguration", "archive", &spec, rest)
}

/// A composition that is started with or without a publisher.
fn always(rest: &str) -> String {
    let spec = "{ stage: studio, run: ALWAYS, destinations: [{ channel: { channel: main } }] }";
    document("Composition", "show", spec, rest)
}

const PROTECTED: &str = "lifecycle: { protect: true }\n";

/// After it a second object of one name is old enough to go.
const AN_HOUR: Duration = Duration::from_hours(1);

fn adopting(arn: &str) -> String {
    format!("lifecycle: {{ adopt: \"{arn}\" }}\n")
}

/// An account to which these manifests were applied.
async fn with(text: &str) -> Account {
    let account = Account::empty().await;
    done(&account, text).await;
    account
}

async fn done(account: &Account, text: &str) {
    let (plan, outcome) = applied(account, text, &allowing(&[])).await;
    assert!(outcome.is_well(), "{outcome:#?}\n{plan:#?}");
}

/// Why steps of the next plan with `--prune` are not carried out.
async fn then(account: &Account, text: &str) -> Vec<Reason> {
    reasons(&planned(account, text, &allowing(&[])).await)
}

fn reasons(plan: &Plan) -> Vec<Reason> {
    let found: Vec<Reason> =
        plan.steps.iter().filter_map(|it| it.decision.reason().cloned()).collect();
    for it in &found {
        // A saved plan keeps it.
        let read = serde_json::from_value::<Reason>(json!(it));
        assert_eq!(read.as_ref().ok(), Some(it), "{read:?}");
    }
    found
}

async fn all(account: &Account, kind: Kind) -> Vec<Observed> {
    kind.list(&account.aws, &Scope::default()).await.expect("listed")
}

async fn arn(account: &Account, kind: Kind) -> String {
    all(account, kind).await[0].arn.to_string()
}

async fn goes_live(account: &Account) {
    streamed(account, &arn(account, Kind::Channel).await);
}

fn streamed(account: &Account, channel: &str) {
    let body = json!({ "channelArn": channel, "viewerCount": 3 });
    account.control("POST", "/_emulator/streams", body);
}

fn tagged(account: &Account, arn: &str, tags: &Value) {
    account.control("POST", "/_emulator/tags", json!({ "resourceArn": arn, "tags": tags }));
}

fn strikes(account: &Account, operation: &str, kind: &str) {
    let fault = json!({ "operation": operation, "kind": kind, "nth": 1 });
    account.control("POST", "/_emulator/faults", fault);
}

/// A channel made by hand.
async fn a_channel(account: &Account) -> String {
    let made = account.aws.ivs.create_channel().send().await.expect("made");
    made.channel.and_then(|it| it.arn).expect("answered")
}

/// A channel of another stack.
async fn a_foreign_channel(account: &Account) -> String {
    let arn = a_channel(account).await;
    tagged(account, &arn, &json!({ STACK: "other", NAME: "theirs", RECORD: "0" }));
    arn
}

/// A recording configuration made by hand.
async fn a_recording(account: &Account, bucket: &str) -> String {
    use aws_sdk_ivs::types::{DestinationConfiguration, S3DestinationConfiguration};
    let s3 = S3DestinationConfiguration::builder().bucket_name(bucket).build().expect("whole");
    let to = DestinationConfiguration::builder().s3(s3).build();
    let request = account.aws.ivs.create_recording_configuration();
    let made = request.destination_configuration(to).send().await.expect("made");
    let arn = made.recording_configuration.expect("answered").arn;
    sleep(Duration::from_mins(1)).await;
    arn
}

/// A channel of another owner that records with this configuration.
async fn recorded(account: &Account, recording: &str) -> String {
    let channel = a_channel(account).await;
    let update = account.aws.ivs.update_channel().arn(&channel);
    update.recording_configuration_arn(recording).send().await.expect("changed by hand");
    channel
}

/// When the attempt began that made the copy of an object.
#[derive(Clone, Copy)]
enum Attempt {
    /// In the same one, which makes one object only.
    Same,
    /// At the same moment as that of the object that counts, which comes first.
    Later,
    /// An unknown attempt.
    Unknown,
}

/// Gives an object the tags of another one.
async fn copied(account: &Account, kind: Kind, to: &str, attempt: Attempt) {
    let all = all(account, kind).await;
    let is_first = |it: &&Observed| it.arn.as_str() != to && it.tags.contains_key(RECORD);
    let tags = &all.iter().find(is_first).expect("one with tags").tags;
    let (digest, name) = tags[RECORD].split_once(" op=").expect("the name of an attempt");
    let attempt = match attempt {
        Attempt::Same => name.to_owned(),
        // The first ten letters are the time.
        Attempt::Later => format!("{}{}", &name[..10], "Z".repeat(16)),
        Attempt::Unknown => "another".to_owned(),
    };
    let record = format!("{digest} op={attempt}");
    tagged(account, to, &json!({ STACK: tags[STACK], NAME: tags[NAME], RECORD: record }));
}

/// A channel, and a second one of its name.
async fn two_channels(attempt: Attempt) -> (Account, String) {
    let account = with(&channel("")).await;
    let copy = a_channel(&account).await;
    copied(&account, Kind::Channel, &copy, attempt).await;
    (account, copy)
}

/// A recording configuration, and a second one of its name.
async fn two_recordings() -> (Account, String) {
    let account = with(&archive("bucket-a", "")).await;
    let copy = a_recording(&account, "bucket-a").await;
    copied(&account, Kind::RecordingConfiguration, &copy, Attempt::Later).await;
    (account, copy)
}

/// In the order of the codes.
fn situations() -> Vec<Situation<Reason>> {
    vec![
        (
            "LiveAudience",
            Box::pin(async {
                let account = with(&channel("")).await;
                goes_live(&account).await;
                then(&account, &channel("").replace("name: \"\"", "latencyMode: NORMAL")).await
            }),
        ),
        (
            "LiveThroughComposition",
            Box::pin(async {
                let on_air = show(1280, "bucket-a");
                let account = with(&on_air).await;
                let channel = manifest("Channel", "main", "{}");
                let other = manifest("Channel", "main", "{ latencyMode: NORMAL }");
                let policy = allowing(&[(Kind::Channel, "main")]);
                reasons(&planned(&account, &on_air.replace(&channel, &other), &policy).await)
            }),
        ),
        (
            "TargetLive",
            Box::pin(async {
                let ground = format!("{STUDIO}{}", channel(""));
                let account = with(&ground).await;
                goes_live(&account).await;
                then(&account, &format!("{ground}{}", always(""))).await
            }),
        ),
        ("ForeignPublisher", Box::pin(async { vec![a_foreign_publisher().await] })),
        (
            "OwnedByAnother",
            Box::pin(async {
                let account = Account::empty().await;
                let theirs = a_foreign_channel(&account).await;
                then(&account, &channel(&adopting(&theirs))).await
            }),
        ),
        (
            "ActsOnForeignObject",
            Box::pin(async {
                let account = Account::empty().await;
                let theirs = a_foreign_channel(&account).await;
                let spec = format!("{{ channel: \"{theirs}\" }}");
                then(&account, &document("StreamKey", "main", &spec, "")).await
            }),
        ),
        (
            "AlreadyManaged",
            Box::pin(async {
                let account = with(&channel("")).await;
                let ours = adopting(&arn(&account, Kind::Channel).await);
                let second = document("Channel", "second", "{}", &ours);
                then(&account, &format!("{}{second}", channel(""))).await
            }),
        ),
        (
            "AdoptedObjectMissing",
            Box::pin(async {
                let nowhere = "arn:aws:ivs:us-west-2:000000000000:channel/AAAAAAAAAAAA";
                then(&Account::empty().await, &channel(&adopting(nowhere))).await
            }),
        ),
        (
            "ImportedByCloudFormation",
            Box::pin(async {
                let account = with(&channel("")).await;
                let imported = json!({ "aws:cloudformation:stack-name": "web" });
                tagged(&account, &arn(&account, Kind::Channel).await, &imported);
                then(&account, &channel("")).await
            }),
        ),
        (
            "IncompleteTags",
            Box::pin(async {
                let account = with(&channel("")).await;
                let request = account.aws.ivs.untag_resource();
                let request = request.resource_arn(arn(&account, Kind::Channel).await);
                request.tag_keys(NAME).send().await.expect("untagged by hand");
                then(&account, &channel("")).await
            }),
        ),
        (
            "SameTags",
            Box::pin(async {
                let (account, copy) = two_channels(Attempt::Same).await;
                let update = account.aws.ivs.update_channel().arn(copy).authorized(true);
                update.send().await.expect("changed by hand");
                then(&account, &channel("")).await
            }),
        ),
        (
            "AmbiguousFormerNames",
            Box::pin(async {
                let account = with(&[renamed("a", ""), renamed("b", "")].concat()).await;
                then(&account, &renamed("c", "a, b")).await
            }),
        ),
        (
            "NameTaken",
            Box::pin(async {
                let account = with(&[renamed("main", ""), renamed("next", "")].concat()).await;
                let promoted = renamed("main", "next");
                reasons(&planned(&account, &promoted, &Policy::default()).await)
            }),
        ),
        (
            "AdoptionReplaces",
            Box::pin(async {
                let account = Account::empty().await;
                let by_hand = a_recording(&account, "bucket-a").await;
                then(&account, &archive("bucket-b", &adopting(&by_hand))).await
            }),
        ),
        (
            "NoPublisher",
            Box::pin(async {
                let ground = format!("{STUDIO}{}", channel(""));
                let show = always("").replace("run: ALWAYS, ", "");
                then(&with(&ground).await, &format!("{ground}{show}")).await
            }),
        ),
        (
            "PublicKeyRequired",
            Box::pin(async {
                let fingerprint = ["aa"; 16].join(":");
                let spec = format!("{{ fingerprint: \"{fingerprint}\" }}");
                let key = document("PlaybackKeyPair", "viewers", &spec, "");
                then(&Account::empty().await, &key).await
            }),
        ),
        (
            "PredecessorEnding",
            Box::pin(async {
                let text = format!("{STUDIO}{}{}", channel(""), always(""));
                let account = with(&text).await;
                let stop = account.aws.realtime.stop_composition();
                let stop = stop.arn(arn(&account, Kind::Composition).await);
                stop.send().await.expect("stopped by hand");
                then(&account, &text).await
            }),
        ),
        (
            "FailedRecently",
            Box::pin(async {
                let account = Account::empty().await;
                strikes(&account, "CreateRecordingConfiguration", "createFailed");
                applied(&account, &archive("bucket-a", ""), &allowing(&[])).await;
                then(&account, &archive("bucket-a", "")).await
            }),
        ),
        (
            "Protected",
            Box::pin(async {
                let account = with(&format!("{STUDIO}{}", channel(PROTECTED))).await;
                then(&account, STUDIO).await
            }),
        ),
        (
            "ProtectionLifted",
            Box::pin(async {
                let account = with(&archive("bucket-a", PROTECTED)).await;
                then(&account, &archive("bucket-b", "")).await
            }),
        ),
        (
            "HoldsProtectedKey",
            Box::pin(async {
                let key = document("StreamKey", "main", "{ channel: main }", PROTECTED);
                let account = with(&format!("{STUDIO}{}{key}", channel(""))).await;
                then(&account, STUDIO).await
            }),
        ),
        (
            "HasDuplicate",
            Box::pin(async {
                let (account, _) = two_recordings().await;
                then(&account, &archive("bucket-b", "")).await
            }),
        ),
        (
            "SuccessorFailed",
            Box::pin(async {
                let account = with(&archive("bucket-a", "")).await;
                strikes(&account, "CreateRecordingConfiguration", "createFailed");
                applied(&account, &archive("bucket-b", ""), &allowing(&[])).await;
                then(&account, &archive("bucket-b", "")).await
            }),
        ),
        (
            "StillReferredTo",
            Box::pin(async {
                let account = with(&format!("{STUDIO}{}", archive("bucket-a", ""))).await;
                let ours = arn(&account, Kind::RecordingConfiguration).await;
                recorded(&account, &ours).await;
                then(&account, STUDIO).await
            }),
        ),
        (
            "DuplicateLive",
            Box::pin(async {
                let (account, copy) = two_channels(Attempt::Later).await;
                streamed(&account, &copy);
                then(&account, &channel("")).await
            }),
        ),
        (
            "DuplicateChanged",
            Box::pin(async {
                let (account, copy) = two_channels(Attempt::Later).await;
                let update = account.aws.ivs.update_channel().arn(copy).authorized(true);
                update.send().await.expect("changed by hand");
                then(&account, &channel("")).await
            }),
        ),
        (
            "DuplicateOfUnknownAge",
            Box::pin(async {
                let (account, _) = two_channels(Attempt::Unknown).await;
                then(&account, &channel("")).await
            }),
        ),
        (
            "DuplicateReferredTo",
            Box::pin(async {
                let (account, copy) = two_recordings().await;
                recorded(&account, &copy).await;
                then(&account, &archive("bucket-a", "")).await
            }),
        ),
        (
            "DuplicateTooYoung",
            Box::pin(async {
                let (account, _) = two_channels(Attempt::Later).await;
                then(&account, &channel("")).await
            }),
        ),
        (
            "WinnerNotReady",
            // Another run made the object some time ago, and AWS never gets ready with it: what this run makes
            // is a copy of that one.
            Box::pin(async {
                let account = Account::empty().await;
                let (observed, plan) = looked(&account, &archive("bucket-a", "")).await;
                strikes(&account, "CreateRecordingConfiguration", "stuck");
                let other = a_recording(&account, "bucket-a").await;
                let record = format!("0 op={}", "0".repeat(26));
                let tags = json!({ STACK: "default", NAME: "archive", RECORD: record });
                tagged(&account, &other, &tags);
                let outcome = account.apply(&Stack::named("default"), &observed, &plan).await;
                let left = outcome.copies.into_iter().filter_map(|it| match it.left? {
                    Left::Waits(why) => Some(*why),
                    Left::NotInTime { .. } => None,
                });
                left.collect()
            }),
        ),
        (
            "Frozen",
            Box::pin(async {
                let account = Account::empty().await;
                let freeze = "{ freeze: [{ from: 2026-01-01T00:00:00Z, to: 2026-01-02T00:00:00Z, \
                              reason: cup final }], onFreeze: defer }";
                let stack = document("Stack", "default", freeze, "");
                let loaded = load_text("a.yaml", &format!("{stack}{}", channel("")), None);
                let policy = Policy::default();
                reasons(&account.plan(&loaded.stack, &loaded.desired, &policy).await.1)
            }),
        ),
        (
            "WaitsFor",
            Box::pin(async {
                let account = Account::empty().await;
                strikes(&account, "CreateRecordingConfiguration", "createFailed");
                let channel =
                    document("Channel", "main", "{ recordingConfiguration: archive }", "");
                let text = format!("{}{channel}", archive("bucket-a", ""));
                applied(&account, &text, &allowing(&[])).await;
                then(&account, &text).await
            }),
        ),
    ]
}

/// What a plan with `--prune` is made of, and the plan.
async fn looked(account: &Account, text: &str) -> (ObservedState, Plan) {
    let loaded = load_text("a.yaml", text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &allowing(&[])).await;
    assert!(plan.steps.iter().any(|it| it.decision.is_do()), "{plan:#?}");
    (observed, plan)
}

/// The differences of a plan of these manifests when it is applied after a change by hand.
async fn overtaken<F: Future>(account: &Account, text: &str, by_hand: F) -> Vec<Changed> {
    let (observed, plan) = looked(account, text).await;
    by_hand.await;
    changes(&account.apply(&Stack::named("default"), &observed, &plan).await)
}

fn changes(outcome: &Outcome) -> Vec<Changed> {
    outcome.steps.iter().filter_map(|(_, status)| change(status)).collect()
}

fn change(status: &StepStatus) -> Option<Changed> {
    match status {
        StepStatus::Stale(changed) => Some(changed.clone()),
        _ => None,
    }
}

/// A channel that is to be changed after this was done to it.
async fn changed_after(by_hand: impl AsyncFnOnce(&Account, &str)) -> Vec<Changed> {
    let account = with(&channel("")).await;
    let arn = arn(&account, Kind::Channel).await;
    let text = channel("").replace("name: \"\"", "latencyMode: NORMAL");
    overtaken(&account, &text, by_hand(&account, &arn)).await
}

/// A second channel that is to be deleted after this was done to it or to the first one.
async fn duplicate_after(by_hand: impl AsyncFnOnce(&Account, &str, &str)) -> Vec<Changed> {
    let (account, copy) = two_channels(Attempt::Later).await;
    let channels = all(&account, Kind::Channel).await;
    let first = channels.iter().find(|it| it.arn.as_str() != copy).expect("two");
    sleep(AN_HOUR).await;
    overtaken(&account, &channel(""), by_hand(&account, first.arn.as_str(), &copy)).await
}

/// In the order of the codes.
fn changes_meanwhile() -> Vec<Situation<Changed>> {
    vec![
        (
            "MadeMeanwhile",
            Box::pin(async {
                let account = Account::empty().await;
                let other_run = async {
                    done(&account, &channel("")).await;
                    sleep(Duration::from_mins(5)).await;
                };
                overtaken(&account, &channel(""), other_run).await
            }),
        ),
        (
            "Gone",
            Box::pin(changed_after(async |account: &Account, arn: &str| {
                sleep(Duration::from_mins(5)).await;
                account.aws.ivs.delete_channel().arn(arn).send().await.expect("deleted by hand");
            })),
        ),
        (
            "OwnerChanged",
            Box::pin(changed_after(async |account: &Account, arn: &str| {
                tagged(account, arn, &json!({ STACK: "other" }));
            })),
        ),
        (
            "ReferenceOwnerChanged",
            Box::pin(async {
                let ground = format!("{STUDIO}{}", channel(""));
                let account = with(&ground).await;
                let arn = arn(&account, Kind::Channel).await;
                let by_hand = async { tagged(&account, &arn, &json!({ STACK: "other" })) };
                overtaken(&account, &format!("{ground}{}", always("")), by_hand).await
            }),
        ),
        (
            "FieldsChanged",
            Box::pin(changed_after(async |account: &Account, arn: &str| {
                let update = account.aws.ivs.update_channel().arn(arn).authorized(true);
                update.send().await.expect("changed by hand");
            })),
        ),
        (
            "ProtectedMeanwhile",
            Box::pin(async {
                let account = with(&format!("{STUDIO}{}", channel(""))).await;
                let arn = arn(&account, Kind::Channel).await;
                let by_hand = async { tagged(&account, &arn, &json!({ PROTECT: "true" })) };
                overtaken(&account, STUDIO, by_hand).await
            }),
        ),
        (
            "PartProtected",
            Box::pin(async {
                let key = |rest: &str| document("StreamKey", "main", "{ channel: main }", rest);
                let text = |rest: &str| format!("{STUDIO}{}{}", channel(""), key(rest));
                let account = with(&text("")).await;
                overtaken(&account, STUDIO, done(&account, &text(PROTECTED))).await
            }),
        ),
        (
            "SuccessorGone",
            // The one that was replaced stays for the sake of a stranger, who lets go of it.
            Box::pin(async {
                let account = with(&archive("bucket-a", "")).await;
                let old = arn(&account, Kind::RecordingConfiguration).await;
                let stranger = recorded(&account, &old).await;
                done(&account, &archive("bucket-b", "")).await;
                let update = account.aws.ivs.update_channel().arn(stranger);
                update.recording_configuration_arn("").send().await.expect("changed by hand");
                let by_hand = async {
                    let all = all(&account, Kind::RecordingConfiguration).await;
                    let new = all.iter().find(|it| it.arn.as_str() != old).expect("two");
                    let delete = account.aws.ivs.delete_recording_configuration();
                    delete.arn(new.arn.as_str()).send().await.expect("deleted by hand");
                };
                overtaken(&account, &archive("bucket-b", ""), by_hand).await
            }),
        ),
        (
            "NoDuplicate",
            Box::pin(duplicate_after(async |account: &Account, first: &str, _: &str| {
                account.aws.ivs.delete_channel().arn(first).send().await.expect("deleted by hand");
            })),
        ),
        (
            "DuplicateTagsChanged",
            Box::pin(duplicate_after(async |account: &Account, _: &str, copy: &str| {
                tagged(account, copy, &json!({ PROTECT: "true" }));
            })),
        ),
        (
            "DuplicateChanged",
            // AWS carries out the create of this run twice; both are changed outside while the run waits for the
            // second listing that proves the copy.
            Box::pin(async {
                let account = Account::empty().await;
                let (observed, plan) = looked(&account, &channel("")).await;
                strikes(&account, "CreateChannel", "twice");
                let seen = Mutex::new(Vec::new());
                let tell = |event: Event| match event {
                    Event::Waiting { wait, .. } if wait.until == Until::SecondListing => {
                        let objects = account.control("GET", "/_emulator/objects", Value::Null);
                        for it in objects["objects"].as_array().expect("a list") {
                            let arn = it["arn"].as_str().expect("a text");
                            tagged(&account, arn, &json!({ "team": "sports" }));
                        }
                    }
                    Event::Ended { status, .. } => {
                        let mut seen = seen.lock().expect("no task panics while it holds the lock");
                        seen.extend(change(&status));
                    }
                    _ => {}
                };
                let (_stopper, stop) = watch::channel(Stop::default());
                let stack = Stack::named("default");
                Box::pin(apply(&account.aws, &stack, &plan, &observed, stop, &tell)).await;
                seen.into_inner().expect("no task panics while it holds the lock")
            }),
        ),
        (
            "PlanOfUnknownAge",
            // Nothing that is done to the account leads there: a plan deletes the second of two only where it knows
            // when the account was read. So the time of the reading is left out by hand.
            Box::pin(async {
                let (account, _) = two_channels(Attempt::Later).await;
                sleep(AN_HOUR).await;
                let (observed, plan) = looked(&account, &channel("")).await;
                let observed = ObservedState { as_of: None, ..observed };
                changes(&account.apply(&Stack::named("default"), &observed, &plan).await)
            }),
        ),
    ]
}

/// The plan of these manifests, to be approved.
async fn approval(account: &Account, text: &str) -> Approval {
    let loaded = load_text("a.yaml", text, None);
    let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &allowing(&[])).await;
    let place = Place {
        stack: loaded.stack.name,
        account: "000000000000".to_owned(),
        region: "us-west-2".to_owned(),
        endpoint: None,
    };
    Approval::of(&plan, &observed.addresses, place, Terms::default(), Inputs::default())
}

/// The differences of an approved plan after the account was changed by hand.
async fn approved_before(by_hand: impl AsyncFnOnce(&Account, &str)) -> Vec<Difference> {
    let account = with(&channel("")).await;
    let text = channel("").replace("name: \"\"", "latencyMode: NORMAL");
    let approved = approval(&account, &text).await;
    by_hand(&account, &text).await;
    approved.differences(&approval(&account, &text).await)
}

/// The differences between the plans of a first and a second text for an account with `applied`.
async fn approved_for(applied: &str, first: &str, second: &str) -> Vec<Difference> {
    let account = with(applied).await;
    let approved = approval(&account, first).await;
    approved.differences(&approval(&account, second).await)
}

/// In the order of the codes.
fn differences() -> Vec<Situation<Difference>> {
    let changed = |spec: &str| channel("").replace("name: \"\"", spec);
    vec![
        (
            "PlaceChanged",
            Box::pin(async {
                let account = Account::empty().await;
                let approved = approval(&account, &channel("")).await;
                let place = Place { region: "eu-west-1".to_owned(), ..approved.place.clone() };
                approved.differences(&Approval { place, ..approved.clone() })
            }),
        ),
        (
            "ApprovedTwice",
            // A file that a program wrote: the checksum of an edited one does not fit.
            Box::pin(async {
                let account = Account::empty().await;
                let approved = approval(&account, &channel("")).await;
                let mut twice = approved.clone();
                twice.steps.extend(approved.steps.clone());
                twice.differences(&approved)
            }),
        ),
        (
            "NotPlannedNow",
            Box::pin(approved_before(async |account: &Account, text: &str| {
                done(account, text).await;
            })),
        ),
        (
            "NotApproved",
            Box::pin(async {
                approved_for(STUDIO, STUDIO, &(STUDIO.to_owned() + &channel(""))).await
            }),
        ),
        (
            "ObjectChanged",
            Box::pin(approved_before(async |account: &Account, _: &str| {
                let arn = arn(account, Kind::Channel).await;
                let update = account.aws.ivs.update_channel().arn(arn).authorized(true);
                update.send().await.expect("changed by hand");
            })),
        ),
        (
            "FieldChanged",
            Box::pin(async move {
                let (first, second) = (changed("latencyMode: NORMAL"), changed("authorized: true"));
                approved_for(&channel(""), &first, &second).await
            }),
        ),
        (
            "PartChanged",
            Box::pin(async move {
                approved_for(STUDIO, &channel(""), &changed("authorized: true")).await
            }),
        ),
    ]
}

/// Lets all situations come about: in each its code is seen, and in all of them together every code there is.
fn all_occur<T: std::fmt::Debug>(
    situations: Vec<Situation<T>>,
    codes: &[&str],
    code: fn(&T) -> &'static str,
    text: fn(&T) -> String,
) {
    let named: Vec<&str> = situations.iter().map(|(expected, _)| *expected).collect();
    assert_eq!(named, codes, "one situation for each code, in the order of the codes");
    let mut seen = BTreeSet::new();
    let mut missing = Vec::new();
    for (expected, situation) in situations {
        let reasons = on_paused_time(situation);
        if !reasons.iter().any(|it| code(it) == expected) {
            missing.push(format!("{expected}: {reasons:#?}"));
        }
        for it in &reasons {
            seen.insert(code(it));
            is_part_of_a_sentence(&text(it));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert_eq!(seen, codes.iter().copied().collect());
}

fn is_part_of_a_sentence(text: &str) {
    assert!(!text.trim().is_empty());
    assert_eq!(text, text.trim());
    let ends = ['\n', '\r'].iter().any(|it| text.contains(*it)) || text.contains(". ");
    assert!(!ends && !text.ends_with(['.', ';', ',', ':']), "more than one part: {text}");
    for shown in ["Some(", "None", "Ok(", "Err(", " { ", "{}", "(\"", "[\"", "\", \""] {
        assert!(!text.contains(shown), "`{shown}` is for developers: {text}");
    }
}

#[test]
fn every_reason_not_to_carry_out_a_step_can_occur_and_is_part_of_a_sentence() {
    all_occur(situations(), Reason::CODES, Reason::code, reason::text);
}

#[test]
fn every_way_in_which_an_object_is_another_than_planned_can_occur_and_is_part_of_a_sentence() {
    all_occur(changes_meanwhile(), Changed::CODES, Changed::code, Changed::to_string);
}

#[test]
fn every_difference_from_a_saved_plan_can_occur_and_is_part_of_a_sentence() {
    all_occur(differences(), Difference::CODES, Difference::code, difference);
}
