//! Manifests that seem to have been renamed without `previousNames`: one resource is created with the spec of one object that
//! no manifest declares any more. Only tells; never takes the object for that of the new name.
//!
//! Specs are compared by hashes, so the work grows with the number of resources and not with that of their pairs. An object
//! that was not read is known by the digest in its tags, and no call is made for it.

use super::action::Action;
use super::step::{Cause, Note, Plan, Step};
use crate::kinds::{Address, Kind, ObservedState, Owner, Spec};
use std::collections::{BTreeMap, BTreeSet};

/// How many digests are made for a kind, of created specs with names of objects that go. Where more would be needed, a
/// created spec has its own display name alone.
const MOST_DIGESTS: usize = 10_000;

/// A note for each resource that is created with the spec of an object that is deleted as an orphan, or stays as one. The
/// display name does not count, nor do fields that AWS never returns. Of several that are alike it is unclear which became which,
/// so nothing is said of them.
pub(super) fn possible_renames(plan: &Plan, observed: &ObservedState) -> Vec<Note> {
    let going = Going::of(plan, observed);
    let mut coming: BTreeMap<(Kind, String), Vec<&Step>> = BTreeMap::new();
    for step in plan.steps.iter().filter(|it| it.action == Action::Create) {
        let kind = step.address.kind;
        if let Some(spec) = step.spec.as_ref().filter(|_| going.names.contains_key(&kind)) {
            coming.entry((kind, spec.hash_without_name())).or_default().push(step);
        }
    }
    let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
    for (kind, _) in coming.keys() {
        *kinds.entry(*kind).or_default() += 1;
    }
    let mut found: BTreeMap<&Address, Vec<&Step>> = BTreeMap::new();
    for ((kind, hash), steps) in &coming {
        let [step] = steps[..] else { continue };
        let Some(spec) = &step.spec else { continue };
        let names = &going.names[kind];
        let names = names.iter().filter(|_| names.len() * kinds[kind] <= MOST_DIGESTS);
        let names: BTreeSet<&str> = names.copied().collect();
        let digests = spec.digests_as(names.into_iter(), &observed.addresses);
        let of_digests = digests.into_iter().filter_map(|it| going.applied.get(&(*kind, it)));
        let of_specs = going.read.get(&(*kind, hash.clone()));
        let alike: BTreeSet<&Address> = of_digests.chain(of_specs).flatten().copied().collect();
        if let Some(from) = alike.first().copied().filter(|_| alike.len() == 1) {
            found.entry(from).or_default().push(step);
        }
    }
    let single = found.into_iter().filter_map(|(from, to)| match to[..] {
        [step] => Some(Note::PossibleRename {
            from: from.clone(),
            to: step.address.clone(),
            at: step.origin,
        }),
        _ => None,
    });
    single.collect()
}

/// The objects that no manifest declares any more.
#[derive(Default)]
struct Going<'a> {
    /// Their names, each of which may be the display name as well.
    names: BTreeMap<Kind, Vec<&'a str>>,
    /// Those that were read, by their spec.
    read: BTreeMap<(Kind, String), Vec<&'a Address>>,
    /// All, by the digest of what was last applied.
    applied: BTreeMap<(Kind, String), Vec<&'a Address>>,
}

impl<'a> Going<'a> {
    fn of(plan: &'a Plan, observed: &ObservedState) -> Self {
        let deleted = plan.steps.iter().filter(|it| it.because == [Cause::Orphan]);
        let deleted = deleted.map(|it| (&it.address, it.before.as_ref(), &it.owner));
        let owned = |it: &'a Address| observed.owned.get(it).map(|object| (it, object));
        let mut going = Self::default();
        for (address, spec, owner) in deleted {
            going.add(address, spec, owner);
        }
        for (address, object) in plan.orphans.iter().filter_map(owned) {
            going.add(address, object.spec.as_ref(), &object.owner());
        }
        going
    }

    fn add(&mut self, address: &'a Address, spec: Option<&Spec>, owner: &Owner) {
        let kind = address.kind;
        self.names.entry(kind).or_default().push(&address.name);
        if let Some(spec) = spec {
            self.read.entry((kind, spec.hash_without_name())).or_default().push(address);
        }
        if let Owner::Stack(owned) = owner {
            self.applied.entry((kind, owned.digest.clone())).or_default().push(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{Account, ROW, Row, pruning};

    const A: &str = "Channel/a";
    const NORMAL: &str = "Channel/b { latencyMode: NORMAL }";
    const ENCODER: &str =
        "IngestConfiguration/old { ingestProtocol: RTMPS, insecureIngest: false }";

    /// The pairs of the notes of a plan: old name, new name.
    fn renames(row: &Row) -> Vec<(String, String)> {
        let notes = row.plan().notes.into_iter();
        let pair = |note| match note {
            Note::PossibleRename { from, to, at } => {
                assert!(at.is_some(), "the manifest of {to} is known");
                Some((from.to_string(), to.to_string()))
            }
            _ => None,
        };
        notes.filter_map(pair).collect()
    }

    fn unread(account: &mut Account) {
        for it in account.0.owned.values_mut() {
            it.spec = None;
        }
    }

    #[test]
    fn a_create_with_the_spec_of_one_object_without_a_manifest_looks_like_a_rename() {
        let pair = |from: &str, to: &str| vec![(from.to_owned(), to.to_owned())];
        let renamed = || pair(A, "Channel/b");
        let rows = [
            (
                Row {
                    when: "with prune",
                    applied: &[A],
                    manifests: &["Channel/b"],
                    policy: pruning,
                    ..ROW
                },
                renamed(),
            ),
            (
                Row {
                    when: "the object stays as an orphan",
                    applied: &[A],
                    manifests: &["Channel/b"],
                    ..ROW
                },
                renamed(),
            ),
            (
                Row {
                    when: "the object was not read, and has its logical name as display name",
                    applied: &[A],
                    manifests: &["Channel/b"],
                    account: unread,
                    ..ROW
                },
                renamed(),
            ),
            (
                Row {
                    when: "the object was not read, and both have one display name",
                    applied: &["Channel/a { name: Main }"],
                    manifests: &["Channel/b { name: Main }"],
                    account: unread,
                    ..ROW
                },
                renamed(),
            ),
            (
                Row {
                    when: "AWS does not return a field in which the two differ",
                    applied: &[ENCODER],
                    manifests: &[
                        "IngestConfiguration/new { ingestProtocol: RTMPS, insecureIngest: true }",
                    ],
                    ..ROW
                },
                pair("IngestConfiguration/old", "IngestConfiguration/new"),
            ),
            (Row { when: "the two differ", applied: &[A], manifests: &[NORMAL], ..ROW }, vec![]),
            (
                Row {
                    when: "the two differ, and the object was not read",
                    applied: &[A],
                    manifests: &[NORMAL],
                    account: unread,
                    ..ROW
                },
                vec![],
            ),
            (
                Row {
                    when: "two come that are alike",
                    applied: &[A],
                    manifests: &["Channel/b", "Channel/c"],
                    ..ROW
                },
                vec![],
            ),
            (
                Row {
                    when: "two go that are alike",
                    applied: &[A, "Channel/c"],
                    manifests: &["Channel/b"],
                    ..ROW
                },
                vec![],
            ),
            (
                Row {
                    when: "two go that are alike, and were not read",
                    applied: &[A, "Channel/c"],
                    manifests: &["Channel/b"],
                    account: unread,
                    ..ROW
                },
                vec![],
            ),
            (
                Row {
                    when: "the former name is written down",
                    applied: &[A],
                    manifests: &["Channel/b | was: [a]"],
                    ..ROW
                },
                vec![],
            ),
            (
                Row {
                    when: "another kind has the same fields",
                    applied: &["Stage/a"],
                    manifests: &["Channel/a"],
                    ..ROW
                },
                vec![],
            ),
        ];
        for (row, expected) in rows {
            let when = row.when;
            assert_eq!(renames(&row), expected, "{when}");
        }
    }

    /// Channels `<prefix>0`, `<prefix>1`, …, of which no two are alike.
    fn channels(prefix: &str, count: usize) -> &'static [&'static str] {
        let one = |it| &*format!("Channel/{prefix}{it} {{ tags: {{ number: \"{it}\" }} }}").leak();
        (0..count).map(one).collect::<Vec<&'static str>>().leak()
    }

    #[test]
    fn many_renames_at_once_are_told_apart_as_long_as_there_are_not_too_many_to_try() {
        type Change = fn(&mut Account);
        let (read, unread): (Change, Change) = (|_| {}, unread);
        // Objects that were not read are tried under each name, up to a limit.
        for (count, account, told) in [(100, unread, 100), (101, read, 101), (101, unread, 0)] {
            let (applied, manifests) = (channels("old", count), channels("new", count));
            let found = renames(&Row { applied, manifests, account, ..ROW });
            assert_eq!(found.len(), told, "{count}");
            assert!(found.iter().all(|(from, to)| from.replace("old", "new") == *to), "{found:?}");
        }
    }
}
