//! Kustomize before the program: its configuration in `examples/kustomize` is made from the program's own list of fields, and
//! what it writes is read with the files that it names.

use crate::binary::{Ran, ivs_apply, run};
use crate::golden;
use crate::left_out::left_out;
use ivs_apply::kinds::Kind;
use ivs_apply::manifest::schema;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What kustomize writes for a folder; nothing where kubectl is not on the machine.
pub(crate) fn kustomize(folder: &Path) -> Option<String> {
    let output = Command::new("kubectl").arg("kustomize").arg(folder).output();
    let Ok(output) = output else {
        left_out("kustomize", "kubectl 1.25 or later");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {said}", folder.display());
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

/// The program with this on its standard input.
pub(crate) fn piped(home: &Path, folder: &Path, words: &[&str], text: &str) -> Ran {
    with_input(ivs_apply(home).current_dir(folder).args(words), text)
}

/// A command with this on its standard input.
pub(crate) fn with_input(command: &mut Command, text: &str) -> Ran {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The fields of a kind: references, fields that hold texts, and lists of mappings with a name.
#[derive(Default)]
struct Fields {
    references: Vec<(String, String)>,
    texts: Vec<String>,
}

fn fields(schema: &Value, path: &str, found: &mut Fields) {
    for option in schema["anyOf"].as_array().into_iter().flatten() {
        fields(option, path, found);
    }
    if let Some(kind) = schema["x-ivs-ref"].as_str() {
        found.references.push((kind.to_owned(), path.to_owned()));
    }
    let is = |wanted: &str| match &schema["type"] {
        Value::String(one) => one == wanted,
        Value::Array(several) => several.iter().any(|it| it == wanted),
        _ => false,
    };
    let of_texts = is("object") && schema["additionalProperties"]["type"] == "string";
    if is("string") || of_texts {
        found.texts.push(path.to_owned());
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        fields(field, &format!("{path}/{name}"), found);
    }
    // A path of kustomize goes through lists by itself.
    if schema.get("items").is_some() {
        fields(&schema["items"], path, found);
    }
}

/// `references.yaml`: the fields that name other resources, and those that take a variable.
fn references() -> String {
    let mut by_target: BTreeMap<String, Vec<(Kind, String)>> = BTreeMap::new();
    let mut texts = String::new();
    for kind in Kind::ALL {
        let mut found = Fields::default();
        fields(&schema::without_values(*kind)["properties"]["spec"], "spec", &mut found);
        for (target, path) in found.references {
            by_target.entry(target).or_default().push((*kind, path));
        }
        for path in found.texts {
            let _ = writeln!(texts, "- {{ kind: {kind}, path: {path} }}");
        }
    }
    let mut text = String::from(
        "# Made by the tests from the fields of all kinds (`UPDATE=1 cargo test kustomize`); do not edit.\n\
         # `nameReference`: fields that name another resource, which `namePrefix` and `nameSuffix` have to follow.\n\
         # `varReference`: fields in which kustomize puts `$(NAME)` of its `vars`.\n\
         nameReference:\n",
    );
    for (target, fields) in by_target {
        let _ = write!(
            text,
            "- kind: {target}\n  group: ivs-apply.dev\n  version: v1\n  fieldSpecs:\n"
        );
        for (kind, path) in fields {
            let _ = writeln!(
                text,
                "  - {{ group: ivs-apply.dev, version: v1, kind: {kind}, path: {path} }}"
            );
        }
    }
    text.push_str("varReference:\n");
    text.push_str(&texts);
    text
}

/// `openapi.json`: the fields of all kinds, with the lists that patches merge by name.
fn openapi() -> Value {
    let mut definitions = Map::new();
    for kind in Kind::ALL {
        let spec = plain(&schema::without_values(*kind)["properties"]["spec"]);
        let definition = json!({
            "type": "object",
            "properties": {
                "apiVersion": { "type": "string" },
                "kind": { "type": "string" },
                "metadata": { "type": "object" },
                "spec": spec,
                "lifecycle": { "type": "object" },
            },
            "x-kubernetes-group-version-kind": [
                { "group": "ivs-apply.dev", "version": "v1", "kind": kind }
            ],
        });
        definitions.insert(format!("dev.ivs-apply.v1.{kind}"), definition);
    }
    json!({ "definitions": definitions })
}

/// A schema with no more than kustomize reads: types, members, items, and the key by which it merges a list.
fn plain(schema: &Value) -> Value {
    let options = schema["anyOf"].as_array().into_iter().flatten();
    let schema = options.into_iter().find(|it| it["type"] != "null").unwrap_or(schema);
    let mut plain = Map::new();
    let of_type = match &schema["type"] {
        Value::Array(several) => several.iter().find(|it| *it != "null").cloned(),
        Value::Null => Some(json!("string")),
        one => Some(one.clone()),
    };
    plain.insert("type".to_owned(), of_type.unwrap_or_default());
    if let Some(fields) = schema["properties"].as_object() {
        let fields: Map<String, Value> =
            fields.iter().map(|(name, field)| (name.clone(), self::plain(field))).collect();
        plain.insert("properties".to_owned(), Value::Object(fields));
    }
    if let Some(items) = schema.get("items") {
        let items = self::plain(items);
        if items["properties"].get("name").is_some() {
            plain.insert("x-kubernetes-patch-merge-key".to_owned(), json!("name"));
            plain.insert("x-kubernetes-patch-strategy".to_owned(), json!("merge"));
        }
        plain.insert("items".to_owned(), items);
    }
    Value::Object(plain)
}

#[test]
fn the_configuration_for_kustomize_has_every_reference_and_every_list_of_the_program() {
    let mut goldens = golden::Goldens::default();
    goldens.expect("examples/kustomize/references.yaml", &references());
    goldens.expect("examples/kustomize/openapi.json", &format!("{:#}\n", openapi()));
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    std::fs::write(path, text).expect("writable");
}

/// An overlay of a base with the configuration of the examples, with these files beside.
fn overlay(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["kustomization.yaml", "references.yaml", "openapi.json"] {
        let text = std::fs::read_to_string(golden::root().join("examples/kustomize").join(file));
        write(folder.path(), &format!("kustomize/{file}"), &text.expect("readable"));
    }
    for (name, text) in files {
        write(folder.path(), name, text);
    }
    folder
}

const BASE: &str = "apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: live }
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: main }
spec: { channel: main }
---
apiVersion: ivs-apply.dev/v1
kind: EncoderConfiguration
metadata: { name: hd }
spec: { video: { width: 1280, height: 720 } }
---
apiVersion: ivs-apply.dev/v1
kind: StorageConfiguration
metadata: { name: archive }
spec: { s3: { bucketName: an-archive } }
---
apiVersion: ivs-apply.dev/v1
kind: Composition
metadata: { name: show }
spec:
  stage: studio
  destinations:
    - { name: air, channel: { channel: main, encoderConfiguration: hd } }
    - { name: file, s3: { storageConfiguration: archive, encoderConfigurations: [hd] } }
";

const WITH_BASE: [(&str, &str); 2] = [
    ("base/kustomization.yaml", "resources: [all.yaml]\ncomponents: [../kustomize]\n"),
    ("base/all.yaml", BASE),
];

#[test]
fn references_follow_the_prefix_of_an_overlay_and_patches_merge_lists() {
    let prod = "resources: [../../base]\nnamePrefix: prod-\nbuildMetadata: [originAnnotations]\npatches:\n- path: p.yaml\n";
    let patch = "apiVersion: ivs-apply.dev/v1\nkind: Composition\nmetadata: { name: show }\nspec:\n  destinations:\n  \
        - name: file\n    s3: { recordingConfiguration: { hlsConfiguration: { targetSegmentDurationSeconds: 6 } } }\n";
    let [a, b] = WITH_BASE;
    let folder = overlay(&[
        a,
        b,
        ("overlays/prod/kustomization.yaml", prod),
        ("overlays/prod/p.yaml", patch),
    ]);
    let Some(text) = kustomize(&folder.path().join("overlays/prod")) else { return };
    let ran =
        piped(folder.path(), folder.path(), &["render", "-f", "-", "--format", "json"], &text);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let list: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let of = |kind: &str| {
        let items = list["items"].as_array().expect("items");
        items.iter().find(|it| it["kind"] == kind).cloned().expect("there")
    };
    assert_eq!(of("Stack")["metadata"]["name"], "prod-live");
    assert_eq!(of("StreamKey")["spec"]["channel"], "prod-main");
    let show = of("Composition")["spec"].clone();
    assert_eq!(show["stage"], "prod-studio");
    let destination = |name: &str| {
        let all = show["destinations"].as_array().expect("a list");
        all.iter().find(|it| it["name"] == name).cloned().expect("there")
    };
    assert_eq!(destination("air")["channel"]["encoderConfiguration"], "prod-hd");
    let file = destination("file");
    assert_eq!(file["s3"]["encoderConfigurations"], json!(["prod-hd"]));
    assert_eq!(
        file["s3"]["recordingConfiguration"]["hlsConfiguration"]["targetSegmentDurationSeconds"],
        6
    );
}

#[test]
fn variables_of_kustomize_are_put_into_fields() {
    let base = format!("{BASE}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: facts, annotations: {{ config.kubernetes.io/local-config: \"true\" }} }}\ndata: {{ tier: gold }}\n")
        .replace("kind: Channel\nmetadata: { name: main }", "kind: Channel\nmetadata: { name: main }\nspec: { tags: { tier: $(TIER) } }");
    let kustomization = "resources: [all.yaml]\ncomponents: [../kustomize]\nvars:\n- name: TIER\n  objref: { apiVersion: v1, kind: ConfigMap, name: facts }\n  fieldref: { fieldpath: data.tier }\n";
    let folder = overlay(&[("base/kustomization.yaml", kustomization), ("base/all.yaml", &base)]);
    let Some(text) = kustomize(&folder.path().join("base")) else { return };
    assert!(text.contains("tier: gold"), "{text}");
}

#[test]
fn an_error_names_the_file_that_kustomize_says_and_the_line_of_standard_input() {
    let text = "apiVersion: ivs-apply.dev/v1
kind: Stage
metadata:
  name: studio
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata:
  annotations:
    config.kubernetes.io/origin: |
      path: ../../base/channels.yaml
  name: main
spec:
  latencyMode: SLOW
";
    let folder = tempfile::tempdir().expect("a folder");
    let ran = piped(folder.path(), folder.path(), &["validate", "-f", "-"], text);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("--> ../../base/channels.yaml (document 2 of <stdin>):14:16"),
        "{}",
        ran.stderr
    );
    let ran =
        piped(folder.path(), folder.path(), &["validate", "-f", "-", "--format", "json"], text);
    let document: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(document["diagnostics"][0]["writtenIn"], "../../base/channels.yaml");
    assert_eq!(document["diagnostics"][0]["file"], "<stdin>");
    let place = "../../base/channels.yaml (document 2 of <stdin>):14";
    let words = ["validate", "-f", "-", "--format", "markdown", "--ci", "github"];
    let ran = piped(folder.path(), folder.path(), &words, text);
    assert!(ran.stdout.contains(place), "{}", ran.stdout);
    let annotation = ran.stderr.lines().find(|it| it.starts_with("::error")).expect("one");
    assert!(annotation.contains(place), "{annotation}");
    // The plan names it too, and the annotation is no part of the resource.
    let good = text.replace("SLOW", "NORMAL");
    let ran = piped(folder.path(), folder.path(), &["plan", "-v", "-f", "-", "--emulator"], &good);
    assert!(
        ran.stdout.contains("../../base/channels.yaml (document 2 of <stdin>):7"),
        "{}",
        ran.stdout
    );
    let ran = piped(folder.path(), folder.path(), &["render", "-f", "-"], &good);
    assert!(!ran.stdout.contains("annotations"), "{}", ran.stdout);
}

#[test]
fn a_list_is_as_many_documents() {
    let items = "- apiVersion: ivs-apply.dev/v1\n  kind: Stage\n  metadata: { name: studio }\n\
        - apiVersion: ivs-apply.dev/v1\n  kind: IngestConfiguration\n  metadata: { name: camera }\n  spec:\n    ingestProtocol: RTMPS\n    stage: stduio\n";
    let text = format!("apiVersion: v1\nkind: List\nmetadata: {{}}\nitems:\n{items}");
    let folder = tempfile::tempdir().expect("a folder");
    let with = |text: &str, words: &[&str]| piped(folder.path(), folder.path(), words, text);
    let ran = with(&text, &["validate", "-f", "-"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stderr.contains("<stdin>:13:12") && ran.stderr.contains("did you mean `studio`?"),
        "{}",
        ran.stderr
    );
    let good = text.replace("stduio", "studio");
    let ran = with(&good, &["validate", "-f", "-"]);
    assert_eq!(ran.stdout, "2 resources valid\n", "{ran:?}");
    // Values are put into items, and places stay those of the list.
    let stack = "---\napiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: { name: live }\nspec: { values: { stage: { type: string, default: studio } } }\n";
    let ran = with(
        &format!("{}{stack}", good.replace("stage: studio", "stage: ${stage}")),
        &["validate", "-f", "-"],
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    let ran = with(
        &format!("{}{stack}", good.replace("stage: studio", "stage: ${stag}")),
        &["validate", "-f", "-"],
    );
    assert!(ran.stderr.contains("<stdin>:13:12"), "{}", ran.stderr);
    for (from, to, expected) in [
        ("items:\n", "items: []\nother:\n", "no manifest"),
        ("kind: List", "kind: Lits", "unknown apiVersion `v1`"),
        ("metadata: {}\n", "metadata: {}\nkind: List\n", "the key `kind` appears twice"),
        ("{ name: camera }", "{ name: camera, name: other }", "the key `name` appears twice"),
        (
            "- apiVersion: ivs-apply.dev/v1\n  kind: Stage",
            "- kind: Stage",
            "missing field `apiVersion`",
        ),
        (
            "- apiVersion: ivs-apply.dev/v1\n  kind: Stage",
            "- text\n- apiVersion: ivs-apply.dev/v1\n  kind: Stage",
            "not an ivs-apply manifest",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let ran = with(&good.replacen(from, to, 1), &["validate", "-f", "-"]);
        assert_eq!(ran.code, Some(1), "{from}: {ran:?}");
        assert!(ran.stderr.contains(expected), "{from}: {}", ran.stderr);
    }
}

#[test]
fn a_key_file_is_found_beside_the_file_that_kustomize_names() {
    let key = golden::root().join("examples/real-time/keys/participants.pem");
    let key = std::fs::read_to_string(key).expect("readable");
    let document = |path: &str| {
        format!(
            "apiVersion: ivs-apply.dev/v1\nkind: PublicKey\nmetadata:\n  name: a\n  annotations:\n    config.kubernetes.io/origin: |\n      path: {path}\nspec: {{ publicKeyFile: keys/a.pem }}\n"
        )
    };
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "company/base/keys/a.pem", &key);
    write(folder.path(), "company/base/keys.yaml", "");
    write(folder.path(), "company/overlays/prod/keys.yaml", "");
    write(folder.path(), "company/overlays/prod/keys/a.pem", &key);
    write(folder.path(), "outside/keys/a.pem", &key);
    write(folder.path(), "outside/keys.yaml", "");
    let validate = |path: &str, stdin_folder: &str| {
        let words = ["validate", "-f", "-", "--stdin-folder", stdin_folder];
        piped(folder.path(), folder.path(), &words, &document(path))
    };
    // Beside a base, with the folder of all overlays; and beside an overlay, with its own folder.
    for (path, stdin_folder) in [
        ("../../base/keys.yaml", "company"),
        ("overlays/prod/keys.yaml", "company"),
        ("keys.yaml", "company/overlays/prod"),
    ] {
        let ran = validate(path, stdin_folder);
        assert_eq!(ran.code, Some(0), "{path}: {ran:?}");
    }
    // Never out of the folder that was given.
    for (path, stdin_folder) in
        [("../../outside/keys.yaml", "company"), ("../../base/keys.yaml", "company/overlays/dev")]
    {
        let ran = validate(path, stdin_folder);
        assert_eq!(ran.code, Some(1), "{path}: {ran:?}");
    }
}

#[test]
fn a_run_of_kustomize_that_failed_is_no_empty_stack() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = ivs_apply(folder.path());
    let ran = run(command.current_dir(folder.path()).args(["plan", "-f", "-", "--emulator"]));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("nothing was read from standard input"), "{ran:?}");
}
