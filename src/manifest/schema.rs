//! JSON Schemas of manifests, and the field reference, from the types themselves.
//!
//! Draft 7, which the YAML language server reads. What a schema cannot say is said by `validate`.

use super::document::Outline;
use super::envelope::{API_VERSION, Metadata, STACK, StackSpec, kind_names};
use super::target::{TARGET, TargetMetadata, TargetSpec};
use crate::diag::{FieldPath, Segment};
use crate::kinds::spec::{schema_generator, spec_path};
use crate::kinds::{Kind, Lifecycle};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The parts of a document that hold fields.
const PARTS: [&str; 3] = ["spec", "metadata", "lifecycle"];

/// Stands in the reference for a name that the user chooses, as in `spec.values.NAME.type`.
const ANY_NAME: &str = "NAME";

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

fn part<T: JsonSchema>() -> Value {
    trimmed(schema_generator().into_root_schema_for::<T>().to_value())
}

/// Without what a reader of the schema does not need.
fn trimmed(mut schema: Value) -> Value {
    if let Value::Object(map) = &mut schema {
        map.remove("$schema");
        map.remove("title");
    }
    schema
}

/// The schema of a document of one kind, for editors: fields take `${name}` too.
pub fn of_kind(kind: Kind) -> Value {
    super::values::schema::admitting(without_values(kind))
}

/// The schema of the `Stack` document, for editors.
pub fn of_stack() -> Value {
    super::values::schema::admitting(stack_without_values())
}

/// The schema of a document of one kind with its values put in.
pub fn without_values(kind: Kind) -> Value {
    let spec = trimmed(kind.schema(&mut schema_generator()).to_value());
    let description = spec.get("description").cloned().unwrap_or_default();
    document(kind.name(), &description, &spec, Some(part::<Lifecycle>()))
}

fn stack_without_values() -> Value {
    document(STACK, &json!("Settings of a whole run."), &part::<StackSpec>(), None)
}

/// The schema of the `Target` document, which takes no `${name}`.
pub fn of_target() -> Value {
    let about = json!("A place that a stack is applied to, for `--target` and `fleet`.");
    let mut schema = document(TARGET, &about, &part::<TargetSpec>(), None);
    schema["properties"]["metadata"] = part::<TargetMetadata>();
    schema["required"] = json!(["apiVersion", "kind", "metadata", "spec"]);
    schema
}

/// The schema of a document that is no resource, with its values put in.
fn of_settings(name: &str) -> Option<Value> {
    match name {
        STACK => Some(stack_without_values()),
        TARGET => Some(of_target()),
        _ => None,
    }
}

fn document(kind: &str, description: &Value, spec: &Value, lifecycle: Option<Value>) -> Value {
    let mut properties = Map::from_iter([
        ("apiVersion".to_owned(), json!({ "const": API_VERSION })),
        ("kind".to_owned(), json!({ "const": kind })),
        ("metadata".to_owned(), part::<Metadata>()),
        ("spec".to_owned(), spec.clone()),
    ]);
    let mut required = vec!["apiVersion", "kind", "metadata"];
    if let Some(mut lifecycle) = lifecycle {
        // A spec without a required field may be left out.
        if spec.get("required").and_then(Value::as_array).is_some_and(|it| !it.is_empty()) {
            required.push("spec");
        }
        lifecycle["description"] = json!("How the resource may be changed.");
        properties.insert("lifecycle".to_owned(), lifecycle);
    }
    json!({
        "$schema": DRAFT,
        "title": kind,
        "description": description,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// A document by the schema of its kind. The schema is made when something is wrong, not before.
pub(super) enum DocumentOutline {
    /// A resource.
    Of(Kind),
    /// The `Stack` document.
    Stack,
    /// A `Target` document.
    Target,
}

impl DocumentOutline {
    fn schema(&self) -> Value {
        match self {
            Self::Of(kind) => without_values(*kind),
            Self::Stack => stack_without_values(),
            Self::Target => of_target(),
        }
    }
}

impl Outline for DocumentOutline {
    fn required(&self, around: &FieldPath) -> Vec<String> {
        required(&self.schema(), around)
    }

    fn elsewhere(&self, unknown: &FieldPath) -> Option<String> {
        let last = unknown.segments().last()?;
        let Segment::Key(name) = last else { return None };
        let mut known = Vec::new();
        for part in PARTS {
            let path = FieldPath::root().key(part);
            fields(&path, &self.schema()["properties"][part], &mut known);
        }
        // Every manifest has a name of this sort, and only some kinds have the other.
        if name == "name" && unknown.segments().len() == 1 {
            return Some("metadata.name".to_owned());
        }
        let parts = PARTS.map(|it| FieldPath::root().key(it));
        let named_by_user = |it: &FieldPath| it.keys().contains(&ANY_NAME);
        let found =
            known.into_iter().map(|it| it.path).filter(|it| !named_by_user(it)).chain(parts);
        let named = found.filter(|path| path.segments().last() == Some(last));
        named.map(|it| shown(&it)).min_by_key(String::len)
    }

    fn example(&self, missing: &FieldPath) -> Option<String> {
        let in_list = missing.segments().iter().any(|it| matches!(it, Segment::Index(_)));
        Some(match (self, missing.keys().as_slice()) {
            (Self::Target, ["metadata"] | ["metadata", "name"]) => {
                "give it a name, unique among the targets: `metadata: { name: prod-usw2 }`"
                    .to_owned()
            }
            (Self::Target, _) => format!("`ivs-apply explain {TARGET}` tells what it takes"),
            (_, ["metadata"] | ["metadata", "name"]) => {
                "give it a name, unique among those of its kind: `metadata: { name: main }`"
                    .to_owned()
            }
            // Inside of a list there is nothing that `explain` could be asked for.
            (Self::Of(kind), ["spec", field @ ..]) if !in_list && !field.is_empty() => {
                format!("`ivs-apply explain {kind}.{}` tells what it takes", field.join("."))
            }
            (Self::Of(kind), _) => format!("`ivs-apply explain {kind}` tells what it takes"),
            (Self::Stack, _) => format!("`ivs-apply explain {STACK}` tells what it takes"),
        })
    }
}

/// The fields that the mapping at a path must have, by the schema of its document.
fn required(schema: &Value, path: &FieldPath) -> Vec<String> {
    let inner = path.segments().iter().try_fold(schema.clone(), |schema, segment| {
        let schema = without_null(&schema);
        let inner = match segment {
            Segment::Key(key) => schema.get("properties")?.get(key),
            Segment::Index(_) => schema.get("items"),
        };
        inner.cloned()
    });
    let schema = inner.map(|it| without_null(&it)).unwrap_or_default();
    let names = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(ToOwned::to_owned).collect()
}

/// One schema for every document: the part for its kind applies.
pub fn of_manifest() -> Value {
    let mut branches = Vec::new();
    for name in kind_names() {
        let schema = match Kind::named(name) {
            Some(kind) => of_kind(kind),
            None if name == TARGET => of_target(),
            None => of_stack(),
        };
        let mut schema = schema;
        if let Value::Object(map) = &mut schema {
            map.remove("$schema");
        }
        branches.push(json!({
            "if": { "properties": { "kind": { "const": name } }, "required": ["kind"] },
            "then": schema,
        }));
    }
    let kinds: Vec<&str> = kind_names().collect();
    json!({
        "$schema": DRAFT,
        "title": "ivs-apply manifest",
        "type": "object",
        "properties": { "apiVersion": { "const": API_VERSION }, "kind": { "enum": kinds } },
        "required": ["apiVersion", "kind", "metadata"],
        "allOf": branches,
    })
}

/// The schema file of a folder of manifests, relative to it. Its folder is hidden, so that it is not read as a manifest.
pub const FILE: &str = ".schemas/ivs-apply.json";

/// The line by which editors with the YAML language server find [`FILE`] from a manifest beside its folder.
pub fn line() -> String {
    format!("# yaml-language-server: $schema={FILE}\n")
}

/// The text of [`FILE`]: every kind of manifest.
pub fn file() -> String {
    pretty(&of_manifest())
}

fn pretty(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// Every generated file of `schemas/`, by name.
pub fn files() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> =
        Kind::ALL.iter().map(|kind| (format!("{kind}.json"), pretty(&of_kind(*kind)))).collect();
    files.push((format!("{STACK}.json"), pretty(&of_stack())));
    files.push((format!("{TARGET}.json"), pretty(&of_target())));
    files.push(("manifest.json".to_owned(), file()));
    files.push(("README.md".to_owned(), reference()));
    files
}

/// The field reference, in Markdown.
fn reference() -> String {
    let mut text = String::from(
        "# Field reference\n\nGenerated from the types by `UPDATE=1 cargo test`; do not edit. An absent field has \
         the default shown. `→ Kind` is a reference: a logical name of the stack, or an ARN.\n\n\
         An editor with the YAML language server checks and completes a manifest that begins with this line:\n\n\
         ```yaml\n",
    );
    let _ = write!(
        text,
        "{}```\n\n`ivs-apply init` and `ivs-apply export --out` write that file; `ivs-apply schema > {FILE}` writes \
         it anew. The path is relative to the manifest.\n",
        line()
    );
    for name in kind_names() {
        let schema = match Kind::named(name) {
            Some(kind) => without_values(kind),
            None => of_settings(name).unwrap_or_default(),
        };
        let about = schema["description"].as_str().unwrap_or_default();
        let _ = write!(
            text,
            "\n## {name}\n\n{about}\n\n| Field | Type | Default | What |\n|---|---|---|---|\n"
        );
        rows("spec", &schema["properties"]["spec"], &mut text);
    }
    let _ = write!(
        text,
        "\n## metadata and lifecycle, of every kind\n\n| Field | Type | Default | What |\n|---|---|---|---|\n"
    );
    rows("metadata", &part::<Metadata>(), &mut text);
    rows("lifecycle", &part::<Lifecycle>(), &mut text);
    text
}

/// One field of a document, as the reference shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its path; a step into a list is one to its first item, which [`Field::shown`] writes without the number.
    pub path: FieldPath,
    /// Its type, words in backticks.
    pub r#type: String,
    /// Its default, if it has one that can be written.
    pub default: Option<String>,
    /// Whether it must be given.
    pub required: bool,
    /// Whether a change of it replaces the resource.
    pub immutable: bool,
    /// What it is.
    pub about: String,
}

impl Field {
    /// Its path in the reference: `spec.destinations[].name`.
    pub fn shown(&self) -> String {
        shown(&self.path)
    }
}

fn shown(path: &FieldPath) -> String {
    let mut text = String::new();
    for segment in path.segments() {
        match segment {
            Segment::Index(_) => text.push_str("[]"),
            Segment::Key(key) => {
                text.push_str(if text.is_empty() { "" } else { "." });
                text.push_str(key);
            }
        }
    }
    text
}

/// Every field of a document of this kind, outermost first; `None` for no kind.
pub fn fields_of(name: &str) -> Option<(String, Vec<Field>)> {
    let schema = match Kind::named(name) {
        Some(kind) => without_values(kind),
        None => of_settings(name)?,
    };
    let about = schema["description"].as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for part in PARTS {
        fields(&FieldPath::root().key(part), &schema["properties"][part], &mut found);
    }
    if let Some(kind) = Kind::named(name) {
        for it in found.iter_mut().filter(|it| it.path.starts_with(&spec_path())) {
            it.immutable = kind.is_immutable(&it.path);
        }
    }
    Some((about, found))
}

fn rows(part: &str, schema: &Value, text: &mut String) {
    let mut found = Vec::new();
    fields(&FieldPath::root().key(part), schema, &mut found);
    for Field { path, r#type, default, required, immutable: _, about } in found {
        let path = shown(&path);
        let default = if required {
            "**required**".to_owned()
        } else {
            default.map(|it| format!("`{it}`")).unwrap_or_default()
        };
        let about = about.replace('|', "\\|");
        let _ = writeln!(text, "| `{path}` | {type} | {default} | {about} |");
    }
}

fn fields(path: &FieldPath, schema: &Value, found: &mut Vec<Field>) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = path.clone().key(name);
        let field = without_null(field);
        let default = match &field["default"] {
            Value::Null | Value::Object(_) => None,
            value => Some(value.to_string()),
        };
        found.push(Field {
            path: path.clone(),
            r#type: type_of(&field),
            default,
            required: required.contains(&name.as_str()),
            immutable: false,
            about: field["description"].as_str().unwrap_or_default().to_owned(),
        });
        fields(&path, &field, found);
        fields(&path.clone().key(ANY_NAME), &field["additionalProperties"], found);
        fields(&path.index(0), &field["items"], found);
    }
}

/// An optional field is `anyOf` its type and null; only the type matters to a reader.
fn without_null(field: &Value) -> Value {
    let Some(options) = field["anyOf"].as_array() else { return field.clone() };
    let Some(one) = options.iter().find(|it| it["type"] != "null") else { return field.clone() };
    let mut one = one.clone();
    if let (Value::Object(one), Some(about)) = (&mut one, field.get("description")) {
        one.insert("description".to_owned(), about.clone());
    }
    one
}

fn type_of(field: &Value) -> String {
    if let Some(kind) = field["x-ivs-ref"].as_str() {
        return format!("→ {kind}");
    }
    let words: Vec<String> = field["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .chain(field["oneOf"].as_array().into_iter().flatten().filter_map(|it| it.get("const")))
        .filter_map(Value::as_str)
        .map(|it| format!("`{it}`"))
        .collect();
    if !words.is_empty() {
        return words.join(" ");
    }
    match &field["type"] {
        Value::String(one) if one == "array" => format!("list of {}", type_of(&field["items"])),
        Value::String(one) => one.clone(),
        Value::Array(several) => several
            .iter()
            .filter_map(Value::as_str)
            .find(|it| *it != "null")
            .unwrap_or("any")
            .to_owned(),
        _ => "any".to_owned(),
    }
}
