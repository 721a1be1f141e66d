//! The links of the documents: each leads to a file of the repository, and to a heading that is there; the contents of the
//! book name every page.

use crate::golden::root;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// Every Markdown file of the repository, by its path from the root.
pub(crate) fn documents() -> BTreeMap<PathBuf, String> {
    fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let entry = entry.expect("readable");
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let left_out = name == "target" || (name.starts_with('.') && name != ".github");
            if left_out || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|it| it == "md") {
                let text = std::fs::read_to_string(&path).expect("readable");
                found.insert(path.strip_prefix(root()).expect("below").to_owned(), text);
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(&root(), &mut found);
    assert!(found.len() > 20, "{found:#?}");
    found
}

/// A text without its blocks of code and its comments, line by line.
fn prose(text: &str) -> String {
    let (mut fence, mut is_comment): (Option<String>, bool) = (None, false);
    let mut prose = String::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        let marks: String = trimmed.chars().take_while(|it| *it == '`').collect();
        match &fence {
            Some(it) if trimmed == it => fence = None,
            Some(_) => {}
            None if marks.len() >= 3 => fence = Some(marks),
            None => {
                is_comment |= line.starts_with("<!--");
                if !is_comment {
                    prose.push_str(line);
                }
                is_comment &= !line.contains("-->");
            }
        }
        prose.push('\n');
    }
    prose
}

/// The anchors that a Git host and the book give the headings of a text.
fn anchors(text: &str) -> BTreeSet<String> {
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").expect("a pattern");
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let heading = Regex::new("^#{1,6} ").expect("a pattern");
    let headings = text.lines().filter(|it| heading.is_match(it));
    let anchor = |heading: &str| {
        let heading = link.replace_all(heading.trim_start_matches('#').trim(), "$1").to_lowercase();
        let kept = heading.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
        let anchor = kept.collect::<String>().replace(' ', "-");
        let before = seen.entry(anchor.clone()).or_default();
        *before += 1;
        if *before == 1 { anchor } else { format!("{anchor}-{}", *before - 1) }
    };
    headings.map(anchor).collect()
}

/// Where the links and pictures of a text lead, as they are written.
fn links(text: &str) -> Vec<String> {
    let code = Regex::new(r"(``[^`]+``|`[^`\n]+`)").expect("a pattern");
    let text = code.replace_all(text, |it: &regex::Captures<'_>| {
        // A link may have code in it: only its brackets matter.
        it[0].replace(['[', ']', '(', ')'], " ")
    });
    let link = Regex::new(r#"\]\(\s*<?([^)\s>]+)>?\s*\)|(?:src|srcset|href)="([^"]+)""#);
    let link = link.expect("a pattern");
    let found = link.captures_iter(&text);
    found.map(|it| it.get(1).or(it.get(2)).expect("one of them").as_str().to_owned()).collect()
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                assert!(plain.pop(), "{} leads out of the repository", path.display());
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// What is wrong with the links of a document.
fn faults(from: &Path, text: &str, documents: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let mut faults = Vec::new();
    for link in links(&prose(text)) {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
        let to = match path {
            "" => from.to_owned(),
            path => plain(&from.parent().expect("a file is in a folder").join(path)),
        };
        if !documents.contains_key(&to) && !root().join(&to).exists() {
            faults.push(format!("{}: `{link}`: there is no {}", from.display(), to.display()));
        } else if !anchor.is_empty() {
            let there = documents.get(&to).map(|it| anchors(&prose(it)));
            if !there.is_some_and(|it| it.contains(anchor)) {
                faults.push(format!("{}: `{link}`: there is no such heading", from.display()));
            }
        }
    }
    faults
}

#[test]
fn every_link_of_the_documents_leads_to_a_file_and_a_heading() {
    let documents = documents();
    let all = documents.iter().flat_map(|(from, text)| faults(from, text, &documents));
    let all: Vec<String> = all.collect();
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn a_link_to_what_is_not_there_is_found() {
    let text = "# One `a-b`: *two*\n\n## One\n\n## One\n\n[a](#one) [b](#one-1) [`c`](#one-a-b-two) [d](README.md)\n\
        ```\n[in a block](nowhere.md)\n```\n<!--\n[in a comment](nowhere.md)\n-->\n`[in code](nowhere.md)`\n";
    let documents = BTreeMap::from([(PathBuf::from("a.md"), text.to_owned())]);
    assert_eq!(faults(Path::new("a.md"), text, &documents), Vec::<String>::new());
    for link in [
        "[a](#two)",
        "[a](nowhere.md)",
        "![a](docs/no.png)",
        "<img src=\"no.png\">",
        "[a](README.md#no)",
    ] {
        assert_eq!(faults(Path::new("a.md"), link, &documents).len(), 1, "{link}");
    }
}

#[test]
fn the_contents_of_the_book_name_every_page_once() {
    let documents = documents();
    let summary = Path::new("docs/SUMMARY.md");
    let mut named: Vec<PathBuf> = links(&prose(&documents[summary]))
        .iter()
        .map(|it| plain(&Path::new("docs").join(it)))
        .collect();
    named.sort();
    let once: BTreeSet<&PathBuf> = named.iter().collect();
    assert_eq!(once.len(), named.len(), "{named:#?}");
    let elsewhere =
        ["CHANGELOG.md", "benches/README.md", "schemas/README.md", "tests/scenarios/README.md"];
    let pages: BTreeSet<&Path> = documents
        .keys()
        .map(PathBuf::as_path)
        .filter(|it| it.starts_with("docs") && *it != summary)
        .chain(elsewhere.map(Path::new))
        .collect();
    let named: BTreeSet<&Path> = named.iter().map(PathBuf::as_path).collect();
    let missing: Vec<_> = pages.difference(&named).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md does not name {missing:#?}");
}

#[test]
fn the_scenarios_for_newcomers_are_linked_from_the_concepts() {
    let documents = documents();
    let order =
        Regex::new(r"(?m)^[0-9]+\. \[[0-9]{3}\]\(([^/)]+/story\.txt)\)").expect("a pattern");
    let table = &documents[Path::new("tests/scenarios/README.md")];
    let concepts = documents.iter().filter(|(it, _)| it.starts_with("docs/concepts"));
    let linked: BTreeSet<PathBuf> = concepts
        .flat_map(|(from, text)| {
            let folder = from.parent().expect("a folder");
            links(&prose(text)).into_iter().map(|it| plain(&folder.join(it))).collect::<Vec<_>>()
        })
        .collect();
    for (page, text) in documents.iter().filter(|(it, _)| it.starts_with("docs/concepts")) {
        let shows = links(&prose(text)).iter().any(|it| it.contains("tests/scenarios/"));
        assert!(shows || page.ends_with("README.md"), "{} links no scenario", page.display());
    }
    let mut count = 0;
    for story in order.captures_iter(table) {
        let path = Path::new("tests/scenarios").join(&story[1]);
        assert!(linked.contains(&path), "no concept links {}", path.display());
        count += 1;
    }
    assert_eq!(count, 10);
}
