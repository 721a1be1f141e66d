//! Objects outside the stack that refer to an object that is to be deleted: found before the first write, and named.

use crate::account::{Account, on_paused_time};
use ivs_apply::aws::Sorted;
use ivs_apply::kinds::{Kind, Observed, Stack};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Action, Decision, Plan, Policy};
use ivs_apply::ui::reason;

const PRUNE: Policy = Policy {
    prune: true,
    destroy: false,
    allow_live: std::collections::BTreeSet::new(),
    selected: None,
    ignore_freeze: None,
};

fn manifest(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n"
    )
}

fn recording(bucket: &str) -> String {
    let spec = format!("{{ destinationConfiguration: {{ s3: {{ bucketName: {bucket} }} }} }}");
    manifest("RecordingConfiguration", "archive", &spec)
}

async fn applied(account: &Account, text: &str, policy: &Policy) -> Plan {
    let stack = Stack::named("default");
    let loaded = load_text("a.yaml", text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let (observed, plan) = account.plan(&stack, &loaded.desired, policy).await;
    let outcome = account.apply(&stack, &observed, &plan).await;
    assert!(outcome.is_well(), "{outcome:#?}");
    plan
}

async fn the_only(account: &Account, kind: Kind) -> Observed {
    let all = kind.list(&account.aws, &ivs_apply::kinds::Scope::default()).await.expect("listed");
    let [observed] = all.as_slice() else { panic!("{all:#?}") };
    observed.clone()
}

/// Why the delete of this plan waits.
fn waits(plan: &Plan) -> String {
    let delete = plan.steps.iter().find(|it| it.action == Action::Delete).expect("a delete");
    match &delete.decision {
        Decision::Deferred(why) => reason::text(why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_configuration_that_an_unowned_channel_refers_to_stays_until_that_reference_is_removed() {
    on_paused_time(async {
        let account = Account::empty().await;
        applied(&account, &recording("bucket-a"), &PRUNE).await;
        let archive = the_only(&account, Kind::RecordingConfiguration).await;
        let request = account.aws.ivs.create_channel();
        let made = request.recording_configuration_arn(archive.arn.as_str()).send().await;
        let channel = made.sorted("CreateChannel").expect("made").channel.expect("answered");
        let channel = channel.arn.expect("answered");
        let request = account.aws.ivs.create_channel();
        let made = request.recording_configuration_arn(archive.arn.as_str()).send().await;
        let other = made.sorted("CreateChannel").expect("made").channel.expect("answered");
        let other = other.arn.expect("answered");
        // A change creates a new one; the run that finds the old one unused deletes it.
        for _ in 0..2 {
            let plan = applied(&account, &recording("bucket-b"), &PRUNE).await;
            let why = waits(&plan);
            assert!(why.contains(&channel) && why.contains(&other), "{why}");
            assert!(why.contains("still refer to it"), "{why}");
        }
        for channel in [&channel, &other] {
            let detach = account.aws.ivs.update_channel().arn(channel);
            let detach = detach.recording_configuration_arn("");
            detach.send().await.sorted("UpdateChannel").expect("detached");
        }
        applied(&account, &recording("bucket-b"), &PRUNE).await;
        assert_ne!(the_only(&account, Kind::RecordingConfiguration).await.arn, archive.arn);
    });
}

#[test]
fn a_configuration_that_an_orphan_refers_to_stays_while_orphans_are_not_pruned() {
    on_paused_time(async {
        let account = Account::empty().await;
        let channel = manifest("Channel", "main", "{ recordingConfiguration: archive }");
        applied(&account, &format!("{}{channel}", recording("bucket-a")), &PRUNE).await;
        let plan = applied(&account, &recording("bucket-b"), &Policy::default()).await;
        let why = waits(&plan);
        assert!(why.contains("Channel/main still refers to it"), "{why}");
    });
}

#[test]
fn a_stage_with_a_composition_or_an_ingest_configuration_of_another_owner_stays() {
    on_paused_time(async {
        for by_composition in [true, false] {
            let account = Account::empty().await;
            let keep = manifest("Channel", "keep", "{}");
            let both = format!("{keep}{}", manifest("Stage", "studio", "{}"));
            applied(&account, &both, &PRUNE).await;
            let stage = the_only(&account, Kind::Stage).await;
            let theirs = if by_composition {
                a_composition(&account, stage.arn.as_str()).await
            } else {
                let request = account.aws.realtime.create_ingest_configuration();
                let request = request.stage_arn(stage.arn.as_str()).ingest_protocol("RTMPS".into());
                let made = request.send().await.sorted("CreateIngestConfiguration").expect("made");
                made.ingest_configuration.expect("answered").arn
            };
            let plan = applied(&account, &keep, &PRUNE).await;
            let why = waits(&plan);
            assert!(why.contains(&theirs), "{why}");
            the_only(&account, Kind::Stage).await;
        }
    });
}

async fn a_composition(account: &Account, stage: &str) -> String {
    use aws_sdk_ivsrealtime::types::{ChannelDestinationConfiguration, DestinationConfiguration};
    let keep = the_only(account, Kind::Channel).await;
    let channel = ChannelDestinationConfiguration::builder().channel_arn(keep.arn.as_str());
    let to = DestinationConfiguration::builder().channel(channel.build().expect("whole")).build();
    let request = account.aws.realtime.start_composition().stage_arn(stage).destinations(to);
    let made = request.send().await.sorted("StartComposition").expect("started");
    made.composition.expect("answered").arn
}

#[test]
fn a_storage_configuration_that_stages_and_compositions_of_other_owners_refer_to_stays() {
    on_paused_time(async {
        use aws_sdk_ivsrealtime::types::{
            AutoParticipantRecordingConfiguration, DestinationConfiguration,
            S3DestinationConfiguration,
        };
        for by_composition in [true, false] {
            let account = Account::empty().await;
            let keep = manifest("Stage", "keep", "{}");
            let tape = manifest("StorageConfiguration", "tape", "{ s3: { bucketName: tape } }");
            applied(&account, &format!("{keep}{tape}"), &PRUNE).await;
            let tape = the_only(&account, Kind::StorageConfiguration).await;
            let realtime = &account.aws.realtime;
            let (theirs, named) = if by_composition {
                let encoder = realtime.create_encoder_configuration().send().await;
                let encoder = encoder.sorted("CreateEncoderConfiguration").expect("made");
                let s3 = S3DestinationConfiguration::builder()
                    .storage_configuration_arn(tape.arn.as_str())
                    .encoder_configuration_arns(encoder.encoder_configuration.expect("made").arn);
                let s3 = s3.build().expect("whole");
                let stage = the_only(&account, Kind::Stage).await;
                let request = realtime.start_composition().stage_arn(stage.arn.as_str());
                let request =
                    request.destinations(DestinationConfiguration::builder().s3(s3).build());
                let made = request.send().await.sorted("StartComposition").expect("started");
                (made.composition.expect("answered").arn, "which no manifest declares")
            } else {
                let recording = AutoParticipantRecordingConfiguration::builder()
                    .storage_configuration_arn(tape.arn.as_str());
                let request = realtime
                    .create_stage()
                    .auto_participant_recording_configuration(recording.build().expect("whole"))
                    .tags("ivs-apply:stack", "theirs")
                    .tags("ivs-apply:name", "their-stage")
                    .tags("ivs-apply:record", "0");
                let made = request.send().await.sorted("CreateStage").expect("made");
                (made.stage.expect("answered").arn, "which belongs to stack `theirs`")
            };
            let plan = applied(&account, &keep, &PRUNE).await;
            let why = waits(&plan);
            assert!(why.contains(&theirs) && why.contains(named), "{why}");
            the_only(&account, Kind::StorageConfiguration).await;
        }
    });
}
