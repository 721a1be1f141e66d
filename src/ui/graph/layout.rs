//! The places of the boxes of a picture, and of the edges between them.
//!
//! Boxes stand in columns, one for each depth. An edge that spans more than one column has a lane in each column that it
//! passes: a place between two boxes, as high as a line. The crate `rust_sugiyama` orders boxes and lanes so that few
//! edges cross and proposes their positions. `spread` then moves apart those of a column that are too close, so that
//! edges avoid boxes whatever the crate proposes.

use rust_sugiyama::configure::{Config, CrossingMinimization, RankingType};
use rust_sugiyama::from_vertices_and_edges;
use std::collections::BTreeMap;

/// Height of a box, and of the lane of an edge.
pub(super) const BOX_HEIGHT: f64 = 44.0;
const LANE_HEIGHT: f64 = 2.0;
/// Least distance between two places of a column.
const GAP: f64 = 14.0;

/// The largest picture that the crate arranges. Its time grows faster than the picture, so that boxes and lanes of a
/// larger one stand in the order of their addresses.
const MOST_ARRANGED: usize = 2_500;

/// Vertical positions; the columns are given.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    /// The middle of each box.
    pub boxes: Vec<f64>,
    /// The heights at which each edge passes the columns between its ends, from the left.
    pub lanes: Vec<Vec<f64>>,
    /// The height of all.
    pub height: f64,
}

/// A box or a lane.
struct Place {
    column: usize,
    height: f64,
    middle: f64,
}

/// Finds a place for boxes in the given columns and for edges (box on the right, box on the left).
pub(super) fn layout(columns: &[usize], edges: &[(usize, usize)]) -> Layout {
    let mut places: Vec<Place> = columns
        .iter()
        .map(|column| Place { column: *column, height: BOX_HEIGHT, middle: 0.0 })
        .collect();
    let mut links = Vec::new();
    let mut passed = Vec::new();
    for (right, left) in edges {
        let mut lanes = Vec::new();
        let mut end = *left;
        for column in columns[*left] + 1..columns[*right] {
            links.push((end, places.len()));
            end = places.len();
            lanes.push(end);
            places.push(Place { column, height: LANE_HEIGHT, middle: 0.0 });
        }
        links.push((end, *right));
        passed.push(lanes);
    }
    if places.len() <= MOST_ARRANGED {
        arrange(&mut places, &links);
    }
    let height = spread(&mut places);
    Layout {
        boxes: places[..columns.len()].iter().map(|it| it.middle).collect(),
        lanes: passed
            .into_iter()
            .map(|lanes| lanes.into_iter().map(|it| places[it].middle).collect())
            .collect(),
        height,
    }
}

/// Sets the positions that the crate proposes. Groups of boxes without an edge between them come one below the other.
fn arrange(places: &mut [Place], links: &[(usize, usize)]) {
    let ids: Vec<u32> = (0..).take(places.len()).collect();
    let vertices: Vec<(u32, (f64, f64))> =
        ids.iter().zip(places.iter()).map(|(id, place)| (*id, (place.height, 1.0))).collect();
    let links: Vec<(u32, u32)> = links.iter().map(|(from, to)| (ids[*from], ids[*to])).collect();
    // Each value is given, since `Config::default` may change with a release, and pictures with it.
    let config = Config {
        minimum_length: 1,
        vertex_spacing: GAP,
        dummy_vertices: true,
        dummy_size: 1.0,
        ranking_type: RankingType::MinimizeEdgeLength,
        c_minimization: CrossingMinimization::Barycenter,
        transpose: false,
    };
    let mut groups: Vec<BTreeMap<usize, f64>> = from_vertices_and_edges(&vertices, &links, &config)
        .into_iter()
        .map(|(group, _, _)| group.into_iter().map(|(id, (across, _))| (id, across)).collect())
        .collect();
    groups.sort_by_key(|group| group.keys().next().copied());
    let mut top = 0.0;
    for group in groups {
        let edge = |id: &usize, middle: &f64, side: f64| middle + side * places[*id].height / 2.0;
        let first = group.iter().map(|(id, at)| edge(id, at, -1.0)).fold(f64::MAX, f64::min);
        let last = group.iter().map(|(id, at)| edge(id, at, 1.0)).fold(f64::MIN, f64::max);
        for (id, middle) in &group {
            places[*id].middle = top + middle - first;
        }
        top += last - first + GAP;
    }
}

/// Moves the places of each column down as far as needed for the gap between them. Returns the height of all.
fn spread(places: &mut [Place]) -> f64 {
    let mut columns: BTreeMap<usize, Vec<&mut Place>> = BTreeMap::new();
    for place in places {
        columns.entry(place.column).or_default().push(place);
    }
    let mut height: f64 = 0.0;
    for column in columns.values_mut() {
        column.sort_by(|a, b| a.middle.total_cmp(&b.middle));
        let mut free = 0.0;
        for place in column {
            // Heights are even, so that whole numbers remain whole.
            place.middle = place.middle.round().max(free + place.height / 2.0);
            free = place.middle + place.height / 2.0 + GAP;
        }
        height = height.max(free - GAP);
    }
    height
}
