//! What `docs/versions.md` says of spellings: there is one of everything, apart from those that it lists as others.

use crate::golden::root;
use clap::CommandFactory;
use ivs_apply::commands::Cli;
use std::collections::BTreeSet;
use std::path::Path;

/// The spellings of the table in the document that is headed by `Also accepted`, with what they mean.
fn documented() -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(root().join("docs/versions.md")).expect("readable");
    let rows = text.lines().skip_while(|it| !it.starts_with("| Also accepted |")).skip(2);
    let rows = rows.take_while(|it| it.starts_with('|'));
    let word = |cell: &str| cell.trim().trim_matches('`').to_owned();
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(word);
        (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
    })
    .collect()
}

/// Every second spelling that a command line may have.
fn accepted(command: &clap::Command, found: &mut BTreeSet<(String, String)>) {
    for other in command.get_all_aliases() {
        found.insert((other.to_owned(), command.get_name().to_owned()));
    }
    for flag in command.get_arguments() {
        let long = flag.get_long().unwrap_or_default();
        for other in flag.get_all_aliases().unwrap_or_default() {
            found.insert((format!("--{other}"), format!("--{long}")));
        }
        let short = flag.get_short().unwrap_or_default();
        for other in flag.get_all_short_aliases().unwrap_or_default() {
            found.insert((format!("-{other}"), format!("-{short}")));
        }
        for value in flag.get_possible_values() {
            for other in value.get_name_and_aliases().skip(1) {
                found.insert((
                    format!("--{long} {other}"),
                    format!("--{long} {}", value.get_name()),
                ));
            }
        }
    }
    for it in command.get_subcommands() {
        accepted(it, found);
    }
}

/// A second spelling is either one that stays, or one that is deprecated: then it has to warn.
#[test]
fn each_second_spelling_of_a_command_a_flag_or_a_word_is_in_the_document() {
    let mut found = BTreeSet::new();
    let mut cli = Cli::command();
    cli.build();
    accepted(&cli, &mut found);
    assert!(found.contains(&("diff".to_owned(), "plan".to_owned())), "{found:?}");
    assert_eq!(found, documented(), "left: the program, right: the table of docs/versions.md");
}

/// Attributes of serde that let a field or a variant have a second name, without the spaces of their formatting.
fn second_names(text: &str) -> Vec<String> {
    let bare: String = text.chars().filter(|it| !it.is_whitespace()).collect();
    let attributes = bare.split("#[serde(").skip(1).filter_map(|it| it.split(")]").next());
    attributes
        .filter(|it| it.split(',').any(|it| it.starts_with("alias=")))
        .map(str::to_owned)
        .collect()
}

/// The second names in the files of a folder, and how many files were read.
fn walk(folder: &Path, found: &mut Vec<String>, read: &mut usize) {
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            walk(&path, found, read);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = std::fs::read_to_string(&path).expect("readable");
            *read += 1;
            found.extend(second_names(&text).iter().map(|it| format!("{}: {it}", path.display())));
        }
    }
}

#[test]
fn no_field_or_word_of_a_document_has_a_second_name() {
    let written = "#[serde(default, alias = \"old\")]\nnew: bool,\n#[serde(\n    alias=\"x\"\n)]";
    assert_eq!(second_names(written).len(), 2, "the test sees them");
    let (mut found, mut read) = (Vec::new(), 0);
    for folder in ["src", "operator/src"] {
        walk(&root().join(folder), &mut found, &mut read);
    }
    assert!(read > 100, "{read}");
    assert!(
        found.is_empty(),
        "a second name is a deprecation: docs/versions.md says what it needs: {found:#?}"
    );
}
