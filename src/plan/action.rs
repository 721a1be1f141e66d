//! What a step does to its object.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a step does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Make an object that is not there.
    Create,
    /// Make the successor of an object that cannot be changed.
    Replace,
    /// Change the spec of an object, and its tags where they differ.
    Update,
    /// Take over an unowned object.
    Adopt,
    /// Write another logical name onto an object.
    Rename,
    /// Change tags only.
    Retag,
    /// Take the ownership tags off an object that stays with what it came with.
    Release,
    /// Delete an object.
    Delete,
}

impl Action {
    /// Whether it makes an object.
    pub fn makes(self) -> bool {
        matches!(self, Self::Create | Self::Replace)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Update => "update",
            Self::Adopt => "adopt",
            Self::Rename => "rename",
            Self::Retag => "retag",
            Self::Release => "release",
            Self::Delete => "delete",
        }
    }
}
