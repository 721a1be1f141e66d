//! A document that was read, as a typed value.
//!
//! A deserializer over `diag::tree`, so that faults come as what they are (an unknown field, a
//! missing one…) with the path to them, not as English to be taken apart. After a fault the pass is
//! repeated without the value at fault, so that one run tells all. Strings are taken as they are
//! written: `account: 012345678901` keeps its zero. Nothing (`~`, or no text) is not a string.

mod access;
mod fault;

use crate::diag::tree::{Entry, Node, NodeId, Shape, Tree};
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Part, Place, Report, Segment, quote};
use access::{Fields, Items};
use fault::Fault;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use std::collections::BTreeSet;

/// How many faults of one document are told in one run; each costs another pass over its values.
const ROUNDS: usize = 50;

/// What the type of a document is known to hold, for messages that serde cannot give.
pub(super) trait Outline {
    /// The fields that the mapping at a path must have: serde names no more than the first one missing.
    fn required(&self, around: &FieldPath) -> Vec<String>;

    /// Where a field of this name belongs, if it does not exist at this path: `lifecycle.protect`.
    fn elsewhere(&self, unknown: &FieldPath) -> Option<String> {
        let _ = unknown;
        None
    }

    /// What to write for a field that is missing.
    fn example(&self, missing: &FieldPath) -> Option<String> {
        let _ = missing;
        None
    }
}

/// Of a type about which nothing more is known.
impl Outline for () {
    fn required(&self, _: &FieldPath) -> Vec<String> {
        Vec::new()
    }
}

/// What could be read.
pub(super) struct Read<T> {
    pub(super) value: T,
    /// Where something was left out because it could not be read, and has its default instead. Empty where
    /// unknown fields were the only faults: the value is complete then.
    pub(super) left_out: Vec<FieldPath>,
}

/// Reads the document as a `T`, without the fields of `without`, of which the report says already what is wrong.
/// Faults go into the report; there is a value if it can be had without them.
pub(super) fn decode<T: DeserializeOwned>(
    tree: &Tree,
    origin: Origin,
    without: &[(NodeId, FieldPath)],
    outline: &dyn Outline,
    report: &mut Report,
) -> Option<Read<T>> {
    let mut passes = Passes {
        tree,
        origin,
        outline,
        report,
        skipped: without.iter().map(|it| it.0).collect(),
        left_out: without.iter().map(|it| it.1.clone()).collect(),
    };
    for _ in 0..ROUNDS {
        let skipped = &passes.skipped;
        let here = Here { tree, skipped, node: Tree::ROOT, trail: Trail::ROOT };
        let fault = match T::deserialize(here) {
            Ok(value) => return Some(Read { value, left_out: passes.left_out }),
            Err(fault) => fault,
        };
        if !passes.leave_out(fault) {
            return None;
        }
    }
    None
}

/// What the passes over one document have found.
struct Passes<'a> {
    tree: &'a Tree,
    origin: Origin,
    outline: &'a dyn Outline,
    report: &'a mut Report,
    skipped: BTreeSet<Skip>,
    left_out: Vec<FieldPath>,
}

impl Passes<'_> {
    /// Reports a fault and leaves the value at fault out of the next pass. False without a value to leave out, or with
    /// the same again: another pass would find nothing more.
    fn leave_out(&mut self, fault: Fault) -> bool {
        let Self { tree, origin, outline, .. } = *self;
        let path = fault.path.unwrap_or_default();
        let place = |path: FieldPath| Place::Field { origin, path, part: fault.part };
        if let Some(missing) = fault.missing {
            // A field that is only missing because it was at fault is not told again.
            let around = path.parent().unwrap_or_default();
            let given = keys(tree, fault.skip.unwrap_or(Tree::ROOT));
            let mut names = outline.required(&around);
            if !names.iter().any(|it| it == missing) {
                names.push(missing.to_owned());
            }
            self.left_out.push(around.clone());
            for name in names.into_iter().filter(|it| !given.contains(it.as_str())) {
                let message = format!("missing field `{name}`");
                let path = around.clone().key(name.clone());
                // In another case, or with a `-` stuck to it.
                let like = |it: &str| it.trim_start_matches('-').eq_ignore_ascii_case(&name);
                let help = match given.iter().find(|it| like(it)) {
                    Some(like) => Some(format!("write `{name}` instead of {}", quote(like))),
                    None => outline.example(&path),
                };
                let mut diagnostic = Diagnostic::new(Code::MissingField, place(path), message);
                diagnostic.help = help;
                self.report.push(diagnostic);
            }
        } else {
            let mut help = fault.help;
            if fault.code == Code::UnknownField {
                let elsewhere = outline.elsewhere(&path);
                help = elsewhere.map(|it| format!("did you mean `{it}`?")).or(help);
            } else {
                self.left_out.push(path.clone());
            }
            let mut diagnostic = Diagnostic::new(fault.code, place(path), fault.message);
            diagnostic.help = help;
            self.report.push(diagnostic);
        }
        fault.skip.is_some_and(|it| self.skipped.insert(it))
    }
}

/// The keys that are written in a mapping.
fn keys(tree: &Tree, node: NodeId) -> BTreeSet<&str> {
    match tree.resolve(node).map(|it| &it.shape) {
        Some(Shape::Map(entries)) => entries.iter().map(|it| it.key.as_str()).collect(),
        _ => BTreeSet::new(),
    }
}

/// The way to a value, as a chain on the stack: it becomes a path only when there is a fault.
#[derive(Clone, Copy)]
struct Trail<'t> {
    before: Option<&'t Trail<'t>>,
    step: Step<'t>,
}

#[derive(Clone, Copy)]
enum Step<'t> {
    Root,
    Key(&'t str),
    Index(usize),
}

impl Trail<'_> {
    const ROOT: Self = Self { before: None, step: Step::Root };

    fn path(&self) -> FieldPath {
        let mut path = self.before.map(Self::path).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Key(key) => path.push(Segment::Key(key.to_owned())),
            Step::Index(index) => path.push(Segment::Index(index)),
        }
        path
    }
}

/// What a skipped value is called: the value's own node, which no two fields share.
type Skip = NodeId;

/// A value about to be read.
#[derive(Clone, Copy)]
struct Here<'t, 'p> {
    tree: &'t Tree,
    skipped: &'p BTreeSet<Skip>,
    node: NodeId,
    trail: Trail<'p>,
}

/// What a plain text means, by YAML 1.2.
pub(super) enum Meaning<'t> {
    Nothing,
    Truth(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'t str),
}

/// What a text of a manifest means.
pub(super) fn meaning(text: &str, plain: bool) -> Meaning<'_> {
    if !plain {
        return Meaning::Text(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Nothing,
        "true" | "True" | "TRUE" => return Meaning::Truth(true),
        "false" | "False" | "FALSE" => return Meaning::Truth(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Meaning::Text(text);
    }
    // Digits behind a zero are an identifier, such as an account number.
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Meaning::Text(text);
    }
    let unsigned = |radix| u64::from_str_radix(&digits[2..], radix);
    let based = match digits.get(..2) {
        Some("0x") if digits == text => unsigned(16).ok(),
        Some("0o") if digits == text => unsigned(8).ok(),
        _ => text.parse().ok(),
    };
    if let Some(number) = based {
        return Meaning::Unsigned(number);
    }
    if let Ok(number) = text.parse() {
        return Meaning::Signed(number);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Meaning::Float(number),
        _ => Meaning::Text(text),
    }
}

impl<'t> Here<'t, '_> {
    fn node(self) -> Result<&'t Node, Fault> {
        self.tree.resolve(self.node).ok_or_else(|| Fault::new(Code::InvalidYaml, "no such value"))
    }

    /// Marks a fault with this place, unless it has one from further in.
    fn mark(self, mut fault: Fault) -> Fault {
        if let Ok(Node { shape: Shape::Scalar { text, plain }, .. }) = self.node() {
            fault.name_value(text);
            if !plain && !matches!(meaning(text, true), Meaning::Text(_)) {
                fault.name_quotes(text);
            }
        }
        let skip = (self.node != Tree::ROOT).then_some(self.node);
        fault.or_at(&|| self.trail.path(), Part::Value, skip)
    }

    fn wrong(self, expected: &dyn de::Expected) -> Fault {
        let found = match self.node() {
            Ok(Node { shape: Shape::Map(_), .. }) => de::Unexpected::Map,
            Ok(Node { shape: Shape::Seq(_), .. }) => de::Unexpected::Seq,
            Ok(Node { shape: Shape::Scalar { text, plain }, .. }) => match meaning(text, *plain) {
                Meaning::Nothing => de::Unexpected::Unit,
                Meaning::Truth(it) => de::Unexpected::Bool(it),
                Meaning::Unsigned(it) => de::Unexpected::Unsigned(it),
                Meaning::Signed(it) => de::Unexpected::Signed(it),
                Meaning::Float(it) => de::Unexpected::Float(it),
                Meaning::Text(it) => de::Unexpected::Str(it),
            },
            _ => de::Unexpected::Other("something else"),
        };
        de::Error::invalid_type(found, expected)
    }

    /// What to write instead of a value of the wrong type, where that can be told from the value.
    fn remedy(self, wanted: Form) -> Option<String> {
        let shape = &self.node().ok()?.shape;
        match (wanted, shape) {
            (Form::List, Shape::Scalar { text, plain: true }) => Some(match meaning(text, true) {
                Meaning::Nothing => {
                    "leave the field out, or write `[]` for an empty list".to_owned()
                }
                _ => format!("write it as a list: {}", quote(&format!("[{text}]"))),
            }),
            (Form::List, Shape::Scalar { .. }) => Some("put it between `[` and `]`".to_owned()),
            (Form::Mapping, Shape::Scalar { text, plain: true }) => {
                let word =
                    |it: &str| !it.is_empty() && it.chars().all(|c| c.is_ascii_alphanumeric());
                let pair = text.split_once([':', ' ', '=']).filter(|(key, _)| word(key));
                pair.map(|(key, value)| {
                    let pair = quote(&format!("{key}: {}", value.trim()));
                    format!("a key ends with `:` and a space: write {pair}")
                })
            }
            (Form::Mapping, Shape::Seq(_)) => {
                Some("write `key: value` on each line, without a `-` before it".to_owned())
            }
            (Form::Text, Shape::Map(entries)) => {
                let [Entry { key, value, .. }] = entries.as_slice() else { return None };
                match &self.tree.resolve(*value)?.shape {
                    Shape::Scalar { text, .. } if key == "name" => {
                        Some(format!("write the name alone: {}", quote(text)))
                    }
                    _ => None,
                }
            }
            (Form::Text, Shape::Scalar { .. }) if !self.is_blank() => {
                Some("write a text, or put the word in quotes if that is the text".to_owned())
            }
            (Form::Truth, Shape::Scalar { text, plain: true }) => {
                match text.to_ascii_lowercase().as_str() {
                    "yes" | "y" | "on" | "1" => Some("write `true`".to_owned()),
                    "no" | "n" | "off" | "0" => Some("write `false`".to_owned()),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Adds what to write instead to a fault of the value that stands here.
    fn or_remedy(self, mut fault: Fault, wanted: Form) -> Fault {
        if fault.code == Code::WrongType && fault.help.is_none() && fault.path.is_none() {
            fault.help = self.remedy(wanted);
        }
        fault
    }

    fn is_nothing(self) -> bool {
        matches!(self.node(), Ok(Node { shape: Shape::Scalar { text, plain: true }, .. })
            if matches!(meaning(text, true), Meaning::Nothing))
    }

    /// Whether no text stands there at all: an empty mapping or list, as `spec:` alone is.
    fn is_blank(self) -> bool {
        matches!(self.node(), Ok(Node { shape: Shape::Scalar { text, plain: true }, .. })
            if text.is_empty())
    }

    fn any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node()?.shape {
            Shape::Map(entries) => visitor.visit_map(Fields::new(self, entries)),
            Shape::Seq(items) => visitor.visit_seq(Items { here: self, all: items, next: 0 }),
            Shape::Scalar { text, plain } => match meaning(text, *plain) {
                Meaning::Nothing => visitor.visit_unit(),
                Meaning::Truth(it) => visitor.visit_bool(it),
                Meaning::Unsigned(it) => visitor.visit_u64(it),
                Meaning::Signed(it) => visitor.visit_i64(it),
                Meaning::Float(it) => visitor.visit_f64(it),
                Meaning::Text(it) => visitor.visit_borrowed_str(it),
            },
            // The tree never links an alias to an alias.
            Shape::Alias(_) => Err(Fault::new(Code::InvalidYaml, "an alias of an alias")),
        }
    }

    fn text<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node()?.shape {
            Shape::Scalar { text, .. } if !self.is_nothing() => visitor.visit_borrowed_str(text),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node()?.shape {
            Shape::Map(entries) => visitor.visit_map(Fields::new(self, entries)),
            _ if self.is_blank() => visitor.visit_map(Fields::new(self, &[])),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node()?.shape {
            Shape::Seq(items) => visitor.visit_seq(Items { here: self, all: items, next: 0 }),
            _ if self.is_blank() => visitor.visit_seq(Items { here: self, all: &[], next: 0 }),
            _ => Err(self.wrong(&visitor)),
        }
    }
}

/// What form of value is asked for.
#[derive(Clone, Copy)]
enum Form {
    List,
    Mapping,
    Text,
    Truth,
    Other,
}

macro_rules! forward {
    ($($method:ident => $how:ident $form:ident),+ $(,)?) => {
        $( fn $method<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.$how(visitor).map_err(|fault| self.mark(self.or_remedy(fault, Form::$form)))
        } )+
    };
}

impl<'t> Deserializer<'t> for Here<'t, '_> {
    type Error = Fault;

    forward! {
        deserialize_any => any Other, deserialize_bool => any Truth, deserialize_f32 => any Other,
        deserialize_f64 => any Other, deserialize_i8 => any Other, deserialize_i16 => any Other,
        deserialize_i32 => any Other, deserialize_i64 => any Other, deserialize_i128 => any Other,
        deserialize_u8 => any Other, deserialize_u16 => any Other, deserialize_u32 => any Other,
        deserialize_u64 => any Other, deserialize_u128 => any Other, deserialize_unit => any Other,
        deserialize_str => text Text, deserialize_string => text Text,
        deserialize_char => text Text, deserialize_bytes => text Text,
        deserialize_byte_buf => text Text, deserialize_identifier => text Text,
        deserialize_map => map Mapping, deserialize_seq => seq List,
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_nothing() { visitor.visit_none() } else { visitor.visit_some(self) }
            .map_err(|fault| self.mark(fault))
    }

    fn deserialize_unit_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self).map_err(|fault| self.mark(fault))
    }

    fn deserialize_tuple<V: Visitor<'t>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    /// A word, or a mapping with one key that names the variant.
    fn deserialize_enum<V: Visitor<'t>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let value = match &self.node().map_err(|fault| self.mark(fault))?.shape {
            Shape::Scalar { text, .. } if !self.is_nothing() => {
                if !words.contains(&text.as_str()) {
                    return Err(self.mark(de::Error::unknown_variant(text, words)));
                }
                let word: StrDeserializer<'_, Fault> = text.as_str().into_deserializer();
                visitor.visit_enum(word)
            }
            Shape::Map(entries) if entries.len() == 1 => {
                let access = de::value::MapAccessDeserializer::new(Fields::new(self, entries));
                visitor.visit_enum(access)
            }
            _ => Err(self.wrong(&"one of the allowed words")),
        };
        value.map_err(|fault| self.mark(fault))
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }
}

/// Reads a value one step further in.
fn child<'t, S: DeserializeSeed<'t>>(
    here: Here<'t, '_>,
    node: NodeId,
    step: Step<'_>,
    seed: S,
) -> Result<S::Value, Fault> {
    let trail = Trail { before: Some(&here.trail), step };
    let here = Here { tree: here.tree, skipped: here.skipped, node, trail };
    seed.deserialize(here).map_err(|fault| here.mark(fault))
}
