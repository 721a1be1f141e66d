//! From the paths of `-f` to texts.
//!
//! The only place that reads manifests, and files named by them, from disk. Nothing is followed out
//! of the folder it was given, nothing but regular files is read, and how much is bounded. Nothing
//! in the texts is interpreted.

mod beside;

pub(super) use beside::{add_values, locate};
pub use beside::{read_named, read_relative};

use super::document::documents;
use crate::diag::{Code, Diagnostic, Folder, Place, Report, Source, SourceId, SourceMap};
use crate::kinds::is_our_own;
use crate::system::opened::{Kind, NotOpened, Opened};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::canonicalize;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How much is read at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one file.
    pub file_bytes: u64,
    /// Of all files together: they are held in memory.
    pub total_bytes: u64,
    /// How deep folders may be nested.
    pub depth: usize,
    /// How many files and folders are looked at.
    pub files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self { file_bytes: 16 * MIB, total_bytes: 256 * MIB, depth: 16, files: 10_000 }
    }
}

/// The name of the text of standard input.
pub const STANDARD_INPUT: &str = "<stdin>";

/// Standard input, where `-` names it.
pub struct StandardInput<'a> {
    /// Its text.
    pub text: &'a mut dyn Read,
    /// What the files that its manifests name are relative to; `None`: they can name none.
    pub folder: Option<&'a Path>,
}

/// Reads everything that the paths name: files, folders with all that is in them, and `-` for
/// standard input.
///
/// A folder stands for its `*.yaml`, `*.yml` and `*.json`, hidden ones left out, sorted by name.
/// A link is followed when it is itself the path; inside a folder it is an error.
///
/// The files of `values` are no manifests, also in such a folder.
pub fn collect(
    paths: &[PathBuf],
    values: &[PathBuf],
    mut stdin: StandardInput<'_>,
    limits: &Limits,
    report: &mut Report,
) -> SourceMap {
    let mut collector = Collector {
        limits,
        report,
        sources: SourceMap::default(),
        seen: values.iter().cloned().collect(),
        stdin_read: false,
        looked_at: 0,
        bytes: 0,
        failed: false,
    };
    for path in paths {
        if path.as_os_str() == "-" {
            collector.standard_input(&mut stdin);
        } else {
            collector.argument(path);
        }
    }
    let Collector { sources, failed, .. } = collector;
    if !failed && sources.origins().next().is_none() {
        report.push(no_manifests(paths, &sources));
    }
    sources
}

fn no_manifests(paths: &[PathBuf], sources: &SourceMap) -> Diagnostic {
    let is_stdin = |it: &PathBuf| it.as_os_str() == "-";
    let name = |it: &PathBuf| {
        if is_stdin(it) { "standard input".to_owned() } else { format!("`{}`", it.display()) }
    };
    let names: Vec<String> = paths.iter().map(name).collect();
    let only_stdin = !paths.is_empty() && paths.iter().all(is_stdin);
    let message = match names.as_slice() {
        [] => "no manifests: no path was given".to_owned(),
        _ if only_stdin && sources.iter().all(|(_, it)| it.text.trim().is_empty()) => {
            "nothing was read from standard input".to_owned()
        }
        names => format!("no manifests in {}", names.join(", ")),
    };
    let help = if only_stdin {
        "pipe manifests into the command, such as `cat FILE | ivs-apply plan -f -`, or name files or folders \
         with `-f`"
    } else {
        "name the files or folders that hold manifests with `-f`"
    };
    Diagnostic::new(Code::NoManifests, Place::Nowhere, message).help(help)
}

/// One text under a name, as if it had been read from there.
pub fn from_text(name: impl Into<String>, text: impl Into<String>) -> SourceMap {
    let mut sources = SourceMap::default();
    sources.add(source(name.into(), None, text.into()));
    sources
}

fn source(name: String, folder: Option<Folder>, text: String) -> Source {
    let documents = documents(&text);
    Source { name, folder, text, documents, in_folder: false }
}

/// Why a file was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which rule.
    pub code: Code,
    /// What is wrong, without the name of the file.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Refused {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<NotOpened> for Refused {
    fn from(not_opened: NotOpened) -> Self {
        match not_opened {
            NotOpened::Link => is_link(),
            #[cfg(unix)]
            NotOpened::Special => not_regular(),
            NotOpened::Io(error) => error.into(),
        }
    }
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        let (why, help) = match error.kind() {
            std::io::ErrorKind::NotFound => (
                "there is no such file or folder".to_owned(),
                "check the path for a typing error: it is relative to the folder that the program runs in",
            ),
            std::io::ErrorKind::PermissionDenied => (
                "permission denied".to_owned(),
                "allow the user who runs the program to read it, or name another path",
            ),
            _ => (error.to_string(), "name another path, or make this one readable"),
        };
        Self::new(Code::UnreadableFile, format!("cannot be read: {why}")).help(help)
    }
}

fn is_link() -> Refused {
    let mut refused = Refused::new(Code::NotARegularFile, "is a link, which is not followed");
    refused.help = Some("name the file it leads to with `-f`, or put a copy there".to_owned());
    refused
}

fn not_regular() -> Refused {
    Refused::new(Code::NotARegularFile, "is not a regular file")
}

/// Reads an open file as text. All checks are made on what is open, not on a name.
fn read(file: &Opened, limit: u64, total: u64, bytes: &mut u64) -> Result<String, Refused> {
    if file.kind()? != Kind::File {
        return Err(not_regular());
    }
    if file.length()? > limit {
        return Err(too_large(limit));
    }
    bounded(&mut file.file()?, limit, total, bytes)
}

fn too_large(limit: u64) -> Refused {
    Refused::new(Code::TooLarge, format!("is larger than {}", size(limit)))
}

fn size(bytes: u64) -> String {
    match (bytes / (1024 * 1024), bytes / 1024) {
        (mib @ 1.., _) => format!("{mib} MiB"),
        (0, kib @ 1..) => format!("{kib} KiB"),
        _ => format!("{bytes} bytes"),
    }
}

fn bounded(
    from: &mut dyn Read,
    limit: u64,
    total: u64,
    bytes: &mut u64,
) -> Result<String, Refused> {
    let mut content = Vec::new();
    // One more than allowed tells a file that grew, or that has no size, from one that just fits.
    let length = from.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    if length > limit {
        return Err(too_large(limit));
    }
    *bytes = bytes.saturating_add(length);
    if *bytes > total {
        let message =
            format!("is one too many: all files together are larger than {}", size(total));
        return Err(Refused::new(Code::TooLarge, message));
    }
    decode(content)
}

/// UTF-8, a byte order mark taken off.
fn decode(content: Vec<u8>) -> Result<String, Refused> {
    if let [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, _, 0, _, ..] | [_, 0, _, 0, ..] = *content {
        let mut refused = Refused::new(Code::NotUtf8, "is UTF-16, not UTF-8");
        refused.help =
            Some("save it as UTF-8, or convert it: `iconv -f UTF-16 -t UTF-8`".to_owned());
        return Err(refused);
    }
    let mut text = String::from_utf8(content).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        if error.as_bytes().contains(&0) {
            return Refused::new(Code::NotUtf8, "is not a text file")
                .help("name a text file, with the encoding UTF-8");
        }
        let line = error.as_bytes()[..at].split(|b| *b == b'\n').count();
        let mut refused = Refused::new(Code::NotUtf8, format!("is not UTF-8: see line {line}"));
        refused.help = Some("save it with the encoding UTF-8".to_owned());
        refused
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

struct Collector<'a> {
    limits: &'a Limits,
    report: &'a mut Report,
    sources: SourceMap,
    /// Real paths that were read already.
    seen: BTreeSet<PathBuf>,
    stdin_read: bool,
    looked_at: usize,
    bytes: u64,
    failed: bool,
}

/// A folder being walked.
struct Walked<'f> {
    /// As it is shown.
    shown: PathBuf,
    /// Where it really is.
    real: PathBuf,
    /// The folder given with `-f`, where it really is.
    root: &'f Path,
    depth: usize,
}

impl Collector<'_> {
    fn refuse(&mut self, name: &Path, refused: Refused) {
        self.failed = true;
        let name = name.display().to_string();
        let id = self.sources.add(source(name, None, String::new()));
        self.tell(id, refused);
    }

    fn tell(&mut self, id: SourceId, refused: Refused) {
        let Refused { code, message, help } = refused;
        let message = format!("`{}` {message}", self.sources.name(id));
        let mut diagnostic = Diagnostic::new(code, Place::File(id), message);
        diagnostic.help = help;
        self.report.push(diagnostic);
    }

    fn standard_input(&mut self, stdin: &mut StandardInput<'_>) {
        if std::mem::replace(&mut self.stdin_read, true) {
            return;
        }
        let folder = match stdin.folder.map(canonicalize).transpose() {
            Ok(real) => real.map(|root| Folder { base: root.clone(), root }),
            Err(error) => return self.refuse(stdin.folder.unwrap_or(Path::new(".")), error.into()),
        };
        let Limits { file_bytes, total_bytes, .. } = *self.limits;
        match bounded(stdin.text, file_bytes, total_bytes, &mut self.bytes) {
            Ok(text) => {
                self.sources.add(source(STANDARD_INPUT.to_owned(), folder, text));
            }
            Err(refused) => self.refuse(Path::new(STANDARD_INPUT), refused),
        }
    }

    /// A path of `-f`: where it leads to counts, links included.
    fn argument(&mut self, path: &Path) {
        let read = canonicalize(path).map_err(Refused::from).and_then(|real| {
            let file = Opened::at(&real)?;
            Ok((file.kind()?, real, file))
        });
        match read {
            Err(refused) => self.refuse(path, refused),
            Ok((Kind::Folder, real, file)) => {
                let folder =
                    Walked { shown: path.to_owned(), real: real.clone(), root: &real, depth: 0 };
                self.folder(&file, &folder);
            }
            Ok((_, real, file)) => {
                let root = real.parent().unwrap_or(&real).to_owned();
                self.file(&file, path, &real, &root, false);
            }
        }
    }

    fn file(&mut self, file: &Opened, shown: &Path, real: &Path, root: &Path, in_folder: bool) {
        if !self.seen.insert(real.to_owned()) {
            return;
        }
        let Limits { file_bytes, total_bytes, .. } = *self.limits;
        match read(file, file_bytes, total_bytes, &mut self.bytes) {
            Err(refused) => self.refuse(shown, refused),
            // It lies where it was saved, often beside what it was made from.
            Ok(text) if is_our_own(&text) => {}
            Ok(text) => {
                let name = shown.display().to_string();
                let base = real.parent().unwrap_or(root).to_owned();
                let folder = Folder { base, root: root.to_owned() };
                let source = source(name, Some(folder), text);
                self.sources.add(Source { in_folder, ..source });
            }
        }
    }

    fn folder(&mut self, file: &Opened, folder: &Walked<'_>) {
        if folder.depth > self.limits.depth {
            let message = format!("is more than {} folders deep", self.limits.depth);
            return self.refuse(&folder.shown, Refused::new(Code::TooDeep, message));
        }
        let names = match self.names(file) {
            Ok(names) => names,
            Err(refused) => return self.refuse(&folder.shown, refused),
        };
        for name in names {
            self.entry(file, &name, folder);
        }
    }

    /// What is in a folder, hidden things left out, sorted.
    fn names(&mut self, file: &Opened) -> Result<BTreeSet<OsString>, Refused> {
        let mut names = BTreeSet::new();
        for name in file.names()? {
            let name = name?;
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            self.looked_at += 1;
            if self.looked_at > self.limits.files {
                let message = format!("is one too many: over {} files", self.limits.files);
                return Err(Refused::new(Code::TooManyFiles, message));
            }
            names.insert(name);
        }
        Ok(names)
    }

    fn entry(&mut self, at: &Opened, name: &OsStr, folder: &Walked<'_>) {
        let shown = if folder.shown.as_os_str() == "." {
            PathBuf::from(name)
        } else {
            folder.shown.join(name)
        };
        let real = folder.real.join(name);
        let kind = match at.kind_within(name) {
            Ok(kind) => kind,
            Err(error) => return self.refuse(&shown, error.into()),
        };
        let wanted = is_manifest(name);
        match kind {
            Kind::Folder => match at.within(name) {
                Err(not_opened) => self.refuse(&shown, not_opened.into()),
                Ok(file) => {
                    let depth = folder.depth + 1;
                    self.folder(&file, &Walked { shown, real, root: folder.root, depth });
                }
            },
            Kind::Link => {
                // Where it leads to is asked only to say the right thing.
                let target = canonicalize(&real).ok();
                let folder_behind = target.as_ref().is_some_and(|it| it.is_dir());
                if target.is_some_and(|it| !it.starts_with(folder.root))
                    && (wanted || folder_behind)
                {
                    let message = "is a link that leads out of the folder given with `-f`";
                    self.refuse(
                        &shown,
                        Refused { code: Code::OutsideRoot, ..with(is_link(), message) },
                    );
                } else if wanted || folder_behind {
                    self.refuse(&shown, is_link());
                }
            }
            _ if wanted => match at.within(name) {
                Err(not_opened) => self.refuse(&shown, not_opened.into()),
                Ok(file) => self.file(&file, &shown, &real, folder.root, true),
            },
            _ => {}
        }
    }
}

fn with(refused: Refused, message: &str) -> Refused {
    Refused { message: message.to_owned(), ..refused }
}

fn is_manifest(name: &OsStr) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    matches!(extension, Some("yaml" | "yml" | "json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::fs::{create_dir, create_dir_all, write};
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    const GOOD: &str = "kind: Stage\n";

    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path().join("a.yaml"), GOOD).unwrap();
        folder
    }

    fn read(paths: &[&Path]) -> (SourceMap, Vec<(Code, String)>) {
        read_within(paths, &Limits::default())
    }

    fn read_within(paths: &[&Path], limits: &Limits) -> (SourceMap, Vec<(Code, String)>) {
        let mut report = Report::new();
        let paths: Vec<PathBuf> = paths.iter().map(|it| it.to_path_buf()).collect();
        let sources = {
            let text = &mut "kind: Channel\n".as_bytes();
            collect(&paths, &[], StandardInput { text, folder: None }, limits, &mut report)
        };
        let told = report.iter().map(|it| (it.code, it.message.clone())).collect();
        (sources, told)
    }

    fn names(sources: &SourceMap) -> Vec<String> {
        sources
            .iter()
            .filter(|(_, it)| !it.documents.is_empty())
            .map(|(_, it)| it.name.rsplit('/').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_folder_stands_for_its_manifests_sorted() {
        let folder = folder();
        let path = folder.path();
        create_dir_all(path.join("b/c")).unwrap();
        create_dir(path.join(".git")).unwrap();
        for name in ["z.yml", "b/c/m.json", "b/x.yaml", ".hidden.yaml", ".git/g.yaml", "notes.txt"]
        {
            write(path.join(name), GOOD).unwrap();
        }
        let (sources, told) = read(&[path]);
        assert_eq!(told, []);
        assert_eq!(names(&sources), ["a.yaml", "m.json", "x.yaml", "z.yml"]);
    }

    #[test]
    fn the_same_file_is_read_once() {
        let folder = folder();
        let file = folder.path().join("a.yaml");
        symlink("a.yaml", folder.path().join(".link")).unwrap();
        let (sources, told) = read(&[
            &file,
            folder.path(),
            &folder.path().join("./a.yaml"),
            &folder.path().join(".link"),
        ]);
        assert_eq!(told, []);
        assert_eq!(sources.iter().count(), 1);
    }

    #[test]
    fn standard_input_is_a_dash_and_read_once() {
        let (sources, told) = read(&[Path::new("-"), Path::new("-")]);
        assert_eq!(told, []);
        assert_eq!(names(&sources), ["<stdin>"]);
    }

    #[test]
    fn no_documents_at_all_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&[folder.path()]).1[0].0, Code::NoManifests);
        write(folder.path().join("a.yaml"), "# nothing\n---\n").unwrap();
        assert_eq!(read(&[folder.path()]).1[0].0, Code::NoManifests);
        assert_eq!(read(&[]).1[0].0, Code::NoManifests);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let (_, told) = read(&[Path::new("/nowhere/at/all")]);
        assert_eq!(told[0].0, Code::UnreadableFile);
        assert!(
            told[0].1.contains("`/nowhere/at/all` cannot be read: there is no such"),
            "{told:?}"
        );
    }

    #[test]
    fn a_pipe_does_not_hang() {
        let folder = folder();
        let pipe = folder.path().join("pipe.yaml");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for path in [folder.path(), pipe.as_path()] {
            let (_, told) = read(&[path]);
            assert_eq!(told.len(), 1);
            assert_eq!(told[0].0, Code::NotARegularFile);
        }
        assert_eq!(read(&[Path::new("/dev/zero")]).1[0].0, Code::NotARegularFile);
    }

    #[test]
    fn a_link_inside_a_folder_is_not_followed() {
        let folder = folder();
        let secret = tempfile::tempdir().unwrap();
        write(secret.path().join("s.yaml"), GOOD).unwrap();
        symlink(secret.path().join("s.yaml"), folder.path().join("out.yaml")).unwrap();
        symlink(secret.path(), folder.path().join("out")).unwrap();
        symlink("a.yaml", folder.path().join("in.yaml")).unwrap();
        symlink("README", folder.path().join("README.link")).unwrap();
        symlink(".", folder.path().join("loop")).unwrap();
        let (sources, told) = read(&[folder.path()]);
        let codes: Vec<Code> = told.iter().map(|it| it.0).collect();
        assert_eq!(
            codes,
            [Code::NotARegularFile, Code::NotARegularFile, Code::OutsideRoot, Code::OutsideRoot]
        );
        assert_eq!(names(&sources), ["a.yaml"]);
    }

    #[test]
    fn a_link_that_is_the_path_is_followed() {
        let folder = folder();
        let link = folder.path().join(".link");
        symlink("a.yaml", &link).unwrap();
        let (sources, told) = read(&[&link]);
        assert_eq!(told, []);
        assert_eq!(sources.iter().count(), 1);
    }

    #[test]
    fn sizes_depths_and_numbers_are_bounded() {
        let folder = folder();
        let deep = folder.path().join("d/".repeat(17));
        create_dir_all(&deep).unwrap();
        write(deep.join("x.yaml"), GOOD).unwrap();
        assert_eq!(read(&[folder.path()]).1[0].0, Code::TooDeep);
        let limits = Limits { files: 1, ..Limits::default() };
        assert_eq!(read_within(&[folder.path()], &limits).1[0].0, Code::TooManyFiles);
        let limits = Limits { file_bytes: 5, ..Limits::default() };
        let (_, told) = read_within(&[&folder.path().join("a.yaml"), Path::new("-")], &limits);
        assert_eq!(told[0].0, Code::TooLarge);
        assert_eq!(told[1], (Code::TooLarge, "`<stdin>` is larger than 5 bytes".to_owned()));
        let limits = Limits { total_bytes: 20, ..Limits::default() };
        let (_, told) = read_within(&[&folder.path().join("a.yaml"), Path::new("-")], &limits);
        assert_eq!(told[0].0, Code::TooLarge);
    }

    #[test]
    fn other_encodings_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let sixteen: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [&[0xFF, 0xFE], sixteen.as_slice()].concat();
        for content in [sixteen, marked] {
            write(folder.path().join("a.yaml"), content).unwrap();
            let (_, told) = read(&[folder.path()]);
            assert_eq!(told[0].0, Code::NotUtf8);
            assert!(told[0].1.contains("UTF-16"), "{told:?}");
        }
        write(folder.path().join("a.yaml"), b"a: 1\nb: \xE9\n").unwrap();
        assert!(read(&[folder.path()]).1[0].1.ends_with("is not UTF-8: see line 2"));
        write(folder.path().join("a.yaml"), "\u{feff}a: 1\n").unwrap();
        let (sources, told) = read(&[folder.path()]);
        assert_eq!(told, []);
        assert_eq!(sources.text(SourceId(0)), "a: 1\n");
    }

    #[test]
    fn a_file_beside_a_manifest_is_read_inside_the_folder_only() {
        let outside = folder();
        let folder = folder();
        let path = folder.path();
        create_dir_all(path.join("sub")).unwrap();
        write(path.join("key.pem"), "pem").unwrap();
        write(path.join("sub/b.yaml"), GOOD).unwrap();
        symlink(outside.path().join("a.yaml"), path.join("link.pem")).unwrap();
        let (sources, _) = read(&[path]);
        let (_, source) = sources.iter().find(|(_, it)| it.name.ends_with("b.yaml")).unwrap();
        assert_eq!(read_relative(source, None, "../key.pem", 100).unwrap(), "pem");
        let refused =
            |relative: &str, limit| read_relative(source, None, relative, limit).unwrap_err().code;
        assert_eq!(refused("../../etc/passwd", 100), Code::UnreadableFile);
        assert_eq!(refused("/etc/passwd", 100), Code::OutsideRoot);
        assert_eq!(refused("../link.pem", 100), Code::OutsideRoot);
        assert_eq!(refused("", 100), Code::OutsideRoot);
        assert_eq!(refused("../key.pem", 2), Code::TooLarge);
        assert_eq!(refused("../sub", 100), Code::NotARegularFile);
        assert_eq!(refused("none", 100), Code::UnreadableFile);
    }
}
