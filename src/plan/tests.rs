//! Tables for the tests of the planner: each row is a situation and the plan that it leads to.
//!
//! A manifest is written on one line: `Channel/main { latencyMode: NORMAL } | lifecycle: { protect: true }`, with
//! `was: [old]` for `metadata.previousNames`. A step is written as `update Channel/main (pending): deferred
//! LiveAudience`: the action, the address, the causes, and unless it is carried out the decision with its code.

use super::{Decision, Plan, Policy, Step, plan};
use crate::kinds::owner::PROTECT;
use crate::kinds::{
    Address, Arn, Audience, Desired, Duplicate, Kind, Observed, ObservedState, OwnershipTags,
    Stack, json,
};
use crate::manifest::load_text;
use serde_json::Value;

/// The create attempt of every object, with its time.
pub(super) const ATTEMPT: &str = "01K00000000000000000000000";

/// A resource that no update call can change.
pub(super) const BUCKET: &str =
    "RecordingConfiguration/archive { destinationConfiguration: { s3: { bucketName: a-bucket } } }";
/// The same resource with a change that needs another object.
pub(super) const OTHER_BUCKET: &str =
    "RecordingConfiguration/archive { destinationConfiguration: { s3: { bucketName: b-bucket } } }";
/// A resource that refers to it.
pub(super) const RECORDED: &str = "Channel/main { recordingConfiguration: archive }";

/// A situation, and the steps of its plan in their order.
pub(super) struct Row {
    /// The situation in words.
    pub(super) when: &'static str,
    /// The manifests that were last applied. Their objects exist.
    pub(super) applied: &'static [&'static str],
    /// The manifests of now.
    pub(super) manifests: &'static [&'static str],
    /// What else happened in the account.
    pub(super) account: fn(&mut Account),
    /// What the command line allows.
    pub(super) policy: fn() -> Policy,
    /// The steps.
    pub(super) steps: &'static [&'static str],
}

/// The row of an empty account without manifests.
pub(super) const ROW: Row = Row {
    when: "",
    applied: &[],
    manifests: &[],
    account: |_| {},
    policy: Policy::default,
    steps: &[],
};

/// `--prune`.
pub(super) fn pruning() -> Policy {
    Policy { prune: true, ..Policy::default() }
}

/// `destroy`.
pub(super) fn destroying() -> Policy {
    Policy { destroy: true, ..Policy::default() }
}

/// `--allow-live Channel/main`.
pub(super) fn allowing_main() -> Policy {
    let main = "Channel/main".parse().expect("an address");
    Policy { allow_live: [main].into(), ..Policy::default() }
}

impl Row {
    /// The plan of this situation.
    pub(super) fn plan(&self) -> Plan {
        let stack = Stack::named("tests");
        let mut account = Account::applied(self.applied);
        (self.account)(&mut account);
        plan(&stack, &desired(self.manifests), &account.0, &(self.policy)())
    }
}

/// Checks every row, and reports all that fail.
#[track_caller]
pub(super) fn check(rows: &[Row]) {
    let wrong: Vec<String> = rows
        .iter()
        .map(|row| (row, told(&row.plan())))
        .filter(|(row, steps)| row.steps != steps.as_slice())
        .map(|(row, steps)| {
            format!("{}:\n  planned  {steps:?}\n  expected {:?}", row.when, row.steps)
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The steps of a plan in their order.
pub(super) fn told(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(step).collect()
}

fn step(it: &Step) -> String {
    let cause = |it| json(it)["cause"].as_str().expect("a cause has a name").to_owned();
    let because: Vec<String> = it.because.iter().map(cause).collect();
    let decision = match (&it.decision, it.decision.reason()) {
        (Decision::Do, _) => String::new(),
        (Decision::Interrupt, _) => ": interrupt".to_owned(),
        (decision, Some(reason)) => format!(": {} {}", decision.as_str(), reason.code()),
        (_, None) => unreachable!("every other decision has a reason"),
    };
    format!("{} {} ({}){decision}", it.action.as_str(), it.address, because.join(" "))
}

/// The resources of manifests in the short form.
pub(super) fn desired(manifests: &[&str]) -> Vec<Desired> {
    let document = |line: &&str| {
        let mut parts = line.split(" | ");
        let head = parts.next().unwrap_or_default();
        let (address, spec) = head.split_once(' ').unwrap_or((head, "{}"));
        let (kind, name) = address.split_once('/').expect("an address");
        let (mut metadata, mut rest) = (format!("name: {name}"), String::new());
        for part in parts {
            match part.strip_prefix("was: ") {
                Some(names) => metadata += &format!(", previousNames: {names}"),
                None => rest += &format!(", {part}"),
            }
        }
        format!(
            "{{ apiVersion: ivs-apply.dev/v1, kind: {kind}, metadata: {{ {metadata} }}, spec: {spec}{rest} }}\n"
        )
    };
    if manifests.is_empty() {
        return Vec::new();
    }
    let text: Vec<String> = manifests.iter().map(document).collect();
    let loaded = load_text("tests.yaml", &text.join("---\n"), Some("tests"));
    assert!(!loaded.report.has_errors(), "{manifests:?}: {:#?}", loaded.report);
    loaded.desired
}

/// An account as a run reads it.
pub(super) struct Account(pub(super) ObservedState);

/// The ARN of the object of that name.
pub(super) fn arn(address: &Address) -> Arn {
    let arn_type = address.kind.facts().arn_type.expect("a kind with ARNs");
    Arn::new(format!("arn:aws:ivs:us-west-2:000000000000:{arn_type}/{}", address.name))
}

pub(super) fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

impl Account {
    /// The account after these manifests were applied to an empty one.
    pub(super) fn applied(manifests: &[&str]) -> Self {
        let mut observed = ObservedState {
            listed: Kind::ALL.iter().copied().collect(),
            as_of: Some("2030-01-01T00:00:00Z".parse().expect("a time")),
            ..ObservedState::default()
        };
        let applied = desired(manifests);
        for it in &applied {
            observed.addresses.note(it.address.clone(), arn(&it.address));
        }
        for it in applied {
            let ownership = OwnershipTags {
                stack: "tests".to_owned(),
                name: it.address.name.clone(),
                digest: it.spec.digest(&observed.addresses).expect("every reference has an ARN"),
                attempt_id: ATTEMPT.to_owned(),
                protect: it.lifecycle.protect,
                meant_protected: it.lifecycle.protect,
                rotation: it.spec.rotation().map(ToOwned::to_owned),
                ..OwnershipTags::default()
            };
            let arn = arn(&it.address).to_string();
            let object = Observed::listed(it.address.kind, arn, ownership.tags()).with(it.spec);
            observed.owned.insert(it.address, object);
        }
        Self(observed)
    }

    /// The object of a resource.
    pub(super) fn object(&mut self, of: &str) -> &mut Observed {
        self.0.owned.get_mut(&address(of)).expect("an object of the stack")
    }

    /// Takes the object of a resource out of the stack.
    pub(super) fn take(&mut self, of: &str) -> Observed {
        let object = self.0.owned.remove(&address(of)).expect("an object of the stack");
        self.0.addresses.forget(&object.arn);
        object
    }

    /// Changes a field of an object outside ivs-apply.
    pub(super) fn change(&mut self, of: &str, field: &str, value: impl Into<Value>) {
        let object = self.object(of);
        let mut spec = json(object.spec.as_ref().expect("read"));
        spec[field] = value.into();
        object.spec = object.kind.from_json(spec);
        assert!(object.spec.is_some(), "{of} has no such {field}");
    }

    /// Deletes an object outside ivs-apply. What referred to it still has its ARN.
    pub(super) fn delete(&mut self, of: &str) {
        let arn = self.take(of).arn;
        for other in self.0.owned.values_mut() {
            let Some(spec) = &other.spec else { continue };
            let name = Value::String(address(of).name);
            let mut fields = json(spec);
            for field in spec.refs().into_iter().map(|it| it.field.to_string()) {
                if fields[field.as_str()] == name {
                    fields[field.as_str()] = Value::String(arn.to_string());
                }
            }
            other.spec = other.kind.from_json(fields);
        }
    }

    /// Puts a channel, or what else streams, on air.
    pub(super) fn go_live(&mut self, of: &str) {
        let audience = Audience::stream(5, Some("st-1".to_owned()));
        self.0.audience.insert(arn(&address(of)), audience);
    }

    /// Writes the tag that protects an object, or removes it.
    pub(super) fn tag_protected(&mut self, of: &str, protected: bool) {
        let tags = &mut self.object(of).tags;
        if protected {
            tags.insert(PROTECT.to_owned(), "true".to_owned());
        } else {
            tags.remove(PROTECT);
        }
    }

    /// Adds a second object with the tags of a resource's object, and another create attempt.
    pub(super) fn duplicate(&mut self, of: &str, attempt: &str) -> &mut Duplicate {
        let winner = self.object(of).clone();
        let crate::kinds::Owner::Stack(ownership) = winner.owner() else { panic!("owned") };
        let tags = OwnershipTags { attempt_id: attempt.to_owned(), ..ownership }.tags();
        let copy = Observed { arn: winner.arn.sibling("copy"), tags, ..winner.clone() };
        self.0.duplicates.push(Duplicate {
            address: address(of),
            observed: copy,
            winner: winner.arn,
            untouched: true,
            winner_untouched: true,
        });
        self.0.duplicates.last_mut().expect("just pushed")
    }
}
