//! The commands of the README do what it says.

use crate::binary::{ivs_apply, run};
use crate::golden;
use std::process::Command;

/// The shell lines under `<!-- name -->`.
fn commands(name: &str) -> String {
    let readme = std::fs::read_to_string(golden::root().join("README.md")).expect("a README");
    let (_, rest) = readme.split_once(&format!("<!-- {name} -->")).expect("the mark is there");
    let (_, rest) = rest.split_once("```sh\n").expect("a block of shell lines");
    rest.split_once("```").expect("the end of the block").0.to_owned()
}

#[test]
fn the_main_job_of_the_readme_can_be_repeated() {
    let line = commands("main-job");
    let words = line.trim().strip_prefix("cargo run --locked -- ").expect("it builds the program");
    let place = tempfile::tempdir().expect("a folder for the test");
    let emulator = format!("--emulator={}", place.path().join("emulator.json").display());
    for applied in ["Applied: 3 done", "No changes"] {
        let words = words.split_whitespace();
        let words = words.map(|it| if it == "--emulator" { &emulator } else { it });
        let ran = run(ivs_apply(place.path()).args(words));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains(applied), "{ran:?}");
    }
}

#[test]
fn the_main_job_needs_no_larger_stack_of_the_main_thread_than_windows_gives() {
    let place = tempfile::tempdir().expect("a folder for the test");
    let mut bash = Command::new("bash");
    bash.args(["-c", "ulimit -s 1024 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_ivs-apply")])
        .args(["apply", "--yes", "-f", "examples/quickstart"])
        .arg(format!("--emulator={}", place.path().join("emulator.json").display()))
        .env("HOME", place.path())
        .current_dir(golden::root());
    let ran = run(&mut bash);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}
