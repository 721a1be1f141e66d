//! The references to values in a text: `${name}`, and `$${` for a plain `${`.
//!
//! No functions and no nesting: the name is all that can stand between the braces.

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    /// Text that stays as it is.
    Text(&'t str),
    /// `$${`, which stands for `${`.
    Escaped,
    /// `${name}`. `nth` counts every `${` of the text, escaped ones too, from 0.
    Value {
        /// The name between the braces.
        name: &'t str,
        /// Which `${` of the text it begins with.
        nth: usize,
    },
    /// A `${` that begins no reference.
    Malformed {
        /// Why not.
        why: Malformed,
        /// Which `${` of the text it is.
        nth: usize,
    },
}

/// Why a `${` begins no reference to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// No `}` comes after it.
    Open,
    /// What stands between the braces is no name.
    NoName(String),
}

/// What a reference begins with.
pub(super) const OPEN: &str = "${";

/// Whether a text can be the name of a value: a letter or `_`, then letters, digits, `_` and `-`, 63 at most.
pub(in super::super) fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    let good = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
    begins && text.len() <= 63 && text.chars().all(good)
}

/// As much of a text as a name and its `}` can take, and more.
fn near(text: &str) -> &str {
    let end = text.char_indices().nth(80).map_or(text.len(), |it| it.0);
    &text[..end]
}

/// The parts of a text, in their order. Takes time with its length only.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut nth = 0;
    let last = text.rfind('}');
    while let Some(at) = rest.find(OPEN) {
        let escaped = rest[..at].ends_with('$');
        let before = &rest[..at - usize::from(escaped)];
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        let inside = &rest[at + OPEN.len()..];
        rest = inside;
        if escaped {
            parts.push(Part::Escaped);
        } else if let Some(end) = near(inside).find('}') {
            let name = &inside[..end];
            if is_name(name) {
                parts.push(Part::Value { name, nth });
            } else {
                parts.push(Part::Malformed { why: Malformed::NoName(name.to_owned()), nth });
            }
            // A second `${` before the `}` is looked at for itself.
            rest = if name.contains(OPEN) { inside } else { &inside[end + 1..] };
        } else {
            let begins_at = text.len() - inside.len();
            let why = match last.filter(|it| *it >= begins_at) {
                Some(_) => Malformed::NoName(near(inside).to_owned()),
                None => Malformed::Open,
            };
            parts.push(Part::Malformed { why, nth });
        }
        nth += 1;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// A text that stands for itself where references are looked for: each `${` as `$${`.
pub(crate) fn escape(text: &str) -> String {
    text.replace(OPEN, "$${")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(name: &str, nth: usize) -> Part<'_> {
        Part::Value { name, nth }
    }

    #[test]
    fn names_in_braces_are_references_and_everything_else_is_text() {
        assert_eq!(parts("${a}"), [value("a", 0)]);
        assert_eq!(
            parts("x-${a-b}${_c}!"),
            [Part::Text("x-"), value("a-b", 0), value("_c", 1), Part::Text("!")]
        );
        assert_eq!(parts("$a {b} $ }"), [Part::Text("$a {b} $ }")]);
        assert_eq!(parts("$${a}${b}"), [Part::Escaped, Part::Text("a}"), value("b", 1)]);
        assert_eq!(parts("$$${a}"), [Part::Text("$"), Part::Escaped, Part::Text("a}")]);
        assert_eq!(parts(""), []);
    }

    #[test]
    fn what_begins_no_reference_is_malformed() {
        let malformed = |text: &str| match parts(text).into_iter().next() {
            Some(Part::Malformed { why, nth: 0 }) => why,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(malformed("${"), Malformed::Open);
        assert_eq!(malformed("${a"), Malformed::Open);
        for name in ["", " a", "a.b", "1a", "a:-b", "é", "upper(a)"] {
            assert_eq!(malformed(&format!("${{{name}}}")), Malformed::NoName(name.to_owned()));
        }
        assert_eq!(
            parts("${a${b}}"),
            [
                Part::Malformed { why: Malformed::NoName("a${b".to_owned()), nth: 0 },
                Part::Text("a"),
                value("b", 1),
                Part::Text("}")
            ]
        );
    }

    proptest! {
        #[test]
        fn an_escaped_text_stands_for_itself(text in "[$\\{\\}a ]{0,12}") {
            let escaped = escape(&text);
            let read: String = parts(&escaped)
                .into_iter()
                .map(|it| match it {
                    Part::Text(text) => text,
                    Part::Escaped => OPEN,
                    other => panic!("{text:?} as {escaped:?}: {other:?}"),
                })
                .collect();
            prop_assert_eq!(read, text);
        }
    }
}
