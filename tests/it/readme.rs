//! The commands of the README work as they are pasted.

use crate::binary::{Place, run};
use crate::golden;
use std::path::Path;
use std::process::Command;

/// The commands that stand behind a mark.
fn commands(mark: &str) -> String {
    let text = std::fs::read_to_string(golden::root().join("README.md")).expect("readable");
    let (_, rest) = text.split_once(&format!("<!-- {mark} -->\n```sh\n")).expect("the mark");
    rest.split_once("```\n").expect("the end of the block").0.to_owned()
}

#[test]
fn a_change_waits_for_the_end_of_a_show_as_the_readme_shows() {
    let place = Place::new();
    let folder = Path::new(env!("CARGO_BIN_EXE_ivs-apply")).parent().expect("a folder");
    // The port of the README may be taken by another test: a free one is found for this one.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("bound").port().to_string();
    drop(free);
    std::os::unix::fs::symlink(
        golden::root().join("examples"),
        place.folder.path().join("examples"),
    )
    .expect("writable");
    let text = commands("live").replace("4599", &port);
    let ran = run(Command::new("timeout")
        .args(["120", "bash", "-euc", &text])
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
        .env("HOME", place.folder.path())
        .current_dir(place.folder.path()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let readme = std::fs::read_to_string(golden::root().join("README.md")).expect("readable");
    let (_, shown) = readme.split_once("```text\n").expect("what the second apply says");
    let shown = shown.split_once("```").expect("the end of the block").0;
    for line in shown.lines().filter(|it| !it.trim().is_empty()) {
        let said = ran.stdout.lines().any(|it| squeezed(it) == squeezed(line));
        assert!(said, "{line}: {ran:?}");
    }
    let applied: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|it| it.starts_with("Applied: ") || it.starts_with("No changes"))
        .collect();
    assert_eq!(applied.len(), 3, "{ran:?}");
    assert!(applied[1].contains("deferred") && !applied[2].contains("deferred"), "{applied:?}");
}

/// A line without the spaces that align it.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_first_command_of_the_readme_is_all_that_a_start_takes() {
    let first = commands("main-job");
    assert_eq!(first.lines().count(), 1, "{first}");
    let words = first.trim().strip_prefix("cargo run --locked -- ").expect("the program is built");
    let place = Place::new();
    std::os::unix::fs::symlink(
        golden::root().join("examples"),
        place.folder.path().join("examples"),
    )
    .expect("writable");
    let again = || {
        run(crate::binary::ivs_apply(place.folder.path())
            .current_dir(place.folder.path())
            .args(words.split_whitespace()))
    };
    let ran = again();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("3 done"), "{ran:?}");
    assert!(again().stdout.contains("No changes"), "the same command again changes nothing");
}
