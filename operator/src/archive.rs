//! From the bytes of an artifact to a folder of files. What it may not have is refused as a whole, before anything of it
//! is used: links, devices, paths that lead out, too many files, too many bytes.
//!
//! Never talks to anybody and never follows a link.

use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// What an artifact may have at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes as it is fetched.
    pub(crate) fetched: u64,
    /// Bytes of all its files.
    pub(crate) unpacked: u64,
    /// Files and folders.
    pub(crate) entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fetched: 16 << 20, unpacked: 64 << 20, entries: 10_000 }
    }
}

/// Why an artifact is not used.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Its digest is not the one that its object names.
    Digest,
    /// The digest that its object names is none of SHA-256.
    UnknownDigest,
    /// It has more bytes than are fetched.
    TooLarge(u64),
    /// Its files have more bytes than are unpacked.
    TooMuch(u64),
    /// It has more files and folders than are unpacked.
    TooMany(usize),
    /// A path in it is absolute, or leads out with `..`.
    Path(PathBuf),
    /// Something in it is neither a file nor a folder.
    NoFile(PathBuf),
    /// Two of its entries have one path.
    Twice(PathBuf),
    /// It is no compressed tar archive.
    Unreadable(io::Error),
    /// It could not be written to this machine.
    Unwritable(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |path: &Path| path.display().to_string().escape_debug().take(200).collect::<String>();
        match self {
            Self::Digest => write!(f, "the artifact has another digest than its object says"),
            Self::UnknownDigest => write!(f, "the object names no digest of the form `sha256:…`"),
            Self::TooLarge(most) => write!(f, "the artifact has more than {most} bytes"),
            Self::TooMuch(most) => {
                write!(f, "the files of the artifact have more than {most} bytes")
            }
            Self::TooMany(most) => write!(f, "the artifact has more than {most} files and folders"),
            Self::Path(path) => {
                write!(f, "the artifact has the path `{}`, which leads out of it", shown(path))
            }
            Self::NoFile(path) => {
                write!(f, "`{}` in the artifact is neither a file nor a folder", shown(path))
            }
            Self::Twice(path) => write!(f, "`{}` is in the artifact twice", shown(path)),
            Self::Unreadable(error) => {
                write!(f, "the artifact is no compressed tar archive: {error}")
            }
            Self::Unwritable(error) => write!(f, "the artifact could not be unpacked: {error}"),
        }
    }
}

/// Whether bytes have the digest that an object names, `sha256:` and 64 digits.
pub(crate) fn verify(bytes: &[u8], digest: &str) -> Result<(), Refused> {
    let wanted = digest.strip_prefix("sha256:").and_then(|it| hex::decode(it).ok());
    match wanted.filter(|it| it.len() == 32) {
        None => Err(Refused::UnknownDigest),
        Some(wanted) if wanted == Sha256::digest(bytes).as_slice() => Ok(()),
        Some(_) => Err(Refused::Digest),
    }
}

/// Unpacks an artifact into an empty folder.
pub(crate) fn unpack(bytes: &[u8], folder: &Path, limits: Limits) -> Result<(), Refused> {
    // One byte more than is allowed, to know of it; the headers of the archive count as well.
    let headers = 1024 * (limits.entries as u64 + 2);
    let readable = GzDecoder::new(bytes).take(limits.unpacked.saturating_add(headers));
    let mut archive = tar::Archive::new(readable);
    let mut left = limits.unpacked;
    let entries = archive.entries().map_err(Refused::Unreadable)?;
    for (count, entry) in entries.enumerate() {
        if count >= limits.entries {
            return Err(Refused::TooMany(limits.entries));
        }
        let mut entry = entry.map_err(Refused::Unreadable)?;
        let path = entry.path().map_err(Refused::Unreadable)?.into_owned();
        let kind = entry.header().entry_type();
        if kind == tar::EntryType::XGlobalHeader {
            continue; // Git writes the commit there.
        }
        let inside = inside(&path).ok_or_else(|| Refused::Path(path.clone()))?;
        let place = folder.join(inside);
        if kind.is_dir() {
            fs::create_dir_all(&place).map_err(Refused::Unwritable)?;
            continue;
        }
        if !kind.is_file() {
            return Err(Refused::NoFile(path));
        }
        left = left.checked_sub(entry.size()).ok_or(Refused::TooMuch(limits.unpacked))?;
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(Refused::Unwritable)?;
        }
        let mut file = fs::File::create_new(&place).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Refused::Twice(path.clone()),
            _ => Refused::Unwritable(error),
        })?;
        let size = entry.size();
        let copied = io::copy(&mut entry, &mut file).map_err(Refused::Unreadable)?;
        if copied != size {
            return Err(Refused::Unreadable(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    Ok(())
}

/// A path below a folder: nothing but names, `.` left out. Nothing for one that leads out.
pub(crate) fn inside(path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => found.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    const SMALL: Limits = Limits { fetched: 1 << 20, unpacked: 100, entries: 3 };

    /// An archive of entries as they are written, also of paths that the library would refuse to write.
    fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, kind, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            if kind.is_symlink() || kind.is_hard_link() {
                header.set_link_name("/etc/passwd").expect("short");
            }
            header.set_cksum();
            builder.append(&header, *bytes).expect("in memory");
        }
        builder.into_inner().and_then(GzEncoder::finish).expect("in memory")
    }

    fn unpacked(bytes: &[u8]) -> (tempfile::TempDir, Result<(), Refused>) {
        let folder = tempfile::tempdir().expect("a folder");
        let result = unpack(bytes, folder.path(), SMALL);
        (folder, result)
    }

    #[test]
    fn files_and_folders_are_unpacked() {
        use tar::EntryType::{Directory, Regular};
        let bytes = archive(&[
            ("./a/", Directory, b""),
            ("./a/b.yaml", Regular, b"b"),
            ("c/d.yaml", Regular, b"d"),
        ]);
        let (folder, result) = unpacked(&bytes);
        result.expect("a good archive");
        assert_eq!(fs::read(folder.path().join("a/b.yaml")).expect("there"), b"b");
        assert_eq!(fs::read(folder.path().join("c/d.yaml")).expect("there"), b"d");
    }

    #[test]
    fn links_devices_paths_that_lead_out_and_entries_of_one_path_are_refused() {
        use tar::EntryType::{Block, Char, Fifo, Link, Regular, Symlink};
        for kind in [Symlink, Link, Char, Block, Fifo] {
            let (folder, result) = unpacked(&archive(&[("x", kind, b"")]));
            assert!(matches!(result, Err(Refused::NoFile(_))), "{kind:?}: {result:?}");
            assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        }
        for path in ["/etc/x", "../x", "a/../../x", "./../x"] {
            let (folder, result) = unpacked(&archive(&[(path, Regular, b"x")]));
            assert!(matches!(result, Err(Refused::Path(_))), "{path}: {result:?}");
            assert!(!folder.path().parent().expect("one").join("x").exists());
        }
        let (_folder, result) = unpacked(&archive(&[("x", Regular, b"1"), ("./x", Regular, b"2")]));
        assert!(matches!(result, Err(Refused::Twice(_))), "{result:?}");
    }

    #[test]
    fn too_many_files_too_many_bytes_and_other_bytes_are_refused() {
        use tar::EntryType::Regular;
        let four = [
            ("a", Regular, &b""[..]),
            ("b", Regular, b""),
            ("c", Regular, b""),
            ("d", Regular, b""),
        ];
        assert!(matches!(unpacked(&archive(&four)).1, Err(Refused::TooMany(3))));
        let large = vec![0; 101];
        assert!(matches!(
            unpacked(&archive(&[("a", Regular, &large)])).1,
            Err(Refused::TooMuch(100))
        ));
        // A small archive that becomes a large one.
        let bomb = vec![0; 64 << 20];
        assert!(matches!(
            unpacked(&archive(&[("a", Regular, &bomb)])).1,
            Err(Refused::TooMuch(100))
        ));
        for bytes in [&b"no archive"[..], b"", &archive(&[("a", Regular, b"a")])[..20]] {
            assert!(matches!(unpacked(bytes).1, Err(Refused::Unreadable(_))), "{bytes:?}");
        }
    }

    #[test]
    fn a_digest_is_that_of_the_bytes_or_the_artifact_is_refused() {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(b"bytes")));
        verify(b"bytes", &digest).expect("its digest");
        assert!(matches!(verify(b"other", &digest), Err(Refused::Digest)));
        for bad in [
            "",
            "sha256:",
            "sha256:00",
            "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
            &digest[7..],
        ] {
            assert!(matches!(verify(b"bytes", bad), Err(Refused::UnknownDigest)), "{bad}");
        }
    }
}
