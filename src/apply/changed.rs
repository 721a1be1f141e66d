//! How an object differs from what the plan saw, so that a step does not write to it.

use crate::diag::FieldPath;
use crate::kinds::{Arn, Owner};
use schemars::JsonSchema;
use serde::Serialize;

/// What is different from the plan.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error, JsonSchema)]
#[serde(tag = "reason", rename_all_fields = "camelCase")]
pub enum Changed {
    /// Another run has created the object since the plan was made.
    #[error("another run created {arn}")]
    MadeMeanwhile {
        /// The object.
        arn: Arn,
    },
    /// The object does not exist any more.
    #[error("it is gone")]
    Gone,
    /// Its ownership tags are others.
    #[error("it belongs to {owner} now")]
    OwnerChanged {
        /// The owner.
        owner: Box<Owner>,
    },
    /// Another stack or tool owns an object that it acts on by reference.
    #[error("`{field}` is {arn}, which belongs to {owner} now")]
    ReferenceOwnerChanged {
        /// The field that refers to it.
        field: FieldPath,
        /// That object.
        arn: Arn,
        /// Its owner.
        owner: Box<Owner>,
    },
    /// Fields of its spec are others.
    #[error("it was changed since the plan was made: {}", list(fields))]
    FieldsChanged {
        /// Their paths.
        fields: Vec<FieldPath>,
    },
    /// It got the tag that protects it.
    #[error("it was protected")]
    ProtectedMeanwhile,
    /// What AWS deletes together with it is protected.
    #[error("{part}, which would be deleted with it, is protected")]
    PartProtected {
        /// That object.
        part: Arn,
    },
    /// The object that replaces it does not exist.
    #[error("the object that replaces it was deleted")]
    SuccessorGone,
    /// It is not a duplicate any more.
    #[error("it is not a duplicate any more")]
    NoDuplicate,
    /// The tags of the duplicate or of the object that counts are others.
    #[error("the tags of the duplicate or of the kept object changed")]
    DuplicateTagsChanged,
    /// The duplicate was changed since it was made.
    #[error("it was changed since it was created")]
    DuplicateChanged,
    /// The plan does not say when the account was read.
    #[error("the plan does not say when the account was read")]
    PlanOfUnknownAge,
}

fn list(fields: &[FieldPath]) -> String {
    fields.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether an object is still what the plan saw.
pub(super) enum Precondition<T> {
    /// The object is as planned.
    Holds(T),
    /// The object was deleted.
    Gone,
    /// The object differs, in this way.
    Not(Changed),
}

crate::plan::reason::codes! { Changed: MadeMeanwhile, Gone, OwnerChanged, ReferenceOwnerChanged, FieldsChanged, ProtectedMeanwhile, PartProtected, SuccessorGone, NoDuplicate, DuplicateTagsChanged, DuplicateChanged, PlanOfUnknownAge }
