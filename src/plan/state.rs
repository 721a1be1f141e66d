//! The state of each resource of a stack, for a view: taken from the plan, or, without manifests, from the ownership tags.
//!
//! Compares nothing that the planner has not compared.

use super::action::Action;
use super::drift::Attention;
use super::duplicate;
use super::inputs::Inputs;
use super::outside::was_changed;
use super::policy::Policy;
use super::reason::{Reason, codes};
use super::step::{Cause, Decision, Plan, Step};
use crate::diag::Origin;
use crate::kinds::{Address, Arn, Mutable, Observed, ObservedState, Stack};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The state of a resource; what needs attention most comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub enum ResourceState {
    /// The plan refuses the whole run because of it.
    Blocked,
    /// Its object belongs to another stack or tool, which refuses the whole run.
    Unmanaged,
    /// AWS failed to create it.
    Failed,
    /// It runs, and some of its destinations have failed.
    Degraded,
    /// It is declared and does not exist: it was deleted outside ivs-apply, or never applied.
    Missing,
    /// It was changed outside ivs-apply.
    Drifted,
    /// A change of it waits, for the end of an audience or for another step.
    Deferred,
    /// It differs since its manifest changed, or a step tidies up after an earlier run.
    Pending,
    /// It is owned and no manifest declares it.
    Orphaned,
    /// It is not to run at the moment.
    Dormant,
    /// It exists, and nothing tells whether it is as it was applied.
    NotCompared,
    /// It is as its manifest says; without manifests, as it was applied.
    InSync,
}

codes! { ResourceState: Blocked, Unmanaged, Failed, Degraded, Missing, Drifted, Deferred, Pending, Orphaned, Dormant, NotCompared, InSync }

/// One resource with its state.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceStatus {
    /// Which resource.
    pub address: Address,
    /// Its state.
    pub state: ResourceState,
    /// Its object, where there is one.
    pub arn: Option<Arn>,
    /// What an apply would do to it, now or later.
    pub action: Option<Action>,
    /// Why.
    pub because: Vec<Cause>,
    /// What the action waits for, or what forbids it.
    pub reason: Option<Reason>,
    /// Its manifest.
    pub origin: Option<Origin>,
}

impl ResourceStatus {
    fn of(address: &Address, state: ResourceState, observed: Option<&Observed>) -> Self {
        Self {
            address: address.clone(),
            state,
            arn: observed.map(|it| it.arn.clone()),
            action: None,
            because: Vec::new(),
            reason: None,
            origin: None,
        }
    }

    /// `first` is the part of the step that is carried out before it, where there is one.
    fn of_step(step: &Step, first: Option<&Step>) -> Self {
        // What the state comes from is said first.
        let mut because = step.because.clone();
        because.sort_by_key(|it| !it.is_drift());
        // A replacement that begins with a delete waits for what the delete waits for.
        let mut reason = step.decision.reason();
        if let (Some(Reason::WaitsFor { address: None, .. }), Some(first)) = (reason, first) {
            reason = first.decision.reason();
        }
        Self {
            address: step.address.clone(),
            state: state_of(step),
            arn: step.arn.clone(),
            action: Some(step.action),
            because,
            reason: reason.cloned(),
            origin: step.origin,
        }
    }
}

/// What a step says about its resource. What was changed outside ivs-apply keeps that state also where its repair has to
/// wait.
fn state_of(step: &Step) -> ResourceState {
    match &step.decision {
        Decision::Blocked(_) => return ResourceState::Blocked,
        Decision::Unmanaged(_) => return ResourceState::Unmanaged,
        Decision::Do | Decision::Interrupt | Decision::Deferred(_) | Decision::Dormant(_) => {}
    }
    if step.because.contains(&Cause::Orphan) {
        return ResourceState::Orphaned;
    }
    if step.is_drift() {
        return match step.attention() {
            Attention::Failed => ResourceState::Failed,
            Attention::Degraded => ResourceState::Degraded,
            Attention::Gone | Attention::Missing => ResourceState::Missing,
            Attention::Live | Attention::Changed => ResourceState::Drifted,
            Attention::Unclear => ResourceState::Blocked,
        };
    }
    match step.decision {
        Decision::Deferred(_) => ResourceState::Deferred,
        Decision::Dormant(_) => ResourceState::Dormant,
        _ if step.because.contains(&Cause::Missing) => ResourceState::Missing,
        _ => ResourceState::Pending,
    }
}

impl Plan {
    /// Every resource that the plan is about, each with its state; those that need attention come first. Of several steps
    /// the one with the state that needs the most attention counts.
    pub fn resource_states(&self, observed: &ObservedState) -> Vec<ResourceStatus> {
        let mut all: BTreeMap<Address, ResourceStatus> = BTreeMap::new();
        let mut note = |it: ResourceStatus| match all.get(&it.address) {
            Some(other) if other.state <= it.state => {}
            _ => drop(all.insert(it.address.clone(), it)),
        };
        let object = |address| observed.owned.get(address);
        for address in &self.unchanged {
            note(ResourceStatus::of(address, ResourceState::InSync, object(address)));
        }
        for address in &self.orphans {
            let left = || observed.left_behind.iter().find(|(it, _)| it == address);
            let object = object(address).or_else(|| left().map(|(_, it)| it));
            note(ResourceStatus::of(address, ResourceState::Orphaned, object));
        }
        let parts = self.replacements();
        let by_id = self.by_id();
        for step in self.steps.iter().filter(|it| !parts.contains_key(&it.id)) {
            let first = step.after.iter().find(|it| parts.get(it) == Some(&step.id));
            note(ResourceStatus::of_step(step, first.and_then(|it| by_id.get(it)).copied()));
        }
        sorted(all)
    }
}

/// Every resource that a stack owns by its tags, without manifests: an object is compared with the digest of what was
/// last applied. Fields of `ignoreChanges` and tags of `ignoreTags` count as changed, since only manifests name them.
pub fn recorded_states(
    stack: &Stack,
    observed: &ObservedState,
    policy: &Policy,
) -> Vec<ResourceStatus> {
    let inputs = Inputs::new(stack, &[], &[], observed, policy);
    let mut all = BTreeMap::new();
    for (address, object) in observed.owned.iter().filter(|(it, _)| policy.is_about(it)) {
        let unclear = duplicate::unclear(observed, object);
        let mut status = ResourceStatus::of(address, ResourceState::Blocked, Some(object));
        if let Some(reason) = unclear {
            status.because = vec![Cause::Unclear];
            status.reason = Some(reason);
        } else {
            (status.state, status.because) = recorded_state(&inputs, object);
        }
        all.insert(address.clone(), status);
    }
    let others = observed.superseded.iter().chain(&observed.left_behind);
    for (address, object) in others.filter(|(it, _)| policy.is_about(it)) {
        let status = ResourceStatus::of(address, ResourceState::NotCompared, Some(object));
        all.entry(address.clone()).or_insert(status);
    }
    sorted(all)
}

/// What an object says of itself. One that cannot be changed in place, or whose spec holds what AWS never returns, is not
/// compared.
fn recorded_state(inputs: &Inputs<'_>, object: &Observed) -> (ResourceState, Vec<Cause>) {
    if let Some(state) = object.state.clone().filter(|_| object.has_failed()) {
        return (ResourceState::Failed, vec![Cause::Failed { state }]);
    }
    if let Some(degraded) = object.degraded {
        return (ResourceState::Degraded, vec![Cause::Degraded(degraded)]);
    }
    let facts = object.kind.facts();
    let comparable = facts.mutable != Mutable::TagsOnly && facts.local.is_empty();
    let Some(spec) = object.spec.as_ref().filter(|_| comparable) else {
        return (ResourceState::NotCompared, Vec::new());
    };
    if was_changed(inputs, object, spec, spec, &[]) {
        (ResourceState::Drifted, vec![Cause::Drift])
    } else {
        (ResourceState::InSync, Vec::new())
    }
}

fn sorted(all: BTreeMap<Address, ResourceStatus>) -> Vec<ResourceStatus> {
    let mut all: Vec<ResourceStatus> = all.into_values().collect();
    all.sort_by_key(|it| it.state);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{Degraded, owner};
    use crate::plan::tests::{
        Account, BUCKET, RECORDED, ROW, Row, address, desired, destroying, pruning,
    };
    use crate::plan::{NotDrift, plan};

    const MAIN: &str = "Channel/main";
    const LOW: &str = "Channel/main { latencyMode: LOW }";
    const NORMAL: &str = "Channel/main { latencyMode: NORMAL }";
    const FAIL: &str = "Channel/main { latencyMode: NORMAL } | lifecycle: { onLive: fail }";
    const PROTECTED: &str = "Channel/main | lifecycle: { protect: true }";
    const STAGE: &str = "Stage/studio";
    const TAPE: &str = "StorageConfiguration/tape { s3: { bucketName: a-bucket } }";
    const HD: &str = "EncoderConfiguration/hd { video: { width: 1280, height: 720 } }";
    const SHOW: &str = "Composition/show { stage: studio, destinations: [{ name: one, s3: { \
         storageConfiguration: tape, encoderConfigurations: [hd] } }] }";
    const STOPPED: &str = "Composition/show { stage: studio, run: STOPPED, destinations: [{ name: one, s3: { \
         storageConfiguration: tape, encoderConfigurations: [hd] } }] }";

    /// The states of a situation, each with the code of its reason, and the drift of the same plan.
    fn told(row: &Row) -> (Vec<String>, Plan, NotDrift) {
        let mut account = Account::applied(row.applied);
        (row.account)(&mut account);
        let stack = Stack::named("tests");
        let mut plan = plan(&stack, &desired(row.manifests), &account.0, &(row.policy)());
        let states = plan.resource_states(&account.0);
        let told = states.iter().filter(|it| it.state != ResourceState::InSync).map(|it| {
            let reason = it.reason.as_ref().map(|it| format!(" {}", it.code()));
            format!("{} {}{}", it.state.code(), it.address, reason.unwrap_or_default())
        });
        let told = told.collect();
        let others = plan.keep_drift(&account.0.audience, false);
        (told, plan, others)
    }

    /// Each row has the states in place of the steps.
    fn check(rows: &[Row]) {
        for row in rows {
            let (states, drift, _) = told(row);
            assert_eq!(states, row.steps, "{}", row.when);
            // A view and `drift` never disagree.
            let drifted = ["Drifted", "Degraded", "Failed", "Missing", "Blocked"];
            for step in &drift.steps {
                let address = step.address.to_string();
                let has = |it: &String| {
                    let mut words = it.split(' ');
                    words.next().is_some_and(|it| drifted.contains(&it))
                        && words.next() == Some(&address)
                };
                assert!(states.iter().any(has), "{}: {address} is drift: {states:?}", row.when);
            }
        }
    }

    #[test]
    fn each_state_comes_from_the_plan() {
        check(&[
            Row { when: "as applied", applied: &[MAIN], manifests: &[MAIN], steps: &[], ..ROW },
            Row {
                when: "never applied",
                manifests: &[MAIN],
                steps: &["Missing Channel/main"],
                ..ROW
            },
            Row {
                when: "the manifest changed",
                applied: &[LOW],
                manifests: &[NORMAL],
                steps: &["Pending Channel/main"],
                ..ROW
            },
            Row {
                when: "the manifest changed, and the channel is live",
                applied: &[LOW],
                manifests: &[NORMAL],
                account: |it| it.go_live(MAIN),
                steps: &["Deferred Channel/main LiveAudience"],
                ..ROW
            },
            Row {
                when: "the manifest changed and says onLive: fail, and the channel is live",
                applied: &[LOW],
                manifests: &[FAIL],
                account: |it| it.go_live(MAIN),
                steps: &["Blocked Channel/main LiveAudience"],
                ..ROW
            },
            Row {
                when: "changed outside",
                applied: &[LOW],
                manifests: &[LOW],
                account: |it| it.change(MAIN, "latencyMode", "NORMAL"),
                steps: &["Drifted Channel/main"],
                ..ROW
            },
            Row {
                when: "changed outside while it is live: the repair waits, and it is drift all the same",
                applied: &[LOW],
                manifests: &[LOW],
                account: |it| {
                    it.change(MAIN, "latencyMode", "NORMAL");
                    it.go_live(MAIN);
                },
                steps: &["Drifted Channel/main LiveAudience"],
                ..ROW
            },
            Row {
                when: "deleted outside, and another object still refers to it",
                applied: &[BUCKET, RECORDED],
                manifests: &[BUCKET, RECORDED],
                account: |it| it.delete("RecordingConfiguration/archive"),
                steps: &["Missing RecordingConfiguration/archive", "Drifted Channel/main"],
                ..ROW
            },
            Row {
                when: "AWS failed to create it",
                applied: &[BUCKET],
                manifests: &[BUCKET],
                account: |it| {
                    it.object("RecordingConfiguration/archive").state =
                        Some("CREATE_FAILED".to_owned());
                },
                steps: &["Failed RecordingConfiguration/archive"],
                ..ROW
            },
            Row {
                when: "no manifest declares it",
                applied: &[MAIN],
                steps: &["Orphaned Channel/main"],
                ..ROW
            },
            Row {
                when: "no manifest declares it, it is pruned, and it is live",
                applied: &[MAIN],
                account: |it| it.go_live(MAIN),
                policy: pruning,
                steps: &["Orphaned Channel/main LiveAudience"],
                ..ROW
            },
            Row {
                when: "no manifest declares it, it is pruned, and it is protected",
                applied: &[PROTECTED],
                policy: pruning,
                steps: &["Blocked Channel/main Protected"],
                ..ROW
            },
            Row {
                when: "everything is to be deleted",
                applied: &[MAIN],
                manifests: &[MAIN],
                policy: destroying,
                steps: &["Pending Channel/main"],
                ..ROW
            },
            Row {
                when: "the object to adopt belongs to another stack",
                applied: &[MAIN],
                manifests: &[
                    "Channel/other | lifecycle: { adopt: \"arn:aws:ivs:us-west-2:000000000000:channel/main\" }",
                ],
                account: |it| {
                    let mut object = it.take(MAIN);
                    object.tags.insert(owner::STACK.to_owned(), "another".to_owned());
                    it.0.foreign.insert(address("Channel/other"), object);
                },
                steps: &["Unmanaged Channel/other OwnedByAnother"],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_composition_is_dormant_stopped_or_degraded() {
        check(&[
            Row {
                when: "nobody publishes",
                applied: &[STAGE, HD, TAPE],
                manifests: &[STAGE, HD, TAPE, SHOW],
                steps: &["Dormant Composition/show NoPublisher"],
                ..ROW
            },
            Row {
                when: "it is not to run, and does not",
                applied: &[STAGE, HD, TAPE],
                manifests: &[STAGE, HD, TAPE, STOPPED],
                steps: &[],
                ..ROW
            },
            Row {
                when: "it is not to run, and does",
                applied: &[STAGE, HD, TAPE, SHOW],
                manifests: &[STAGE, HD, TAPE, STOPPED],
                steps: &["Pending Composition/show"],
                ..ROW
            },
            Row {
                when: "one of two destinations has failed; the replacement waits for what its delete waits for",
                applied: &[STAGE, HD, TAPE, SHOW],
                manifests: &[STAGE, HD, TAPE, SHOW],
                account: |it| {
                    let stage = crate::plan::tests::arn(&address(STAGE));
                    it.0.publishers.insert(crate::kinds::Publisher::AnyParticipant { stage });
                    it.object("Composition/show").degraded = Some(Degraded { failed: 1, of: 2 });
                    let arn = it.object("Composition/show").arn.clone();
                    let audience = crate::kinds::Audience::composition(arn.clone());
                    it.0.audience.insert(arn, audience);
                },
                steps: &["Degraded Composition/show LiveAudience"],
                ..ROW
            },
        ]);
    }

    #[test]
    fn without_manifests_the_digest_tells_what_was_changed() {
        let mut account = Account::applied(&[LOW, BUCKET, STAGE, HD, TAPE, SHOW]);
        account.change(MAIN, "latencyMode", "NORMAL");
        account.object("Composition/show").degraded = Some(Degraded { failed: 1, of: 2 });
        let states = recorded_states(&Stack::named("tests"), &account.0, &Policy::default());
        let told: Vec<String> =
            states.iter().map(|it| format!("{} {}", it.state.code(), it.address)).collect();
        assert_eq!(
            told,
            [
                "Degraded Composition/show",
                "Drifted Channel/main",
                "NotCompared EncoderConfiguration/hd",
                "NotCompared RecordingConfiguration/archive",
                "NotCompared StorageConfiguration/tape",
                "InSync Stage/studio",
            ]
        );
    }
}
