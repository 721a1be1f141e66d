//! The table of modules in `docs/architecture.md` agrees with the source: layers, imports, names that stay in one place, and
//! how long a file may be.

mod names;

use crate::golden::root;
use ivs_apply::kinds::Kind;
use names::Crate;
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Names that only these modules may use, and why.
const WALLS: [(&str, &[&str], &str); 11] = [
    ("Mutant", &["mutants.rs", "lib.rs"], "planted bugs are the tests' alone"),
    ("aws_sdk_", &["aws", "kinds"], "only clients and kinds speak to AWS"),
    (
        "aws_smithy_",
        &["aws", "kinds/composition/destination.rs", "emulator/client.rs"],
        "HTTP is the business of one module",
    ),
    ("println!", &[], "only ui prints, and it writes to its streams"),
    ("print!", &[], "only ui prints, and it writes to its streams"),
    ("eprintln!", &[], "only ui prints, and it writes to its streams"),
    ("eprint!", &[], "only ui prints, and it writes to its streams"),
    ("dbg!", &[], "only ui prints, and it writes to its streams"),
    (
        "std::fs",
        &[
            "manifest/source.rs",
            "manifest/source/",
            "emulator/store.rs",
            "system/",
            "ui/file.rs",
            "ui/file/",
        ],
        "files are read in one place, and written in one",
    ),
    ("hyper::", &["emulator/server.rs"], "the emulator's server is the only one"),
    (
        "std::env",
        &["cli/environment.rs"],
        "variables are read by clap, by the SDK's own chain, and for who runs this",
    ),
];

/// A plan is computed without any of these.
const NOT_IN_PLAN: [&str; 6] =
    ["aws_sdk_", "crate::aws", "tokio", "std::time", "std::env", "std::fs"];

/// The most lines of a file, without the tests at its foot.
const LONGEST: usize = 500;

/// Files that are longer today. None may join them; one that has shrunk leaves the list.
const LONGER: &[&str] = &[];

/// Folders whose files are not to import each other in a circle.
const WITHOUT_CIRCLES: [&str; 5] = ["apply", "cli", "cloud", "commands", "plan"];

/// Files that import each other in a circle today. No other may; a circle that is gone leaves the list.
const CIRCLES: &[&[&str]] = &[];

static CRATE: LazyLock<Crate> = LazyLock::new(|| Crate::of(texts()));

/// Every source file by its path in `src`.
fn texts() -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).expect("readable");
                let inside = path.strip_prefix(root().join("src")).expect("inside").to_owned();
                // Not a file that is tests from its first line.
                if !inside.ends_with("tests.rs") {
                    found.insert(inside, text);
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&root().join("src"), &mut found);
    found
}

/// A file without the tests at its foot.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod").next().unwrap_or_default()
}

/// A row of the table of modules.
#[derive(Debug)]
struct Row {
    layer: usize,
    /// `None` for one that may import all.
    imports: Option<BTreeSet<String>>,
}

/// The table of modules in the documents.
fn table() -> BTreeMap<String, Row> {
    let text = std::fs::read_to_string(root().join("docs/architecture.md")).expect("readable");
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        let [layer, module, .., imports] = cells[..] else { return None };
        let layer = layer.parse().ok()?;
        let imports = (imports != "all").then(|| {
            imports.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>()
        });
        Some((module.trim_matches('`').to_owned(), Row { layer, imports }))
    };
    let table: BTreeMap<String, Row> = text.lines().filter_map(row).collect();
    assert!(table.len() > 5, "docs/architecture.md has a table of modules: {table:#?}");
    table
}

/// The module of the table that a path belongs to.
fn module(path: &Path) -> String {
    let first = path.components().next().expect("a path has parts").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// What each module imports, with a file that does.
fn imports() -> BTreeMap<String, BTreeMap<String, PathBuf>> {
    let mut imports: BTreeMap<String, BTreeMap<String, PathBuf>> = BTreeMap::new();
    let modules: BTreeSet<String> = CRATE.files.keys().map(|it| module(it)).collect();
    for (path, source) in &CRATE.files {
        let own = module(path);
        let of_own = imports.entry(own.clone()).or_default();
        for word in &source.words {
            let named = word.strip_prefix("crate::").and_then(|it| it.split("::").next());
            if let Some(named) = named.filter(|it| *it != own && modules.contains(*it)) {
                of_own.insert(named.to_owned(), path.clone());
            }
        }
    }
    // The two roots, which belong to no layer.
    imports.retain(|it, _| it != "lib" && it != "main");
    imports
}

#[test]
fn a_module_imports_only_modules_of_lower_layers() {
    let table = table();
    let row = |it: &str| table.get(it).unwrap_or_else(|| panic!("the table has no row `{it}`"));
    let mut faults = Vec::new();
    for (own, imports) in imports() {
        for (other, path) in imports {
            if row(&other).layer >= row(&own).layer {
                faults.push(format!("{}: {own} may not import {other}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_table_of_modules_names_every_module_and_what_it_imports() {
    let (table, imports) = (table(), imports());
    assert_eq!(
        table.keys().collect::<Vec<_>>(),
        imports.keys().collect::<Vec<_>>(),
        "left: docs/architecture.md, right: src"
    );
    let mut faults = Vec::new();
    for (own, found) in &imports {
        let Some(told) = &table[own].imports else { continue };
        for (other, path) in found.iter().filter(|(it, _)| !told.contains(*it)) {
            faults.push(format!("{own} imports {other} ({}): add it to its row", path.display()));
        }
        for other in told.iter().filter(|it| !found.contains_key(*it)) {
            faults.push(format!("{own} does not import {other} any more: take it out of its row"));
        }
    }
    assert!(faults.is_empty(), "docs/architecture.md: {faults:#?}");
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let lines = |it: &str| without_tests(it).lines().count();
    let long: BTreeMap<String, usize> = CRATE
        .files
        .iter()
        .map(|(path, source)| (path.to_string_lossy().into_owned(), lines(&source.text)))
        .filter(|(_, lines)| *lines > LONGEST)
        .collect();
    let new: Vec<_> = long.iter().filter(|(it, _)| !LONGER.contains(&it.as_str())).collect();
    assert!(new.is_empty(), "more than {LONGEST} lines, to be split: {new:#?}");
    let gone: Vec<_> = LONGER.iter().filter(|it| !long.contains_key(**it)).collect();
    assert!(gone.is_empty(), "short enough now, to be taken out of `LONGER`: {gone:#?}");
}

#[test]
fn no_files_of_a_folder_import_each_other_in_a_circle() {
    let mut found = BTreeSet::new();
    let mut edges = BTreeMap::new();
    for folder in WITHOUT_CIRCLES {
        let mut graph = DiGraphMap::<&str, ()>::new();
        for (path, source) in CRATE.files.iter().filter(|(path, _)| path.starts_with(folder)) {
            let from = path.to_str().expect("UTF-8");
            for name in &source.names {
                let Some(to) = CRATE.file_of(name).filter(|it| it.starts_with(folder)) else {
                    continue;
                };
                let to = to.to_str().expect("UTF-8");
                if from != to {
                    graph.add_edge(from, to, ());
                    edges.entry((from, to)).or_insert_with(Vec::new).push(name.join("::"));
                }
            }
        }
        let circles = tarjan_scc(&graph).into_iter().filter(|it| it.len() > 1);
        found.extend(circles.map(|it| it.into_iter().collect::<BTreeSet<_>>()));
    }
    let known: BTreeSet<BTreeSet<&str>> =
        CIRCLES.iter().map(|it| it.iter().copied().collect()).collect();
    let new: Vec<_> = found.difference(&known).collect();
    let inside =
        |(from, to): &(&str, &str)| new.iter().any(|it| it.contains(from) && it.contains(to));
    let why: Vec<_> = edges.iter().filter(|(it, _)| inside(it)).collect();
    assert!(new.is_empty(), "import each other in a circle: {new:#?}\nby these names: {why:#?}");
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(gone.is_empty(), "no circle any more, to be taken out of `CIRCLES`: {gone:#?}");
}

#[test]
fn some_names_are_used_in_one_module_only() {
    let mut faults = Vec::new();
    for (path, source) in &CRATE.files {
        let name = path.to_string_lossy();
        let has = |word: &str| {
            let mut words = source.words.iter();
            words.find(|it| {
                let rest = it.strip_prefix(word);
                let ends = |it: &str| it.is_empty() || it.starts_with("::");
                rest.is_some_and(|it| ends(it) || word.ends_with(['_', ':']))
            })
        };
        for (word, allowed, why) in WALLS {
            let here = allowed.iter().any(|it| name.starts_with(it));
            if let Some(found) = has(word).filter(|_| !here) {
                faults.push(format!("{name}: `{found}`: {why}"));
            }
        }
        if name.starts_with("plan/") {
            for found in NOT_IN_PLAN.iter().filter_map(|it| has(it)) {
                faults.push(format!("{name}: `{found}`: a plan is made from its arguments alone"));
            }
        }
        // A second list of kinds would have to be kept equal to the first.
        let code = without_tests(&source.text);
        let arms =
            code.matches("Kind::Channel =>").count() + code.matches("Kind::Stage =>").count();
        if arms > 0 && !name.starts_with("kinds/") && !name.starts_with("emulator/") {
            faults.push(format!("{name}: a second list of kinds"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_is_peculiar_about_a_kind_is_known_in_its_file() {
    let names_a_kind = |word: &String| {
        let word = word.strip_prefix("crate::kinds::").unwrap_or(word);
        let name = word.strip_prefix("Kind::").or_else(|| word.strip_prefix("Spec::"));
        name.is_some_and(|it| Kind::named(it).is_some())
    };
    let outside = CRATE.files.iter().filter(|(path, _)| {
        !path.starts_with("kinds") && !path.starts_with("emulator") && !path.ends_with("lib.rs")
    });
    let asking: BTreeSet<&str> = outside
        .filter(|(_, source)| source.words.iter().any(names_a_kind))
        .map(|(path, _)| path.to_str().expect("UTF-8"))
        .collect();
    assert!(asking.is_empty(), "a fact of the kind should say it: {asking:#?}");
}

#[test]
fn every_test_file_is_run_and_every_module_says_what_it_is_for() {
    let main = std::fs::read_to_string(root().join("tests/it/main.rs")).expect("readable");
    for entry in std::fs::read_dir(root().join("tests/it")).expect("readable") {
        let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name} is not run");
    }
    for (path, source) in &CRATE.files {
        let is_command = path.starts_with("commands") && source.text.contains("clap::Args");
        assert!(
            source.text.starts_with("//!") || is_command,
            "{} does not say what it is for",
            path.display()
        );
    }
}
