//! What is refused in every document, whatever its kind.
//!
//! Size, depth and aliases are bounded while the document is read into its tree; here the tree and
//! the text are walked once for what may be readable and is refused all the same. No text of the
//! document is quoted where it may be a secret.

use crate::diag::tree::{Entry, Shape, Tree};
use crate::diag::{Code, Diagnostic, Origin, Place, Report, SourceMap, quote};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::ops::Range;
use std::path::Path;

/// The tags that say what YAML 1.2 would find anyway.
const CORE_TAGS: [&str; 7] = ["!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq"];

/// How many control characters or duplicate keys of one document are told.
const TOLD: usize = 20;

/// Refuses what no document may hold, all of it in one go.
///
/// Of an item of a list the whole list is looked at: call it for the first item.
///
/// The answer is whether the document can be read. After `false`, `parse` would only say the same
/// again, or quote from beside a private key; after `true` it may still find more, whatever the guard has put into the report.
pub fn guard(origin: Origin, sources: &SourceMap, report: &mut Report) -> bool {
    guard_as(origin, sources, true, report)
}

/// The same for a document that may be no manifest, but a file of values.
pub(super) fn guard_as(
    origin: Origin,
    sources: &SourceMap,
    is_manifest: bool,
    report: &mut Report,
) -> bool {
    let text = sources.document_text(origin);
    let mut found = Found { origin, sources, report };
    let control = control_characters(text, &mut found);
    let secret = private_key(text, &mut found);
    directives(text, &mut found);
    match &*sources.whole_tree(origin) {
        Ok(tree) => {
            tags(tree, text, &mut found);
            keys(tree, &mut found);
            // Next to a secret nothing more is said, lest it be quoted.
            !texts(tree, secret, &mut found)
        }
        // libyaml gives up at a control character, which is told already.
        Err(broken) if control && broken.message.ends_with("characters are not allowed") => false,
        Err(broken) => {
            let json = is_json(origin, sources).then(|| json_fault(text)).flatten();
            let cut_off = json.as_ref().is_some_and(|it| it.cut_off);
            let not_yaml = broken.code == Code::InvalidYaml;
            if is_manifest && not_yaml && !cut_off && !resembles_manifest(origin, sources) {
                found.report.push(super::not_a_manifest(Place::Position {
                    source: origin.source,
                    line: 1,
                    column: 1,
                }));
            } else if let Some(fault) = json.filter(|_| not_yaml) {
                found.push(Code::InvalidJson, fault.offset, fault.message, fault.help);
            } else {
                let help = broken.help.unwrap_or_default();
                found.push(broken.code, broken.offset, broken.message.clone(), help);
            }
            false
        }
    }
}

/// The extension of the file that a document is in; empty where there is none.
fn extension(origin: Origin, sources: &SourceMap) -> &str {
    let extension = Path::new(sources.name(origin.source)).extension();
    extension.and_then(OsStr::to_str).unwrap_or_default()
}

/// Whether a text that is not YAML may be meant as a manifest: a line of it begins with a key that
/// manifests begin with. Of a file with an extension of its own (`Cargo.toml`, `README.md`) only the first line
/// counts.
fn resembles_manifest(origin: Origin, sources: &SourceMap) -> bool {
    let text = sources.text(origin.source);
    let begins = |line: &str| {
        let word = line.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        ENVELOPE.iter().any(|it| word.starts_with(&it.to_lowercase()))
    };
    let nothing = |line: &&str| !line.contains(char::is_alphanumeric) || line.starts_with('#');
    let mut lines = text.lines().filter(|it| !nothing(it));
    match extension(origin, sources) {
        "yaml" | "yml" | "json" | "" => lines.any(begins),
        _ => lines.next().is_some_and(begins),
    }
}

/// Whether a document is meant as JSON.
fn is_json(origin: Origin, sources: &SourceMap) -> bool {
    let text = sources.text(origin.source).trim_start();
    let is_object = text.strip_prefix('{').is_some_and(|it| it.trim_start().starts_with('"'));
    match extension(origin, sources) {
        "json" => true,
        "yaml" | "yml" => false,
        _ => is_object,
    }
}

/// Why a text is not JSON, and where.
struct JsonFault {
    /// Whether it ends too early.
    cut_off: bool,
    offset: usize,
    message: String,
    help: &'static str,
}

/// What is wrong with a text as JSON; nothing where it is JSON.
fn json_fault(text: &str) -> Option<JsonFault> {
    let text = text.trim_end();
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    if error.is_eof() {
        return Some(JsonFault {
            cut_off: true,
            // The last thing that is there.
            offset: text.char_indices().last().map_or(0, |(at, _)| at),
            message:
                "the text is not complete JSON: it ends before every `{`, `[` and `\"` is closed"
                    .to_owned(),
            help: "add what is missing; the file may have been cut off",
        });
    }
    let line_start = text.split_inclusive('\n').take(error.line() - 1).map(str::len).sum::<usize>();
    let full = error.to_string();
    let phrase = full.split(" at line ").next().unwrap_or_default();
    Some(JsonFault {
        cut_off: false,
        offset: line_start + error.column().saturating_sub(1),
        message: format!("the text is not JSON: {phrase}"),
        help: "JSON has a `,` between two members and none after the last, and every name in double quotes",
    })
}

/// Where findings go.
struct Found<'a> {
    origin: Origin,
    sources: &'a SourceMap,
    report: &'a mut Report,
}

impl Found<'_> {
    fn place(&self, offset: usize) -> Place {
        self.sources.place(self.origin, offset)
    }

    fn push(&mut self, code: Code, offset: usize, message: impl Into<String>, help: &str) {
        let mut diagnostic = Diagnostic::new(code, self.place(offset), message);
        diagnostic.help = (!help.is_empty()).then(|| help.to_owned());
        self.report.push(diagnostic);
    }
}

/// Whether a character steers a terminal or breaks a line where no editor shows one.
pub(super) fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Characters that cannot be seen, in the text as it is. A carriage return is fine before a line
/// feed only: alone it is a line break to YAML and not to most programs that show lines. Whether
/// there were any.
fn control_characters(text: &str, found: &mut Found<'_>) -> bool {
    let hits = text
        .char_indices()
        .filter(|(at, c)| is_control(*c) && !(*c == '\r' && text[at + 1..].starts_with('\n')));
    let mut any = false;
    for (at, c) in hits.take(TOLD) {
        any = true;
        let message = format!("control character U+{:04X}", u32::from(c));
        found.push(Code::ControlCharacter, at, message, "remove it, or save the file again");
    }
    any
}

/// A private key anywhere, comments included. Whether there was one.
fn private_key(text: &str, found: &mut Found<'_>) -> bool {
    // The words stand in the PEM header; whatever form the text around them has.
    let Some(at) = text.match_indices("PRIVATE KEY").find_map(|(at, _)| {
        let line = text[..at].rfind('\n').map_or(0, |it| it + 1);
        text[line..at].rfind("-----BEGIN").map(|it| line + it)
    }) else {
        return false;
    };
    secret_key(at, found);
    true
}

fn secret_key(at: usize, found: &mut Found<'_>) {
    found.push(
        Code::SecretInManifest,
        at,
        "the document holds a private key",
        "only public keys go to AWS: remove this one, and replace the key pair if the file was \
         ever committed or sent",
    );
}

/// `%TAG` gives tags other names, so that they could not be told apart.
fn directives(text: &str, found: &mut Found<'_>) {
    let mut at = 0;
    for line in text.split_inclusive('\n').take_while(|it| !it.starts_with("---")) {
        if line.starts_with("%TAG") {
            found.push(Code::UnknownTag, at, "`%TAG` directives are not supported", "remove it");
        }
        at += line.len();
    }
}

fn tags(tree: &Tree, text: &str, found: &mut Found<'_>) {
    let keys = tree.nodes().iter().flat_map(|it| match &it.shape {
        Shape::Map(entries) => entries.as_slice(),
        _ => &[],
    });
    let values = tree.nodes().iter().filter_map(|it| it.tag.as_ref());
    let mut tags: Vec<&Range<usize>> =
        keys.filter_map(|it| it.tag.as_ref()).chain(values).collect();
    tags.sort_by_key(|it| it.start);
    tags.dedup();
    for range in tags {
        let tag = text.get(range.clone()).unwrap_or("!");
        if !CORE_TAGS.contains(&tag) {
            let message = format!("the tag {} is not supported", quote(tag));
            found.push(
                Code::UnknownTag,
                range.start,
                message,
                "nothing is included or run while a manifest is read: write the value itself",
            );
        }
    }
}

/// The keys with which every manifest begins.
const ENVELOPE: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];

/// Where a second manifest begins in the same document: at the first of two or more keys of [`ENVELOPE`] that
/// are given again.
fn second_manifest(entries: &[Entry]) -> Option<&Entry> {
    let mut seen = BTreeSet::new();
    let mut again = entries
        .iter()
        .filter(|it| ENVELOPE.contains(&it.key.as_str()) && !seen.insert(it.key.as_str()));
    let first = again.next()?;
    again.any(|it| it.key != first.key).then_some(first)
}

fn keys(tree: &Tree, found: &mut Found<'_>) {
    let mut told = 0;
    for (id, node) in tree.nodes().iter().enumerate() {
        let Shape::Map(entries) = &node.shape else { continue };
        let second = (id == Tree::ROOT).then(|| second_manifest(entries)).flatten();
        if let Some(second) = second {
            let place = found.place(second.at);
            let line = found.sources.position(&place).map_or(0, |it| it.line);
            found.push(
                Code::DuplicateKey,
                second.at,
                format!("a second manifest begins here: a `---` is missing before line {line}"),
                "put a line `---` between two manifests of one file",
            );
            continue;
        }
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in entries {
            if entry.plain && entry.key == "<<" {
                found.push(
                    Code::MergeKey,
                    entry.at,
                    "merge keys (`<<`) are not supported",
                    "they are not part of YAML 1.2: write the fields out",
                );
                continue;
            }
            let Some(first) = seen.insert(&entry.key, entry.at) else { continue };
            told += 1;
            if told <= TOLD {
                let message = format!("the key {} appears twice", quote(&entry.key));
                let place = found.place(entry.at);
                let first = found.place(first);
                found.report.push(
                    Diagnostic::new(Code::DuplicateKey, place, message)
                        .also(first, "it is given here already")
                        .help("remove one of the two"),
                );
            }
        }
    }
}

/// What only shows once escapes such as `"\e"` are carried out.
/// Whether there was a private key.
fn texts(tree: &Tree, mut secret: bool, found: &mut Found<'_>) -> bool {
    let mut told = 0;
    let mut check = |at: usize, text: &str| {
        if !secret && text.contains("-----BEGIN") && text.contains("PRIVATE KEY") {
            secret_key(at, found);
            secret = true;
        }
        let control = |c: &char| is_control(*c) && *c != '\r';
        if told < TOLD
            && let Some(c) = text.chars().find(control)
        {
            told += 1;
            let message =
                format!("the escape produces the control character U+{:04X}", u32::from(c));
            found.push(Code::ControlCharacter, at, message, "write the text without the escape");
        }
    };
    for node in tree.nodes() {
        match &node.shape {
            Shape::Scalar { text, plain: false } => check(node.at, text),
            Shape::Map(entries) => {
                for entry in entries.iter().filter(|it| !it.plain) {
                    check(entry.at, &entry.key);
                }
            }
            _ => {}
        }
    }
    secret
}
