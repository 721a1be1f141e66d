//! The dependency graph as text for Graphviz or Mermaid, or as a picture.

mod layout;
mod svg;

use super::escape::escape;
use crate::kinds::spec::named_targets;
use crate::kinds::{Address, Desired};
use crate::plan::{Action, Approval, Attention, Decision, NotDrift, Plan};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What is drawn of a resource beside its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    /// A step of a plan, and whether it is carried out.
    Step(Action, Verdict),
    /// Drift that `drift` counts.
    Drift(Attention),
    /// It is declared and missing, which `drift` does not count.
    NotCounted,
}

/// Whether a step is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Do,
    Interrupt,
    Deferred,
    Dormant,
    Blocked,
    Unmanaged,
}

/// The border of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Border {
    Plain,
    /// Nothing is done now.
    Dashed,
    /// Needs a person.
    Alarm,
}

impl Verdict {
    fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Do => Self::Do,
            Decision::Interrupt => Self::Interrupt,
            Decision::Deferred(_) => Self::Deferred,
            Decision::Dormant(_) => Self::Dormant,
            Decision::Blocked(_) => Self::Blocked,
            Decision::Unmanaged(_) => Self::Unmanaged,
        }
    }

    /// From the word of a saved plan, which has no blocked and no unmanaged steps.
    fn saved(word: &str) -> Self {
        match word {
            "interrupt" => Self::Interrupt,
            "deferred" => Self::Deferred,
            "dormant" => Self::Dormant,
            _ => Self::Do,
        }
    }

    /// What follows the action; it has to fit into a box.
    fn suffix(self) -> &'static str {
        match self {
            Self::Do => "",
            Self::Interrupt => ", interrupts",
            Self::Deferred => " deferred",
            Self::Dormant => " dormant",
            Self::Blocked => " blocked",
            Self::Unmanaged => " unmanaged",
        }
    }
}

impl Mark {
    /// In words, since not all readers can tell colours apart.
    fn words(self) -> String {
        match self {
            Self::Step(action, verdict) => format!("{}{}", action.as_str(), verdict.suffix()),
            Self::Drift(Attention::Live) => "live, changed outside".to_owned(),
            Self::Drift(Attention::Changed) => "changed outside".to_owned(),
            Self::Drift(Attention::Gone) => "deleted outside".to_owned(),
            Self::Drift(Attention::Missing) => "missing".to_owned(),
            Self::Drift(Attention::Degraded) => "degraded".to_owned(),
            Self::Drift(Attention::Unclear) => "unclear".to_owned(),
            Self::Drift(Attention::Failed) => "creation failed".to_owned(),
            Self::NotCounted => "missing, not counted".to_owned(),
        }
    }

    /// The class of its box, and the colour where there is no style sheet.
    fn colour(self) -> (&'static str, &'static str) {
        match self {
            Self::Step(Action::Create, _) => ("create", "#c8e6c9"),
            Self::Step(Action::Replace, _) => ("replace", "#e1bee7"),
            Self::Step(Action::Update | Action::Retag | Action::Release, _)
            | Self::Drift(Attention::Live | Attention::Changed | Attention::Degraded) => {
                ("update", "#fff59d")
            }
            Self::Step(Action::Adopt | Action::Rename, _) => ("adopt", "#b2ebf2"),
            Self::Step(Action::Delete, _)
            | Self::Drift(
                Attention::Gone | Attention::Missing | Attention::Unclear | Attention::Failed,
            ) => ("delete", "#ffcdd2"),
            Self::NotCounted => UNCHANGED,
        }
    }

    fn border(self) -> Border {
        match self {
            Self::Step(_, Verdict::Interrupt | Verdict::Blocked) | Self::Drift(Attention::Live) => {
                Border::Alarm
            }
            Self::Step(_, Verdict::Deferred | Verdict::Dormant | Verdict::Unmanaged)
            | Self::NotCounted => Border::Dashed,
            Self::Step(_, Verdict::Do) | Self::Drift(_) => Border::Plain,
        }
    }
}

/// Class and colour of a box with nothing to say.
const UNCHANGED: (&str, &str) = ("unchanged", "#eeeeee");

/// What the graph is drawn from: resources, what each refers to, and what happens or has happened to it.
#[derive(Debug)]
pub struct Picture {
    nodes: BTreeMap<Address, Option<Mark>>,
    edges: Vec<(Address, Address)>,
}

impl Picture {
    /// Declared resources and their references; with a plan, what happens to each, orphans included.
    pub fn new(desired: &[Desired], plan: Option<&Plan>) -> Self {
        let steps = plan.iter().flat_map(|it| &it.steps);
        let steps = steps.map(|it| (it.address.clone(), it.action, Verdict::of(&it.decision)));
        Self::declared(desired, marks(steps))
    }

    /// Declared resources and their references, and which of them have drifted.
    pub fn of_drift(desired: &[Desired], plan: &Plan, others: &NotDrift) -> Self {
        let drifted = plan.steps.iter().map(|it| (it.address.clone(), Mark::Drift(it.attention())));
        let missing = others.missing.iter().map(|it| (it.address.clone(), Mark::NotCounted));
        Self::declared(desired, missing.chain(drifted).collect())
    }

    /// The steps of a saved plan, and what their specs refer to.
    pub fn saved(approval: &Approval) -> Self {
        let steps = approval.steps.iter().filter_map(|it| {
            let address: Address = it.address.parse().ok()?;
            Some((address, it.action, Verdict::saved(&it.decision)))
        });
        let specs = approval.steps.iter().filter_map(|it| {
            let address: Address = it.address.parse().ok()?;
            let spec = address.kind.from_json(it.spec.clone()?)?;
            Some((address, named_targets(&spec)))
        });
        let specs: Vec<(Address, Vec<Address>)> = specs.collect();
        // What a spec names and no step is about exists, and remains as it is.
        let named = specs.iter().flat_map(|(_, targets)| targets).map(|it| (it.clone(), None));
        let marks = marks(steps).into_iter().map(|(address, mark)| (address, Some(mark)));
        Self::linked(named.chain(marks).collect(), specs)
    }

    fn declared(desired: &[Desired], marks: BTreeMap<Address, Mark>) -> Self {
        let declared = desired.iter().map(|it| (it.address.clone(), None));
        let marks = marks.into_iter().map(|(address, mark)| (address, Some(mark)));
        let targets = desired.iter().map(|it| (it.address.clone(), named_targets(&it.spec)));
        Self::linked(declared.chain(marks).collect(), targets)
    }

    fn linked(
        nodes: BTreeMap<Address, Option<Mark>>,
        targets: impl IntoIterator<Item = (Address, Vec<Address>)>,
    ) -> Self {
        let mut edges: Vec<(Address, Address)> = targets
            .into_iter()
            .flat_map(|(from, targets)| targets.into_iter().map(move |to| (from.clone(), to)))
            .filter(|(_, to)| nodes.contains_key(to))
            .collect();
        edges.sort();
        edges.dedup();
        Self { nodes, edges }
    }

    /// How many resources it shows.
    pub fn boxes(&self) -> usize {
        self.nodes.len()
    }

    /// Graphviz.
    pub fn dot(&self) -> String {
        let mut text = String::from(
            "digraph ivs {\n  rankdir=LR\n  node [shape=box, style=filled, fontname=\"sans-serif\"]\n",
        );
        for (address, mark) in &self.nodes {
            let (label, colour) = look(address, *mark);
            let border = match mark.map(Mark::border) {
                None | Some(Border::Plain) => "",
                Some(Border::Dashed) => ", style=\"filled,dashed\"",
                Some(Border::Alarm) => ", color=\"#c62828\", penwidth=2",
            };
            let _ = writeln!(
                text,
                "  {:?} [label={label:?}, fillcolor=\"{colour}\"{border}]",
                name(address)
            );
        }
        for (from, to) in &self.edges {
            let _ = writeln!(text, "  {:?} -> {:?}", name(from), name(to));
        }
        text.push_str("}\n");
        text
    }

    /// Mermaid.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        let ids: BTreeMap<&Address, usize> =
            self.nodes.keys().enumerate().map(|(id, it)| (it, id)).collect();
        for (address, mark) in &self.nodes {
            let (label, colour) = look(address, *mark);
            let border = match mark.map(Mark::border) {
                None | Some(Border::Plain) => "",
                Some(Border::Dashed) => ",stroke-dasharray:5 4",
                Some(Border::Alarm) => ",stroke:#c62828,stroke-width:2px",
            };
            let id = ids[address];
            let _ = writeln!(text, "  n{id}[\"{label}\"]\n  style n{id} fill:{colour}{border}");
        }
        for (from, to) in &self.edges {
            let _ = writeln!(text, "  n{} --> n{}", ids[from], ids[to]);
        }
        text
    }

    /// A picture: one column for each depth, with the resources that others need on the left.
    pub fn svg(&self) -> String {
        svg::svg(self)
    }
}

/// What happens to each resource. The second half of a replacement does not hide its first.
fn marks(steps: impl Iterator<Item = (Address, Action, Verdict)>) -> BTreeMap<Address, Mark> {
    let mut marks: BTreeMap<Address, Mark> = BTreeMap::new();
    for (address, action, verdict) in steps {
        let mark = Mark::Step(action, verdict);
        if action == Action::Replace {
            marks.insert(address, mark);
        } else {
            marks.entry(address).or_insert(mark);
        }
    }
    marks
}

fn name(address: &Address) -> String {
    escape(&address.to_string(), 128)
}

/// Label and colour.
fn look(address: &Address, mark: Option<Mark>) -> (String, &'static str) {
    let shown = mark.map(|it| format!(" ({})", it.words())).unwrap_or_default();
    let (_, colour) = mark.map_or(UNCHANGED, Mark::colour);
    (format!("{}{shown}", name(address)), colour)
}
