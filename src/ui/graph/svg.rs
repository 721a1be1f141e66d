//! The picture: a box for each resource, a curve for each reference. Text is all that comes from outside, and it is
//! escaped; the picture has no script and refers to nothing.

use super::layout::{BOX_HEIGHT, layout};
use super::{Border, Mark, Picture, UNCHANGED};
use crate::kinds::Address;
use crate::plan::graph::depths;
use crate::ui::escape::escape;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const MARGIN: usize = 20;
const BOX_WIDTH: usize = 290;
/// Between two columns; edges bend here.
const COLUMN_GAP: usize = 100;
/// A sample of a box in the legend, the height of one of its lines, and what is between the legend and the boxes.
const SWATCH: usize = 22;
const LINE_HEIGHT: usize = 24;
const LEGEND_GAP: usize = 12;
/// Width of a box in characters of a font whose characters are all as wide as 0.6 of its size, 12.
const BOX_CELLS: usize = 37;
/// The most that AWS takes as a name or as the value of a tag.
const LONGEST_NAME: usize = 256;

/// Draws the resources that others need on the left. Every edge ends with an arrow at what is referred to. Classes are for
/// the style sheet of a page; a picture by itself has the colours of its attributes.
pub(super) fn svg(picture: &Picture) -> String {
    let ids: BTreeMap<&Address, usize> = picture.nodes.keys().zip(0..).collect();
    let edges = picture.edges.iter().map(|(from, to)| (from, to));
    let columns =
        depths(picture.nodes.keys(), edges).expect("references between kinds have no cycle");
    let columns: Vec<usize> = columns.into_values().collect();
    let edges: Vec<(usize, usize)> =
        picture.edges.iter().map(|(from, to)| (ids[from], ids[to])).collect();
    let layout = layout(&columns, &edges);

    let left = |column: usize| MARGIN + column * (BOX_WIDTH + COLUMN_GAP);
    let width = columns.iter().max().map_or(0, |last| left(*last) + BOX_WIDTH) + MARGIN;
    let (legend, legend_height) = legend(picture, width);
    let top = f64::from(u32::try_from(MARGIN + legend_height).unwrap_or(0));
    let height = layout.height + top + f64::from(u32::try_from(MARGIN).unwrap_or(0));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" font-size=\"12\">\n{legend}"
    );

    let mut targets = vec![false; columns.len()];
    for ((from, to), lanes) in edges.iter().zip(&layout.lanes) {
        targets[*to] = true;
        let mut at = (left(columns[*to]) + BOX_WIDTH, top + layout.boxes[*to]);
        let mut path = format!("M{} {}", at.0, at.1);
        let passed = columns[*to] + 1..;
        for (column, lane) in passed.zip(lanes.iter().chain([&layout.boxes[*from]])) {
            let next = (left(column), top + lane);
            // The curve remains between two columns, and within a column the edge is level.
            let middle = usize::midpoint(at.0, next.0);
            let _ = write!(path, "C{middle} {} {middle} {} {} {}", at.1, next.1, next.0, next.1);
            at = (next.0, next.1);
            if column < columns[*from] {
                at.0 += BOX_WIDTH;
                let _ = write!(path, "H{}", at.0);
            }
        }
        let _ = writeln!(text, "<path class=\"edge\" d=\"{path}\" fill=\"none\" stroke=\"#888\"/>");
    }
    for (((address, mark), column), middle) in picture.nodes.iter().zip(&columns).zip(&layout.boxes)
    {
        let (x, middle) = (left(*column), top + middle);
        let words = mark.map(|it| format!(" ({})", it.words())).unwrap_or_default();
        let (kind, name) = (address.kind.to_string(), plain(&address.name));
        let _ = writeln!(
            text,
            "<g><title>{}</title><rect x=\"{x}\" y=\"{}\" width=\"{BOX_WIDTH}\" \
             height=\"{BOX_HEIGHT}\" rx=\"4\" {}/>\
             <text x=\"{}\" y=\"{}\">{}</text><text x=\"{}\" y=\"{}\" font-weight=\"bold\">{}</text></g>",
            xml(&format!("{kind}/{name}{words}")),
            middle - BOX_HEIGHT / 2.0,
            look(*mark),
            x + 10,
            middle - 5.0,
            xml(&shortened(&format!("{kind}{words}"))),
            x + 10,
            middle + 13.0,
            xml(&shortened(&name)),
        );
        if targets[ids[address]] {
            let tip = x + BOX_WIDTH;
            let _ =
                writeln!(text, "<path class=\"tip\" d=\"M{tip} {middle}l8 -4v8z\" fill=\"#888\"/>");
        }
    }
    text.push_str("</svg>\n");
    text
}

/// The attributes by which boxes with the same mark look the same.
fn look(mark: Option<Mark>) -> String {
    let (class, fill) = mark.map_or(UNCHANGED, Mark::colour);
    match mark.map(Mark::border) {
        None | Some(Border::Plain) => {
            format!("class=\"{class}\" fill=\"{fill}\" stroke=\"#444\"")
        }
        Some(Border::Dashed) => {
            format!("class=\"{class}\" fill=\"{fill}\" stroke=\"#444\" stroke-dasharray=\"5 4\"")
        }
        Some(Border::Alarm) => {
            format!("class=\"{class} alarm\" fill=\"{fill}\" stroke=\"#c62828\" stroke-width=\"2\"")
        }
    }
}

/// What the looks of the boxes mean, above them, and the height of that: none where no box has a mark.
fn legend(picture: &Picture, width: usize) -> (String, usize) {
    let marks: BTreeSet<Option<Mark>> = picture.nodes.values().copied().collect();
    if marks.iter().all(Option::is_none) {
        return (String::new(), 0);
    }
    let mut text = String::from("<g class=\"legend\">");
    let (mut x, mut row) = (MARGIN, 0);
    for mark in marks {
        let words = mark.map_or_else(|| "no change".to_owned(), Mark::words);
        // A character is 7.2 wide.
        let wide = SWATCH + 8 + words.len() * 15 / 2 + 20;
        if x > MARGIN && x + wide > width {
            (x, row) = (MARGIN, row + 1);
        }
        let y = MARGIN + row * LINE_HEIGHT;
        let _ = write!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{SWATCH}\" height=\"14\" rx=\"3\" {}/>\
             <text x=\"{}\" y=\"{}\">{words}</text>",
            look(mark),
            x + SWATCH + 8,
            y + 11,
        );
        x += wide;
    }
    text.push_str("</g>\n");
    (text, (row + 1) * LINE_HEIGHT + LEGEND_GAP)
}

/// The text if it fits into a box, otherwise without its middle: names of one family often differ at their ends.
fn shortened(text: &str) -> String {
    if text.chars().map(cells).sum::<usize>() <= BOX_CELLS {
        return text.to_owned();
    }
    let half = (BOX_CELLS - cells('…')) / 2;
    let fitting = |chars: &mut dyn Iterator<Item = char>| {
        let mut used = 0;
        chars
            .take_while(|c| {
                used += cells(*c);
                used <= half
            })
            .collect::<Vec<char>>()
    };
    let mut end = fitting(&mut text.chars().rev());
    end.reverse();
    fitting(&mut text.chars()).into_iter().chain(['…']).chain(end).collect()
}

/// Width of a character; one that is not ASCII may be as wide as two.
fn cells(c: char) -> usize {
    if c.is_ascii() { 1 } else { 2 }
}

/// A name in characters that XML can write: it has no way to write U+FFFE and U+FFFF.
fn plain(name: &str) -> String {
    escape(name, LONGEST_NAME).replace('\u{fffe}', "\\u{fffe}").replace('\u{ffff}', "\\u{ffff}")
}

/// Text as content of an element.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;
    use crate::plan::{Action, Attention};
    use crate::ui::graph::Verdict;
    use proptest::prelude::*;
    use roxmltree::{Document, Node};

    /// Resources of the given names, and edges from the first to the second of each pair.
    fn drawn(names: &[String], pairs: &[(usize, usize)]) -> String {
        let addresses: Vec<Address> =
            names.iter().map(|name| Address::new(Kind::Channel, name)).collect();
        let create = Mark::Step(Action::Create, Verdict::Do);
        let nodes = addresses.iter().map(|it| (it.clone(), Some(create))).collect();
        let mut edges: Vec<(Address, Address)> = pairs
            .iter()
            .map(|(from, to)| (addresses[*from].clone(), addresses[*to].clone()))
            .collect();
        edges.sort();
        edges.dedup();
        let text = svg(&Picture { nodes, edges: edges.clone() });
        check(&text, &addresses, &edges);
        text
    }

    fn number(node: Node<'_, '_>, name: &str) -> f64 {
        node.attribute(name).and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{name}"))
    }

    /// Points of a path of `M`, `C` and `H`, close enough together that none of them skips a box.
    fn points(path: &str) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = Vec::new();
        let mut rest = path;
        while let Some(command) = rest.chars().next() {
            let end = rest[1..].find(char::is_alphabetic).map_or(rest.len(), |it| it + 1);
            let numbers: Vec<f64> =
                rest[1..end].split(' ').map(|it| it.parse().expect("a number")).collect();
            let from = points.last().copied().unwrap_or_default();
            let (one, two, to) = match (command, numbers.as_slice()) {
                ('M', [x, y]) => (from, from, (*x, *y)),
                ('H', [x]) => (from, (*x, from.1), (*x, from.1)),
                ('C', [x1, y1, x2, y2, x, y]) => ((*x1, *y1), (*x2, *y2), (*x, *y)),
                other => panic!("{other:?}"),
            };
            if command == 'M' {
                points.push(to);
            } else {
                points.extend((1..=24).map(|step| {
                    let along = f64::from(step) / 24.0;
                    let rest = 1.0 - along;
                    let at = |from: f64, one: f64, two: f64, to: f64| {
                        rest.powi(3) * from
                            + 3.0 * rest * rest * along * one
                            + 3.0 * rest * along * along * two
                            + along.powi(3) * to
                    };
                    (at(from.0, one.0, two.0, to.0), at(from.1, one.1, two.1, to.1))
                }));
            }
            rest = &rest[end..];
        }
        points
    }

    /// What holds for every picture.
    fn check(text: &str, addresses: &[Address], edges: &[(Address, Address)]) {
        let document = Document::parse(text).expect("XML");
        let root = document.root_element();
        for node in root.descendants().filter(Node::is_element) {
            let name = node.tag_name().name();
            assert!(["svg", "g", "title", "rect", "text", "path"].contains(&name), "{name}");
            for attribute in node.attributes() {
                let (name, value) = (attribute.name(), attribute.value());
                assert!(!name.starts_with("on") && !name.contains("href"), "{name}");
                assert!(!value.contains("url(") && !value.contains("//"), "{value}");
            }
        }
        let (width, height) = (number(root, "width"), number(root, "height"));
        let mut boxes: BTreeMap<&Address, Area> = BTreeMap::new();
        let mut sorted: Vec<&Address> = addresses.iter().collect();
        sorted.sort();
        let groups = root.children().filter(|it| it.has_tag_name("g"));
        let groups: Vec<Node<'_, '_>> =
            groups.filter(|it| it.attribute("class").is_none()).collect();
        assert_eq!(groups.len(), addresses.len());
        for (group, address) in groups.iter().zip(sorted) {
            let child =
                |name: &'static str| group.children().filter(move |it| it.has_tag_name(name));
            let rect = child("rect").next().expect("a box");
            let (left, top) = (number(rect, "x"), number(rect, "y"));
            let (right, bottom) = (left + number(rect, "width"), top + number(rect, "height"));
            let area = Area { left, top, right, bottom };
            assert!(left >= 0.0 && top >= 0.0 && right <= width && bottom <= height);
            assert!(!boxes.values().any(|it| it.meets(&area)), "boxes overlap: {text}");
            boxes.insert(address, area);
            for line in child("text") {
                let shown = line.text().unwrap_or_default();
                let wide: f64 = shown.chars().map(|c| if c.is_ascii() { 7.25 } else { 14.5 }).sum();
                assert!(number(line, "x") + wide <= right, "text leaves its box: {shown}");
                assert!(number(line, "y") > top && number(line, "y") + 3.0 < bottom);
            }
            let title = child("title").next().and_then(|it| it.text()).expect("a title");
            assert_eq!(title, format!("Channel/{} (create)", plain(&address.name)));
        }
        let lines: Vec<Node<'_, '_>> =
            root.children().filter(|it| it.attribute("fill") == Some("none")).collect();
        assert_eq!(lines.len(), edges.len());
        for (line, (from, to)) in lines.iter().zip(edges) {
            let points = points(line.attribute("d").expect("a path"));
            let (begin, end) = (points[0], points[points.len() - 1]);
            let (source, target) = (&boxes[from], &boxes[to]);
            let all = points.iter().map(|(x, y)| Area::around(*x, *y)).reduce(Area::joined);
            assert!((begin.0 - target.right).abs() < 0.5, "begins at {to}");
            assert!(target.top < begin.1 && begin.1 < target.bottom, "begins at {to}");
            assert!((end.0 - source.left).abs() < 0.5, "ends at {from}");
            assert!(source.top < end.1 && end.1 < source.bottom, "ends at {from}");
            let near =
                boxes.iter().filter(|(_, area)| all.as_ref().is_some_and(|it| it.meets(area)));
            for (address, area) in near.filter(|(it, _)| **it != from && **it != to) {
                let inside = points.iter().any(|(x, y)| Area::around(*x, *y).meets(area));
                assert!(!inside, "{from} to {to} passes through {address}: {text}");
            }
        }
    }

    #[derive(Clone, Copy)]
    struct Area {
        left: f64,
        top: f64,
        right: f64,
        bottom: f64,
    }

    impl Area {
        /// What is too close to a point for a line through it.
        fn around(x: f64, y: f64) -> Self {
            Self { left: x - 3.0, top: y - 3.0, right: x + 3.0, bottom: y + 3.0 }
        }

        fn joined(self, other: Self) -> Self {
            Self {
                left: self.left.min(other.left),
                top: self.top.min(other.top),
                right: self.right.max(other.right),
                bottom: self.bottom.max(other.bottom),
            }
        }

        fn meets(&self, other: &Self) -> bool {
            self.left <= other.right
                && other.left <= self.right
                && self.top <= other.bottom
                && other.top <= self.bottom
        }
    }

    fn numbered(count: usize) -> Vec<String> {
        (0..count).map(|it| format!("n{it:04}")).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]
        #[test]
        fn no_edge_passes_through_a_box_that_is_not_its_end(
            count in 1_usize..=60,
            pairs in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..120),
        ) {
            let pairs: Vec<(usize, usize)> = pairs
                .into_iter()
                .map(|(a, b)| (a.index(count), b.index(count)))
                .filter(|(from, to)| from > to)
                .collect();
            let names = numbered(count);
            prop_assert_eq!(drawn(&names, &pairs), drawn(&names, &pairs), "the same each time");
        }

        #[test]
        fn a_name_is_text_inside_its_box(name in "\\PC{0,200}", wild in any::<String>()) {
            drawn(&[name.clone(), format!("{wild}.{name}")], &[(1, 0)]);
        }
    }

    #[test]
    fn a_hostile_name_is_text() {
        let long = format!("{}-main", "x".repeat(123));
        let names = [
            "<script>alert(1)</script>",
            "\"/><image href='//x'/>",
            "]]>&lt;<!--",
            "\0\u{1b}[2J\u{202e}\u{fffe}\u{ffff}\n",
            "放送放送放送放送放送放送放送放送放送放送",
            &long,
            "",
        ]
        .map(str::to_owned);
        let text = drawn(&names, &[]);
        assert!(text.contains("…xxxxxxxxxxxx-main</text>"), "{text}");
        assert!(text.contains(&format!("<title>Channel/{long} (create)</title>")), "{text}");
    }

    #[test]
    fn a_legend_explains_each_look_once_inside_the_picture() {
        let marks = [
            None,
            Some(Mark::Step(Action::Create, Verdict::Do)),
            Some(Mark::Step(Action::Update, Verdict::Do)),
            Some(Mark::Step(Action::Update, Verdict::Deferred)),
            Some(Mark::Step(Action::Replace, Verdict::Interrupt)),
            Some(Mark::Step(Action::Delete, Verdict::Blocked)),
            Some(Mark::Drift(Attention::Live)),
            Some(Mark::NotCounted),
        ];
        let named = |(index, mark): (usize, Option<Mark>)| {
            (Address::new(Kind::Channel, format!("c{index:02}")), mark)
        };
        let picture = |marks: &[Option<Mark>]| Picture {
            nodes: marks.iter().copied().enumerate().map(named).collect(),
            edges: Vec::new(),
        };
        let twice = [marks, marks].concat();
        let text = svg(&picture(&twice));
        let document = Document::parse(&text).expect("XML");
        let root = document.root_element();
        let legend = root.children().find(|it| it.attribute("class") == Some("legend"));
        let legend = legend.expect("a legend");
        let words: Vec<&str> = legend.children().filter_map(|it| it.text()).collect();
        assert_eq!(words.len(), marks.len(), "{words:?}");
        for word in ["no change", "update deferred", "replace, interrupts", "live, changed outside"]
        {
            assert!(words.contains(&word), "{words:?}");
        }
        let looks = |of: Node<'_, '_>| -> BTreeSet<String> {
            let all = of.descendants().filter(|it| it.has_tag_name("rect"));
            all.map(|it| {
                let named = ["class", "fill", "stroke", "stroke-dasharray"];
                named.map(|name| it.attribute(name).unwrap_or_default()).join(" ")
            })
            .collect()
        };
        let first_box = root.children().filter(|it| it.has_tag_name("g")).nth(1).expect("a box");
        assert!(looks(legend).is_superset(&looks(first_box)));
        assert_eq!(looks(root), looks(legend), "each look of a box is in the legend");
        assert_eq!(looks(legend).len(), marks.len(), "marks look different");
        let below = legend.children().filter(|it| it.has_tag_name("text"));
        let below = below.map(|it| number(it, "y")).fold(0.0, f64::max);
        assert!(below < number(first_box.children().nth(1).expect("a box"), "y"));
        for word in legend.children().filter(|it| it.has_tag_name("text")) {
            let end = number(word, "x")
                + 7.25
                    * f64::from(u32::try_from(word.text().unwrap_or_default().len()).unwrap_or(0));
            assert!(end <= number(root, "width"), "{word:?}");
        }
        assert!(!svg(&picture(&[None, None])).contains("legend"), "there is nothing to explain");
    }

    #[test]
    fn an_edge_that_skips_columns_passes_between_the_boxes_of_each() {
        // One long chain, and edges from its end to everything.
        let chain = (1..6).flat_map(|it| [(it, it - 1), (5, it - 1)]);
        drawn(&numbered(6), &chain.collect::<Vec<_>>());
    }

    #[test]
    fn a_picture_grows_no_faster_than_its_boxes_and_edges() {
        let shared: Vec<_> = (1..1000).map(|it| (it, 0)).collect();
        let teams: Vec<_> = (10..1000)
            .flat_map(|it| [(it, it % 10), (it, if it % 3 == 0 { it % 7 } else { it - it % 3 })])
            .filter(|(from, to)| from > to)
            .collect();
        for pairs in [vec![], shared, teams] {
            let text = drawn(&numbered(1000), &pairs);
            assert!(text.len() < 400 * (1000 + pairs.len()), "{}", text.len());
            let document = Document::parse(&text).expect("XML");
            assert!(
                number(document.root_element(), "height") <= 1000.0 * (BOX_HEIGHT + 14.0) * 2.0
            );
        }
    }

    #[test]
    fn a_picture_too_large_to_be_arranged_is_drawn_all_the_same() {
        let pairs: Vec<_> = (2..3000).map(|it| (it, it % 2)).collect();
        let nodes: Vec<usize> = pairs.iter().map(|(_, to)| *to).chain([0, 0]).collect();
        assert_eq!(nodes.len(), 3000);
        let columns: Vec<usize> = (0..3000).map(|it| usize::from(it > 1)).collect();
        let layout = layout(&columns, &pairs);
        assert!(layout.boxes[2..].windows(2).all(|it| it[0] < it[1]), "in order of address");
    }
}
