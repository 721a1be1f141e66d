//! The state file: locked while open, private, written whole and at once, and read only as it was written. The
//! only file of the emulator that touches the disk.
//!
//! The first line says what follows: the version, the length and the SHA-256 of the account, or of the list of accounts,
//! which is the second line. A file that was cut off or changed by something else is refused, so that no request meets an account
//! that the emulator could not have made.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::account::{Account, VERSION};

/// At most one save in this time: a save costs two waits for the disk, a burst of calls must not.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two tries to save where saving fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The largest file that is read: some hundred times an account that is full.
const LARGEST: u64 = 1024 * 1024 * 1024;

/// Why a state file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Reading, creating or locking failed.
    #[error("cannot open the emulator's state {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A new file could not be written.
    #[error("cannot write the emulator's state {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A link, a folder, a pipe or a device.
    #[error("the emulator's state {} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("the emulator's state {} is in use by another process", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Written by another version.
    #[error(
        "the emulator's state {} has version {found}, this program reads {VERSION} and {SEVERAL}; delete it to start with an \
         empty account", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// Larger than any state file.
    #[error("{} is too large for a state file of the emulator", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not a state file.
    #[error("{} is not a state file of the emulator", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        source: serde_json::Error,
    },
    /// A state file that is not as the emulator left it.
    #[error(
        "the emulator's state {} was cut off or changed since the emulator wrote it; delete it to start with an \
         empty account", path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// The version of a file with more than one account, which programs that know one account refuse.
const SEVERAL: u32 = 3;

/// What is saved.
pub(crate) struct Content {
    version: u32,
    text: Vec<u8>,
}

impl Content {
    /// These accounts. A file with one account is as it was before there could be more.
    pub(crate) fn of(accounts: &[&Account]) -> io::Result<Self> {
        let (version, text) = match accounts {
            [one] => (VERSION, serde_json::to_vec(one)?),
            all => (SEVERAL, serde_json::to_vec(all)?),
        };
        Ok(Self { version, text })
    }
}

/// The first line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    bytes: usize,
    sha256: String,
}

/// An open state file.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// Holds the lock until it is dropped.
    _lock: File,
}

impl Store {
    /// Locks the file and reads it, if it is there: its accounts, the emulator's own first.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Account>), OpenError> {
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let lock = lock_file(&with_ending(path, ".lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let accounts = match fs::symlink_metadata(path) {
            Ok(there) if !there.is_file() => {
                return Err(OpenError::NotAFile { path: path.to_owned() });
            }
            Ok(there) if there.len() > LARGEST => {
                return Err(OpenError::TooLarge { path: path.to_owned() });
            }
            Ok(_) => {
                let mut text = Vec::new();
                let file = no_link(OpenOptions::new().read(true)).open(path);
                file.and_then(|file| file.take(LARGEST).read_to_end(&mut text)).map_err(io)?;
                read(path, &text)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io(error)),
        };
        Ok((Self { path: path.to_owned(), _lock: lock }, accounts))
    }

    /// Replaces the content; a crash leaves the old or the new, never a part.
    pub(crate) fn save(&self, content: &Content) -> io::Result<()> {
        let next = with_ending(&self.path, ".tmp");
        let written = self.replace(&next, content);
        if written.is_err() {
            let _ = fs::remove_file(&next);
        }
        written
    }

    fn replace(&self, next: &Path, content: &Content) -> io::Result<()> {
        // The temporary file of an earlier process is overwritten; the lock keeps other processes from writing here.
        match fs::remove_file(next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private(OpenOptions::new().write(true).create_new(true)).open(next)?;
        let Content { version, text } = content;
        let header = Header { version: *version, bytes: text.len(), sha256: digest(text) };
        file.write_all(&serde_json::to_vec(&header)?)?;
        file.write_all(b"\n")?;
        file.write_all(text)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(next, &self.path)?;
        if let Some(folder) = self.path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            // Not every system lets a folder be synced; the content is safe either way.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

fn read(path: &Path, text: &[u8]) -> Result<Vec<Account>, OpenError> {
    let changed = || OpenError::Changed { path: path.to_owned() };
    let corrupt = |source| OpenError::Corrupt { path: path.to_owned(), source };
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    let header: serde_json::Value = serde_json::from_slice(first).map_err(corrupt)?;
    match header.get("version") {
        Some(version) if *version == VERSION || *version == SEVERAL => {}
        found => {
            return Err(OpenError::Version {
                path: path.to_owned(),
                found: found.map_or_else(|| "none".to_owned(), ToString::to_string),
            });
        }
    }
    let header: Header = serde_json::from_value(header).map_err(|_| changed())?;
    let account = rest.strip_prefix(b"\n").and_then(|it| it.strip_suffix(b"\n"));
    let account = account.ok_or_else(changed)?;
    if account.len() != header.bytes || digest(account) != header.sha256 {
        return Err(changed());
    }
    if header.version == VERSION {
        return Ok(vec![serde_json::from_slice(account).map_err(corrupt)?]);
    }
    let accounts: Vec<Account> = serde_json::from_slice(account).map_err(corrupt)?;
    if accounts.is_empty() { Err(changed()) } else { Ok(accounts) }
}

fn digest(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// The file that is locked. It stays, empty, so that two processes lock the same one.
fn lock_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    no_link(private(&mut options)).open(path)
}

/// Readable by its owner only, since the file has stream keys.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Opens what the path names, and not what a link there points to.
fn no_link(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        options,
        rustix::fs::OFlags::NOFOLLOW.bits().cast_signed(),
    );
    options
}

/// Saves in the background, soon after it is told that something changed.
#[derive(Debug)]
pub(crate) struct Saver {
    changed: Option<Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Saver {
    pub(crate) fn start(
        store: Store,
        content: impl Fn() -> io::Result<Content> + Send + 'static,
    ) -> io::Result<Self> {
        let (changed, changes) = mpsc::channel();
        let work = move || {
            let save = || store.save(&content()?);
            let mut failing = false;
            let mut last: Option<Instant> = None;
            let mut unsaved = false;
            let mut pause = PAUSE;
            loop {
                let wait = last.map_or(Duration::ZERO, |at| pause.saturating_sub(at.elapsed()));
                let event = if unsaved {
                    changes.recv_timeout(wait)
                } else {
                    changes.recv().map_err(RecvTimeoutError::from)
                };
                match event {
                    Ok(()) => unsaved = true,
                    Err(RecvTimeoutError::Timeout) => {
                        let begun = Instant::now();
                        let failed = save().err();
                        // A large account takes long to write: spend a fifth of the time at most.
                        let rest = PAUSE.max(begun.elapsed() * 4);
                        // What could not be saved is tried again, at the latest when the file is closed.
                        unsaved = failed.is_some();
                        pause =
                            if unsaved { rest.max((pause * 2).min(LONGEST_PAUSE)) } else { rest };
                        if let Some(error) = failed.filter(|_| !failing) {
                            tracing::warn!(%error, "the emulator's state could not be saved");
                        }
                        failing = unsaved;
                        last = Some(Instant::now());
                    }
                    Err(RecvTimeoutError::Disconnected) => {
                        return if unsaved { save() } else { Ok(()) };
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("emulator-store".to_owned()).spawn(work)?;
        Ok(Self { changed: Some(changed), thread: Some(thread) })
    }

    /// Something changed.
    pub(crate) fn changed(&self) {
        if let Some(changed) = &self.changed {
            // The thread ends only after this sender is gone.
            let _ = changed.send(());
        }
    }

    /// Saves what is not saved yet and lets go of the lock.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.changed = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the saving thread failed")),
        }
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "the emulator's state could not be saved");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Emulator, Settings};
    use super::*;
    use serde_json::json;

    fn stage_count(emulator: &Emulator) -> usize {
        let (_, told) = emulator.control("GET", "/_emulator/objects", json!({}));
        told["objects"].as_array().map_or(0, Vec::len)
    }

    #[tokio::test]
    async fn the_state_file_is_locked_private_and_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("deep/state.json");
        let emulator = Emulator::open(&file, Settings::default()).expect("a new file");
        let request = super::super::tests::signed("/CreateStage", &json!({}));
        emulator.answer(request).await.expect("an answer");
        let again = Emulator::open(&file, Settings::default());
        assert!(matches!(again, Err(OpenError::Locked { .. })));
        emulator.close().expect("saved");
        let emulator = Emulator::open(&file, Settings::default()).expect("the same file");
        assert_eq!(stage_count(&emulator), 1);
        drop(emulator);
        #[cfg(unix)]
        {
            let permissions = file.metadata().expect("it is there").permissions();
            assert_eq!(std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777, 0o600);
        }
        for (text, version) in
            [("{\"version\": 99}", true), ("{\"version\": 2}", false), ("[", false)]
        {
            fs::write(&file, text).expect("written");
            let refused = Emulator::open(&file, Settings::default()).expect_err(text);
            assert_eq!(matches!(refused, OpenError::Version { .. }), version, "{refused:?}");
        }
    }
}
