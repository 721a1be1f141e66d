//! What a run may do: consent, protection, pruning, quotas. Each rule is one function with its reason.

use super::action::Action;
use super::reason::{Consent, Reason};
use super::selection::Selected;
use super::step::{Decision, Note, Plan};
use crate::kinds::{
    Address, Arn, Audience, Desired, Kind, Observed, ObservedState, OnLive, Owner, Replace, Spec,
    Stack,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What the command line and the stack allow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Delete owned resources that no manifest declares.
    pub prune: bool,
    /// Delete everything the stack owns.
    pub destroy: bool,
    /// Resources whose audience may be cut off.
    pub allow_live: BTreeSet<Address>,
    /// The part that the run is about, where that is not everything. Nothing is pruned then.
    pub selected: Option<Selected>,
    /// Why the freezes of the stack do not count in this run; an empty reason is none.
    pub ignore_freeze: Option<String>,
}

impl Policy {
    /// Whether the run is about `address` at all.
    pub fn is_about(&self, address: &Address) -> bool {
        self.selected.as_ref().is_none_or(|it| it.has(address))
    }

    /// Those of the declared resources that the run is about.
    pub fn in_scope(&self, desired: &[Desired]) -> Vec<Desired> {
        desired.iter().filter(|it| self.is_about(&it.address)).cloned().collect()
    }

    /// Why the freezes of the stack do not count, if they do not.
    pub fn ignores_freezes(&self) -> Option<&str> {
        self.ignore_freeze.as_deref().map(str::trim).filter(|it| !it.is_empty())
    }

    /// What has to be read for such a run: all declared resources, or the selected ones and those that refer to
    /// them.
    pub fn in_sight<'a>(&self, desired: &'a [Desired]) -> Cow<'a, [Desired]> {
        match &self.selected {
            Some(selected) => Cow::Owned(selected.in_sight(desired)),
            None => Cow::Borrowed(desired),
        }
    }
}

/// More deletes than this, and more than this share of the stack, need their number confirmed.
const MANY_DELETES: usize = 5;
const MANY_PERCENT: usize = 30;

/// Why a plan may not be carried out as a whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// So many deletes need their exact number.
    UnconfirmedDeletes {
        /// Deletes in the plan.
        deletes: usize,
        /// Resources of the stack.
        of: usize,
    },
}

impl Plan {
    /// The guard against a plan with many deletes, as a wrong folder or branch leads to.
    pub fn refusal(&self, confirmed_deletes: Option<usize>) -> Option<Refusal> {
        let deletes = self.deletes();
        let of =
            deletes + self.unchanged.len() + self.orphans.len() + self.kept() + self.left_alone();
        let many = deletes > MANY_DELETES && deletes * 100 > of * MANY_PERCENT;
        // A number on the command line must match even where none is needed, unless there is nothing left to delete.
        let unexpected = deletes > 0 && confirmed_deletes.is_some_and(|it| it != deletes);
        (unexpected || many && confirmed_deletes.is_none())
            .then_some(Refusal::UnconfirmedDeletes { deletes, of })
    }

    /// Resources that were not selected.
    fn left_alone(&self) -> usize {
        let others = |note: &Note| match note {
            Note::Selected(selected) => selected.others,
            _ => 0,
        };
        self.notes.iter().map(others).sum()
    }

    /// Owned objects that are there and stay, in some step or other.
    fn kept(&self) -> usize {
        let kept: BTreeSet<&Address> = self
            .steps
            .iter()
            .filter(|it| it.arn.is_some() && it.spec.is_some())
            .map(|it| &it.address)
            .collect();
        kept.len()
    }
}

/// What to do where a change would cut an audience off. Without a manifest, of orphans, consent on the command
/// line is all there is.
pub(super) fn on_audience(
    address: &Address,
    on_live: Option<OnLive>,
    audience: &Audience,
    policy: &Policy,
) -> Decision {
    let consent = policy.allow_live.contains(address);
    let live = |needs| Reason::LiveAudience { audience: audience.clone(), needs };
    match on_live {
        Some(OnLive::Fail) => Decision::Blocked(live(Consent::Never(address.clone()))),
        Some(OnLive::Interrupt) | None if consent => Decision::Interrupt,
        Some(OnLive::Interrupt) | None => Decision::Deferred(live(Consent::Flag(address.clone()))),
        Some(OnLive::Defer) if consent => Decision::Deferred(live(Consent::Manifest)),
        Some(OnLive::Defer) => Decision::Deferred(live(Consent::Wait)),
    }
}

/// Whether the tags of an object protect it.
fn is_protected(observed: &Observed) -> bool {
    matches!(observed.owner(), Owner::Stack(ownership) if ownership.protect)
}

/// Objects that are deleted together with a protected one, such as the channel of a protected stream key. Only
/// the protected object's own tags count: what its parent says about it was written by another call.
pub(super) fn hold_what_is_protected(observed: &ObservedState) -> BTreeSet<Arn> {
    let protected =
        observed.all().chain(observed.users.values().flatten()).filter(|it| is_protected(it));
    let protected = protected.filter(|it| !observed.is_own(&it.owner()));
    let parents = protected.flat_map(|it| {
        let parent = it.kind.facts().created_by;
        let edges =
            it.spec.iter().flat_map(Spec::refs).filter(move |edge| parent == Some(edge.kind));
        edges.filter_map(|edge| edge.to.arn(&observed.addresses)).collect::<Vec<_>>()
    });
    parents.collect()
}

/// A protected object is neither deleted nor replaced: the tag on it counts, since its manifest may be gone, and
/// its manifest does, since the tag may have been removed.
pub(super) fn protected(observed: &Observed, wanted: Option<&Desired>) -> Option<Reason> {
    let declared = wanted.is_some();
    let protected = is_protected(observed) || wanted.is_some_and(|it| it.lifecycle.protect);
    protected.then_some(Reason::Protected { declared })
}

/// Objects there would be, against the quota, for every kind that was listed to the end.
pub(super) fn quotas(plan: &Plan, observed: &ObservedState, stack: &Stack) -> Vec<Note> {
    let mut making: BTreeMap<Kind, usize> = BTreeMap::new();
    for step in plan.steps.iter().filter(|it| it.action.makes() && it.decision.is_do()) {
        // Where the old object is deleted first, the new one does not count against the quota.
        let takes_place = step.action == Action::Replace
            && step.address.kind.facts().replace == Replace::DeleteFirst;
        if !takes_place {
            *making.entry(step.address.kind).or_default() += 1;
        }
    }
    let mut notes = Vec::new();
    for (kind, making) in making {
        let Some(quota) = stack.quotas.get(&kind).copied().or(kind.facts().quota) else { continue };
        let there = observed.all().filter(|it| it.kind == kind).count();
        let wanted = u32::try_from(there + making).unwrap_or(u32::MAX);
        if wanted > quota {
            notes.push(Note::Quota { kind, wanted, quota });
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;
    use crate::plan::tests::{Account, ROW, Row, address, check, desired, pruning};

    const ALL: [&str; 8] =
        ["Stage/a", "Stage/b", "Stage/c", "Stage/d", "Stage/e", "Stage/f", "Stage/g", "Stage/h"];

    #[test]
    fn many_deletes_need_their_exact_number() {
        /// Manifests, the number that a person confirmed, and the number of deletes and resources if it is refused.
        type Case = (&'static [&'static str], Option<usize>, Option<(usize, usize)>);
        let rows: [(&str, Case); 7] = [
            ("five of eight", (&["Stage/a", "Stage/b", "Stage/c"], None, None)),
            ("six of eight", (&["Stage/a", "Stage/b"], None, Some((6, 8)))),
            ("six, which are confirmed", (&["Stage/a", "Stage/b"], Some(6), None)),
            ("six, of which five are confirmed", (&["Stage/a", "Stage/b"], Some(5), Some((6, 8)))),
            ("one of eight", (ALL.split_at(7).0, None, None)),
            ("one, and two are confirmed", (ALL.split_at(7).0, Some(2), Some((1, 8)))),
            ("none, and two are confirmed", (&ALL, Some(2), None)),
        ];
        for (when, (manifests, confirmed, refused)) in rows {
            let plan = Row { applied: &ALL, manifests, policy: pruning, ..ROW }.plan();
            let refusal = refused.map(|(deletes, of)| Refusal::UnconfirmedDeletes { deletes, of });
            assert_eq!(plan.refusal(confirmed), refusal, "{when}");
            let noted = plan.notes.iter().any(|it| matches!(it, Note::ManyDeletes { .. }));
            assert_eq!(noted, plan.refusal(None).is_some(), "{when}");
        }
    }

    #[test]
    fn a_quota_counts_the_objects_that_there_would_be() {
        let note = |wanted| vec![Note::Quota { kind: Kind::Stage, wanted, quota: 8 }];
        let quota = |applied: &[&str], manifests: &[&str]| {
            let quotas = [(Kind::Stage, 8)].into();
            let stack = Stack { quotas, ..Stack::named("tests") };
            let observed = Account::applied(applied).0;
            let mut plan = plan(&stack, &desired(manifests), &observed, &Policy::default());
            plan.notes.retain(|it| matches!(it, Note::Quota { .. }));
            plan.notes
        };
        let more = [&ALL[..], &["Stage/i"]].concat();
        assert_eq!(quota(&[], &ALL), [], "as many as the quota");
        assert_eq!(quota(&[], &more), note(9), "one more");
        assert_eq!(quota(&ALL, &["Stage/i", "Stage/j"]), note(10), "orphans count, as they stay");
        assert_eq!(quota(&more, &more), [], "nothing is created");
    }

    #[test]
    fn the_tags_or_the_manifest_protect_an_object() {
        const PROTECTED: &str = "Stage/a | lifecycle: { protect: true }";
        check(&[
            Row {
                when: "the manifest protects the object, and its tag was removed outside",
                applied: &[PROTECTED],
                manifests: &[PROTECTED],
                account: |it| it.tag_protected("Stage/a", false),
                policy: crate::plan::tests::destroying,
                steps: &["delete Stage/a (destroy): blocked Protected"],
            },
            Row {
                when: "the tag protects the object, and it has no manifest",
                applied: &[PROTECTED],
                policy: pruning,
                steps: &["delete Stage/a (orphan): blocked Protected"],
                ..ROW
            },
            Row {
                when: "neither protects it",
                applied: &["Stage/a"],
                policy: pruning,
                steps: &["delete Stage/a (orphan)"],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_run_is_about_the_selected_resources_and_those_that_they_need() {
        let selected = Selected {
            chosen: [address("Stage/a")].into(),
            needed: [address("Stage/b")].into(),
            ..Selected::default()
        };
        let part = Policy { selected: Some(selected), ..Policy::default() };
        for (name, of_part) in [("Stage/a", true), ("Stage/b", true), ("Stage/c", false)] {
            assert_eq!(part.is_about(&address(name)), of_part, "{name}");
            assert!(Policy::default().is_about(&address(name)), "{name}");
        }
    }
}
