//! Globs: the one dialect of patterns, for tag keys (`ignoreTags`) and for addresses on the command line.
//!
//! `*` stands for any run of characters, `?` for one, `[ab]` and `[!ab]` for one of these and one of no other than
//! these, `{a,b}` for either, and `\` takes the character after it as it is. A glob matches the whole text. `globset`
//! works on bytes: a letter outside ASCII is several of them, so `?` and `[ab]` are for ASCII.

use globset::GlobMatcher;
use std::str::FromStr;

/// A glob that has been parsed.
#[derive(Clone, Debug)]
pub struct Glob(GlobMatcher);

impl Glob {
    /// As it was written.
    pub fn text(&self) -> &str {
        self.0.glob().glob()
    }

    /// Whether it matches the whole of `text`.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl FromStr for Glob {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let glob = globset::Glob::new(text).map_err(|error| error.kind().to_string())?;
        Ok(Self(glob.compile_matcher()))
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Glob {
        text.parse().expect("a glob")
    }

    #[test]
    fn a_glob_matches_the_whole_text() {
        for (pattern, text, yes) in [
            ("aws-*", "aws-x", true),
            ("*", "", true),
            ("cost:*", "costs", false),
            ("cost:*", "cost:team/euw1", true),
            ("a*c*e", "abcde", true),
            ("a*c", "abcd", false),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("a*a", "a", false),
            ("*é", "café", true),
            ("show-?", "show-1", true),
            ("show-?", "show-12", false),
            ("[ab]x", "bx", true),
            ("[!ab]x", "bx", false),
            ("{Stage,Composition}/*", "Stage/main", true),
            ("{Stage,Composition}/*", "Channel/main", false),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
        ] {
            assert_eq!(glob(pattern).matches(text), yes, "{pattern} {text}");
        }
    }

    #[test]
    fn a_malformed_glob_is_refused() {
        for bad in ["[", "{a", "a}", "\\"] {
            assert!(bad.parse::<Glob>().is_err(), "{bad}");
        }
    }
}
