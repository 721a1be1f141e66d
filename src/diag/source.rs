//! The texts that were read, and where in them a document or a field is.
//!
//! Holds texts; never reads a file.

use super::tree::{Broken, NodeId, Shape, Tree};
use super::{Part, Place, locate};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SourceId(pub u32);

/// Which document of which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Origin {
    /// The text.
    pub source: SourceId,
    /// The document in it, from 0, empty ones not counted.
    pub document: u32,
}

/// Where one document is inside its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentSpan {
    /// The bytes of the document, a `---` before it included.
    pub range: Range<usize>,
    /// The line its first byte is in, from 1.
    pub line: usize,
    /// Which item of the list that these bytes are, from 0, where they are a `List`.
    pub item: Option<usize>,
}

/// One text: a file, or standard input.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as it is shown.
    pub name: String,
    /// Where the files that this text names are; `None` where it cannot name any.
    pub folder: Option<Folder>,
    /// The text itself.
    pub text: String,
    /// Its documents.
    pub documents: Vec<DocumentSpan>,
    /// Whether it was found in a folder, and not named itself.
    pub in_folder: bool,
}

/// Where the files that a text names are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// What their paths are relative to.
    pub base: PathBuf,
    /// The folder that no path may lead out of.
    pub root: PathBuf,
}

/// A stretch of one line, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The text.
    pub source: SourceId,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// How many characters, never 0.
    pub width: usize,
}

/// All texts of one run.
#[derive(Debug, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
    /// The document read last: a document is guarded, read twice and perhaps shown, in a row.
    recent: Mutex<Option<Recent>>,
    /// The list read last, of which each item is a document.
    recent_list: Mutex<Option<Recent>>,
    /// The files that other programs say documents were written in.
    written_in: BTreeMap<Origin, String>,
    /// Of each text, made when first asked for.
    lines: Vec<OnceLock<Lines>>,
}

type Recent = (Origin, Arc<Result<Tree, Broken>>);

/// What was read last, if it is what is asked for; else it is read and kept.
fn recall(
    recent: &Mutex<Option<Recent>>,
    origin: Origin,
    read: impl FnOnce() -> Arc<Result<Tree, Broken>>,
) -> Arc<Result<Tree, Broken>> {
    let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((held, tree)) = &*recent
        && *held == origin
    {
        return Arc::clone(tree);
    }
    let tree = read();
    *recent = Some((origin, Arc::clone(&tree)));
    tree
}

/// The items of a document that is a list of others, as Kubernetes writes them; nothing for any other document.
pub fn list_items(tree: &Tree) -> Option<&[NodeId]> {
    let text = |key| match &tree.resolve(tree.member(Tree::ROOT, key)?)?.shape {
        Shape::Scalar { text, .. } => Some(text.as_str()),
        _ => None,
    };
    if text("kind")? != "List" || text("apiVersion")? != "v1" {
        return None;
    }
    match &tree.resolve(tree.member(Tree::ROOT, "items")?)?.shape {
        Shape::Seq(items) => Some(items),
        // `items:` and nothing behind it.
        Shape::Scalar { text, plain: true } if text.is_empty() => Some(&[]),
        _ => None,
    }
}

/// What is worth finding only once in a text.
#[derive(Debug)]
struct Lines {
    /// Where each line starts.
    starts: Vec<usize>,
    private_key: bool,
}

impl SourceMap {
    /// Adds a text.
    pub fn add(&mut self, source: Source) -> SourceId {
        let id = SourceId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        self.sources.push(source);
        self.lines.push(OnceLock::new());
        id
    }

    /// One of the texts.
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(usize::try_from(id.0).ok()?)
    }

    /// All texts, in the order they were read.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        (0..).map(SourceId).zip(&self.sources)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// All documents of all texts, in order.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        self.iter().flat_map(|(source, it)| {
            (0..).zip(&it.documents).map(move |(document, _)| Origin { source, document })
        })
    }

    /// A whole text; empty for one that is not here.
    pub fn text(&self, id: SourceId) -> &str {
        self.get(id).map_or("", |it| &it.text)
    }

    /// The path of a text as it is shown. Untrusted: escape it.
    pub fn name(&self, id: SourceId) -> &str {
        self.get(id).map_or("", |it| &it.name)
    }

    fn lines(&self, id: SourceId) -> Option<&Lines> {
        let text = self.text(id);
        Some(self.lines.get(usize::try_from(id.0).ok()?)?.get_or_init(|| Lines {
            starts:
                std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect(),
            private_key: text.contains("PRIVATE KEY"),
        }))
    }

    /// One line of a text, from 1, without its end.
    pub fn line(&self, id: SourceId, line: usize) -> Option<&str> {
        let start = *self.lines(id)?.starts.get(line.checked_sub(1)?)?;
        self.text(id).get(start..)?.lines().next()
    }

    /// Whether a text holds a private key, so that no line of it may be shown.
    pub fn holds_private_key(&self, id: SourceId) -> bool {
        self.lines(id).is_some_and(|it| it.private_key)
    }

    /// Where a document is in its text.
    pub fn document(&self, origin: Origin) -> Option<&DocumentSpan> {
        self.get(origin.source)?.documents.get(usize::try_from(origin.document).ok()?)
    }

    /// The text of one document; empty for one that is not here.
    pub fn document_text(&self, origin: Origin) -> &str {
        self.document(origin)
            .and_then(|it| self.text(origin.source).get(it.range.clone()))
            .unwrap_or("")
    }

    /// One document with the place of every value in it.
    pub fn tree(&self, origin: Origin) -> Arc<Result<Tree, Broken>> {
        let read = || match self.document(origin).and_then(|it| it.item) {
            None => Arc::new(Tree::read(self.document_text(origin))),
            Some(item) => match &*self.whole_tree(origin) {
                Ok(list) => Arc::new(Ok(list_items(list).map_or_else(
                    || list.part(Tree::ROOT),
                    |items| list.part(items.get(item).copied().unwrap_or(Tree::ROOT)),
                ))),
                Err(broken) => Arc::new(Err(broken.clone())),
            },
        };
        recall(&self.recent, origin, read)
    }

    /// The same, of an item of a list the whole list.
    pub fn whole_tree(&self, origin: Origin) -> Arc<Result<Tree, Broken>> {
        let Some(item) = self.document(origin).and_then(|it| it.item) else {
            return self.tree(origin);
        };
        let first = u32::try_from(item).map_or(0, |it| origin.document.saturating_sub(it));
        let origin = Origin { document: first, ..origin };
        let read = || Arc::new(Tree::read(self.document_text(origin)));
        recall(&self.recent_list, origin, read)
    }

    /// Notes in which file a document was written, where another program made this text from several.
    pub fn note_written_in(&mut self, origin: Origin, file: String) {
        self.written_in.insert(origin, file);
    }

    /// In which file a document was written, where this text was made from several. Untrusted: escape it.
    pub fn written_in(&self, origin: Origin) -> Option<&str> {
        self.written_in.get(&origin).map(String::as_str)
    }

    /// The document that a place is in; nothing where that cannot be told.
    pub fn document_at(&self, place: &Place) -> Option<Origin> {
        match place {
            Place::Nowhere | Place::File(_) => None,
            Place::Field { origin, .. } => Some(*origin),
            Place::Position { source, line, .. } => {
                let documents = &self.get(*source)?.documents;
                let index = documents.partition_point(|it| it.line <= *line).checked_sub(1)?;
                let is_item = documents[index].item.is_some();
                let document = u32::try_from(index).ok()?;
                (!is_item).then_some(Origin { source: *source, document })
            }
        }
    }

    /// The name of the text that a place is in, with the file that its document was written in, if another program
    /// made the text: `base/channels.yaml (document 3 of <stdin>)`. Untrusted: escape it.
    pub fn cited_name(&self, place: &Place) -> Option<Cow<'_, str>> {
        let name = self.name(place.source()?);
        let file = self.document_at(place).and_then(|it| Some((it, self.written_in(it)?)));
        Some(match file {
            None => Cow::Borrowed(name),
            Some((origin, file)) => {
                Cow::Owned(format!("{file} (document {} of {name})", origin.document + 1))
            }
        })
    }

    /// A place as `file:line:column`, or the file alone. Untrusted: escape it.
    pub fn cited(&self, place: &Place) -> Option<String> {
        let name = self.cited_name(place)?;
        Some(match self.position(place) {
            Some(Position { line, column, .. }) => format!("{name}:{line}:{column}"),
            None => name.into_owned(),
        })
    }

    /// Line and column of a byte of a document, as a place.
    pub fn place(&self, origin: Origin, offset: usize) -> Place {
        let start = self.document(origin).map_or(0, |it| it.range.start);
        let (line, column) = self.line_and_column(origin, start.saturating_add(offset));
        Place::Position { source: origin.source, line, column }
    }

    /// Line and column of a byte of the document's text. Counts from the document's first line.
    fn line_and_column(&self, origin: Origin, offset: usize) -> (usize, usize) {
        let text = self.text(origin.source);
        let (start, first) = self.document(origin).map_or((0, 1), |it| (it.range.start, it.line));
        locate::line_and_column(text, start, first, offset)
    }

    /// Where a place is shown; nothing for a whole file or no file.
    pub fn position(&self, place: &Place) -> Option<Position> {
        match place {
            Place::Nowhere | Place::File(_) => None,
            Place::Position { source, line, column } => {
                let (line, column) = (*line, *column);
                let text = self.line(*source, line).unwrap_or("");
                let rest: String = text.chars().skip(column.saturating_sub(1)).collect();
                let width = locate::word_width(&rest);
                Some(Position { source: *source, line, column, width })
            }
            Place::Field { origin, path, part } => self.field_position(*origin, path, *part),
        }
    }

    fn field_position(
        &self,
        origin: Origin,
        path: &super::FieldPath,
        part: Part,
    ) -> Option<Position> {
        let start = self.document(origin)?.range.start;
        let tree = self.tree(origin);
        let text = self.document_text(origin);
        let found = match &*tree {
            Ok(tree) => locate::in_tree(tree, text, path, part),
            Err(broken) => broken.offset..broken.offset,
        };
        let width = text.get(found.clone()).map_or(1, |it| it.chars().count().max(1));
        let (line, column) = self.line_and_column(origin, start + found.start);
        Some(Position { source: origin.source, line, column, width })
    }
}
