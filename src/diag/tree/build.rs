//! Builds a tree: reads values in the order they are written and follows no alias.
//!
//! After each look the position of the reader is the same as before, except after an alias, which the look
//! has consumed. Reading on in the wrong one of the two cases would make `yaml_serde` panic, so how
//! they are distinguished (`Builder::value`) is the main point of this file.

use super::look::{Look, Mark, look};
use super::text::{Properties, alias, properties, root_start};
use super::yaml_error::place_of;
use super::{Broken, DEPTH, EXPANDED_BYTES, Entry, Node, NodeId, Shape, Tree};
use crate::diag::{Code, quote};
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess};
use serde::de::{VariantAccess, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a value counts beside its text.
const EACH: usize = 8;

pub(super) struct Builder<'t> {
    text: &'t str,
    pub(super) nodes: Vec<Node>,
    /// By where the anchored value starts; a mapping and its first key may start at one place.
    anchors: BTreeMap<(Mark, bool), NodeId>,
    /// The names of all anchors so far.
    names: BTreeSet<&'t str>,
    /// The furthest place seen. What seems to be at or before it was reached through an alias.
    cursor: Mark,
    /// The same place as a byte; only ever moves forward, so that one long line costs nothing.
    offset: usize,
    depth: usize,
    pub(super) broken: Option<Broken>,
}

impl<'t> Builder<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            nodes: Vec::new(),
            anchors: BTreeMap::new(),
            names: BTreeSet::new(),
            cursor: (1, 1),
            offset: 0,
            depth: 0,
            broken: None,
        }
    }

    /// Reads the whole document.
    pub(super) fn read(&mut self) -> Result<(), serde_yaml::Error> {
        let start = root_start(self.text);
        let id = self.open(start);
        self.root_anchor(start);
        self.known_alias::<serde_yaml::Error>(start)?;
        let document = serde_yaml::Deserializer::from_str(self.text);
        Fill { builder: self, id, behind_tag: false }.deserialize(document)
    }

    /// Gives up: the reason is kept here, the error only unwinds.
    fn fail<T, E: de::Error>(&mut self, code: Code, offset: usize, message: &str) -> Result<T, E> {
        if self.broken.is_none() {
            let template = self.text[offset..].starts_with("{{")
                || self.text[..offset].ends_with('{') && self.text[offset..].starts_with('{');
            let help = template.then_some(
                "`{{ … }}` is a template's: fill it in before, such as with `helm template`, or quote the value",
            );
            self.broken = Some(Broken { code, offset, message: message.to_owned(), help });
        }
        Err(E::custom(""))
    }

    /// Fails where an alias at this place names no anchor before it.
    fn known_alias<E: de::Error>(&mut self, offset: usize) -> Result<(), E> {
        let Some(name) = alias(&self.text[offset..]) else { return Ok(()) };
        if self.names.contains(name) {
            return Ok(());
        }
        let message = format!("unknown alias {}", quote(name));
        let help = "an anchor comes before its alias in the same document: anchors end at `---`";
        self.broken.get_or_insert(Broken {
            code: Code::InvalidYaml,
            offset,
            message,
            help: Some(help),
        });
        Err(E::custom(""))
    }

    /// Moves on to a place further down, and says which byte that is.
    fn advance(&mut self, to: Mark) -> usize {
        while self.cursor < to {
            let mut rest = self.text[self.offset..].chars();
            let Some(c) = rest.next() else { break };
            self.offset += c.len_utf8();
            // What libyaml takes for a line break, so that both count alike.
            let breaks = match c {
                '\r' => !rest.as_str().starts_with('\n'),
                '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => true,
                _ => false,
            };
            let (line, column) = self.cursor;
            self.cursor = if breaks { (line + 1, 1) } else { (line, column + 1) };
        }
        self.cursor = self.cursor.max(to);
        self.offset
    }

    /// The root is never looked at, so its place is made here: only an alias inside it asks for it.
    fn root_anchor(&mut self, start: usize) {
        if self.text[start..].starts_with(['&', '!']) {
            let line = self.text[..start].matches('\n').count() + 1;
            let line_start = self.text[..start].rfind('\n').map_or(0, |it| it + 1);
            let column = self.text[line_start..start].chars().count() + 1;
            self.anchors.insert(((line, column), false), Tree::ROOT);
        }
    }

    fn open(&mut self, start: usize) -> NodeId {
        let Properties { content, anchor, tag } = properties(self.text, start);
        self.names.extend(anchor);
        let shape = Shape::Scalar { text: String::new(), plain: true };
        self.nodes.push(Node { at: content, tag, shape, weight: None });
        self.nodes.len() - 1
    }

    /// The value is read: counts its size.
    fn close<E: de::Error>(&mut self, id: NodeId, shape: Shape) -> Result<(), E> {
        let at = self.nodes[id].at;
        let weigh = |of: &NodeId| self.nodes[*of].weight;
        let weight = match &shape {
            Shape::Scalar { text, .. } => Some(EACH + text.len()),
            Shape::Alias(target) => weigh(target),
            Shape::Seq(items) => {
                items.iter().map(weigh).try_fold(EACH, |sum, it| Some(it?.saturating_add(sum)))
            }
            Shape::Map(entries) => entries.iter().try_fold(EACH, |sum, it| {
                Some(weigh(&it.value)?.saturating_add(sum + EACH + it.key.len()))
            }),
        };
        let Some(weight) = weight else {
            return self.fail(Code::AliasLimit, at, "an alias contains itself");
        };
        self.nodes[id].shape = shape;
        self.nodes[id].weight = Some(weight);
        // Without aliases nothing expands, and the size of the document is the limit.
        if !self.anchors.is_empty() && weight > EXPANDED_BYTES {
            return self.fail(Code::AliasLimit, at, "the aliases expand to more than 8 MiB");
        }
        Ok(())
    }

    fn key<E: de::Error>(&mut self, found: Key, place: Option<Mark>) -> Result<Entry, E> {
        let start = match place {
            Some(mark) if mark >= self.cursor => self.advance(mark),
            // An alias, or behind a tag that is refused anyway.
            _ => self.offset,
        };
        // Only behind a tag there is no place.
        let text = if place.is_some() { found.text } else { found.behind_tag };
        let Some(key) = text else {
            self.known_alias(start)?;
            return self.fail(Code::InvalidYaml, start, "a key is not a single word");
        };
        let Properties { content, anchor, tag } = properties(self.text, start);
        self.names.extend(anchor);
        if key.is_empty() {
            return self.fail(Code::InvalidYaml, content, "a key is empty");
        }
        let plain = !self.text[content..].starts_with(['"', '\'']);
        let entry = Entry { key, at: content, plain, tag, value: Tree::ROOT };
        if let Some(mark) = place
            && self.text[start..].starts_with(['&', '!'])
        {
            let id = self.open(start);
            self.close(id, Shape::Scalar { text: entry.key.clone(), plain })?;
            self.anchors.insert((mark, true), id);
        }
        Ok(entry)
    }

    /// One value: looks where and what it is, then reads it with whichever the look calls for.
    fn value<'de, R: Reader<'de>>(&mut self, look: Look, reader: R) -> Result<NodeId, R::Error> {
        let alias = self.anchors.get(&(look.mark, look.scalar)).copied();
        if look.mark <= self.cursor {
            // An alias: the look has consumed it, and it must not be read again.
            let id = self.open(self.offset);
            self.nodes[id].tag = None;
            match alias {
                Some(target) => self.close(id, Shape::Alias(target))?,
                None => return self.fail(Code::InvalidYaml, self.offset, "an alias of nothing"),
            }
            return Ok(id);
        }
        let start = self.advance(look.mark);
        let id = self.open(start);
        if look.scalar && self.text[start..].starts_with('*') {
            // An alias of something with an unknown tag, which is refused where it stands.
            self.close(id, Shape::Scalar { text: String::new(), plain: true })?;
            return Ok(id);
        }
        if self.text[start..].starts_with(['&', '!']) {
            self.anchors.insert((look.mark, look.scalar), id);
        }
        // The text of an alias is seen here only where nothing is behind it, or where it is the first key of a mapping.
        self.known_alias(start)?;
        if look.scalar && !look.behind_tag {
            let text = reader.text()?;
            let plain = self.is_plain(self.nodes[id].at, &text);
            self.close(id, Shape::Scalar { text, plain })?;
        } else {
            reader.fill(Fill { builder: self, id, behind_tag: false })?;
        }
        Ok(id)
    }

    /// Whether a text stands without quotes, at what follows its anchor and tag.
    fn is_plain(&self, at: usize, text: &str) -> bool {
        let rest = &self.text[at..];
        // After `a: &x` a quote on the next line belongs to the next key.
        !rest.starts_with(['"', '\'', '|', '>'])
            || text.is_empty()
                && rest.starts_with(['"', '\''])
                && !rest[1..].starts_with(&rest[..1])
    }

    fn deeper<E: de::Error>(&mut self, id: NodeId) -> Result<(), E> {
        if self.depth >= DEPTH {
            let at = self.nodes[id].at;
            return self.fail(Code::TooDeep, at, "values are nested more than 64 deep");
        }
        self.depth += 1;
        Ok(())
    }
}

/// Reads a value that was looked at: the next one of a mapping, or of a list.
trait Reader<'de> {
    type Error: de::Error;
    fn text(self) -> Result<String, Self::Error>;
    fn fill(self, fill: Fill<'_, '_>) -> Result<(), Self::Error>;
}

struct FromMap<'m, A>(&'m mut A);

impl<'de, A: MapAccess<'de>> Reader<'de> for FromMap<'_, A> {
    type Error = A::Error;
    fn text(self) -> Result<String, A::Error> {
        self.0.next_value()
    }
    fn fill(self, fill: Fill<'_, '_>) -> Result<(), A::Error> {
        self.0.next_value_seed(fill)
    }
}

struct FromSeq<'s, A>(&'s mut A);

impl<'de, A: SeqAccess<'de>> Reader<'de> for FromSeq<'_, A> {
    type Error = A::Error;
    fn text(self) -> Result<String, A::Error> {
        self.0.next_element()?.ok_or_else(|| de::Error::custom(""))
    }
    fn fill(self, fill: Fill<'_, '_>) -> Result<(), A::Error> {
        self.0.next_element_seed(fill)?.ok_or_else(|| de::Error::custom(""))
    }
}

/// A key being read. Reading it moves on, so one look is enough: it notes the text and fails.
#[derive(Default)]
struct Key {
    /// The key, or its tag if it has one.
    text: Option<String>,
    /// The key behind its tag.
    behind_tag: Option<String>,
}

struct KeySeed<'k>(&'k mut Key);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_enum("", &[], self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<(), A::Error> {
        let (word, variant) = data.variant::<String>()?;
        // Nothing is read by this unless the word was a tag.
        self.0.behind_tag = variant.newtype_variant::<String>().ok();
        self.0.text = Some(word);
        Err(de::Error::custom(""))
    }
}

/// Reads a mapping, a list or something tagged into a node that is already open.
struct Fill<'b, 't> {
    builder: &'b mut Builder<'t>,
    id: NodeId,
    behind_tag: bool,
}

impl Fill<'_, '_> {
    fn scalar<E: de::Error>(self, text: &str) -> Result<(), E> {
        let plain = self.builder.is_plain(self.builder.nodes[self.id].at, text);
        self.builder.close(self.id, Shape::Scalar { text: text.to_owned(), plain })
    }
}

impl<'de> DeserializeSeed<'de> for Fill<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fill<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { builder, id, .. } = self;
        builder.deeper(id)?;
        let mut entries = Vec::new();
        loop {
            let mut key = Key::default();
            let error = match map.next_key_seed(KeySeed(&mut key)) {
                Ok(None) => break,
                Ok(Some(())) => return Err(de::Error::custom("a key without a place")),
                Err(error) => error,
            };
            let place = place_of(&error);
            if key.text.is_none() && place.is_none() {
                return Err(error);
            }
            let mut entry = builder.key(key, place)?;
            let looked = look(|peek| map.next_value_seed(peek).map(Some))?;
            let Some(looked) = looked else { break };
            entry.value = builder.value(looked, FromMap(&mut map))?;
            entries.push(entry);
        }
        builder.depth -= 1;
        builder.close(id, Shape::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { builder, id, .. } = self;
        builder.deeper(id)?;
        let mut items = Vec::new();
        while let Some(looked) = look(|peek| seq.next_element_seed(peek))? {
            items.push(builder.value(looked, FromSeq(&mut seq))?);
        }
        builder.depth -= 1;
        builder.close(id, Shape::Seq(items))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<(), A::Error> {
        if self.behind_tag {
            return Err(de::Error::custom("a tag behind a tag"));
        }
        let (_tag, variant) = data.variant::<String>()?;
        variant.newtype_variant_seed(Fill { behind_tag: true, ..self })
    }

    // Texts come here only as the whole document or behind a tag.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.scalar(text)
    }
    fn visit_bool<E: de::Error>(self, it: bool) -> Result<(), E> {
        self.scalar(&it.to_string())
    }
    fn visit_u64<E: de::Error>(self, it: u64) -> Result<(), E> {
        self.scalar(&it.to_string())
    }
    fn visit_i64<E: de::Error>(self, it: i64) -> Result<(), E> {
        self.scalar(&it.to_string())
    }
    fn visit_u128<E: de::Error>(self, it: u128) -> Result<(), E> {
        self.scalar(&it.to_string())
    }
    fn visit_i128<E: de::Error>(self, it: i128) -> Result<(), E> {
        self.scalar(&it.to_string())
    }
    fn visit_f64<E: de::Error>(self, it: f64) -> Result<(), E> {
        self.scalar(&it.to_string())
    }
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.scalar("")
    }
    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.scalar("")
    }
}
