//! By descriptors: what is in a folder is opened by its name in the open folder, so that no part of its path can be exchanged
//! meanwhile.

use super::{Kind, NotOpened};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A file or a folder that is open.
#[derive(Debug)]
pub(crate) struct Opened(OwnedFd);

impl From<Errno> for NotOpened {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::LOOP | Errno::MLINK => Self::Link,
            Errno::NXIO => Self::Special,
            _ => Self::Io(errno.into()),
        }
    }
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::Link,
            _ => Self::Other,
        }
    }
}

impl Opened {
    /// Opens what a path names.
    pub(crate) fn at(path: &Path) -> Result<Self, NotOpened> {
        Self::open(CWD, path.as_os_str())
    }

    /// Opens what has a name in this folder.
    pub(crate) fn within(&self, name: &OsStr) -> Result<Self, NotOpened> {
        Self::open(self.0.as_fd(), name)
    }

    /// Without waiting for the other end of a pipe.
    fn open(at: BorrowedFd<'_>, name: &OsStr) -> Result<Self, NotOpened> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(Self(openat(at, name, flags, Mode::empty())?))
    }

    /// What it is.
    pub(crate) fn kind(&self) -> io::Result<Kind> {
        Ok(FileType::from_raw_mode(fstat(&self.0)?.st_mode).into())
    }

    /// What has a name in this folder; nothing is opened for that.
    pub(crate) fn kind_within(&self, name: &OsStr) -> io::Result<Kind> {
        let stat = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(stat.st_mode).into())
    }

    /// Its length in bytes.
    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(u64::try_from(fstat(&self.0)?.st_size).unwrap_or_default())
    }

    /// The open file.
    pub(crate) fn file(&self) -> io::Result<File> {
        Ok(File::from(self.0.try_clone()?))
    }

    /// The names of what is in this folder, in no order; `.` and `..` may be among them.
    pub(crate) fn names(&self) -> io::Result<impl Iterator<Item = io::Result<OsString>> + use<>> {
        let entries = Dir::read_from(&self.0)?;
        Ok(entries.map(|it| Ok(OsStr::from_bytes(it?.file_name().to_bytes()).to_owned())))
    }
}
