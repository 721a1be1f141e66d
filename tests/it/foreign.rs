//! Objects of another stack, or of `CloudFormation`: objects that AWS creates with them, and resources that would act
//! on them through a reference by ARN.

use crate::account::{Account, on_paused_time};
use aws_sdk_ivsrealtime::types::IngestProtocol;
use ivs_apply::apply::Outcome;
use ivs_apply::aws::{Service, Sorted, Tags};
use ivs_apply::cloud::Reading;
use ivs_apply::kinds::{Kind, Spec, Stack};
use ivs_apply::manifest::export::{self, WhyLeftOut};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Action, Plan, Policy, Status};
use ivs_apply::ui::reason;
use serde_json::json;
use std::collections::BTreeSet;

const HEAD: &str = "---\napiVersion: ivs-apply.dev/v1\n";

async fn planned(account: &Account, text: &str) -> Plan {
    let loaded = load_text("a.yaml", text, Some("ours"));
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    account.plan(&Stack::named("ours"), &loaded.desired, &Policy::default()).await.1
}

async fn applied(account: &Account, text: &str) {
    let stack = Stack::named("ours");
    let loaded = load_text("a.yaml", text, Some("ours"));
    let (observed, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
    let outcome = account.apply(&stack, &observed, &plan).await;
    assert!(outcome.is_well(), "{outcome:#?}");
}

/// The owner of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
enum OwnedBy {
    Unowned,
    OtherStack,
    CloudFormation,
    Ambiguous,
}

impl OwnedBy {
    const FOREIGN: [Self; 3] = [Self::OtherStack, Self::CloudFormation, Self::Ambiguous];

    /// How a refusal names the owner.
    fn named(self) -> &'static str {
        match self {
            Self::OtherStack => "stack `other` (as `theirs`)",
            Self::CloudFormation => "CloudFormation stack `web`",
            Self::Ambiguous => "an unknown owner",
            Self::Unowned => "no stack",
        }
    }

    async fn tag(self, account: &Account, service: Service, arn: &str) {
        let owned = |key: &str, value: &str| (format!("ivs-apply:{key}"), value.to_owned());
        let tags: Tags = match self {
            Self::Unowned => return,
            Self::CloudFormation => {
                let tags = json!({ "aws:cloudformation:stack-name": "web" });
                let body = json!({ "resourceArn": arn, "tags": tags });
                account.control("POST", "/_emulator/tags", body);
                return;
            }
            Self::OtherStack => {
                [owned("stack", "other"), owned("name", "theirs"), owned("digest", "0")].into()
            }
            Self::Ambiguous => [owned("stack", "other")].into(),
        };
        account.aws.tag(service, arn, &tags).await.expect("tagged");
    }

    async fn channel(self, account: &Account) -> String {
        let made = account.aws.ivs.create_channel().send().await.sorted("CreateChannel");
        let arn = made.expect("made").channel.and_then(|it| it.arn).expect("answered");
        self.tag(account, Service::LowLatency, &arn).await;
        arn
    }

    async fn stage(self, account: &Account) -> String {
        let made = account.aws.realtime.create_stage().send().await.sorted("CreateStage");
        let arn = made.expect("made").stage.expect("answered").arn;
        self.tag(account, Service::RealTime, &arn).await;
        arn
    }
}

fn refused(plan: &Plan, owner: OwnedBy, arn: &str) {
    assert_eq!(plan.status(), Status::Blocked, "{owner:?}: {plan:#?}");
    let reasons = plan.steps.iter().filter_map(|it| it.decision.reason());
    let reasons: Vec<String> = reasons.map(reason::text).collect();
    let named = reasons.iter().any(|it| it.contains(arn) && it.contains(owner.named()));
    assert!(named, "{owner:?}: {reasons:?}");
}

fn key(channel: &str, rotation: &str) -> String {
    format!(
        "{HEAD}kind: StreamKey\nmetadata: {{ name: k }}\nspec: {{ channel: \"{channel}\", rotation: \"{rotation}\" }}\n"
    )
}

#[test]
fn a_stream_key_belongs_to_the_owner_of_its_channel() {
    on_paused_time(async {
        for owner in OwnedBy::FOREIGN {
            let account = Account::empty().await;
            let channel = owner.channel(&account).await;
            refused(&planned(&account, &key(&channel, "1")).await, owner, &channel);
        }
        let account = Account::empty().await;
        let channel = OwnedBy::Unowned.channel(&account).await;
        applied(&account, &key(&channel, "1")).await;
        assert_eq!(planned(&account, &key(&channel, "1")).await.status(), Status::Clean);
    });
}

#[test]
fn a_stream_key_of_the_stack_is_not_rotated_if_its_channel_has_another_owner() {
    on_paused_time(async {
        for owner in OwnedBy::FOREIGN {
            let account = Account::empty().await;
            let channel = OwnedBy::Unowned.channel(&account).await;
            applied(&account, &key(&channel, "1")).await;
            owner.tag(&account, Service::LowLatency, &channel).await;
            let plan = planned(&account, &key(&channel, "2")).await;
            refused(&plan, owner, &channel);
            assert!(plan.steps.iter().all(|it| !it.decision.is_do()), "{plan:#?}");
        }
    });
}

#[test]
fn a_channel_that_is_taken_over_between_plan_and_call_keeps_its_stream_key() {
    on_paused_time(async {
        let account = Account::empty().await;
        let channel = OwnedBy::Unowned.channel(&account).await;
        let text = key(&channel, "1");
        let loaded = load_text("a.yaml", &text, Some("ours"));
        let stack = Stack::named("ours");
        let (observed, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
        assert_eq!(plan.steps[0].action, Action::Adopt);
        // Deleted meanwhile, so that the step has to make one.
        let listed = account.aws.ivs.list_stream_keys().channel_arn(&channel).send().await;
        let keys = listed.sorted("ListStreamKeys").expect("listed").stream_keys;
        let old = keys[0].arn.clone().expect("an ARN");
        account.aws.ivs.delete_stream_key().arn(&old).send().await.expect("deleted");
        let (observed, plan) = {
            drop((observed, plan));
            account.plan(&stack, &loaded.desired, &Policy::default()).await
        };
        assert_eq!(plan.steps[0].action, Action::Create, "{plan:#?}");
        OwnedBy::OtherStack.tag(&account, Service::LowLatency, &channel).await;
        let outcome = account.apply(&stack, &observed, &plan).await;
        assert!(!outcome.is_well() && !outcome.wrote, "{outcome:#?}");
    });
}

#[test]
fn a_composition_is_not_put_on_a_channel_of_another_owner() {
    on_paused_time(async {
        for run in ["ALWAYS", "WHILE_STAGE_ACTIVE"] {
            for owner in OwnedBy::FOREIGN {
                let account = Account::empty().await;
                let channel = owner.channel(&account).await;
                let text = format!(
                    "{HEAD}kind: Stage\nmetadata: {{ name: studio }}\nspec: {{}}\n\
                     {HEAD}kind: Composition\nmetadata: {{ name: show }}\nspec:\n  stage: studio\n  run: {run}\n  \
                     destinations: [{{ channel: {{ channel: \"{channel}\" }} }}]\n"
                );
                refused(&planned(&account, &text).await, owner, &channel);
            }
        }
    });
}

#[test]
fn a_participant_is_replicated_from_a_stage_of_another_owner_and_not_onto_one() {
    on_paused_time(async {
        for owner in OwnedBy::FOREIGN {
            let account = Account::empty().await;
            let stage = owner.stage(&account).await;
            let replication = |from: &str, to: &str| {
                format!(
                    "{HEAD}kind: Stage\nmetadata: {{ name: studio }}\nspec: {{}}\n\
                     {HEAD}kind: ParticipantReplication\nmetadata: {{ name: guest }}\n\
                     spec: {{ sourceStage: \"{from}\", destinationStage: \"{to}\", participantId: host }}\n"
                )
            };
            refused(&planned(&account, &replication("studio", &stage)).await, owner, &stage);
            let there = json!({ "stageArn": stage, "participantId": "host" });
            account.control("POST", "/_emulator/participants", there);
            let from = replication(&stage, "studio");
            assert_eq!(planned(&account, &from).await.summary().create, 2);
            applied(&account, &from).await;
            assert_eq!(planned(&account, &from).await.status(), Status::Clean);
        }
    });
}

fn camera(stage: &str, redundant: bool) -> String {
    format!(
        "{HEAD}kind: IngestConfiguration\nmetadata: {{ name: camera }}\n\
         spec: {{ ingestProtocol: RTMPS, stage: \"{stage}\", redundantIngest: {redundant} }}\n"
    )
}

#[test]
fn an_ingest_configuration_does_not_publish_on_a_stage_of_another_owner() {
    on_paused_time(async {
        for owner in OwnedBy::FOREIGN {
            let account = Account::empty().await;
            let stage = owner.stage(&account).await;
            refused(&planned(&account, &camera(&stage, false)).await, owner, &stage);
        }
        let account = Account::empty().await;
        let stage = OwnedBy::Unowned.stage(&account).await;
        applied(&account, &camera(&stage, false)).await;
        assert_eq!(planned(&account, &camera(&stage, false)).await.status(), Status::Clean);
        // Another owner takes the stage over: what publishes on it is no longer changed.
        OwnedBy::OtherStack.tag(&account, Service::RealTime, &stage).await;
        let plan = planned(&account, &camera(&stage, true)).await;
        refused(&plan, OwnedBy::OtherStack, &stage);
        assert!(plan.steps.iter().all(|it| !it.decision.is_do()), "{plan:#?}");
    });
}

/// Applies a plan after another owner took over this object while the plan was approved.
async fn outcome_after_takeover(
    account: &Account,
    text: &str,
    owner: OwnedBy,
    service: Service,
    arn: &str,
) -> Outcome {
    let (stack, loaded) = (Stack::named("ours"), load_text("a.yaml", text, Some("ours")));
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let (observed, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
    assert!(plan.steps.iter().any(|it| it.decision.is_do()), "{plan:#?}");
    owner.tag(account, service, arn).await;
    account.apply(&stack, &observed, &plan).await
}

/// That nothing was written, since this object has another owner now.
fn kept_away(outcome: &Outcome, owner: OwnedBy, arn: &str) {
    assert!(!outcome.is_well() && !outcome.wrote, "{owner:?}: {outcome:#?}");
    let told = format!("{outcome:?}");
    assert!(told.contains(arn), "{owner:?}: {outcome:#?}");
}

const STUDIO: &str =
    "---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: studio }\nspec: {}\n";
const MAIN: &str =
    "---\napiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: main }\nspec: {}\n";

fn show(channel: &str) -> String {
    format!(
        "{HEAD}kind: Composition\nmetadata: {{ name: show }}\nspec:\n  stage: studio\n  run: ALWAYS\n  \
         destinations: [{{ channel: {{ channel: \"{channel}\" }} }}]\n"
    )
}

/// The ARN of the only object of a kind.
fn only(account: &Account, kind: &str) -> String {
    let objects = account.control("GET", "/_emulator/objects", serde_json::Value::Null);
    let mut of_kind = objects["objects"].as_array().expect("a list").iter();
    let it = of_kind.find(|it| it["kind"] == kind).expect("an object");
    it["arn"].as_str().expect("a text").to_owned()
}

#[test]
fn a_composition_does_not_start_on_a_channel_that_was_taken_over_between_plan_and_call() {
    on_paused_time(async {
        for owner in OwnedBy::FOREIGN {
            let account = Account::empty().await;
            applied(&account, STUDIO).await;
            let channel = OwnedBy::Unowned.channel(&account).await;
            let text = format!("{STUDIO}{}", show(&channel));
            let service = Service::LowLatency;
            let outcome = outcome_after_takeover(&account, &text, owner, service, &channel).await;
            kept_away(&outcome, owner, &channel);

            // The same where the channel was the stack's own.
            let account = Account::empty().await;
            applied(&account, &format!("{STUDIO}{MAIN}")).await;
            let channel = only(&account, "Channel");
            let text = format!("{STUDIO}{MAIN}{}", show("main"));
            let outcome = outcome_after_takeover(&account, &text, owner, service, &channel).await;
            kept_away(&outcome, owner, &channel);
        }
    });
}

#[test]
fn a_composition_that_moves_to_a_channel_which_was_taken_over_meanwhile_goes_on_where_it_is() {
    on_paused_time(async {
        for owner in OwnedBy::FOREIGN {
            let account = Account::empty().await;
            let (old, new) = (
                OwnedBy::Unowned.channel(&account).await,
                OwnedBy::Unowned.channel(&account).await,
            );
            applied(&account, &format!("{STUDIO}{}", show(&old))).await;
            let text = format!("{STUDIO}{}", show(&new)).replace(
                "kind: Composition\nmetadata: { name: show }\n",
                "kind: Composition\nmetadata: { name: show }\nlifecycle: { onLive: interrupt }\n",
            );
            let (stack, loaded) = (Stack::named("ours"), load_text("a.yaml", &text, Some("ours")));
            let allow_live = ["Composition/show".parse().expect("an address")].into();
            let policy = Policy { allow_live, ..Policy::default() };
            let (observed, plan) = account.plan(&stack, &loaded.desired, &policy).await;
            let deletes = plan.steps.iter().any(|it| it.action == Action::Delete);
            assert!(deletes && plan.steps.iter().all(|it| it.decision.is_do()), "{plan:#?}");
            owner.tag(&account, Service::LowLatency, &new).await;
            let outcome = account.apply(&stack, &observed, &plan).await;
            kept_away(&outcome, owner, &new);
        }
    });
}

#[test]
fn a_participant_is_not_replicated_onto_a_stage_that_was_taken_over_between_plan_and_call() {
    on_paused_time(async {
        for owner in OwnedBy::FOREIGN {
            let account = Account::empty().await;
            applied(&account, STUDIO).await;
            let there = json!({ "stageArn": only(&account, "Stage"), "participantId": "host" });
            account.control("POST", "/_emulator/participants", there);
            let stage = OwnedBy::Unowned.stage(&account).await;
            let text = format!(
                "{STUDIO}{HEAD}kind: ParticipantReplication\nmetadata: {{ name: guest }}\n\
                 spec: {{ sourceStage: studio, destinationStage: \"{stage}\", participantId: host }}\n"
            );
            let service = Service::RealTime;
            let outcome = outcome_after_takeover(&account, &text, owner, service, &stage).await;
            kept_away(&outcome, owner, &stage);
        }
    });
}

#[test]
fn an_ingest_configuration_is_neither_made_nor_changed_on_a_stage_that_was_taken_over_between_plan_and_call()
 {
    on_paused_time(async {
        for owner in OwnedBy::FOREIGN {
            for exists in [false, true] {
                let account = Account::empty().await;
                let stage = OwnedBy::Unowned.stage(&account).await;
                if exists {
                    applied(&account, &camera(&stage, false)).await;
                }
                let text = camera(&stage, true);
                let service = Service::RealTime;
                let outcome = outcome_after_takeover(&account, &text, owner, service, &stage).await;
                kept_away(&outcome, owner, &stage);
            }
        }
    });
}

#[test]
fn a_stream_key_is_neither_adopted_nor_rotated_once_its_channel_was_taken_over_between_plan_and_call()
 {
    on_paused_time(async {
        for owner in OwnedBy::FOREIGN {
            for exists in [false, true] {
                let account = Account::empty().await;
                let channel = OwnedBy::Unowned.channel(&account).await;
                if exists {
                    applied(&account, &key(&channel, "1")).await;
                }
                let text = key(&channel, "2");
                let service = Service::LowLatency;
                let outcome =
                    outcome_after_takeover(&account, &text, owner, service, &channel).await;
                kept_away(&outcome, owner, &channel);
            }
        }
    });
}

#[test]
fn the_owner_of_an_object_that_a_step_acts_on_is_read_once_and_not_if_this_run_created_it() {
    on_paused_time(async {
        let calls = async |account: &Account, text: &str| {
            account.calls();
            applied(account, text).await;
            account.calls()["ListTagsForResource"].as_u64().unwrap_or_default()
        };
        let text = format!("{STUDIO}{MAIN}{}{}", show("main"), camera("studio", false));
        assert_eq!(calls(&Account::empty().await, &text).await, 0, "all of it is new");
        let account = Account::empty().await;
        applied(&account, &format!("{STUDIO}{MAIN}")).await;
        let before = calls(&account, &format!("{STUDIO}{MAIN}")).await;
        assert_eq!(before, 0, "nothing is written");
        assert_eq!(calls(&account, &text).await, 2, "the channel and the stage were there before");
    });
}

#[test]
fn an_export_leaves_out_resources_that_act_on_an_object_of_another_owner() {
    on_paused_time(async {
        for owner in OwnedBy::FOREIGN {
            let account = Account::empty().await;
            let stage = owner.stage(&account).await;
            let made = account.aws.realtime_once.create_ingest_configuration().stage_arn(&stage);
            let made = made.ingest_protocol(IngestProtocol::Rtmps).send().await.expect("made");
            let ingest = made.ingest_configuration.expect("there").arn;
            let reading = Reading { every_kind: true, full: true, strangers: true };
            let observed = account.read(&Stack::named("default"), &[], reading).await;
            let (_, left_out) = export::names(&observed);
            let left = left_out.iter().find(|it| it.observed.arn.as_str() == ingest);
            let why = left.map(|it| &it.why);
            let acts_on_it = matches!(
                why,
                Some(WhyLeftOut::ActsOnForeign { target, .. }) if target.as_str() == stage
            );
            assert!(acts_on_it, "{left_out:#?}");
        }
    });
}

/// References that are only read: what a resource does with the object leaves that object as it is.
const ONLY_READ: [(Kind, &str); 11] = [
    (Kind::Channel, "recordingConfiguration"),
    (Kind::Channel, "playbackRestrictionPolicy"),
    (Kind::Channel, "adConfiguration"),
    (Kind::Channel, "failoverSlateConfiguration"),
    // A composition watches its stage and publishes nothing there.
    (Kind::Composition, "stage"),
    (Kind::Composition, "destinations[].channel.encoderConfiguration"),
    (Kind::Composition, "destinations[].s3.storageConfiguration"),
    (Kind::Composition, "destinations[].s3.encoderConfigurations[]"),
    // The participant appears on the destination, and nothing changes where it comes from.
    (Kind::ParticipantReplication, "sourceStage"),
    (Kind::ParticipantReplication, "participant"),
    (Kind::Stage, "autoParticipantRecordingConfiguration.storageConfiguration"),
];

#[test]
fn every_reference_either_acts_on_its_object_or_is_listed_as_only_read() {
    let mut only_read = BTreeSet::new();
    let mut acts = BTreeSet::new();
    for kind in Kind::ALL {
        for spec in kind.examples() {
            let acting: Vec<_> = spec.acts_on().into_iter().map(|it| it.field).collect();
            for edge in Spec::refs(&spec) {
                let all = if acting.contains(&edge.field) { &mut acts } else { &mut only_read };
                all.insert((kind.name(), without_indices(&edge.field.to_string())));
            }
        }
    }
    let listed: BTreeSet<(&str, String)> =
        ONLY_READ.iter().map(|(kind, field)| (kind.name(), (*field).to_owned())).collect();
    assert_eq!(only_read, listed);
    let acting = [
        ("Composition", "destinations[].channel.channel"),
        ("IngestConfiguration", "stage"),
        ("ParticipantReplication", "destinationStage"),
        ("StreamKey", "channel"),
    ];
    assert_eq!(acts, acting.map(|(kind, field)| (kind, field.to_owned())).into());
}

/// A field of any item of a list.
fn without_indices(field: &str) -> String {
    let mut parts = field.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.split_once(']').map_or("", |(_, rest)| rest);
        format!("{text}[]{rest}")
    })
}
