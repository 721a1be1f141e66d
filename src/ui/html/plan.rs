//! The page of a plan, and of a run that carried it out.

use super::super::changed_lines::{ChangedLine, Sign, changed_lines};
use super::super::escape::escape;
use super::super::graph::Picture;
use super::super::notes::notes;
use super::super::plan::{because, calls, calls_made, signed_in, sum, symbol, verdict};
use super::super::progress::{applied, behind_counts, ended, failures, left};
use super::super::reason::{self, moment, on_air};
use super::super::saved::difference;
use super::{CAP, Fact, Graph, Line, Page, Report, Row, Section, Tone};
use crate::apply::{Outcome, StepStatus};
use crate::diag::{Place, SourceMap};
use crate::kinds::Desired;
use crate::plan::{Action, Decision, Difference, Plan, Status, Step, StepId};
use std::collections::BTreeMap;

/// What became of a plan after it was made.
#[derive(Clone, Copy, Debug)]
pub enum Ran<'a> {
    /// It was only looked at.
    Planned,
    /// It was refused.
    Refused {
        /// Why.
        message: &'a str,
        /// What to do about it.
        help: Option<&'a str>,
    },
    /// It was carried out.
    Applied(&'a Outcome),
}

/// The page of a plan. `desired` are the manifests, for the picture; `differences` those from the saved plan that was to
/// be applied.
pub fn plan(
    plan: &Plan,
    report: &Report<'_>,
    desired: &[Desired],
    ran: Ran<'_>,
    differences: &[Difference],
) -> String {
    let Report { command, header, sources, .. } = report;
    let statuses: BTreeMap<StepId, &StepStatus> = match ran {
        Ran::Applied(outcome) => outcome.steps.iter().map(|(id, it)| (*id, it)).collect(),
        Ran::Planned | Ran::Refused { .. } => BTreeMap::new(),
    };
    let steps = plan.by_id();
    let parts = plan.halves_of_replacements();
    let rows = plan.steps.iter().map(|step| {
        let status = statuses.get(&step.id).copied();
        let after: Vec<&Step> = step.after.iter().filter_map(|it| steps.get(it).copied()).collect();
        let is_part = parts.contains(&step.id);
        let section = match section(step, status) {
            Section::Delete if is_part => Section::Replace,
            other => other,
        };
        (section, Row { is_part, ..row(step, status, &after, sources) })
    });
    let (headline, tone) = headline(plan, report, ran);
    let title = match *command {
        "apply" => "Apply",
        "destroy" => "Destroy",
        _ => "Plan",
    };
    let title =
        format!("{title} for stack {} in {}", escape(&header.stack.name, CAP), header.region);
    let mut page = Page::new(title, headline, tone, rows.collect());
    page.facts = facts(report);
    page.facts.push(Fact {
        label: "Calls",
        value: match ran {
            Ran::Applied(_) => calls_made(header),
            Ran::Planned | Ran::Refused { .. } => calls(plan, header),
        },
    });
    match ran {
        Ran::Planned => {}
        Ran::Refused { message, help } => {
            page.errors.push(escape(message, CAP));
            page.errors.extend(help.map(|it| format!("help: {}", escape(it, CAP))));
        }
        Ran::Applied(outcome) => {
            let mut failed = failures(plan, outcome);
            if is_left_behind(report, plan, outcome) {
                failed.push_str(&left(plan, outcome, "not deleted"));
            }
            page.errors = plain(&failed).lines().map(ToOwned::to_owned).collect();
            page.notes.extend(behind_counts(outcome));
        }
    }
    page.errors.extend(differences.iter().map(|it| escape(&difference(it), CAP)));
    for note in notes(plan, report.sources) {
        page.notes.push(note.sentence);
        page.notes.extend(note.objects);
    }
    page.graph = Graph::of(&Picture::new(desired, Some(plan)));
    page.text()
}

/// When, where, and with whose credentials.
pub(super) fn facts(report: &Report<'_>) -> Vec<Fact> {
    let Report { header, read_at, .. } = report;
    let fact = |label, value| Fact { label, value };
    let mut facts = vec![
        fact("Stack", escape(&header.stack.name, CAP)),
        fact("Region", header.region.to_owned()),
    ];
    facts.extend(header.endpoint.map(|it| fact("Endpoint", escape(it, CAP))));
    facts.extend(header.identity.map(|it| fact("Credentials", signed_in(it))));
    facts.extend(read_at.map(|it| fact("Account read at", moment(it))));
    facts
}

/// Whether a run that was to delete everything left something.
fn is_left_behind(report: &Report<'_>, plan: &Plan, outcome: &Outcome) -> bool {
    report.command == "destroy" && outcome.is_well() && outcome.counts(plan).left() > 0
}

fn headline(plan: &Plan, report: &Report<'_>, ran: Ran<'_>) -> (String, Tone) {
    let summary = plan.summary();
    match ran {
        Ran::Applied(outcome) if plan.has_work() || !outcome.steps.is_empty() => {
            let tone = if !outcome.is_well() || is_left_behind(report, plan, outcome) {
                Tone::Bad
            } else if outcome.counts(plan).left() > 0 {
                Tone::Attention
            } else {
                Tone::Good
            };
            (applied(plan, outcome), tone)
        }
        Ran::Refused { .. } => (sum(&summary), Tone::Bad),
        Ran::Planned | Ran::Applied(_) => {
            let tone = match plan.status() {
                Status::Clean if summary.deferred > 0 => Tone::Attention,
                Status::Clean => Tone::Good,
                Status::Changes => Tone::Attention,
                Status::Blocked | Status::Failed => Tone::Bad,
            };
            (sum(&summary), tone)
        }
    }
}

/// The section of a step, or of what became of it.
pub(in crate::ui) fn section(step: &Step, status: Option<&StepStatus>) -> Section {
    match status {
        Some(StepStatus::Deferred(_)) => return Section::Deferred,
        Some(
            StepStatus::Failed(_)
            | StepStatus::Unknown(_)
            | StepStatus::Skipped(_)
            | StepStatus::Stale(_)
            | StepStatus::NotStarted,
        ) => return Section::Failed,
        Some(StepStatus::Done(_) | StepStatus::Unconfirmed(_)) | None => {}
    }
    match (&step.decision, step.action) {
        (Decision::Interrupt, _) => Section::CutsOff,
        (Decision::Blocked(_), _) => Section::Blocked,
        (Decision::Deferred(_), _) => Section::Deferred,
        (Decision::Dormant(_), _) => Section::Dormant,
        (Decision::Unmanaged(_), _) => Section::Unmanaged,
        (Decision::Do, Action::Delete) => Section::Delete,
        (Decision::Do, Action::Replace) => Section::Replace,
        (Decision::Do, Action::Update | Action::Retag | Action::Release) => Section::Update,
        (Decision::Do, Action::Create) => Section::Create,
        (Decision::Do, Action::Adopt | Action::Rename) => Section::Adopt,
    }
}

/// How many of the resources that a step waits for are named.
const NAMED: usize = 5;

fn row(step: &Step, status: Option<&StepStatus>, after: &[&Step], sources: &SourceMap) -> Row {
    let mut lines = Vec::new();
    let mut line = |tone, text| lines.push(Line { tone, text });
    let told = match (&step.decision, status) {
        (_, Some(status)) => plain(&ended(step.action, status)),
        (decision, None) => {
            format!("{}: {}", verdict(step.action, decision.saved()), because(step))
        }
    };
    if status.is_some() {
        line(Tone::Plain, format!("reason: {}", because(step)));
    }
    if let Some(why) = step.decision.reason() {
        line(Tone::Attention, escape(&reason::text(why), CAP));
    } else if let Some(audience) = &step.impact {
        line(Tone::Bad, format!("impact: {}", on_air(audience)));
    }
    if let Some(loss) = step.loss() {
        line(Tone::Bad, loss.to_owned());
    }
    if !after.is_empty() {
        let name = |it: &&Step| {
            format!("{} ({})", escape(&it.address.to_string(), CAP), it.action.as_str())
        };
        let named: Vec<String> = after.iter().take(NAMED).map(name).collect();
        let more = after.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        line(Tone::Plain, format!("after {}{more}", named.join(", ")));
    }
    if let Some(arn) = &step.arn {
        line(Tone::Plain, escape(arn.as_str(), CAP));
    }
    // Nothing is done to an object of another owner.
    let changes = if matches!(step.decision, Decision::Unmanaged(_)) {
        Vec::new()
    } else {
        changed_lines(step)
    };
    Row {
        symbol: symbol(step.action).0,
        address: escape(&step.address.to_string(), CAP),
        verdict: told,
        place: place(step, sources),
        lines,
        diff_label: if step.before.is_some() { "Difference" } else { "Specification" },
        diff: changes.iter().map(changed).collect(),
        is_open: false,
        is_part: false,
    }
}

/// Where the manifest of a step stands.
pub(super) fn place(step: &Step, sources: &SourceMap) -> Option<String> {
    let place = Place::value(step.origin?, "kind");
    let at = sources.position(&place)?;
    Some(format!("{}:{}", escape(&sources.cited_name(&place)?, CAP), at.line))
}

/// A line of a diff, with its sign first.
pub(super) fn changed(line: &ChangedLine) -> Line {
    let tone = match line.sign {
        Sign::Added => Tone::Good,
        Sign::Removed => Tone::Bad,
        Sign::Context | Sign::Remark => Tone::Plain,
    };
    Line { tone, text: line.plain() }
}

/// Text without its colours.
pub(super) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
