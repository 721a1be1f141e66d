//! The flags that select a part of the manifests, for every command that has them.

use super::completions::patterns;
use super::failure::Failure;
use crate::manifest::Loaded;
use crate::plan::Terms;
use crate::plan::selection::{Nothing, Pattern, Selected, Selection};
use clap_complete::ArgValueCompleter;

/// Which part of the manifests a run is about.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SelectionArgs {
    /// Only what matches, such as `Channel/*`
    ///
    /// What it needs comes with it, and nothing is pruned.
    #[arg(long, value_name = "GLOB", value_delimiter = ' ', add = ArgValueCompleter::new(patterns), env = "IVS_APPLY_ONLY")]
    only: Vec<Pattern>,
    /// Leave out what matches, such as `*/test-?`
    ///
    /// What depends on it stays out with it, and nothing is pruned.
    #[arg(long, value_name = "GLOB", value_delimiter = ' ', add = ArgValueCompleter::new(patterns), env = "IVS_APPLY_EXCLUDE")]
    exclude: Vec<Pattern>,
    /// Only what has this label in its metadata
    ///
    /// What it needs comes with it, and nothing is pruned.
    #[arg(short = 'l', long = "selector", value_name = "KEY=VALUE", value_parser = label, value_delimiter = ',', env = "IVS_APPLY_SELECTOR")]
    labels: Vec<(String, String)>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE, such as team=sports")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl SelectionArgs {
    /// The form that a saved plan keeps.
    pub(super) fn terms(&self) -> Terms {
        let texts = |patterns: &[Pattern]| patterns.iter().map(|it| it.text().to_owned()).collect();
        Terms {
            only: texts(&self.only),
            exclude: texts(&self.exclude),
            labels: self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
            ..Terms::default()
        }
    }

    pub(super) fn selection(&self) -> Selection {
        let Self { only, exclude, labels } = self.clone();
        Selection { only, exclude, labels }
    }
}

/// What `selection` comes to in these manifests; `None` where it is everything.
pub(super) fn select(selection: &Selection, loaded: &Loaded) -> Result<Option<Selected>, Failure> {
    if selection.is_everything() {
        return Ok(None);
    }
    Ok(Some(selection.of(&loaded.desired)?))
}

impl From<Nothing> for Failure {
    fn from(nothing: Nothing) -> Self {
        let failure = Self::error(nothing.message);
        match nothing.help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}
