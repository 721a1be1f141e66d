//! The folder of a fleet's results: `fleet.json`, and for each target a folder with `answer.json` and `talk.txt`.

use super::{Made, Refused, Sort, write};
use crate::system::files::{LOCK_OF_FOLDER, lock_of_folder, with_mode};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// The results of a whole run.
const FLEET: &str = "fleet.json";
/// The answer of one target, complete.
const ANSWER: &str = "answer.json";
/// The same while it is written.
const ANSWER_PART: &str = ".answer.json.part";
/// What one target says beside its answer.
const TALK: &str = "talk.txt";

/// How deep folders of results may be inside of the one that is named: artifacts of a CI system have one each.
const DEPTH: usize = 3;
/// How many folders are looked at.
const MOST_FOLDERS: usize = 10_000;
/// The most that one `fleet.json` may have: ten thousand targets have 10 MiB.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

const RESULTS: Sort =
    Sort { what: "the results of a fleet", is: |text| text.starts_with("{\n  \"formatVersion\"") };

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub enum FolderRefused {
    /// An earlier run has written there.
    #[error("`{0}` has the results of a run already")]
    HasResults(PathBuf),
    /// Something else is there.
    #[error("`{0}` is not empty and has no results of a fleet, so nothing is written there")]
    NotEmpty(PathBuf),
    /// Another run writes there.
    #[error("another run is writing its results into `{0}`")]
    InUse(PathBuf),
    /// It, or a folder in it, leads somewhere else.
    #[error("`{0}` is a link, which is not followed")]
    Link(PathBuf),
    /// It is a file or a device.
    #[error("`{0}` is not a folder")]
    NotAFolder(PathBuf),
    /// Nothing to report.
    #[error("there is no `fleet.json` in `{0}` or in the folders in it")]
    NoResults(PathBuf),
    /// There is too much in it.
    #[error("`{0}` has too many folders, or a `fleet.json` that is too large")]
    TooLarge(PathBuf),
    /// The system says no.
    #[error("`{path}`: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file in it is not written.
    #[error(transparent)]
    File(#[from] Refused),
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> FolderRefused {
    |source| FolderRefused::Io { path: path.to_owned(), source }
}

/// A folder that one run writes its results to. It is locked for as long as this value exists.
#[derive(Debug)]
pub struct ResultsFolder {
    path: PathBuf,
    _lock: File,
}

impl ResultsFolder {
    /// Opens a folder, or makes one. It has to be empty, or to hold earlier results where a run `resumes` them: these
    /// come back.
    pub fn open(path: &Path, resumes: bool) -> Result<(Self, Option<String>), FolderRefused> {
        match fs::metadata(path) {
            Ok(it) if !it.is_dir() => return Err(FolderRefused::NotAFolder(path.to_owned())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Made::default().folder(path)?;
            }
            Err(error) => return Err(io_at(path)(error)),
        }
        let lock = lock_of_folder(path).map_err(io_at(path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderRefused::InUse(path.to_owned())),
            // A file system without locks.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(io_at(path)(error)),
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        let before = match text(&path.join(FLEET)) {
            Ok(text) if resumes => Some(text),
            Ok(_) => return Err(FolderRefused::HasResults(path.to_owned())),
            Err(FolderRefused::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let mut entries = fs::read_dir(path).map_err(io_at(path))?;
                let is_lock = |it: io::Result<fs::DirEntry>| {
                    it.is_ok_and(|it| it.file_name() == LOCK_OF_FOLDER)
                };
                if !entries.all(is_lock) {
                    return Err(FolderRefused::NotEmpty(path.to_owned()));
                }
                None
            }
            Err(error) => return Err(error),
        };
        Ok((folder, before))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `fleet.json`, complete or not at all.
    pub fn write(&self, text: &str) -> Result<(), Refused> {
        write(&self.path.join(FLEET), text, RESULTS)
    }

    /// New files for the two streams of a target. What an earlier run left of it is gone.
    pub fn streams(&self, target: &str) -> Result<(File, File), FolderRefused> {
        let folder = self.of(target)?;
        match fs::symlink_metadata(&folder) {
            Ok(it) if it.is_symlink() => return Err(FolderRefused::Link(folder)),
            Ok(it) if it.is_dir() => {}
            Ok(_) => return Err(FolderRefused::NotAFolder(folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(&folder).map_err(io_at(&folder))?;
            }
            Err(error) => return Err(io_at(&folder)(error)),
        }
        for name in [ANSWER, ANSWER_PART, TALK] {
            let path = folder.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_at(&path)(error));
                }
                _ => {}
            }
        }
        let new = |name: &str| {
            let path = folder.join(name);
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            with_mode(&mut options, 0o600).open(&path).map_err(io_at(&path))
        };
        Ok((new(ANSWER_PART)?, new(TALK)?))
    }

    /// The answer of a target whose process has ended: from now on it is complete, and has its name.
    pub fn answer(&self, target: &str) -> Result<impl Read + use<>, FolderRefused> {
        let folder = self.of(target)?;
        let (part, answer) = (folder.join(ANSWER_PART), folder.join(ANSWER));
        fs::rename(&part, &answer).map_err(io_at(&answer))?;
        File::open(&answer).map(BufReader::new).map_err(io_at(&answer))
    }

    /// The end of what a target said: as many whole lines as fit into so many bytes.
    pub fn end_of_talk(&self, target: &str, most: u64) -> Result<String, FolderRefused> {
        let path = self.of(target)?.join(TALK);
        let read = || -> io::Result<(bool, Vec<u8>)> {
            let mut file = File::open(&path)?;
            let length = file.metadata()?.len();
            let is_cut = length > most;
            file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
            let mut end = Vec::new();
            file.take(most).read_to_end(&mut end)?;
            Ok((is_cut, end))
        };
        let (is_cut, end) = read().map_err(io_at(&path))?;
        let end = String::from_utf8_lossy(&end);
        let whole = match end.split_once('\n') {
            Some((_, rest)) if is_cut => rest,
            _ => &*end,
        };
        Ok(whole.trim_end().to_owned())
    }

    /// The folder of a target.
    fn of(&self, target: &str) -> Result<PathBuf, FolderRefused> {
        let path = self.path.join(target);
        // The names of targets are no paths: this is for a caller who has not checked that.
        match Path::new(target).components().collect::<Vec<_>>()[..] {
            [Component::Normal(only)] if only == target && only != FLEET => Ok(path),
            _ => Err(FolderRefused::NotAFolder(path)),
        }
    }
}

/// The text of each `fleet.json` in a folder or in the folders in it, with the folder that it is in, sorted by that.
pub fn results(path: &Path) -> Result<Vec<(PathBuf, String)>, FolderRefused> {
    if !fs::metadata(path).map_err(io_at(path))?.is_dir() {
        return Err(FolderRefused::NotAFolder(path.to_owned()));
    }
    let mut found = Vec::new();
    let mut looked_at = 0;
    walk(path, DEPTH, &mut looked_at, &mut found)?;
    if found.is_empty() {
        return Err(FolderRefused::NoResults(path.to_owned()));
    }
    Ok(found)
}

fn walk(
    folder: &Path,
    depth: usize,
    looked_at: &mut usize,
    found: &mut Vec<(PathBuf, String)>,
) -> Result<(), FolderRefused> {
    *looked_at += 1;
    if *looked_at > MOST_FOLDERS {
        return Err(FolderRefused::TooLarge(folder.to_owned()));
    }
    match text(&folder.join(FLEET)) {
        Ok(text) => {
            found.push((folder.to_owned(), text));
            return Ok(());
        }
        Err(FolderRefused::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if depth == 0 {
        return Ok(());
    }
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.map_err(io_at(folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for it in entries {
        // A link in it is left alone, as in a folder of manifests.
        if it.file_type().is_ok_and(|it| it.is_dir()) {
            walk(&it.path(), depth - 1, looked_at, found)?;
        }
    }
    Ok(())
}

/// A `fleet.json` that is a file.
fn text(path: &Path) -> Result<String, FolderRefused> {
    let there = fs::symlink_metadata(path).map_err(io_at(path))?;
    if !there.is_file() {
        return Err(Refused::NotAFile(path.to_owned()).into());
    }
    if there.len() > MOST_BYTES {
        return Err(FolderRefused::TooLarge(path.to_owned()));
    }
    fs::read_to_string(path).map_err(io_at(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    const DOCUMENT: &str = "{\n  \"formatVersion\": \"1.0\"\n}\n";

    #[test]
    fn a_folder_is_for_one_run_at_a_time_and_only_a_resumed_run_takes_one_with_results() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        let (folder, before) = ResultsFolder::open(&path, false).unwrap();
        assert!(before.is_none());
        assert!(matches!(ResultsFolder::open(&path, true), Err(FolderRefused::InUse(_))));
        folder.write(DOCUMENT).unwrap();
        drop(folder);
        assert!(matches!(ResultsFolder::open(&path, false), Err(FolderRefused::HasResults(_))));
        let (_folder, before) = ResultsFolder::open(&path, true).unwrap();
        assert_eq!(before.as_deref(), Some(DOCUMENT));
        let other = place.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("mine"), "").unwrap();
        for resumes in [false, true] {
            assert!(matches!(
                ResultsFolder::open(&other, resumes),
                Err(FolderRefused::NotEmpty(_))
            ));
        }
        let file = other.join("mine");
        assert!(matches!(ResultsFolder::open(&file, false), Err(FolderRefused::NotAFolder(_))));
    }

    #[test]
    fn an_answer_has_its_name_only_when_it_is_complete() {
        let place = tempfile::tempdir().unwrap();
        let (folder, _) = ResultsFolder::open(place.path(), false).unwrap();
        let (mut answer, mut talk) = folder.streams("a").unwrap();
        answer.write_all(b"{}").unwrap();
        talk.write_all("first line\n\u{fc}ber\nlast\n".as_bytes()).unwrap();
        assert!(!place.path().join("a/answer.json").exists());
        let mut text = String::new();
        folder.answer("a").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "{}");
        assert!(place.path().join("a/answer.json").exists());
        assert_eq!(folder.end_of_talk("a", 100).unwrap(), "first line\n\u{fc}ber\nlast");
        assert_eq!(folder.end_of_talk("a", 10).unwrap(), "last", "only whole lines");
        // Again: what was there before is gone.
        folder.streams("a").unwrap();
        assert!(!place.path().join("a/answer.json").exists());
        assert_eq!(folder.end_of_talk("a", 100).unwrap(), "");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let inside = place.path().join("inside");
        let (folder, _) = ResultsFolder::open(&inside, false).unwrap();
        for name in ["", ".", "..", "../x", "a/b", "/x", "fleet.json", "a/"] {
            assert!(folder.streams(name).is_err(), "{name}");
        }
        symlink(place.path(), inside.join("linked")).unwrap();
        assert!(matches!(folder.streams("linked"), Err(FolderRefused::Link(_))));
        fs::create_dir(inside.join("t")).unwrap();
        let victim = place.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, inside.join("t/talk.txt")).unwrap();
        folder.streams("t").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn results_are_found_in_the_folder_itself_and_in_those_of_artifacts() {
        let place = tempfile::tempdir().unwrap();
        assert!(matches!(results(place.path()), Err(FolderRefused::NoResults(_))));
        for name in ["shard-1", "shard-0/deeper"] {
            fs::create_dir_all(place.path().join(name)).unwrap();
            fs::write(place.path().join(name).join(FLEET), DOCUMENT).unwrap();
        }
        symlink(place.path().join("shard-1"), place.path().join("again")).unwrap();
        let found: Vec<PathBuf> =
            results(place.path()).unwrap().into_iter().map(|(it, _)| it).collect();
        assert_eq!(found, ["shard-0/deeper", "shard-1"].map(|it| place.path().join(it)));
    }
}
