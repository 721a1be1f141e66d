//! Output to a file that the user named: readable by its owner only, complete or not written at all, and it replaces
//! nothing but earlier output of the same sort; and the file that events are appended to (`append.rs`).

mod append;

pub use append::Appended;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Why a file is not written.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Writing through a link would write somewhere else.
    #[error("`{0}` is a link, which is not followed")]
    Link(PathBuf),
    /// What elsewhere means a standard stream.
    #[error(
        "`-` is no file: standard output has the answer already, and `./-` would be a file of that name"
    )]
    Dash,
    /// Standard output or standard error under another name.
    #[error("`{0}` is where the answer or the messages of this run go")]
    Stream(PathBuf),
    /// A folder, a pipe, a device.
    #[error("`{0}` is not a regular file")]
    NotAFile(PathBuf),
    /// A file with other content.
    #[error("`{0}` already exists and is not {1}, so it is not overwritten")]
    Foreign(PathBuf, &'static str),
    /// A file where a new one was to be.
    #[error("`{0}` already exists, so nothing is written")]
    There(PathBuf),
    /// The system says no.
    #[error("`{path}` cannot be written: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a file may hold for it to be written over.
#[derive(Clone, Copy, Debug)]
pub struct Sort {
    /// In words: `a saved plan`.
    pub what: &'static str,
    /// Recognises it by its beginning.
    pub is: fn(&str) -> bool,
}

/// The length of the beginning by which a file is recognised.
const BEGINNING: u64 = 4_096;

/// Makes sure, before any work is done, that `path` may be written.
pub fn may_write(path: &Path, sort: Sort) -> Result<(), Refused> {
    if path == Path::new("-") {
        return Err(Refused::Dash);
    }
    let io = |source| Refused::Io { path: path.to_owned(), source };
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = folder_of(path);
            return match fs::metadata(folder) {
                Ok(it) if it.is_dir() => Ok(()),
                Ok(_) => Err(Refused::NotAFile(path.to_owned())),
                Err(error) => Err(io(error)),
            };
        }
        Err(error) => return Err(io(error)),
    };
    if there.is_symlink() {
        return Err(Refused::Link(path.to_owned()));
    }
    if !there.is_file() {
        return Err(Refused::NotAFile(path.to_owned()));
    }
    let begins = File::open(path).and_then(|mut it| begins_as(&mut it, sort)).map_err(io)?;
    if there.len() > 0 && !begins {
        return Err(Refused::Foreign(path.to_owned(), sort.what));
    }
    Ok(())
}

/// Whether a file begins as one of this sort does.
fn begins_as(file: &mut File, sort: Sort) -> io::Result<bool> {
    let mut beginning = Vec::new();
    file.take(BEGINNING).read_to_end(&mut beginning)?;
    Ok((sort.is)(&String::from_utf8_lossy(&beginning)))
}

/// Writes `text`, mode 0600: into a new file first, which then takes the place of the old one, so that a link
/// put there meanwhile is replaced and not followed.
pub fn write(path: &Path, text: &str, sort: Sort) -> Result<(), Refused> {
    may_write(path, sort)?;
    let io = |source| Refused::Io { path: path.to_owned(), source };
    let next = whole(path, text, 0o600).map_err(io)?;
    fs::rename(&next, path).map_err(|error| {
        let _ = fs::remove_file(&next);
        io(error)
    })?;
    sync(folder_of(path));
    Ok(())
}

/// A new file beside `path` with all of `text`, safe on the disk; none where that fails.
fn whole(path: &Path, text: &str, mode: u32) -> io::Result<PathBuf> {
    let mut tries = 0;
    let (next, mut file) = loop {
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}.{tries}", std::process::id()));
        let next = path.with_file_name(name);
        match OpenOptions::new().write(true).create_new(true).mode(mode).open(&next) {
            Ok(file) => break (next, file),
            // A process of this number was killed here before.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 100 => tries += 1,
            Err(error) => return Err(error),
        }
    };
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = fs::remove_file(&next);
        return Err(error);
    }
    Ok(next)
}

/// Not every system lets a folder be synced; the content of its files is safe either way.
fn sync(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Makes sure, before any work is done, that new files of these names may be put into a folder.
pub fn may_fill(folder: &Path, names: impl IntoIterator<Item = String>) -> Result<(), Refused> {
    for path in names.into_iter().map(|it| folder.join(it)) {
        match fs::symlink_metadata(&path) {
            Ok(_) => return Err(Refused::There(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Refused::Io { path, source }),
        }
    }
    Ok(())
}

/// Puts new files into a folder, which is created if it does not exist: all of them, each complete, or none.
/// Existing files are never overwritten.
pub fn fill(folder: &Path, files: &BTreeMap<String, String>) -> Result<(), Refused> {
    may_fill(folder, files.keys().cloned())?;
    let io = |path: &Path, source| Refused::Io { path: path.to_owned(), source };
    fs::create_dir_all(folder).map_err(|source| io(folder, source))?;
    let mut done: Vec<PathBuf> = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        let put = whole(&path, text, 0o666).and_then(|next| {
            let put = put(&next, &path);
            let _ = fs::remove_file(&next);
            put
        });
        if let Err(source) = put {
            for written in done {
                let _ = fs::remove_file(written);
            }
            return Err(io(&path, source));
        }
        done.push(path);
    }
    sync(folder);
    Ok(())
}

/// Gives a whole file its name, if that is still free.
fn put(next: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(next, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without hard links.
        Err(_) if fs::symlink_metadata(path).is_err() => fs::rename(next, path),
        other => other,
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const SORT: Sort = Sort { what: "a note", is: |text| text.starts_with("note") };

    #[test]
    fn a_file_is_private_whatever_was_there_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "note 1").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, "note 2", SORT).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "note 2");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn a_folder_is_filled_with_new_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("a/b");
        let files = |text: &str| BTreeMap::from([("x".to_owned(), text.to_owned())]);
        fill(&into, &files("1")).unwrap();
        assert!(matches!(fill(&into, &files("2")), Err(Refused::There(_))));
        assert_eq!(fs::read_to_string(into.join("x")).unwrap(), "1");
        fs::remove_file(into.join("x")).unwrap();
        symlink("elsewhere", into.join("x")).unwrap();
        assert!(matches!(fill(&into, &files("3")), Err(Refused::There(_))));
        assert!(!into.join("elsewhere").exists());
    }

    #[test]
    fn links_folders_and_other_peoples_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, none) =
            (folder.path().join("f"), folder.path().join("l"), folder.path().join("no/such"));
        fs::write(&file, "kind: Channel").unwrap();
        symlink("elsewhere", &link).unwrap();
        assert!(matches!(write(&file, "note", SORT), Err(Refused::Foreign(..))));
        assert!(matches!(write(&link, "note", SORT), Err(Refused::Link(_))));
        assert!(matches!(write(folder.path(), "note", SORT), Err(Refused::NotAFile(_))));
        assert!(matches!(write(&none, "note", SORT), Err(Refused::Io { .. })));
        assert!(matches!(write(Path::new("-"), "note", SORT), Err(Refused::Dash)));
        assert_eq!(fs::read_to_string(&file).unwrap(), "kind: Channel");
        assert!(!folder.path().join("elsewhere").exists());
    }
}
