//! What a run found that a person has to look at, as typed values: diagnostics of manifests, steps that must not be
//! done or did not succeed, drift, and why a run did not do its work.

use super::super::drift::{heading, lines};
use super::super::escape::escape;
use super::super::notes;
use super::super::progress::ended;
use super::super::reason;
use crate::apply::{Outcome, StepStatus};
use crate::diag::{self, Code, Diagnostic, Place, Severity, SourceId, SourceMap};
use crate::manifest::source::STANDARD_INPUT;
use crate::plan::{Action, Attention, Decision, Note, Plan, Step, StepId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

/// Longest message.
const CAP: usize = 1_000;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// The run did not do its work, or a part of it.
    Error,
    /// The run did its work, and a person should look at it.
    Warning,
}

/// What was found. Those that explain the others come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    /// The run did not do its work.
    Run,
    /// A rule about manifests.
    Manifest(Code),
    /// A step did not succeed; how it ended.
    Step(&'static str),
    /// A step is not to be carried out, for the reason with this code.
    NotAllowed(&'static str),
    /// Drift.
    Drift(Attention),
    /// Nothing of the stack exists.
    NothingExists,
}

impl Check {
    /// A name that stays the same: `unknown-reference`, `drift-changed`.
    pub(super) fn name(self) -> String {
        match self {
            Self::Run => "run".to_owned(),
            Self::Manifest(code) => code.slug().to_owned(),
            Self::Step(status) => format!("step-{}", hyphened(status)),
            Self::NotAllowed(reason) => format!("not-allowed-{}", hyphened(reason)),
            Self::Drift(attention) => format!("drift-{}", attention.code()),
            Self::NothingExists => "nothing-exists".to_owned(),
        }
    }
}

/// `LiveAudience` and `notStarted` as `live-audience` and `not-started`.
fn hyphened(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// The path that stands for standard input where a path must be given and no file is known.
pub(super) const NO_FILE: &str = "stdin";

/// Where a finding is in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    /// The file as it was named; of standard input the file that kustomize names, or [`NO_FILE`]. Untrusted: escape it.
    pub file: String,
    /// Whether the manifest was read from standard input, so that a CI system cannot show its line.
    pub is_piped: bool,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1, where the finding is about one place of the line.
    pub column: Option<usize>,
}

/// One thing to look at. Its texts are safe to show and have no line feeds.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub check: Check,
    /// What it is about, the same from run to run: a resource, or a field and a message.
    pub subject: String,
    /// A few words: the rule, or the resource.
    pub title: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it, or further lines.
    pub more: Vec<String>,
    /// Where.
    pub at: Option<Located>,
    /// Whether the same was found at a place before this one.
    pub is_repeated: bool,
}

impl Finding {
    /// Sorts findings by importance: errors first, each mistake once before its repetitions, causes before what
    /// follows from them.
    pub(super) fn sort(findings: &mut [Self]) {
        let rank = |check: Check| match check {
            Check::Run => 0,
            Check::Manifest(_) => 1,
            Check::Step(_) => 2,
            Check::NotAllowed(_) => 3,
            Check::Drift(_) | Check::NothingExists => 4,
        };
        findings.sort_by_key(|it| (it.level, it.is_repeated, rank(it.check)));
    }
}

/// The diagnostics of manifests.
pub(super) fn of_manifests(report: &diag::Report, sources: &SourceMap) -> Vec<Finding> {
    let mut known = BTreeSet::new();
    let findings = report.sorted(sources).into_iter().map(|(position, diagnostic)| {
        let Diagnostic { code, message, at, help, .. } = diagnostic;
        let is_repeated = !known.insert((code, message, help));
        let position = position.map(|it| (it.source, it.line, Some(it.column)));
        let of_file = at.source().map(|source| (source, 1, None));
        let position = position.or(of_file);
        let line = position.map_or(1, |it| it.1);
        let located =
            position.map(|(source, line, column)| located_at(at, source, line, column, sources));
        let shown = escape(message, CAP);
        let field = match at {
            Place::Field { path, .. } => path.to_string(),
            _ => String::new(),
        };
        Finding {
            level: match report.severity(diagnostic) {
                Severity::Error => Level::Error,
                Severity::Warning => Level::Warning,
            },
            check: Check::Manifest(*code),
            subject: format!("{field}\n{message}"),
            title: format!("{code} {}", code.slug()),
            message: match &located {
                // A CI system cannot show a line of it.
                Some(located) if located.is_piped => {
                    let file = sources.cited_name(at).unwrap_or(STANDARD_INPUT.into());
                    format!("{}:{line}: {shown}", escape(&file, CAP))
                }
                _ => shown,
            },
            more: help.iter().map(|it| format!("help: {}", escape(it, CAP))).collect(),
            at: located,
            is_repeated,
        }
    });
    findings.collect()
}

/// A place as a CI system is told it. The line of standard input is not that of the file that kustomize names.
fn located_at(
    at: &Place,
    source: SourceId,
    line: usize,
    column: Option<usize>,
    sources: &SourceMap,
) -> Located {
    let file = sources.name(source).to_owned();
    if file != STANDARD_INPUT {
        return Located { file, is_piped: false, line, column };
    }
    let of_kustomize = sources.document_at(at).and_then(|it| sources.written_in(it));
    let folder = sources.get(source).and_then(|it| it.folder.as_ref());
    match of_kustomize.and_then(within_base) {
        Some(file) => {
            let file = folder.map_or_else(|| file.to_owned(), |it| it.base.join(file));
            let file = file.to_string_lossy().into_owned();
            Located { file, is_piped: true, line: 1, column: None }
        }
        None => Located { file: NO_FILE.to_owned(), is_piped: true, line, column: None },
    }
}

/// The path that kustomize names without its leading `..`, which lead out of the folder of an overlay: the folder
/// that holds the base and the overlays is the one of `--stdin-folder`. Nothing for a file of another repository.
fn within_base(file: &str) -> Option<&Path> {
    let path = Path::new(file);
    let is_inside = |it: Component<'_>| matches!(it, Component::Normal(_) | Component::CurDir);
    let mut parts = path.components();
    let mut inside = parts.as_path();
    while let Some(Component::ParentDir | Component::CurDir) = parts.next() {
        inside = parts.as_path();
    }
    let is_remote = file.contains("://");
    (!is_remote && inside != Path::new("") && inside.components().all(is_inside)).then_some(inside)
}

/// The line of the manifest of a step.
fn located(step: &Step, sources: &SourceMap) -> Option<Located> {
    let place = Place::value(step.origin?, "kind");
    let at = sources.position(&place)?;
    Some(located_at(&place, at.source, at.line, None, sources))
}

fn of_step(step: &Step, level: Level, check: Check, sources: &SourceMap) -> Finding {
    let address = step.address.to_string();
    Finding {
        level,
        check,
        title: escape(&address, 200),
        subject: format!("{address}\n{}", step.action.as_str()),
        message: String::new(),
        more: Vec::new(),
        at: located(step, sources),
        is_repeated: false,
    }
}

/// The steps of a plan that keep the whole run from being carried out.
pub(super) fn of_plan(plan: &Plan, sources: &SourceMap) -> Vec<Finding> {
    let blocked = plan.steps.iter().filter_map(|step| match &step.decision {
        Decision::Blocked(why) | Decision::Unmanaged(why) => Some((step, why)),
        Decision::Do | Decision::Interrupt | Decision::Deferred(_) | Decision::Dormant(_) => None,
    });
    let findings = blocked.map(|(step, why)| Finding {
        message: format!(
            "{} is blocked: {}",
            step.action.as_str(),
            escape(&reason::text(why), CAP)
        ),
        ..of_step(step, Level::Error, Check::NotAllowed(why.code()), sources)
    });
    let quotas = plan.notes.iter().filter_map(|note| match note {
        Note::Quota { kind, wanted, quota } => {
            Some(of_run(notes::quota(*kind, *wanted, *quota), Level::Error))
        }
        Note::NothingExists { .. }
        | Note::Selected(_)
        | Note::Freeze { .. }
        | Note::Duplicate { .. }
        | Note::UndeclaredKeys { .. }
        | Note::Ambiguous { .. }
        | Note::PossibleRename { .. }
        | Note::UnknownEnumValue { .. }
        | Note::ManyDeletes { .. } => None,
    });
    quotas.chain(findings).collect()
}

/// A finding that is about no resource alone.
fn of_run(message: String, level: Level) -> Finding {
    Finding {
        level,
        check: Check::Run,
        title: String::new(),
        message: escape(&message, CAP),
        subject: message,
        more: Vec::new(),
        at: None,
        is_repeated: false,
    }
}

/// Resources with drift.
pub(super) fn of_drift(plan: &Plan, sources: &SourceMap) -> Vec<Finding> {
    let findings = plan.steps.iter().map(|step| {
        let attention = step.attention();
        let address = step.address.to_string();
        let impact = step.impact.as_ref().map(reason::on_air);
        Finding {
            subject: address,
            message: heading(attention).to_owned(),
            more: impact.into_iter().chain(lines(step)).collect(),
            ..of_step(step, Level::Warning, Check::Drift(attention), sources)
        }
    });
    let nothing = plan.notes.iter().filter_map(|note| match note {
        Note::NothingExists { missing } => Some(Finding {
            check: Check::NothingExists,
            ..of_run(notes::nothing_exists(*missing), Level::Warning)
        }),
        _ => None,
    });
    nothing.chain(findings).collect()
}

/// Which steps a run must not leave for a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// A later run may carry any step out.
    MayBeLeft,
    /// No step may be deferred.
    NotDeferred,
    /// Everything was to be deleted.
    Nothing,
}

/// Steps that did not succeed, and those that were left and must not be.
pub(super) fn of_outcome(
    plan: &Plan,
    outcome: &Outcome,
    left: Left,
    sources: &SourceMap,
) -> Vec<Finding> {
    let statuses: BTreeMap<StepId, &StepStatus> =
        outcome.steps.iter().map(|(id, status)| (*id, status)).collect();
    let parts = plan.halves_of_replacements();
    let findings = plan.steps.iter().filter_map(|step| {
        let status = statuses.get(&step.id).copied();
        let level = level(step, status, left, parts.contains(&step.id))?;
        let check = match (status, &step.decision) {
            (Some(StepStatus::Deferred(why)), _) => Check::NotAllowed(why.code()),
            (Some(status), _) => Check::Step(status.as_str()),
            (None, decision) => Check::NotAllowed(decision.reason()?.code()),
        };
        let message = match (status, step.decision.reason()) {
            (Some(status), _) => told(step.action, status),
            (None, Some(why)) => format!(
                "{} {}: {}",
                step.action.as_str(),
                step.decision.as_str(),
                escape(&reason::text(why), CAP)
            ),
            (None, None) => return None,
        };
        Some(Finding { message, ..of_step(step, level, check, sources) })
    });
    let mut findings: Vec<Finding> = findings.collect();
    for copy in &outcome.copies {
        if let Some(why) = &copy.left {
            let (address, arn) = (&copy.address, &copy.arn);
            findings.push(of_run(
                format!(
                    "{address}: its copy {arn} is left beside {}: {}",
                    copy.of,
                    reason::left(why)
                ),
                Level::Error,
            ));
        }
    }
    findings.extend(
        outcome.copies_unread.as_ref().map(|it| of_run(reason::copies_unread(it), Level::Error)),
    );
    findings
}

/// How bad the end of a step is; `None` where it is well, or follows from the end of another step.
fn level(step: &Step, status: Option<&StepStatus>, left: Left, is_part: bool) -> Option<Level> {
    match status {
        Some(StepStatus::Failed(_) | StepStatus::Unknown(_) | StepStatus::Stale(_)) => {
            Some(Level::Error)
        }
        Some(StepStatus::Unconfirmed(_)) => Some(Level::Warning),
        Some(StepStatus::Deferred(_)) if left != Left::MayBeLeft => Some(Level::Error),
        Some(_) => None,
        None if is_part => None,
        None => match (&step.decision, left) {
            (Decision::Do | Decision::Interrupt, _) | (_, Left::MayBeLeft) => None,
            (Decision::Deferred(_), Left::NotDeferred) | (_, Left::Nothing) => Some(Level::Error),
            (_, Left::NotDeferred) => None,
        },
    }
}

fn told(action: Action, status: &StepStatus) -> String {
    anstream::adapter::strip_str(&ended(action, status)).to_string()
}

/// Why a run did not do its work.
pub(super) fn of_failure(command: &str, message: &str, help: Option<&str>) -> Finding {
    Finding {
        level: Level::Error,
        check: Check::Run,
        subject: command.to_owned(),
        title: format!("ivs-apply {command}"),
        message: escape(message, 2 * CAP),
        more: help.iter().map(|it| format!("help: {}", escape(it, 2 * CAP))).collect(),
        at: None,
        is_repeated: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_kustomize_is_cited_without_the_way_out_of_the_overlay() {
        let told = |file| within_base(file).map(|it| it.to_string_lossy().into_owned());
        assert_eq!(told("../../base/a.yaml").as_deref(), Some("base/a.yaml"));
        assert_eq!(told("patch.yaml").as_deref(), Some("patch.yaml"));
        for file in ["", "..", "../", "/etc/a.yaml", "a/../../b.yaml", "https://example.com/a.yaml"]
        {
            assert_eq!(told(file), None, "{file}");
        }
    }

    #[test]
    fn names_of_checks_are_words_with_hyphens() {
        assert_eq!(Check::NotAllowed("LiveAudience").name(), "not-allowed-live-audience");
        assert_eq!(Check::Step("notStarted").name(), "step-not-started");
        assert_eq!(Check::Manifest(Code::UnknownReference).name(), "unknown-reference");
        assert_eq!(Check::Drift(Attention::Gone).name(), "drift-deleted");
    }
}
