//! What a test does where a program that it needs is not on the machine, and how many cases it tries.

use std::io::Write;

/// Says on the terminal that this was not checked and what to install. Fails where `CI` is set: there nothing is left
/// out.
pub(crate) fn left_out(what: &str, install: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "{what} cannot be left out where CI is set; to install: {install}"
    );
    // Not `eprintln!`, which the test runner keeps to itself where the test passes.
    let _ = writeln!(std::io::stderr(), "left out: {what}; to install: {install}");
}

/// Says something on the terminal also where the test passes, such as the seed of a random run.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether tests that take long try all their cases, as in `.ci/run`, and not a part of them.
pub(crate) fn every_case() -> bool {
    std::env::var_os("EVERY_CASE").is_some()
}

/// The cases that a run tries: with `EVERY_CASE` all of them, else each `of`-th, from the first.
pub(crate) fn part_of<T>(cases: impl IntoIterator<Item = T>, of: usize) -> impl Iterator<Item = T> {
    cases.into_iter().step_by(if every_case() { 1 } else { of })
}

/// Whether a test that takes long and has no smaller part is left out, which it is unless `EVERY_CASE` or `CI` is set. Says so.
pub(crate) fn too_slow(what: &str) -> bool {
    let left_out = !every_case() && std::env::var_os("CI").is_none();
    if left_out {
        say(&format!("left out: {what}; EVERY_CASE=1 runs it"));
    }
    left_out
}

/// Generated cases of each law: as many as `LAW_CASES` says, or a few.
pub(crate) fn law_cases() -> u32 {
    let cases = std::env::var("LAW_CASES").map(|it| it.parse().expect("LAW_CASES is a number"));
    cases.unwrap_or(20)
}
