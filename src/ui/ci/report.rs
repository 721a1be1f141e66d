//! The files of `--report`, by their kind.

use super::super::file::{self, Refused, Sort};
use crate::kinds::is_code_quality;
use std::path::PathBuf;
use std::str::FromStr;

/// What a report is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// GitLab's Code Quality: what was found, at file and line.
    CodeQuality,
    /// Variables for later jobs of a GitLab pipeline.
    Dotenv,
}

impl ReportKind {
    const ALL: [(&'static str, Self); 2] =
        [("codequality", Self::CodeQuality), ("dotenv", Self::Dotenv)];

    /// What its file may be written over.
    fn sort(self) -> Sort {
        match self {
            Self::CodeQuality => Sort { what: "a Code Quality report", is: is_code_quality },
            Self::Dotenv => {
                Sort { what: "a dotenv report", is: |text| text.starts_with("IVS_RUN_") }
            }
        }
    }
}

/// One report: its kind and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is for.
    pub kind: ReportKind,
    /// Where it goes.
    pub path: PathBuf,
}

impl FromStr for Report {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = ReportKind::ALL.map(|(word, _)| format!("`{word}=FILE`")).join(" or ");
        let (word, path) = text.split_once('=').ok_or_else(|| format!("write {known}"))?;
        let kind = ReportKind::ALL.iter().find(|(it, _)| *it == word);
        let (_, kind) = kind.ok_or_else(|| format!("write {known}"))?;
        if path.is_empty() {
            return Err("the name of the file is empty".to_owned());
        }
        Ok(Self { kind: *kind, path: path.into() })
    }
}

impl Report {
    /// Makes sure, before any work is done, that the file may be written.
    ///
    /// # Errors
    /// Where it holds anything but such a report, or is no regular file.
    pub fn may_write(&self) -> Result<(), Refused> {
        file::may_write(&self.path, self.kind.sort())
    }

    /// Writes it, whole, with mode 0644: the runner that uploads it may be another user.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(super) fn write(&self, text: &str) -> Result<(), Refused> {
        file::write_public(&self.path, text, self.kind.sort())
    }
}
