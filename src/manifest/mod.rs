//! YAML text to what is wanted, with everything that is wrong with it in one run.
//!
//! Offline: knows no account. Reads only the paths it is given.

mod decode;
pub mod document;
pub mod envelope;
pub mod export;
pub mod guard;
mod kustomize;
mod requires;
mod resource;
pub mod schema;
mod set;
pub mod source;
mod stack;
pub mod target;
pub mod values;
pub mod write;

use crate::diag::{Code, Diagnostic, FieldPath, Origin, Part, Place, Report, Segment, SourceMap};
use crate::kinds::spec::spec_path;
use crate::kinds::{Address, Desired, Kind, Lifecycle, Resource, Spec, Stack};
use document::Outline;
use envelope::{
    API_VERSION, Document, Envelope, EnvelopeOutline, Metadata, Named, STACK, StackDocument,
    StackSpec, kind_names,
};
use schema::DocumentOutline;
use serde::de::value::{Error as NotAllDefaults, MapDeserializer};
pub use source::StandardInput;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use target::Target;
use values::{Filled, GivenValues, Mapping, Uses, Values};

/// What the manifests of a run say.
#[derive(Debug)]
pub struct Loaded {
    /// The texts, for showing where something stands.
    pub sources: SourceMap,
    /// Everything that is wrong. With errors inside, the rest must not be acted upon.
    pub report: Report,
    /// The stack, from its document or by name alone.
    pub stack: Stack,
    /// Whether the name of the stack is known: a document that cannot be read may be the one that names it.
    pub is_stack_known: bool,
    /// The first document of kind Stack, whether it could be read to the end or not.
    pub stack_at: Option<Origin>,
    /// What its document says, with the values put in.
    pub stack_spec: StackSpec,
    /// Every resource that could be read, in the order of the files.
    pub desired: Vec<Desired>,
}

impl Loaded {
    /// The name of the stack, where it is known.
    pub fn known_stack(&self) -> Option<&str> {
        self.is_stack_known.then_some(self.stack.name.as_str())
    }

    /// Where the Stack document says its region, if it does: `file:line:column`. Untrusted: escape it.
    pub fn region_at(&self) -> Option<String> {
        self.stack_spec.region.as_ref()?;
        self.sources.cited(&Place::value(self.stack_at?, "spec.region"))
    }
}

/// Reads and checks the manifests at `paths`; `stack` is the name to use without a `Stack` document, `given` what the
/// command line gives for the values that it declares.
pub fn load(
    paths: &[PathBuf],
    stdin: StandardInput<'_>,
    stack: Option<&str>,
    given: &GivenValues,
) -> Loaded {
    load_for(paths, stdin, stack, given, None)
}

/// The same for a Target, whose account, region and stack must be those of the manifests, and which gives values.
pub fn load_for(
    paths: &[PathBuf],
    stdin: StandardInput<'_>,
    stack: Option<&str>,
    given: &GivenValues,
    target: Option<&Target>,
) -> Loaded {
    let mut report = Report::new();
    let files: Vec<_> = given.files.iter().map(|it| source::locate(it, paths)).collect();
    let real: Vec<PathBuf> = files.iter().filter_map(|it| it.real.clone()).collect();
    let limits = source::Limits::default();
    let mut sources = source::collect(paths, &real, stdin, &limits, &mut report);
    let origins: Vec<Origin> = sources.origins().collect();
    let mut of_files = Vec::new();
    for file in &files {
        of_files.extend(source::add_values(&mut sources, file, &mut report));
    }
    of_files.retain(|it| {
        let readable = guard::guard_as(*it, &sources, false, &mut report);
        if it.document > 0 {
            let message = "a file of values is one document";
            let place = Place::value(*it, "");
            report.push(Diagnostic::new(Code::WrongType, place, message).help("remove the `---`"));
        }
        readable && it.document == 0
    });
    let at = target.and_then(|it| it.add_to(&mut sources).map(|origin| (it, origin)));
    let of_target = at.map(|it| Mapping { origin: it.1, path: "spec.values".into() });
    let of_files = of_files.into_iter().map(|origin| Mapping { origin, path: FieldPath::root() });
    let mappings: Vec<Mapping> = of_target.into_iter().chain(of_files).collect();
    understand(sources, &origins, &mappings, report, (stack, at), given)
}

/// The same for a text that is not in a file.
pub fn load_text(name: &str, text: &str, stack: Option<&str>) -> Loaded {
    load_text_with(name, text, stack, &[])
}

/// The same for a text that is not in a file, with values as `--set` gives them.
pub fn load_text_with(
    name: &str,
    text: &str,
    stack: Option<&str>,
    set: &[values::Setting],
) -> Loaded {
    let sources = source::from_text(name, text);
    let origins: Vec<Origin> = sources.origins().collect();
    let given = GivenValues { set: set.to_vec(), ..GivenValues::default() };
    understand(sources, &origins, &[], Report::new(), (stack, None), &given)
}

fn understand(
    mut sources: SourceMap,
    origins: &[Origin],
    files_of_values: &[Mapping],
    mut report: Report,
    (stack, target): (Option<&str>, Option<(&Target, Origin)>),
    given: &GivenValues,
) -> Loaded {
    if origins.is_empty() && !report.has_errors() {
        report.push(
            Diagnostic::new(Code::NoManifests, Place::Nowhere, "there is no manifest to read")
                .help("name files or folders with `-f`; a folder is searched for *.yaml, *.yml and *.json"),
        );
    }
    let stack_at = values::stack_of(origins, &sources);
    if stack_at.is_some_and(|it| !requires::is_met(it, &sources, &mut report)) {
        // What else another version would find wrong is no help.
        let stack = Stack::named(stack.unwrap_or("default"));
        let (stack_spec, desired) = (StackSpec::default(), Vec::new());
        return Loaded {
            sources,
            report,
            stack,
            is_stack_known: false,
            stack_at,
            stack_spec,
            desired,
        };
    }
    let values = Values::new(&sources, stack_at, files_of_values, given, &mut report);
    let mut documents = Documents {
        is_for_target: target.is_some(),
        unnamed: report.has_errors(),
        ..Documents::default()
    };
    let mut readable = true;
    for origin in origins {
        // A list is looked at once, and not for each of its items.
        if !matches!(sources.document(*origin).and_then(|it| it.item), Some(1..)) {
            readable = guard::guard(*origin, &sources, &mut report);
        }
        if readable {
            documents.read(*origin, &sources, &values, &mut report);
        } else {
            documents.unread = true;
        }
    }
    let Documents {
        stacks,
        broken_stack,
        mut desired,
        mut in_part,
        broken,
        uses,
        kustomized,
        targets,
        unread,
        unnamed,
        ..
    } = documents;
    for (origin, file) in kustomized {
        sources.note_written_in(origin, file);
    }
    if !unread {
        values.warn_of_unused(&mut report);
    }
    if target.is_none() {
        report.extend(target::without_effect(&targets, &sources));
    }
    let stack_spec = stacks.first().map(|it| it.1.spec.clone()).unwrap_or_default();
    let is_stack_known =
        !stacks.is_empty() || broken_stack.is_some() || stack.is_some() || !(unread || unnamed);
    let stack = broken_stack.as_deref().or(stack);
    let at = stacks.first().map(|it| it.0);
    // Where the Target names the stack, a Stack document of another name contradicts the Target, and not the flag.
    let named =
        |it: &&str| target.is_none_or(|(target, _)| target.spec.stack.as_deref() != Some(*it));
    let asked = stack.filter(|it| at.is_none() || named(it));
    let mut stack = stack::the_stack(stacks, asked, &sources, &mut report);
    if let Some((target, written)) = target {
        stack::at_target(&mut stack, at, target, written, &mut report);
    }
    let known: BTreeSet<Address> =
        desired.iter().map(|it| it.address.clone()).chain(broken).collect();
    for it in desired.iter_mut().chain(in_part.iter_mut().map(|it| &mut it.0)) {
        set::settle_names(it, &known);
    }
    for it in &mut desired {
        let of_stack = stack::add_tags(it, &stack, &mut report);
        read_file_field(it, &sources, &mut report);
        resource::check(it, of_stack, &mut report);
        it.spec.normalise();
    }
    set::check(&stack, &desired, &known, &mut report);
    for (it, left_out) in &mut in_part {
        let mut found = Report::new();
        resource::check(it, 0, &mut found);
        set::references(&stack, std::slice::from_ref(it), &known, &mut found);
        report.extend(found.iter().filter(|it| stands_without(it, left_out)).cloned());
    }
    values.explain_uses(&uses, &mut report);
    Loaded { sources, report, stack, is_stack_known, stack_at, stack_spec, desired }
}

/// The documents of a run, each read by itself.
#[derive(Default)]
struct Documents {
    stacks: Vec<(Origin, StackDocument)>,
    /// The name in a Stack document that was not read to the end.
    broken_stack: Option<String>,
    /// Resources that were read to the end.
    desired: Vec<Desired>,
    /// Resources of which something was left out, and what.
    in_part: Vec<(Desired, Vec<FieldPath>)>,
    /// Resources that are declared and not read to the end: a reference to one of them is no error.
    broken: BTreeSet<Address>,
    /// The values that documents have put in.
    uses: BTreeMap<Origin, Uses>,
    /// The files that kustomize says documents were written in.
    kustomized: Vec<(Origin, String)>,
    /// Whether the run is for a Target.
    is_for_target: bool,
    /// Documents of kind Target, which are no manifests.
    targets: Vec<Origin>,
    /// Whether a document could not be read at all.
    unread: bool,
    /// Whether a text was not found, or the kind of a document is not known: either may be the Stack.
    unnamed: bool,
}

impl Documents {
    /// Reads one document; what is wrong with it goes into the report.
    fn read(&mut self, origin: Origin, sources: &SourceMap, values: &Values, report: &mut Report) {
        if let Ok(tree) = &*sources.tree(origin)
            && values.is_values_file(tree)
        {
            if !sources.get(origin.source).is_some_and(|it| it.in_folder) {
                let place = Place::value(origin, "");
                report.push(not_a_manifest(place).help("give a file of values with `--values`"));
            }
            return;
        }
        let mut filled = values.put_in(origin, sources, report);
        if let Ok(tree) = &*filled.tree {
            self.kustomized.extend(kustomize::origin(tree).map(|it| (origin, it)));
        }
        if !filled.uses.is_empty() {
            self.uses.insert(origin, std::mem::take(&mut filled.uses));
        }
        let Some(envelope) = envelope(&filled, sources, report) else {
            self.unnamed = true;
            return;
        };
        if envelope.kind == target::TARGET {
            self.targets.push(origin);
            // What another Target says does not matter to a run for one.
            if !self.is_for_target {
                target::document(&filled, sources, report);
            }
            return;
        }
        if envelope.kind == STACK {
            let outline = DocumentOutline::Stack;
            let document = document::parse(&filled, sources, &outline, report);
            if let Some(document) = document {
                self.stacks.push((origin, document));
            } else {
                self.broken_stack = name(&filled, sources).or(self.broken_stack.take());
            }
            return;
        }
        let Some(kind) = Kind::named(&envelope.kind) else {
            self.unnamed = true;
            let message = format!("unknown kind {}", crate::diag::quote(&envelope.kind));
            let names: Vec<&str> = kind_names().collect();
            report.push(
                Diagnostic::new(Code::UnknownKind, Place::value(origin, "kind"), message)
                    .help(format!("kinds are {}", names.join(", ")))
                    .did_you_mean(&envelope.kind, kind_names()),
            );
            return;
        };
        let typed = Typed { document: &filled, sources, report };
        if let Some((spec, (metadata, lifecycle, left_out))) = kind.parse_with(typed) {
            let it = resource::declared(origin, spec, metadata, lifecycle);
            if left_out.is_empty() {
                self.desired.push(it);
            } else {
                self.broken.insert(it.address.clone());
                self.in_part.push((it, left_out));
            }
        } else if let Some(name) = name(&filled, sources) {
            self.broken.insert(Address::new(kind, name));
        }
    }
}

/// The name of a document that is broken elsewhere.
fn name(filled: &Filled, sources: &SourceMap) -> Option<String> {
    let named = document::parse_in_part::<Named>(filled, sources, &(), &mut Report::new());
    named.map(|it| it.value.metadata.name)
}

/// The envelope of a document, if it is a manifest of this program.
fn envelope(filled: &Filled, sources: &SourceMap, report: &mut Report) -> Option<Envelope> {
    let origin = filled.origin;
    let mut found = Report::new();
    let envelope =
        document::parse_in_part::<Envelope>(filled, sources, &EnvelopeOutline, &mut found);
    // Fields further in that have no value are not those of the envelope.
    let Some(envelope) = envelope.map(|it| it.value).filter(|_| found.is_empty()) else {
        if is_no_manifest(&found) {
            report.push(not_a_manifest(Place::value(origin, "")));
        } else {
            report.extend(found);
        }
        return None;
    };
    if envelope.api_version != API_VERSION {
        let message = format!("unknown apiVersion {}", crate::diag::quote(&envelope.api_version));
        let place = Place::value(origin, "apiVersion");
        report.push(
            Diagnostic::new(Code::UnknownApiVersion, place, message)
                .help(format!("use `apiVersion: {API_VERSION}`")),
        );
        return None;
    }
    Some(envelope)
}

/// Whether something is wrong whatever was meant where a document could not be read: a rule about one value,
/// which is another. Of a list with something left out, no item is where it was.
fn stands_without(found: &Diagnostic, left_out: &[FieldPath]) -> bool {
    let Place::Field { path, .. } = &found.at else { return false };
    let of_one_value = matches!(
        found.code,
        Code::InvalidName
            | Code::UnknownField
            | Code::UnknownReference
            | Code::OutOfRange
            | Code::PatternMismatch
            | Code::TooManyItems
            | Code::DuplicateItem
            | Code::TooManyTags
            | Code::ReservedTag
            | Code::WrongArn
            | Code::WrongRegion
            | Code::WrongAccount
    );
    let apart = |other: &FieldPath| {
        let list = other.segments().iter().position(|it| matches!(it, Segment::Index(_)));
        let other: FieldPath =
            other.segments()[..list.unwrap_or(other.segments().len())].iter().cloned().collect();
        !path.starts_with(&other) && !other.starts_with(path)
    };
    of_one_value && left_out.iter().all(apart)
}

/// Parses a document as that of one kind.
struct Typed<'a> {
    document: &'a Filled,
    sources: &'a SourceMap,
    report: &'a mut Report,
}

impl crate::kinds::ParseSpec for Typed<'_> {
    type Rest = (Metadata, Lifecycle, Vec<FieldPath>);

    fn spec<K: Resource>(self) -> Option<(Spec, Self::Rest)>
    where
        Spec: From<K>,
    {
        let outline = DocumentOutline::Of(K::KIND);
        let document::Read { value, left_out } = document::parse_in_part::<Document<K>>(
            self.document,
            self.sources,
            &outline,
            self.report,
        )?;
        let spec = match value.spec {
            Some(spec) => spec,
            // It is there, and what is wrong with it is in the report.
            None if left_out.iter().any(|it| it.starts_with(&FieldPath::from("spec"))) => {
                return None;
            }
            None => self.spec_left_out(&outline)?,
        };
        Some((spec.into(), (value.metadata, value.lifecycle, left_out)))
    }
}

impl Typed<'_> {
    /// The spec of a document that has none: every field has its default, or those without one are missing.
    fn spec_left_out<K: Resource>(self, outline: &DocumentOutline) -> Option<K> {
        let none: [((), ()); 0] = [];
        let defaults = K::deserialize(MapDeserializer::<_, NotAllDefaults>::new(none.into_iter()));
        if let Ok(spec) = defaults {
            return Some(spec);
        }
        for name in outline.required(&FieldPath::from("spec")) {
            let path = FieldPath::from("spec").key(name.clone());
            let place = Place::Field { origin: self.document.origin, path, part: Part::Key };
            let message = format!("missing field `{name}`");
            let diagnostic = Diagnostic::new(Code::MissingField, place, message);
            self.report.push(diagnostic.help("it belongs in `spec`, which is empty"));
        }
        None
    }
}

/// Whether a document has nothing of a manifest, so that naming the fields it lacks would not help.
fn is_no_manifest(found: &Report) -> bool {
    let missing = found.iter().filter(|it| it.code == Code::MissingField).count();
    let not_a_mapping = found.iter().any(|it| {
        it.code == Code::WrongType && matches!(&it.at, Place::Field { path, .. } if path.is_root())
    });
    missing == 2 || not_a_mapping
}

/// What to say of a document that has nothing of a manifest.
fn not_a_manifest(place: Place) -> Diagnostic {
    let message = "this is not an ivs-apply manifest: it has neither `apiVersion` nor `kind`";
    Diagnostic::new(Code::MissingField, place, message).help(format!(
        "a manifest is YAML or JSON and begins with `apiVersion: {API_VERSION}`; name the folder or the files \
         that hold manifests with `-f`"
    ))
}

/// The most that a file beside a manifest may hold; a public key has 215 bytes.
const BESIDE: u64 = 16 * 1024;

/// Puts a text that stands in a file beside the manifest into its field. Where that fails the name of the
/// file stays, so that the field does not look forgotten as well.
fn read_file_field(desired: &mut Desired, sources: &SourceMap, report: &mut Report) {
    let origin = desired.origin;
    let Some(pair) = desired.spec.file_source() else { return };
    let Some(file) = pair.file.as_deref() else { return };
    let place = Place::value(origin, spec_path().key(pair.file_field));
    let written_in = sources.written_in(origin);
    if pair.text.is_some() {
        let message = format!("`{}` and `{}` are both given", pair.file_field, pair.text_field);
        report.push(Diagnostic::new(Code::ConflictingFields, place, message));
        return;
    }
    let Some(source) = sources.get(origin.source) else { return };
    match source::read_relative(source, written_in, file, BESIDE) {
        Ok(text) if text.contains("PRIVATE KEY") => report.push(
            Diagnostic::new(Code::SecretInManifest, place, "the file holds a private key")
                .help("only public keys go to AWS: `openssl ec -in private.pem -pubout`"),
        ),
        Ok(text) => {
            *pair.text = Some(text);
            *pair.file = None;
        }
        Err(refused) => {
            let message = format!("{} {}", crate::diag::quote(file), refused.message);
            let mut diagnostic = Diagnostic::new(refused.code, place, message);
            diagnostic.help = refused.help;
            report.push(diagnostic);
        }
    }
}
