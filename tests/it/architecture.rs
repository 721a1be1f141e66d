//! The floors of the house: which room may know which, and which words stay in which room.

use crate::golden::root;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rooms by floor, bottom first. A room may name rooms on lower floors, and itself.
const FLOORS: [&[&str]; 6] = [
    &["diag", "aws", "mutants"],
    &["kinds"],
    &["manifest", "cloud", "plan"],
    &["apply", "emulator"],
    &["ui"],
    &["commands", "cli"],
];

/// Words that may stand in these places only, and why.
const WALLS: [(&str, &[&str], &str); 7] = [
    ("aws_sdk_", &["aws", "kinds"], "only clients and kind files speak to AWS"),
    ("aws_smithy_", &["aws", "kinds/composition.rs", "emulator/client.rs"], "HTTP is one room's"),
    ("Mutant", &["mutants.rs", "lib.rs"], "planted bugs are the tests' alone"),
    ("println!", &[], "only ui prints, and it writes to its streams"),
    (
        "std::fs",
        &["manifest/source.rs", "emulator/store.rs", "ui/file.rs"],
        "files are read in one place, and written in one",
    ),
    ("hyper::", &["emulator/server.rs"], "the emulator's server is the only one"),
    (
        "std::env",
        &["cli.rs"],
        "variables are read by clap, by the SDK's own chain, and for who runs this",
    ),
];

/// The pure heart knows none of these.
const NOT_IN_PLAN: [&str; 6] =
    ["aws_sdk_", "crate::aws", "tokio", "std::time", "std::env", "std::fs"];

fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).expect("readable");
                // Tests at the foot may reach for anything; comments may speak of anything.
                let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default().lines();
                let code = code
                    .filter(|it| !it.trim_start().starts_with("//"))
                    .collect::<Vec<_>>()
                    .join("\n");
                found.insert(
                    path.strip_prefix(root().join("src")).expect("inside").to_owned(),
                    code,
                );
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&root().join("src"), &mut found);
    found
}

fn room(path: &Path) -> String {
    let first = path.components().next().expect("a path has parts").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn a_room_knows_only_rooms_below_it() {
    let mut faults = Vec::new();
    for (path, code) in sources() {
        let own = room(&path);
        if matches!(own.as_str(), "lib" | "main") {
            continue;
        }
        let own_floor = floor(&own).unwrap_or_else(|| panic!("{own} stands on no floor"));
        for after in code.split("crate::").skip(1) {
            let named: String =
                after.chars().take_while(|it| it.is_ascii_alphanumeric() || *it == '_').collect();
            let Some(other) = floor(&named) else { continue };
            let same_door =
                (own == "cli" && named == "commands") || (own == "commands" && named == "cli");
            if named != own && other >= own_floor && !same_door {
                faults.push(format!("{}: {own} may not know {named}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn words_stay_in_their_rooms() {
    let mut faults = Vec::new();
    for (path, code) in sources() {
        let name = path.to_string_lossy();
        for (word, allowed, why) in WALLS {
            let here = allowed.iter().any(|it| name.starts_with(it));
            if code.contains(word) && !here {
                faults.push(format!("{name}: `{word}`: {why}"));
            }
        }
        if name.starts_with("plan/") {
            for word in NOT_IN_PLAN {
                if code.contains(word) {
                    faults
                        .push(format!("{name}: `{word}`: a plan is made from its arguments alone"));
                }
            }
        }
        // The second list of kinds is the first step to thirteen.
        let arms =
            code.matches("Kind::Channel =>").count() + code.matches("Kind::Stage =>").count();
        if arms > 0 && !name.starts_with("kinds/") && !name.starts_with("emulator/") {
            faults.push(format!("{name}: a second list of kinds"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_test_file_is_run_and_every_module_says_what_it_is_for() {
    let main = std::fs::read_to_string(root().join("tests/it/main.rs")).expect("readable");
    for entry in std::fs::read_dir(root().join("tests/it")).expect("readable") {
        let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name} is not run");
    }
    for (path, _) in sources() {
        let text = std::fs::read_to_string(root().join("src").join(&path)).expect("readable");
        let is_command = path.starts_with("commands") && text.contains("clap::Args");
        assert!(
            text.starts_with("//!") || is_command,
            "{} does not say what it is for",
            path.display()
        );
    }
}
