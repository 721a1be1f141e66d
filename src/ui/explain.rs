//! The field reference in the terminal.

use crate::diag::Code;
use crate::manifest::schema::Field;
use anstyle::Style;
use std::fmt::Write;

/// The longest description of a kind in the list of all kinds, unless its first sentence is longer.
const LONGEST: usize = 100;

/// Every kind, with the first sentences of its description.
pub fn kinds<'a>(all: impl Iterator<Item = (&'a str, String)>) -> String {
    let bold = Style::new().bold();
    let mut text = String::new();
    for (name, about) in all {
        let _ = writeln!(text, "{bold}{name:<28}{bold:#}{}", first_sentences(&about));
    }
    text.push_str(
        "\n`ivs-apply explain KIND` lists the fields of a kind, `ivs-apply explain E0103` explains a code\n",
    );
    text
}

/// As many whole sentences as fit, and at least one.
fn first_sentences(about: &str) -> String {
    let paragraph: Vec<&str> = about.lines().take_while(|it| !it.trim().is_empty()).collect();
    let paragraph = paragraph.join(" ");
    let ends = paragraph.match_indices(". ").map(|(at, _)| at + 1).chain([paragraph.len()]);
    let ends: Vec<usize> = ends.collect();
    let fits = ends.iter().rev().find(|it| **it <= LONGEST).unwrap_or(&ends[0]);
    paragraph[..*fits].to_owned()
}

/// A kind with all its fields.
pub fn kind(name: &str, about: &str, fields: &[Field]) -> String {
    let bold = Style::new().bold();
    let mut text = format!("{bold}{name}{bold:#}\n\n{about}\n\n");
    list(fields.iter(), &mut text);
    if fields.iter().any(|it| it.immutable) {
        text.push_str("\nA change of an immutable field replaces the resource.\n");
    }
    text
}

/// What an error or a warning means.
pub fn code(code: Code) -> String {
    let bold = Style::new().bold();
    let lines: Vec<&str> = code.explanation().lines().map(str::trim).collect();
    let title = format!("{bold}{}[{code}]: {}{bold:#}", code.severity(), code.slug());
    format!("{title}\n\n{}\n", lines.join("\n"))
}

/// One field of a kind, with what is inside it.
pub fn field(kind: &str, field: &Field, inner: &[&Field]) -> String {
    let bold = Style::new().bold();
    let mut text = format!("{bold}{kind}: {}{bold:#}  {}\n", field.shown(), facts(field));
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
        let _ = writeln!(text, "  {bold}{}{bold:#}  {dim}{}{dim:#}", field.shown(), facts(field));
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
        facts.push_str(", immutable");
    }
    facts
}
