//! The dependency graph as text for Graphviz or Mermaid, or as a picture.

mod layout;
mod svg;

use super::escape::escape;
use crate::kinds::spec::named_targets;
use crate::kinds::{Address, Desired};
use crate::plan::{Action, Plan};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What the graph is drawn from: resources, what each refers to, and what happens to it.
#[derive(Debug)]
pub struct Picture<'a> {
    nodes: BTreeMap<&'a Address, Option<Action>>,
    edges: Vec<(&'a Address, &'a Address)>,
}

impl<'a> Picture<'a> {
    /// Declared resources and their references; with a plan, what happens to each, orphans included.
    pub fn new(desired: &'a [Desired], plan: Option<&'a Plan>) -> Self {
        let mut nodes: BTreeMap<&Address, Option<Action>> =
            desired.iter().map(|it| (&it.address, None)).collect();
        for step in plan.iter().flat_map(|it| &it.steps) {
            // The second half of a replacement does not hide its first.
            let entry = nodes.entry(&step.address).or_default();
            if entry.is_none() || step.action == Action::Replace {
                *entry = Some(step.action);
            }
        }
        let mut edges = Vec::new();
        for it in desired {
            for target in named_targets(&it.spec) {
                if let Some((target, _)) = nodes.get_key_value(&target) {
                    edges.push((&it.address, *target));
                }
            }
        }
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
        for (address, action) in &self.nodes {
            let (label, colour) = look(address, *action);
            let _ =
                writeln!(text, "  {:?} [label={label:?}, fillcolor=\"{colour}\"]", name(address));
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
            self.nodes.keys().enumerate().map(|(id, it)| (*it, id)).collect();
        for (address, action) in &self.nodes {
            let (label, colour) = look(address, *action);
            let id = ids[address];
            let _ = writeln!(text, "  n{id}[\"{label}\"]\n  style n{id} fill:{colour}");
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

fn name(address: &Address) -> String {
    escape(&address.to_string(), 128)
}

/// Label and colour; the label names the action as well, since not all readers can tell colours apart.
fn look(address: &Address, action: Option<Action>) -> (String, &'static str) {
    let shown = action.map(|it| format!(" ({})", it.as_str())).unwrap_or_default();
    (format!("{}{shown}", name(address)), colour(action))
}

fn colour(action: Option<Action>) -> &'static str {
    match action {
        None => "#eeeeee",
        Some(Action::Create) => "#c8e6c9",
        Some(Action::Replace) => "#e1bee7",
        Some(Action::Update | Action::Retag | Action::Release) => "#fff59d",
        Some(Action::Adopt | Action::Rename) => "#b2ebf2",
        Some(Action::Delete) => "#ffcdd2",
    }
}
