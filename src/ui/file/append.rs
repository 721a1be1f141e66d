//! A file that lines are appended to, each in one write: what a killed run or a full disk leaves are whole lines.

use super::{Refused, Sort, begins_as};
use crate::system::files::is_own_output;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A file that lines are appended to.
#[derive(Debug)]
pub struct Appended {
    path: PathBuf,
    file: File,
    /// Whether the file ends within a line.
    torn: bool,
}

impl Appended {
    /// Opens a file, or makes one. A file that is not empty must begin as one of this sort.
    ///
    /// # Errors
    /// Where it cannot be opened, holds anything else, or is where the answer goes.
    pub fn open(path: &Path, sort: Sort) -> Result<Self, Refused> {
        let io = |source| Refused::Io { path: path.to_owned(), source };
        if path == Path::new("-") {
            return Err(Refused::Dash);
        }
        let there = std::fs::metadata(path).ok();
        if there.as_ref().is_some_and(is_own_output) {
            return Err(Refused::Stream(path.to_owned()));
        }
        // A pipe or a device is written to as it is.
        let mut torn = false;
        if there.is_some_and(|it| it.is_file() && it.len() > 0) {
            let mut file = File::open(path).map_err(io)?;
            if !begins_as(&mut file, sort).map_err(io)? {
                return Err(Refused::Foreign(path.to_owned(), sort.what));
            }
            let mut last = [0];
            file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(io)?;
            torn = last != *b"\n";
        }
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(io)?;
        Ok(Self { path: path.to_owned(), file, torn })
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line in one write. A part of it, as a full disk leaves it, is taken back where nothing follows it;
    /// else the next line begins on a line of its own.
    ///
    /// # Errors
    /// Where the line, or a part of it, could not be written.
    pub fn append(&mut self, line: &str) -> io::Result<()> {
        let line = if self.torn { format!("\n{line}\n") } else { format!("{line}\n") };
        let length = self.length();
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            let error = match self.file.write(rest) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(written) => {
                    rest = &rest[written..];
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let written = line.len() - rest.len();
            if written > 0 && !self.take_back(length, written) {
                self.torn = true;
            }
            return Err(error);
        }
        self.torn = false;
        Ok(())
    }

    /// Shortens the file by what was written after it had this length, unless another run has appended to it as well.
    fn take_back(&self, before: Option<u64>, written: usize) -> bool {
        let Some(before) = before else { return false };
        let after = before + written as u64;
        self.length() == Some(after) && self.file.set_len(before).is_ok()
    }

    /// The length of a regular file, in bytes.
    pub fn length(&self) -> Option<u64> {
        self.file.metadata().ok().filter(Metadata::is_file).map(|it| it.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SORT: Sort = Sort { what: "a note", is: |text| text.starts_with("note") };

    #[test]
    fn a_line_never_follows_a_part_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let whole = "note 1\n";
        fs::write(&path, format!("{whole}not")).unwrap();
        let mut file = Appended::open(&path, SORT).unwrap();
        file.append("x").unwrap();
        file.append("y").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{whole}not\nx\ny\n"));
    }

    #[test]
    fn a_part_of_a_line_is_taken_back_unless_another_run_wrote_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut file = Appended::open(&path, SORT).unwrap();
        file.append("whole").unwrap();
        let before = file.length();
        fs::write(&path, "whole\npart").unwrap();
        assert!(file.take_back(before, 4));
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\n");
        fs::write(&path, "whole\npartother\n").unwrap();
        assert!(!file.take_back(before, 4));
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\npartother\n");
    }
}
