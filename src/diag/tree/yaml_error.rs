//! What an error of `yaml_serde` says, as a value. The crate gives its errors no codes (0.10.7), so that their printed
//! form has to be read; only this file reads it, and its tests cause each error, so that another version of the crate
//! fails them.

use super::look::Mark;
use std::fmt::{self, Write as _};

/// The errors that this program explains, or that have a code of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A `: ` where no mapping may stand.
    MappingNotAllowed,
    /// A character that begins no value, such as a tab.
    NoTokenStartsSo,
    /// A line that is neither a key nor an item where one is expected.
    UnexpectedIndent,
    /// An escape of half of a surrogate pair.
    BadEscape,
    /// A quoted text that does not end.
    OpenQuote,
    /// A list or mapping in brackets that goes on without a `,`, or does not end.
    OpenBracket,
    /// A value is missing.
    NoValue,
    /// The name of an anchor or alias is missing.
    NoAnchorName,
    /// A key without `:`.
    NoColon,
    /// The values are nested too deep.
    TooDeep,
    /// The aliases stand for too much.
    TooManyAliases,
    /// Any other.
    Other,
}

/// An error, taken apart.
#[derive(Debug)]
pub(super) struct YamlError {
    pub(super) problem: Problem,
    /// What the crate says, without its place: one of libyaml's fixed phrases, which never quote the text.
    pub(super) phrase: String,
    /// Bytes from the beginning of the text, as far as the crate knows.
    pub(super) offset: usize,
}

impl YamlError {
    pub(super) fn of(error: &serde_yaml::Error) -> Self {
        let full = error.to_string();
        let phrase = full.split(" at line ").next().unwrap_or("");
        let phrase = phrase.split(" at position ").next().unwrap_or("");
        let phrase = phrase.rsplit(": ").next().unwrap_or("").split(", ").next().unwrap_or("");
        let problem = match phrase {
            "mapping values are not allowed in this context" => Problem::MappingNotAllowed,
            "found character that cannot start any token" => Problem::NoTokenStartsSo,
            "did not find expected key" | "did not find expected '-' indicator" => {
                Problem::UnexpectedIndent
            }
            "found invalid Unicode character escape code" => Problem::BadEscape,
            "found unexpected end of stream" => Problem::OpenQuote,
            "did not find expected ',' or '}'" | "did not find expected ',' or ']'" => {
                Problem::OpenBracket
            }
            "did not find expected node content" => Problem::NoValue,
            "did not find expected alphabetic or numeric character" => Problem::NoAnchorName,
            "could not find expected ':'" => Problem::NoColon,
            "recursion limit exceeded" => Problem::TooDeep,
            "repetition limit exceeded" => Problem::TooManyAliases,
            _ => Problem::Other,
        };
        let offset = error.location().map_or(0, |it| it.index());
        Self { problem, phrase: phrase.to_owned(), offset }
    }
}

/// The place an error was raised at. Only its printed form has it while the type is not known.
pub(super) fn place_of(error: &impl fmt::Debug) -> Option<Mark> {
    // Each key and each value is read through here: with room from the start, and no search for more than one character.
    let mut text = String::with_capacity(96);
    write!(text, "{error:?}").ok()?;
    let (rest, column) = text.strip_prefix("Error(")?.strip_suffix(')')?.rsplit_once(' ')?;
    let (rest, line) = rest.strip_suffix(", column:")?.rsplit_once(' ')?;
    rest.ends_with(", line:").then_some(())?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_yaml_crate_is_known_by_its_phrase_and_its_place() {
        let deep = "[".repeat(300);
        let texts = [
            ("a: b: c\n", Problem::MappingNotAllowed),
            ("a:\n\tb: 2\n", Problem::NoTokenStartsSo),
            ("a: 1\n b: 2\n", Problem::MappingNotAllowed),
            ("a: 'x' y\n", Problem::UnexpectedIndent),
            ("- a\nb: c\n", Problem::UnexpectedIndent),
            ("a: \"\\ud800\"\n", Problem::BadEscape),
            ("a: \"x\n", Problem::OpenQuote),
            ("a: {b: c\nd: e\n", Problem::OpenBracket),
            ("a: [b c: d\n", Problem::OpenBracket),
            ("a: [", Problem::NoValue),
            ("a: *\n", Problem::NoAnchorName),
            ("a: 1\nb\nc: 2\n", Problem::NoColon),
            (&deep, Problem::TooDeep),
            ("%YAML 9.9\n---\na: b\n", Problem::Other),
        ];
        for (text, problem) in texts {
            let error = serde_yaml::from_str::<serde_yaml::Value>(text);
            let error = error.expect_err(text);
            let read = YamlError::of(&error);
            assert_eq!(read.problem, problem, "{text:?}: {error} {error:?}");
            assert!(!read.phrase.is_empty() && read.offset <= text.len(), "{text:?}: {read:?}");
        }
    }

    #[test]
    fn an_error_that_was_raised_at_a_value_has_its_line_and_column() {
        let error = serde_yaml::from_str::<std::collections::BTreeMap<String, u8>>("a: 1\nb: x\n");
        assert_eq!(place_of(&error.expect_err("no number")), Some((2, 4)));
    }
}
