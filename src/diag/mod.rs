//! What is wrong with the user's text.
//!
//! The modules of higher layers report *what* is wrong by document and path inside it (`Place`);
//! lines and columns are found here, and only when a diagnostic is shown. Nothing is printed
//! here, and nothing is read from disk. The design is in `docs/architecture.md`.

mod code;
pub mod locate;
mod path;
mod source;
mod suggest;
pub mod tree;

pub use code::{Code, Severity};
pub use locate::locate;
pub use path::{FieldPath, Segment};
pub use source::{DocumentSpan, Folder, Origin, Position, Source, SourceId, SourceMap, list_items};
pub use suggest::suggest;

use std::fmt;

/// Which of the two the caret shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The name of the field.
    Key,
    /// What the field holds.
    Value,
}

/// Where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In no file: on the command line, or in what several files say together.
    Nowhere,
    /// In a file as a whole.
    File(SourceId),
    /// At a line and column of a file; both from 1, columns in characters.
    Position {
        /// The file.
        source: SourceId,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// At a field of a document. A path that leads nowhere shows the nearest thing around it.
    Field {
        /// The document.
        origin: Origin,
        /// The way into it.
        path: FieldPath,
        /// Key or value.
        part: Part,
    },
}

impl Place {
    /// The name of a field.
    pub fn key(origin: Origin, path: impl Into<FieldPath>) -> Self {
        Self::Field { origin, path: path.into(), part: Part::Key }
    }

    /// What a field holds.
    pub fn value(origin: Origin, path: impl Into<FieldPath>) -> Self {
        Self::Field { origin, path: path.into(), part: Part::Value }
    }

    /// The file, if it is in one.
    pub fn source(&self) -> Option<SourceId> {
        match self {
            Self::Nowhere => None,
            Self::File(source) | Self::Position { source, .. } => Some(*source),
            Self::Field { origin, .. } => Some(origin.source),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Which rule.
    pub code: Code,
    /// What, in one sentence without a full stop. Holds user text unescaped: escape to show it.
    pub message: String,
    /// Where.
    pub at: Place,
    /// Other places that have to do with it, each with a few words.
    pub also: Vec<(Place, String)>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// With a code, a place and a message; help and other places are added.
    pub fn new(code: Code, at: Place, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), at, also: Vec::new(), help: None }
    }

    /// With what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With "did you mean", where one of the candidates is near enough.
    #[must_use]
    pub fn did_you_mean<'a>(
        self,
        word: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        match suggest(word, candidates) {
            Some(found) => self.help(format!("did you mean `{found}`?")),
            None => self,
        }
    }

    /// With another place that has to do with it.
    #[must_use]
    pub fn also(mut self, place: Place, text: impl Into<String>) -> Self {
        self.also.push((place, text.into()));
        self
    }

    /// Error or warning, as the code says. `Report::severity` knows of `--deny-warnings`.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// Everything that is wrong, in the order it was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    found: Vec<Diagnostic>,
    deny_warnings: bool,
}

impl Report {
    /// Nothing found yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, unless the very same was said a moment ago (a document is read twice: first its
    /// envelope, then whole).
    pub fn push(&mut self, diagnostic: Diagnostic) {
        const RECENT: usize = 64;
        if !self.found.iter().rev().take(RECENT).any(|it| *it == diagnostic) {
            self.found.push(diagnostic);
        }
    }

    /// Adds several.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        for diagnostic in diagnostics {
            self.push(diagnostic);
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there are errors, denied warnings included.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// The errors, denied warnings included.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.iter().filter(|it| self.severity(it) == Severity::Error)
    }

    /// What does not.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.iter().filter(|it| self.severity(it) == Severity::Warning)
    }

    /// All, in the order they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.found.iter()
    }

    /// Changes each of them, in the order they were found.
    pub fn amend(&mut self, change: impl FnMut(&mut Diagnostic)) {
        self.found.iter_mut().for_each(change);
    }

    /// From now on warnings are errors, those already found too.
    pub fn deny_warnings(&mut self) {
        self.deny_warnings = true;
    }

    /// How bad one of its diagnostics is, warnings being denied or not.
    pub fn severity(&self, diagnostic: &Diagnostic) -> Severity {
        if self.deny_warnings { Severity::Error } else { diagnostic.severity() }
    }

    /// All with their positions, sorted by file, line and column; those without a position first.
    pub fn sorted(&self, sources: &SourceMap) -> Vec<(Option<Position>, &Diagnostic)> {
        let mut all: Vec<_> = self.iter().map(|it| (sources.position(&it.at), it)).collect();
        all.sort_by_key(|(position, it)| {
            (it.at.source(), position.as_ref().map(|it| (it.line, it.column)), it.code)
        });
        all
    }
}

impl<'a> IntoIterator for &'a Report {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Report {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.found.into_iter()
    }
}

/// Separates the parts of a refusal; a control character, so no manifest can hold it.
const MARK: char = '\u{1}';

/// For a hand-written `Deserialize`: the value is refused with this code and message.
///
/// The place is the value being read. Text of the manifest in the message should go through
/// [`quote`]. `parse` takes the parts out again; every other deserializer sees the message.
pub fn refuse<E: serde::de::Error>(code: Code, message: impl fmt::Display) -> E {
    E::custom(format_args!("{MARK}{code}{MARK}{message}"))
}

/// As [`refuse`], with what to do about it.
pub fn refuse_with_help<E: serde::de::Error>(
    code: Code,
    message: impl fmt::Display,
    help: impl fmt::Display,
) -> E {
    E::custom(format_args!("{MARK}{code}{MARK}{message}{MARK}{help}"))
}

/// Takes a refusal apart: code, message, help.
pub(crate) fn refusal(text: &str) -> Option<(Code, &str, Option<&str>)> {
    let (number, rest) = text.strip_prefix(MARK)?.split_once(MARK)?;
    let code = Code::ALL.iter().find(|it| it.code() == number)?;
    Some(match rest.split_once(MARK) {
        Some((message, help)) => (*code, message, Some(help)),
        None => (*code, rest, None),
    })
}

/// User text for a message: in backticks, at most 40 characters, never a secret.
pub fn quote(text: &str) -> String {
    const LONGEST: usize = 40;
    if looks_secret(text) {
        return "`(hidden)`".to_owned();
    }
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Whether a text looks like something that must not be shown: stream keys, participant and chat
/// tokens, AWS keys, PEM blocks. Rather too often than too seldom: what is hidden is still located.
pub fn looks_secret(text: &str) -> bool {
    const BEGINNINGS: [&str; 5] = ["sk_", "rt_", "AKIA", "ASIA", "eyJ"];
    text.contains("-----BEGIN")
        || text.contains("PRIVATE KEY")
        || BEGINNINGS.iter().any(|beginning| {
            text.match_indices(beginning).any(|(at, _)| {
                // At the start of a word, and followed by enough to be one.
                !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                    && text[at + beginning.len()..]
                        .chars()
                        .take(8)
                        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
                        .count()
                        == 8
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_warnings_are_errors() {
        let mut report = Report::new();
        report.push(Diagnostic::new(Code::RiskySetting, Place::Nowhere, "a risk"));
        assert!(!report.has_errors());
        assert_eq!(report.warnings().count(), 1);
        report.deny_warnings();
        assert!(report.has_errors());
        assert_eq!(report.warnings().count(), 0);
    }

    #[test]
    fn the_same_is_not_said_twice() {
        let mut report = Report::new();
        let one = Diagnostic::new(Code::WrongType, Place::Nowhere, "one");
        report.extend([one.clone(), one.clone(), one.help("else")]);
        assert_eq!(report.len(), 2);
    }

    #[test]
    fn a_quote_is_short_and_never_a_secret() {
        assert_eq!(quote("LOW"), "`LOW`");
        assert_eq!(quote(&"ж".repeat(50)), format!("`{}…`", "ж".repeat(40)));
        for secret in [
            "sk_us-west-2_AbCdEfGh",
            "x=sk_us-west-2_AbCdEfGh",
            "AKIAIOSFODNN7EXAMPLE",
            "rt_AbCdEfGh1234",
            "-----BEGIN PRIVATE KEY-----",
        ] {
            assert_eq!(quote(secret), "`(hidden)`", "{secret}");
        }
        for harmless in ["ask_the_audience", "sk_", "desk_lamp_collection", "ASIA"] {
            assert_eq!(quote(harmless), format!("`{harmless}`"));
        }
    }

    #[test]
    fn a_refusal_comes_apart_again() {
        let error: serde::de::value::Error =
            refuse_with_help(Code::UnknownWord, "invalid value `x`", "use `y`");
        let text = error.to_string();
        let parts = refusal(&text);
        assert_eq!(parts, Some((Code::UnknownWord, "invalid value `x`", Some("use `y`"))));
        assert_eq!(refusal("plain"), None);
    }
}
