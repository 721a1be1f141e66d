//! A second opinion on the emulator: AWS's own Python client lives a whole life on it.

use crate::binary::Served;
use crate::golden::root;
use std::path::PathBuf;
use std::process::Command;

/// A virtual environment with the pinned requirements, made once and kept under `target`.
fn python() -> PathBuf {
    let requirements = root().join("tests/conformance/requirements.txt");
    let venv = root().join("target/conformance-venv");
    let python = venv.join("bin/python");
    let stamp = venv.join("installed.txt");
    let wanted = std::fs::read_to_string(&requirements).expect("readable");
    if std::fs::read_to_string(&stamp).is_ok_and(|it| it == wanted) {
        return python;
    }
    let run = |command: &mut Command| {
        let output = command.output().expect("python3 is needed for the conformance test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&requirements));
    std::fs::write(&stamp, wanted).expect("writable");
    python
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn boto3_lives_a_whole_life_on_the_emulator() {
    // A machine with Rust and a C compiler alone passes the tests; where changes are let in, this one is
    // never left out.
    let there = Command::new("python3").arg("--version").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "python3 is needed for this test");
    if !there {
        eprintln!("left out: python3 is not on this machine");
        return;
    }
    let python = python();
    let home = tempfile::tempdir().expect("a folder");
    let served = Served::start(home.path(), &[]);
    let output = Command::new(&python)
        .arg(root().join("tests/conformance/lifecycle.py"))
        .arg(&served.url)
        .output()
        .expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = said.lines().last().and_then(|it| it.split(" passed").next()?.parse::<u32>().ok());
    assert!(
        output.status.success() && passed.is_some_and(|it| it > 100),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let model = Command::new(&python)
        .args([
            "-c",
            "import botocore, os; print(os.path.join(os.path.dirname(botocore.__file__), 'data'))",
        ])
        .output()
        .expect("python runs");
    let data = String::from_utf8_lossy(&model.stdout).trim().to_owned();
    let checked = Command::new(&python)
        .arg(root().join("tests/conformance/generate_model.py"))
        .args([&data, "--check"])
        .output()
        .expect("python runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
