//! How a diagnostic looks: for people, one line each, and for programs.
//!
//! Texts of the user are escaped here. A line that may hold a secret is never shown, nor any line of
//! a file that holds a private key.

use super::escape::{escape, is_command, is_unsafe};
use crate::diag::{Diagnostic, Place, Position, Report, Severity, SourceMap, looks_secret};
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How long a message is at most.
const LONGEST: usize = 1000;

/// How much of a source line is shown.
const WIDTH: usize = 110;

/// For people: each with its line and a caret, then how many there are. Empty for an empty report.
pub fn text(report: &Report, sources: &SourceMap, colour: bool) -> String {
    let renderer = if colour { Renderer::styled().hyperlink(false) } else { Renderer::plain() };
    let renderer = renderer.term_width(WIDTH);
    let mut out = String::new();
    let folds = folded(report, sources);
    for Fold { position, diagnostic, places } in &folds {
        let level = match report.severity(diagnostic) {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title =
            level.primary_title(escape(&diagnostic.message, LONGEST)).id(diagnostic.code.code());
        let mut group = Group::with_title(title);
        group = group.elements(shown(&diagnostic.at, position.as_ref(), None, sources));
        for (place, label) in &diagnostic.also {
            let position = sources.position(place);
            group = group.elements(shown(place, position.as_ref(), Some(label), sources));
        }
        if places.len() > 1 {
            group = group.element(Level::NOTE.message(same(places, sources)));
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(escape(help, LONGEST)));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    if !out.is_empty() {
        out.push_str(&summary(report, &folds));
        out.push('\n');
    }
    out
}

/// One mistake, and every place where it was found.
pub(super) struct Fold<'r> {
    pub(super) position: Option<Position>,
    pub(super) diagnostic: &'r Diagnostic,
    pub(super) places: Vec<&'r Place>,
}

/// One report a mistake, in order: what has the same code, says the same and points at the same other places
/// has the same cause.
pub(super) fn folded<'r>(report: &'r Report, sources: &SourceMap) -> Vec<Fold<'r>> {
    let mut folds: Vec<Fold<'r>> = Vec::new();
    let mut known = BTreeMap::new();
    for (position, diagnostic) in report.sorted(sources) {
        let Diagnostic { code, message, help, also, at } = diagnostic;
        let index = *known.entry((code, message, help, also)).or_insert(folds.len());
        match folds.get_mut(index) {
            Some(fold) => fold.places.push(at),
            None => folds.push(Fold { position, diagnostic, places: vec![at] }),
        }
    }
    folds
}

/// How many of the places of one mistake are named.
const PLACES: usize = 3;

/// `the same in 40 places: a.yaml:3:5, a.yaml:9:5, b.yaml:2:5 and 37 more`.
pub(super) fn same(places: &[&Place], sources: &SourceMap) -> String {
    let named = places.iter().take(PLACES).map(|place| {
        let name = escape(&sources.cited_name(place).unwrap_or_default(), LONGEST);
        match sources.position(place) {
            Some(Position { line, column, .. }) => format!("{name}:{line}:{column}"),
            None => name,
        }
    });
    let named: Vec<String> = named.collect();
    let more = match places.len().saturating_sub(PLACES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("the same in {} places: {}{more}", places.len(), named.join(", "))
}

/// `2 errors, 1 warning`, or `1 error in 40 places`.
pub(super) fn summary(report: &Report, folds: &[Fold<'_>]) -> String {
    let count = |severity: Severity, word: &str| {
        let of_it = || folds.iter().filter(|it| report.severity(it.diagnostic) == severity);
        let (number, places) = (of_it().count(), of_it().map(|it| it.places.len()).sum::<usize>());
        let s = if number == 1 { "" } else { "s" };
        let places = if places > number { format!(" in {places} places") } else { String::new() };
        (number > 0).then(|| format!("{number} {word}{s}{places}"))
    };
    let counts = [count(Severity::Error, "error"), count(Severity::Warning, "warning")];
    counts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A place as annotate-snippets shows it: where it is, and the line with a caret if it may be seen.
fn shown(
    place: &Place,
    position: Option<&Position>,
    label: Option<&String>,
    sources: &SourceMap,
) -> Vec<Element<'static>> {
    let Some(name) = sources.cited_name(place) else { return Vec::new() };
    let name = escape(&name, LONGEST);
    let label = label.map(|it| escape(it, LONGEST));
    if let Some((position, line)) = position.and_then(|it| Some((it, visible_line(it, sources)?))) {
        let kind = match label {
            Some(_) => AnnotationKind::Context,
            None => AnnotationKind::Primary,
        };
        let caret = kind.span(line.start..line.end).label(label);
        let snippet = Snippet::source(line.text).path(name).line_start(position.line);
        return vec![snippet.annotation(caret).into()];
    }
    let mut origin = Origin::path(name);
    if let Some(position) = position {
        origin = origin.line(position.line).char_column(position.column);
    }
    let note = label.map(|it| Level::NOTE.message(it).into());
    std::iter::once(origin.into()).chain(note).collect()
}

/// One line made fit to show, and which of its bytes the caret is under.
struct Line {
    text: String,
    start: usize,
    end: usize,
}

/// Every character stays one character, so that the column shown is the column in the file; what
/// is too wide for a terminal is cut by the renderer.
fn visible_line(position: &Position, sources: &SourceMap) -> Option<Line> {
    if sources.holds_private_key(position.source) {
        return None;
    }
    let raw = sources.line(position.source, position.line)?;
    if looks_secret(raw) {
        return None;
    }
    let caret = position.column.saturating_sub(1);
    let end = caret.saturating_add(position.width.min(WIDTH));
    let mut line = Line { text: String::new(), start: 0, end: 0 };
    for (at, (byte, c)) in raw.char_indices().enumerate().take(end.saturating_add(WIDTH)) {
        if at == caret {
            line.start = line.text.len();
        }
        let hidden = is_unsafe(c) && c != '\t' || is_command(raw, byte);
        line.text.push(if hidden { char::REPLACEMENT_CHARACTER } else { c });
        if at >= caret && at < end {
            line.end = line.text.len();
        }
    }
    if line.end == 0 {
        (line.start, line.end) = (line.text.len(), line.text.len());
    }
    Some(line)
}

/// One line each: `file:line:column: error[E0103]: message`.
pub fn concise(report: &Report, sources: &SourceMap) -> String {
    let mut out = String::new();
    for (position, diagnostic) in report.sorted(sources) {
        if let Some(name) = sources.cited_name(&diagnostic.at) {
            let _ = write!(out, "{}:", escape(&name, LONGEST));
            if let Some(Position { line, column, .. }) = position {
                let _ = write!(out, "{line}:{column}:");
            }
            out.push(' ');
        }
        let severity = report.severity(diagnostic);
        let message = escape(&diagnostic.message, LONGEST);
        let _ = write!(out, "{severity}[{}]: {message}", diagnostic.code);
        if let Some(help) = &diagnostic.help {
            let _ = write!(out, " ({})", escape(help, LONGEST));
        }
        out.push('\n');
    }
    out
}

/// For programs: a list, sorted like the text. Fields that do not apply are null.
pub fn json(report: &Report, sources: &SourceMap) -> Value {
    report
        .sorted(sources)
        .into_iter()
        .map(|(position, diagnostic)| entry(report, sources, position.as_ref(), diagnostic))
        .collect()
}

fn entry(
    report: &Report,
    sources: &SourceMap,
    position: Option<&Position>,
    diagnostic: &Diagnostic,
) -> Value {
    let Diagnostic { code, message, at, also, help } = diagnostic;
    let related: Vec<Value> = also
        .iter()
        .map(|(place, text)| {
            let position = sources.position(place);
            json!({
                "message": text,
                "file": file(place, sources),
                "line": position.as_ref().map(|it| it.line),
                "column": position.as_ref().map(|it| it.column),
                "path": path(place),
            })
        })
        .collect();
    let mut entry = json!({
        "code": code.code(),
        "slug": code.slug(),
        "severity": report.severity(diagnostic).to_string(),
        "message": message,
        "file": file(at, sources),
        "line": position.map(|it| it.line),
        "column": position.map(|it| it.column),
        "path": path(at),
        "help": help,
        "related": related,
    });
    if let Some(file) = sources.document_at(at).and_then(|it| sources.written_in(it)) {
        entry["writtenIn"] = json!(file);
    }
    entry
}

fn file<'s>(place: &Place, sources: &'s SourceMap) -> Option<&'s str> {
    place.source().map(|it| sources.name(it))
}

fn path(place: &Place) -> Option<String> {
    match place {
        Place::Field { path, .. } if !path.is_root() => Some(path.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Code, Origin, SourceId};
    use crate::manifest::source::from_text;

    const TEXT: &str = "kind: Channel\nspec:\n  recordingConfiguration: archiv\n";
    const FIRST: Origin = Origin { source: SourceId(0), document: 0 };

    fn unknown() -> Diagnostic {
        Diagnostic::new(
            Code::UnknownReference,
            Place::value(FIRST, "spec.recordingConfiguration"),
            "no RecordingConfiguration is named `archiv`",
        )
        .help("did you mean `archive`?")
    }

    fn report(diagnostics: impl IntoIterator<Item = Diagnostic>) -> Report {
        let mut report = Report::new();
        report.extend(diagnostics);
        report
    }

    #[test]
    fn people_see_the_line_and_a_caret() {
        let risky = Diagnostic::new(Code::RiskySetting, Place::key(FIRST, "kind"), "a risk")
            .also(Place::key(FIRST, "spec"), "because of this");
        let shown = text(&report([unknown(), risky]), &from_text("a.yaml", TEXT), false);
        assert_eq!(
            shown,
            "\
warning[W0302]: a risk
 --> a.yaml:1:1
  |
1 | kind: Channel
  | ^^^^
  |
 ::: a.yaml:2:1
  |
2 | spec:
  | ---- because of this

error[E0103]: no RecordingConfiguration is named `archiv`
 --> a.yaml:3:27
  |
3 |   recordingConfiguration: archiv
  |                           ^^^^^^
  |
  = help: did you mean `archive`?

1 error, 1 warning
"
        );
    }

    #[test]
    fn one_mistake_is_one_report_with_a_count_and_the_first_places() {
        let at = |line| Place::Position { source: SourceId(0), line, column: 1 };
        let five = (1..=3).chain(1..=2).map(|line| {
            Diagnostic::new(
                Code::UnknownReference,
                at(line),
                "no RecordingConfiguration is named `x`",
            )
        });
        let mut report = Report::new();
        five.enumerate().for_each(|(index, it)| {
            // The same place is shown once.
            report.push(if index < 3 { it } else { it.help("another cause") });
        });
        let shown = text(&report, &from_text("a.yaml", TEXT), false);
        assert_eq!(shown.matches("error[E0103]").count(), 2, "{shown}");
        assert!(
            shown.contains("the same in 3 places: a.yaml:1:1, a.yaml:2:1, a.yaml:3:1"),
            "{shown}"
        );
        assert!(shown.ends_with("2 errors in 5 places\n"), "{shown}");
    }

    #[test]
    fn what_is_in_no_file_has_no_arrow() {
        let nowhere = Diagnostic::new(Code::NoManifests, Place::Nowhere, "no manifests");
        let shown = text(&report([nowhere]), &SourceMap::default(), false);
        assert_eq!(shown, "error[E0008]: no manifests\n\n1 error\n");
        assert_eq!(text(&Report::new(), &SourceMap::default(), true), "");
    }

    #[test]
    fn one_line_and_json_say_the_same() {
        let sources = from_text("a.yaml", TEXT);
        assert_eq!(
            concise(&report([unknown()]), &sources),
            "a.yaml:3:27: error[E0103]: no RecordingConfiguration is named `archiv` \
             (did you mean `archive`?)\n"
        );
        assert_eq!(
            json(&report([unknown()]), &sources),
            json!([{
                "code": "E0103", "slug": "unknown-reference", "severity": "error",
                "message": "no RecordingConfiguration is named `archiv`",
                "file": "a.yaml", "line": 3, "column": 27, "path": "spec.recordingConfiguration",
                "help": "did you mean `archive`?", "related": [],
            }])
        );
    }

    #[test]
    fn names_and_lines_cannot_steer_the_terminal() {
        let sources = from_text("a\u{1b}[2J.yaml", "name: x\u{202e}y\u{1b}]0;z\n");
        let diagnostic =
            Diagnostic::new(Code::InvalidName, Place::value(FIRST, "name"), "bad \u{1b}[31m name");
        for shown in [
            text(&report([diagnostic.clone()]), &sources, false),
            concise(&report([diagnostic]), &sources),
        ] {
            assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
            assert!(shown.contains("\\u{1b}[31m"), "{shown}");
        }
    }

    #[test]
    fn a_line_with_a_secret_is_not_shown() {
        for text_of in [
            "key: sk_us-west-2_AbCdEfGhIjKl\n",
            "key: |\n  -----BEGIN PRIVATE KEY-----\n  sk_us-west-2_AbCdEfGhIjKl\n",
        ] {
            let sources = from_text("a.yaml", text_of);
            let diagnostic = Diagnostic::new(Code::WrongType, Place::key(FIRST, "key"), "wrong");
            let shown = text(&report([diagnostic]), &sources, false);
            assert!(shown.contains("a.yaml:1:1"), "{shown}");
            assert!(!shown.contains("key:") && !shown.contains("AbCd"), "{shown}");
        }
    }

    #[test]
    fn a_long_line_is_trimmed_around_the_caret() {
        let long =
            format!("{{a: \"{}\", b: wrong, c: \"{}\"}}", "x".repeat(5000), "y".repeat(5000));
        let sources = from_text("a.json", long);
        let diagnostic = Diagnostic::new(Code::WrongType, Place::value(FIRST, "b"), "wrong");
        let shown = text(&report([diagnostic]), &sources, false);
        assert!(shown.contains("b: wrong") && shown.contains("^^^^^"), "{shown}");
        assert!(shown.len() < 600, "{shown}");
    }

    #[test]
    fn a_caret_past_the_end_does_no_harm() {
        let sources = from_text("a.yaml", "é\n");
        for (line, column) in [(0, 0), (1, 99), (99, 1), (1, 2)] {
            let place = Place::Position { source: SourceId(0), line, column };
            let _ = text(&report([Diagnostic::new(Code::InvalidYaml, place, "x")]), &sources, true);
        }
    }
}
