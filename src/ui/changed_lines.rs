//! What a step makes of a spec, line by line: the spec of what is created, the diff of what is changed. Each line has
//! its sign as a value and its text without colour; text, Markdown and HTML draw them, and none of them reads the
//! text of another.

use super::escape::escape;
use super::plan::{CAP, new_value, value};
use crate::kinds::Spec;
use crate::kinds::spec::FieldValue;
use crate::manifest::write::yaml;
use crate::plan::Step;
use anstyle::{AnsiColor, Style};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// What a line says of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// The line is in the desired spec alone.
    Added,
    /// The line is in the observed spec alone.
    Removed,
    /// The line is in both.
    Context,
    /// A remark, or a field with its two values.
    Remark,
}

/// One line, escaped.
#[derive(Clone, Debug)]
pub(super) struct ChangedLine {
    /// What it says.
    pub sign: Sign,
    /// Its text, without the sign.
    pub text: String,
}

impl ChangedLine {
    /// A line of text that came from outside.
    pub(super) fn new(sign: Sign, text: &str) -> Self {
        Self { sign, text: escape(text, CAP) }
    }

    /// The line with its sign in front, as a diff has it.
    pub(super) fn plain(&self) -> String {
        let sign = match self.sign {
            Sign::Added => "+ ",
            Sign::Removed => "- ",
            Sign::Context => "  ",
            Sign::Remark => "",
        };
        format!("{sign}{}", self.text)
    }

    /// The line with its sign in front, coloured.
    pub(super) fn coloured(&self) -> String {
        let style = match self.sign {
            Sign::Added => AnsiColor::Green.on_default(),
            Sign::Removed => AnsiColor::Red.on_default(),
            Sign::Context => Style::new().dimmed(),
            Sign::Remark => Style::new(),
        };
        format!("{style}{}{style:#}", self.plain())
    }
}

/// The spec of what is created; the diff of what changes.
pub(super) fn changed_lines(step: &Step) -> Vec<ChangedLine> {
    match (&step.before, &step.spec) {
        (_, None) => Vec::new(),
        (None, Some(spec)) => shown(spec, Some(&step.address.name))
            .lines()
            .map(|it| ChangedLine::new(Sign::Added, it))
            .collect(),
        (Some(before), Some(_)) => {
            step.wanted(Some(before)).map(|after| diff(step, before, &after)).unwrap_or_default()
        }
    }
}

/// A spec as YAML; what is created shows only what is not a default.
fn shown(spec: &Spec, name: Option<&str>) -> String {
    let mut value = spec.minimal();
    if let (Value::Object(map), Some(name)) = (&mut value, name)
        && map.get("name").and_then(Value::as_str) == Some(name)
    {
        map.remove("name");
    }
    if value.as_object().is_some_and(serde_json::Map::is_empty) {
        String::new()
    } else {
        yaml(&value)
    }
}

fn diff(step: &Step, before: &Spec, after: &Spec) -> Vec<ChangedLine> {
    let (before, after) = (yaml(&before.fields()), yaml(&after.fields()));
    let diff = TextDiff::from_lines(&before, &after);
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut open: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for group in diff.grouped_ops(2) {
        for (index, change) in group.iter().flat_map(|op| diff.iter_changes(op)).enumerate() {
            let line = change.value().trim_end_matches('\n');
            if index == 0 {
                let (text, at) = match (change.old_index(), change.new_index()) {
                    (Some(at), _) => (&old, at),
                    (None, at) => (&new, at.unwrap_or_default()),
                };
                let parents = parents(text, at);
                let unseen = parents.iter().filter(|it| !open.contains(it));
                lines.extend(unseen.map(|it| ChangedLine::new(Sign::Context, it)));
                open = parents;
            }
            open.retain(|it| depth(it) < depth(line));
            open.push(line);
            let sign = match change.tag() {
                ChangeTag::Delete => Sign::Removed,
                ChangeTag::Insert => Sign::Added,
                ChangeTag::Equal => Sign::Context,
            };
            lines.push(ChangedLine::new(sign, line));
        }
    }
    // What the two texts do not show: a reference that keeps its name, and fields outside the spec.
    for field in &step.fields {
        let upstream = matches!(field.after, FieldValue::KnownAfterApply(_));
        if upstream || !field.is_in_spec() {
            let (from, to) = (value(&field.before), new_value(&field.after));
            let path = escape(&field.path.to_string(), CAP);
            // Both values are escaped and shortened already.
            let text = format!("{path}: {from} -> {to}");
            lines.push(ChangedLine { sign: Sign::Remark, text });
        }
    }
    lines
}

/// The lines of a block of YAML inside which a line stands, the outermost first.
fn parents<'t>(lines: &[&'t str], at: usize) -> Vec<&'t str> {
    let mut found = Vec::new();
    let mut inner = lines.get(at).map_or(0, |it| depth(it));
    for line in lines[..at.min(lines.len())].iter().rev() {
        if depth(line) < inner {
            inner = depth(line);
            found.push(*line);
        }
    }
    found.reverse();
    found
}

/// How deep a line of YAML stands; an item is deeper than the key of its list, which may stand above it.
fn depth(line: &str) -> usize {
    let text = line.trim_start_matches(' ');
    2 * (line.len() - text.len()) + usize::from(text.starts_with("- "))
}
