//! The way to one value of a document, such as `spec.destinations[0].name`.
//!
//! A path says nothing about lines; `locate` finds those when they are shown.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Into a mapping, by key.
    Key(String),
    /// Into a sequence, by position from 0.
    Index(usize),
}

/// The way from the root of a document to one of its values; empty for the root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The document itself.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The steps, outermost first.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The keys of the mappings on the way, without positions in lists.
    pub fn keys(&self) -> Vec<&str> {
        let keys = self.0.iter().filter_map(|it| match it {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        });
        keys.collect()
    }

    /// Whether this is the document itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// One step deeper, in place.
    pub fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    /// One step deeper, into a mapping. The key is taken as it is: dots do not split it.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.push(Segment::Key(key.into()));
        self
    }

    /// One step deeper, into a sequence.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    /// This path followed by the other.
    #[must_use]
    pub fn join(&self, rest: impl Into<Self>) -> Self {
        let mut all = self.clone();
        all.0.extend(rest.into().0);
        all
    }

    /// The path without its last step; nothing for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// Whether the other path leads here or to something around this.
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl FromIterator<Segment> for FieldPath {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if is_plain(key) => {
                    write!(f, "{}{key}", if at == 0 { "" } else { "." })?;
                }
                Segment::Key(key) => {
                    f.write_str("[\"")?;
                    for c in key.chars() {
                        if matches!(c, '"' | '\\') {
                            f.write_str("\\")?;
                        }
                        write!(f, "{c}")?;
                    }
                    f.write_str("\"]")?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a key needs no quotes inside a path.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

impl From<&str> for FieldPath {
    /// Reads what `Display` writes. Anything else becomes keys, so that no text is refused.
    fn from(text: &str) -> Self {
        let mut path = Self::root();
        let mut rest = text;
        while !rest.is_empty() {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            if let Some((segment, after)) = bracketed(rest) {
                path.push(segment);
                rest = after;
                continue;
            }
            // A `[` that opens nothing readable is part of the key it stands in.
            let end = rest.char_indices().skip(1).find(|(_, c)| matches!(c, '.' | '['));
            let (key, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
            if !key.is_empty() {
                path.push(Segment::Key(key.to_owned()));
            }
            rest = after;
        }
        path
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// Text in every document.
impl JsonSchema for FieldPath {
    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

impl From<&String> for FieldPath {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for FieldPath {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&FieldPath> for FieldPath {
    fn from(path: &FieldPath) -> Self {
        path.clone()
    }
}

/// `[3]` or `["a.b"]` at the start of a text, and what follows it.
fn bracketed(text: &str) -> Option<(Segment, &str)> {
    let inner = text.strip_prefix('[')?;
    if let Some(quoted) = inner.strip_prefix('"') {
        let mut key = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => key.push(chars.next()?.1),
                '"' => return Some((Segment::Key(key), quoted[at + 1..].strip_prefix(']')?)),
                _ => key.push(c),
            }
        }
        return None;
    }
    let (digits, after) = inner.split_once(']')?;
    // `+1` would parse, and would not come back as it was.
    let index = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some((Segment::Index(index), after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_reads_as_people_write_it() {
        let path = FieldPath::root().key("spec").key("destinations").index(0).key("name");
        assert_eq!(path.to_string(), "spec.destinations[0].name");
        assert_eq!(FieldPath::from("spec.destinations[0].name"), path);
        assert_eq!(FieldPath::from("").to_string(), "");
        assert_eq!(path.keys(), ["spec", "destinations", "name"]);
    }

    #[test]
    fn a_key_with_dots_colons_or_quotes_is_one_step() {
        for key in ["a.b", "aws:x", "", "say \"hi\"", "back\\slash", "[0]", "a b", "ключ.1"] {
            let path = FieldPath::from("spec.tags").key(key);
            assert_eq!(FieldPath::from(path.to_string()), path, "{path}");
        }
        assert_eq!(FieldPath::from("spec.tags").key("a.b").to_string(), "spec.tags[\"a.b\"]");
        assert_eq!(FieldPath::from("spec.tags").key("ключ").to_string(), "spec.tags[\"ключ\"]");
    }

    #[test]
    fn a_path_is_a_text_in_json() {
        let path = FieldPath::from("spec.destinations[0].name");
        let text = serde_json::to_value(&path).expect("a text");
        assert_eq!(text, "spec.destinations[0].name");
        assert_eq!(serde_json::from_value::<FieldPath>(text).expect("a path"), path);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn every_path_comes_back(keys in prop::collection::vec((any::<String>(), any::<Option<u16>>()), 0..5)) {
            let path: FieldPath = keys
                .into_iter()
                .map(|(key, index)| match index {
                    Some(index) => Segment::Index(index.into()),
                    None => Segment::Key(key),
                })
                .collect();
            prop_assert_eq!(FieldPath::from(path.to_string()), path);
        }

        #[test]
        fn no_text_is_refused(text in any::<String>()) {
            let _ = FieldPath::from(text);
        }
    }
}
