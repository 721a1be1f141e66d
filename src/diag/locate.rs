//! From a path to a line and a column.
//!
//! Costs nothing while all is well: a path is looked up only when a diagnostic is shown.

use super::tree::{NodeId, Shape, Tree};
use super::{FieldPath, Part, Segment};
use std::ops::Range;

/// Line, column and width, all from 1 and in characters, of what a path leads to inside the text of
/// one document. A path that leads nowhere shows the nearest thing around it.
///
/// Nothing if the text is not YAML at all.
pub fn locate(text: &str, path: &FieldPath, part: Part) -> Option<(usize, usize, usize)> {
    let tree = Tree::read(text).ok()?;
    let range = in_tree(&tree, text, path, part);
    let (line, column) = line_and_column(text, 0, 1, range.start);
    let width = text.get(range).map_or(1, |it| it.chars().count().max(1));
    Some((line, column, width))
}

/// The bytes of the document that a path leads to.
pub fn in_tree(tree: &Tree, text: &str, path: &FieldPath, part: Part) -> Range<usize> {
    let mut id = Tree::ROOT;
    let mut key = None;
    let mut whole = true;
    for segment in path.segments() {
        let found = step(tree, id, segment);
        let Some((next_key, next)) = found else {
            whole = false;
            break;
        };
        // An element of a list has no key: the nearest key is too far away to point at.
        key = next_key;
        id = next;
    }
    let Some(node) = tree.get(id) else { return 0..0 };
    match (key, part) {
        (Some(key), Part::Key) => word(text, key),
        (Some(key), Part::Value) => match &node.shape {
            Shape::Scalar { text: value, plain: true } if value.is_empty() => word(text, key),
            Shape::Scalar { .. } | Shape::Alias(_) if whole => value(tree, text, id),
            // A list was put in for `${name}`, and the path leads into it.
            Shape::Scalar { text: value, .. } if value.starts_with("${") => {
                self::value(tree, text, id)
            }
            _ => word(text, key),
        },
        (None, _) => value(tree, text, id),
    }
}

/// One step into a value: the place of the key, if there is one, and the value there.
fn step(tree: &Tree, id: NodeId, segment: &Segment) -> Option<(Option<usize>, NodeId)> {
    match (&tree.resolve(id)?.shape, segment) {
        (Shape::Map(entries), Segment::Key(key)) => {
            let entry = entries.iter().find(|it| it.key == *key)?;
            Some((Some(entry.at), entry.value))
        }
        (Shape::Seq(items), Segment::Index(index)) => Some((None, *items.get(*index)?)),
        _ => None,
    }
}

/// The bytes of a value that has no key, or that is one text.
fn value(tree: &Tree, text: &str, id: NodeId) -> Range<usize> {
    let Some(node) = tree.get(id) else { return 0..0 };
    match &node.shape {
        Shape::Scalar { text: value, plain: true } => {
            let length = text
                .get(node.at..)
                .and_then(|it| it.starts_with(value.as_str()).then_some(value.len()));
            match length {
                Some(length) => node.at..node.at + length,
                None => word(text, node.at),
            }
        }
        Shape::Map(entries) if !text[node.at..].starts_with('{') => {
            entries.first().map_or(node.at..node.at, |it| word(text, it.at))
        }
        Shape::Map(_) | Shape::Seq(_) => node.at..text.len().min(node.at + 1),
        Shape::Scalar { .. } | Shape::Alias(_) => word(text, node.at),
    }
}

/// The bytes of the word or the quoted text that starts somewhere; it never leaves its line.
pub fn word(text: &str, start: usize) -> Range<usize> {
    let Some(rest) = text.get(start..) else { return start..start };
    let line = rest.lines().next().unwrap_or("");
    let mut chars = line.char_indices();
    let end = match chars.next() {
        None => 0,
        Some((_, quote @ ('"' | '\''))) => {
            let mut escaped = false;
            let closing = chars.find(|(_, c)| {
                let ends = *c == quote && !escaped;
                escaped = quote == '"' && *c == '\\' && !escaped;
                ends
            });
            closing.map_or(line.len(), |(at, _)| at + 1)
        }
        Some((_, '$')) if line.starts_with("${") && line.contains('}') => {
            line.find('}').map_or(line.len(), |it| it + 1)
        }
        Some(_) => {
            let space = line.find([' ', '\t', ',', ']', '}']).unwrap_or(line.len());
            let colon = line[..space].strip_suffix(':').map_or(space, str::len);
            if colon == 0 { line.chars().next().map_or(0, char::len_utf8) } else { colon }
        }
    };
    start..start + end
}

/// How many characters the word at the start of a line takes; at least one.
pub fn word_width(line: &str) -> usize {
    line[word(line, 0)].chars().count().max(1)
}

/// Line and column, from 1, of a byte of a text; counted from a byte whose line is known.
pub fn line_and_column(text: &str, start: usize, first: usize, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[start.min(offset)..offset];
    let line = first + before.bytes().filter(|b| *b == b'\n').count();
    let line_start = text[..offset].rfind('\n').map_or(0, |it| it + 1);
    (line, text[line_start..offset].chars().count() + 1)
}
