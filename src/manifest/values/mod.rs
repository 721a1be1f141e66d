//! Values: what differs between environments, declared with a type in the Stack and put into documents that were
//! parsed already.
//!
//! `--set` comes before the files of `--values`, of which a later one comes before an earlier one, both come before the
//! values of the Target of `--target`, and all of them come before the default. Nothing is read from the environment, and a value is put in once: it is not searched for
//! further references. The rules are in `docs/environments.md`.

mod declared;
mod given;
mod put_in;
pub(crate) mod reference;
pub(super) mod schema;

pub use declared::{ValueSpec, ValueType};
pub use given::{GivenValues, Setting};
pub(super) use put_in::{Filled, Uses};

use crate::diag::tree::{NodeId, Shape, Tree};
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Place, Report, SourceMap, quote};
use declared::{Declared, Unfit, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// The values of a run.
#[derive(Debug, Default)]
pub(super) struct Values {
    known: BTreeMap<String, Known>,
    /// Whether a Stack document was found that could declare values.
    has_stack: bool,
    /// The names that documents use.
    used: RefCell<BTreeSet<String>>,
}

/// A mapping of names to values: a file of `--values`, or a part of a Target.
#[derive(Debug)]
pub(super) struct Mapping {
    /// The document.
    pub(super) origin: Origin,
    /// The way to the mapping in it.
    pub(super) path: FieldPath,
}

impl Mapping {
    /// The mapping, if it is there.
    fn node(&self, tree: &Tree) -> Option<NodeId> {
        self.path.keys().into_iter().try_fold(Tree::ROOT, |node, key| tree.member(node, key))
    }
}

/// A declared value.
#[derive(Debug)]
struct Known {
    /// Where it is declared.
    at: Place,
    r#type: Option<declared::ValueType>,
    /// What it is; nothing where that is not known.
    value: Option<(Value, From)>,
    /// Whether the report says already why it has no value.
    reported: bool,
}

/// What gives a value.
#[derive(Clone, Debug)]
enum From {
    /// The default in the Stack, or a file of `--values`.
    Text(Place),
    /// `--set`.
    CommandLine,
}

impl Values {
    /// The values that a Stack declares, with what was given for them. What is wrong with the
    /// declarations and with what was given goes into the report.
    pub(super) fn new(
        sources: &SourceMap,
        stack: Option<Origin>,
        files: &[Mapping],
        given: &GivenValues,
        report: &mut Report,
    ) -> Self {
        let mut values = Self::default();
        if let Some(stack) = stack
            && let Ok(tree) = &*sources.tree(stack)
        {
            values.has_stack = true;
            values.declare(tree, stack, sources, given, files, report);
        }
        if !values.has_stack {
            values.refuse_undeclared(sources, files, given, report);
        }
        values
    }

    /// Whether a name is declared.
    fn declares(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// Whether a document is a file of values and not a manifest: it has neither `apiVersion` nor `kind`, and a
    /// declared value. Such files may be beside the manifests.
    pub(super) fn is_values_file(&self, tree: &Tree) -> bool {
        let Some(Shape::Map(entries)) = tree.resolve(Tree::ROOT).map(|it| &it.shape) else {
            return false;
        };
        !entries.iter().any(|it| ["apiVersion", "kind"].contains(&it.key.as_str()))
            && entries.iter().any(|it| self.declares(&it.key))
    }

    fn declare(
        &mut self,
        tree: &Tree,
        origin: Origin,
        sources: &SourceMap,
        given: &GivenValues,
        files: &[Mapping],
        report: &mut Report,
    ) {
        let node = tree.member(Tree::ROOT, "spec").and_then(|it| tree.member(it, "values"));
        let node = node.and_then(|it| tree.resolve(it));
        let mut declared: BTreeMap<&str, Option<Declared>> = BTreeMap::new();
        if let Some(Shape::Map(entries)) = node.map(|it| &it.shape) {
            for entry in entries {
                let path = FieldPath::from("spec.values").key(entry.key.clone());
                let at = Place::key(origin, path.clone());
                if !reference::is_name(&entry.key) {
                    let message = format!("{} cannot be the name of a value", quote(&entry.key));
                    report.push(Diagnostic::new(Code::InvalidName, at, message).help(
                        "use 1 to 63 letters, digits, `_` and `-`, with a letter or `_` first",
                    ));
                    continue;
                }
                let mut faulty = false;
                let read = Declared::read(tree, entry.value, |node, unfit| {
                    faulty = true;
                    let offset = tree.get(node).map_or(0, |it| it.at);
                    report.push(diagnostic(unfit, sources.place(origin, offset), &entry.key));
                });
                let read = read.filter(|_| !faulty);
                let mut known = Known { at, r#type: None, value: None, reported: read.is_none() };
                if let Some(read) = &read {
                    known.r#type = Some(read.r#type);
                    if let Some(node) = tree.member(entry.value, "default")
                        && !is_nothing(tree, node)
                    {
                        let place = Place::value(origin, path.clone().key("default"));
                        known.take(read.fit(tree, node), From::Text(place), &entry.key, report);
                    }
                }
                declared.insert(&entry.key, read);
                self.known.insert(entry.key.clone(), known);
            }
        }
        for file in files {
            let tree = sources.tree(file.origin);
            let Ok(tree) = &*tree else { continue };
            self.take_file(tree, file, &declared, report);
        }
        for setting in &given.set {
            let name = &setting.name;
            let Some(known) = self.known.get_mut(name) else {
                report
                    .push(undeclared_setting(setting).did_you_mean(name, declared.keys().copied()));
                continue;
            };
            if let Some(Some(declared)) = declared.get(name.as_str()) {
                known.take(declared.fit_text(&setting.value), From::CommandLine, name, report);
            }
        }
    }

    /// Takes the values of one file, or of a Target.
    fn take_file(
        &mut self,
        tree: &Tree,
        file: &Mapping,
        declared: &BTreeMap<&str, Option<Declared>>,
        report: &mut Report,
    ) {
        let Some(node) = file.node(tree) else { return };
        let Some(Shape::Map(entries)) = tree.resolve(node).map(|it| &it.shape) else {
            let message = "a file of values is a mapping of names to values";
            report.push(
                Diagnostic::new(Code::WrongType, Place::value(file.origin, ""), message)
                    .help("write `name: value` on each line"),
            );
            return;
        };
        for entry in entries {
            let path = file.path.clone().key(entry.key.clone());
            let Some(known) = self.known.get_mut(&entry.key) else {
                let place = Place::key(file.origin, path);
                report.push(undeclared(&entry.key, place, self.known.keys()));
                continue;
            };
            if let Some(Some(declared)) = declared.get(entry.key.as_str()) {
                let from = From::Text(Place::value(file.origin, path));
                known.take(declared.fit(tree, entry.value), from, &entry.key, report);
            }
        }
    }

    /// Reports what was given where no Stack declares anything.
    fn refuse_undeclared(
        &self,
        sources: &SourceMap,
        files: &[Mapping],
        given: &GivenValues,
        report: &mut Report,
    ) {
        for file in files {
            let tree = sources.tree(file.origin);
            let Ok(tree) = &*tree else { continue };
            let node = file.node(tree).and_then(|it| tree.resolve(it));
            if let Some(Shape::Map(entries)) = node.map(|it| &it.shape) {
                for entry in entries {
                    let place = Place::key(file.origin, file.path.clone().key(entry.key.clone()));
                    report.push(undeclared(&entry.key, place, self.known.keys()));
                }
            }
        }
        given.set.iter().for_each(|it| report.push(undeclared_setting(it)));
    }

    /// Warns of values that are declared and not used. Call it after all documents were read.
    pub(super) fn warn_of_unused(&self, report: &mut Report) {
        let used = self.used.borrow();
        for (name, known) in self.known.iter().filter(|(name, _)| !used.contains(*name)) {
            let message = format!("no manifest uses the value `{name}`");
            report.push(
                Diagnostic::new(Code::UnusedValue, known.at.clone(), message)
                    .help(format!("use it as `${{{name}}}`, or remove its declaration")),
            );
        }
    }

    /// What is said of the value at a field that does not take it: where the value comes from, and of which type
    /// it is.
    fn explain(&self, name: &str, found: &mut Diagnostic) {
        let Some(known) = self.known.get(name) else { return };
        let Some((_, from)) = &known.value else { return };
        let of_type = known.r#type.unwrap_or(declared::ValueType::String);
        if found.code == Code::WrongType {
            found.help = Some(format!(
                "the value `{name}` is of type `{of_type}`: declare the type that the field takes"
            ));
        }
        match from {
            From::Text(place) => {
                found.also.push((place.clone(), format!("the value `{name}` is given here")));
            }
            From::CommandLine if found.help.is_none() => {
                found.help = Some(format!("the value `{name}` is given with `--set`"));
            }
            From::CommandLine => {}
        }
    }
}

impl Known {
    /// Takes a value in the place of the one so far, or reports why it is none.
    fn take(&mut self, fitted: Result<Value, Unfit>, from: From, name: &str, report: &mut Report) {
        match fitted {
            Ok(value) => {
                self.value = Some((value, from));
            }
            Err(unfit) => {
                let place = match from {
                    From::Text(place) => place,
                    From::CommandLine => Place::Nowhere,
                };
                let by_command_line = place == Place::Nowhere;
                let mut found = diagnostic(unfit, place, name);
                if by_command_line {
                    found.message = format!("`--set {name}=…`: {}", found.message);
                    found.also.push((self.at.clone(), "the value is declared here".to_owned()));
                }
                report.push(found);
                self.reported = true;
            }
        }
    }
}

fn diagnostic(unfit: Unfit, place: Place, name: &str) -> Diagnostic {
    let Unfit { code, message, help } = unfit;
    let mut found = Diagnostic::new(code, place, format!("value `{name}`: {message}"));
    found.help = help;
    found
}

/// What is said of a name that no Stack declares.
fn undeclared<'a>(
    name: &str,
    place: Place,
    known: impl IntoIterator<Item = &'a String>,
) -> Diagnostic {
    let message = format!("the Stack declares no value {}", quote(name));
    Diagnostic::new(Code::UndeclaredValue, place, message)
        .help(format!("declare it: `spec: {{ values: {{ {name}: {{ type: string }} }} }}`"))
        .did_you_mean(name, known.into_iter().map(String::as_str))
}

fn undeclared_setting(setting: &Setting) -> Diagnostic {
    let Setting { name, .. } = setting;
    let message = format!("`--set {name}=…`: the Stack declares no value {}", quote(name));
    Diagnostic::new(Code::UndeclaredValue, Place::Nowhere, message)
        .help("declare it in `spec.values` of the Stack, or leave `--set` out")
}

/// Whether a text may be that of a Stack document, as far as can be told without parsing it.
/// The first of these documents that says it is a Stack, as far as it can be read.
pub(super) fn stack_of(origins: &[Origin], sources: &SourceMap) -> Option<Origin> {
    let mut possible = origins.iter().filter(|it| may_be_stack(sources.document_text(**it)));
    possible.find(|it| matches!(&*sources.tree(**it), Ok(tree) if is_stack(tree))).copied()
}

fn may_be_stack(text: &str) -> bool {
    // A word may be written with escapes.
    let escapes = ["\\u", "\\U", "\\x"];
    text.contains(super::envelope::STACK) || escapes.iter().any(|it| text.contains(it))
}

fn is_stack(tree: &Tree) -> bool {
    kind(tree) == Some(super::envelope::STACK)
}

/// The kind that a document says it is.
fn kind(tree: &Tree) -> Option<&str> {
    match &tree.resolve(tree.member(Tree::ROOT, "kind")?)?.shape {
        Shape::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

fn is_nothing(tree: &Tree, id: crate::diag::tree::NodeId) -> bool {
    use super::decode::{Meaning, meaning};
    matches!(tree.resolve(id).map(|it| &it.shape), Some(Shape::Scalar { text, plain: true })
        if matches!(meaning(text, true), Meaning::Nothing))
}
