//! What carrying a plan out asks of AWS: its writes, counted before the first one is made.
//!
//! A lower bound, not a forecast: reads just before a write, waits and repeats are added to it. Calls nothing.

use super::{Action, Decision, Plan, Step};
use crate::kinds::operation::{Operation, Verb};
use crate::kinds::spec::FieldChange;
use std::collections::BTreeMap;

impl Plan {
    /// How often each operation that writes is called at least, by the operation's name.
    pub fn writes(&self) -> BTreeMap<String, u64> {
        let mut writes = BTreeMap::new();
        for operation in self.steps.iter().filter(|it| it.decision.is_do()).flat_map(of_step) {
            *writes.entry(operation.to_owned()).or_default() += 1;
        }
        writes
    }
}

/// The writes of one step, in their order.
fn of_step(step: &Step) -> Vec<&'static str> {
    let operations = step.address.kind.facts().operations;
    let first = |verb| operations.iter().find(|it: &&Operation| it.verb == verb);
    // What is neither made nor deleted, but begun and ended on something else, has operations that change that.
    let last_change = || operations.iter().rfind(|it| it.verb == Verb::Change);
    let change = first(Verb::Change);
    let write = match step.action {
        Action::Create | Action::Replace => first(Verb::Create).or(change),
        Action::Delete => first(Verb::Delete).or_else(last_change),
        Action::Adopt if step.arn.is_none() => None,
        Action::Release => return vec!["UntagResource"],
        Action::Update | Action::Adopt | Action::Rename | Action::Retag => {
            change.filter(|_| step.writes_spec())
        }
    };
    // The audience is cut off by another operation than that which changes the object.
    let stop = last_change().filter(|it| {
        step.decision == Decision::Interrupt
            && write.is_some()
            && ![change, write].contains(&Some(*it))
    });
    // What is made has its tags from the start; what is changed gets its digest afterwards.
    let tagged = !step.action.makes() && step.action != Action::Delete;
    let tag = tagged.then_some("TagResource");
    let removed = |it: &FieldChange| it.is_tag() && it.removes();
    let untag = (tagged && step.fields.iter().any(removed)).then_some("UntagResource");
    let writes = stop.into_iter().chain(write).map(|it| it.name);
    writes.chain(tag).chain(untag).collect()
}
