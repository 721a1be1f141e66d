//! Targets among the manifests of a run, where they have no effect: an error where the command line names their file, since
//! they are meant then, and one warning for those that are found in a folder.

use crate::diag::{Code, Diagnostic, Origin, Place, SourceMap};

/// What is said of these Targets.
pub(in super::super) fn without_effect(
    targets: &[Origin],
    sources: &SourceMap,
) -> Option<Diagnostic> {
    let in_folder = |it: &Origin| sources.get(it.source).is_some_and(|source| source.in_folder);
    let help = "give it with `--target FILE#NAME`, or run `fleet` on all of them";
    if let Some(named) = targets.iter().find(|it| !in_folder(it)) {
        let message = "a Target is no manifest, and `-f` takes manifests";
        let place = Place::value(*named, "kind");
        return Some(Diagnostic::new(Code::MisplacedTarget, place, message).help(help));
    }
    let first = targets.first()?;
    let message = match targets.len() {
        1 => "this Target has no effect on the run".to_owned(),
        count => format!("{count} Targets have no effect on the run, this one among them"),
    };
    let place = Place::value(*first, "kind");
    Some(Diagnostic::new(Code::UnusedTarget, place, message).help(help))
}
