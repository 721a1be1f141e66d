//! The parts that the JSON answers of several commands have in common. Prints nothing.

use crate::ui::json;
use serde_json::Value;
use std::collections::BTreeMap;

/// A frame that knows nothing yet but the command.
pub(super) fn frame_of(command: &str) -> json::Frame<'_> {
    json::Frame {
        command,
        stack: None,
        account: None,
        caller: None,
        region: None,
        endpoint: None,
        calls: BTreeMap::new(),
        diagnostics: Value::Array(Vec::new()),
    }
}

/// A document as it is printed.
pub(super) fn pretty(document: &Value) -> String {
    crate::ui::escape::json(&format!("{document:#}\n"))
}
