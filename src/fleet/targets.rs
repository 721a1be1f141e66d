//! The targets of a fleet: sorted, selected, put into queues, and those found that contradict each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The unit of AWS's rate limits: targets of one account and region run one after another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Account, twelve digits.
    pub account: String,
    /// Region.
    pub region: String,
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

/// Why a target that could be read is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Other documents have the same name: where.
    SameName(Vec<String>),
    /// Other targets have the same account, region and stack: their names.
    SameStack(Vec<String>),
}

impl Fault {
    /// The other documents: where they are, or their names.
    pub fn others(&self) -> &[String] {
        match self {
            Self::SameName(places) => places,
            Self::SameStack(names) => names,
        }
    }
}

/// A target that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `metadata.name`.
    pub name: String,
    /// The file of its document, as `--target FILE#NAME` takes it.
    pub file: String,
    /// Where its document is: `FILE:LINE:COLUMN`.
    pub place: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// Account and region.
    pub queue: Queue,
    /// The stack, where the document names it.
    pub stack: Option<String>,
    /// The path of the manifests, which decide the stack where the document names none.
    pub manifests: String,
    /// The wave of `apply`.
    pub wave: u32,
    /// A hash of the document, by which a resumed run knows that it has changed.
    pub digest: String,
    /// Why it is not run.
    pub fault: Option<Fault>,
}

impl Entry {
    /// What `--target` takes.
    pub fn reference(&self) -> String {
        format!("{}#{}", self.file, self.name)
    }

    /// What no two targets may have in common.
    fn stack_of(&self) -> (&Queue, Option<&str>, Option<&str>) {
        let manifests = self.stack.is_none().then_some(self.manifests.as_str());
        (&self.queue, self.stack.as_deref(), manifests)
    }
}

/// A document that is no target, though it should be one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unread {
    /// Where it is.
    pub place: String,
    /// Its name, as far as one could be read.
    pub name: Option<String>,
    /// What is wrong with it.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Which targets a run is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those that have all of these labels.
    pub labels: Vec<(String, String)>,
    /// Those of this wave.
    pub wave: Option<u32>,
}

/// The targets of a fleet, in an order that depends on nothing but the documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Those that could be read: by wave, then by name.
    pub targets: Vec<Entry>,
    /// Those that could not. Neither wave nor labels of them are known, so every selection has them.
    pub unread: Vec<Unread>,
}

impl Fleet {
    /// The documents as a fleet. Of two with one name, or with one account, region and stack, neither is run: nobody
    /// can tell which one is meant, and two runs of one stack would undo each other's work.
    pub fn new(mut targets: Vec<Entry>, mut unread: Vec<Unread>) -> Self {
        targets.sort_by(|one, other| {
            (one.wave, &one.name, &one.place).cmp(&(other.wave, &other.name, &other.place))
        });
        unread.sort();
        let mut names: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut stacks: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, it) in targets.iter().enumerate() {
            names.entry(&it.name).or_default().push(at);
            stacks.entry(it.stack_of()).or_default().push(at);
        }
        let others = |all: &[usize], own: usize, told: fn(&Entry) -> String| -> Vec<String> {
            all.iter().filter(|it| **it != own).map(|it| told(&targets[*it])).collect()
        };
        let faults: Vec<Option<Fault>> = (0..targets.len())
            .map(|at| {
                let it = &targets[at];
                let named = others(&names[it.name.as_str()], at, |it| it.place.clone());
                let of_stack = others(&stacks[&it.stack_of()], at, |it| it.name.clone());
                match (named.is_empty(), of_stack.is_empty()) {
                    (false, _) => Some(Fault::SameName(named)),
                    (true, false) => Some(Fault::SameStack(of_stack)),
                    (true, true) => None,
                }
            })
            .collect();
        for (it, fault) in targets.iter_mut().zip(faults) {
            it.fault = fault;
        }
        Self { targets, unread }
    }

    /// The part that a selection is about.
    #[must_use]
    pub fn selected(mut self, selection: &Selection) -> Self {
        self.targets.retain(|it| {
            selection.wave.is_none_or(|wave| it.wave == wave)
                && selection.labels.iter().all(|(key, value)| it.labels.get(key) == Some(value))
        });
        self
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.unread.is_empty()
    }

    /// The targets of each queue, in their order.
    pub fn queues(&self) -> BTreeMap<&Queue, Vec<&Entry>> {
        let mut queues: BTreeMap<&Queue, Vec<&Entry>> = BTreeMap::new();
        for it in &self.targets {
            queues.entry(&it.queue).or_default().push(it);
        }
        queues
    }

    /// The waves that there are, in their order.
    pub fn waves(&self) -> Vec<u32> {
        let mut waves: Vec<u32> = self.targets.iter().map(|it| it.wave).collect();
        waves.dedup();
        waves
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn entry(name: &str, account: u64, wave: u32) -> Entry {
        Entry {
            name: name.to_owned(),
            file: "targets.yaml".to_owned(),
            place: format!("targets.yaml:{}:1", name.len()),
            labels: BTreeMap::new(),
            queue: Queue { account: format!("{account:012}"), region: "us-west-2".to_owned() },
            stack: Some(name.to_owned()),
            manifests: "manifests".to_owned(),
            wave,
            digest: "0".to_owned(),
            fault: None,
        }
    }

    #[test]
    fn the_order_is_that_of_waves_and_names_whatever_the_order_of_the_documents() {
        let all = [entry("b", 1, 1), entry("a", 2, 2), entry("c", 1, 1), entry("d", 3, 0)];
        let fleet = Fleet::new(all.to_vec(), Vec::new());
        let names =
            |it: &Fleet| -> Vec<String> { it.targets.iter().map(|it| it.name.clone()).collect() };
        assert_eq!(names(&fleet), ["d", "b", "c", "a"]);
        let reversed = all.iter().rev().cloned().collect();
        assert_eq!(Fleet::new(reversed, Vec::new()), fleet);
        assert_eq!(fleet.waves(), [0, 1, 2]);
    }

    #[test]
    fn of_two_targets_with_one_name_or_one_stack_neither_is_run() {
        let twice = |place: &str| Entry { place: place.to_owned(), ..entry("a", 1, 1) };
        let of = |name: &str, stack: Option<&str>, manifests: &str| Entry {
            stack: stack.map(str::to_owned),
            manifests: manifests.to_owned(),
            ..entry(name, 2, 1)
        };
        let fleet = Fleet::new(
            vec![
                twice("one.yaml:1:1"),
                twice("two.yaml:1:1"),
                of("b", Some("live"), "x"),
                of("c", Some("live"), "y"),
                of("d", None, "x"),
                of("e", None, "x"),
                of("f", None, "y"),
                entry("live", 3, 1),
            ],
            Vec::new(),
        );
        let faults: Vec<_> =
            fleet.targets.iter().map(|it| (it.name.as_str(), it.fault.clone())).collect();
        let place = |it: &str| Some(Fault::SameName(vec![it.to_owned()]));
        let stack = |it: &str| Some(Fault::SameStack(vec![it.to_owned()]));
        assert_eq!(
            faults,
            [
                ("a", place("two.yaml:1:1")),
                ("a", place("one.yaml:1:1")),
                ("b", stack("c")),
                ("c", stack("b")),
                ("d", stack("e")),
                ("e", stack("d")),
                ("f", None),
                ("live", None),
            ]
        );
    }

    #[test]
    fn a_selection_never_leaves_out_what_could_not_be_read() {
        let unread = Unread {
            place: "x.yaml:1:1".to_owned(),
            name: None,
            message: "broken".to_owned(),
            help: None,
        };
        let mut labelled = entry("b", 1, 2);
        labelled.labels.insert("env".to_owned(), "prod".to_owned());
        let fleet = Fleet::new(vec![entry("a", 1, 1), labelled], vec![unread.clone()]);
        let env = |value: &str| Selection {
            labels: vec![("env".to_owned(), value.to_owned())],
            wave: None,
        };
        let chosen = fleet.clone().selected(&env("prod"));
        assert_eq!(chosen.targets.len(), 1);
        assert_eq!(chosen.unread, [unread]);
        assert!(fleet.clone().selected(&env("dev")).targets.is_empty());
        let wave = Selection { labels: Vec::new(), wave: Some(1) };
        assert_eq!(fleet.selected(&wave).targets[0].name, "a");
    }
}
