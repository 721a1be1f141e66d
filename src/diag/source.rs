//! The texts that were read, and where in them a document or a field is.
//!
//! Holds texts; never reads a file.

use super::tree::{Broken, Tree};
use super::{Part, Place, locate};
use serde::Serialize;
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
    /// Of each text, made when first asked for.
    lines: Vec<OnceLock<Lines>>,
}

type Recent = (Origin, Arc<Result<Tree, Broken>>);

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
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((held, tree)) = &*recent
            && *held == origin
        {
            return Arc::clone(tree);
        }
        let tree = Arc::new(Tree::read(self.document_text(origin)));
        *recent = Some((origin, Arc::clone(&tree)));
        tree
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
