//! From paths to targets: which documents are Targets, and what each of them says.

use super::super::document::{self, guard};
use super::super::envelope::{API_VERSION, Named, STACK, kind_names};
use super::super::schema::DocumentOutline;
use super::super::source::{self, Limits, StandardInput};
use super::super::values::Filled;
use super::{TARGET, TargetMetadata, TargetSpec, check};
use crate::diag::tree::{Shape, Tree};
use crate::diag::{Code, Diagnostic, Origin, Place, Report, SourceMap, quote};
use crate::kinds::Kind;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A Target document that is in order.
#[derive(Clone, Debug)]
pub struct Target {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`, which only the operator reads.
    pub namespace: Option<String>,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// What it says.
    pub spec: TargetSpec,
    /// Where its name is written.
    pub place: TargetPlace,
    /// A hash of what the document says, its place left out: the same for the same target.
    pub digest: String,
    sources: Arc<SourceMap>,
    origin: Origin,
}

/// Where a target is written. Its text is untrusted: escape it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetPlace {
    /// The file, as it was named or found below a folder that was named.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for TargetPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl Target {
    /// The manifests: their path from the folder of the Target's file.
    pub fn manifests(&self) -> PathBuf {
        let folder = self.place.file.parent().unwrap_or(Path::new(""));
        let path: PathBuf = folder.join(&self.spec.manifests.path).components().collect();
        if path.as_os_str().is_empty() { PathBuf::from(".") } else { path }
    }

    /// The name of the session of the role: as it is given, or `ivs-apply-` and the name of the target, in the 64
    /// characters that AWS takes.
    pub fn session_name(&self) -> String {
        let given = self.spec.role.as_ref().and_then(|it| it.session_name.clone());
        given.unwrap_or_else(|| format!("ivs-apply-{}", self.name).chars().take(64).collect())
    }

    /// Adds the text of its file to those of a run, so that places in it can be shown. The answer is its document there.
    pub(in super::super) fn add_to(&self, sources: &mut SourceMap) -> Option<Origin> {
        let source = sources.add(self.sources.get(self.origin.source)?.clone());
        Some(Origin { source, ..self.origin })
    }
}

/// A document that is no target, though it should be one; or a file that cannot be read.
#[derive(Clone, Debug)]
pub struct BrokenTarget {
    /// The file, as it was named or found below a folder that was named.
    pub file: PathBuf,
    /// Its name, as far as one could be read. Untrusted: escape it.
    pub name: Option<String>,
    /// Everything that is wrong, at least one error.
    pub report: Report,
    /// The texts, for showing where that is.
    pub sources: Arc<SourceMap>,
}

impl BrokenTarget {
    /// The first error of its document.
    pub fn first(&self) -> Option<&Diagnostic> {
        let sorted = self.report.sorted(&self.sources);
        sorted.into_iter().map(|it| it.1).find(|it| self.report.errors().any(|error| error == *it))
    }

    /// Where its first error is: line and column in its file; 1 and 1 where the file could not be read.
    pub fn place(&self) -> TargetPlace {
        let position = self.first().and_then(|it| self.sources.position(&it.at));
        let (line, column) = position.map_or((1, 1), |it| (it.line, it.column));
        TargetPlace { file: self.file.clone(), line, column }
    }
}

/// The targets of files and folders, in the order of the files. Documents of other kinds are left out; a document that is
/// meant as a target and is none, and a file that cannot be read, is an entry of its own.
pub fn targets(paths: &[PathBuf]) -> Vec<Result<Target, BrokenTarget>> {
    targets_where(paths, |_| true)
}

/// The same, of the documents in whose text a name occurs. Each child of a fleet reads its one target so: to parse the whole file in
/// each would take the square of the number of targets. A name that is written with escapes does not occur.
pub fn targets_with(paths: &[PathBuf], name: &str) -> Vec<Result<Target, BrokenTarget>> {
    targets_where(paths, |text| text.contains(name))
}

fn targets_where(
    paths: &[PathBuf],
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<Result<Target, BrokenTarget>> {
    let (files, stdin): (Vec<PathBuf>, Vec<PathBuf>) =
        paths.iter().cloned().partition(|it| it.as_os_str() != "-");
    let mut unread = Report::new();
    let nothing = StandardInput { text: &mut std::io::empty(), folder: None };
    let sources = source::collect(&files, &[], nothing, &Limits::default(), &mut unread);
    let sources = Arc::new(sources);
    let mut found = Vec::new();
    for _ in stdin {
        let message = "targets cannot be read from standard input";
        let help = "name their files or folders: the paths in a Target are relative to its file";
        unread.push(Diagnostic::new(Code::UnreadableFile, Place::Nowhere, message).help(help));
    }
    for it in unread.into_iter().filter(|it| it.code != Code::NoManifests) {
        let file = it.at.source().map_or("-", |id| sources.name(id)).into();
        let mut report = Report::new();
        report.push(it);
        found.push(Err(BrokenTarget { file, name: None, report, sources: Arc::clone(&sources) }));
    }
    let mut readable = true;
    let mut of_list = Report::new();
    for origin in sources.origins().filter(|it| is_wanted(sources.document_text(*it))) {
        let mut report = Report::new();
        // A list is looked at once, and not for each of its items.
        if matches!(sources.document(origin).and_then(|it| it.item), Some(1..)) {
            report.extend(of_list.iter().cloned());
        } else {
            readable = guard(origin, &sources, &mut report);
            of_list = report.clone();
        }
        found.extend(read(origin, &sources, readable, report));
    }
    found
}

/// One document as a target; nothing for a document that is meant as something else.
fn read(
    origin: Origin,
    sources: &Arc<SourceMap>,
    readable: bool,
    mut report: Report,
) -> Option<Result<Target, BrokenTarget>> {
    let file = PathBuf::from(sources.name(origin.source));
    let meant = match &*sources.tree(origin) {
        Ok(tree) if readable => is_meant(tree),
        _ => may_be_meant(sources.document_text(origin)),
    };
    if !meant {
        return None;
    }
    let filled = Filled::plain(origin, sources);
    let read = readable.then(|| document(&filled, sources, &mut report)).flatten();
    let broken = |report: Report| {
        let name = document::parse_in_part::<Named>(&filled, sources, &(), &mut Report::new());
        let name = name.filter(|_| readable).map(|it| it.value.metadata.name);
        BrokenTarget { file: file.clone(), name, report, sources: Arc::clone(sources) }
    };
    let Some(TargetDocument { metadata, spec, .. }) = read.filter(|_| !report.has_errors()) else {
        return Some(Err(broken(report)));
    };
    let name = Place::value(origin, "metadata.name");
    let (line, column) =
        sources.position(&name).map_or((1, 1), |position| (position.line, position.column));
    let said = serde_json::json!({ "metadata": &metadata, "spec": &spec }).to_string();
    Some(Ok(Target {
        name: metadata.name,
        namespace: metadata.namespace,
        labels: metadata.labels,
        spec,
        place: TargetPlace { file, line, column },
        digest: hex::encode(Sha256::digest(said.as_bytes())),
        sources: Arc::clone(sources),
        origin,
    }))
}

/// A whole document.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in super::super) struct TargetDocument {
    api_version: String,
    kind: String,
    metadata: TargetMetadata,
    spec: TargetSpec,
}

/// Reads and checks a document that is meant as a target. What is wrong with it goes into the report, all of it as far as
/// one fault does not hide another.
pub(in super::super) fn document(
    filled: &Filled,
    sources: &SourceMap,
    report: &mut Report,
) -> Option<TargetDocument> {
    let origin = filled.origin;
    let outline = DocumentOutline::Target;
    let read = document::parse_in_part::<TargetDocument>(filled, sources, &outline, report)?;
    let document = read.value;
    if document.kind != TARGET {
        let message = format!("unknown kind {}", quote(&document.kind));
        let place = Place::value(origin, "kind");
        report.push(
            Diagnostic::new(Code::UnknownKind, place, message)
                .help(format!("write `kind: {TARGET}`"))
                .did_you_mean(&document.kind, [TARGET]),
        );
    }
    if document.api_version != API_VERSION {
        let message = format!("unknown apiVersion {}", quote(&document.api_version));
        let place = Place::value(origin, "apiVersion");
        report.push(
            Diagnostic::new(Code::UnknownApiVersion, place, message)
                .help(format!("use `apiVersion: {API_VERSION}`")),
        );
    }
    let mut found = Report::new();
    check::metadata(origin, &document.metadata, &mut found);
    check::spec(origin, &document.spec, sources, &mut found);
    // What was left out has its default, of which nothing can be said.
    let said = |it: &Diagnostic| match &it.at {
        Place::Field { path, .. } => !read.left_out.iter().any(|out| path.starts_with(out)),
        _ => true,
    };
    report.extend(found.into_iter().filter(said));
    read.left_out.is_empty().then_some(document)
}

/// Whether a document is meant as a target, also where a word of it is mistyped.
fn is_meant(tree: &Tree) -> bool {
    let is_ours = text(tree, "apiVersion").is_some_and(is_ours);
    match text(tree, "kind") {
        Some(TARGET) => true,
        Some(kind) => is_ours && kind != STACK && Kind::named(kind).is_none(),
        None => is_ours,
    }
}

/// Whether a text that is not readable as a document may be meant as a target.
fn may_be_meant(text: &str) -> bool {
    let mut others = kind_names().filter(|it| *it != TARGET);
    text.contains(TARGET) || is_ours(text) && !others.any(|it| text.contains(it))
}

/// Whether an `apiVersion`, or a text, has the group of this program.
fn is_ours(text: &str) -> bool {
    API_VERSION.split_once('/').is_some_and(|(group, _)| text.contains(group))
}

fn text<'t>(tree: &'t Tree, key: &str) -> Option<&'t str> {
    match &tree.resolve(tree.member(Tree::ROOT, key)?)?.shape {
        Shape::Scalar { text, .. } => Some(text),
        _ => None,
    }
}
