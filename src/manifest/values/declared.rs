//! `Stack.spec.values`: which values there are, and what each may be.

use super::super::decode::{Meaning, meaning};
use crate::diag::tree::{NodeId, Shape, Tree};
use crate::diag::{Code, quote};
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a value of a stack may be, and what it is where nothing else is given.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValueSpec {
    /// Type of the value; a field that is exactly `${name}` takes the value with this type.
    pub r#type: ValueType,
    /// What the value is where neither `--set` nor a file of `--values` gives it; without a default it must be given.
    #[serde(default)]
    pub default: Option<serde_json::Value>,
    /// The values that are allowed; of a list, those that its items may have.
    #[serde(default)]
    pub r#enum: Vec<serde_json::Value>,
    /// Regular expression that the whole text matches; of a list, each item. For `string` and `list`.
    #[serde(default)]
    pub pattern: Option<String>,
    /// What the value is for; never read.
    #[serde(default)]
    pub description: Option<String>,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum ValueType {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of texts, numbers and truth values.
    List,
}

/// The word of manifests.
impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl ValueType {
    fn named(word: &str) -> Option<Self> {
        let word: StrDeserializer<'_, serde::de::value::Error> = word.into_deserializer();
        Self::deserialize(word).ok()
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "`true` or `false`",
            Self::List => "a list of strings, numbers or truth values",
        }
    }
}

/// A value in the form in which it is put into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A text, a number or a truth value.
    One(Item),
    /// A list of them.
    Many(Vec<Item>),
}

/// A text; plain where it means a number or a truth value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) text: String,
    pub(super) plain: bool,
}

/// Why a value is not the one that was declared.
#[derive(Debug)]
pub(super) struct Unfit {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Unfit {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }
}

/// One declaration, ready to check values.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) r#type: ValueType,
    allowed: Vec<Item>,
    pattern: Option<(String, Regex)>,
}

impl Declared {
    /// Reads the declaration at `id`. Nothing where it has no type that exists, which parsing the Stack reports.
    /// `wrong` gets what is wrong with its pattern and its allowed values, each with the value at fault.
    pub(super) fn read(
        tree: &Tree,
        id: NodeId,
        mut wrong: impl FnMut(NodeId, Unfit),
    ) -> Option<Self> {
        let scalar = |id: NodeId| match &tree.resolve(id)?.shape {
            Shape::Scalar { text, .. } => Some(text.as_str()),
            _ => None,
        };
        let r#type = ValueType::named(scalar(tree.member(id, "type")?)?)?;
        let mut declared = Self { r#type, allowed: Vec::new(), pattern: None };
        if let Some(at) = tree.member(id, "pattern")
            && let Some(text) = scalar(at)
        {
            let texts = matches!(r#type, ValueType::String | ValueType::List);
            match RegexBuilder::new(&format!(r"\A(?:{text})\z")).size_limit(1 << 20).build() {
                _ if !texts => wrong(at, pattern_of_no_text(r#type)),
                Ok(regex) => declared.pattern = Some((text.to_owned(), regex)),
                Err(error) => wrong(at, no_pattern(text, &error)),
            }
        }
        let allowed = tree.member(id, "enum").and_then(|it| tree.resolve(it));
        if let Some(Shape::Seq(items)) = allowed.map(|it| &it.shape) {
            let mut allowed = Vec::new();
            for at in items {
                match declared.item(tree, *at) {
                    Ok(item) => allowed.push(item),
                    Err(unfit) => wrong(*at, unfit),
                }
            }
            declared.allowed = allowed;
        }
        Some(declared)
    }

    /// The value at `id` of a document, if it is one that is declared.
    pub(super) fn fit(&self, tree: &Tree, id: NodeId) -> Result<Value, Unfit> {
        let shape = tree.resolve(id).map(|it| &it.shape);
        match (self.r#type, shape) {
            (ValueType::List, Some(Shape::Seq(items))) => {
                let items = items.iter().map(|it| self.item(tree, *it));
                Ok(Value::Many(items.collect::<Result<_, _>>()?))
            }
            (ValueType::List, _) => Err(self.wrong(shape)),
            _ => Ok(Value::One(self.item(tree, id)?)),
        }
    }

    /// The value that a text of the command line means.
    pub(super) fn fit_text(&self, text: &str) -> Result<Value, Unfit> {
        if text.chars().any(super::super::guard::is_control) {
            let message = "the text holds a control character";
            return Err(Unfit::new(Code::ControlCharacter, message));
        }
        let plain = !matches!(self.r#type, ValueType::String | ValueType::List);
        let item = |text: &str| self.of_scalar(text, plain);
        match self.r#type {
            ValueType::List if text.trim_start().starts_with('[') => {
                let mut unfit = Unfit::new(
                    Code::WrongType,
                    format!("expected items with commas between them, found {}", quote(text)),
                );
                unfit.help = Some("write a list as `--set name=one,two`".to_owned());
                Err(unfit)
            }
            ValueType::List if text.is_empty() => Ok(Value::Many(Vec::new())),
            ValueType::List => {
                Ok(Value::Many(text.split(',').map(item).collect::<Result<_, _>>()?))
            }
            _ => Ok(Value::One(item(text)?)),
        }
    }

    fn item(&self, tree: &Tree, id: NodeId) -> Result<Item, Unfit> {
        match tree.resolve(id).map(|it| &it.shape) {
            Some(Shape::Scalar { text, plain }) => self.of_scalar(text, *plain),
            shape => Err(self.wrong(shape)),
        }
    }

    fn of_scalar(&self, text: &str, plain: bool) -> Result<Item, Unfit> {
        if text.contains(super::reference::OPEN) {
            let mut unfit = Unfit::new(
                Code::MisplacedValue,
                "a value cannot refer to another value or hold `${`",
            );
            unfit.help = Some("write out what the value is".to_owned());
            return Err(unfit);
        }
        let is_secret = crate::diag::looks_secret(text);
        if is_secret {
            let mut unfit = Unfit::new(Code::SecretInManifest, "the value looks like a secret");
            unfit.help = Some(
                "values are for what differs between environments: no field of a manifest takes a secret"
                    .to_owned(),
            );
            return Err(unfit);
        }
        let kept = |plain| Item { text: text.to_owned(), plain };
        let item = match (self.r#type, meaning(text, plain)) {
            (_, Meaning::Nothing) => None,
            // As in manifests, a string is taken as it is written.
            (ValueType::String, _) | (ValueType::List, Meaning::Text(_)) => Some(kept(false)),
            (ValueType::Integer | ValueType::Number | ValueType::List, Meaning::Unsigned(it)) => {
                Some(Item { text: it.to_string(), plain: true })
            }
            (ValueType::Integer | ValueType::Number | ValueType::List, Meaning::Signed(it)) => {
                Some(Item { text: it.to_string(), plain: true })
            }
            (ValueType::Number | ValueType::List, Meaning::Float(_)) => Some(kept(true)),
            (ValueType::Boolean | ValueType::List, Meaning::Truth(it)) => {
                Some(Item { text: it.to_string(), plain: true })
            }
            _ => None,
        };
        let Some(item) = item else {
            return Err(self.wrong(Some(&Shape::Scalar { text: text.to_owned(), plain })));
        };
        if !self.allowed.is_empty() && !self.allowed.contains(&item) {
            let words: Vec<String> = self.allowed.iter().map(|it| quote(&it.text)).collect();
            let message =
                format!("invalid value {}: expected one of {}", quote(text), words.join(", "));
            let mut unfit = Unfit::new(Code::UnknownWord, message);
            let near = crate::diag::suggest(text, self.allowed.iter().map(|it| it.text.as_str()));
            unfit.help = near.map(|it| format!("did you mean `{it}`?"));
            return Err(unfit);
        }
        if let Some((pattern, _)) = self.pattern.as_ref().filter(|it| !it.1.is_match(&item.text)) {
            let message = format!("{} does not match the pattern {}", quote(text), quote(pattern));
            return Err(Unfit::new(Code::PatternMismatch, message));
        }
        Ok(item)
    }

    fn wrong(&self, found: Option<&Shape>) -> Unfit {
        let (text, help) = match found {
            Some(Shape::Map(_)) => ("a mapping".to_owned(), None),
            Some(Shape::Seq(_)) => ("a list".to_owned(), None),
            Some(Shape::Scalar { text, plain }) => match meaning(text, *plain) {
                Meaning::Nothing => ("nothing".to_owned(), None),
                _ if *plain => (quote(text), None),
                _ => {
                    let other = !matches!(meaning(text, true), Meaning::Text(_));
                    let help = (other && self.r#type != ValueType::List)
                        .then(|| "remove the quotes".to_owned());
                    (format!("the string {}", quote(&format!("\"{text}\""))), help)
                }
            },
            _ => ("something else".to_owned(), None),
        };
        let message = format!("expected {}, found {text}", self.r#type.expected());
        Unfit { help, ..Unfit::new(Code::WrongType, message) }
    }
}

fn pattern_of_no_text(of: ValueType) -> Unfit {
    let message = format!("a value of type `{of}` has no pattern");
    let mut unfit = Unfit::new(Code::ConflictingFields, message);
    unfit.help = Some("remove `pattern`, or declare the type `string`".to_owned());
    unfit
}

fn no_pattern(text: &str, error: &regex::Error) -> Unfit {
    let why = match error {
        regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
        other => {
            let text = other.to_string();
            text.rsplit("error: ").next().unwrap_or(&text).trim().to_owned()
        }
    };
    Unfit::new(Code::PatternMismatch, format!("{} is not a regular expression: {why}", quote(text)))
}
