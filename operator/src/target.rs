//! Targets as the API server has them: their resource, what is read of one, and the `CustomResourceDefinition` made from the type.

use crate::archive;
use crate::gate::Member;
use crate::status::{self, TargetStatus};
use crate::verdict::CONFIRM;
use ivs_apply::manifest::target::{Mode, TargetSpec};
use kube::ResourceExt as _;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The finalizer of Targets whose deletion deletes their stack.
pub(crate) const FINALIZER: &str = "ivs-apply.dev/destroy";

/// The annotation that asks for a run now: any value that it did not have before.
pub(crate) const REQUESTED: &str = "ivs-apply.dev/requested-at";

/// How often a Target is compared that does not say so.
const INTERVAL: Duration = Duration::from_hours(1);

/// The resource. Objects are read one by one, so that one that is wrong never hides the others.
pub(crate) fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("ivs-apply.dev", "v1", "Target"))
}

/// A Target.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its unique id.
    pub(crate) uid: String,
    /// The generation of its spec.
    pub(crate) generation: Option<i64>,
    /// When it was made.
    pub(crate) created: Option<jiff::Timestamp>,
    /// Whether it is being deleted.
    pub(crate) is_deleted: bool,
    /// Whether it has the finalizer.
    pub(crate) has_finalizer: bool,
    /// The number that its annotation confirms.
    pub(crate) confirmed: Option<String>,
    /// The annotations that a run heeds.
    pub(crate) handled: Option<String>,
    /// Whether its deletion deletes its stack: never where the operator only observes. It is read apart from the rest, so that
    /// `deletion: Orphan` is the way out also where the rest is wrong.
    pub(crate) destroys: bool,
    /// Its spec, or what is wrong with it.
    pub(crate) spec: Result<Box<TargetSpec>, String>,
    /// Its status.
    pub(crate) status: TargetStatus,
}

impl Target {
    /// Reads an object. A status that cannot be read counts as none.
    pub(crate) fn of(object: &DynamicObject) -> Self {
        let annotation = |name: &str| object.annotations().get(name).cloned();
        let (confirmed, requested) = (annotation(CONFIRM), annotation(REQUESTED));
        let handled = match (&confirmed, &requested) {
            (None, None) => None,
            _ => Some(format!(
                "{}/{}",
                requested.unwrap_or_default(),
                confirmed.as_deref().unwrap_or_default()
            )),
        };
        let spec = object.data.get("spec").cloned().unwrap_or(Value::Null);
        let destroys = spec["deletion"] == "Delete" && spec["mode"] == "Apply";
        let spec = serde_json::from_value(spec).map(Box::new).map_err(|error| error.to_string());
        let status = object.data.get("status").cloned().unwrap_or_default();
        Self {
            name: object.name_any(),
            namespace: object.namespace().unwrap_or_default(),
            uid: object.uid().unwrap_or_default(),
            generation: object.metadata.generation,
            created: object.metadata.creation_timestamp.as_ref().map(|it| it.0),
            is_deleted: object.metadata.deletion_timestamp.is_some(),
            has_finalizer: object.finalizers().iter().any(|it| it == FINALIZER),
            confirmed,
            handled,
            destroys,
            spec: spec.and_then(|spec: Box<TargetSpec>| checked(&spec).map(|()| spec)),
            status: serde_json::from_value(status).unwrap_or_default(),
        }
    }

    /// Its namespace and name.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// How often it is compared.
    pub(crate) fn interval(&self) -> Duration {
        let said = self.spec.as_ref().ok().and_then(|it| it.interval.as_deref());
        said.and_then(status::interval).unwrap_or(INTERVAL)
    }

    /// Its source, with its namespace.
    pub(crate) fn source(&self) -> Option<String> {
        let it = self.spec.as_ref().ok()?.manifests.source_ref.as_ref()?;
        let namespace = it.namespace.as_deref().unwrap_or(&self.namespace);
        Some(format!("{:?}/{namespace}/{}", it.kind, it.name))
    }

    /// The account, region and stack that no two Targets may have in common, as far as the stack is known.
    pub(crate) fn stack(&self) -> Option<(String, String, String)> {
        let spec = self.spec.as_ref().ok()?;
        let stack = spec.stack.clone().or_else(|| self.status.stack.clone())?;
        Some((spec.account.clone(), spec.region.clone(), stack))
    }

    /// What the gate between waves has to know of it.
    pub(crate) fn member(&self) -> Option<Member> {
        let spec = self.spec.as_ref().ok()?;
        let is_current =
            self.status.is_ready() && self.status.observed_generation == self.generation;
        Some(Member {
            key: self.key(),
            source: self.source()?,
            wave: spec.wave,
            is_applied: spec.mode == Mode::Apply && !spec.suspend && !self.is_deleted,
            ready_at: self.status.revision.clone().filter(|_| is_current),
        })
    }

    /// Whether it is younger than another one.
    pub(crate) fn is_younger_than(&self, other: &Self) -> bool {
        (self.created, &self.uid) > (other.created, &other.uid)
    }
}

/// What the API server does not check.
fn checked(spec: &TargetSpec) -> Result<(), String> {
    if archive::inside(Path::new(&spec.manifests.path)).is_none() {
        return Err("spec.manifests.path leads out of the source".to_owned());
    }
    if spec.manifests.source_ref.is_none() {
        return Err("spec.manifests.sourceRef is missing: the operator takes manifests from a ConfigMap or from Flux".to_owned());
    }
    // They become parts of addresses of the API server.
    let source = spec.manifests.source_ref.as_ref();
    for (field, name) in [
        ("manifests.sourceRef.name", source.map(|it| &it.name)),
        ("manifests.sourceRef.namespace", source.and_then(|it| it.namespace.as_ref())),
        ("serviceAccountName", spec.service_account_name.as_ref()),
        ("writeSecretsTo.name", spec.write_secrets_to.as_ref().map(|it| &it.name)),
    ] {
        if name.is_some_and(|it| !is_name(it)) {
            return Err(format!(
                "spec.{field} cannot be the name of an object: use `a-z`, `0-9`, `-` and `.`"
            ));
        }
    }
    if let Some(interval) = spec.interval.as_deref().filter(|it| status::interval(it).is_none()) {
        return Err(format!("spec.interval `{interval}` is not an interval such as 24h"));
    }
    if spec.service_account_name.is_some() {
        match &spec.role {
            None => return Err(
                "spec.serviceAccountName needs spec.role, the role that its token is exchanged for"
                    .to_owned(),
            ),
            Some(role) if role.external_id.is_some() => {
                return Err("spec.role.externalId cannot be given with a token of a service account: leave it out".to_owned());
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Whether an object of Kubernetes can have this name (RFC 1123).
fn is_name(text: &str) -> bool {
    let is_end =
        |it: Option<char>| it.is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    let all = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "-.".contains(it);
    text.len() <= 253
        && text.chars().all(all)
        && is_end(text.chars().next())
        && is_end(text.chars().next_back())
        && !text.contains("..")
}

/// The document that a child reads with `--target`: what only the operator reads is left out, and the role where the child
/// has it from its token.
pub(crate) fn document(target: &Target, spec: &TargetSpec, folder: &str) -> Value {
    let manifests = PathBuf::from(folder)
        .join(archive::inside(Path::new(&spec.manifests.path)).unwrap_or_default());
    let mut document = json!({
        "apiVersion": "ivs-apply.dev/v1", "kind": "Target", "metadata": { "name": target.name },
        "spec": {
            "account": spec.account, "region": spec.region,
            "manifests": { "path": manifests }, "values": spec.values, "wave": spec.wave,
        },
    });
    if let Some(stack) = &spec.stack {
        document["spec"]["stack"] = json!(stack);
    }
    if let Some(role) = spec.role.as_ref().filter(|_| spec.service_account_name.is_none()) {
        document["spec"]["role"] = json!(role);
    }
    document
}

/// The `CustomResourceDefinition`, made from the types.
pub(crate) fn definition() -> Value {
    let column =
        |name: &str, path: &str| json!({ "name": name, "type": "string", "jsonPath": path });
    let ready = |what: &str| format!(".status.conditions[?(@.type=='Ready')].{what}");
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "targets.ivs-apply.dev" },
        "spec": {
            "group": "ivs-apply.dev",
            "scope": "Namespaced",
            "names": { "kind": "Target", "listKind": "TargetList", "plural": "targets", "singular": "target", "shortNames": ["ivst"] },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "additionalPrinterColumns": [
                    column("Account", ".spec.account"),
                    column("Region", ".spec.region"),
                    column("Stack", ".status.stack"),
                    column("Mode", ".spec.mode"),
                    column("Ready", &ready("status")),
                    column("Reason", &ready("reason")),
                    { "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" },
                ],
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": { "type": "string" },
                        "kind": { "type": "string" },
                        "metadata": { "type": "object" },
                        "spec": schema_of::<TargetSpec>(),
                        "status": schema_of::<TargetStatus>(),
                    },
                } },
            }],
        },
    })
}

fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|it| it.inline_subschemas = true);
    structural(&settings.into_generator().into_root_schema_for::<T>().to_value())
}

/// A JSON Schema as a structural schema of Kubernetes: what its dialect cannot say is left out. Defaults are left out
/// because the API server writes them into objects, where they never change again.
fn structural(schema: &Value) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    let mut found = Map::new();
    for (name, value) in members {
        match (name.as_str(), value) {
            ("format", Value::String(format)) if format != "date-time" => {}
            ("properties", Value::Object(properties)) => {
                let properties = properties.iter().map(|(name, it)| (name.clone(), structural(it)));
                found.insert(name.clone(), Value::Object(properties.collect()));
            }
            ("additionalProperties", Value::Object(_)) | ("items", _) => {
                found.insert(name.clone(), structural(value));
            }
            ("additionalProperties", Value::Bool(true)) => {
                found.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
            }
            ("$schema" | "title" | "default" | "additionalProperties", _) => {}
            ("type", Value::Array(types)) => {
                let first = types.iter().find(|it| *it != "null").cloned();
                found.insert(name.clone(), first.unwrap_or_else(|| json!("string")));
                found.insert("nullable".to_owned(), json!(true));
            }
            _ => {
                found.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "cases read better with values")]
    fn object(spec: Value, annotations: Value) -> DynamicObject {
        let object = json!({
            "apiVersion": "ivs-apply.dev/v1", "kind": "Target",
            "metadata": { "name": "a", "namespace": "n", "generation": 2, "annotations": annotations },
            "spec": spec,
        });
        serde_json::from_value(object).expect("an object")
    }

    fn spec() -> Value {
        let source = json!({ "kind": "ConfigMap", "name": "m" });
        json!({ "account": "000000000000", "region": "us-west-2", "manifests": { "path": ".", "sourceRef": source } })
    }

    #[test]
    fn the_definition_in_the_repository_is_that_of_the_type() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/operator/crd.yaml");
        let text = std::fs::read_to_string(path).expect("deploy/operator/crd.yaml");
        let read: Value = serde_yaml::from_str(&text).expect("YAML");
        assert_eq!(
            read,
            definition(),
            "write it anew: cargo run -p ivs-apply-operator -- crd > deploy/operator/crd.yaml"
        );
    }

    #[test]
    fn the_definition_has_nothing_that_the_api_server_refuses() {
        fn walk(value: &Value, seen: &mut Vec<String>) {
            match value {
                Value::Object(members) => {
                    for (name, it) in members {
                        seen.push(name.clone());
                        if name == "type" {
                            assert!(!it.is_array(), "{value}");
                        }
                        walk(it, seen);
                    }
                }
                Value::Array(items) => items.iter().for_each(|it| walk(it, seen)),
                _ => {}
            }
        }
        let mut seen = Vec::new();
        walk(&definition(), &mut seen);
        for bad in ["$ref", "$defs", "$schema", "const", "oneOf", "anyOf", "default"] {
            assert!(!seen.iter().any(|it| it == bad), "{bad}");
        }
    }

    #[test]
    fn a_spec_that_leads_out_or_names_no_source_is_wrong() {
        assert!(Target::of(&object(spec(), json!({}))).spec.is_ok());
        let mut cases = Vec::new();
        for path in ["..", "/etc", "a/../../b"] {
            let mut bad = spec();
            bad["manifests"]["path"] = json!(path);
            cases.push(bad);
        }
        for (name, value) in [
            ("interval", json!("soon")),
            ("serviceAccountName", json!("x")),
            ("unknown", json!(1)),
            ("writeSecretsTo", json!({ "name": "../configmaps/x" })),
            ("writeSecretsTo", json!({ "name": "" })),
            ("account", json!(1)),
        ] {
            let mut bad = spec();
            bad[name] = value;
            cases.push(bad);
        }
        for (name, namespace) in [
            ("../../n/configmaps/m", "n"),
            ("m", "n/configmaps/x"),
            ("a..b", "n"),
            (".", "n"),
            ("M", "n"),
        ] {
            let mut bad = spec();
            bad["manifests"]["sourceRef"] =
                json!({ "kind": "ConfigMap", "name": name, "namespace": namespace });
            cases.push(bad);
        }
        let mut bad = spec();
        bad["manifests"] = json!({ "path": "." });
        cases.push(bad);
        for bad in cases {
            assert!(Target::of(&object(bad.clone(), json!({}))).spec.is_err(), "{bad}");
        }
    }

    #[test]
    fn a_child_gets_no_role_where_it_has_a_token_and_nothing_that_only_the_operator_reads() {
        let mut spec = spec();
        spec["role"] = json!({ "arn": "arn:aws:iam::000000000000:role/x" });
        spec["mode"] = json!("Apply");
        let target = Target::of(&object(spec.clone(), json!({})));
        let read = document(&target, target.spec.as_ref().expect("in order"), "source");
        assert_eq!(read["spec"]["role"], spec["role"]);
        assert_eq!(read["spec"]["manifests"], json!({ "path": "source/" }));
        assert!(read["spec"].get("mode").is_none());
        spec["serviceAccountName"] = json!("tenant");
        let target = Target::of(&object(spec, json!({})));
        let read = document(&target, target.spec.as_ref().expect("in order"), "source");
        assert!(read["spec"].get("role").is_none());
    }

    #[test]
    fn the_stack_is_destroyed_only_where_the_mode_is_apply_and_the_deletion_delete() {
        for (mode, deletion, expected) in [
            ("Apply", "Delete", true),
            ("Apply", "Orphan", false),
            ("Observe", "Delete", false),
            ("Observe", "Orphan", false),
        ] {
            let mut spec = spec();
            spec["mode"] = json!(mode);
            spec["deletion"] = json!(deletion);
            assert_eq!(
                Target::of(&object(spec.clone(), json!({}))).destroys,
                expected,
                "{mode} {deletion}"
            );
            spec["interval"] = json!("soon");
            assert_eq!(
                Target::of(&object(spec, json!({}))).destroys,
                expected,
                "{mode} {deletion}, and another field is wrong"
            );
        }
    }

    #[test]
    fn annotations_that_a_run_heeds_are_told_apart() {
        let handled = |it: Value| Target::of(&object(spec(), it)).handled;
        assert_eq!(handled(json!({ "other": "1" })), None);
        let (one, other) = (handled(json!({ REQUESTED: "1" })), handled(json!({ CONFIRM: "1" })));
        assert!(one.is_some() && other.is_some() && one != other);
    }
}
