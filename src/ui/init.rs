//! What `init` has written, and what to do next.

use super::escape::escape;
use super::shell::quote;
use std::path::Path;

/// The files, the lines that were added to a `.gitignore`, and the next steps; `edits` are places that hold an example's
/// value.
pub fn text<'a>(
    folder: &Path,
    files: impl Iterator<Item = &'a str>,
    added: &[&str],
    edits: &[&str],
) -> String {
    let name = folder.to_string_lossy();
    // `cd` would take it for an option.
    let name = if name.starts_with('-') { format!("./{name}") } else { name.into_owned() };
    let name = escape(&quote(&name), 400);
    let mut text = format!("Written to {name}:\n");
    for file in files {
        text.push_str(&format!("  {file}\n"));
    }
    if !added.is_empty() {
        text.push_str("Added to `.gitignore`:\n");
        for line in added {
            text.push_str(&format!("  {line}\n"));
        }
    }
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
    text.push_str(
        "\x20 `OWNER`, the region and the roles in `.github/workflows/*.yml`, which GitHub reads in the root of\n\
         \x20 a repository only\n\
         \n`ivs-apply iam-policy plan` and `ivs-apply iam-policy apply` print the policies of the roles.\n",
    );
    text
}
