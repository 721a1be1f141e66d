//! Second opinions: other people's clients on the emulator, and the program on an account that is not ours.
//! The scripts say what is checked; here is only how they are run, and when they may be left out.

use crate::binary::Served;
use crate::golden::root;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Python with the pinned requirements, in an environment made once and kept under `target`. `None` where
/// there is no Python: a machine with Rust and a C compiler alone passes the tests. Where changes are let in,
/// nothing is left out.
static PYTHON: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "python3 is needed for this test");
        return None;
    }
    let requirements = root().join("tests/conformance/requirements.txt");
    let venv = root().join("target/conformance-venv");
    let python = venv.join("bin/python");
    let stamp = venv.join("installed.txt");
    let wanted = std::fs::read_to_string(&requirements).expect("readable");
    if std::fs::read_to_string(&stamp).is_ok_and(|it| it == wanted) {
        return Some(python);
    }
    let run = |command: &mut Command| {
        let output = command.output().expect("python3 starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&requirements));
    std::fs::write(&stamp, wanted).expect("writable");
    Some(python)
});

#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
pub(crate) fn python() -> Option<&'static Path> {
    if PYTHON.is_none() {
        eprintln!("left out: python3 is not on this machine");
    }
    PYTHON.as_deref()
}

/// Runs a script of `tests/conformance` on an emulator of its own. Its last line counts what held, at least so much, or says why the
/// script was left out.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
pub(crate) fn holds(script: &str, words: &[&str], least: u32) {
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().expect("a folder");
    let served = Served::with_defaults(home.path(), &[]);
    let output = Command::new(python)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(root().join("tests/conformance").join(script))
        .arg(&served.url)
        .args(words)
        .output()
        .expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    let count = last.split(' ').next().and_then(|it| it.parse::<u32>().ok());
    let left_out = last.starts_with("left out: ");
    assert!(
        output.status.success() && (left_out || count.is_some_and(|it| it >= least)),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    eprintln!("{script}: {last}");
}

#[test]
fn boto3_lives_a_whole_life_on_the_emulator() {
    holds("lifecycle.py", &[], 400);
}

#[test]
fn every_operation_takes_what_its_shapes_allow_and_refuses_what_they_forbid() {
    holds("shapes.py", &[], 2_000);
}

#[test]
fn the_aws_command_line_manages_channels_on_the_emulator() {
    holds("aws_cli.py", &[], 20);
}

#[test]
fn the_program_manages_channels_of_moto() {
    holds("moto_account.py", &[env!("CARGO_BIN_EXE_ivs-apply")], 10);
}

#[test]
fn an_account_made_by_hand_is_exported_and_taken_over_as_it_is() {
    holds("export.py", &[env!("CARGO_BIN_EXE_ivs-apply")], 50);
}

#[test]
fn terraform_finds_nothing_to_do_after_it_has_applied_to_the_emulator() {
    holds("terraform.py", &["--at-hand"], 13);
}

#[test]
fn the_model_of_the_emulator_is_the_one_that_botocore_ships() {
    let Some(python) = python() else { return };
    let model = Command::new(python)
        .args([
            "-c",
            "import botocore, os; print(os.path.join(os.path.dirname(botocore.__file__), 'data'))",
        ])
        .output()
        .expect("python runs");
    let data = String::from_utf8_lossy(&model.stdout).trim().to_owned();
    let checked = Command::new(python)
        .arg(root().join("tests/conformance/generate_model.py"))
        .args([&data, "--check"])
        .output()
        .expect("python runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
