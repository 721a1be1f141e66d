//! Carrying out what a run has deferred, once that is possible: `apply --wait`.
//!
//! What was not deferred is not carried out: what is new in a later plan is for another run.

use super::{Error, Planned, RunLock, Session};
use crate::apply::{Deferred, Outcome, StepStatus, Wait, until_free};
use crate::aws::CloudError;
use crate::kinds::spec::FieldValue;
use crate::plan::{Decision, Step, StepId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Planned {
    /// What a run of this plan has deferred, in the plan or on its way.
    pub fn deferred(&self, outcome: &Outcome) -> Vec<Deferred> {
        let ended: BTreeMap<StepId, &StepStatus> =
            outcome.steps.iter().map(|(id, status)| (*id, status)).collect();
        let steps = self.plan.steps.iter().filter_map(|step| {
            let status = (ended.get(&step.id), &step.decision);
            let ((Some(StepStatus::Deferred(reason)), _) | (None, Decision::Deferred(reason))) =
                status
            else {
                return None;
            };
            Some(Deferred::new(step, reason, &self.observed.addresses))
        });
        steps.collect()
    }

    /// Waits until one of these steps can probably be carried out: true then, and false where the time is over or the
    /// run was stopped. Reads live state only. `fruitless` plans before this wait had nothing to do.
    ///
    /// # Errors
    /// Where a read fails.
    pub async fn wait(
        &self,
        session: &Session,
        lock: &RunLock,
        deferred: &[Deferred],
        at_most: Duration,
        fruitless: u32,
        tell: &(dyn Fn(Wait) + Sync),
    ) -> Result<bool, CloudError> {
        until_free(&session.aws, deferred, at_most, fruitless, &lock.stop(), tell).await
    }

    /// Plans again, and leaves of the new plan what it does about these steps as they were planned. A step about an
    /// object that was changed outside this run, or about another one, is not in it.
    ///
    /// # Errors
    /// [`Error::Read`] where a kind cannot be read to the end.
    pub async fn again(&self, session: &Session, deferred: &[Deferred]) -> Result<Self, Error> {
        let (stack, desired) = (self.stack.clone(), self.desired.clone());
        let full = self.reading.full;
        let mut again = session.plan(stack, desired, self.policy.clone(), full).await?;
        let ids: BTreeSet<StepId> = deferred.iter().map(|it| it.id).collect();
        let then: Vec<&Step> = self.plan.steps.iter().filter(|it| ids.contains(&it.id)).collect();
        again.plan.keep(|now| {
            now.decision == Decision::Do && then.iter().any(|then| is_the_same(then, now))
        });
        for step in &mut again.plan.steps {
            // Steps with a smaller audience come first.
            let same = then.iter().find(|then| is_the_same(then, step));
            step.impact = same.and_then(|it| it.impact.clone());
        }
        Ok(again)
    }

    /// Takes over what came of a later plan for steps of this one.
    pub fn absorb(&mut self, outcome: &mut Outcome, later: &Self, ended: Outcome) {
        let steps = later.plan.by_id();
        let mut requests = ended.requests;
        for (id, status) in ended.steps {
            let now = steps[&id];
            let Some(then) = self.plan.steps.iter_mut().find(|then| is_the_same(then, now)) else {
                continue;
            };
            let request = requests.remove(&id);
            let known = outcome.steps.iter_mut().find(|(id, _)| *id == then.id);
            match known {
                Some((_, known)) => *known = status,
                None => outcome.steps.push((then.id, status)),
            }
            outcome.requests.extend(request.map(|it| (then.id, it)));
            then.decision = Decision::Do;
        }
        outcome.steps.sort_by_key(|(id, _)| *id);
        outcome.stopped = ended.stopped;
        outcome.wrote |= ended.wrote;
        outcome.copies.extend(ended.copies);
        outcome.copies_unread = ended.copies_unread.or(outcome.copies_unread.take());
    }
}

/// Whether a step of a later plan is one of an earlier plan: the same resource, action and spec, on the same object, of
/// which the same fields differ.
fn is_the_same(then: &Step, now: &Step) -> bool {
    let fields = then.fields.len() == now.fields.len()
        && then.fields.iter().zip(&now.fields).all(|(then, now)| {
            // A reference to what the run itself has made has other values than before that.
            let made = matches!(then.after, FieldValue::KnownAfterApply(_));
            then.path == now.path && (made || then.before == now.before)
        });
    let object = then.arn.is_none() || then.arn == now.arn;
    let same = then.address == now.address && then.action == now.action && then.spec == now.spec;
    same && object && fields
}
