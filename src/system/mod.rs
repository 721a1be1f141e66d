//! What differs between Unix and Windows: how a file is opened without following a link, who may read what is written, signals,
//! and other processes. The rest of the program is the same code on both. It knows nothing of manifests, plans and AWS, and
//! prints nothing.

#[cfg(feature = "cli")]
pub(crate) mod files;
pub(crate) mod opened;
#[cfg(feature = "cli")]
pub(crate) mod process;
#[cfg(feature = "cli")]
pub(crate) mod signals;
