//! What the command line gives: `--set` and the files of `--values`.

use super::reference::is_name;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The values that a command line gives.
#[derive(Clone, Debug, Default)]
pub struct GivenValues {
    /// The files of `--values`; a later one comes before an earlier one.
    pub files: Vec<PathBuf>,
    /// `--set`, which comes before the files; of one name the last.
    pub set: Vec<Setting>,
}

/// One `--set name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The name.
    pub name: String,
    /// The text of the value.
    pub value: String,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) =
            text.split_once('=').ok_or("write it as `name=value`, such as `region=us-west-2`")?;
        if !is_name(name) {
            return Err(
                "the name is not 1 to 63 letters, digits, `_` and `-` with a letter or `_` first"
                    .to_owned(),
            );
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}
