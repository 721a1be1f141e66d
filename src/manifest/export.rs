//! A live account as manifests: names for everything, references by name, ready to be taken over.

use crate::diag::{Origin, SourceId};
use crate::kinds::{Address, Book, Desired, Kind, Lifecycle, Live, LiveState, Owner, Stack};
use std::collections::{BTreeMap, BTreeSet};

/// What stays out of an export, and why.
#[derive(Debug, PartialEq)]
pub struct LeftOut<'a> {
    /// The object.
    pub live: &'a Live,
    /// Why nobody is to take it over.
    pub why: String,
}

/// Gives every object that nobody else owns a logical name: the one it has in this stack, else its display
/// name where that is free, else that with its id.
pub fn names(live: &LiveState) -> (Book, Vec<LeftOut<'_>>) {
    let mut book = Book::default();
    let mut left_out = Vec::new();
    let mut taken: BTreeSet<Address> = live.owned.keys().cloned().collect();
    for (address, it) in &live.owned {
        book.note(address.clone(), it.arn.clone());
    }
    let mut display: BTreeMap<(Kind, String), usize> = BTreeMap::new();
    let strangers: Vec<(&Live, String)> =
        live.others.values().map(|it| (it, display_name(it))).collect();
    for (it, name) in &strangers {
        *display.entry((it.kind, name.clone())).or_default() += 1;
    }
    for (it, name) in strangers {
        let owner = it.owner();
        let failed =
            it.kind.facts().usable.filter(|(_, failed)| it.state.as_deref() == Some(failed));
        let why = match failed {
            _ if owner != Owner::Nobody => Some(format!("it belongs to {owner}")),
            Some((_, state)) => {
                Some(format!("creation failed at AWS ({state}), so it is of no use"))
            }
            None => None,
        };
        if let Some(why) = why {
            left_out.push(LeftOut { live: it, why });
            continue;
        }
        let id = it.arn.id();
        let unique = !name.is_empty() && display[&(it.kind, name.clone())] == 1;
        let mut address = Address::new(it.kind, name.clone());
        if !unique || taken.contains(&address) {
            let short: String = name.chars().take(40).collect();
            let name = if name.is_empty() { id.to_owned() } else { format!("{short}-{id}") };
            address = Address::new(it.kind, name.chars().take(63).collect::<String>());
        }
        taken.insert(address.clone());
        book.note(address, it.arn.clone());
    }
    (book, left_out)
}

fn display_name(live: &Live) -> String {
    let name = live.body.clone().and_then(|mut it| it.name_mut().cloned().flatten());
    let name: String = name.unwrap_or_default().chars().take(63).collect();
    let good = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if name.chars().all(good) { name } else { String::new() }
}

/// Declares every object of `objects`, by the names of `book`; what is not ours yet is to be adopted.
pub fn declare<'a>(
    objects: impl IntoIterator<Item = &'a Live>,
    book: &Book,
    stack: &Stack,
) -> Vec<Desired> {
    let mut declared: Vec<Desired> = objects
        .into_iter()
        .filter_map(|it| {
            let address = book.address(&it.arn)?.clone();
            let owned = it.owner().in_stack(&stack.name).cloned();
            Some(Desired {
                address,
                body: it.body.clone()?,
                labels: BTreeMap::new(),
                previous_names: Vec::new(),
                lifecycle: Lifecycle {
                    protect: owned.as_ref().is_some_and(|it| it.protect),
                    adopt: owned.is_none().then(|| it.arn.as_str().to_owned()),
                    ..Lifecycle::default()
                },
                name_is_default: false,
                origin: Origin { source: SourceId(0), document: 0 },
            })
        })
        .collect();
    declared.sort_by(|a, b| a.address.cmp(&b.address));
    declared
}
