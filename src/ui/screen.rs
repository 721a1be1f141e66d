//! A block of lines on a terminal that is drawn again and again in the same place, and what of a view fits into it.
//!
//! Each drawing is one write, so that no reader sees a half of it.

use super::Ui;
use super::{escape, table};
use anstyle::Style;
use console::Term;
use std::io;
use std::time::Duration;

/// The block.
#[derive(Debug)]
pub struct Screen {
    term: Term,
    coloured: bool,
    /// How many lines were drawn last, and the size of the terminal then.
    drawn: usize,
    size: (usize, usize),
}

impl Screen {
    /// A block that begins where the cursor stands.
    pub fn new(ui: Ui) -> Self {
        let term = Term::buffered_stdout();
        let _ = term.hide_cursor().and_then(|()| term.flush());
        let size = size(&term);
        Self { term, coloured: ui.colours_answer(), drawn: 0, size }
    }

    /// Rows and columns of the terminal.
    pub fn size(&self) -> (usize, usize) {
        size(&self.term)
    }

    /// Draws the block in the place of the one before.
    pub fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let size = self.size();
        if size == self.size {
            self.term.move_cursor_up(self.drawn)?;
        } else {
            // A terminal of another size has wrapped what was drawn before, in a way of its own.
            self.term.clear_screen()?;
        }
        (self.drawn, self.size) = (lines.len(), size);
        for line in lines {
            let line = escape::guarded(line);
            let plain = anstream::adapter::strip_str(&line).to_string();
            // A line that takes two rows would not be drawn over.
            let short = table::cut(&plain, size.1);
            self.term.clear_line()?;
            let whole = self.coloured && short == plain;
            self.term.write_line(if whole { &line } else { &short })?;
        }
        self.term.clear_to_end_of_screen()?;
        self.term.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // What the terminal echoes of Ctrl-C stands on this line.
        let _ = self.term.write_line("").and_then(|()| self.term.show_cursor());
        let _ = self.term.flush();
    }
}

/// The columns of the terminal that standard output is; `None` where it is no terminal.
pub fn width() -> Option<usize> {
    let term = Term::stdout();
    term.is_term().then(|| size(&term).1)
}

/// Rows and columns; those of the smallest usual terminal where it does not say.
fn size(term: &Term) -> (usize, usize) {
    let (rows, columns) = term.size_checked().unwrap_or((24, 80));
    (usize::from(rows), usize::from(columns))
}

/// A view in parts, of which a small terminal shows as much of the body as fits.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Of which stack it is.
    pub head: Vec<String>,
    /// Rows; what needs attention comes first.
    pub body: Vec<String>,
    /// The same with one line a row.
    pub brief: Vec<String>,
    /// What it comes to.
    pub foot: Vec<String>,
    /// When it was read.
    pub read: String,
    /// When it is read again.
    pub again: Option<String>,
}

impl Parts {
    /// All lines.
    pub fn lines(&self) -> Vec<String> {
        let dim = Style::new().dimmed();
        let again = self.again.as_ref().map(|it| format!("; {it}")).unwrap_or_default();
        let read = vec![format!("{dim}{}{again}{dim:#}", self.read)];
        [&self.head[..], &self.body, &self.foot, &read].concat()
    }

    /// All lines as one text.
    pub fn text(&self) -> String {
        self.lines().join("\n") + "\n"
    }

    /// As many lines as fit into so many rows. Where not all do: one line a row; where that is too much as well, of the
    /// head the first line, and of the body as many as there is room for.
    pub fn within(&self, rows: usize) -> Vec<String> {
        let brief = Self { body: self.brief.clone(), ..self.clone() };
        let mut lines = self.lines();
        if lines.len() > rows {
            lines = brief.lines();
        }
        if lines.len() <= rows {
            return lines;
        }
        let head = self.head.iter().take(1).cloned().collect();
        let mut short = Self { head, ..brief };
        short.body.retain(|it| !it.is_empty());
        let rest = short.lines().len() - short.body.len();
        let fit = rows.saturating_sub(rest + 1);
        let more = short.body.len().saturating_sub(fit);
        if rest + short.body.len() > rows {
            let s = if more == 1 { "" } else { "s" };
            short.body.truncate(fit);
            short.body.push(format!("… and {more} more line{s} (all of them without `--watch`)"));
        }
        lines = short.lines();
        lines.truncate(rows);
        lines
    }

    /// The same, read some time ago: the account could not be read since.
    #[must_use]
    pub fn out_of_date(self, for_how_long: Duration) -> Self {
        if self.read.is_empty() {
            return self;
        }
        let read = format!("OUT OF DATE: {}, {} s ago", self.read, for_how_long.as_secs());
        Self { read, again: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_terminal_shows_the_first_rows_and_says_how_many_it_leaves_out() {
        let lines = |word: &str, count| (0..count).map(|it| format!("{word} {it}")).collect();
        let mut parts = Parts {
            head: lines("head", 2),
            body: lines("long", 60),
            brief: lines("row", 30),
            foot: lines("sum", 2),
            read: "Read".to_owned(),
            again: None,
        };
        parts.brief.insert(1, String::new());
        let shown = parts.within(10);
        assert_eq!(shown.len(), 10);
        assert_eq!([&shown[0], &shown[1], &shown[5]], ["head 0", "row 0", "row 4"]);
        assert!(shown[6].contains("and 25 more lines"), "{shown:?}");
        assert_eq!(shown[8], "sum 1");
        assert_eq!(parts.within(65), parts.lines());
        let brief = parts.within(36);
        assert_eq!([brief.len(), brief.iter().filter(|it| it.contains("row")).count()], [36, 30]);
        let tight = parts.within(34);
        assert_eq!((tight.len(), tight[1].as_str(), tight[30].as_str()), (34, "row 0", "row 29"));
        assert_eq!(parts.within(3).len(), 3);
    }
}
