//! What `init` has written, and what to do next.

use super::escape::escape;
use super::shell::quote;
use std::path::Path;

/// What was written where.
#[derive(Debug)]
pub struct Written<'a> {
    /// The folder, as it was named.
    pub folder: &'a Path,
    /// New files.
    pub files: Vec<&'a str>,
    /// Files that were there with the same bytes.
    pub unchanged: Vec<&'a str>,
    /// The lines that were added to a `.gitignore`.
    pub added: Vec<&'a str>,
    /// Whether a `.gitignore` was there with all of them.
    pub is_ignored_unchanged: bool,
    /// Places in the manifests that hold an example's value; nothing where no manifests were asked for.
    pub edits: Option<&'a [&'a str]>,
}

impl Default for Written<'_> {
    fn default() -> Self {
        Self {
            folder: Path::new("."),
            files: Vec::new(),
            unchanged: Vec::new(),
            added: Vec::new(),
            is_ignored_unchanged: false,
            edits: None,
        }
    }
}

/// The files, the lines that were added to a `.gitignore`, and the next steps.
pub fn text(written: &Written<'_>) -> String {
    let Written { folder, files, unchanged, added, is_ignored_unchanged, edits } = written;
    let name = folder.to_string_lossy();
    // `cd` would take it for an option.
    let name = if name.starts_with('-') { format!("./{name}") } else { name.into_owned() };
    let name = escape(&quote(&name), 400);
    let mut text = String::new();
    let mut list = |head: String, lines: &[&str]| {
        if !lines.is_empty() {
            text.push_str(&head);
            for line in lines {
                text.push_str(&format!("  {line}\n"));
            }
        }
    };
    list(format!("Written to {name}:\n"), files);
    list("Added to `.gitignore`:\n".to_owned(), added);
    let ignored = is_ignored_unchanged.then_some(".gitignore");
    let unchanged: Vec<&str> = ignored.into_iter().chain(unchanged.iter().copied()).collect();
    let (count, s) = (unchanged.len(), if unchanged.len() == 1 { "" } else { "s" });
    list(format!("Unchanged in {name}, {count} file{s}:\n"), &unchanged);
    match edits {
        Some(edits) => after_manifests(folder, &name, edits, &mut text),
        None => text.push_str("\nBefore the first run of a workflow, edit:\n"),
    }
    text.push_str(
        "\x20 `OWNER`, the region and the roles in `.github/workflows/*.yml`; keep them in the root of the\n\
         \x20 repository, since GitHub reads workflows only there\n",
    );
    if edits.is_none() {
        text.push_str("  `files` there, if the manifests are in another folder than `ivs`\n");
    }
    text.push_str(
        "\n`ivs-apply iam-policy plan` and `ivs-apply iam-policy apply` print the policies of the roles.\n",
    );
    text
}

/// What to do with new manifests.
fn after_manifests(folder: &Path, name: &str, edits: &[&str], text: &mut String) {
    text.push_str("\nNext:\n");
    if folder != Path::new(".") {
        text.push_str(&format!("  cd {name}\n"));
    }
    text.push_str(
        "  ivs-apply apply -f ivs --emulator --yes   try the manifests on an emulated account\n\
         \nBefore the first `ivs-apply plan` on a real account, edit:\n\
         \x20 `region` and `account` in `ivs/stack.yaml`: those of your account\n",
    );
    for edit in edits {
        text.push_str(&format!("  {edit}\n"));
    }
}
