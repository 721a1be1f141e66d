//! Which paths each source file names, read from its tokens: `use` with any nesting and on any number of lines,
//! `pub use`, paths in code and in macros, `crate::`, `self::`, `super::super::`. Comments, strings and what is under
//! `#[cfg(test)]` name nothing.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A path of the crate from its root, such as `["plan", "Step"]` for `super::Step` in `plan/policy.rs`.
pub(super) type ModulePath = Vec<String>;

/// One source file.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) module: ModulePath,
    pub(super) text: String,
    /// Paths of this crate that it names, other than by `pub use`.
    pub(super) names: BTreeSet<ModulePath>,
    /// What its `use` lines, `pub` or not, call by another path: the name, and the path.
    aliases: BTreeMap<String, ModulePath>,
    /// Everything that it names, from `crate::` or from another crate, and its macros with a `!`.
    pub(super) words: BTreeSet<String>,
}

/// All files of a crate by their path in `src`.
#[derive(Debug)]
pub(super) struct Crate {
    pub(super) files: BTreeMap<PathBuf, Source>,
}

impl Crate {
    pub(super) fn of(texts: BTreeMap<PathBuf, String>) -> Self {
        let modules: BTreeSet<ModulePath> = texts.keys().map(|it| module_of(it)).collect();
        let read = |(path, text): (PathBuf, String)| {
            let tokens: TokenStream =
                text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let module = module_of(&path);
            let mut source = Source { module: module.clone(), text, ..Source::default() };
            Reader { modules: &modules, source: &mut source }.read(tokens, &module);
            (path, source)
        };
        Self { files: texts.into_iter().map(read).collect() }
    }

    fn by_module(&self, module: &[String]) -> Option<(&PathBuf, &Source)> {
        self.files.iter().find(|(_, it)| it.module == module)
    }

    /// The file that defines what this path names, through re-exports.
    pub(super) fn file_of(&self, path: &[String]) -> Option<&PathBuf> {
        let mut path = path.to_vec();
        // A chain of re-exports is short; the limit ends a circle.
        for _ in 0..10 {
            let longest =
                (0..=path.len()).rev().find(|it| self.by_module(&path[..*it]).is_some())?;
            let (file, source) = self.by_module(&path[..longest])?;
            let alias = path.get(longest).and_then(|it| source.aliases.get(it));
            let Some(alias) = alias else { return Some(file) };
            let rest = path.split_off(longest + 1);
            path = alias.iter().cloned().chain(rest).collect();
        }
        None
    }
}

/// `["plan"]` for `plan/mod.rs`, `["plan", "step"]` for `plan/step.rs`.
fn module_of(path: &Path) -> ModulePath {
    let parts = path.with_extension("");
    let mut module: ModulePath = parts.iter().map(|it| it.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|it| it == "mod" || it == "lib") {
        module.pop();
    }
    module
}

struct Reader<'a> {
    modules: &'a BTreeSet<ModulePath>,
    source: &'a mut Source,
}

impl Reader<'_> {
    fn read(&mut self, tokens: TokenStream, module: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Punct(it) if it.as_char() == '#' && is_for_tests(tokens.get(at + 1)) => {
                    at += 2;
                    while let Some(token) = tokens.get(at) {
                        at += 1;
                        if is(token, ';') || braces(token).is_some() {
                            break;
                        }
                    }
                    continue;
                }
                TokenTree::Ident(it) if it == "mod" => {
                    if let (Some(name), Some(inner)) =
                        (tokens.get(at + 1), tokens.get(at + 2).and_then(braces))
                    {
                        let inside = [module, &[name.to_string()]].concat();
                        self.read(inner, &inside);
                        at += 3;
                        continue;
                    }
                }
                TokenTree::Ident(it) if it == "use" => {
                    let public = at > 0 && is_public(&tokens[..at]);
                    let end = (at..tokens.len()).find(|it| is(&tokens[*it], ';'));
                    let end = end.unwrap_or(tokens.len());
                    for (path, name) in leaves(&tokens[at + 1..end], &[]) {
                        self.name(path, module, Some((name, public)));
                    }
                    at = end;
                    continue;
                }
                TokenTree::Ident(it) => {
                    if tokens.get(at + 1).is_some_and(|it| is(it, '!')) {
                        self.source.words.insert(format!("{it}!"));
                    }
                    let goes_on =
                        at > 0 && is(&tokens[at - 1], ':') && at > 1 && is(&tokens[at - 2], ':');
                    if !goes_on && is_path(&tokens, at + 1) {
                        let (path, end) = path(&tokens, at);
                        // What a macro is given may have braces, as `use` has.
                        if is_path(&tokens, end) && tokens.get(end + 2).and_then(braces).is_some() {
                            for (path, _) in leaves(&tokens[end + 2..end + 3], &path) {
                                self.name(path, module, None);
                            }
                        }
                        self.name(path, module, None);
                    }
                }
                TokenTree::Group(it) => self.read(it.stream(), module),
                _ => {}
            }
            at += 1;
        }
    }

    /// Notes a path as it is written in a module, and for a `use` the name that it brings in.
    fn name(&mut self, path: ModulePath, module: &[String], used: Option<(String, bool)>) {
        let Some(first) = path.first() else { return };
        let child = [module, std::slice::from_ref(first)].concat();
        let start = match first.as_str() {
            "crate" => Some((vec![], 1)),
            "self" => Some((module.to_vec(), 1)),
            "super" => {
                let up = path.iter().take_while(|it| *it == "super").count();
                Some((module[..module.len().saturating_sub(up)].to_vec(), up))
            }
            _ if self.modules.contains(&child) => Some((module.to_vec(), 0)),
            _ => None,
        };
        let Some((start, from)) = start else {
            self.source.words.insert(path.join("::"));
            return;
        };
        let path: ModulePath = start.into_iter().chain(path.into_iter().skip(from)).collect();
        self.source.words.insert(format!("crate::{}", path.join("::")));
        let public = used.as_ref().is_some_and(|(_, public)| *public);
        if let Some((name, _)) = used
            && module == self.source.module
            // `use child::{self}` calls nothing by another path.
            && path != [module, std::slice::from_ref(&name)].concat()
        {
            self.source.aliases.insert(name, path.clone());
        }
        if !public {
            self.source.names.insert(path);
        }
    }
}

fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(it) if it.as_char() == sign)
}

fn braces(token: &TokenTree) -> Option<TokenStream> {
    match token {
        TokenTree::Group(it) if it.delimiter() == Delimiter::Brace => Some(it.stream()),
        _ => None,
    }
}

/// Whether this is the `[cfg(test)]` of an attribute.
fn is_for_tests(attribute: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(it)) = attribute else { return false };
    let text: String = it.stream().to_string().split_whitespace().collect();
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

/// Whether tokens end with `pub` or `pub(crate)`.
fn is_public(before: &[TokenTree]) -> bool {
    let mut before = before.iter().rev().peekable();
    before.next_if(|it| matches!(it, TokenTree::Group(_)));
    before.next().is_some_and(|it| matches!(it, TokenTree::Ident(it) if it == "pub"))
}

/// Whether `::` stands here.
fn is_path(tokens: &[TokenTree], at: usize) -> bool {
    tokens.get(at).is_some_and(|it| is(it, ':')) && tokens.get(at + 1).is_some_and(|it| is(it, ':'))
}

/// The path that starts here, and where it ends.
fn path(tokens: &[TokenTree], mut at: usize) -> (ModulePath, usize) {
    let mut path = Vec::new();
    while let Some(TokenTree::Ident(it)) = tokens.get(at) {
        path.push(it.to_string());
        at += 1;
        if !is_path(tokens, at) || !matches!(tokens.get(at + 2), Some(TokenTree::Ident(_))) {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// What a `use` brings in: each path, and the name it has here.
fn leaves(tokens: &[TokenTree], prefix: &[String]) -> Vec<(ModulePath, String)> {
    let mut found = Vec::new();
    for tree in tokens.split(|it| is(it, ',')).filter(|it| !it.is_empty()) {
        // `::name` is another crate.
        let tree = if is_path(tree, 0) { &tree[2..] } else { tree };
        let (mut here, end) = path(tree, 0);
        here.splice(0..0, prefix.iter().cloned());
        let inner = tree[end.min(tree.len())..].iter().find_map(braces);
        if let Some(inner) = inner {
            let inner: Vec<TokenTree> = inner.into_iter().collect();
            found.extend(leaves(&inner, &here));
            continue;
        }
        let alias = match &tree[end.min(tree.len())..] {
            [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "as" => {
                Some(name.to_string())
            }
            _ => None,
        };
        // `a::{self}` is `a`.
        if here.len() > 1 && here.last().is_some_and(|it| it == "self") {
            here.pop();
        }
        // A `*` brings in names that are not told; the module itself is what counts.
        let glob = tree.last().is_some_and(|it| is(it, '*'));
        let name = alias.or_else(|| here.last().cloned().filter(|_| !glob));
        if !here.is_empty() {
            found.push((here, name.unwrap_or_else(|| "*".to_owned())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Crate, PathBuf};
    use std::path::Path;

    /// What a file of a small crate names.
    fn named(text: &str) -> Vec<String> {
        let files = [
            ("plan/policy.rs", text),
            ("plan/mod.rs", "pub use step::Step; use crate::kinds::{Kind as Sort};"),
            ("plan/step.rs", ""),
            ("kinds/mod.rs", "pub use address::*;"),
            ("kinds/address.rs", ""),
            ("aws/mod.rs", ""),
            ("lib.rs", ""),
        ];
        let files = files.map(|(path, text)| (PathBuf::from(path), text.to_owned()));
        let all = Crate::of(files.into_iter().collect());
        let source = &all.files[Path::new("plan/policy.rs")];
        let file = |it: &Vec<String>| all.file_of(it).expect("a file").display().to_string();
        let mut files: Vec<String> = source.names.iter().map(file).collect();
        files.dedup();
        files
    }

    #[test]
    fn every_way_to_name_a_module_is_seen() {
        for (text, expected) in [
            ("use crate::aws;", &["aws/mod.rs"][..]),
            ("use crate::{aws, kinds::Kind};", &["aws/mod.rs", "kinds/mod.rs"]),
            (
                "use crate::{\n    kinds::{\n        address::{Address, Arn},\n    },\n};",
                &["kinds/address.rs"],
            ),
            ("pub(crate) fn f() { crate::aws::connect(); }", &["aws/mod.rs"]),
            ("fn f() -> Vec<crate::aws::Clients> { vec![] }", &["aws/mod.rs"]),
            ("fn f() { assert!(matches!(x, crate::aws::Class::Gone)); }", &["aws/mod.rs"]),
            ("use super::super::aws::Clients;", &["aws/mod.rs"]),
            ("use super::Step;", &["plan/step.rs"]),
            ("use super::{Plan, Step};", &["plan/mod.rs", "plan/step.rs"]),
            ("use super::Sort;", &["kinds/mod.rs"]),
            ("use super::*;", &["plan/mod.rs"]),
            ("use crate::plan::step as other;", &["plan/step.rs"]),
            ("mod inner { use super::super::Step; }", &["plan/step.rs"]),
            ("macro_rules! m { () => { $crate::aws::f() } }", &["aws/mod.rs"]),
            ("m! { use crate::{aws} }", &["aws/mod.rs"]),
            ("// use crate::aws;\n/* crate::aws */ const X: &str = \"crate::aws\";", &[]),
            ("#[cfg(test)]\nmod tests { use crate::aws; }", &[]),
            ("#[cfg(test)]\nuse crate::aws;\nuse crate::kinds;", &["kinds/mod.rs"]),
            ("use std::collections::BTreeMap; fn f() { serde_json::json!({}); }", &[]),
        ] {
            assert_eq!(named(text), expected, "{text}");
        }
    }
}
