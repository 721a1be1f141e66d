//! Untrusted text made safe to show on a terminal.
//!
//! Everything from a manifest or from AWS goes through here before it is printed.

/// The text with everything that steers a terminal, or cannot be seen, written as `\u{…}`, and cut
/// to a number of characters. Line feeds are escaped too: the answer is always one line.
pub fn escape(text: &str, cap: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(cap));
    for (count, c) in text.chars().enumerate() {
        if count == cap {
            shown.push('…');
            break;
        }
        if is_unsafe(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
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
    fn ordinary_text_stays_as_it_is() {
        assert_eq!(escape("Zürich 東京 🎥 `x`", 100), "Zürich 東京 🎥 `x`");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(escape("абвгд", 3), "абв…");
        assert_eq!(escape("абв", 3), "абв");
    }
}
