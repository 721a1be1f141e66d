//! The parts that the JSON answers of several commands have in common. Prints nothing.

use crate::cli::Global;
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

/// A document as it is printed: over many lines, or, of a run that repeats, on one.
pub(super) fn printed(document: &Value, global: &Global) -> String {
    if global.repeats {
        crate::ui::escape::json(&format!("{document}\n"))
    } else {
        pretty(document)
    }
}

/// A document over many lines.
pub(super) fn pretty(document: &Value) -> String {
    crate::ui::escape::json(&format!("{document:#}\n"))
}
