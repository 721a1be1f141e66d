//! A plan as somebody may approve it: what would be done, to which objects, as they were then.
//!
//! Never instructions: what is carried out is always a plan made anew, and the approval only says whether it is
//! the one that was looked at (`docs/reliability.md` §6). Holds specs, which hold no secrets, and of live objects
//! a fingerprint.

use super::{Cause, Decision, Plan, Policy, Selected, Selection, Step};
use crate::kinds::owner::{NAME, is_under_way};
use crate::kinds::spec::{changes, fingerprint, sorted};
use crate::kinds::{API_VERSION, AddressMap, Arn, Owner, SAVED_PLAN, Spec, json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the form.
const FORMAT_VERSION: &str = "1.2";

/// Where a plan was made. Elsewhere it is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    /// The stack.
    pub stack: String,
    /// Account whose credentials were in force.
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
    pub action: String,
    /// The object it is done to.
    pub arn: Option<String>,
    /// `do`, `interrupt`, `deferred` or `dormant`.
    pub decision: String,
    /// The stream, session or composition that is cut off, where one is: another show was not approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuts_off: Option<String>,
    /// Why it is there.
    pub because: Vec<Value>,
    /// Fields that differ, by path.
    pub fields: BTreeMap<String, Value>,
    /// The spec as it shall be, without what is AWS's default.
    pub spec: Option<Value>,
    /// Our own tags as they shall be.
    pub ownership: BTreeMap<String, String>,
    /// What it refers to and what is there already, with its ARN.
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
    /// What it was made from. Its name stands behind `kind` in the file, which a cut off file is known by.
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
            plan.steps.iter().map(|it| (it.id, title_of(it))).collect();
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

    /// Everything in which what would be done now is not what was approved, one line each; nothing else may
    /// be carried out on the strength of it.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for change in changes("", &json(&self.place), &json(&now.place)) {
            lines.push(told(change.path.trim_start_matches('.'), &change.before, &change.after));
        }
        let by_title = |approval: &Self| -> BTreeMap<String, ApprovedStep> {
            let steps = approval.steps.iter();
            steps.map(|it| (it.title(), it.clone())).collect()
        };
        let (then, now) = (by_title(self), by_title(now));
        if then.len() != self.steps.len() {
            lines.push("a step was approved twice".to_owned());
        }
        for (title, step) in &then {
            match now.get(title) {
                None => lines.push(format!("{title}: approved, and not what would be done now")),
                Some(other) => lines.extend(step.differences(other)),
            }
        }
        for title in now.keys().filter(|it| !then.contains_key(*it)) {
            lines.push(format!("{title}: would be done now, and was not approved"));
        }
        lines
    }
}

impl ApprovedStep {
    /// Why it is there, as the plan had it.
    pub fn causes(&self) -> Vec<Cause> {
        self.because.iter().filter_map(|it| serde_json::from_value(it.clone()).ok()).collect()
    }

    fn title(&self) -> String {
        let name = self.ownership.get(NAME).map(String::as_str);
        title(&self.action, &self.address, self.arn.as_deref(), name)
    }

    fn differences(&self, now: &Self) -> Vec<String> {
        let title = self.title();
        let mut lines = Vec::new();
        if self.object != now.object {
            lines.push(format!("{title}: the object was changed since it was approved"));
        }
        let fields = self.fields_that_differ(now);
        lines.extend(fields.values().map(|line| format!("{title}: {line}")));
        let rest = |it: &Self| json(&Self { object: None, fields: BTreeMap::new(), ..it.clone() });
        for change in changes("", &rest(self), &rest(now)) {
            let path = change.path.trim_start_matches('.');
            if !fields.contains_key(path) {
                lines.push(format!("{title}: {}", told(path, &change.before, &change.after)));
            }
        }
        lines
    }

    /// What is said of each field that would not be changed as was approved.
    fn fields_that_differ<'a>(&'a self, now: &'a Self) -> BTreeMap<&'a str, String> {
        let change = |it: &Value| format!("{} -> {}", it["before"], it["after"]);
        let paths = self.fields.keys().chain(now.fields.keys());
        let differ = paths.filter_map(|path| {
            let line = match (self.fields.get(path), now.fields.get(path)) {
                (then, now) if then == now => return None,
                (Some(then), Some(now)) => {
                    format!("`{path}` was approved as {}, and is {} now", change(then), change(now))
                }
                (Some(then), None) => {
                    format!("`{path}`: {} was approved, and would not be done now", change(then))
                }
                (_, now) => format!(
                    "`{path}`: {} would be done now, and was not approved",
                    now.map(change).unwrap_or_default()
                ),
            };
            Some((path.as_str(), line))
        });
        differ.collect()
    }
}

fn told(path: &str, approved: &Value, now: &Value) -> String {
    let nothing = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        value => value.to_string(),
    };
    format!("`{path}` was approved as {}, and is {} now", nothing(approved), nothing(now))
}

/// The object's ARN, where it has one of its own.
fn arn(step: &Step) -> Option<&Arn> {
    step.arn.as_ref().filter(|_| step.address.kind.facts().arn_type.is_some())
}

fn title_of(step: &Step) -> String {
    let name = step.spec.as_ref().map(|_| step.ownership.name.as_str());
    title(step.action.as_str(), &step.address.to_string(), arn(step).map(Arn::as_str), name)
}

/// What tells a step from the others of its plan. Where two names are swapped, one object is renamed twice: to a
/// temporary name, and to its own.
fn title(action: &str, address: &str, arn: Option<&str>, name: Option<&str>) -> String {
    let of = arn.map(|arn| format!(" of {arn}")).unwrap_or_default();
    let temporary = name.filter(|name| is_under_way(name)).map(|name| format!(" to `{name}`"));
    format!("{action} {address}{of}{}", temporary.unwrap_or_default())
}

fn approved(step: &Step, addresses: &AddressMap, names: &BTreeMap<usize, String>) -> ApprovedStep {
    let refers_to = step.spec.iter().flat_map(Spec::refs).filter_map(|edge| {
        let arn = edge.to.arn(addresses)?;
        Some((edge.field, arn.as_str().to_owned()))
    });
    ApprovedStep {
        address: step.address.to_string(),
        action: step.action.as_str().to_owned(),
        arn: arn(step).map(ToString::to_string),
        decision: match &step.decision {
            // To cut somebody off is more than to do it, and needs to have been seen.
            Decision::Interrupt => "interrupt".to_owned(),
            other => other.as_str().to_owned(),
        },
        cuts_off: step
            .impact
            .as_ref()
            .filter(|_| step.decision == Decision::Interrupt)
            .and_then(|it| it.session.clone().or(it.composition.as_ref().map(ToString::to_string))),
        because: step.because.iter().map(json).collect(),
        fields: step
            .fields
            .iter()
            .map(|it| (it.path.clone(), json!({ "before": it.before, "after": it.after })))
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
