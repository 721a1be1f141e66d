//! The only room that prints. Standard output is the answer, standard error the talk.
//!
//! Everything that came from AWS or a manifest is escaped here. Decides nothing.

pub mod blame;
mod changed_lines;
pub mod ci;
pub mod diagnostic;
pub mod dotenv;
pub mod drift;
pub mod escape;
pub mod events;
pub mod explain;
pub mod export;
pub mod file;
pub mod fleet;
pub mod graph;
pub mod html;
pub mod init;
pub mod json;
pub mod markdown;
pub mod metrics;
mod notes;
mod on_air;
pub mod output;
pub mod panic;
pub mod plan;
pub mod progress;
pub mod reason;
pub mod saved;
pub mod screen;
pub mod secrets;
pub mod shell;
pub mod status;
mod table;

use anstream::{AutoStream, ColorChoice};
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the reader of standard output has closed its end: there is one standard output for the whole process.
static READER_IS_GONE: AtomicBool = AtomicBool::new(false);

/// Standard output, standard error, and how to write to them.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    colour: ColorChoice,
}

impl Ui {
    /// Streams with colour as asked for; `Auto` looks at the terminal, `NO_COLOR` and `CLICOLOR_FORCE`.
    pub fn new(colour: ColorChoice) -> Self {
        Self { colour }
    }

    /// Writes the answer. A reader that closed its end early, as `head` does, has read what it wanted: that is
    /// no error, and `reader_is_gone` says so from then on.
    pub fn answer(self, text: &str) -> io::Result<()> {
        let mut out = AutoStream::new(io::stdout().lock(), self.colour);
        match out.write_all(escape::guarded(text).as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                READER_IS_GONE.store(true, Ordering::Relaxed);
                Ok(())
            }
            written => written,
        }
    }

    /// Whether the reader of an answer of this process has closed its end.
    pub fn reader_is_gone(self) -> bool {
        READER_IS_GONE.load(Ordering::Relaxed)
    }

    /// Writes secrets as they are to standard output: to a pipe or a file, and never to a terminal, which keeps what it
    /// shows. A reader that did not take them all is an error.
    pub fn hand_over(self, secrets: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(secrets.as_bytes()).and_then(|()| out.flush())
    }

    /// Whether the answer is read on a terminal.
    pub fn answers_terminal(self) -> bool {
        io::stdout().is_terminal()
    }

    /// Writes talk; what cannot be said is dropped.
    pub fn say(self, text: &str) {
        let mut talk = AutoStream::new(io::stderr().lock(), self.colour);
        let text = escape::guarded(text);
        let _ = talk.write_all(text.as_bytes()).and_then(|()| talk.flush());
    }

    /// Whether talk is read by a person.
    pub fn is_watched(self) -> bool {
        io::stderr().is_terminal()
    }

    /// Whether the answer has colours.
    pub fn colours_answer(self) -> bool {
        let choice = AutoStream::new(io::stdout(), self.colour).current_choice();
        !matches!(choice, ColorChoice::Never)
    }

    /// Whether questions can be answered.
    pub fn can_ask(self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Whether diagnostics are drawn in colour.
    pub fn colours_talk(self) -> bool {
        let choice = AutoStream::new(io::stderr(), self.colour).current_choice();
        !matches!(choice, ColorChoice::Never)
    }

    /// Asks until the answer is yes or something else; only `yes` is yes.
    pub fn ask(self, question: &str) -> bool {
        self.say(question);
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).is_ok() && line.trim() == "yes"
    }
}
