//! The answer of a target as far as the fleet reads it: `answer.json` may be large, and the fleet keeps a summary.

use crate::fleet::{Error, Finding};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

/// Mistakes in manifests that are kept of each target.
const FINDINGS: usize = 3;

/// What is kept of an answer; everything else is passed over as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) stack: Option<String>,
    #[serde(default)]
    pub(super) summary: BTreeMap<String, u64>,
    #[serde(default)]
    pub(super) outcome: BTreeMap<String, u64>,
    #[serde(default)]
    pub(super) calls: BTreeMap<String, u64>,
    pub(super) error: Option<Error>,
    #[serde(default, deserialize_with = "first_errors")]
    pub(super) diagnostics: Vec<Finding>,
}

impl Answer {
    /// Reads an answer.
    pub(super) fn read(from: impl Read) -> serde_json::Result<Self> {
        serde_json::from_reader(from)
    }
}

/// A diagnostic of an answer.
#[derive(Deserialize)]
struct Diagnostic {
    severity: String,
    message: String,
    file: Option<String>,
    line: Option<u64>,
}

/// The first errors of a list of diagnostics; there may be thousands.
fn first_errors<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Finding>, D::Error> {
    struct First;
    impl<'de> Visitor<'de> for First {
        type Value = Vec<Finding>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of diagnostics")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut first = Vec::new();
            while first.len() < FINDINGS {
                let Some(it) = list.next_element::<Diagnostic>()? else { return Ok(first) };
                if it.severity == "error" {
                    let Diagnostic { message, file, line, .. } = it;
                    first.push(Finding { message, file, line });
                }
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(first)
        }
    }
    from.deserialize_seq(First)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_an_answer_the_sums_are_kept_and_the_first_errors() {
        let error = |line: u64| {
            json!({
                "code": "E0001", "slug": "x", "severity": "error", "message": "wrong",
                "file": "a.yaml", "line": line, "related": [{ "message": "there" }],
            })
        };
        let warning = json!({ "severity": "warning", "message": "odd" });
        let answer = json!({
            "stack": "live", "summary": { "create": 2 }, "outcome": { "done": 1 },
            "calls": { "ListChannels": 3, "GetChannel": 4 }, "steps": [{ "id": 1 }],
            "error": { "message": "no", "help": null },
            "diagnostics": [warning, error(1), error(2), error(3), error(4), error(5)],
        });
        let read = Answer::read(answer.to_string().as_bytes()).expect("an answer");
        assert_eq!(read.summary["create"], 2);
        assert_eq!(read.outcome["done"], 1);
        assert_eq!(read.calls.values().sum::<u64>(), 7);
        assert_eq!(read.error.expect("an error").message, "no");
        let lines: Vec<_> = read.diagnostics.iter().filter_map(|it| it.line).collect();
        assert_eq!(lines, [1, 2, 3]);
        for broken in ["", "{", "[]", "{\"summary\": 1}", "{} {}"] {
            assert!(Answer::read(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
