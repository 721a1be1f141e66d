//! `output --secrets-to -` hands secrets over to a pipe, and to nothing else; the recipes of `docs/secrets.md` are run as
//! they stand there.

use crate::binary::{Place, Ran, run};
use crate::conformance::python;
use crate::golden;
use crate::left_out::{left_out, too_slow};
use crate::output::{self, CHANNEL_AND_STAGE};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const MORE: &str = "---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: open }
spec: { insecureIngest: true }
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: open }
spec: { channel: open }
---
apiVersion: ivs-apply.dev/v1
kind: IngestConfiguration
metadata: { name: camera }
spec: { ingestProtocol: RTMPS, redundantIngest: true, stage: studio }
---
apiVersion: ivs-apply.dev/v1
kind: IngestConfiguration
metadata: { name: plain }
spec: { ingestProtocol: RTMP, insecureIngest: true, stage: studio }
---
apiVersion: ivs-apply.dev/v1
kind: IngestConfiguration
metadata: { name: loose }
spec: { ingestProtocol: RTMPS }
";

/// A channel and a stage of `output.rs`, and every other sort of ingest.
fn manifests() -> String {
    format!("{CHANNEL_AND_STAGE}{MORE}")
}

fn applied() -> Place {
    output::applied(&manifests())
}

/// The secrets of a stack as the pipe has them.
fn handed(place: &Place, words: &str) -> Value {
    let ran = place.run(&format!("output --secrets-to - {words}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON and nothing else");
    assert_eq!(told["kind"], "Secrets");
    told["secrets"].clone()
}

fn text<'a>(secrets: &'a Value, address: &str, name: &str) -> &'a str {
    secrets[address][name].as_str().unwrap_or_else(|| panic!("{address} {name}: {secrets:#}"))
}

#[test]
fn each_resource_has_server_key_and_url_together() {
    let place = applied();
    let secrets = handed(&place, "");
    let endpoints = place.run("output --format json");
    let endpoints: Value = serde_json::from_str(&endpoints.stdout).expect("JSON");
    let endpoint = |address: &str, name: &str| {
        endpoints["outputs"][address][name].as_str().expect("an endpoint").to_owned()
    };
    let of = |address: &str, name: &str| text(&secrets, address, name);

    let server = format!("rtmps://{}:443/app/", endpoint("Channel/main", "ingestEndpoint"));
    let key = of("StreamKey/main", "streamKey");
    assert!(key.starts_with("sk_"), "{key}");
    assert_eq!(of("StreamKey/main", "rtmpsServer"), server);
    assert_eq!(of("StreamKey/main", "rtmpsUrl"), format!("{server}{key}"));
    let srt = endpoint("Channel/main", "srtEndpoint");
    let passphrase = of("Channel/main", "srtPassphrase");
    assert_eq!(
        of("StreamKey/main", "srtUrl"),
        format!("srt://{srt}:9000?streamid={key}&passphrase={passphrase}")
    );
    let open = of("StreamKey/open", "srtUrl");
    assert!(!open.contains("passphrase"), "with insecure ingest there is none: {open}");

    let stage = endpoint("Stage/studio", "rtmpsEndpoint");
    assert_eq!(of("IngestConfiguration/camera", "rtmpsServer"), stage);
    for (key, url) in [("streamKey", "rtmpsUrl"), ("redundantStreamKey", "redundantRtmpsUrl")] {
        let key = of("IngestConfiguration/camera", key);
        assert_eq!(of("IngestConfiguration/camera", url), format!("{stage}{key}"));
    }
    let plain = of("IngestConfiguration/plain", "rtmpUrl");
    assert!(plain.starts_with(&endpoint("Stage/studio", "rtmpEndpoint")), "{plain}");
    assert_eq!(secrets["IngestConfiguration/plain"]["rtmpsUrl"], Value::Null);
    let loose = secrets["IngestConfiguration/loose"].as_object().expect("a key");
    assert_eq!(loose.keys().collect::<Vec<_>>(), ["streamKey"], "no stage, no address: {loose:?}");
    assert_eq!(of("Stage/studio", "whipEndpoint"), endpoint("Stage/studio", "whipEndpoint"));
}

#[test]
fn a_part_has_all_that_its_urls_need_and_no_more() {
    let place = applied();
    let part = handed(&place, "--only StreamKey/main");
    assert_eq!(part.as_object().map(serde_json::Map::len), Some(1), "{part:#}");
    assert!(text(&part, "StreamKey/main", "srtUrl").contains("&passphrase="), "{part:#}");
}

#[test]
fn the_file_has_what_the_pipe_has() {
    let place = applied();
    assert_eq!(place.run("output --secrets-to keys.json").code, Some(0));
    let file = std::fs::read_to_string(place.folder.path().join("keys.json")).expect("written");
    assert_eq!(place.run("output --secrets-to - --format json").stdout, file);
}

#[test]
fn a_file_has_variables_where_the_format_asks_for_them() {
    let place = applied();
    for format in ["env", "dotenv"] {
        // Twice: a file of secrets is written over.
        for _ in 0..2 {
            let ran = place.run(&format!("output --secrets-to keys --format {format}"));
            assert_eq!(ran.code, Some(0), "{ran:?}");
            assert!(!ran.stdout.contains("SRT_URL"), "{ran:?}");
        }
        let file = std::fs::read_to_string(place.folder.path().join("keys")).expect("written");
        let (comment, variables) = file.split_once('\n').expect("lines");
        assert!(comment.starts_with("# "), "{comment}");
        assert_eq!(
            place.run(&format!("output --secrets-to - --format {format}")).stdout,
            variables
        );
    }
    // A file that is not one of secrets stays as it is.
    std::fs::write(place.folder.path().join("other"), "# mine\nA=1\n").expect("writable");
    let ran = place.run("output --secrets-to other --format env");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let kept = std::fs::read_to_string(place.folder.path().join("other")).expect("there");
    assert_eq!(kept, "# mine\nA=1\n");
}

/// What `sh` has for each variable after it has evaluated a text, and whether that did anything else.
fn evaluated(text: &str, names: &[&str]) -> Vec<String> {
    let line = |it: &&str| format!("printf '%s\\n' \"${it}\"\n");
    let print: String = names.iter().map(line).collect();
    let ran = run(Command::new("sh").args(["-euc", &format!("eval \"$1\"\n{print}"), "sh", text]));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    ran.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn variables_have_the_same_values_in_a_shell_and_for_readers_of_env_files() {
    let place = applied();
    let secrets = handed(&place, "");
    let env = place.run("output --secrets-to - --format env");
    assert_eq!(env.code, Some(0), "{env:?}");
    let names = ["IVS_STREAM_KEY_MAIN_SRT_URL", "IVS_INGEST_CONFIGURATION_CAMERA_RTMPS_URL"];
    let wanted = [
        text(&secrets, "StreamKey/main", "srtUrl"),
        text(&secrets, "IngestConfiguration/camera", "rtmpsUrl"),
    ];
    assert_eq!(evaluated(&env.stdout, &names), wanted);
    let dotenv = place.run("output --secrets-to - --format dotenv");
    assert_eq!(dotenv.code, Some(0), "{dotenv:?}");
    // As docker, GitLab and kubectl read it: the value is the rest of the line.
    let lines: BTreeMap<&str, &str> =
        dotenv.stdout.lines().map(|it| it.split_once('=').expect("a variable")).collect();
    assert_eq!(names.map(|it| lines[it]), wanted);
    assert_eq!(lines.len(), env.stdout.lines().count());
}

#[test]
fn standard_output_is_for_secrets_alone() {
    let place = applied();
    for (words, said) in [
        ("--format github", "`output --secrets-to -` answers in json, env, dotenv"),
        ("--format text", "`output --secrets-to -` answers in json, env, dotenv"),
        ("--format json --only Chanel/*", "matches nothing"),
    ] {
        let ran = place.run(&format!("output --secrets-to - {words}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{words}: {ran:?}");
        assert!(ran.stderr.contains(said), "{words}: {ran:?}");
    }
    place.write("all.yaml", "kind: Nothing\n");
    let invalid = place.run("output --secrets-to - --format json");
    assert_eq!((invalid.code, invalid.stdout.as_str()), (Some(1), ""), "{invalid:?}");
    let place = Place::new();
    place.write("all.yaml", &manifests());
    let missing = place.run("output --secrets-to - --format json");
    assert_eq!(missing.code, Some(0), "{missing:?}");
    assert!(missing.stderr.contains("no object exists for: Channel/main"), "{missing:?}");
    let told: Value = serde_json::from_str(&missing.stdout).expect("JSON");
    assert_eq!(told["secrets"], serde_json::json!({}));
}

#[test]
fn secrets_are_refused_on_a_terminal_before_anything_is_read() {
    let place = applied();
    if Command::new("script").arg("--version").output().is_err() {
        return left_out("secrets on a terminal", "script (util-linux)");
    }
    let program = env!("CARGO_BIN_EXE_ivs-apply");
    for format in ["", "--format json", "--format env", "--format dotenv"] {
        let line =
            format!("{program} output --secrets-to - {format} -f manifests --emulator 2> said");
        let ran = run(Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "typescript"])
            .current_dir(place.folder.path())
            .env("HOME", place.folder.path())
            .stdin(Stdio::null()));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let said = std::fs::read_to_string(place.folder.path().join("said")).expect("said");
        assert!(said.contains("standard output is a terminal"), "{said}");
        for output in [&ran.stdout, &said] {
            assert!(!output.contains("sk_") && !output.contains("rt_"), "{output}");
        }
    }
}

#[test]
fn a_reader_that_ends_before_it_has_the_secrets_is_an_error() {
    let place = applied();
    let mut command = place.command("output --secrets-to -");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("could not be written"), "{said}");
}

#[test]
fn no_log_has_a_secret() {
    let place = applied();
    let secrets = handed(&place, "").to_string();
    let mut command = place.command("output --secrets-to - -vv");
    let ran = run(command.env("RUST_LOG", "trace"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told: Value = serde_json::from_str(&secrets).expect("JSON");
    for (address, values) in told.as_object().expect("secrets") {
        for (name, value) in values.as_object().expect("values") {
            let value = value.as_str().expect("a text");
            if name.contains("treamKey") || name.contains("assphrase") || name.ends_with("Url") {
                assert!(!ran.stderr.contains(value), "{address} {name}");
            }
        }
    }
}

/// The shell lines under `<!-- name -->` of `docs/secrets.md`.
fn recipe(name: &str) -> String {
    let text = std::fs::read_to_string(golden::root().join("docs/secrets.md")).expect("readable");
    let (_, rest) = text.split_once(&format!("<!-- {name} -->")).expect("the mark is there");
    let (_, rest) = rest.split_once("```sh\n").expect("a block of shell lines");
    rest.split_once("```").expect("the end of the block").0.to_owned()
}

/// A program in the search path of the tests.
fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|it| it.join(name)).find(|it| it.is_file())
}

/// A folder of programs that note their arguments and then start the real ones, so that a test sees what every user of
/// the machine could see.
struct Watched {
    place: Place,
    bin: PathBuf,
}

impl Watched {
    fn new() -> Self {
        let place = applied();
        let bin = place.folder.path().join("bin");
        std::fs::create_dir(&bin).expect("writable");
        let watched = Self { place, bin };
        watched.program("ivs-apply", &format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_ivs-apply")));
        watched
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.folder.path().join(name)
    }

    /// A program that notes its arguments and then does `lines`.
    fn program(&self, name: &str, lines: &str) {
        let noted = self.path("arguments");
        let text = format!(
            "#!/bin/sh\nprintf '%s ' {name} \"$@\" >> '{0}'\necho >> '{0}'\n{lines}\n",
            noted.display()
        );
        let path = self.bin.join(name);
        std::fs::write(&path, text).expect("writable");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("a mode");
    }

    /// The real program of this name, watched; false where there is none.
    fn real(&self, name: &str, path: Option<&Path>) -> bool {
        let found = path.map(Path::to_owned).or_else(|| found(name));
        if let Some(found) = &found {
            self.program(name, &format!("exec '{}' \"$@\"", found.display()));
        }
        found.is_some()
    }

    fn run(&self, script: &str, endpoint: &str) -> Ran {
        let ran = run(ivs_apply_environment(self)
            .args(["-eu", "-c", script])
            .env("AWS_ENDPOINT_URL", endpoint));
        let arguments = std::fs::read_to_string(self.path("arguments")).expect("noted");
        for secret in ["sk_emulator", "passphrase="] {
            assert!(
                !arguments.contains(secret),
                "{secret} in the arguments of a program: {arguments}"
            );
        }
        ran
    }
}

/// `bash` as a person's, with the account of the test in place of one on AWS.
fn ivs_apply_environment(watched: &Watched) -> Command {
    let mut bash = Command::new("bash");
    bash.current_dir(watched.place.folder.path())
        .env_clear()
        .env("HOME", watched.place.folder.path())
        .env("PATH", format!("{}:/usr/bin:/bin", watched.bin.display()))
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-west-2")
        .env("AWS_DEFAULT_REGION", "us-west-2")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("IVS_APPLY_FILENAME", "manifests")
        .env("IVS_APPLY_EMULATOR", ".ivs-apply/emulator.json")
        .stdin(Stdio::null());
    bash
}

/// moto as a process of its own.
struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    fn start(python: &Path) -> Self {
        let program = "import sys\nfrom moto.server import ThreadedMotoServer\n\
            server = ThreadedMotoServer(port=0, verbose=False)\nserver.start()\n\
            print(server.get_host_and_port()[1], flush=True)\nsys.stdin.read()\n";
        let mut child = Command::new(python)
            .args(["-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let mut port = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut port).expect("moto says where it listens");
        Self { child, url: format!("http://127.0.0.1:{}", port.trim()) }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_recipes_for_aws_store_the_secrets_in_moto() {
    if too_slow("the recipes for secrets with the AWS command line") {
        return;
    }
    let Some(python) = python() else { return };
    let watched = Watched::new();
    let aws = python.with_file_name("aws");
    assert!(watched.real("aws", Some(&aws)));
    if !watched.real("jq", None) {
        return left_out("recipes for secrets", "jq");
    }
    let moto = Moto::start(python);
    let wanted = handed(&watched.place, "--only StreamKey/main")["StreamKey/main"].clone();
    // Each can be run again, after a rotation.
    for _ in 0..2 {
        let ran = watched.run(&recipe("secrets-manager"), &moto.url);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let ran = watched.run(&recipe("parameter-store"), &moto.url);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let read = |script: &str| {
        let ran = watched.run(script, &moto.url);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    let stored = read(
        "aws secretsmanager get-secret-value --secret-id ivs/prod/main --query SecretString --output text",
    );
    let stored: Value = serde_json::from_str(&stored).expect("JSON");
    assert_eq!(stored, wanted);
    for name in ["streamKey", "rtmpsUrl", "srtUrl"] {
        let stored = read(&format!(
            "aws ssm get-parameter --name /ivs/prod/main/{name} --with-decryption --query Parameter.Value --output text"
        ));
        assert_eq!(stored.trim_end_matches('\n'), wanted[name], "{name}");
    }
    // Nothing is stored where there is nothing to hand over.
    watched.place.write("all.yaml", "kind: Nothing\n");
    let ran = watched.run(&recipe("secrets-manager"), &moto.url);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    let kept = read(
        "aws secretsmanager get-secret-value --secret-id ivs/prod/main --query SecretString --output text",
    );
    assert_eq!(serde_json::from_str::<Value>(&kept).expect("JSON"), wanted);
}

#[test]
fn the_recipes_for_vault_and_kubernetes_give_the_secrets_on_standard_input() {
    let watched = Watched::new();
    if !watched.real("jq", None) {
        return left_out("recipes for secrets", "jq");
    }
    let given = watched.path("given");
    for name in ["vault", "kubectl"] {
        watched.program(name, &format!("cat > '{}'", given.display()));
    }
    let wanted = handed(&watched.place, "--only StreamKey/main")["StreamKey/main"].clone();
    let taken = |name: &str| -> Value {
        let ran = watched.run(&recipe(name), "http://127.0.0.1:9");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let given = std::fs::read_to_string(&given).expect("given");
        serde_json::from_str(&given).expect("JSON")
    };
    assert_eq!(taken("vault"), wanted);
    let secret = taken("kubernetes");
    assert_eq!((&secret["kind"], &secret["stringData"]), (&"Secret".into(), &wanted));
    // Creating a manifest needs no server: where there is a real `kubectl`, it reads the variables.
    if let Some(kubectl) = found("kubectl") {
        let lines = format!(
            "if [ \"$1\" = create ]; then exec '{}' \"$@\"; fi\ncat > '{}'",
            kubectl.display(),
            given.display()
        );
        watched.program("kubectl", &lines);
        let secret = taken("kubernetes-variables");
        let encoded = secret["data"]["IVS_STREAM_KEY_MAIN_SRT_URL"].as_str().expect("a value");
        let url = run(Command::new("sh").args(["-c", "printf %s \"$0\" | base64 -d", encoded]));
        assert_eq!(url.stdout, wanted["srtUrl"]);
    } else {
        left_out("variables in a Secret", "kubectl");
    }
    let arguments = std::fs::read_to_string(watched.path("arguments")).expect("noted");
    for line in ["vault kv put -mount=secret ivs/prod/main - ", "kubectl apply --server-side -f - "]
    {
        assert!(arguments.contains(line), "{arguments}");
    }
}
