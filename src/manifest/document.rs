//! One text into documents, one document into a typed value.
//!
//! Nothing here reads a file, and nothing knows a kind.

use super::decode;
use super::values::Filled;
use crate::diag::tree::Tree;
use crate::diag::{Diagnostic, DocumentSpan, Report, SourceMap, list_items};
use serde::de::DeserializeOwned;

pub(super) use super::decode::{Outline, Read};
pub use super::guard::guard;

/// The documents of a text: what stands between lines that start with `---` or `...`.
///
/// What is only space, comments and directives is no document. Exact by the YAML specification:
/// neither mark can stand at the start of a line inside a document, not even in a quoted text.
pub fn split(text: &str) -> Vec<DocumentSpan> {
    let mut documents = Vec::new();
    let mut open = Chunk::at(0, 1);
    let mut at = 0;
    for (line, raw) in (1..).zip(text.split_inclusive('\n')) {
        let end = at + raw.len();
        if is_mark(raw, "---") {
            if open.marked || open.content {
                documents.extend(open.close(at));
                open = Chunk::at(at, line);
            }
            // Otherwise directives and comments lead this document.
            open.marked = true;
            open.content |= !is_blank(&raw[3..]);
        } else if is_mark(raw, "...") {
            documents.extend(open.close(end));
            open = Chunk::at(end, line + 1);
        } else {
            open.content |= !is_blank(raw) && (open.marked || !raw.starts_with('%'));
        }
        at = end;
    }
    documents.extend(open.close(text.len()));
    documents.retain(|it| !is_null(&text[it.range.clone()]));
    documents
}

/// The documents of a text, with each item of a `List` as one of them.
pub(super) fn documents(text: &str) -> Vec<DocumentSpan> {
    let expanded = |it: DocumentSpan| {
        let inside = &text[it.range.clone()];
        // Parsing is left to those that may be one.
        let count = (inside.contains("List") && inside.contains("items"))
            .then(|| Tree::read(inside).ok())
            .flatten()
            .and_then(|it| list_items(&it).map(<[_]>::len));
        match count {
            None => vec![it],
            Some(count) => {
                (0..count).map(|item| DocumentSpan { item: Some(item), ..it.clone() }).collect()
            }
        }
    };
    split(text).into_iter().flat_map(expanded).collect()
}

/// A document being collected.
struct Chunk {
    start: usize,
    line: usize,
    /// Whether its `---` was seen.
    marked: bool,
    /// Whether anything in it means something.
    content: bool,
}

impl Chunk {
    const fn at(start: usize, line: usize) -> Self {
        Self { start, line, marked: false, content: false }
    }

    fn close(&self, end: usize) -> Option<DocumentSpan> {
        let range = self.start..end;
        self.content.then_some(DocumentSpan { range, line: self.line, item: None })
    }
}

fn is_mark(line: &str, mark: &str) -> bool {
    line.strip_prefix(mark)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn is_blank(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// Whether a document says `null` and nothing else, as templates that came out empty do.
fn is_null(text: &str) -> bool {
    let mut words = text
        .lines()
        .filter(|it| !is_blank(it) && !it.starts_with('%') && !is_mark(it, "..."))
        .map(|it| if is_mark(it, "---") { &it[3..] } else { it })
        .flat_map(|it| it.split(" #").take(1).flat_map(str::split_whitespace));
    matches!((words.next(), words.next()), (None | Some("null" | "~" | "Null" | "NULL"), None))
}

/// One document as a value. What does not fit goes into the report, all of it as far as one fault
/// does not hide another; then there is no value.
pub(super) fn parse<T: DeserializeOwned>(
    document: &Filled,
    sources: &SourceMap,
    outline: &dyn Outline,
    report: &mut Report,
) -> Option<T> {
    let read = parse_in_part(document, sources, outline, report)?;
    read.left_out.is_empty().then_some(read.value)
}

/// The same, with a value also where some of it had to be left out.
pub(super) fn parse_in_part<T: DeserializeOwned>(
    document: &Filled,
    sources: &SourceMap,
    outline: &dyn Outline,
    report: &mut Report,
) -> Option<Read<T>> {
    let Filled { origin, tree, left_out, .. } = document;
    match &**tree {
        Ok(tree) => decode::decode(tree, *origin, left_out, outline, report),
        Err(broken) => {
            let place = sources.place(*origin, broken.offset);
            let mut diagnostic = Diagnostic::new(broken.code, place, &broken.message);
            diagnostic.help = broken.help.map(str::to_owned);
            report.push(diagnostic);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Code, FieldPath, Origin, Part, SourceId};
    use crate::manifest::guard::guard;
    use crate::manifest::source::from_text;
    use proptest::prelude::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    const FIRST: Origin = Origin { source: SourceId(0), document: 0 };

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Sample {
        kind: Kind,
        name: String,
        #[serde(default)]
        spec: Spec,
        #[serde(default)]
        tags: BTreeMap<String, String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    enum Kind {
        Channel,
        Stage,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
    struct Spec {
        latency_mode: Option<String>,
        width: Option<u16>,
        insecure: bool,
        bitrate: Option<f64>,
        destinations: Vec<Destination>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Destination {
        to: String,
    }

    const GOOD: &str = "\
kind: Channel
name: main
spec:
  latencyMode: LOW
  width: 720
  insecure: true
  bitrate: 1.5
  destinations:
    - to: a
    - {to: \"b\"}
tags:
  team: sports
  cost.centre: 0042
";

    fn spans(text: &str) -> Vec<(&str, usize)> {
        split(text).into_iter().map(|it| (&text[it.range], it.line)).collect()
    }

    fn read(text: &str) -> (Option<Sample>, Vec<String>) {
        let sources = from_text("a.yaml", text);
        let mut report = Report::new();
        let value = guard(FIRST, &sources, &mut report)
            .then(|| {
                let document = Filled::plain(FIRST, &sources);
                parse::<Sample>(&document, &sources, &(), &mut report)
            })
            .flatten();
        let told = report.sorted(&sources).into_iter().map(|(position, it)| {
            let at = position
                .map_or_else(String::new, |it| format!("{}:{}+{} ", it.line, it.column, it.width));
            let help = it.help.as_ref().map_or_else(String::new, |it| format!(" ({it})"));
            format!("{at}{}: {}{help}", it.code, it.message)
        });
        (value, told.collect())
    }

    /// The good text with one change: what is told about it.
    fn told(from: &str, to: &str) -> Vec<String> {
        assert!(GOOD.contains(from), "{from}");
        let (value, told) = read(&GOOD.replacen(from, to, 1));
        assert!(value.is_none() || !told.is_empty(), "{value:?}");
        told
    }

    #[test]
    fn documents_are_what_stands_between_marks() {
        assert_eq!(spans("a: 1\n---\nb: 2\n"), [("a: 1\n", 1), ("---\nb: 2\n", 2)]);
        assert_eq!(spans("--- {a: 1}\n--- \nb: 2"), [("--- {a: 1}\n", 1), ("--- \nb: 2", 2)]);
        assert_eq!(
            spans("a: 1\n...\n# c\n%YAML 1.2\n---\nb: 2\n"),
            [("a: 1\n...\n", 1), ("# c\n%YAML 1.2\n---\nb: 2\n", 3)]
        );
        assert_eq!(spans("a: \"x\n  --- y\"\nb: |\n  ---\n").len(), 1);
        assert_eq!(spans("a: 1\n----\nb: 2\n---x\n").len(), 1);
        assert_eq!(spans("a: 1\r\n---\r\nb: 2\r\n"), [("a: 1\r\n", 1), ("---\r\nb: 2\r\n", 2)]);
    }

    #[test]
    fn what_says_nothing_is_no_document() {
        for empty in [
            "",
            "\n\n",
            "# c\n",
            "---\n",
            "---\n---\n# x\n...\n",
            "--- # c\n",
            "null\n",
            "--- ~\n",
            "---\nnull # none\n...\n",
            "%YAML 1.2\n---\n",
        ] {
            assert_eq!(spans(empty), [], "{empty:?}");
        }
        assert_eq!(spans("---\n# only a comment\n---\na: 1\n---\n"), [("---\na: 1\n", 3)]);
    }

    #[test]
    fn a_good_document_is_read() {
        let (value, told) = read(GOOD);
        assert_eq!(told, Vec::<String>::new());
        let value = value.unwrap();
        assert_eq!(value.tags["cost.centre"], "0042");
        assert_eq!(value.spec.width, Some(720));
        assert_eq!(value.spec.destinations[1].to, "b");
    }

    #[test]
    fn json_is_read_the_same_way() {
        let json = "{\n\t\"kind\": \"Stage\", \"name\": \"a\\/b\", \"tags\": {\"k\": \"v\"}\n}\n";
        let (value, told) = read(json);
        assert_eq!(told, Vec::<String>::new());
        assert_eq!(value.unwrap().name, "a/b");
        assert_eq!(
            read("{\"kind\": \"Stage\", \"name\": \"a\", \"name\": \"b\"}").1,
            ["1:32+6 E0012: the key `name` appears twice (remove one of the two)"]
        );
    }

    #[test]
    fn an_unknown_field_is_shown_with_what_was_meant() {
        assert_eq!(
            told("latencyMode", "latency_mode"),
            ["4:3+12 E0106: unknown field `latency_mode` (did you mean `latencyMode`?)"]
        );
        assert_eq!(
            told("- to:", "- whither:")[0],
            "9:7+7 E0106: unknown field `whither` (the fields here are `to`)"
        );
    }

    #[test]
    fn a_missing_field_points_at_what_lacks_it() {
        assert_eq!(told("name: main\n", ""), ["1:1+4 E0107: missing field `name`"]);
        assert_eq!(told("- {to: \"b\"}", "- {}"), ["10:7+1 E0107: missing field `to`"]);
    }

    #[test]
    fn a_wrong_type_says_both() {
        assert_eq!(
            told("width: 720", "width: wide"),
            ["5:10+4 E0108: expected a whole number from 0 to 65535, found `wide`"]
        );
        assert_eq!(
            told("insecure: true", "insecure: yes"),
            ["6:13+3 E0108: expected `true` or `false`, found `yes` (write `true`)"]
        );
        assert_eq!(
            told("insecure: true", "insecure: \"true\""),
            [
                "6:13+6 E0108: expected `true` or `false`, found the string `\"true\"` (remove the quotes)"
            ]
        );
        assert_eq!(
            told("width: 720", "width: '30'"),
            [
                "5:10+4 E0108: expected a whole number from 0 to 65535, found the string `\"30\"` (remove the quotes)"
            ]
        );
        assert_eq!(
            told("name: main", "name: [main]"),
            ["2:1+4 E0108: expected a string, found a list"]
        );
        assert_eq!(told("name: main", "name:"), ["2:1+4 E0108: expected a string, found nothing"]);
        assert_eq!(
            told("name: main", "name: ~"),
            [
                "2:7+1 E0108: expected a string, found nothing (write a text, or put the word in quotes if that is the text)"
            ]
        );
        assert_eq!(
            told("  team: sports\n  cost.centre: 0042", "  - team"),
            [
                "11:1+4 E0108: expected a mapping, found a list (write `key: value` on each line, without a `-` before it)"
            ]
        );
        assert_eq!(
            told("width: 720", "width: 70000"),
            ["5:10+5 E0201: `70000` is out of range: expected a whole number from 0 to 65535"]
        );
    }

    #[test]
    fn an_unknown_word_lists_those_that_are_known() {
        assert_eq!(
            told("kind: Channel", "kind: Chanel"),
            [
                "1:7+6 E0109: invalid value `Chanel`: expected `Channel` or `Stage` (did you mean `Channel`?)"
            ]
        );
    }

    #[test]
    fn everything_wrong_is_told_in_one_run() {
        let text = "kind: Chanel\nname: main\nextra: 1\nspec:\n  width: wide\n  hight: 3\n  destinations:\n    \
            - {to: [a], too: b}\ntags: {a: x, a: y}\n";
        let codes: Vec<String> = read(text)
            .1
            .iter()
            .map(|it| it.split(['+', ' ']).nth(2).unwrap_or("").into())
            .collect();
        assert_eq!(codes, ["E0109:", "E0106:", "E0108:", "E0106:", "E0108:", "E0106:", "E0012:"]);
    }

    #[test]
    fn what_every_document_may_not_hold_is_refused() {
        for (to, code) in [
            ("name: !include x.yaml", Code::UnknownTag),
            ("name: !!python/object:os.system x", Code::UnknownTag),
            ("<<: {name: main}\nname: main", Code::MergeKey),
            ("name: main\nname: other", Code::DuplicateKey),
            ("name: \"a\\eb\"", Code::ControlCharacter),
            ("name: a\u{1b}[31mb", Code::ControlCharacter),
            ("name: a\u{2028}b", Code::ControlCharacter),
            (
                "name: |\n  -----BEGIN RSA PRIVATE KEY-----\n  MIIEpAIBAAKCAQEA\n",
                Code::SecretInManifest,
            ),
            (
                "name: \"\\x2d----BEGIN PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA\"",
                Code::SecretInManifest,
            ),
            ("name: &x [*x]", Code::AliasLimit),
            ("name: main: x", Code::InvalidYaml),
        ] {
            let told = told("name: main", to);
            assert!(told.iter().any(|it| it.contains(code.code())), "{to}: {told:?}");
            assert!(!told.concat().contains("MIIE"), "{told:?}");
        }
        assert_eq!(
            told("  team: sports", "  team: sports\n  team: again"),
            ["13:3+4 E0012: the key `team` appears twice (remove one of the two)"]
        );
        assert_eq!(
            told("name: main", "name: a\u{1b}b"),
            ["2:8+2 E0015: control character U+001B (remove it, or save the file again)"]
        );
        // Core tags say nothing new.
        assert!(read(&GOOD.replace("name: main", "name: !!str main")).0.is_some());
        assert!(read(&GOOD.replace("name: main", "name: \"<<\"")).0.is_some());
    }

    #[test]
    fn a_secret_is_never_quoted() {
        for secret in ["sk_us-west-2_AbCdEfGhIjKl", "AKIAIOSFODNN7EXAMPLE", "rt_AbCdEfGhIjKl"] {
            let told = told("width: 720", &format!("width: {secret}"));
            assert_eq!(told.len(), 1);
            assert!(!told[0].contains(secret), "{told:?}");
        }
        let long = "w".repeat(500);
        assert!(told("width: 720", &format!("width: {long}"))[0].len() < 150);
    }

    #[test]
    fn places_hold_in_later_documents_and_through_aliases() {
        let text = "# first\nkind: Channel\n---\nü: &d {too: b}\nspec:\n  destinations: [*d]\n";
        let sources = from_text("a.yaml", text);
        let origin = Origin { document: 1, ..FIRST };
        let at = |path: &str, part| {
            let place = crate::diag::Place::Field { origin, path: FieldPath::from(path), part };
            sources.position(&place).map(|it| (it.line, it.column, it.width)).unwrap()
        };
        assert_eq!(at("spec.destinations", Part::Key), (6, 3, 12));
        assert_eq!(at("spec.destinations[0]", Part::Value), (6, 17, 3));
        assert_eq!(at("spec.destinations[0].too", Part::Value), (4, 13, 1));
        assert_eq!(at("ü.too", Part::Value), (4, 13, 1));
        assert_eq!(at("spec.nothing.here", Part::Value), (5, 1, 4));
        assert_eq!(at("", Part::Value), (4, 1, 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_text_makes_reading_panic(parts in prop::collection::vec(
            prop::sample::select(vec!["kind: Channel\n", "name: ", "spec:\n", "  width: ", "  destinations:\n",
                "    - to: a\n", "- ", "\n", "[", "]", "{", "}", ", ", "? ", "&x ", "*x", "!t ", "\"", "'", "|\n",
                "# ", "---\n", "--- ", "...\n", "%TAG", "<<: ", "\t", "é", "~", "1", "tags: {a: b", "\\e", "\r"]), 0..20))
        {
            let text = parts.concat();
            let sources = from_text("a.yaml", text);
            for origin in sources.origins().collect::<Vec<_>>() {
                let mut report = Report::new();
                let readable = guard(origin, &sources, &mut report);
                let document = Filled::plain(origin, &sources);
                let value = parse::<Sample>(&document, &sources, &(), &mut report);
                prop_assert!(readable || !report.is_empty());
                prop_assert!(value.is_some() || report.has_errors());
                for it in &report {
                    prop_assert!(sources.position(&it.at).is_some());
                }
            }
        }

        #[test]
        fn splitting_loses_no_document(documents in prop::collection::vec("[a-z]{1,5}: [a-z]{1,5}\n", 1..6)) {
            let text = documents.join("---\n");
            let split: Vec<_> = split(&text).into_iter().map(|it| text[it.range].trim_start_matches("---\n").to_owned()).collect();
            prop_assert_eq!(split, documents);
        }
    }
}
