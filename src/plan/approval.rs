//! A plan in the form that a person approves: steps, objects, and the state of the objects at that time.
//!
//! Never instructions: what is carried out is always a plan made anew, and the approval only says whether it is
//! the one that was looked at (`docs/reliability.md` §6). Holds specs, which hold no secrets, and of live objects
//! a fingerprint.

use super::step::loss;
use super::{Action, Cause, Decision, Plan, Policy, Reason, Selected, Selection, Step};
use crate::diag::FieldPath;
use crate::kinds::owner::{NAME, is_under_way};
use crate::kinds::spec::{FieldChange, changes, fingerprint, sorted};
use crate::kinds::{API_VERSION, Address, AddressMap, Arn, Owner, SAVED_PLAN, Spec, json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The version of the form.
const FORMAT_VERSION: &str = "1.3";

/// Where a plan was made. Elsewhere it is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    /// The stack.
    pub stack: String,
    /// Account of the credentials that the run used.
    pub account: String,
    /// Region in force.
    pub region: String,
    /// Endpoint that is not AWS's own.
    pub endpoint: Option<String>,
}

/// What a plan was made from, so that `apply` can make it again from any folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inputs {
    /// Folder that the command ran in; the paths below are relative to it.
    pub folder: String,
    /// The manifests: paths of `-f`.
    pub manifests: Vec<String>,
    /// `--stdin-folder`, where it was given.
    pub stdin_folder: Option<String>,
    /// `--stack`, where it was given.
    pub stack: Option<String>,
    /// The files of `--values`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// `--set`, each as `name=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
    /// `--target`, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// State file of the emulator, where the account is emulated.
    pub emulator: Option<String>,
    /// `--endpoint-url`, where it was given.
    pub endpoint_url: Option<String>,
}

/// What the command line said about planning. An approved plan is made again under the same terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Terms {
    /// `--prune`, where it was given.
    pub prune: Option<bool>,
    /// `--allow-live`.
    pub allow_live: BTreeSet<String>,
    /// `--refresh full`.
    pub refresh_full: bool,
    /// `--confirm-deletes`, where it was given.
    pub confirm_deletes: Option<usize>,
    /// `--only`.
    pub only: BTreeSet<String>,
    /// `--exclude`.
    pub exclude: BTreeSet<String>,
    /// `-l`, as `key=value`.
    pub labels: BTreeSet<String>,
}

/// One step of a saved plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovedStep {
    /// Which resource: `Channel/main`.
    pub address: String,
    /// What is done.
    pub action: Action,
    /// The object it is done to.
    pub arn: Option<String>,
    /// `do`, `interrupt`, `deferred` or `dormant`.
    pub decision: String,
    /// Why it is not carried out, where it is not. Its code is a part of what is approved; the rest, such as the number of
    /// viewers, is only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The stream, session or composition that is cut off, where one is: another show was not approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuts_off: Option<String>,
    /// Causes of the step.
    #[schemars(with = "Vec<Cause>")]
    pub because: Vec<Value>,
    /// Fields that differ, by path.
    pub fields: BTreeMap<String, Value>,
    /// The spec as it shall be, without what is AWS's default.
    pub spec: Option<Value>,
    /// Our own tags as they shall be.
    pub ownership: BTreeMap<String, String>,
    /// Existing objects that it refers to, with their ARNs.
    pub refers_to: BTreeMap<String, String>,
    /// Steps that come before it.
    pub after: Vec<String>,
    /// Fingerprint of the object as it was: its spec, its tags, its owner.
    pub object: Option<String>,
}

/// A whole saved plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// Always `ivs-apply.dev/v1`.
    pub api_version: String,
    /// Always `Plan`.
    pub kind: String,
    /// Version of this form.
    pub format_version: String,
    /// Version of the program.
    pub tool_version: String,
    /// Where it was made.
    pub place: Place,
    /// What the command line said.
    pub terms: Terms,
    /// The inputs of the plan. Its name follows `kind` in the file, by which a truncated file is recognised.
    #[serde(rename = "madeFrom")]
    pub inputs: Inputs,
    /// In the order of the plan.
    pub steps: Vec<ApprovedStep>,
}

/// Why a text is no approval.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is something else, or a part.
    #[error("is not a saved plan, or not a whole one")]
    Malformed,
    /// Another version of the program wrote it.
    #[error("was saved by version {0} of the program, and this is version {this}", this = env!("CARGO_PKG_VERSION"))]
    Version(String),
    /// It is not what was written.
    #[error("was changed since it was saved")]
    Edited,
}

impl Approval {
    /// What there is to approve in `plan`.
    pub fn of(
        plan: &Plan,
        addresses: &AddressMap,
        place: Place,
        terms: Terms,
        inputs: Inputs,
    ) -> Self {
        let names: BTreeMap<usize, String> =
            plan.steps.iter().map(|it| (it.id, step_name(it).to_string())).collect();
        Self {
            api_version: API_VERSION.to_owned(),
            kind: SAVED_PLAN.to_owned(),
            format_version: FORMAT_VERSION.to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            place,
            terms,
            inputs,
            steps: plan.steps.iter().map(|it| approved(it, addresses, &names)).collect(),
        }
    }

    /// The text of the file: canonical, with a checksum against slips of an editor.
    pub fn text(&self) -> String {
        let mut document = json(self);
        document["checksum"] = Value::String(fingerprint(&json(self)));
        format!("{:#}\n", sorted(document))
    }

    /// Reads the text of a file.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let mut document: Value = serde_json::from_str(text).map_err(|_| Unreadable::Malformed)?;
        if document["kind"] != SAVED_PLAN || document["apiVersion"] != API_VERSION {
            return Err(Unreadable::Malformed);
        }
        let version = document["toolVersion"].as_str().unwrap_or("unknown").to_owned();
        if version != env!("CARGO_PKG_VERSION") || document["formatVersion"] != FORMAT_VERSION {
            return Err(Unreadable::Version(version));
        }
        let checksum = document.as_object_mut().and_then(|it| it.shift_remove("checksum"));
        if checksum != Some(Value::String(fingerprint(&document))) {
            return Err(Unreadable::Edited);
        }
        serde_json::from_value(document).map_err(|_| Unreadable::Malformed)
    }

    /// Everything in which the plan of `now` differs from this one. The approval holds only where there is nothing.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let place = changes(&FieldPath::root(), &json(&self.place), &json(&now.place));
        let place = place.into_iter().map(PartChange::from);
        let mut found: Vec<Difference> = place.map(Difference::PlaceChanged).collect();
        let by_name = |approval: &Self| -> BTreeMap<StepName, ApprovedStep> {
            approval.steps.iter().map(|it| (it.step_name(), it.clone())).collect()
        };
        let (then, now) = (by_name(self), by_name(now));
        if then.len() != self.steps.len() {
            found.push(Difference::ApprovedTwice);
        }
        for (step, approved) in &then {
            match now.get(step) {
                None => found.push(Difference::NotPlannedNow { step: step.clone() }),
                Some(now) => found.extend(approved.differences(step, now)),
            }
        }
        let added = now.into_keys().filter(|it| !then.contains_key(it));
        found.extend(added.map(|step| Difference::NotApproved { step }));
        found
    }
}

/// One difference between an approved plan and the plan of now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason")]
pub enum Difference {
    /// The plan was approved for another account, region, stack or endpoint.
    PlaceChanged(PartChange),
    /// The saved plan has one step twice.
    ApprovedTwice,
    /// A step was approved, and the plan of now does not have it.
    NotPlannedNow {
        /// That step.
        step: StepName,
    },
    /// The plan of now has a step that was not approved.
    NotApproved {
        /// That step.
        step: StepName,
    },
    /// The object of a step has other fields, tags or owners than when the step was approved.
    ObjectChanged {
        /// That step.
        step: StepName,
    },
    /// A step changes a field in another way; `None` where it does not change the field.
    FieldChanged {
        /// That step.
        step: StepName,
        /// The field.
        path: FieldPath,
        /// The change that was approved.
        approved: Option<ApprovedChange>,
        /// The change that would be made now.
        now: Option<ApprovedChange>,
    },
    /// Another part of a step differs, such as its decision, its causes or its order.
    PartChanged {
        /// That step.
        step: StepName,
        /// That part.
        #[serde(flatten)]
        part: PartChange,
    },
}

super::reason::codes! { Difference: PlaceChanged, ApprovedTwice, NotPlannedNow, NotApproved, ObjectChanged, FieldChanged, PartChanged }

/// A part of an approved plan that is another one now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartChange {
    /// Where it is.
    pub path: FieldPath,
    /// Its value when it was approved; null where there was none.
    pub approved: Value,
    /// Its value now; null where there is none.
    pub now: Value,
}

impl From<FieldChange> for PartChange {
    fn from(it: FieldChange) -> Self {
        Self { path: it.path, approved: it.before, now: json(&it.after) }
    }
}

/// The change of one field in a saved plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApprovedChange {
    /// The observed value.
    pub before: Value,
    /// The desired value.
    pub after: Value,
}

impl ApprovedChange {
    fn read(change: &Value) -> Self {
        Self { before: change["before"].clone(), after: change["after"].clone() }
    }
}

/// The identity of a step among those of its plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct StepName {
    action: Action,
    address: String,
    arn: Option<String>,
    /// Where two names are swapped, one object is renamed twice: to this name, and to its own.
    temporary: Option<String>,
}

/// The form in which a saved plan names the steps that come before a step.
impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action.as_str(), self.address)?;
        if let Some(arn) = &self.arn {
            write!(f, " of {arn}")?;
        }
        if let Some(temporary) = &self.temporary {
            write!(f, " to `{temporary}`")?;
        }
        Ok(())
    }
}

impl ApprovedStep {
    /// Why the step is in the plan.
    pub fn causes(&self) -> Vec<Cause> {
        self.because.iter().filter_map(|it| serde_json::from_value(it.clone()).ok()).collect()
    }

    /// What people outside lose by it, as [`Step::loss`].
    pub fn loss(&self) -> Option<&'static str> {
        let address: Address = self.address.parse().ok()?;
        loss(address.kind, self.action, &self.causes())
    }

    fn step_name(&self) -> StepName {
        StepName {
            action: self.action,
            address: self.address.clone(),
            arn: self.arn.clone(),
            temporary: self.ownership.get(NAME).filter(|it| is_under_way(it)).cloned(),
        }
    }

    fn differences(&self, step: &StepName, now: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        if self.object != now.object {
            found.push(Difference::ObjectChanged { step: step.clone() });
        }
        let paths: BTreeSet<&String> = self.fields.keys().chain(now.fields.keys()).collect();
        let differing: BTreeSet<&String> =
            paths.into_iter().filter(|it| self.fields.get(*it) != now.fields.get(*it)).collect();
        found.extend(differing.iter().map(|path| Difference::FieldChanged {
            step: step.clone(),
            path: FieldPath::from(*path),
            approved: self.fields.get(*path).map(ApprovedChange::read),
            now: now.fields.get(*path).map(ApprovedChange::read),
        }));
        let rest = |it: &Self| {
            let mut rest =
                json(&Self { object: None, fields: BTreeMap::new(), reason: None, ..it.clone() });
            rest["reason"] = json(&it.reason.as_ref().map(Reason::code));
            rest
        };
        let mut parts = changes(&FieldPath::root(), &rest(self), &rest(now));
        // A field that is changed in another way is in the spec as well.
        parts.retain(|it| !differing.contains(&it.path.to_string()));
        found.extend(
            parts
                .into_iter()
                .map(|it| Difference::PartChanged { step: step.clone(), part: it.into() }),
        );
        found
    }
}

/// The object's ARN, where it has one of its own.
fn arn(step: &Step) -> Option<&Arn> {
    step.arn.as_ref().filter(|_| step.address.kind.facts().arn_type.is_some())
}

fn step_name(step: &Step) -> StepName {
    let name = step.spec.as_ref().map(|_| &step.ownership.name);
    StepName {
        action: step.action,
        address: step.address.to_string(),
        arn: arn(step).map(ToString::to_string),
        temporary: name.filter(|it| is_under_way(it)).cloned(),
    }
}

fn approved(step: &Step, addresses: &AddressMap, names: &BTreeMap<usize, String>) -> ApprovedStep {
    let refers_to = step.spec.iter().flat_map(Spec::refs).filter_map(|edge| {
        let arn = edge.to.arn(addresses)?;
        Some((edge.field.to_string(), arn.as_str().to_owned()))
    });
    ApprovedStep {
        address: step.address.to_string(),
        action: step.action,
        arn: arn(step).map(ToString::to_string),
        decision: step.decision.saved().to_owned(),
        reason: step.decision.reason().cloned(),
        cuts_off: step
            .impact
            .as_ref()
            .filter(|_| step.decision == Decision::Interrupt)
            .and_then(|it| it.session.clone().or(it.composition.as_ref().map(ToString::to_string))),
        because: step.because.iter().map(json).collect(),
        fields: step
            .fields
            .iter()
            .map(|it| (it.path.to_string(), json!({ "before": it.before, "after": it.after })))
            .collect(),
        spec: step.spec.as_ref().map(Spec::minimal),
        ownership: if step.spec.is_some() { step.ownership.tags() } else { BTreeMap::new() },
        refers_to: refers_to.collect(),
        after: step.after.iter().filter_map(|it| names.get(it).cloned()).collect(),
        object: step.arn.as_ref().map(|arn| {
            let owner = match &step.owner {
                Owner::Stack(ownership) => json(&ownership.tags()),
                other => Value::String(other.to_string()),
            };
            let before = step.before.as_ref().map(Spec::fields);
            fingerprint(&json!({ "arn": arn, "owner": owner, "spec": before }))
        }),
    }
}

impl Terms {
    /// The policy that these terms make under a stack. Without a single declared resource nothing is ever
    /// pruned: an empty folder looks just like a wrong one. Nor is it under a selection, since what was not
    /// selected looks just like what is gone.
    pub fn policy(
        &self,
        stack_prunes: bool,
        declared: usize,
        selected: Option<Selected>,
    ) -> Result<Policy, String> {
        let allow_live: Result<_, String> = self.allow_live.iter().map(|it| it.parse()).collect();
        Ok(Policy {
            prune: declared > 0 && selected.is_none() && self.prune.unwrap_or(stack_prunes),
            destroy: false,
            allow_live: allow_live?,
            selected,
            ignore_freeze: None,
        })
    }

    /// What was named of the manifests.
    pub fn selection(&self) -> Result<Selection, String> {
        let patterns =
            |texts: &BTreeSet<String>| texts.iter().map(|it| it.parse()).collect::<Result<_, _>>();
        let label =
            |it: &String| it.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        Ok(Selection {
            only: patterns(&self.only)?,
            exclude: patterns(&self.exclude)?,
            labels: self.labels.iter().filter_map(label).collect(),
        })
    }
}

/// JSON Schema of a saved plan.
pub fn schema() -> Value {
    let mut settings = schemars::generate::SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<Approval>().to_value();
    schema["title"] = json!("ivs-apply saved plan");
    schema["properties"]["checksum"] =
        json!({ "description": "Hash of everything else.", "type": "string" });
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{ROW, Row};

    const LOW: &str = "Channel/main { latencyMode: LOW }";
    const NORMAL: Row =
        Row { applied: &[LOW], manifests: &["Channel/main { latencyMode: NORMAL }"], ..ROW };
    const OF_MAIN: &str = "update Channel/main of arn:aws:ivs:us-west-2:000000000000:channel/main";

    fn approval(of: &Row, region: &str) -> Approval {
        let place = Place {
            stack: "tests".to_owned(),
            account: "000000000000".to_owned(),
            region: region.to_owned(),
            endpoint: None,
        };
        let (terms, inputs) = (Terms::default(), Inputs::default());
        Approval::of(&of.plan(), &AddressMap::default(), place, terms, inputs)
    }

    fn told(it: &Difference) -> String {
        match it {
            Difference::PlaceChanged(part) => format!("place {}", part.path),
            Difference::ApprovedTwice => "approved twice".to_owned(),
            Difference::NotPlannedNow { step } => format!("not planned: {step}"),
            Difference::NotApproved { step } => format!("not approved: {step}"),
            Difference::ObjectChanged { step } => format!("object of {step}"),
            Difference::PartChanged { part, .. } => format!("part {}", part.path),
            Difference::FieldChanged { path, approved, now, .. } => {
                let after =
                    |it: &Option<ApprovedChange>| it.as_ref().map(|it| it.after.to_string());
                format!("{path}: {:?} and {:?}", after(approved), after(now))
            }
        }
    }

    #[test]
    fn each_difference_between_an_approved_plan_and_that_of_now_is_told_apart() {
        let tagged =
            |team: &'static [&'static str]| Row { applied: &[LOW], manifests: team, ..ROW };
        let news = tagged(&["Channel/main { latencyMode: LOW, tags: { team: news } }"]);
        let sport = tagged(&["Channel/main { latencyMode: LOW, tags: { team: sport } }"]);
        let nothing = Row { applied: &[LOW], manifests: &[LOW], ..ROW };
        let changed = Row { account: |it| it.change("Channel/main", "authorized", true), ..NORMAL };
        let rows: [(&str, &Row, &Row, &[&str]); 5] = [
            ("the plan is the same", &NORMAL, &NORMAL, &[]),
            ("the step is not needed any more", &NORMAL, &nothing, &["not planned: OF"]),
            ("a step is new", &nothing, &NORMAL, &["not approved: OF"]),
            (
                "a tag gets another value",
                &news,
                &sport,
                &[r#"spec.tags.team: Some("\"news\"") and Some("\"sport\"")"#],
            ),
            (
                "the object was changed since",
                &NORMAL,
                &changed,
                &["object of OF", r#"spec.authorized: None and Some("false")"#, "part because"],
            ),
        ];
        for (when, approved, now, differences) in rows {
            let (approved, now) = (approval(approved, "us-west-2"), approval(now, "us-west-2"));
            let found: Vec<String> = approved.differences(&now).iter().map(told).collect();
            let expected: Vec<String> =
                differences.iter().map(|it| it.replace("OF", OF_MAIN)).collect();
            assert_eq!(found, expected, "{when}");
        }
    }

    #[test]
    fn an_approval_is_for_one_place_and_names_each_step_once() {
        let approved = approval(&NORMAL, "us-west-2");
        let elsewhere = approved.differences(&approval(&NORMAL, "eu-west-1"));
        assert_eq!(elsewhere.iter().map(told).collect::<Vec<_>>(), ["place region"]);
        let mut twice = approved.clone();
        twice.steps.push(approved.steps[0].clone());
        assert_eq!(twice.differences(&approved), [Difference::ApprovedTwice]);
    }
}
