//! `kind: Target`: one place that a stack is applied to. An account, a region and a stack there, the role to take for it,
//! the manifests and their values, and the wave of a fleet that it belongs to.
//!
//! Reads the documents of files and folders, each by itself: a broken one is one failed entry, and the others are read.
//! Reads no manifest, calls no AWS, and carries out nothing of what only the operator does.

mod beside;
mod check;
mod read;

pub(super) use beside::without_effect;
pub(super) use read::document;
pub use read::{BrokenTarget, Target, TargetPlace, targets, targets_with};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The `kind` of the document.
pub const TARGET: &str = "Target";

/// The `CustomResourceDefinition` of a Target, in YAML. The operator makes it from the types below and from that of the status,
/// and its tests hold the file.
pub const DEFINITION: &str = include_str!("../../deploy/operator/crd.yaml");

/// Who a target is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetMetadata {
    /// Its name, as RFC 1123 has it: 1 to 63 of `a-z 0-9 -`, with a letter or digit first and last.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The namespace in Kubernetes; the command line does not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// For the selector of `fleet`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// For other tools; never read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Where a stack is applied, as whom, and from what.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetSpec {
    /// Account that must be in force, twelve digits in quotes.
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub account: String,
    /// Region.
    #[schemars(length(min = 1, max = 32))]
    pub region: String,
    /// Stack to work on, where the manifests have no Stack document; with one it must be the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub stack: Option<String>,
    /// Role to assume; without one the credentials of the run are used as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The manifests.
    pub manifests: Manifests,
    /// Values for what the Stack declares in `spec.values`; `--set` and `--values` come before them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = MOST_VALUES))]
    pub values: BTreeMap<String, serde_json::Value>,
    /// When it is its turn in a fleet: a wave starts after those with lower numbers.
    #[serde(default)]
    pub wave: u32,
    /// Whether the operator only compares or also applies; the command line does not read it.
    #[serde(default)]
    pub mode: Mode,
    /// How often the operator compares, such as `24h`; the command line does not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = r"^([0-9]+(h|m|s))+$"))]
    pub interval: Option<String>,
    /// What the operator does with the stack when the Target is deleted; the command line does not read it.
    #[serde(default)]
    pub deletion: Deletion,
    /// Whether the operator leaves the target alone; the command line does not read it.
    #[serde(default)]
    pub suspend: bool,
    /// Service account whose token the operator takes the role with; the command line does not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
    /// Secret that the operator writes stream keys and passphrases into; the command line does not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_secrets_to: Option<SecretRef>,
}

/// The most values that a target may have.
const MOST_VALUES: usize = 100;

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Role {
    /// Its ARN, of the account of the target.
    #[schemars(
        length(min = 20, max = 2048),
        regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$")
    )]
    pub arn: String,
    /// Name of the session, which CloudTrail shows; `ivs-apply-` and the name of the target if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[A-Za-z0-9_+=,.@-]+$"))]
    pub session_name: Option<String>,
    /// External id that the role's trust policy asks for. It is no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224), regex(pattern = r"^[A-Za-z0-9_+=,.@:/-]+$"))]
    pub external_id: Option<String>,
}

/// Where the manifests are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Manifests {
    /// File or folder, relative to the file of the Target; with `-f` another one.
    #[schemars(length(min = 1, max = 1024))]
    pub path: String,
    /// The object that the operator takes them from; the command line does not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<SourceRef>,
}

/// A Secret of Kubernetes, in the namespace of the Target.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct SecretRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// An object of Kubernetes that has manifests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct SourceRef {
    /// Its kind.
    pub kind: SourceKind,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace; that of the Target if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// An enumeration whose schema is one `enum` of strings: the API server of Kubernetes takes no `oneOf` of constants.
macro_rules! words {
    ($(#[doc = $about:literal])+ $name:ident { $( $(#[$attribute:meta])+ $variant:ident, )+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
        pub enum $name { $( $(#[$attribute])+ $variant, )+ }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": [$( stringify!($variant) ),+] })
            }
        }
    };
}

words! {
    /// What the operator does with a target.
    Mode {
        /// It compares and reports.
        #[default]
        Observe,
        /// It applies.
        Apply,
    }
}

words! {
    /// What becomes of the stack when its Target is deleted from Kubernetes.
    Deletion {
        /// It stays.
        #[default]
        Orphan,
        /// It is destroyed.
        Delete,
    }
}

words! {
    /// The kinds of objects that have manifests.
    SourceKind {
        /// A Git repository that Flux fetches.
        #[default]
        GitRepository,
        /// An artifact in a container registry that Flux fetches.
        OCIRepository,
        /// A bucket that Flux fetches.
        Bucket,
        /// An artifact of another controller.
        ExternalArtifact,
        /// A `ConfigMap`, each entry of which is a file.
        ConfigMap,
    }
}
