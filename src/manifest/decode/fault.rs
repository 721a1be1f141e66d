//! Why a value does not fit its type, in our words.
//!
//! serde says these things through its `Error` trait; here they become a code, a message by our
//! grammar and a suggestion. A value is quoted with at most 40 characters, a secret never.

use super::Skip;
use crate::diag::{Code, FieldPath, Part, looks_secret, quote, refusal, suggest};
use serde::de::{Error, Expected, Unexpected};
use std::fmt;

/// How long a message from elsewhere may be.
const LONGEST: usize = 300;

/// Something that does not fit.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// Where; nothing until the value being read has put its place in.
    pub(super) path: Option<FieldPath>,
    pub(super) part: Part,
    /// What to leave out so that the rest can be read.
    pub(super) skip: Option<Skip>,
    /// The field that is missing; the mapping without it is what to leave out.
    pub(super) missing: Option<&'static str>,
    /// Whether the message only says what was expected, and the value is to be put before it.
    nameless: bool,
    /// What was expected where a string was found: quotes may be all that is wrong with the value.
    instead_of_string: Option<Box<Wanted>>,
}

/// What was expected of a value, in words. Faults are results, which stay small.
#[derive(Debug)]
struct Wanted(String);

impl Fault {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            path: None,
            part: Part::Value,
            skip: None,
            missing: None,
            nameless: false,
            instead_of_string: None,
        }
    }

    /// Puts the place in, unless there is one from further in.
    pub(super) fn or_at(
        mut self,
        path: &dyn Fn() -> FieldPath,
        part: Part,
        skip: Option<Skip>,
    ) -> Self {
        if self.path.is_none() {
            (self.path, self.part, self.skip) = match self.missing {
                Some(field) => (Some(path().key(field)), Part::Key, skip),
                None => (Some(path()), part, skip),
            };
        }
        self
    }

    /// Adds the value to a message that only says what was expected.
    pub(super) fn name_value(&mut self, value: &str) {
        if std::mem::take(&mut self.nameless) {
            let expected = std::mem::take(&mut self.message);
            self.message = format!("invalid value {}: {expected}", quote(value));
            self.help = did_you_mean(value, words_in(&expected));
        }
    }

    /// Says that a quoted value was found where the same value without quotes would not be a string.
    pub(super) fn name_quotes(&mut self, value: &str) {
        if let Some(wanted) = self.instead_of_string.take() {
            let Wanted(expected) = *wanted;
            let value = quote(&format!("\"{value}\""));
            self.message = format!("expected {expected}, found the string {value}");
            self.help = Some("remove the quotes".to_owned());
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        if let Some((code, message, help)) = refusal(&text) {
            let mut fault = Self::new(code, message);
            fault.help = help.map(str::to_owned);
            return fault;
        }
        if looks_secret(&text) {
            return Self::new(Code::WrongType, "the value is not accepted here");
        }
        if text.starts_with("data did not match any variant") {
            return Self::new(Code::WrongType, "the value has none of the forms accepted here");
        }
        if text.starts_with("expected ") {
            let mut fault = Self::new(Code::UnknownWord, text);
            fault.nameless = true;
            return fault;
        }
        Self::new(Code::WrongType, text.chars().take(LONGEST).collect::<String>())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = wanted(expected);
        let message = format!("expected {expected}, found {}", found(unexpected));
        let mut fault = Self::new(Code::WrongType, message);
        let is_string = matches!(unexpected, Unexpected::Str(_));
        fault.instead_of_string = is_string.then(|| Box::new(Wanted(expected)));
        fault
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = wanted(expected);
        if let Unexpected::Str(word) = unexpected {
            let message = format!("invalid value {}: expected {expected}", quote(word));
            let mut fault = Self::new(Code::UnknownWord, message);
            fault.help = did_you_mean(word, words_in(&expected));
            return fault;
        }
        let message = format!("{} is out of range: expected {expected}", found(unexpected));
        Self::new(Code::OutOfRange, message)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let message = format!("expected {}, found {length} items", wanted(expected));
        Self::new(Code::OutOfRange, message)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("invalid value {}: expected {}", quote(variant), any_of(expected));
        let mut fault = Self::new(Code::UnknownWord, message);
        fault.help = did_you_mean(variant, expected.iter().copied());
        fault
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut fault = Self::new(Code::UnknownField, format!("unknown field {}", quote(field)));
        fault.help = did_you_mean(field, expected.iter().copied()).or_else(|| match expected {
            [] => Some("no field can be given here".to_owned()),
            _ => Some(format!("the fields here are {}", all_of(expected))),
        });
        fault
    }

    fn missing_field(field: &'static str) -> Self {
        let mut fault = Self::new(Code::MissingField, format!("missing field `{field}`"));
        fault.missing = Some(field);
        fault
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Code::DuplicateKey, format!("the field `{field}` is given twice"))
    }
}

fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    suggest(word, known).map(|it| format!("did you mean `{it}`?"))
}

/// The words of a text such as "`LOW` or `NORMAL`" or "LOW, NORMAL".
fn words_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '`' | '"' | '\''))
        .filter(|it| !matches!(*it, "" | "or" | "one" | "of" | "expected" | "a" | "an" | "the"))
}

/// The words with "or" before the last.
fn any_of(words: &[&str]) -> String {
    list(words, "or")
}

fn all_of(words: &[&str]) -> String {
    list(words, "and")
}

fn list(words: &[&str], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|it| format!("`{it}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [rest @ .., end] => format!("{} {last} {end}", rest.join(", ")),
    }
}

/// What was expected: serde's Rust words as YAML's.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    let known = match text.as_str() {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a map" => "a mapping",
        "a sequence" => "a list",
        "string" => "a string",
        "unit" => "nothing",
        _ if text.starts_with("struct ") => "a mapping",
        _ => return text,
    };
    known.to_owned()
}

/// What was found.
fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Str(text) => quote(text),
        Unexpected::Bool(it) => format!("`{it}`"),
        Unexpected::Unsigned(it) => format!("`{it}`"),
        Unexpected::Signed(it) => format!("`{it}`"),
        Unexpected::Float(it) => format!("`{it}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        _ => "something else".to_owned(),
    }
}
