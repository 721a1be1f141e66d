//! The scripts of a release (`deploy/release`) that need no built release: versions, notes and the formula for Homebrew. What is
//! built is tried by `.ci/release`.

use crate::binary::{Ran, run};
use crate::golden::root;
use regex::Regex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs a script beside which nothing of GitHub is.
fn script(name: &str, words: &[&str]) -> Ran {
    let mut command = Command::new("bash");
    command.arg(root().join("deploy/release").join(name)).args(words);
    run(command.env_remove("GITHUB_REPOSITORY"))
}

#[test]
fn packages_changelog_and_deployments_name_one_version_and_a_tag_of_another_is_refused() {
    let ran = script("check-version.sh", &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for tag in [VERSION, "v99.0.0", "v"] {
        let ran = script("check-version.sh", &[tag]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains(&format!("the tag is {tag} and")), "{ran:?}");
    }
}

/// The files that the check of a version reads, in a folder of their own.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for path in [
        "Cargo.toml",
        "Cargo.lock",
        "CHANGELOG.md",
        "operator/Cargo.toml",
        "deploy/jobs/kustomization.yaml",
        "deploy/operator/kustomization.yaml",
        "deploy/release/check-version.sh",
        "deploy/release/common.sh",
        "deploy/release/notes.sh",
        "examples/emulator/compose.yaml",
    ] {
        let to = folder.path().join(path);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("writable");
        std::fs::copy(root().join(path), to).expect("writable");
    }
    folder
}

#[test]
fn a_tag_is_refused_while_the_changelog_has_unreleased_entries() {
    let folder = copied();
    let changelog = folder.path().join("CHANGELOG.md");
    let text = std::fs::read_to_string(&changelog).expect("readable");
    let (before, rest) = text.split_once("## [Unreleased]\n").expect("a section");
    let after = &rest[rest.find("\n## [").expect("the next section")..];
    for (entries, code) in [("", 0), ("\n### Fixed\n\n- A defect.\n", 1)] {
        std::fs::write(&changelog, format!("{before}## [Unreleased]\n{entries}{after}"))
            .expect("writable");
        let check = |words: &[String]| {
            let mut command = Command::new("bash");
            command.arg(folder.path().join("deploy/release/check-version.sh")).args(words);
            run(command.env_remove("GITHUB_REPOSITORY"))
        };
        let ran = check(&[format!("v{VERSION}")]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert_eq!(ran.stderr.contains("below `## [Unreleased]`"), code == 1, "{ran:?}");
        assert_eq!(check(&[]).code, Some(0), "between releases it may have some");
    }
}

#[test]
fn the_headings_of_the_changelog_are_those_of_keep_a_changelog() {
    let text = std::fs::read_to_string(root().join("CHANGELOG.md")).expect("readable");
    let headings: Vec<&str> = text.lines().filter_map(|it| it.strip_prefix("### ")).collect();
    assert!(!headings.is_empty());
    for heading in headings {
        let known = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];
        assert!(known.contains(&heading), "{heading}");
    }
}

#[test]
fn a_repository_that_the_package_does_not_name_releases_nothing() {
    let mut command = Command::new("bash");
    command.arg(root().join("deploy/release/check-version.sh"));
    command.envs([("GITHUB_SERVER_URL", "https://git.example.com"), ("GITHUB_REPOSITORY", "a/b")]);
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("is not https://git.example.com/a/b"), "{ran:?}");
}

#[test]
fn the_notes_of_a_release_are_its_section_of_the_changelog() {
    let notes = script("notes.sh", &[]).stdout;
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).expect("readable");
    let section = changelog.split("\n## ").find(|it| it.starts_with(&format!("[{VERSION}] - ")));
    let section = section.expect("a section").split_once('\n').expect("lines").1;
    assert!(notes.trim().len() > 100, "{notes}");
    assert_eq!(notes.trim(), section.split("\n[").next().expect("a text").trim());
}

#[test]
fn the_formula_has_the_checksums_of_the_four_archives_and_is_not_made_without_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let sums = folder.path().join("SHA256SUMS");
    let targets = ["aarch64-apple-darwin", "x86_64-apple-darwin"];
    let targets = targets
        .into_iter()
        .chain(["aarch64-unknown-linux-musl", "x86_64-unknown-linux-musl"])
        .zip(["a", "b", "c", "d"]);
    let lines: Vec<String> = targets
        .map(|(target, digit)| {
            format!("{}  ivs-apply-v{VERSION}-{target}.tar.gz\n", digit.repeat(64))
        })
        .collect();
    std::fs::write(&sums, lines.concat()).expect("writable");
    let words = [sums.to_str().expect("a name")];
    let ran = script("formula.sh", &words);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.stdout.contains('@'), "{}", ran.stdout);
    for line in &lines {
        let (sum, archive) = line.trim().split_once("  ").expect("two columns");
        // The checksum follows the address of its archive.
        let after = ran.stdout.split_once(archive).expect("the archive").1;
        let given = after.split("sha256 \"").nth(1).expect("a checksum");
        assert!(given.starts_with(sum), "{archive}");
    }
    std::fs::write(&sums, lines[1..].concat()).expect("writable");
    let ran = script("formula.sh", &words);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.stderr.contains("no checksum of"), "{ran:?}");
}

/// The files that the sources below a folder take into the program.
fn included(folder: &Path, pattern: &Regex, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            included(&path, pattern, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = std::fs::read_to_string(&path).expect("readable");
            let files = pattern.captures_iter(&text).map(|it| folder.join(&it[1]));
            found.extend(files.map(|it| it.canonicalize().expect("the file is there")));
        }
    }
}

#[test]
fn the_package_has_every_file_that_the_sources_include() {
    let mut list = Command::new(env!("CARGO"));
    list.args(["package", "--list", "--allow-dirty", "--offline", "--package", "ivs-apply"]);
    let ran = run(list.current_dir(root()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let packed: BTreeSet<&Path> = ran.stdout.lines().map(Path::new).collect();
    let pattern = Regex::new(r#"include_(?:str|bytes)!\(\s*"([^"]+)""#).expect("a pattern");
    let mut files = BTreeSet::new();
    included(&root().join("src"), &pattern, &mut files);
    assert!(files.len() > 10, "{files:?}");
    let root = root().canonicalize().expect("a folder");
    for file in files {
        let path = file.strip_prefix(&root).expect("a file of the repository");
        assert!(packed.contains(path), "`include` of Cargo.toml leaves out {}", path.display());
    }
}
