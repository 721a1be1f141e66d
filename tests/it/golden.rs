//! Files that hold what is expected, rewritten by `UPDATE=1 cargo test` and reviewed like code.

use similar::TextDiff;
use std::path::{Path, PathBuf};

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares `actual` with the file at `path`, relative to the root, or rewrites it.
#[track_caller]
pub(crate) fn expect(path: impl AsRef<Path>, actual: &str) {
    let path = root().join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("writable");
        std::fs::write(&path, actual).expect("writable");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != actual {
        let diff = TextDiff::from_lines(expected.as_str(), actual);
        panic!(
            "{} is not what the code makes (UPDATE=1 cargo test rewrites it):\n{}",
            path.display(),
            diff.unified_diff().context_radius(3).header("expected", "actual")
        );
    }
}
