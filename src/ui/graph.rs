//! The dependency graph as text for Graphviz or Mermaid, or as a picture.

use super::escape::escape;
use crate::kinds::spec::named_targets;
use crate::kinds::{Address, Desired};
use crate::plan::graph::depths;
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

    /// A picture: one column per depth, what is needed first on the left.
    pub fn svg(&self) -> String {
        const BOX: (usize, usize) = (260, 34);
        const STEP: (usize, usize) = (340, 54);
        let depths = depths(self.nodes.keys().copied(), self.edges.iter().copied())
            .unwrap_or_else(|_| BTreeMap::new());
        let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
        let mut places: BTreeMap<&Address, (usize, usize)> = BTreeMap::new();
        for address in self.nodes.keys() {
            let column = depths.get(address).copied().unwrap_or(0);
            let row = rows.entry(column).or_default();
            places.insert(address, (20 + column * STEP.0, 20 + *row * STEP.1));
            *row += 1;
        }
        let width = 20 + (rows.len().max(1)) * STEP.0;
        let height = 20 + rows.values().max().copied().unwrap_or(1) * STEP.1;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n"
        );
        for (from, to) in &self.edges {
            let (from, to) = (places[from], places[to]);
            let _ = writeln!(
                text,
                "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"#888\"/>",
                to.0 + BOX.0,
                to.1 + BOX.1 / 2,
                from.0,
                from.1 + BOX.1 / 2
            );
        }
        for (address, action) in &self.nodes {
            let (x, y) = places[address];
            let (label, colour) = look(address, *action);
            let label = label.replace('&', "&amp;").replace('<', "&lt;");
            let _ = writeln!(
                text,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"4\" fill=\"{colour}\" \
                 stroke=\"#444\"/><text x=\"{}\" y=\"{}\">{label}</text>",
                BOX.0,
                BOX.1,
                x + 8,
                y + 22
            );
        }
        text.push_str("</svg>\n");
        text
    }
}

fn name(address: &Address) -> String {
    escape(&address.to_string(), 128)
}

/// Label and colour; the label says the action too, since colour alone is not for everybody.
fn look(address: &Address, action: Option<Action>) -> (String, &'static str) {
    let colour = match action {
        None => "#eeeeee",
        Some(Action::Create) => "#c8e6c9",
        Some(Action::Replace) => "#e1bee7",
        Some(Action::Update | Action::Retag | Action::Release) => "#fff59d",
        Some(Action::Adopt | Action::Rename) => "#b2ebf2",
        Some(Action::Delete) => "#ffcdd2",
    };
    let action = action.map(|it| format!(" ({})", it.as_str())).unwrap_or_default();
    (format!("{}{action}", name(address)), colour)
}
