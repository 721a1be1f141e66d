//! Untrusted text made safe to show on a terminal.
//!
//! Everything from a manifest or from AWS goes through here before it is printed.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

/// The text with everything that steers a terminal or a CI's log, or cannot be seen, written as `\u{…}`, and
/// cut to a number of characters. Line feeds are escaped too: the answer is always one line.
pub fn escape(text: &str, cap: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(cap));
    for (count, (at, c)) in text.char_indices().enumerate() {
        if count == cap {
            shown.push('…');
            break;
        }
        if is_unsafe(c) || is_command(text, at) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A JSON text with everything of that kind written as `\u…`, which says the same to a reader of JSON: such
/// characters can stand inside its strings only. Line feeds between its members stay.
pub fn json(text: &str) -> String {
    quoted(text, |c, shown| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(shown, "\\u{unit:04x}");
        }
    })
}

/// The same of YAML as this program writes it, where all that is no plain word stands in double quotes.
pub fn yaml(text: &str) -> String {
    quoted(text, |c, shown| {
        let _ = match u32::from(c) {
            code @ ..=0xffff => write!(shown, "\\u{code:04x}"),
            code => write!(shown, "\\U{code:08x}"),
        };
    })
}

fn quoted(text: &str, code: impl Fn(char, &mut String)) -> String {
    let mut shown = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if (is_unsafe(c) && c != '\n') || is_command(text, at) {
            code(c, &mut shown);
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Text on its way out, with what may have slipped through elsewhere written as `\u{…}`. Line feeds, tabs and
/// this program's own colours stay.
pub(super) fn guarded(text: &str) -> Cow<'_, str> {
    let passes =
        |at: usize, c: char| matches!(c, '\n' | '\t') || c == '\u{1b}' && is_colour(&text[at..]);
    let is_clean = text.char_indices().all(|(at, c)| !is_unsafe(c) || passes(at, c));
    if is_clean {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if is_unsafe(c) && !passes(at, c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Whether a text begins with a sequence that sets a colour or a weight, and does nothing else to a terminal.
fn is_colour(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("\u{1b}[") else { return false };
    let end = rest.find(|it: char| !it.is_ascii_digit() && it != ';');
    end.is_some_and(|end| rest[end..].starts_with('m'))
}

/// Standard error for what is written piece by piece, such as a log.
#[derive(Debug, Default)]
pub struct GuardedTalk;

impl io::Write for GuardedTalk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        io::stderr().lock().write_all(guarded(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// Whether a command to a CI begins here: GitHub and Azure look for `##[` and `##vso[` anywhere in a line, for
/// `::` where the line begins.
pub(super) fn is_command(text: &str, at: usize) -> bool {
    let (before, rest) = text.split_at(at);
    rest.starts_with("##[")
        || rest.get(..6).is_some_and(|it| it.eq_ignore_ascii_case("##vso["))
        || (rest.starts_with("::") && before.chars().all(char::is_whitespace))
}

/// Control characters, what turns the direction of writing, and what has no width.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::{escape, guarded, json};

    #[test]
    fn a_json_text_says_the_same_without_a_character_that_steers() {
        let value = serde_json::json!({
            "a\u{9b}b": "\u{1b}[2J\u{202e}\u{7f}\u{e0041} ##[error] ##vso[x] \u{feff}", "é": "東京 🎥",
        });
        let shown = json(&format!("{value:#}\n"));
        assert!(shown.chars().all(|it| it == '\n' || !super::is_unsafe(it)), "{shown:?}");
        assert!(!shown.contains("##") && shown.contains("東京 🎥"), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"), value);
    }

    #[test]
    fn only_colours_and_line_feeds_leave_as_they_are() {
        assert_eq!(guarded("\u{1b}[1;31mred\u{1b}[0m\n\tx"), "\u{1b}[1;31mred\u{1b}[0m\n\tx");
        assert_eq!(guarded("\u{1b}[2Ja\u{1b}]0;t\u{7}\r"), "\\u{1b}[2Ja\\u{1b}]0;t\\u{7}\\u{d}");
        assert_eq!(guarded("a\u{202e}\u{9b}31m"), "a\\u{202e}\\u{9b}31m");
        assert_eq!(guarded("\u{1b}["), "\\u{1b}[");
    }

    #[test]
    fn what_steers_a_terminal_is_written_out() {
        assert_eq!(escape("a\u{1b}[31mb", 100), "a\\u{1b}[31mb");
        assert_eq!(escape("a\nb\tc\u{7f}\u{9b}", 100), "a\\u{a}b\\u{9}c\\u{7f}\\u{9b}");
        assert_eq!(escape("x\u{202e}y\u{200b}z\u{2066}", 100), "x\\u{202e}y\\u{200b}z\\u{2066}");
    }

    #[test]
    fn what_a_ci_takes_for_a_command_is_broken() {
        assert_eq!(escape("a ##[error] b", 100), "a \\u{23}#[error] b");
        assert_eq!(escape("a##VSO[task.setvariable]x", 100), "a\\u{23}#VSO[task.setvariable]x");
        assert_eq!(escape(" ::set-output name=a::b", 100), " \\u{3a}:set-output name=a::b");
        assert_eq!(escape("arn:aws:s3:::bucket ## [x]", 100), "arn:aws:s3:::bucket ## [x]");
        assert_eq!(escape("###[x]", 100), "#\\u{23}#[x]");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        assert_eq!(escape("Zürich 東京 🎥 `x`", 100), "Zürich 東京 🎥 `x`");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(escape("абвгд", 3), "абв…");
        assert_eq!(escape("абв", 3), "абв");
    }
}
