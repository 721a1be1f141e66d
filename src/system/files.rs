//! Files that are written: who may read them, and whether one is where the output of this process goes.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// The file by which a folder is locked, where folders cannot be locked themselves. It stays, empty, so that two processes lock the
/// same one.
pub(crate) const LOCK_OF_FOLDER: &str = ".ivs-apply.lock";

/// Says who may read and write a file that is made, in the form of Unix (0o600). On Windows a file has the permissions of its
/// folder.
pub(crate) fn with_mode(options: &mut OpenOptions, mode: u32) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, mode);
    #[cfg(windows)]
    let _ = mode;
    options
}

/// The same for a file that there is.
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, mode)
    }
    #[cfg(windows)]
    {
        let _ = (path, mode);
        Ok(())
    }
}

/// Whether standard output or standard error goes there: lines would be mixed with the answer, or written over. On a
/// terminal neither matters. Windows does not tell.
pub(crate) fn is_own_output(there: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::fd::{AsFd, BorrowedFd};
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        let same = |stream: BorrowedFd<'_>| {
            let stream = stream.try_clone_to_owned().and_then(|it| File::from(it).metadata());
            stream.is_ok_and(|it| (it.dev(), it.ino()) == (there.dev(), there.ino()))
        };
        let device = there.file_type().is_char_device();
        !device && (same(io::stdout().as_fd()) || same(io::stderr().as_fd()))
    }
    #[cfg(windows)]
    {
        let _ = there;
        false
    }
}

/// What is locked in place of a folder.
pub(crate) fn lock_of_folder(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        File::open(path)
    }
    #[cfg(windows)]
    {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).open(path.join(LOCK_OF_FOLDER))
    }
}
