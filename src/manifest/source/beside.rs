//! Files that are no manifests: those that manifests name, those of `--values`, and others of the command line.

use super::{Refused, read, source};
use crate::diag::{Code, Diagnostic, Folder, Origin, Place, Report, Source, SourceMap};
use crate::system::opened::Opened;
use std::fs::canonicalize;
use std::path::{Component, Path, PathBuf};

/// A text that a manifest names by a path relative to itself, such as a public key.
///
/// It must be a regular file of at most `limit` bytes inside the folder that was given with `-f`,
/// links resolved. A manifest from standard input can name one where a folder was given for that; of a manifest that
/// another program wrote there, `written_in` is the file that it comes from, and a file beside that one comes first.
pub fn read_relative(
    source: &Source,
    written_in: Option<&str>,
    relative: &str,
    limit: u64,
) -> Result<String, Refused> {
    let beside = source.folder.as_ref().zip(written_in).and_then(|it| folder_of(it.0, it.1));
    if let Some(beside) = beside {
        let found = read_beside(Some(&beside), relative, limit);
        if found.is_ok() || beside.base.join(relative).exists() {
            return found;
        }
    }
    read_beside(source.folder.as_ref(), relative, limit)
}

/// The folder of a file that a manifest from standard input was written in, as far as it is inside of the folder that was
/// given for that: relative to it, or, since kustomize runs in a folder further in, without the `..` that lead out.
fn folder_of(folder: &Folder, written_in: &str) -> Option<Folder> {
    let file = Path::new(written_in);
    let further_in: PathBuf =
        file.components().skip_while(|it| *it == Component::ParentDir).collect();
    [file, &further_in].into_iter().find_map(|it| {
        let base = canonicalize(folder.base.join(it)).ok()?.parent()?.to_owned();
        base.starts_with(&folder.root).then(|| Folder { base, root: folder.root.clone() })
    })
}

fn read_beside(folder: Option<&Folder>, relative: &str, limit: u64) -> Result<String, Refused> {
    let Some(Folder { base, root }) = folder else {
        let mut refused = Refused::new(
            Code::OutsideRoot,
            "cannot be read: a manifest from standard input has no folder of its own",
        );
        refused.help = Some(
            "give the folder that the path is relative to with `--stdin-folder`, such as \
             `--stdin-folder .`, or write the text itself into the manifest"
                .to_owned(),
        );
        return Err(refused);
    };
    let relative = Path::new(relative);
    let inside = |it: Component<'_>| {
        matches!(it, Component::Normal(_) | Component::CurDir | Component::ParentDir)
    };
    if relative.as_os_str().is_empty() || !relative.components().all(inside) {
        let message = "is not a path relative to the manifest";
        return Err(Refused::new(Code::OutsideRoot, message)
            .help("write the path from the manifest's folder, such as `keys/public.pem`"));
    }
    let found = canonicalize(base.join(relative)).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let refused = Refused::from(error);
        if missing {
            refused.help("check the path: it is relative to the manifest's folder")
        } else {
            refused
        }
    })?;
    if !found.starts_with(root) {
        let message = "leads out of the folder that was given with `-f`";
        return Err(Refused::new(Code::OutsideRoot, message).help(
            "put the file into that folder, or give `-f` a folder that holds both the manifest and the file; \
             with `-f FILE` it is the folder of FILE",
        ));
    }
    let mut bytes = 0;
    read(&Opened::at(&found)?, limit, u64::MAX, &mut bytes)
}

/// A file that the command line names and that is no manifest, such as a saved plan.
pub fn read_named(path: &Path, limit: u64) -> Result<String, Refused> {
    read(&Opened::at(path)?, limit, u64::MAX, &mut 0)
}

/// A file of `--values` and where it was found.
pub(in super::super) struct Located {
    /// As it is shown.
    pub(in super::super) shown: PathBuf,
    /// Where it really is; nothing where there is no such file.
    pub(in super::super) real: Option<PathBuf>,
}

/// Looks for a file of values: in the working folder, or else in the first folder of `-f` that has it.
pub(in super::super) fn locate(file: &Path, manifests: &[PathBuf]) -> Located {
    let here = std::iter::once(file.to_owned());
    let beside = manifests.iter().filter(|_| file.is_relative()).map(|it| it.join(file));
    let found = here.chain(beside).find_map(|shown| {
        let real = canonicalize(&shown).ok()?;
        Some(Located { shown, real: Some(real) })
    });
    found.unwrap_or_else(|| Located { shown: file.to_owned(), real: None })
}

/// Adds a file of `--values`; what it holds is no manifest. The answer is its documents.
pub(in super::super) fn add_values(
    sources: &mut SourceMap,
    file: &Located,
    report: &mut Report,
) -> Vec<Origin> {
    let name = file.shown.display().to_string();
    let read = match &file.real {
        Some(real) => read_named(real, BYTES_OF_VALUES),
        None => Err(std::io::Error::from(std::io::ErrorKind::NotFound).into()),
    };
    let (text, refused) = match read {
        Ok(text) => (text, None),
        Err(refused) => (String::new(), Some(refused)),
    };
    let id = sources.add(source(name, None, text));
    if let Some(Refused { code, message, help }) = refused {
        let help = match &file.real {
            Some(_) => help,
            None => Some(
                "`--values` is relative to the working folder, or else to a folder of `-f`"
                    .to_owned(),
            ),
        };
        let message = format!("the file of values `{}` {message}", sources.name(id));
        let mut diagnostic = Diagnostic::new(code, Place::File(id), message);
        diagnostic.help = help;
        report.push(diagnostic);
    }
    let count = sources.get(id).map_or(0, |it| it.documents.len());
    (0..).take(count).map(|document| Origin { source: id, document }).collect()
}

/// The most that a file of values may hold; a document has the same limit.
const BYTES_OF_VALUES: u64 = crate::diag::tree::DOCUMENT_BYTES as u64;
