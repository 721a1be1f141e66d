//! Rows of aligned columns with a text at their end, which is wrapped below where a terminal is narrow.
//!
//! Cells hold text that is escaped already; widths are those on a terminal, where some characters take two columns.

use anstyle::Style;
use console::measure_text_width;

/// One row.
pub(super) struct Row {
    /// The columns, each with its style.
    pub(super) cells: Vec<(String, Style)>,
    /// The text at the end.
    pub(super) detail: String,
}

/// The space before a row, and between columns.
const GAP: usize = 2;
/// The space before the lines of a text that does not fit beside its columns.
const INDENT: usize = 6;
/// The least width of a text beside its columns.
const LEAST: usize = 24;

/// The widths of the columns, and of all of them together.
fn widths(rows: &[Row]) -> (Vec<usize>, usize) {
    let columns = rows.iter().map(|it| it.cells.len()).max().unwrap_or(0);
    let column = |at: usize| {
        let cells = rows.iter().filter_map(|it| it.cells.get(at));
        cells.map(|(text, _)| measure_text_width(text)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(column).collect();
    let head = GAP + widths.iter().map(|it| it + GAP).sum::<usize>();
    (widths, head)
}

/// The columns of a row.
fn aligned(cells: &[(String, Style)], widths: &[usize]) -> String {
    let mut line = " ".repeat(GAP);
    for ((text, style), column) in cells.iter().zip(widths) {
        let pad = column - measure_text_width(text) + GAP;
        line.push_str(&format!("{style}{text}{style:#}{}", " ".repeat(pad)));
    }
    line
}

/// The rows as lines, one a row: of the text at its end only what fits.
pub(super) fn brief(rows: &[Row], width: Option<usize>) -> Vec<String> {
    let (widths, head) = widths(rows);
    let fits = |detail: &str| match width {
        Some(width) => cut(detail, width.saturating_sub(head)),
        None => detail.to_owned(),
    };
    let line = |it: &Row| format!("{}{}", aligned(&it.cells, &widths), fits(&it.detail));
    rows.iter().map(|it| line(it).trim_end().to_owned()).collect()
}

/// The rows as lines, each no wider than `width`; one line a row where the width is not limited.
pub(super) fn lines(rows: &[Row], width: Option<usize>) -> Vec<String> {
    let (widths, head) = widths(rows);
    let mut lines = Vec::new();
    for Row { cells, detail } in rows {
        match width {
            Some(width) if head + LEAST > width => {
                let most = width.saturating_sub(GAP);
                let mut left = most;
                let mut line = " ".repeat(GAP.min(width));
                for (text, style) in cells {
                    let text = cut(text, left);
                    left = left.saturating_sub(measure_text_width(&text) + GAP);
                    line.push_str(&format!("{style}{text}{style:#}{}", " ".repeat(GAP.min(left))));
                }
                lines.push(line.trim_end().to_owned());
                let indent = INDENT.min(width / 4);
                let wrapped = wrap(detail, width - indent);
                lines.extend(wrapped.iter().map(|it| format!("{}{it}", " ".repeat(indent))));
            }
            _ => {
                let mut line = aligned(cells, &widths);
                let mut wrapped = match width {
                    Some(width) => wrap(detail, width - head),
                    None => vec![detail.clone()],
                }
                .into_iter();
                line.push_str(&wrapped.next().unwrap_or_default());
                lines.push(line.trim_end().to_owned());
                lines.extend(wrapped.map(|it| format!("{}{it}", " ".repeat(head))));
            }
        }
    }
    lines
}

/// A text on lines no wider than `width`, broken at spaces where that is possible.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|it| !it.is_empty()) {
        let wide = measure_text_width(&line) + 1 + measure_text_width(word);
        if !line.is_empty() && wide > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if measure_text_width(&line) + measure_text_width(c.encode_utf8(&mut [0; 4])) > width
                && !line.is_empty()
            {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// As much of a text as fits, with a sign that some is cut off.
pub(super) fn cut(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    for c in text.chars() {
        let next = measure_text_width(c.encode_utf8(&mut [0; 4]));
        if measure_text_width(&shown) + next + 1 > width {
            break;
        }
        shown.push(c);
    }
    if width > 0 {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: &str, address: &str, detail: &str) -> Row {
        let plain = |it: &str| (it.to_owned(), Style::new());
        Row { cells: vec![plain(state), plain(address)], detail: detail.to_owned() }
    }

    #[test]
    fn a_row_is_one_line_where_the_width_is_not_limited() {
        let rows = [row("in sync", "Channel/a", ""), row("pending", "Stage/東京", "a b c")];
        assert_eq!(
            lines(&rows, None),
            ["  in sync  Channel/a", "  pending  Stage/東京  a b c"],
            "東京 is four columns wide, so `Stage/東京` is the wider cell"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let long = "a-name-that-is-as-long-as-a-name-may-be-and-no-shorter-than-that";
        let rows = [
            row("deferred", &format!("Channel/{long}"), &"word ".repeat(30)),
            row("in sync", "Stage/東京東京東京", &"東".repeat(70)),
        ];
        for width in [10, 20, 33, 60, 80, 200] {
            for line in lines(&rows, Some(width)) {
                assert!(measure_text_width(&line) <= width, "{width}: `{line}`");
            }
        }
    }

    #[test]
    fn a_text_is_wrapped_beside_its_columns_or_below_them() {
        let rows = [row("deferred", "Channel/a", "one two three four five six seven eight")];
        assert_eq!(
            lines(&rows, Some(50)),
            [
                "  deferred  Channel/a  one two three four five six",
                "                       seven eight"
            ]
        );
        assert_eq!(
            lines(&rows, Some(40)),
            ["  deferred  Channel/a", "      one two three four five six seven", "      eight"]
        );
    }
}
