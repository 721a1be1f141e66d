//! `examples/emulator`: tests of a service that uses Amazon IVS, in Python and in TypeScript, run as they stand on the program,
//! and the containers of `compose.yaml`, as far as that is possible without containers.

use crate::ci_files::accepts;
use crate::conformance::python;
use crate::golden::root;
use crate::left_out::left_out;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ivs-apply");

fn example(name: &str) -> PathBuf {
    root().join("examples/emulator").join(name)
}

/// A command with nothing of this machine's configuration.
fn plain(program: impl AsRef<std::ffi::OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", home).stdin(Stdio::null());
    // boto3 asks this machine's metadata for nothing.
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn text(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
    both.concat()
}

/// Runs the Python example and returns how many of its tests have passed.
fn pytest(change: impl FnOnce(&mut Command)) -> Option<usize> {
    let home = tempfile::tempdir().expect("a folder");
    let mut command = plain(python()?, home.path());
    command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).current_dir(example("python"));
    change(&mut command);
    let output = command.output().expect("python runs");
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let last = said.lines().find(|it| it.contains(" passed in "));
    let count = last.and_then(|it| it.split(' ').next()).and_then(|it| it.parse().ok());
    Some(count.unwrap_or_else(|| panic!("it does not say how much has passed: {said}")))
}

/// The number of tests in the Python example.
fn tests_of_python() -> usize {
    let text = std::fs::read_to_string(example("python/test_broadcasts.py")).expect("readable");
    text.lines().filter(|it| it.starts_with("def test_")).count()
}

#[test]
fn the_tests_in_python_pass_on_the_program() {
    let passed = pytest(|command| {
        command.env("IVS_APPLY", PROGRAM);
    });
    if let Some(passed) = passed {
        assert_eq!(passed, tests_of_python());
        assert!(passed >= 5, "{passed}");
    }
}

/// A folder with a program `docker` that runs the program of this build in place of a container, and notes what it was told.
fn docker(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("docker");
    let script = format!(
        r#"#!/bin/sh
printf '%s\n' "$*" >> "{noted}"
case "$1" in
  run)
    shift 5
    # The port of a container is free: each has a network of its own.
    set -- $(printf '%s ' "$@" | sed 's/:4599/:0/')
    "{PROGRAM}" "$@" > "{said}" 2> /dev/null < /dev/null &
    echo $! ;;
  port)
    until grep -q listening "{said}"; do sleep 0.05; done
    sed 's/.*:/127.0.0.1:/' "{said}" ;;
  rm) kill "$3" ;;
esac
"#,
        noted = folder.join("noted").display(),
        said = folder.join("said").display(),
    );
    std::fs::write(&path, script).expect("writable");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("writable");
    path
}

#[test]
fn the_fixture_in_python_starts_and_stops_a_container_where_an_image_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    docker(folder.path());
    let path = std::env::var("PATH").expect("a path");
    let passed = pytest(|command| {
        command.env("PATH", format!("{}:{path}", folder.path().display()));
        command.env("IVS_APPLY_IMAGE", "ivs-apply");
    });
    let Some(passed) = passed else { return };
    assert_eq!(passed, tests_of_python());
    let noted = std::fs::read_to_string(folder.path().join("noted")).expect("it was called");
    let noted: Vec<&str> = noted.lines().collect();
    let [run, port, remove] = noted[..] else { panic!("{noted:#?}") };
    let expected = "run --detach --publish 127.0.0.1::4599 ivs-apply emulator --listen 0.0.0.0:4599 --allow-non-loopback";
    assert_eq!(run, expected);
    let id = port.strip_prefix("port ").and_then(|it| it.strip_suffix(" 4599/tcp"));
    assert_eq!(remove, format!("rm --force {}", id.expect("the port of a container")));
}

#[test]
fn the_packages_of_the_python_example_are_those_that_the_tests_install() {
    let lines = |it: PathBuf| std::fs::read_to_string(it).expect("readable");
    let installed = lines(root().join("tests/conformance/requirements.txt"));
    let needed = lines(example("python/requirements.txt"));
    for line in needed.lines() {
        assert!(installed.lines().any(|it| it == line), "{line} is not what is tested");
    }
    assert_eq!(needed.lines().count(), 2);
}

/// The TypeScript example below `target`, with its packages installed. `None` without Node.js.
static TYPESCRIPT: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let runs = |it: &str| Command::new(it).arg("--version").output().is_ok();
    if !runs("node") || !runs("npm") {
        return None;
    }
    let from = example("typescript");
    let to = root().join("target/emulator-typescript");
    let lock = std::fs::read_to_string(from.join("package-lock.json")).expect("readable");
    let stamp = to.join("installed.json");
    std::fs::create_dir_all(to.join("src")).expect("writable");
    for name in ["package.json", "package-lock.json", "tsconfig.json", ".npmrc"] {
        std::fs::copy(from.join(name), to.join(name)).expect("copied");
    }
    for folder in ["src", "dist"] {
        let _ = std::fs::remove_dir_all(to.join(folder));
    }
    std::fs::create_dir_all(to.join("src")).expect("writable");
    for file in std::fs::read_dir(from.join("src")).expect("readable") {
        let file = file.expect("readable");
        std::fs::copy(file.path(), to.join("src").join(file.file_name())).expect("copied");
    }
    let run = |command: &mut Command| {
        let output = command.current_dir(&to).output().expect("it starts");
        assert!(output.status.success(), "{}", text(&output));
    };
    if !std::fs::read_to_string(&stamp).is_ok_and(|it| it == lock) {
        run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]));
        std::fs::write(&stamp, lock).expect("writable");
    }
    Some(to)
});

fn typescript(test: &str) -> Option<&'static Path> {
    if TYPESCRIPT.is_none() {
        left_out(test, "nodejs and npm, version 20 or later");
    }
    TYPESCRIPT.as_deref()
}

/// Runs the tests as their README says, and returns how many have passed.
fn node_tests(folder: &Path, name: &str, value: &str) -> usize {
    // Each run compiles the sources first.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let output = plain("npm", folder)
        .arg("test")
        .envs([("NODE_OPTIONS", "--test-reporter=tap"), ("npm_config_update_notifier", "false")])
        .env(name, value)
        .current_dir(folder)
        .output()
        .expect("npm runs");
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let count = said.lines().find_map(|it| it.strip_prefix("# pass "));
    count.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{said}"))
}

fn tests_of_typescript() -> usize {
    let text = std::fs::read_to_string(example("typescript/src/broadcasts.test.ts"));
    text.expect("readable").lines().filter(|it| it.starts_with("test(\"")).count()
}

#[test]
fn the_tests_in_typescript_pass_on_the_program() {
    let Some(folder) = typescript("the_tests_in_typescript_pass_on_the_program") else { return };
    let passed = node_tests(folder, "IVS_APPLY", PROGRAM);
    assert_eq!(passed, tests_of_typescript());
    assert!(passed >= 5, "{passed}");
}

#[test]
fn the_lock_file_of_the_typescript_example_names_no_registry() {
    let text = std::fs::read_to_string(example("typescript/package-lock.json")).expect("readable");
    let lock: Value = serde_json::from_str(&text).expect("JSON");
    let packages = lock["packages"].as_object().expect("a map");
    assert!(packages.len() > 10, "{}", packages.len());
    for (name, package) in packages.iter().filter(|it| !it.0.is_empty()) {
        assert!(package["integrity"].is_string(), "{name} has no digest");
        assert!(package.get("resolved").is_none(), "{name} names a registry");
    }
}

/// `compose.yaml` as data.
fn compose() -> Value {
    let text = std::fs::read_to_string(example("compose.yaml")).expect("readable");
    serde_yaml::from_str(&text).expect("YAML")
}

fn words(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("a list of words: {list}"));
    list.iter().map(|it| it.as_str().expect("a word").to_owned()).collect()
}

#[test]
fn the_compose_file_fits_the_schema_of_compose_files() {
    if python().is_none() {
        return;
    }
    let check = |files: &[PathBuf]| {
        let mut command = crate::ci_files::tool("check-jsonschema").expect("Python");
        command.args(["--builtin-schema", "vendor.compose-spec"]).args(files);
        command
    };
    let wrong = ("compose.yaml", "services: { ivs: { image: a, helthcheck: {} } }\n");
    accepts(check, &[example("compose.yaml")], wrong);
}

/// The emulator of `compose.yaml`, ended with the test.
struct Composed(Child);

impl Drop for Composed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The service `ivs` runs its own command line, on a free port, since this machine has one network for all tests.
#[test]
fn the_service_of_the_compose_file_starts_is_healthy_and_passes_its_tests() {
    let home = tempfile::tempdir().expect("a folder");
    let file = compose();
    let service = &file["services"]["ivs"];
    let start = words(&service["command"]).join(" ");
    assert!(start.contains("0.0.0.0:4599"), "{start}");
    let start = start.replace(":4599", ":0");
    let mut child = plain(PROGRAM, home.path())
        .args(start.split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the emulator starts");
    let out = child.stdout.take().expect("piped");
    let _composed = Composed(child);
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).expect("it says where it listens");
    let port = line.trim().rsplit(':').next().expect("a port").to_owned();

    let health = words(&service["healthcheck"]["test"]);
    let [how, program, rest @ ..] = health.as_slice() else { panic!("{health:?}") };
    assert_eq!((how.as_str(), program.as_str()), ("CMD", "/ivs-apply"));
    let rest = rest.iter().map(|it| it.replace(":4599", &format!(":{port}")));
    let healthy = plain(PROGRAM, home.path()).args(rest).output().expect("it runs");
    assert!(healthy.status.success(), "{}", text(&healthy));

    let tests = &file["services"]["tests"];
    let url = tests["environment"]["IVS_ENDPOINT_URL"].as_str().expect("an address");
    assert_eq!(url, "http://ivs:4599");
    let url = format!("http://127.0.0.1:{port}");
    let command = words(&tests["command"]).join(" ");
    assert!(command.contains("requirements.txt") && command.contains("pytest -q"), "{command}");
    if let Some(passed) = pytest(|it| _ = it.env("IVS_ENDPOINT_URL", &url)) {
        assert_eq!(passed, tests_of_python());
    }
    let test = "the_service_of_the_compose_file_starts_is_healthy_and_passes_its_tests";
    if let Some(folder) = typescript(test) {
        assert_eq!(node_tests(folder, "IVS_ENDPOINT_URL", &url), tests_of_typescript());
    }
}
