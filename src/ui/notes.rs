//! The notes of a plan: what a reader has to know that is no step.

use super::escape::escape;
use super::plan::CAP;
use super::reason::{self, moment, on_air};
use crate::diag::{FieldPath, Place, SourceMap};
use crate::kinds::owner::PREFIX;
use crate::kinds::{Address, Kind};
use crate::plan::{DuplicateCopy, Note, Plan, Selected};

/// Longest sentence of a note.
const LONGEST: usize = 3 * CAP;

/// A note in words, escaped.
#[derive(Clone, Debug)]
pub(super) struct NoteText {
    /// The sentence.
    pub sentence: String,
    /// The objects that it is about, one a line.
    pub objects: Vec<String>,
}

/// The notes of a plan, and one for its orphans.
pub(super) fn notes(plan: &Plan, sources: &SourceMap) -> Vec<NoteText> {
    let mut notes: Vec<NoteText> = plan.notes.iter().map(|it| note(it, sources)).collect();
    if !plan.orphans.is_empty() {
        let stay = plan.orphans.iter().any(|it| it.kind.facts().created_by.is_some());
        let stay = if stay { "; a stream key stays with its channel and is released" } else { "" };
        notes.push(sentence(&format!(
            "orphaned (no manifest): {}; not deleted without `--prune`, which also searches kinds that no manifest \
             uses{stay}",
            list(&plan.orphans)
        )));
    }
    notes
}

fn sentence(text: &str) -> NoteText {
    NoteText { sentence: escape(text, LONGEST), objects: Vec::new() }
}

fn note(note: &Note, sources: &SourceMap) -> NoteText {
    match note {
        Note::Selected(selected) => sentence(&self::selected(selected)),
        Note::Duplicate { address, copies, clear } => {
            let counts =
                if *clear { "the first one counts" } else { "which one is meant is ambiguous" };
            let objects = copies.iter().map(|it| escape(&duplicate_copy(it), LONGEST)).collect();
            let text = format!("{} objects are {address}; {counts}", copies.len());
            NoteText { objects, ..sentence(&text) }
        }
        Note::Ambiguous { arn } => {
            sentence(&format!("{arn} has only some of the `{PREFIX}` tags; it is not changed"))
        }
        Note::UndeclaredKeys { channels } => sentence(&undeclared_keys(channels)),
        Note::PossibleRename { from, to, at } => {
            let at = at.and_then(|it| sources.cited(&Place::value(it, NAME)));
            sentence(&possible_rename(from, to, at.as_deref()))
        }
        Note::UnknownEnumValue { address, path } => sentence(&unknown_enum_value(address, path)),
        Note::ManyDeletes { deletes, of } => sentence(&format!(
            "{deletes} of {of} resources of the stack would be deleted: confirm with `--confirm-deletes {deletes}`"
        )),
        Note::Freeze { freeze, effect } => sentence(&reason::freeze(freeze, effect)),
        Note::NothingExists { missing } => sentence(&nothing_exists(*missing)),
        Note::Quota { kind, wanted, quota } => sentence(&self::quota(*kind, *wanted, *quota)),
    }
}

/// Stream keys that stay as they are.
fn undeclared_keys(channels: &[Address]) -> String {
    let keys = if channels.len() == 1 { "stream key" } else { "stream keys" };
    format!("orphaned (no manifest): {keys} of {}; not released without `--prune`", list(channels))
}

/// What part of the stack a run is about.
pub(super) fn selected(selected: &Selected) -> String {
    let Selected { chosen, needed, left_out, others } = selected;
    let mut said = format!("{} selected", chosen.len());
    if !needed.is_empty() {
        said.push_str(&format!(", with what that needs: {}", list(needed)));
    }
    if !left_out.is_empty() {
        said.push_str(&format!("; left out with what they need: {}", list(left_out)));
    }
    let s = if *others == 1 { "" } else { "s" };
    said.push_str(&format!("; {others} other{s} not selected, and nothing is pruned"));
    said
}

/// Where the name of a manifest stands, and its former names belong.
pub(super) const NAME: &str = "metadata.name";

fn possible_rename(from: &Address, to: &Address, at: Option<&str>) -> String {
    let at = at.map(|it| format!(" at {it}")).unwrap_or_default();
    format!(
        "this looks like a rename: {to} is created with the spec of {from}, which no manifest declares any more; to keep \
         the object with its ARN, URLs and keys, add `previousNames: [{}]` to the metadata of {to}{at}",
        from.name
    )
}

/// A stack of which no object is there.
pub(super) fn nothing_exists(missing: usize) -> String {
    let resources = if missing == 1 { "1 is".to_owned() } else { format!("{missing} are") };
    format!(
        "no resource of the stack exists, but {resources} declared: the stack was never applied, or was deleted outside \
         ivs-apply; this is not counted as drift"
    )
}

/// More objects than the account may have.
pub(super) fn quota(kind: Kind, wanted: u32, quota: u32) -> String {
    format!(
        "{wanted} objects of kind {kind} exceed the quota of {quota}, so nothing will be written"
    )
}

/// A field that a newer version may understand.
pub(super) fn unknown_enum_value(address: &Address, path: &FieldPath) -> String {
    format!(
        "{path} of {address} has a value that this version does not know; it stays unchanged: a newer version \
         may manage it"
    )
}

/// The first few of many.
fn list<'a, L: IntoIterator<Item = &'a Address, IntoIter: ExactSizeIterator>>(
    addresses: L,
) -> String {
    let addresses = addresses.into_iter();
    let more = addresses.len().saturating_sub(5);
    let names: Vec<String> = addresses.take(5).map(ToString::to_string).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

/// One of several objects with one name, on one line.
fn duplicate_copy(it: &DuplicateCopy) -> String {
    let mut parts = vec![it.arn.to_string()];
    match (&it.made, it.minutes) {
        (Some(made), Some(minutes)) => {
            parts.push(format!("made {} ({minutes} min ago)", moment(*made)));
        }
        _ => parts.push("its creation time is unknown".to_owned()),
    }
    parts.extend(it.url.clone());
    parts.extend(it.audience.as_ref().map(on_air));
    if !it.referrers.is_empty() {
        parts.push(format!("referred to by {}", it.referrers.join(", ")));
    }
    parts.join("; ")
}
