//! Order: of resources by what they refer to, of steps by what must be done before.
//!
//! Knows names and numbers, not resources.

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use std::collections::BTreeMap;

/// Things that wait for one another in a circle.
#[derive(Debug, PartialEq)]
pub struct Cycle<T>(pub Vec<T>);

/// How deep each node lies: 0 where it needs nothing, else one more than the deepest thing it needs.
/// `edges` are (node, what it needs); nodes that only appear there count as well.
pub fn depths<T: Copy + Ord + std::hash::Hash>(
    nodes: impl IntoIterator<Item = T>,
    edges: impl IntoIterator<Item = (T, T)>,
) -> Result<BTreeMap<T, usize>, Cycle<T>> {
    let mut graph: DiGraphMap<T, ()> = DiGraphMap::new();
    for node in nodes {
        graph.add_node(node);
    }
    for (node, needs) in edges {
        graph.add_edge(node, needs, ());
    }
    let mut depths = BTreeMap::new();
    // Strongly connected components come with what they need first, and show a circle as a whole.
    for component in tarjan_scc(&graph) {
        let node = component[0];
        if component.len() > 1 || graph.contains_edge(node, node) {
            let mut circle = component;
            circle.sort();
            return Err(Cycle(circle));
        }
        let depth = graph.neighbors(node).map(|needs| depths[&needs] + 1).max().unwrap_or(0);
        depths.insert(node, depth);
    }
    Ok(depths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    /// So there is no diagnostic of a circle, and nothing that would report one.
    #[test]
    fn no_kind_refers_to_itself_not_even_through_others() {
        let edges = Kind::ALL.iter().flat_map(|kind| {
            let refs = kind.examples().into_iter().flat_map(|it| it.refs());
            refs.map(move |edge| (*kind, edge.kind))
        });
        assert!(depths(Kind::ALL.iter().copied(), edges).is_ok());
    }

    #[test]
    fn a_node_lies_deeper_than_all_it_needs() {
        let depths = depths([1, 2, 3, 4], [(3, 1), (3, 2), (2, 1)]).expect("no circle");
        assert_eq!(depths, BTreeMap::from([(1, 0), (2, 1), (3, 2), (4, 0)]));
    }

    #[test]
    fn a_circle_is_shown_as_a_whole() {
        assert_eq!(depths([], [(1, 2), (2, 3), (3, 1), (4, 1)]), Err(Cycle(vec![1, 2, 3])));
        assert_eq!(depths([], [(1, 1)]), Err(Cycle(vec![1])));
    }
}
