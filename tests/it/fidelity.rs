//! `docs/fidelity.md`: what it names exists, and no operation and no rule of the reference is left out.

use crate::golden::root;
use serde_json::Value;
use std::collections::BTreeSet;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of all tables, in cells.
fn rows() -> Vec<Vec<String>> {
    let text = read("docs/fidelity.md");
    let lines = text.lines().filter(|it| it.starts_with("| ") && !it.starts_with("| Rule |"));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|it| it.trim().to_owned()).collect()
    };
    let rows: Vec<Vec<String>> =
        lines.map(cells).filter(|it| it[0] != "Operation" && !it[0].starts_with("---")).collect();
    assert!(rows.len() > 150, "{}", rows.len());
    rows
}

/// What stands between grave accents.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Why a test or check that is named does not exist.
fn missing(name: &str) -> Option<String> {
    if let Some(check) = name.strip_prefix("lifecycle.py: ") {
        let script = read("tests/conformance/lifecycle.py");
        return (!script.contains(&format!("\"{check}\""))).then(|| format!("no check `{check}`"));
    }
    let (module, test) = name.rsplit_once("::")?;
    let path = match module.strip_prefix("emulator::") {
        Some("tests") => "src/emulator/mod.rs".to_owned(),
        Some(file) => format!("src/emulator/{file}.rs"),
        None => format!("tests/it/{module}.rs"),
    };
    let source = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
    // A test, and not a helper of the same name.
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let at = lines.iter().position(|it| {
        let it = it.strip_prefix("async ").unwrap_or(it);
        it.strip_prefix("fn ").is_some_and(|it| it.starts_with(&format!("{test}(")))
    });
    let is_test = at.is_some_and(|at| at > 0 && lines[at - 1].contains("test"));
    (!is_test).then(|| format!("no test `{test}` in {path}"))
}

#[test]
fn every_test_that_the_ledger_names_exists() {
    let mut faults = Vec::new();
    for row in rows() {
        let held = row.last().expect("a row has cells");
        let mut count = 0;
        for name in quoted(held) {
            count += 1;
            faults.extend(missing(name).map(|it| format!("{}: {it}", row[0])));
        }
        let says_why = held == "–" && row[2].to_lowercase().contains("not modelled");
        if count == 0 && !says_why {
            faults.push(format!("{}: neither a test nor why there is none: {held}", row[0]));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(missing("faults::no_such_test").is_some());
    assert!(missing("lifecycle.py: no such check").is_some());
}

#[test]
fn every_source_of_the_ledger_is_a_place_in_the_facts_about_the_service() {
    let heading = |it: &str| -> Option<String> {
        let text = it.strip_prefix("##")?.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
        Some(kept.map(|it| if it == ' ' { '-' } else { it }).collect())
    };
    let mut places = BTreeSet::new();
    for file in ["service.md", "service-reference.md"] {
        let text = read(&format!("docs/{file}"));
        places.extend(text.lines().filter_map(heading).map(|it| format!("{file}#{it}")));
    }
    let mut faults = Vec::new();
    for row in rows().iter().filter(|it| !matches!(it[1].as_str(), "LL" | "RT")) {
        let source = &row[1];
        let link = source.split_once("](").and_then(|(_, it)| it.strip_suffix(')'));
        match link {
            Some(link) if places.contains(link) => {}
            None if source == "–" && row[2].starts_with("not modelled") => {}
            _ => faults.push(format!("{}: {source}", row[0])),
        }
    }
    assert!(faults.is_empty(), "{faults:#?}\n{places:#?}");
}

#[test]
fn every_rule_of_the_reference_and_every_operation_of_the_models_is_in_the_ledger() {
    let rows = rows();
    let reference = read("docs/service-reference.md");
    let numbers = reference.lines().filter_map(|it| {
        let number = it.strip_prefix("| ")?.split(" | ").next()?;
        number.parse::<u32>().ok().filter(|_| it.split(" | ").count() == 5)
    });
    let numbers: BTreeSet<u32> = numbers.collect();
    assert!(numbers.len() >= 50, "{numbers:?}");
    for number in numbers {
        let named = format!("[rule {number}]");
        assert!(rows.iter().any(|it| it[1].starts_with(&named)), "{named} is missing");
    }
    let model: Value = serde_json::from_str(&read("src/emulator/model.json")).expect("JSON");
    let told: Vec<(String, String)> = rows
        .iter()
        .filter_map(|it| Some((quoted(&it[0]).next()?.to_owned(), it[1].clone())))
        .filter(|it| matches!(it.1.as_str(), "LL" | "RT"))
        .collect();
    let mut modelled = Vec::new();
    for (service, short) in [("ivs", "LL"), ("ivs-realtime", "RT")] {
        for operation in model["services"][service]["operations"].as_array().expect("a list") {
            let name = operation["name"].as_str().expect("a name");
            modelled.push((name.to_owned(), short.to_owned()));
        }
    }
    let set = |it: &[(String, String)]| it.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(set(&told), set(&modelled), "left: docs/fidelity.md, right: the models");
    assert_eq!((told.len(), modelled.len()), (86, 86));
}
