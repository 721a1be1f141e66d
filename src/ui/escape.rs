//! Untrusted text made safe to show on a terminal.
//!
//! Everything from a manifest or from AWS goes through here before it is printed.

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
    use super::escape;

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
