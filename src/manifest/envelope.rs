//! What stands around a spec: `apiVersion`, `kind`, `metadata`, `lifecycle`; and the `Stack` document.

pub use crate::kinds::API_VERSION;

use super::document::Outline;
use super::target::TARGET;
use super::values::ValueSpec;
use crate::aws::Tags;
use crate::diag::FieldPath;
use crate::kinds::{Kind, Lifecycle, OnFreeze};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The `kind` of the stack document.
pub const STACK: &str = "Stack";

/// Enough of a document to tell what it is; everything else is left to the second look.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope {
    pub(super) api_version: String,
    pub(super) kind: String,
}

/// The fields that an [`Envelope`] must have.
pub(super) struct EnvelopeOutline;

impl Outline for EnvelopeOutline {
    fn required(&self, path: &FieldPath) -> Vec<String> {
        let fields = if path.is_root() { &["apiVersion", "kind"][..] } else { &[] };
        fields.iter().map(|it| (*it).to_owned()).collect()
    }

    fn example(&self, missing: &FieldPath) -> Option<String> {
        Some(match missing.to_string().as_str() {
            "apiVersion" => format!("add the line `apiVersion: {API_VERSION}`"),
            "kind" => {
                let kinds: Vec<&str> = kind_names().collect();
                format!("add a line such as `kind: Channel`; kinds are {}", kinds.join(", "))
            }
            _ => return None,
        })
    }
}

/// The name of a document that is broken elsewhere.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) metadata: OnlyName,
}

/// The name alone.
#[derive(Debug, Deserialize)]
pub(super) struct OnlyName {
    pub(super) name: String,
}

/// A whole document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document<S> {
    #[serde(rename = "apiVersion")]
    pub(super) _api_version: String,
    #[serde(rename = "kind")]
    pub(super) _kind: String,
    pub(super) metadata: Metadata,
    /// May be left out where every field of the spec has a default.
    #[serde(default = "Option::default")]
    pub(super) spec: Option<S>,
    #[serde(default)]
    pub(super) lifecycle: Lifecycle,
}

/// A `Stack` document, which has no lifecycle.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StackDocument {
    #[serde(rename = "apiVersion")]
    pub(super) _api_version: String,
    #[serde(rename = "kind")]
    pub(super) _kind: String,
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) spec: StackSpec,
}

/// Who a resource is, in the stack.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Logical name: unique per kind in the stack, 1 to 63 of `a-z A-Z 0-9 . _ -`.
    pub name: String,
    /// For `-l` selectors only; never sent to AWS.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// For other tools; never read.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Names it had before, newest first: a rename is one tag change, never a replacement.
    /// While one is listed, a display name that is only the default stays as it was.
    #[serde(default)]
    pub previous_names: Vec<String>,
}

/// What holds for a whole run.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StackSpec {
    /// Versions of ivs-apply that read these manifests, such as `>=0.2`; checked before anything else.
    #[schemars(length(min = 1))]
    pub requires: Option<String>,
    /// Region that must be in force.
    pub region: Option<String>,
    /// Account that must be in force, twelve digits in quotes.
    pub account: Option<String>,
    /// Added to every resource; a resource's own tag wins.
    pub tags: Tags,
    /// Globs of tag keys, such as `cost:*`: live tags that match are never shown, changed or removed.
    pub ignore_tags: Vec<String>,
    /// Delete owned resources that no manifest declares.
    pub prune: bool,
    /// Quotas by kind, where they are not AWS's defaults.
    pub quotas: BTreeMap<String, u32>,
    /// Object that `apply` and `destroy` lock, as `s3://bucket/key`; the build needs the feature `lock-s3`, a default.
    pub lock: Option<String>,
    /// Periods in which `apply` and `destroy` write nothing, such as a show day.
    pub freeze: Vec<FreezeSpec>,
    /// What `apply` and `destroy` do in a freeze: end with exit code 4, or defer each step.
    pub on_freeze: OnFreeze,
    /// Values that the manifests use as `${name}`, by name; `--set` and `--values` give them.
    pub values: BTreeMap<String, ValueSpec>,
}

/// A period in which nothing is written. `--ignore-freeze REASON` of `apply` and `destroy` carries on all the same.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FreezeSpec {
    /// Its first moment, with its offset: `2026-06-01T18:00:00+02:00`.
    #[schemars(extend("format" = "date-time"))]
    pub from: String,
    /// The first moment after it, with its offset.
    #[schemars(extend("format" = "date-time"))]
    pub to: String,
    /// Why, for the people whose run it stops.
    #[schemars(length(min = 1))]
    pub reason: String,
}

/// Every `kind` a document may have.
pub fn kind_names() -> impl Iterator<Item = &'static str> {
    Kind::ALL.iter().map(|it| it.name()).chain([STACK, TARGET])
}
