//! What stands in the text around a value: where the first one starts, anchors and tags.

use std::ops::Range;

/// Where the first value of a document starts.
pub(super) fn root_start(text: &str) -> usize {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("---") {
            at += 3;
            break;
        }
        if !line.starts_with('%') && !line.starts_with('#') && !line.trim().is_empty() {
            break;
        }
        at += line.len();
    }
    skip_space(text, at)
}

/// What stands before a value: its anchor and its tag.
pub(super) struct Properties<'t> {
    /// Where the value goes on behind them.
    pub(super) content: usize,
    /// The name of the anchor, if there is one.
    pub(super) anchor: Option<&'t str>,
    /// The tag, if there is one.
    pub(super) tag: Option<Range<usize>>,
}

pub(super) fn properties(text: &str, start: usize) -> Properties<'_> {
    let mut content = start;
    let mut anchor = None;
    let mut tag = None;
    loop {
        let rest = text.get(content..).unwrap_or("");
        if !rest.starts_with(['&', '!']) {
            return Properties { content, anchor, tag };
        }
        let verbatim = rest.starts_with("!<");
        let length = rest
            .find(|c: char| {
                c.is_whitespace() || !verbatim && matches!(c, ',' | '[' | ']' | '{' | '}')
            })
            .unwrap_or(rest.len());
        if rest.starts_with('!') {
            tag = Some(content..content + length);
        } else {
            anchor = Some(&rest[1..length]);
        }
        content = skip_space(text, content + length);
    }
}

/// The name of the alias at the start of a text, if one stands there, with the characters that libyaml takes for a name.
pub(super) fn alias(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('*')?;
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let end = rest.find(|c| !of_a_name(c)).unwrap_or(rest.len());
    let (name, behind) = rest.split_at(end);
    let ends = |c: char| c.is_whitespace() || "?:,]}%@`".contains(c);
    (!name.is_empty() && behind.chars().next().is_none_or(ends)).then_some(name)
}

/// The next byte that is neither space nor comment.
fn skip_space(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        if !trimmed.starts_with('#') {
            return at;
        }
        at += trimmed.find('\n').unwrap_or(trimmed.len());
    }
}
