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
fn the_demonstration_in_the_readme_defers_the_change_of_a_live_channel() {
    let place = tempfile::tempdir().expect("a folder for the test");
    let examples = place.path().join("examples/quickstart");
    std::fs::create_dir_all(&examples).expect("writable");
    let folder = std::fs::read_dir(golden::root().join("examples/quickstart")).expect("readable");
    for entry in folder {
        let entry = entry.expect("readable");
        std::fs::copy(entry.path(), examples.join(entry.file_name())).expect("copied");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("an address").port().to_string();
    drop(free);
    let script = commands("live-demo").replace("4599", &port);
    let program = "$PWD/target/debug/ivs-apply";
    assert!(script.contains(program), "the program is where the first command has built it");
    let script = script.replace(program, env!("CARGO_BIN_EXE_ivs-apply"));
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script]).current_dir(place.path());
    bash.env("IVS_APPLY_CI", "off");
    let ran = run(&mut bash);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let plan = ran.stdout.rsplit("Plan for stack").next().expect("a plan");
    assert!(plan.contains("~ Channel/main  update deferred"), "{plan}");
    assert!(plan.contains("live: 1,204 viewers"), "{plan}");
    assert!(plan.contains("+ latencyMode: NORMAL"), "{plan}");
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
