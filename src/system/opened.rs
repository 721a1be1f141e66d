//! A file or a folder that is open, and was opened without following a link. What is asked of it is asked of what is open, not
//! of a name that may mean something else by now.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::Opened;
#[cfg(windows)]
pub(crate) use windows::Opened;

use std::io;

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    /// A pipe, a socket, a device.
    Other,
}

/// Why something was not opened.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// It is a link, which is not followed.
    Link,
    /// It is a pipe without another end, or a socket.
    #[cfg(unix)]
    Special,
    /// The system says no.
    Io(io::Error),
}
