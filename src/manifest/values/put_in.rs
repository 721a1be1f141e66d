//! Values into the tree of one document.
//!
//! The text of the document stays as it is, so that every place is the place of use.

use super::declared::Value;
use super::reference::{Malformed, OPEN, Part, parts};
use super::{Values, is_stack};
use crate::diag::tree::{Broken, DOCUMENT_BYTES, EXPANDED_BYTES, NodeId, Shape, Tree};
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Place, Report, Segment, SourceMap, quote};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A document with its values put in.
pub(in super::super) struct Filled {
    /// Which one.
    pub(in super::super) origin: Origin,
    /// What it says.
    pub(in super::super) tree: Arc<Result<Tree, Broken>>,
    /// Fields to leave out, since they have no value; the report says why.
    pub(in super::super) left_out: Vec<(NodeId, FieldPath)>,
    /// The fields that have a value put in, each with its name.
    pub(in super::super) uses: Uses,
}

/// Fields that have a value put in, each with the name of the value.
pub(in super::super) type Uses = Vec<(FieldPath, String)>;

impl Filled {
    /// A document as it is written.
    pub(in super::super) fn plain(origin: Origin, sources: &SourceMap) -> Self {
        let tree = sources.tree(origin);
        Self { origin, tree, left_out: Vec::new(), uses: Vec::new() }
    }
}

impl Values {
    /// A document with these values in it. References that have no value, and those that stand where none may be,
    /// go into the report.
    pub(in super::super) fn put_in(
        &self,
        origin: Origin,
        sources: &SourceMap,
        report: &mut Report,
    ) -> Filled {
        let mut document = Filled::plain(origin, sources);
        let Ok(tree) = &*document.tree else { return document };
        if !has_references(tree) {
            return document;
        }
        let mut filled = tree.clone();
        let is_stack = is_stack(tree);
        let mut walk = Walk {
            values: self,
            origin,
            sources,
            report,
            tree,
            is_stack,
            filled: &mut filled,
            visited: BTreeSet::new(),
            faulty: BTreeSet::new(),
            left_out: Vec::new(),
            uses: Vec::new(),
            bytes: 0,
            told: 0,
        };
        walk.value(Tree::ROOT, &FieldPath::root());
        let Walk { left_out, uses, .. } = walk;
        document.tree = Arc::new(Ok(filled));
        document.left_out = left_out;
        document.uses = uses;
        document
    }

    /// Says of each field at fault where its value comes from.
    pub(in super::super) fn explain_uses(
        &self,
        uses: &BTreeMap<Origin, Uses>,
        report: &mut Report,
    ) {
        report.amend(|found| {
            let Place::Field { origin, path, .. } = &found.at else { return };
            let uses = uses.get(origin).into_iter().flatten();
            let names: BTreeSet<&String> =
                uses.filter(|it| path.starts_with(&it.0)).map(|it| &it.1).collect();
            if found.code != Code::MissingValue && found.code != Code::UndeclaredValue {
                for name in names {
                    self.explain(name, found);
                }
            }
        });
    }
}

fn has_references(tree: &Tree) -> bool {
    tree.nodes().iter().any(|it| match &it.shape {
        Shape::Scalar { text, .. } => text.contains(OPEN),
        Shape::Map(entries) => entries.iter().any(|it| it.key.contains(OPEN)),
        Shape::Seq(_) | Shape::Alias(_) => false,
    })
}

/// A walk through one document.
struct Walk<'a> {
    values: &'a Values,
    origin: Origin,
    sources: &'a SourceMap,
    report: &'a mut Report,
    /// As it is written.
    tree: &'a Tree,
    is_stack: bool,
    filled: &'a mut Tree,
    /// What several aliases stand for is done once.
    visited: BTreeSet<NodeId>,
    /// Scalars without a value.
    faulty: BTreeSet<NodeId>,
    left_out: Vec<(NodeId, FieldPath)>,
    uses: Uses,
    /// How much was put in.
    bytes: usize,
    /// How many findings there were.
    told: usize,
}

impl<'a> Walk<'a> {
    fn value(&mut self, id: NodeId, path: &FieldPath) {
        let Some(node) = self.tree.get(id) else { return };
        if let Shape::Alias(target) = node.shape {
            self.value(target, path);
            if self.faulty.contains(&target) {
                self.left_out.push((id, path.clone()));
            }
            return;
        }
        if !self.visited.insert(id) {
            return;
        }
        match &node.shape {
            Shape::Map(entries) => {
                for entry in entries {
                    if entry.key.contains(OPEN) && !is_for_others(path) {
                        let why = "the name of a field takes no value";
                        self.misplaced(entry.at, why);
                        self.left_out.push((entry.value, path.clone()));
                        continue;
                    }
                    let inner = path.clone().key(entry.key.clone());
                    let is_declared = self.is_stack && is_declaration(&inner);
                    if !is_declared && !is_for_others(&inner) {
                        self.value(entry.value, &inner);
                    }
                }
            }
            Shape::Seq(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(*item, &path.clone().index(index));
                }
            }
            Shape::Scalar { text, plain } if text.contains(OPEN) => {
                if self.scalar(id, text, *plain, path).is_none() {
                    self.faulty.insert(id);
                    self.left_out.push((id, path.clone()));
                }
            }
            Shape::Scalar { .. } | Shape::Alias(_) => {}
        }
    }

    /// Puts the values into one text; nothing where it cannot be done.
    fn scalar(&mut self, id: NodeId, text: &str, plain: bool, path: &FieldPath) -> Option<()> {
        let parts = parts(text);
        let is_reference = |it: &Part<'_>| !matches!(it, Part::Text(_) | Part::Escaped);
        if let Some(why) = self.refusal(path).filter(|_| parts.iter().any(is_reference)) {
            self.misplaced(self.tree.get(id)?.at, why);
            return None;
        }
        if let [Part::Value { name, .. }] = parts.as_slice() {
            let value = self.look_up(name, |it| Place::value(it.origin, path.clone()))?;
            self.uses.push((path.clone(), (*name).to_owned()));
            match value {
                Value::One(it) => {
                    self.grow(id, it.text.len())?;
                    self.filled.put_text(id, it.text.clone(), it.plain);
                }
                Value::Many(items) => {
                    self.grow(id, items.iter().map(|it| it.text.len() + 8).sum())?;
                    let items = items.iter().map(|it| (it.text.clone(), it.plain));
                    self.filled.put_list(id, items);
                }
            }
            return Some(());
        }
        let mut whole = String::new();
        let mut is_whole = true;
        let mut has_value = false;
        for part in parts {
            if self.told >= TOLD {
                return None;
            }
            match part {
                Part::Text(text) => whole.push_str(text),
                Part::Escaped => whole.push_str(OPEN),
                Part::Malformed { why, nth } => {
                    self.malformed(id, &why, nth, text);
                    is_whole = false;
                }
                Part::Value { name, nth } => {
                    has_value = true;
                    match self.look_up(name, |it| it.place(id, nth, text)) {
                        Some(Value::One(it)) => {
                            self.uses.push((path.clone(), name.to_owned()));
                            self.grow(id, it.text.len())?;
                            whole.push_str(&it.text);
                        }
                        Some(Value::Many(_)) => {
                            let message =
                                format!("the value `{name}` is a list, which no text can hold");
                            let place = self.place(id, nth, text);
                            self.tell(Diagnostic::new(Code::WrongType, place, message).help(
                                format!("write `${{{name}}}` alone, where a list is expected"),
                            ));
                            is_whole = false;
                        }
                        None => is_whole = false,
                    }
                }
            }
        }
        is_whole.then(|| self.filled.put_text(id, whole, plain && !has_value))
    }

    /// The value of a name; otherwise the report says why there is none.
    fn look_up(&mut self, name: &str, place: impl FnOnce(&Self) -> Place) -> Option<&'a Value> {
        let values = self.values;
        if !values.used.borrow().contains(name) {
            values.used.borrow_mut().insert(name.to_owned());
        }
        let Some(known) = values.known.get(name) else {
            let mut found = super::undeclared(name, place(self), values.known.keys());
            if !values.has_stack {
                found.message = format!("no Stack declares the value {}", quote(name));
            }
            self.tell(found);
            return None;
        };
        if let Some((value, _)) = &known.value {
            return Some(value);
        }
        if !known.reported {
            let message = format!("the value `{name}` is not given, and it has no default");
            let place = place(self);
            self.tell(
                Diagnostic::new(Code::MissingValue, place, message)
                    .also(known.at.clone(), "it is declared here")
                    .help(format!(
                        "give it with `--set {name}=…`, or in a file with `--values FILE`"
                    )),
            );
        }
        None
    }

    /// Reports one of the first findings of a document.
    fn tell(&mut self, found: Diagnostic) {
        self.told += 1;
        if self.told <= TOLD {
            self.report.push(found);
        }
    }

    /// Why no value can stand at a path, if so.
    fn refusal(&self, path: &FieldPath) -> Option<&'static str> {
        let why = match path.keys().as_slice() {
            ["apiVersion"] => "`apiVersion` takes no value",
            ["kind"] => "the kind of a resource takes no value",
            ["metadata", "name"] if self.is_stack => return None,
            ["metadata", "name"] => {
                "the name of a resource takes no value: it identifies the resource in every environment"
            }
            ["metadata", "previousNames", ..] => "a former name takes no value",
            ["lifecycle", "ignoreChanges", ..] => "the name of a field takes no value",
            _ => return None,
        };
        Some(why)
    }

    fn misplaced(&mut self, at: usize, why: &str) {
        let place = self.sources.place(self.origin, at);
        self.tell(Diagnostic::new(Code::MisplacedValue, place, why).help(
            "write out what it is; a part of the manifests that differs in this is for Kustomize",
        ));
    }

    fn malformed(&mut self, id: NodeId, why: &Malformed, nth: usize, text: &str) {
        let message = match why {
            Malformed::Open => "a `${` without `}`".to_owned(),
            Malformed::NoName(name) => format!("{} is not the name of a value", quote(name)),
        };
        let place = self.place(id, nth, text);
        self.tell(
            Diagnostic::new(Code::MalformedValueReference, place, message).help(
                "write a value as `${name}`, without functions, and `$${` where the text is to have a `${`",
            ),
        );
    }

    /// Counts what is put in, which is bounded as what aliases expand to is.
    fn grow(&mut self, id: NodeId, bytes: usize) -> Option<()> {
        let before = self.bytes;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes <= MOST {
            return Some(());
        }
        if before <= MOST {
            let at = self.tree.get(id).map_or(0, |it| it.at);
            let place = self.sources.place(self.origin, at);
            let message = "the document is larger than 8 MiB with its values";
            self.report.push(Diagnostic::new(Code::TooLarge, place, message));
        }
        None
    }

    /// Where the `nth` `${` of a text is; where the text begins, if that cannot be told (escapes).
    fn place(&self, id: NodeId, nth: usize, text: &str) -> Place {
        let start = self.tree.get(id).map_or(0, |it| it.at);
        let raw = self.sources.document_text(self.origin).get(start..).unwrap_or("");
        let wanted = text.match_indices(OPEN).nth(nth).map_or("", |(at, _)| {
            let end = text[at..].find(['}', '\n', ' ']).map_or(text.len(), |it| at + it);
            &text[at..end]
        });
        let found = raw.match_indices(OPEN).nth(nth).filter(|(at, _)| {
            let written = raw[..*at].contains('\\');
            raw[*at..].starts_with(wanted) && !(raw.starts_with('"') && written)
        });
        self.sources.place(self.origin, start + found.map_or(0, |it| it.0))
    }
}

/// How many findings of one document are told.
const TOLD: usize = 50;

/// How much may be put into one document.
const MOST: usize = EXPANDED_BYTES - DOCUMENT_BYTES;

/// Whether a path is that of annotations, which are for other tools and never read.
fn is_for_others(path: &FieldPath) -> bool {
    path.keys().starts_with(&["metadata", "annotations"])
}

/// Whether a path leads to the declarations of a Stack.
fn is_declaration(path: &FieldPath) -> bool {
    path.segments().len() == 2
        && path
            .segments()
            .iter()
            .zip(["spec", "values"])
            .all(|(segment, key)| matches!(segment, Segment::Key(it) if it == key))
}
