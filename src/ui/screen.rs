//! A block of lines on a terminal that is drawn again and again in the same place.
//!
//! Each drawing is one write, so that no reader sees a half of it.

use super::Ui;
use super::{escape, table};
use console::Term;
use std::io;

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
