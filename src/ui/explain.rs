//! The field reference in the terminal.

use crate::diag::Code;
use crate::manifest::schema::Field;
use anstyle::Style;
use std::fmt::Write;

/// A kind with all its fields.
pub fn kind(name: &str, about: &str, fields: &[Field]) -> String {
    let bold = Style::new().bold();
    let mut text = format!("{bold}{name}{bold:#}\n\n{about}\n\n");
    list(fields.iter(), &mut text);
    text
}

/// The list of kinds, and what else can be asked for.
pub fn kinds(all: &[(&str, String)]) -> String {
    let bold = Style::new().bold();
    let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = format!("{bold}Kinds{bold:#}\n\n");
    for (name, about) in all {
        let first = about.split_once(". ").map_or(about.as_str(), |(first, _)| first);
        let first = first.lines().next().unwrap_or_default().trim_end_matches('.');
        let _ = writeln!(text, "  {bold}{name:<width$}{bold:#}  {first}");
    }
    text.push_str(
        "\n`ivs-apply explain KIND` lists the fields of a kind, `explain KIND.FIELD` explains one, and\n\
         `explain E0103` explains an error.\n",
    );
    text
}

/// What a code of a diagnostic means.
pub fn code(code: Code) -> String {
    let bold = Style::new().bold();
    let head = format!("{bold}{}: {}{bold:#}  {}", code.code(), code.slug(), code.severity());
    let explanation: Vec<&str> = code.explanation().lines().map(str::trim).collect();
    format!("{head}\n\n{}\n", explanation.join("\n").trim())
}

/// One field of a kind, with what is inside it.
pub fn field(kind: &str, field: &Field, inner: &[&Field]) -> String {
    let bold = Style::new().bold();
    let mut text = format!("{bold}{kind}: {}{bold:#}  {}\n", field.path, facts(field));
    if !field.about.is_empty() {
        let _ = write!(text, "\n{}\n", field.about);
    }
    if !inner.is_empty() {
        text.push('\n');
        list(inner.iter().copied(), &mut text);
    }
    text
}

fn list<'a>(fields: impl Iterator<Item = &'a Field>, text: &mut String) {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    for field in fields {
        let _ = writeln!(text, "  {bold}{}{bold:#}  {dim}{}{dim:#}", field.path, facts(field));
        for line in field.about.lines() {
            let _ = writeln!(text, "      {line}");
        }
    }
}

fn facts(field: &Field) -> String {
    let r#type = field.r#type.replace('`', "");
    let mut facts = match (&field.default, field.required) {
        (_, true) => format!("{type}, required"),
        (Some(default), false) => format!("{type}, default {default}"),
        (None, false) => r#type,
    };
    if field.immutable {
        facts.push_str(", immutable: a change replaces the object");
    }
    facts
}
