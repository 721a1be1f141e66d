//! What a child answers, in the form of `schemas/output.json`: the part of it that the operator reads. Text of the child
//! is never read.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The major version of the form that is understood.
const FORM: &str = "2.";

/// An answer of `--format json`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    format_version: String,
    /// The stack, where it is known.
    pub(crate) stack: Option<String>,
    /// How many of each action.
    #[serde(default)]
    pub(crate) summary: BTreeMap<String, u64>,
    /// What became of them.
    #[serde(default)]
    pub(crate) outcome: BTreeMap<String, u64>,
    /// The steps.
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    /// What differs and is no drift.
    #[serde(default)]
    pub(crate) not_drift: NotDrift,
    /// The calls to AWS.
    #[serde(default)]
    pub(crate) calls: BTreeMap<String, u64>,
    /// Mistakes in the manifests.
    #[serde(default)]
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Why it failed or was refused.
    #[serde(default)]
    pub(crate) error: Option<Failure>,
}

/// A step.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    /// What it is about.
    pub(crate) address: String,
    /// What it does.
    pub(crate) action: String,
    /// What stands against it.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// What became of it.
    #[serde(default)]
    pub(crate) status: Option<String>,
    /// Whether it would be done.
    #[serde(default)]
    pub(crate) decision: Option<String>,
}

/// What differs and is no drift.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct NotDrift {
    /// Changed in the manifests, or not adopted yet.
    pub(crate) pending: Vec<String>,
    /// Declared and missing.
    pub(crate) missing: Vec<String>,
}

/// A mistake in a manifest.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Diagnostic {
    /// Its code.
    pub(crate) code: String,
    /// `error` or `warning`.
    pub(crate) severity: String,
    /// What is wrong.
    pub(crate) message: String,
    /// In which file.
    #[serde(default)]
    pub(crate) file: Option<String>,
    /// In which line.
    #[serde(default)]
    pub(crate) line: Option<u64>,
}

/// Why a run failed.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Failure {
    /// What happened.
    pub(crate) message: String,
    /// What to do.
    #[serde(default)]
    pub(crate) help: Option<String>,
}

impl Answer {
    /// Reads an answer; nothing for what is none, or one of a form that is not known.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let answer: Self = serde_json::from_slice(bytes).ok()?;
        answer.format_version.starts_with(FORM).then_some(answer)
    }

    /// A number of the summary.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.summary.get(name).copied().unwrap_or(0)
    }

    /// The first mistake in the manifests that is an error.
    pub(crate) fn first_error(&self) -> Option<&Diagnostic> {
        self.diagnostics.iter().find(|it| it.severity == "error")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_form_is_none() {
        assert!(Answer::read(br#"{"formatVersion":"2.7","stack":"live"}"#).is_some());
        for bad in [&br#"{"formatVersion":"3.0"}"#[..], b"{}", b"", b"error: x"] {
            assert!(Answer::read(bad).is_none());
        }
    }
}
