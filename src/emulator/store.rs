//! The state file: locked while open, private, written whole and at once. The only file of the
//! emulator that touches the disk.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::account::{Account, VERSION};

/// At most one save in this time: a save costs two waits for the disk, a burst of calls must not.
const PAUSE: Duration = Duration::from_millis(100);

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
    /// Another process has it open.
    #[error("the emulator's state {} is in use by another process", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Written by another version.
    #[error("the emulator's state {} has version {found}, this program reads {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// Not a state file.
    #[error("{} is not a state file of the emulator", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        source: serde_json::Error,
    },
}

/// An open state file.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// Holds the lock as long as it lives.
    _lock: File,
}

impl Store {
    /// Locks the file and reads it, if it is there.
    pub(crate) fn open(path: &Path) -> Result<(Self, Option<Account>), OpenError> {
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let lock = private(&beside(path, ".lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let account = match fs::read(path) {
            Ok(text) => Some(read(path, &text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io(error)),
        };
        Ok((Self { path: path.to_owned(), _lock: lock }, account))
    }

    /// Replaces the content; a crash leaves the old or the new, never a part.
    pub(crate) fn save(&self, content: &[u8]) -> io::Result<()> {
        let next = beside(&self.path, ".tmp");
        let mut file = private(&next)?;
        file.set_len(0)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        if let Some(folder) = self.path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            // Not every system lets a folder be synced; the content is safe either way.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

fn read(path: &Path, text: &[u8]) -> Result<Account, OpenError> {
    let corrupt = |source| OpenError::Corrupt { path: path.to_owned(), source };
    let value: serde_json::Value = serde_json::from_slice(text).map_err(corrupt)?;
    match value.get("version") {
        Some(version) if *version == VERSION => serde_json::from_value(value).map_err(corrupt),
        found => Err(OpenError::Version {
            path: path.to_owned(),
            found: found.map_or_else(|| "none".to_owned(), ToString::to_string),
        }),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// Opens for writing, readable by nobody else: stream keys are in there.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
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
        content: impl Fn() -> Vec<u8> + Send + 'static,
    ) -> io::Result<Self> {
        let (changed, changes) = mpsc::channel();
        let work = move || {
            let mut last: Option<Instant> = None;
            let mut unsaved = false;
            let mut pause = PAUSE;
            let mut failing = false;
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
                        let saved = store.save(&content());
                        // What could not be saved is tried again, at the latest when the store is closed.
                        if let (Err(error), false) = (&saved, failing) {
                            tracing::warn!(%error, "the emulator's state could not be saved");
                        }
                        unsaved = saved.is_err();
                        failing = saved.is_err();
                        // A large account takes long to write: spend a fifth of the time at most.
                        pause = PAUSE.max(begun.elapsed() * 4);
                        last = Some(Instant::now());
                    }
                    Err(RecvTimeoutError::Disconnected) => {
                        return if unsaved { store.save(&content()) } else { Ok(()) };
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
            [("{\"version\": 99}", true), ("{\"version\": 1}", false), ("[", false)]
        {
            fs::write(&file, text).expect("written");
            let refused = Emulator::open(&file, Settings::default()).expect_err(text);
            assert_eq!(matches!(refused, OpenError::Version { .. }), version, "{refused:?}");
        }
    }
}
