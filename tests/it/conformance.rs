//! Independent checks: other clients on the emulator, and the program on another emulator.
//! The scripts say what is checked; here is only how they are run, and when they may be left out.

use crate::binary::Served;
use crate::golden::root;
use crate::left_out::{left_out, too_slow};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Python with the pinned requirements, in an environment made once and kept under `target`. `None` where
/// there is no Python: a machine with Rust and a C compiler alone passes the tests.
static PYTHON: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    if Command::new("python3").arg("--version").output().is_err() {
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

/// Python, for a test that is left out without it.
pub(crate) fn python() -> Option<&'static Path> {
    if PYTHON.is_none() {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        left_out(&test, "python3 with the module venv");
    }
    PYTHON.as_deref()
}

/// What the last line of a script says.
#[derive(Debug, PartialEq)]
enum Said<'a> {
    /// So many checks held.
    Passed(u32),
    /// The script checked nothing, for want of this.
    LeftOut(&'a str),
    Neither,
}

fn said(last: &str) -> Said<'_> {
    if let Some(missing) = last.strip_prefix("left out: ") {
        return Said::LeftOut(missing);
    }
    // What failed is told by the exit code.
    let count = last.split_once(" passed, ").or_else(|| last.split_once(" cases of "));
    count.and_then(|(it, _)| it.parse().ok()).map_or(Said::Neither, Said::Passed)
}

/// Runs a script of `tests/conformance` on an emulator of its own. Its last line counts what held, at least so much, or says why the
/// script was left out.
pub(crate) fn holds(script: &str, words: &[&str], least: u32) {
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().expect("a folder");
    let served = Served::with_defaults(home.path(), &[]);
    let output = Command::new(python)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("IVS_APPLY_CI", "off")
        .arg(root().join("tests/conformance").join(script))
        .arg(&served.url)
        .args(words)
        .output()
        .expect("python runs");
    let answer = String::from_utf8_lossy(&output.stdout);
    let last = answer.lines().last().unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{answer}{errors}");
    match said(last) {
        Said::Passed(count) => assert!(count >= least, "{count} of at least {least}: {answer}"),
        Said::LeftOut(missing) => left_out(script, missing),
        Said::Neither => panic!("{script} does not say how much it checked: {answer}{errors}"),
    }
}

#[test]
fn a_script_that_counts_no_checks_has_not_passed() {
    assert_eq!(said("12 passed, 0 failed"), Said::Passed(12));
    assert_eq!(said("left out: terraform"), Said::LeftOut("terraform"));
    assert_eq!(said("12 cases of 3 operations, 100.00 % clean"), Said::Passed(12));
    for last in ["", "12", "12 things", "done: left out: x", "many passed, 0 failed"] {
        assert_eq!(said(last), Said::Neither, "{last}");
    }
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
fn boto3_assumes_roles_in_two_accounts_of_one_emulator() {
    holds("roles.py", &[], 45);
}

#[test]
fn the_aws_command_line_manages_channels_on_the_emulator() {
    if too_slow("aws_cli.py") {
        return;
    }
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
    if too_slow("terraform.py") {
        return;
    }
    let in_ci = std::env::var_os("CI").is_some();
    // Where CI is set, Terraform fetches a provider that is not at hand.
    holds("terraform.py", if in_ci { &[] } else { &["--at-hand"] }, 13);
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
