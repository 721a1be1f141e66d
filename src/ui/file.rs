//! Output to a file that the user named: readable by its owner only, complete or not written at all, and it replaces
//! nothing but earlier output of the same sort; the file that events are appended to (`append.rs`), and the folder of a fleet's
//! results (`results.rs`).

mod append;
mod results;

pub use append::Appended;
pub use results::{FolderRefused, ResultsFolder, results};

use crate::system::files::{set_mode, with_mode};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
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
    /// What exists where new files were to be: all of it.
    #[error("{}, so nothing is written", listed(.0))]
    InTheWay(Vec<Obstacle>),
    /// The system says no.
    #[error("`{path}` cannot be written: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What prevents that a new file is put into a folder.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Something of its name.
    #[error("`{0}` already exists")]
    Exists(PathBuf),
    /// A link on the way to it, which leads somewhere else.
    #[error("`{0}` is a link, which is not followed")]
    Link(PathBuf),
    /// A file or a device where a folder is needed.
    #[error("`{0}` is not a folder")]
    NotAFolder(PathBuf),
}

fn listed(obstacles: &[Obstacle]) -> String {
    obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
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
    replace(path, text, sort, 0o600)
}

/// The same, mode 0644 whatever the umask says: for a file that another user's program reads.
pub fn write_public(path: &Path, text: &str, sort: Sort) -> Result<(), Refused> {
    replace(path, text, sort, 0o644)
}

fn replace(path: &Path, text: &str, sort: Sort, mode: u32) -> Result<(), Refused> {
    may_write(path, sort)?;
    let io = |source| Refused::Io { path: path.to_owned(), source };
    let next = whole(path, text, mode).map_err(io)?;
    let named = set_mode(&next, mode).and_then(|()| fs::rename(&next, path));
    named.map_err(|error| {
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
        match with_mode(OpenOptions::new().write(true).create_new(true), mode).open(&next) {
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

/// Makes sure, before any work is done, that new files of these names may be put into a folder. A name may be a
/// path of plain parts, such as `keys/a.pem`. What prevents it is named completely.
pub fn may_fill(folder: &Path, names: impl IntoIterator<Item = String>) -> Result<(), Refused> {
    let mut obstacles = Vec::new();
    for name in names {
        if let Some(it) = obstacle(folder, Path::new(&name))?
            && !obstacles.contains(&it)
        {
            obstacles.push(it);
        }
    }
    if obstacles.is_empty() { Ok(()) } else { Err(Refused::InTheWay(obstacles)) }
}

/// What prevents one new file, if anything does.
fn obstacle(folder: &Path, name: &Path) -> Result<Option<Obstacle>, Refused> {
    let mut path = folder.to_owned();
    let mut parts = name.components().peekable();
    while let Some(part) = parts.next() {
        path.push(part);
        let is_file = parts.peek().is_none();
        match fs::symlink_metadata(&path) {
            Ok(_) if is_file => return Ok(Some(Obstacle::Exists(path))),
            Ok(it) if it.is_symlink() => return Ok(Some(Obstacle::Link(path))),
            Ok(it) if !it.is_dir() => return Ok(Some(Obstacle::NotAFolder(path))),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Refused::Io { path, source }),
        }
    }
    Ok(None)
}

/// Puts files into a folder, which is created if it does not exist: all of them, each complete, or none. A file that
/// exists with the same bytes stays as it is; the answer names these. A file with other bytes is never overwritten, and
/// folders that were made are removed again where one file fails.
pub fn fill<'a>(
    folder: &Path,
    files: &'a BTreeMap<String, String>,
) -> Result<BTreeSet<&'a str>, Refused> {
    let mut unchanged = BTreeSet::new();
    let mut obstacles = Vec::new();
    for (name, text) in files {
        match obstacle(folder, Path::new(name))? {
            None => {}
            Some(Obstacle::Exists(path)) if holds(&path, text) => {
                unchanged.insert(name.as_str());
            }
            Some(it) if obstacles.contains(&it) => {}
            Some(it) => obstacles.push(it),
        }
    }
    if !obstacles.is_empty() {
        return Err(Refused::InTheWay(obstacles));
    }
    let mut made = Made::default();
    let mut missing = files.iter().filter(|(name, _)| !unchanged.contains(name.as_str()));
    let filled = made
        .folder(folder)
        .and_then(|()| missing.try_for_each(|(name, text)| made.file(&folder.join(name), text)));
    match filled {
        Ok(()) => sync(folder),
        Err(refused) => {
            made.remove();
            return Err(refused);
        }
    }
    Ok(unchanged)
}

/// Whether a path is a regular file with this text and nothing else. One that cannot be read is not known to be.
fn holds(path: &Path, text: &str) -> bool {
    let is_file = fs::symlink_metadata(path)
        .is_ok_and(|it| it.is_file() && it.len() == u64::try_from(text.len()).unwrap_or(u64::MAX));
    is_file && fs::read(path).is_ok_and(|it| it == text.as_bytes())
}

/// The folders and files that were made, in this order.
#[derive(Default)]
struct Made {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Made {
    /// Makes a folder and those above it that do not exist.
    fn folder(&mut self, path: &Path) -> Result<(), Refused> {
        let above = path.ancestors().take_while(|it| !it.as_os_str().is_empty());
        let missing: Vec<&Path> = above.take_while(|it| !it.is_dir()).collect();
        for path in missing.into_iter().rev() {
            match fs::create_dir(path) {
                Ok(()) => self.folders.push(path.to_owned()),
                // Another process made it, or its path leads back by `..`.
                Err(_) if path.is_dir() => {}
                Err(source) => return Err(Refused::Io { path: path.to_owned(), source }),
            }
        }
        Ok(())
    }

    /// Writes a new file, with the folders on its way.
    fn file(&mut self, path: &Path, text: &str) -> Result<(), Refused> {
        self.folder(folder_of(path))?;
        let written = whole(path, text, 0o666).and_then(|next| {
            let put = put(&next, path);
            let _ = fs::remove_file(&next);
            put
        });
        written.map_err(|source| Refused::Io { path: path.to_owned(), source })?;
        self.files.push(path.to_owned());
        Ok(())
    }

    /// Removes everything that was made.
    fn remove(self) {
        for file in self.files {
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.into_iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
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
        assert!(matches!(fill(&into, &files("2")), Err(Refused::InTheWay(_))));
        assert_eq!(fs::read_to_string(into.join("x")).unwrap(), "1");
        fs::remove_file(into.join("x")).unwrap();
        symlink("elsewhere", into.join("x")).unwrap();
        assert!(matches!(fill(&into, &files("3")), Err(Refused::InTheWay(_))));
        assert!(!into.join("elsewhere").exists());
    }

    #[test]
    fn everything_in_the_way_is_named_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "mine").unwrap();
        fs::write(at("b"), "mine").unwrap();
        fs::create_dir(at("elsewhere")).unwrap();
        symlink("elsewhere", at("c")).unwrap();
        let names = ["a", "b/x", "b/y", "c/x", "d/e/x", "f"];
        let files = names.map(|it| (it.to_owned(), "new".to_owned()));
        let Err(Refused::InTheWay(found)) = fill(folder.path(), &BTreeMap::from(files)) else {
            panic!("nothing is written");
        };
        let expected =
            [Obstacle::Exists(at("a")), Obstacle::NotAFolder(at("b")), Obstacle::Link(at("c"))];
        assert_eq!(found, expected);
        assert!(!at("d").exists() && !at("f").exists() && !at("elsewhere/x").exists());
    }

    #[test]
    fn folders_that_were_made_are_removed_where_a_file_fails() {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("a/b");
        // No file system takes the second name.
        let files = [("c/x".to_owned(), String::new()), ("d".repeat(300), String::new())];
        assert!(matches!(fill(&into, &BTreeMap::from(files)), Err(Refused::Io { .. })));
        assert!(!folder.path().join("a").exists());
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
