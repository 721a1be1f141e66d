//! What a plan is made of. A plan is a value: it can be printed, saved, compared, and carried out without
//! another decision.

use super::action::Action;
use super::reason::Reason;
use super::selection::Selected;
use crate::diag::{FieldPath, Origin};
use crate::kinds::spec::FieldChange;
use crate::kinds::{Address, Arn, Audience, Degraded, Freeze, Kind, Owner, OwnershipTags, Spec};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Number of a step, from 1, in the order of the plan.
pub type StepId = usize;

/// Everything that one run would do, and everything that it would not and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// In an order in which they can be carried out.
    pub steps: Vec<Step>,
    /// Resources that are as their manifests say.
    pub unchanged: Vec<Address>,
    /// Owned resources that no manifest declares and that this run leaves alone.
    pub orphans: Vec<Address>,
    /// What else a reader must know.
    pub notes: Vec<Note>,
}

/// One thing to do to one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// Which resource.
    pub address: Address,
    /// What to do.
    pub action: Action,
    /// The object it is done to; for a replacement, the old one. `None` before a create.
    pub arn: Option<Arn>,
    /// The spec as it shall be; `None` for a delete.
    pub spec: Option<Spec>,
    /// The spec as it is, where there is an object.
    pub before: Option<Spec>,
    /// Paths that are not changed: fields that the manifest ignores, and those with unknown enum values.
    pub ignored: Vec<FieldPath>,
    /// The owner of the object at the time of the plan; `Unowned` before a create.
    pub owner: Owner,
    /// The ownership tags as they shall be. An empty digest is computed when all references are known.
    pub ownership: OwnershipTags,
    /// Why.
    pub because: Vec<Cause>,
    /// Fields that differ.
    pub fields: Vec<FieldChange>,
    /// Steps that must be done before.
    pub after: Vec<StepId>,
    /// Who would be cut off.
    pub impact: Option<Audience>,
    /// Whether this run does it.
    pub decision: Decision,
    /// Its manifest.
    pub origin: Option<Origin>,
}

/// Why a step is in the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "cause", rename_all = "camelCase")]
pub enum Cause {
    /// It is declared and does not exist.
    Missing,
    /// It was applied, and does not exist any more.
    Gone,
    /// It is declared, and its object or the owner of that cannot be determined: tags were removed, copied, or added
    /// by `CloudFormation`.
    Unclear,
    /// The object was changed outside ivs-apply since it was last applied.
    Drift,
    /// The manifest changed since it was last applied.
    Pending,
    /// These fields cannot be changed in place.
    Immutable {
        /// Their paths.
        fields: Vec<FieldPath>,
    },
    /// The change of another resource ends its stream, so it is started again after that.
    CutOff {
        /// The resource that is changed.
        by: Address,
    },
    /// What it refers to is replaced.
    Upstream {
        /// The resource that is replaced.
        address: Address,
    },
    /// AWS says that making it failed.
    Failed {
        /// The state word.
        state: String,
    },
    /// It runs, and some of its destinations have failed.
    Degraded(Degraded),
    /// It is owned and no manifest declares it.
    Orphan,
    /// Its manifest is about the key of another channel now.
    Moved,
    /// A newer object has taken its place.
    Superseded,
    /// Another object has its name and comes before it.
    Duplicate {
        /// The one that stays.
        of: Arn,
    },
    /// Its successor cannot be made while it is there.
    MakesRoom,
    /// Its manifest asks to take an existing object over, or AWS made it together with something else.
    Adopt,
    /// It had another logical name.
    Rename {
        /// The name it had.
        from: String,
    },
    /// The object gives up its name, which another object gets in the same run, before its new name is free.
    TemporaryName {
        /// The name that it gives up.
        from: String,
    },
    /// The object is as its manifest says, and its digest is of an older one.
    Recorded,
    /// It came with a stream key that the stack does not own any more, and still names it in a tag.
    KeyReleased,
    /// Its manifest says that it should not run.
    Stopped,
    /// Everything the stack owns is to go.
    Destroy,
}

/// Whether this run carries a step out, and if not, why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "decision", content = "reason", rename_all = "camelCase")]
pub enum Decision {
    /// It does.
    Do,
    /// It does, and cuts the audience off, with consent.
    Interrupt,
    /// A later run will.
    Deferred(Reason),
    /// Nothing to do at the moment, and that is not drift.
    Dormant(Reason),
    /// It must not; the whole run is refused.
    Blocked(Reason),
    /// It is not ours to do.
    Unmanaged(Reason),
}

impl Decision {
    /// Whether the step is carried out.
    pub fn is_do(&self) -> bool {
        matches!(self, Self::Do | Self::Interrupt)
    }

    /// The word of the JSON form.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Do | Self::Interrupt => "do",
            Self::Deferred(_) => "deferred",
            Self::Dormant(_) => "dormant",
            Self::Blocked(_) => "blocked",
            Self::Unmanaged(_) => "unmanaged",
        }
    }

    /// The word of a saved plan. To cut an audience off is more than to do it, and has to be approved as such.
    pub fn saved(&self) -> &'static str {
        match self {
            Self::Interrupt => "interrupt",
            other => other.as_str(),
        }
    }

    /// Why it is not carried out.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Do | Self::Interrupt => None,
            Self::Deferred(reason)
            | Self::Dormant(reason)
            | Self::Blocked(reason)
            | Self::Unmanaged(reason) => Some(reason),
        }
    }
}

/// Something a reader must know that is not a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "note", rename_all = "camelCase")]
pub enum Note {
    /// The run is about a part only.
    Selected(Selected),
    /// Several owned objects share an address.
    Duplicate {
        /// The address they share.
        address: Address,
        /// All of them.
        copies: Vec<DuplicateCopy>,
        /// Whether the first one counts; otherwise it cannot be determined which.
        clear: bool,
    },
    /// An object has only some of the ownership tags, so its owner cannot be determined.
    Ambiguous {
        /// The object, which is left alone.
        arn: Arn,
    },
    /// Stream keys of the stack that no manifest names. They are not read: tags of their channels name them.
    UndeclaredKeys {
        /// The channels.
        channels: Vec<Address>,
    },
    /// No manifest declares one resource any more, and another with the same spec is created: perhaps it was renamed.
    PossibleRename {
        /// The resource whose object is orphaned.
        from: Address,
        /// The resource that is created.
        to: Address,
        /// Its manifest, where the former name would have to be written.
        at: Option<Origin>,
    },
    /// A field has an unknown enum value, and is not changed.
    UnknownEnumValue {
        /// The resource with the field.
        address: Address,
        /// Which: `spec.type`.
        path: FieldPath,
    },
    /// So many deletes that their number has to be confirmed.
    ManyDeletes {
        /// Deletes in the plan.
        deletes: usize,
        /// Resources of the stack.
        of: usize,
    },
    /// A freeze of the stack is active, or begins within a day.
    Freeze {
        /// The freeze.
        freeze: Freeze,
        /// What it means for a run.
        effect: FreezeEffect,
    },
    /// Nothing of the stack exists: it was never applied, or everything was deleted, and its tags with it.
    NothingExists {
        /// Resources that are declared and do not exist.
        missing: usize,
    },
    /// A plan that cannot fit into the account.
    Quota {
        /// Which kind.
        kind: Kind,
        /// Objects there would be.
        wanted: u32,
        /// Objects there may be.
        quota: u32,
    },
}

/// What a freeze means for a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "effect", rename_all = "camelCase")]
pub enum FreezeEffect {
    /// It has not begun.
    Ahead,
    /// It is active, and a run that would write anything is refused.
    Refuses,
    /// It is active, and each step is deferred.
    Defers,
    /// It does not count in this run.
    Ignored {
        /// Why, as the user has said.
        because: String,
    },
}

/// One of several objects with one address, as a person needs to know it to decide.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DuplicateCopy {
    /// The object.
    pub arn: Arn,
    /// When it was made, by the server's clock; `None` where its tags do not say.
    pub made: Option<Timestamp>,
    /// How old that was when the account was read, in whole minutes.
    pub minutes: Option<i64>,
    /// Where people find it, for kinds that have such an address.
    pub url: Option<String>,
    /// Who would be cut off by its end.
    pub audience: Option<Audience>,
    /// Who refers to it: resources of the stack by address, others by ARN.
    pub referrers: Vec<String>,
}

impl Step {
    /// The spec to send, given the observed one: ignored fields keep their values.
    pub fn wanted(&self, there: Option<&Spec>) -> Option<Spec> {
        let spec = self.spec.as_ref()?;
        Some(there.map_or_else(
            || spec.clone(),
            |there| spec.with_ignored(there, &self.ignored).into_owned(),
        ))
    }

    /// Whether `needed`, which comes before this step, has to be done for this one to be possible. An
    /// update of an existing object only comes first.
    pub fn stands_on(&self, needed: &Step) -> bool {
        // A name is free only once the object that has it has another.
        let name = needed.action == Action::Rename && needed.address.kind == self.address.kind;
        self.action == Action::Delete
            || needed.action.makes()
            || needed.action == Action::Delete
            || name
    }

    /// What people outside lose by it: by a replacement, and by a delete that is no part of one.
    pub fn loss(&self) -> Option<&'static str> {
        loss(self.address.kind, self.action, &self.because)
    }

    /// Whether it could cut off an audience.
    pub fn disturbs(&self) -> bool {
        let kind = self.address.kind;
        self.action == Action::Delete || self.fields.iter().any(|it| kind.disturbs(&it.path))
    }

    /// Whether it changes more than tags.
    pub fn writes_spec(&self) -> bool {
        self.fields.iter().any(FieldChange::writes_spec)
    }
}

/// What people outside lose by an action on an object of a kind, for these causes.
pub(super) fn loss(kind: Kind, action: Action, because: &[Cause]) -> Option<&'static str> {
    let replaced = [Cause::Superseded, Cause::MakesRoom];
    match action {
        Action::Replace => kind.facts().loss,
        Action::Delete if !because.iter().any(|it| replaced.contains(it)) => kind.facts().deletion,
        _ => None,
    }
}

impl Plan {
    /// Steps that are a part of another step of this plan to a reader.
    pub fn halves_of_replacements(&self) -> BTreeSet<StepId> {
        self.replacements().into_keys().collect()
    }

    /// Those steps, each with the one that it is a part of: deletes that make room for, or clear up after, a
    /// replacement, such as the rotation of a stream key; and renames to a name in between, where names move in a
    /// circle.
    pub fn replacements(&self) -> BTreeMap<StepId, StepId> {
        let between =
            |it: &Step| it.action == Action::Rename && it.ownership.name != it.address.name;
        let whole = self.steps.iter().filter(|it| match it.action {
            Action::Replace => true,
            Action::Rename => !between(it),
            _ => false,
        });
        let whole: BTreeMap<&Arn, StepId> =
            whole.filter_map(|it| Some((it.arn.as_ref()?, it.id))).collect();
        let parts = self.steps.iter().filter(|it| it.action == Action::Delete || between(it));
        parts.filter_map(|it| Some((it.id, *whole.get(it.arn.as_ref()?)?))).collect()
    }

    /// Leaves only the steps that are wanted, without those that need one that is left out.
    pub fn keep(&mut self, is_wanted: impl Fn(&Step) -> bool) {
        let all = self.by_id();
        let mut kept: BTreeSet<StepId> = BTreeSet::new();
        // Each step stands behind those that it needs.
        for step in &self.steps {
            let ready = |it: &StepId| kept.contains(it) || !step.stands_on(all[it]);
            if is_wanted(step) && step.after.iter().all(ready) {
                kept.insert(step.id);
            }
        }
        self.steps.retain(|it| kept.contains(&it.id));
    }

    /// Whether this run would call AWS to change anything.
    pub fn has_work(&self) -> bool {
        self.steps.iter().any(|step| step.decision.is_do())
    }

    /// The objects with an audience that a step would cut off: whether a participant is connected decides.
    pub fn disturbed(&self) -> BTreeSet<(Kind, Arn)> {
        let live = self.steps.iter().filter(|it| it.impact.is_some());
        live.filter_map(|it| Some((it.address.kind, it.arn.clone()?))).collect()
    }

    /// What this run would delete.
    pub fn doomed(&self) -> Vec<(Kind, Arn)> {
        let deletes = self.steps.iter().filter(|it| it.action == Action::Delete);
        let deletes = deletes.filter(|it| it.decision.is_do());
        deletes.filter_map(|it| Some((it.address.kind, it.arn.clone()?))).collect()
    }

    /// Deletes that this run would carry out, those of replacements aside.
    pub fn deletes(&self) -> usize {
        let halves = self.halves_of_replacements();
        self.steps
            .iter()
            .filter(|it| it.action == Action::Delete && it.decision.is_do())
            .filter(|it| !halves.contains(&it.id) && it.because != [Cause::Superseded])
            .count()
    }

    /// Whether another plan would do the same; how many are watching by now does not matter.
    pub fn does_the_same_as(&self, other: &Self) -> bool {
        let gist = |plan: &Self| -> Vec<_> {
            let steps = plan.steps.iter();
            let step = |it: &Step| {
                (
                    it.address.clone(),
                    it.action,
                    it.arn.clone(),
                    it.fields.clone(),
                    it.decision.as_str(),
                )
            };
            steps.map(step).collect()
        };
        gist(self) == gist(other) && self.unchanged == other.unchanged
    }

    /// Steps by number.
    pub fn by_id(&self) -> BTreeMap<StepId, &Step> {
        self.steps.iter().map(|it| (it.id, it)).collect()
    }
}
