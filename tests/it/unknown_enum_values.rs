//! Enum values of AWS that this program does not know: they are not drift, and an update of other fields keeps them.

use crate::zero_values::leaves;
use ivs_apply::diag::{Origin, SourceId};
use ivs_apply::kinds::{
    Address, Arn, Desired, Kind, Observed, ObservedState, OwnershipTags, Spec, Stack,
};
use ivs_apply::plan::{Action, Note, Plan, Policy, plan};
use serde_json::{Value, json};

const UNKNOWN: &str = "FROM_THE_FUTURE";

/// The example as AWS would answer it, with an unknown value at a pointer.
fn with_unknown_value(kind: Kind, pointer: &str) -> Option<Spec> {
    let mut spec = serde_json::to_value(kind.example()).expect("specs serialise");
    *spec.pointer_mut(pointer).expect("a pointer of this very value") = json!(UNKNOWN);
    kind.from_json(spec)
}

/// The plan for a desired spec and an observed one, which has the digest of the desired one.
fn planned(wanted: Spec, there: Spec) -> Plan {
    let address = Address::new(wanted.kind(), "main");
    let mut observed =
        ObservedState { listed: Kind::ALL.iter().copied().collect(), ..ObservedState::default() };
    let arn_type = wanted.kind().facts().arn_type.expect("kinds without ARN have no such fields");
    let arn = format!("arn:aws:ivs:us-west-2:000000000000:{arn_type}/abcdefghijkl");
    observed.addresses.note(address.clone(), Arn::new(arn.clone()));
    for edge in wanted.refs() {
        if let ivs_apply::kinds::Pointer::Named(target) = edge.to {
            let arn = format!("arn:aws:ivs:us-west-2:000000000000:x/{}", target.name);
            observed.addresses.note(target, Arn::new(arn));
        }
    }
    let ownership = OwnershipTags {
        stack: "laws".to_owned(),
        name: "main".to_owned(),
        digest: wanted.digest(&observed.addresses).expect("everything it refers to is there"),
        attempt_id: "1".to_owned(),
        ..OwnershipTags::default()
    };
    let object = Observed::listed(wanted.kind(), arn, ownership.tags()).with(there);
    observed.owned.insert(address.clone(), object);
    let desired = Desired {
        address,
        spec: wanted,
        lifecycle: ivs_apply::kinds::Lifecycle::default(),
        labels: std::collections::BTreeMap::default(),
        previous_names: Vec::new(),
        name_is_default: false,
        origin: Origin { source: SourceId(0), document: 0 },
    };
    plan(&Stack::named("laws"), &[desired], &observed, &Policy::default())
}

#[test]
fn an_unknown_enum_value_is_not_drift_in_any_field_of_any_kind() {
    let mut seen = Vec::new();
    for &kind in Kind::ALL {
        let mut pointers = Vec::new();
        let value = serde_json::to_value(kind.example()).expect("specs serialise");
        leaves(&value, "", Value::is_string, &mut pointers);
        for pointer in pointers {
            let Some(there) = with_unknown_value(kind, &pointer) else { continue };
            if there.unknown_enum_values().is_empty() {
                continue;
            }
            seen.push(format!("{kind}{pointer}"));
            let plan = planned(kind.example(), there);
            assert!(plan.steps.is_empty(), "{kind}{pointer}: {:#?}", plan.steps);
            let noted = |note: &Note| matches!(note, Note::UnknownEnumValue { .. });
            assert!(plan.notes.iter().any(noted), "{kind}{pointer}: {:?}", plan.notes);
        }
    }
    for known in ["Channel/latencyMode", "Channel/type", "Channel/containerFormat"] {
        assert!(seen.iter().any(|it| it == known), "{known} is an enum field: {seen:?}");
    }
}

#[test]
fn drift_of_another_field_is_restored_and_the_unknown_value_is_sent_unchanged() {
    let mut there = serde_json::to_value(channel().example()).expect("specs serialise");
    there["type"] = json!(UNKNOWN);
    there["authorized"] = json!(there["authorized"] != json!(true));
    let there = channel().from_json(there).expect("AWS may answer any value");
    let plan = planned(channel().example(), there.clone());
    let [step] = plan.steps.as_slice() else { panic!("{:#?}", plan.steps) };
    assert_eq!(step.action, Action::Update);
    let paths: Vec<String> = step.fields.iter().map(|it| it.path.to_string()).collect();
    assert_eq!(paths, ["spec.authorized"]);
    let sent = step.wanted(Some(&there)).expect("a spec");
    assert_eq!(serde_json::to_value(sent).expect("specs serialise")["type"], UNKNOWN);
}

fn channel() -> Kind {
    Kind::named("Channel").expect("a kind")
}
