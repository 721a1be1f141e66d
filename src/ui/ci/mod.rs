//! What a run tells a CI system beside its answer: annotations, outputs, a step summary for GitHub Actions, and report
//! files for GitLab.
//!
//! A `Record` collects it while the run goes on, as typed values (`RunSummary`, `Finding`, a Markdown `Document`), and
//! each form is written from these at the end of the run. Decides nothing, and reads no environment.

mod annotation;
mod code_quality;
mod finding;
mod record;
mod report;
mod summary;

pub use finding::Left;
pub use record::{Known, Record};
pub use report::{Report, ReportKind};
pub use summary::RunSummary;
pub(super) use summary::output_line;

use std::path::{Component, Path, PathBuf};

/// What a run writes for a CI system, and where to.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether annotations are written as GitHub Actions reads them.
    pub annotates: bool,
    /// The file of `$GITHUB_OUTPUT`.
    pub outputs: Option<PathBuf>,
    /// The file of `$GITHUB_STEP_SUMMARY`.
    pub step_summary: Option<PathBuf>,
    /// The folder of the repository, and the folder that the program runs in.
    pub folders: Folders,
    /// Whether the answer of the run is its Markdown.
    pub answers_in_markdown: bool,
    /// The longest Markdown answer, in bytes.
    pub markdown_limit: usize,
    /// The files of `--report`.
    pub reports: Vec<Report>,
}

/// The folders by which the path of a file is made relative to the repository.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    /// The folder of the repository, as the CI system names it.
    pub repository: Option<PathBuf>,
    /// The folder that the program runs in.
    pub current: Option<PathBuf>,
}

impl Folders {
    /// A path as the CI system names it: relative to the repository where the file is inside, else as it was given.
    fn within_repository(&self, name: &str) -> String {
        let given = without_dots(Path::new(name));
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let (Some(repository), Some(current)) = (&self.repository, &self.current) else {
            return text(&given);
        };
        let whole = without_dots(&current.join(name));
        if let Ok(inside) = whole.strip_prefix(without_dots(repository)) {
            return text(inside);
        }
        // One of the two may lead over a link.
        let real = |path: &Path| path.canonicalize().ok();
        match (real(&whole), real(repository)) {
            (Some(file), Some(folder)) => {
                file.strip_prefix(folder).map_or_else(|_| text(&given), text)
            }
            _ => text(&given),
        }
    }
}

/// A path without `.`, and without each `..` that follows a name.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(plain.components().next_back(), Some(Component::Normal(_))) =>
            {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_relative_to_the_repository_from_whatever_folder_the_program_runs_in() {
        let within = |repository: &str, current: &str, name: &str| {
            let folders =
                Folders { repository: Some(repository.into()), current: Some(current.into()) };
            folders.within_repository(name)
        };
        assert_eq!(within("/r", "/r", "a.yaml"), "a.yaml");
        assert_eq!(within("/r/", "/r", "./m/./a.yaml"), "m/a.yaml");
        assert_eq!(within("/r", "/r/deploy/prod", "../base/a.yaml"), "deploy/base/a.yaml");
        assert_eq!(within("/r", "/elsewhere", "/r/m/a.yaml"), "m/a.yaml");
        assert_eq!(within("/r", "/r", "/elsewhere/a.yaml"), "/elsewhere/a.yaml");
        assert_eq!(within("/r", "/rest", "a.yaml"), "a.yaml");
        assert_eq!(within("/r", "/r", "../../a.yaml"), "../../a.yaml");
        assert_eq!(Folders::default().within_repository("./m/a.yaml"), "m/a.yaml");
    }

    #[test]
    fn a_repository_that_is_named_by_a_link_is_the_folder_that_the_link_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("a.yaml"), "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let folders = Folders { repository: Some(link), current: Some(real) };
        assert_eq!(folders.within_repository("a.yaml"), "a.yaml");
    }
}
