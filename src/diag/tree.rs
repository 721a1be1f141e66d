//! One YAML document as values with their places.
//!
//! `yaml_serde` keeps no places in its values, yet stamps every error with the place it was raised
//! at. So each value is visited twice: first by a visitor that only fails (`Peek`, which moves
//! nothing and returns the place), then by one that reads it. This depends on how `yaml_serde`
//! 0.10 implements `deserialize_enum` and prints its errors; the tests at the end check that.
//!
//! Reading is bounded: one document, 64 levels, no expansion of aliases (they are links here, and
//! what they would expand to is counted). It never fails on mistakes that are reported better later: unknown
//! tags and duplicate keys are in the tree for the guard to find.

mod build;
mod look;
mod text;
mod yaml_error;

use super::Code;
use build::Builder;
use std::collections::BTreeMap;
use std::ops::Range;
use yaml_error::{Problem, YamlError};

/// How deep values may be nested: several times what the deepest kind needs, and half of where
/// `yaml_serde` gives up.
pub const DEPTH: usize = 64;

/// How large one document may be. A manifest has a few kilobytes; reading takes up to 200 times as
/// much memory as the text has.
pub const DOCUMENT_BYTES: usize = 256 * 1024;

/// What a document may come to once its aliases are written out.
pub const EXPANDED_BYTES: usize = 8 * 1024 * 1024;

/// How many `[` and `{` a document may have, in texts and comments too. libyaml takes time with the
/// square of how many are open, and only libyaml knows which are; 1,024 make the worst
/// document take half a second, and no manifest comes near.
const BRACKETS: usize = 1024;

/// Which value of a tree.
pub type NodeId = usize;

/// A document with the place of every value. Places are bytes from the start of the document.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
}

/// One value.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where its text starts, anchor and tag left out.
    pub at: usize,
    /// Where its tag is, if it has one.
    pub tag: Option<Range<usize>>,
    /// What it is.
    pub shape: Shape,
    /// Its size with aliases expanded; `None` while it is being read.
    weight: Option<usize>,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A text; plain when it stands without quotes and may mean a number, a truth value or nothing.
    Scalar {
        /// The text.
        text: String,
        /// Whether without quotes.
        plain: bool,
    },
    /// Keys and values in their order, duplicates kept.
    Map(Vec<Entry>),
    /// A list.
    Seq(Vec<NodeId>),
    /// The same as another value, which comes earlier.
    Alias(NodeId),
}

/// One key of a mapping with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is. For an alias: where the nearest text before it is.
    pub at: usize,
    /// Whether without quotes.
    pub plain: bool,
    /// Where its tag is, if it has one.
    pub tag: Option<Range<usize>>,
    /// The value.
    pub value: NodeId,
}

/// Why a document could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which rule.
    pub code: Code,
    /// The byte of the document.
    pub offset: usize,
    /// What is wrong; holds no text of the user.
    pub message: String,
    /// What to do about it.
    pub help: Option<&'static str>,
}

impl Tree {
    /// The document itself.
    pub const ROOT: NodeId = 0;

    /// Reads one document.
    pub fn read(text: &str) -> Result<Self, Broken> {
        let broken = |code, message: &str| {
            Err(Broken { code, offset: 0, message: message.to_owned(), help: None })
        };
        let brackets = text.bytes().filter(|b| matches!(b, b'[' | b'{')).count();
        // Of JSON it is known that they are never open at the same time in such numbers.
        if brackets > BRACKETS
            && (text.len() > DOCUMENT_BYTES
                || serde_json::from_str::<serde::de::IgnoredAny>(text).is_err())
        {
            return broken(Code::TooDeep, "the document has more than 1,024 opening brackets");
        }
        if text.len() > DOCUMENT_BYTES {
            return broken(Code::TooLarge, "the document is larger than 256 KiB");
        }
        let mut builder = Builder::new(text);
        match builder.read() {
            Ok(()) => Ok(Self { nodes: builder.nodes }),
            Err(error) => Err(builder.broken.unwrap_or_else(|| explain(&error, text))),
        }
    }

    /// One value.
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// One value, an alias followed to what it stands for.
    pub fn resolve(&self, id: NodeId) -> Option<&Node> {
        match self.get(id)? {
            Node { shape: Shape::Alias(target), .. } => self.get(*target),
            node => Some(node),
        }
    }

    /// All values, in the order they are written.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A value of this document as a document of its own, with the places that it has here.
    #[must_use]
    pub fn part(&self, id: NodeId) -> Self {
        let mut part = Self { nodes: Vec::new() };
        self.copy(id, &mut part, &mut BTreeMap::new());
        part
    }

    /// Copies a value with all that it holds and all that its aliases stand for.
    fn copy(&self, id: NodeId, to: &mut Self, copied: &mut BTreeMap<NodeId, NodeId>) -> NodeId {
        if let Some(there) = copied.get(&id) {
            return *there;
        }
        let node = &self.nodes[id];
        let there = to.nodes.len();
        copied.insert(id, there);
        let shape = Shape::Scalar { text: String::new(), plain: true };
        to.nodes.push(Node { at: node.at, tag: node.tag.clone(), shape, weight: node.weight });
        to.nodes[there].shape = match &node.shape {
            Shape::Map(entries) => {
                let copy = |it: &Entry| {
                    let value = self.copy(it.value, to, copied);
                    let Entry { key, at, plain, tag, value: _ } = it.clone();
                    Entry { key, at, plain, tag, value }
                };
                Shape::Map(entries.iter().map(copy).collect())
            }
            Shape::Seq(items) => {
                Shape::Seq(items.iter().map(|it| self.copy(*it, to, copied)).collect())
            }
            Shape::Alias(target) => Shape::Alias(self.copy(*target, to, copied)),
            Shape::Scalar { text, plain } => Shape::Scalar { text: text.clone(), plain: *plain },
        };
        there
    }

    /// The value of a key in the mapping `id`, of several the first; `None` where there is none.
    pub fn member(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let Shape::Map(entries) = &self.resolve(id)?.shape else { return None };
        entries.iter().find(|it| it.key == key).map(|it| it.value)
    }

    /// Puts a text in the place of a value.
    pub fn put_text(&mut self, id: NodeId, text: String, plain: bool) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.shape = Shape::Scalar { text, plain };
        }
    }

    /// Puts a list of texts, each with whether it is plain, in the place of a value.
    pub fn put_list(&mut self, id: NodeId, items: impl IntoIterator<Item = (String, bool)>) {
        let Some(at) = self.nodes.get(id).map(|it| it.at) else { return };
        let first = self.nodes.len();
        self.nodes.extend(items.into_iter().map(|(text, plain)| Node {
            at,
            tag: None,
            shape: Shape::Scalar { text, plain },
            weight: None,
        }));
        self.nodes[id].shape = Shape::Seq((first..self.nodes.len()).collect());
    }
}

/// An error of `yaml_serde` as a message of this program.
fn explain(error: &serde_yaml::Error, text: &str) -> Broken {
    let YamlError { problem, phrase, mut offset } = YamlError::of(error);
    offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let (before, after) = text.split_at(offset);
    let help = match problem {
        Problem::MappingNotAllowed | Problem::NoColon if text.contains('\u{a0}') => Some(
            "a no-break space (U+00A0) is in the text, which looks like a space but is not \
             one: replace it with a space",
        ),
        Problem::MappingNotAllowed => {
            Some("quote a value that contains `: `, and indent the keys of one mapping alike")
        }
        Problem::NoTokenStartsSo if after.starts_with('\t') => {
            Some("indent with spaces: YAML does not allow tabs there")
        }
        Problem::NoTokenStartsSo => Some("quote the value"),
        Problem::UnexpectedIndent => {
            Some("look for a line that is indented differently from the one before")
        }
        Problem::BadEscape => {
            Some("write the character itself: `\\u` cannot give half of a surrogate pair in YAML")
        }
        Problem::OpenQuote => Some("look for a quote that is never closed"),
        Problem::OpenBracket if before.ends_with('$') => {
            Some("between `{` and `}`, or `[` and `]`, a value needs quotes: write `\"${name}\"`")
        }
        Problem::OpenBracket | Problem::NoValue if after.trim().is_empty() => {
            Some("look for a `{` or `[` that is never closed")
        }
        Problem::OpenBracket => Some(
            "look for a missing `,`, and quote a value that contains `,`, `{`, `}`, `[` or `]`",
        ),
        Problem::NoAnchorName => {
            Some("a value that begins with `*` or `&` needs quotes, such as `\"*\"`")
        }
        Problem::NoColon => Some(
            "look at this line and the one before it for a key without `:` and a space behind it",
        ),
        Problem::NoValue | Problem::TooDeep | Problem::TooManyAliases | Problem::Other => None,
    };
    let code = match problem {
        Problem::TooDeep => Code::TooDeep,
        Problem::TooManyAliases => Code::AliasLimit,
        _ => Code::InvalidYaml,
    };
    Broken { code, offset, message: format!("the text is not YAML: {phrase}"), help }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every value as `start:what`, for comparison.
    fn outline(text: &str) -> Vec<String> {
        fn walk(tree: &Tree, id: NodeId, out: &mut Vec<String>) {
            let node = tree.get(id).unwrap();
            match &node.shape {
                Shape::Scalar { text, plain } => {
                    let quote = if *plain { "" } else { "'" };
                    out.push(format!("{}:{quote}{text}{quote}", node.at));
                }
                Shape::Alias(target) => out.push(format!("alias of {}", tree.nodes[*target].at)),
                Shape::Seq(items) => {
                    out.push(format!("{}:[", node.at));
                    for item in items {
                        walk(tree, *item, out);
                    }
                    out.push("]".to_owned());
                }
                Shape::Map(entries) => {
                    out.push(format!("{}:{{", node.at));
                    for entry in entries {
                        out.push(format!("{}={}", entry.at, entry.key));
                        walk(tree, entry.value, out);
                    }
                    out.push("}".to_owned());
                }
            }
        }
        let tree = Tree::read(text).unwrap();
        let mut out = Vec::new();
        walk(&tree, Tree::ROOT, &mut out);
        out
    }

    fn broken(text: &str) -> Broken {
        Tree::read(text).unwrap_err()
    }

    #[test]
    fn every_value_has_its_place() {
        assert_eq!(
            outline("a: 1\nb:\n  - x\n  - 'y'\nc: {d: ~}\n"),
            [
                "0:{", "0=a", "3:1", "5=b", "10:[", "12:x", "18:'y'", "]", "22=c", "25:{", "26=d",
                "29:~", "}", "}"
            ]
        );
    }

    #[test]
    fn places_are_bytes_whatever_the_characters() {
        assert_eq!(
            outline("ключ: é\nb: 🎥\nc: d"),
            ["0:{", "0=ключ", "10:é", "13=b", "16:🎥", "21=c", "24:d", "}"]
        );
        assert_eq!(outline("a: 1\r\nb: 2\r\n"), ["0:{", "0=a", "3:1", "6=b", "9:2", "}"]);
    }

    #[test]
    fn texts_keep_how_they_were_written() {
        assert_eq!(
            outline("a: 012\nb: \"1\"\nc: |\n  x\n  y\nd: >-\n  x\n  y\ne:\nf: ''\ng: 0x1F"),
            [
                "0:{",
                "0=a",
                "3:012",
                "7=b",
                "10:'1'",
                "14=c",
                "17:'x\ny\n'",
                "27=d",
                "30:'x y'",
                "41=e",
                "43:",
                "44=f",
                "47:''",
                "50=g",
                "53:0x1F",
                "}"
            ]
        );
    }

    #[test]
    fn an_alias_is_a_link() {
        assert_eq!(
            outline("a: &x 1\nb: *x\nc: 2"),
            ["0:{", "0=a", "6:1", "8=b", "alias of 6", "14=c", "17:2", "}"]
        );
        assert_eq!(
            outline("- &x {k: v}\n- *x\n- [*x, *x]\n- z"),
            [
                "0:[",
                "5:{",
                "6=k",
                "9:v",
                "}",
                "alias of 5",
                "19:[",
                "alias of 5",
                "alias of 5",
                "]",
                "30:z",
                "]"
            ]
        );
        // A mapping and its first key start at one place.
        assert_eq!(
            outline("- &k a: 1\n- *k\n- b"),
            ["0:[", "5:{", "5=a", "8:1", "}", "alias of 5", "17:b", "]"]
        );
        assert_eq!(
            outline("- &k\n  a: 1\n- *k\n"),
            ["0:[", "7:{", "7=a", "10:1", "}", "alias of 7", "]"]
        );
        assert_eq!(outline("{&k a: *k, *k : 2, c: d}")[..4], ["0:{", "4=a", "alias of 4", "4=a"]);
        // An alias may be the first key of a mapping.
        assert_eq!(
            outline("- &k a\n- *k : 1\n- b"),
            ["0:[", "5:a", "9:{", "9=a", "14:1", "}", "18:b", "]"]
        );
        // The nearest anchor of that name counts.
        assert_eq!(
            outline("[&x 1, *x, &x 2, *x]"),
            ["0:[", "4:1", "alias of 4", "14:2", "alias of 14", "]"]
        );
    }

    #[test]
    fn a_tag_is_seen_wherever_it_stands() {
        for text in [
            "a: !include x\nb: 1",
            "a: !!python/object:os.system [ls]\nb: 1",
            "a: !<tag:example.com,2000:x> {y: z}\nb: 1",
            "a: &n !foo\n  x: y\nb: 1",
            "a: !foo &n x\nb: 1",
            "!root {a: 1}",
            "--- !root\na: 1",
            "# c\n--- # c\n!root\na: 1",
            "- ! x\n- 2",
            "a: !foo\nb: 1",
            "a: [!foo 1, 2]",
            "%TAG !e! tag:e.com,2000:\n---\na: !e!x 1",
            "a: !foo [!bar {c: !baz 1}]\nb: 2",
        ] {
            let tree = Tree::read(text).expect(text);
            let tags: Vec<_> =
                tree.nodes().iter().filter_map(|it| Some(&text[it.tag.clone()?])).collect();
            assert!(
                !tags.is_empty() && tags.iter().all(|it| it.starts_with('!')),
                "{text}: {tags:?}"
            );
        }
        let tree = Tree::read("!k a: 1\n!l b: 2").unwrap();
        let Shape::Map(entries) = &tree.get(Tree::ROOT).unwrap().shape else { panic!() };
        assert_eq!(entries.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(entries[0].tag.is_some());
        // An alias of what is tagged is followed by the right values.
        let tree = Tree::read("[&x !foo {a: b}, *x, *x, z]").unwrap();
        let Shape::Seq(items) = &tree.get(Tree::ROOT).unwrap().shape else { panic!() };
        assert_eq!(items.len(), 4);
    }

    #[test]
    fn what_is_empty_reads_as_nothing() {
        for text in ["", "# only\n", "---\n", "--- # x\n...\n"] {
            assert!(
                matches!(&Tree::read(text).unwrap().nodes()[0].shape,
                Shape::Scalar { text, plain: true } if text.is_empty()),
                "{text:?}"
            );
        }
        assert_eq!(outline("? a\nb: 1\n"), ["0:{", "2=a", "4:", "4=b", "7:1", "}"]);
        assert_eq!(outline("a: &x\n\"b\": 1"), ["0:{", "0=a", "6:", "6=b", "11:1", "}"]);
    }

    #[test]
    fn broken_text_says_where_and_quotes_nothing() {
        let it = broken("a: 1\n b: 2\n");
        assert_eq!((it.code, it.offset), (Code::InvalidYaml, 7), "{it:?}");
        let it = broken("a:\n\tb: 2\n");
        assert!(it.help.unwrap().contains("tabs"), "{it:?}");
        for text in ["a: [1, 2", "a: \"x", "{", "a: *nowhere", "@", "a: }", "\u{1b}"] {
            let it = broken(text);
            assert_eq!(it.code, Code::InvalidYaml, "{text}: {it:?}");
            assert!(it.offset <= text.len());
        }
        for text in ["? {a: b}\n: c", "? [a]\n", "{[a]: b}", "\"\": x", "{a: 1, {b: c}: 2}"] {
            assert!(broken(text).message.starts_with("a key"), "{text}: {:?}", broken(text));
        }
    }

    #[test]
    fn an_alias_without_an_anchor_before_it_is_named_wherever_it_stands() {
        for (text, offset) in [
            ("*x", 0),
            ("*x : 1", 0),
            ("a: *x", 3),
            ("a: *x\nb: 1", 3),
            ("- a\n- *x\n- b", 6),
            ("[a, *x]", 4),
            ("{a: b, *x : c}", 7),
            ("a:\n  *x : 1", 5),
            ("a: &xx 1\nb: [*x]", 13),
            ("a: [*x, &x 1]", 4),
            ("&k a: {&l b: c}\nd: *x", 19),
        ] {
            let it = broken(text);
            assert_eq!((it.code, it.offset), (Code::InvalidYaml, offset), "{text}: {it:?}");
            assert_eq!(it.message, "unknown alias `x`", "{text}");
            assert!(it.help.unwrap().starts_with("an anchor comes before"), "{text}: {it:?}");
        }
        // Not the name of an alias: libyaml says so itself.
        for text in ["a: *", "a: *.b", "a: *b.c", "*b.c"] {
            assert!(broken(text).message.contains("alphabetic or numeric"), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded_both_ways() {
        for (open, close) in [("[", "]"), ("{a: ", "}")] {
            let fine = open.repeat(DEPTH) + &close.repeat(DEPTH);
            assert!(Tree::read(&fine).is_ok());
            let deep = open.repeat(DEPTH + 1) + &close.repeat(DEPTH + 1);
            assert_eq!(broken(&deep).code, Code::TooDeep);
        }
        assert_eq!(broken(&("[".repeat(200_000) + &"]".repeat(200_000))).code, Code::TooDeep);
        assert!(Tree::read(&"[".repeat(200_000)).is_err());
        assert!(Tree::read(&"{".repeat(200_000)).is_err());
        assert!(Tree::read(&"{a: ".repeat(200_000)).is_err());
        assert!(Tree::read(&"- ".repeat(200_000)).is_err());
        assert!(Tree::read(&"? ".repeat(200_000)).is_err());
        let stairs: Vec<String> = (0..300).map(|it| format!("{}a:\n", " ".repeat(it))).collect();
        let stairs = stairs.concat();
        assert_eq!(broken(&stairs).code, Code::TooDeep);
    }

    #[test]
    fn aliases_are_counted_and_never_expanded() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..=10 {
            let items = vec![format!("*a{}", level - 1); 10].join(",");
            let line = format!("a{level}: &a{level} [{items}]\n");
            bomb += &line;
        }
        assert_eq!(broken(&bomb).code, Code::AliasLimit);
        let wide = format!("a: &a {}\nb: [{}]", "x".repeat(100_000), vec!["*a"; 50_000].join(","));
        assert_eq!(broken(&wide).code, Code::AliasLimit);
        for itself in ["&a [*a]", "a: &a {b: *a}", "&a {b: [*a]}", "&a\nb: *a"] {
            assert_eq!(broken(itself).code, Code::AliasLimit, "{itself}");
        }
        let fine = format!("a: &a {{t: x}}\nb: [{}]", vec!["*a"; 1_000].join(","));
        assert!(Tree::read(&fine).is_ok());
    }

    #[test]
    fn one_long_line_is_read_in_linear_time() {
        let items: Vec<String> = (0..12_000).map(|it| format!("\"k{it}\": {it}")).collect();
        let start = std::time::Instant::now();
        assert!(Tree::read(&format!("{{{}}}", items.join(","))).is_ok());
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }

    #[test]
    fn a_document_over_the_limit_is_not_read() {
        assert_eq!(broken(&"x".repeat(80_000_000)).code, Code::TooLarge);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]
        /// Made of what steers a YAML parser, so that structure is hit often.
        #[test]
        fn no_text_makes_it_panic(parts in prop::collection::vec(
            prop::sample::select(vec!["a", "b: ", "- ", "\n", "\n  ", "[", "]", "{", "}", ", ", ": ", "? ",
                "&x ", "*x", "*x : ", "!t ", "!!str ", "\"", "'", "\"\"", "|\n", "# ", "---\n", "...\n", "%", "<<",
                "\t", "é", "\u{2028}", "~", "1", ":", "&y\n", "*y", "\r"]), 0..24))
        {
            let text = parts.concat();
            if let Ok(tree) = Tree::read(&text) {
                for node in tree.nodes() {
                    prop_assert!(node.at <= text.len());
                    prop_assert!(text.is_char_boundary(node.at));
                }
                // The same structure as the plain reader sees, so far as that tells.
                let plain: Result<serde_yaml::Value, _> = serde_yaml::from_str(&text);
                if let Ok(plain) = plain {
                    prop_assert_eq!(count(&tree, Tree::ROOT), count_plain(&plain), "{:?}", text);
                }
            }
        }

        #[test]
        fn no_noise_makes_it_panic(text in any::<String>()) {
            let _ = Tree::read(&text);
        }
    }

    fn count(tree: &Tree, id: NodeId) -> usize {
        match &tree.resolve(id).unwrap().shape {
            Shape::Map(entries) => {
                1 + entries.iter().map(|it| count(tree, it.value)).sum::<usize>()
            }
            Shape::Seq(items) => 1 + items.iter().map(|it| count(tree, *it)).sum::<usize>(),
            _ => 1,
        }
    }

    fn count_plain(value: &serde_yaml::Value) -> usize {
        match value {
            serde_yaml::Value::Mapping(map) => 1 + map.values().map(count_plain).sum::<usize>(),
            serde_yaml::Value::Sequence(items) => 1 + items.iter().map(count_plain).sum::<usize>(),
            serde_yaml::Value::Tagged(it) => count_plain(&it.value),
            _ => 1,
        }
    }
}
