//! The field reference in the terminal.

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
    match (&field.default, field.required) {
        (_, true) => format!("{type}, required"),
        (Some(default), false) => format!("{type}, default {default}"),
        (None, false) => r#type,
    }
}
