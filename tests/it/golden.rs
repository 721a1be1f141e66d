//! Files that hold what is expected, reviewed like code. `UPDATE=1 cargo test` rewrites those that differ; the tests
//! that rewrote one fail, so that a run passes only with files that were there before it.

use similar::TextDiff;
use std::path::{Path, PathBuf};

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Whether files are to be rewritten, which is for people who read the difference, and not for CI.
pub(crate) fn rewrites() -> bool {
    let asked = std::env::var_os("UPDATE").is_some();
    assert!(!asked || std::env::var_os("CI").is_none(), "UPDATE is refused where CI is set");
    asked
}

/// Compares `actual` with the file at `path`, relative to the root, or rewrites it and fails.
pub(crate) fn expect(path: impl AsRef<Path>, actual: &str) {
    Goldens::default().expect(path, actual);
}

/// The files of a test that has several: the test fails at its end and names all that differ.
#[derive(Debug, Default)]
pub(crate) struct Goldens {
    differences: Vec<String>,
}

impl Goldens {
    pub(crate) fn expect(&mut self, path: impl AsRef<Path>, actual: &str) {
        self.compare(&root().join(path), actual, rewrites());
    }

    fn compare(&mut self, path: &Path, actual: &str, rewrite: bool) {
        let expected = std::fs::read_to_string(path).ok();
        if expected.as_deref() == Some(actual) {
            return;
        }
        let name = path.display();
        if rewrite {
            std::fs::create_dir_all(path.parent().expect("a file is in a folder"))
                .expect("writable");
            std::fs::write(path, actual).expect("writable");
            self.differences.push(format!(
                "{name} was rewritten: read the difference, then run the test without UPDATE"
            ));
            return;
        }
        let expected = expected.unwrap_or_default();
        let diff = TextDiff::from_lines(expected.as_str(), actual);
        let diff = diff.unified_diff().context_radius(3).header("expected", "actual").to_string();
        self.differences.push(format!(
            "{name} is not what the code makes (UPDATE=1 cargo test rewrites it):\n{diff}"
        ));
    }
}

impl Drop for Goldens {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.differences.is_empty(), "{}", self.differences.join("\n"));
        }
    }
}

#[test]
fn a_rewritten_file_fails_its_test_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new/file.txt");
    let differences = |actual: &str, rewrite: bool| {
        let mut goldens = Goldens::default();
        goldens.compare(&path, actual, rewrite);
        std::mem::take(&mut goldens.differences)
    };
    assert_eq!(differences("", false).len(), 1, "a file that is missing is not an empty one");
    assert!(!path.exists());
    assert_eq!(differences("one\n", true).len(), 1);
    assert_eq!(differences("one\n", true).len(), 0);
    assert_eq!(differences("one\n", false).len(), 0);
    assert!(differences("two\n", false)[0].contains("-one\n+two\n"));
    assert_eq!(std::fs::read_to_string(&path).expect("readable"), "one\n");
    // Not a file of the repository: with UPDATE it would be rewritten.
    let failed = std::panic::catch_unwind(|| {
        Goldens::default().compare(&path, "something else", false);
    });
    assert!(failed.is_err(), "a test fails where a file differs");
}

/// The names of the files in a folder.
fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect("the folder is there");
    let names = entries.map(|it| it.expect("readable").file_name().to_string_lossy().into_owned());
    names.collect()
}

#[test]
fn every_snapshot_is_read_by_a_test() {
    let tests: String = files("tests/it")
        .iter()
        .filter(|it| Path::new(it).extension().is_some_and(|it| it == "rs"))
        .map(|it| std::fs::read_to_string(root().join("tests/it").join(it)).expect("readable"))
        .collect();
    for file in files("tests/snapshots") {
        let name = file.strip_suffix(".txt").unwrap_or(&file);
        let read = tests.contains(&format!("\"{name}\"")) || tests.contains(&format!("/{file}\""));
        assert!(read, "no test reads tests/snapshots/{file}: delete it");
    }
    for file in files("tests/proptest-regressions") {
        let module = file.replace(".txt", ".rs");
        let owner = root().join("tests/it").join(&module);
        assert!(owner.exists(), "tests/proptest-regressions/{file} belongs to no test file");
    }
}
