//! What kustomize says of the documents that it writes.
//!
//! With `buildMetadata: [originAnnotations]` each document has the file that it was written in. The annotation is for
//! messages and for files beside that file; like every annotation it is never sent to AWS.

use crate::diag::tree::{Shape, Tree};

/// The annotation of kustomize.
const ORIGIN: &str = "config.kubernetes.io/origin";

/// The file that a document was written in, relative to the folder that kustomize was run in; nothing where there is no
/// annotation. A file that was generated has the file that says so, and a file of another repository the name of
/// that before it.
pub(super) fn origin(tree: &Tree) -> Option<String> {
    let metadata = tree.member(Tree::ROOT, "metadata")?;
    let annotations = tree.member(metadata, "annotations")?;
    let note = text(tree, tree.member(annotations, ORIGIN)?)?;
    let note = Tree::read(note).ok()?;
    let of = |key| text(&note, note.member(Tree::ROOT, key)?).map(ToOwned::to_owned);
    let file = of("path").or_else(|| of("configuredIn"))?;
    Some(match of("repo") {
        Some(repository) => format!("{repository}/{file}"),
        None => file,
    })
}

fn text(tree: &Tree, id: crate::diag::tree::NodeId) -> Option<&str> {
    match &tree.resolve(id)?.shape {
        Shape::Scalar { text, .. } if !text.is_empty() => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(note: &str) -> Option<String> {
        let text = format!("metadata:\n  annotations:\n    {ORIGIN}: |\n{note}");
        origin(&Tree::read(&text).expect("YAML"))
    }

    #[test]
    fn a_document_of_kustomize_says_its_file() {
        assert_eq!(of("      path: ../../base/a.yaml\n").as_deref(), Some("../../base/a.yaml"));
        assert_eq!(
            of("      path: base/a.yaml\n      repo: https://example.com/x\n      ref: v1\n")
                .as_deref(),
            Some("https://example.com/x/base/a.yaml")
        );
        assert_eq!(
            of("      configuredIn: generator.yaml\n      configuredBy: { kind: X }\n").as_deref(),
            Some("generator.yaml")
        );
        assert_eq!(of("      [broken\n"), None);
        assert_eq!(origin(&Tree::read("metadata: { name: a }").expect("YAML")), None);
    }
}
