//! What a run tells, collected while it goes on, and written in every form that was asked for at its end.

use super::super::Ui;
use super::super::blame::Blamed;
use super::super::escape::{escape, guarded};
use super::super::file::{Appended, Refused, Sort};
use super::super::markdown::{self, Document, Group};
use super::super::plan::Header;
use super::finding::{self, Finding, Left};
use super::{ReportKind, RunSummary, Settings, annotation, code_quality};
use crate::apply::Outcome;
use crate::diag::SourceMap;
use crate::manifest::Loaded;
use crate::manifest::source::STANDARD_INPUT;
use crate::plan::{Difference, NotDrift, Plan, Status};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most bytes that GitHub takes as the summary of a step.
const STEP_SUMMARY: usize = 1024 * 1024;

/// The fewest bytes that a summary is written in.
const SHORTEST: usize = 4_000;

/// Files of the CI system, which hold what earlier commands of the step have written.
const ANYTHING: Sort = Sort { what: "a file of the CI system", is: |_| true };

/// What one run tells beside its answer. Copies of it are the same record.
#[derive(Clone, Debug)]
pub struct Record(Arc<Mutex<Told>>);

#[derive(Debug)]
struct Told {
    settings: Settings,
    summary: RunSummary,
    findings: Vec<Finding>,
    document: Option<Document>,
    /// What is wrong with the manifests, for the end of the document.
    diagnostics: Vec<Group>,
    /// The first file that was read.
    first: Option<String>,
    known: Known,
}

/// Where a run works, as far as it is known before the run is connected.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The stack.
    pub stack: Option<String>,
    /// The region that the command line, the variables or the Stack name.
    pub region: Option<String>,
}

impl Told {
    fn annotates(&self) -> bool {
        self.settings.annotates
            || self.settings.reports.iter().any(|it| it.kind == ReportKind::CodeQuality)
    }

    fn documents(&self) -> bool {
        self.settings.answers_in_markdown || self.settings.step_summary.is_some()
    }

    /// The document with all that goes into it; none where the command has shown its own.
    fn whole(&self) -> Option<Document> {
        if !self.summary.has_markdown() {
            return None;
        }
        let mut document = match (&self.document, &self.summary.error) {
            (Some(document), _) => document.clone(),
            (None, None) if !self.summary.has_members() => return None,
            (None, _) => markdown::nothing(self.summary.command, &self.summary.stack),
        };
        if let Some((message, help)) = &self.summary.error {
            document.add_error(message, help.as_deref());
        }
        document.groups.extend(self.diagnostics.iter().cloned());
        Some(document)
    }
}

impl Default for Record {
    /// A record that is written nowhere.
    fn default() -> Self {
        Self::new(RunSummary::new("", ""), Settings::default())
    }
}

impl Record {
    /// Of a run that has told nothing yet.
    pub fn new(summary: RunSummary, settings: Settings) -> Self {
        Self(Arc::new(Mutex::new(Told {
            settings,
            summary,
            findings: Vec::new(),
            document: None,
            diagnostics: Vec::new(),
            first: None,
            known: Known::default(),
        })))
    }

    /// Notes where the run works.
    pub fn is_about(&self, known: Known) {
        self.told().known = known;
    }

    /// Where the run works.
    pub fn known(&self) -> Known {
        self.told().known.clone()
    }

    /// Makes sure, before any work is done, that the reports may be written; those that may not are dropped.
    ///
    /// # Errors
    /// Where one of the files holds anything else, or cannot be written.
    pub fn may_report(&self) -> Result<(), Refused> {
        let mut checked = Ok(());
        self.told().settings.reports.retain(|report| match report.may_write() {
            Ok(()) => true,
            Err(refused) => {
                checked = Err(refused);
                false
            }
        });
        checked
    }

    /// The manifests were read; `region` is what the command line, the variables or the Stack name.
    pub fn checked(&self, loaded: &Loaded, region: Option<String>) {
        let Loaded { report, sources, .. } = loaded;
        let (stack, resources) = (&loaded.stack.name, loaded.desired.len());
        let mut told = self.told();
        told.known = Known { stack: loaded.known_stack().map(ToOwned::to_owned), region };
        stack.clone_into(&mut told.summary.stack);
        told.summary.resources = Some(resources);
        told.summary.errors = Some(report.errors().count());
        told.summary.warnings = Some(report.warnings().count());
        if !report.has_errors() {
            told.summary.status = Status::Clean;
        }
        if told.annotates() {
            told.findings.extend(finding::of_manifests(report, sources));
            let mut names = sources.iter().map(|(_, it)| &it.name);
            told.first = names.find(|it| *it != STANDARD_INPUT).cloned();
        }
        if told.documents() {
            told.diagnostics = markdown::diagnostics(report, sources);
            let command = told.summary.command;
            // Of valid manifests only `validate` has nothing else to say.
            let is_said = report.has_errors() || command == "validate";
            told.document =
                is_said.then(|| markdown::manifests(command, stack, report, sources, resources));
        }
    }

    /// The plan is made.
    pub fn planned(&self, plan: &Plan, header: &Header<'_>, sources: &SourceMap) {
        let mut told = self.told();
        told.summary.status = plan.status();
        told.summary.planned = Some(plan.summary());
        if told.annotates() {
            told.findings.extend(finding::of_plan(plan, sources));
        }
        if told.documents() {
            told.document = Some(markdown::plan(told.summary.command, plan, None, header, sources));
        }
    }

    /// The account was compared with what was applied.
    pub fn drifted(
        &self,
        plan: &Plan,
        others: &NotDrift,
        blamed: Option<&Blamed>,
        header: &Header<'_>,
        sources: &SourceMap,
    ) {
        let mut told = self.told();
        told.summary.status = plan.status();
        told.summary.planned = Some(plan.summary());
        told.summary.drifted = Some(plan.steps.len());
        if told.annotates() {
            told.findings.extend(finding::of_drift(plan, sources));
        }
        if told.documents() {
            told.document = Some(markdown::drift(plan, others, blamed, header));
        }
    }

    /// The plan was carried out, or there was nothing to carry out.
    pub fn applied(
        &self,
        plan: &Plan,
        outcome: &Outcome,
        left: Left,
        header: &Header<'_>,
        sources: &SourceMap,
    ) {
        let mut told = self.told();
        told.summary.status = outcome.status(plan);
        told.summary.outcome = Some(outcome.counts(plan));
        if told.annotates() {
            told.findings.extend(finding::of_outcome(plan, outcome, left, sources));
        }
        if told.documents() {
            let command = told.summary.command;
            told.document = Some(markdown::plan(command, plan, Some(outcome), header, sources));
        }
    }

    /// The command has another document than those of plans.
    pub fn shown(&self, document: impl FnOnce() -> Document) {
        let mut told = self.told();
        if told.documents() {
            told.document = Some(document());
        }
    }

    /// The approved plan is not the plan of now.
    pub fn is_stale(&self, differences: &[Difference]) {
        if let Some(document) = &mut self.told().document {
            document.add_differences(differences);
        }
    }

    /// The plan was saved.
    pub fn saved(&self, file: &Path) {
        self.told().summary.plan_file = Some(file.to_owned());
    }

    /// The run does not do its work: what is wrong, and what to do about it; `is_refusal` where a guard keeps the plan
    /// from being carried out.
    pub fn failed(&self, message: &str, help: Option<&str>, is_refusal: bool) {
        let mut told = self.told();
        let refused = is_refusal && told.summary.planned.is_some();
        told.summary.status = if refused { Status::Blocked } else { Status::Failed };
        told.summary.error = Some((message.to_owned(), help.map(ToOwned::to_owned)));
        if told.annotates() {
            let finding = finding::of_failure(told.summary.command, message, help);
            told.findings.push(finding);
        }
    }

    /// The run is over.
    pub fn ended(&self, exit_code: u8) {
        self.told().summary.exit_code = Some(exit_code);
    }

    /// Whether a step was carried out.
    pub fn wrote(&self) -> bool {
        self.told().summary.outcome.as_ref().is_some_and(|it| it.carried_out() > 0)
    }

    /// Lines for `$GITHUB_OUTPUT`.
    pub fn outputs(&self) -> String {
        self.told().summary.outputs()
    }

    /// The answer in Markdown; none where the command has given its own.
    pub fn markdown(&self) -> Option<String> {
        let told = self.told();
        Some(told.whole()?.text(told.settings.markdown_limit))
    }

    /// Writes the report files that were asked for; why those are missing that cannot be written.
    pub fn report(&self, ui: Ui) -> Vec<Refused> {
        let mut told = self.told();
        Finding::sort(&mut told.findings);
        let refused = told.settings.reports.iter().filter_map(|report| {
            let text = match report.kind {
                ReportKind::CodeQuality => {
                    let first = told.first.as_deref();
                    code_quality::text(&told.findings, first, &told.settings.folders)
                }
                ReportKind::Dotenv => {
                    let (text, refused) = told.summary.dotenv();
                    for name in refused {
                        ui.say(&format!(
                            "warning: `{name}` is left out of the dotenv report, since GitLab takes no value with \
                             spaces, quotes or `$`\n"
                        ));
                    }
                    text
                }
            };
            report.write(&text).err()
        });
        refused.collect()
    }

    /// Tells the CI system: annotations among the messages, outputs and summary in its files. What cannot be written
    /// is a warning.
    pub fn tell(&self, ui: Ui) {
        let mut told = self.told();
        Finding::sort(&mut told.findings);
        let Settings { annotates, outputs, step_summary, folders, .. } = &told.settings;
        if *annotates {
            ui.say(&annotation::lines(&told.findings, told.summary.command, folders));
        }
        let warn = |path: &Path, what: &str, why: &dyn std::fmt::Display| {
            let path = escape(&path.display().to_string(), 400);
            let why = escape(&why.to_string(), 600);
            ui.say(&format!("warning: {what} could not be written to `{path}`: {why}\n"));
        };
        if let Some(path) = outputs.as_deref().filter(|_| told.summary.has_members())
            && let Err(why) = append(path, told.summary.outputs().trim_end())
        {
            warn(path, "the outputs of the step", &why);
        }
        let Some(path) = step_summary else { return };
        let Some(document) = told.whole() else { return };
        if let Err(why) = append_summary(path, &document) {
            warn(path, "the summary of the step", &why);
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Each of its members is replaced as a whole, so that a panic elsewhere leaves nothing half done here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a file of the CI system is not written.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("it has {0} bytes already, and GitHub takes {STEP_SUMMARY}")]
    Full(u64),
}

fn append(path: &Path, text: &str) -> Result<(), Unwritten> {
    Ok(Appended::open(path, ANYTHING)?.append(&guarded(text))?)
}

fn append_summary(path: &Path, document: &Document) -> Result<(), Unwritten> {
    let mut file = Appended::open(path, ANYTHING)?;
    let length = file.length().unwrap_or_default();
    let used = usize::try_from(length).unwrap_or(usize::MAX);
    // A line feed before and after it.
    let room = STEP_SUMMARY.saturating_sub(used.saturating_add(2));
    if room < SHORTEST {
        return Err(Unwritten::Full(length));
    }
    Ok(file.append(&guarded(&document.text(room)))?)
}
