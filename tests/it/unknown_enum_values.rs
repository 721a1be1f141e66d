//! Words that AWS has and this program has not: neither drift, nor lost when something else is changed.

use crate::zero_values::leaves;
use ivs_apply::diag::{Origin, SourceId};
use ivs_apply::kinds::{
    Address, Arn, Desired, Kind, Observed, ObservedState, OwnershipTags, Spec, Stack,
};
use ivs_apply::plan::{Action, Note, Plan, Policy, plan};
use serde_json::{Value, json};

const WORD: &str = "FROM_THE_FUTURE";

/// The example as AWS would answer it, with the text at a pointer another one.
fn with_word(kind: Kind, pointer: &str) -> Option<Spec> {
    let mut spec = serde_json::to_value(kind.example()).expect("specs serialise");
    *spec.pointer_mut(pointer).expect("a pointer of this very value") = json!(WORD);
    kind.from_json(spec)
}

/// The plan of a wanted spec where another one is there, as applied.
fn planned(wanted: Spec, there: Spec) -> Plan {
    let address = Address::new(wanted.kind(), "main");
    let mut observed =
        ObservedState { listed: Kind::ALL.iter().copied().collect(), ..ObservedState::default() };
    let arn_type = wanted.kind().facts().arn_type.expect("kinds without ARN have no words");
    let arn = format!("arn:aws:ivs:us-west-2:000000000000:{arn_type}/abcdefghijkl");
    observed.addresses.note(address.clone(), Arn::new(arn.clone()));
    for edge in wanted.refs() {
        if let ivs_apply::kinds::Pointer::Named(target) = edge.to {
            let arn = format!("arn:aws:ivs:us-west-2:000000000000:x/{}", target.name);
            observed.addresses.note(target, Arn::new(arn));
        }
    }
    let ownership = OwnershipTags {
        stack: "words".to_owned(),
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
    plan(&Stack::named("words"), &[desired], &observed, &Policy::default())
}

#[test]
fn a_word_that_nobody_knows_is_no_drift_in_any_field_of_any_kind() {
    let mut seen = Vec::new();
    for &kind in Kind::ALL {
        let mut pointers = Vec::new();
        let value = serde_json::to_value(kind.example()).expect("specs serialise");
        leaves(&value, "", Value::is_string, &mut pointers);
        for pointer in pointers {
            let Some(there) = with_word(kind, &pointer) else { continue };
            if there.unknown_words().is_empty() {
                continue;
            }
            seen.push(format!("{kind}{pointer}"));
            let plan = planned(kind.example(), there);
            assert!(plan.steps.is_empty(), "{kind}{pointer}: {:#?}", plan.steps);
            let told = |note: &Note| matches!(note, Note::UnknownWord { .. });
            assert!(plan.notes.iter().any(told), "{kind}{pointer}: {:?}", plan.notes);
        }
    }
    for known in ["Channel/latencyMode", "Channel/type", "Channel/containerFormat"] {
        assert!(seen.iter().any(|it| it == known), "{known} has a word: {seen:?}");
    }
}

#[test]
fn what_differs_beside_such_a_word_is_put_back_and_the_word_is_sent_as_it_came() {
    let mut there = serde_json::to_value(kind_of_words().example()).expect("specs serialise");
    there["type"] = json!(WORD);
    there["authorized"] = json!(there["authorized"] != json!(true));
    let there = kind_of_words().from_json(there).expect("AWS may answer any word");
    let plan = planned(kind_of_words().example(), there.clone());
    let [step] = plan.steps.as_slice() else { panic!("{:#?}", plan.steps) };
    assert_eq!(step.action, Action::Update);
    let paths: Vec<String> = step.fields.iter().map(|it| it.path.to_string()).collect();
    assert_eq!(paths, ["spec.authorized"]);
    let sent = step.wanted(Some(&there)).expect("a spec");
    assert_eq!(serde_json::to_value(sent).expect("specs serialise")["type"], WORD);
}

fn kind_of_words() -> Kind {
    Kind::named("Channel").expect("a kind")
}
