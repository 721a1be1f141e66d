//! By paths, since the standard library opens nothing by its name in an open folder: between two looks at a folder somebody who
//! may write there can exchange a part of the path.

use super::{Kind, NotOpened};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileType, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Opens folders as well.
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
/// Opens a link or a junction itself.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// A file or a folder that is open.
#[derive(Debug)]
pub(crate) struct Opened {
    file: File,
    path: PathBuf,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            it if it.is_symlink() => Self::Link,
            it if it.is_dir() => Self::Folder,
            it if it.is_file() => Self::File,
            _ => Self::Other,
        }
    }
}

impl Opened {
    /// Opens what a path names.
    pub(crate) fn at(path: &Path) -> Result<Self, NotOpened> {
        let mut options = OpenOptions::new();
        options.read(true);
        options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
        let file = options.open(path).map_err(NotOpened::Io)?;
        let opened = Self { file, path: path.to_owned() };
        match opened.kind().map_err(NotOpened::Io)? {
            Kind::Link => Err(NotOpened::Link),
            _ => Ok(opened),
        }
    }

    /// Opens what has a name in this folder.
    pub(crate) fn within(&self, name: &OsStr) -> Result<Self, NotOpened> {
        Self::at(&self.path.join(name))
    }

    /// What it is.
    pub(crate) fn kind(&self) -> io::Result<Kind> {
        Ok(self.file.metadata()?.file_type().into())
    }

    /// What has a name in this folder; nothing is opened for that.
    pub(crate) fn kind_within(&self, name: &OsStr) -> io::Result<Kind> {
        Ok(fs::symlink_metadata(self.path.join(name))?.file_type().into())
    }

    /// Its length in bytes.
    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// The open file.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The names of what is in this folder, in no order.
    pub(crate) fn names(&self) -> io::Result<impl Iterator<Item = io::Result<OsString>> + use<>> {
        Ok(fs::read_dir(&self.path)?.map(|it| Ok(it?.file_name())))
    }
}
