//! What a run came to as a comment on a pull request: a plan, what was applied, drift, manifests, or what went wrong.
//!
//! Everything from manifests and AWS is in code spans or fences, each longer than any run of backticks
//! inside, so that no value can be a heading, a link, an image or a mention.

mod document;

pub use document::Document;
pub(super) use document::{Group, Item, Weight};

use super::blame::Blamed;
use super::changed_lines::changed_lines;
use super::diagnostic::{folded, same, summary as counted};
use super::escape::escape;
use super::html::{Section, section};
use super::notes::notes;
use super::plan::{Header, because, calls, calls_made, sum, verdict};
use super::progress::{applied, behind_counts, ended};
use super::reason::{self, on_air};
use super::saved::difference;
use crate::apply::{Outcome, StepStatus};
use crate::aws::{Identity, SignedIn};
use crate::diag::{Diagnostic, Position, Report, Severity, SourceMap};
use crate::plan::{Attention, Decision, Difference, NotDrift, Plan, Step, StepId};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The longest comment, in bytes, where no option says otherwise: GitHub takes 65,536 characters, others take more.
pub(crate) const LONGEST: usize = 60_000;

/// As many whole lines as fit into so many bytes, and `rest` as the last one if some do not: a part of a line could
/// be a part of a code span.
pub(super) fn whole_lines(mut text: String, most: usize, rest: &str) -> String {
    if text.len() <= most {
        return text;
    }
    text.truncate(text.floor_char_boundary(most.saturating_sub(rest.len() + 2)));
    text.truncate(text.rfind('\n').map_or(0, |it| it + 1));
    text.push_str(&format!("\n{rest}\n"));
    text
}

/// A run of a command on a stack: where, and with whose credentials.
fn head(command: &str, header: &Header<'_>) -> String {
    let (word, stack) = (title(command), span(&header.stack.name));
    let mut text = format!("### {word} stack {stack} in {}\n\n", span(header.region));
    if let Some(endpoint) = header.endpoint {
        let _ = writeln!(text, "At endpoint {}\n", span(endpoint));
    }
    if let Some(identity) = header.identity {
        let _ = writeln!(text, "{}\n", identified(identity));
    }
    text
}

/// What a comment of a command is about.
fn title(command: &str) -> &str {
    match command {
        "validate" => "Manifests of",
        "plan" => "Plan for",
        "show" => "Saved plan for",
        "apply" => "Apply of",
        "destroy" => "Destroy of",
        "drift" => "Drift of",
        "status" => "Status of",
        other => other,
    }
}

/// A plan, and what became of it where it was carried out.
pub fn plan(
    command: &str,
    plan: &Plan,
    outcome: Option<&Outcome>,
    header: &Header<'_>,
    sources: &SourceMap,
) -> Document {
    let mut text = head(command, header);
    let carried_out = outcome.filter(|it| plan.has_work() || !it.steps.is_empty());
    let _ = match carried_out {
        Some(outcome) => writeln!(text, "**{}**\n\n{}", applied(plan, outcome), calls_made(header)),
        None => writeln!(text, "**{}**\n\n{}", sum(&plan.summary()), calls(plan, header)),
    };
    let statuses: BTreeMap<StepId, &StepStatus> =
        outcome.iter().flat_map(|it| &it.steps).map(|(id, status)| (*id, status)).collect();
    let parts = plan.halves_of_replacements();
    let items = plan.steps.iter().map(|step| {
        let status = statuses.get(&step.id).copied();
        let section = match section(step, status) {
            Section::Delete if parts.contains(&step.id) => Section::Replace,
            other => other,
        };
        (section, item(step, status))
    });
    let mut groups = grouped(items);
    let noted = notes(plan, sources).into_iter().map(|note| {
        let mut item = plain_item(&note.sentence);
        for object in note.objects {
            let _ = writeln!(item.lines, "  - {}", span(&object));
        }
        item
    });
    let behind = carried_out.map(behind_counts).unwrap_or_default();
    let noted = noted.chain(behind.iter().map(|it| plain_item(it)));
    groups.push(Group::new("Notes", Weight::Note, noted.collect()));
    Document { of: (command.to_owned(), header.stack.name.clone()), head: text, groups }
}

/// Items by section, what needs a decision first.
pub(super) fn grouped(items: impl Iterator<Item = (Section, Item)>) -> Vec<Group> {
    let mut by_section: BTreeMap<Section, Vec<Item>> = BTreeMap::new();
    for (section, item) in items {
        by_section.entry(section).or_default().push(item);
    }
    let groups = by_section.into_iter();
    groups.map(|(it, items)| Group::new(it.heading(), weight(it), items)).collect()
}

/// What a reader misses without a section.
fn weight(section: Section) -> Weight {
    match section {
        Section::Failed => Weight::Error,
        Section::CutsOff | Section::NotHealthy | Section::Drift(Attention::Live) => {
            Weight::Audience
        }
        Section::Blocked | Section::Unmanaged => Weight::Blocked,
        Section::Drift(_) => Weight::Drift,
        Section::Delete | Section::Replace => Weight::Loss,
        Section::Deferred => Weight::Deferred,
        Section::Update => Weight::Update,
        Section::Adopt => Weight::Adopt,
        Section::Create => Weight::Create,
        Section::NotDriftMissing | Section::Dormant | Section::OnAir | Section::State(_) => {
            Weight::Quiet
        }
        Section::Fleet(outcome) => super::fleet::weight(outcome),
    }
}

/// One line in a list.
fn plain_item(text: &str) -> Item {
    Item { lines: format!("- {}\n", span(text)), details: String::new() }
}

/// A step with why, whom it cuts off and what is lost by it, and in the fold what it changes.
fn item(step: &Step, status: Option<&StepStatus>) -> Item {
    let address = span(&step.address.to_string());
    let mut lines = if let Some(status) = status {
        let told = anstream::adapter::strip_str(&ended(step.action, status)).to_string();
        format!("- {address}: {}\n", span(&told))
    } else {
        let verdict = verdict(step.action, step.decision.saved());
        format!("- {address} **{verdict}**: {}\n", span(&because(step)))
    };
    if let Some(why) = step.decision.reason() {
        let _ = writeln!(lines, "  - {}", span(&reason::text(why)));
    } else if let Some(audience) = &step.impact {
        let _ = writeln!(lines, "  - impact: {}", span(&on_air(audience)));
    }
    if let Some(loss) = step.loss() {
        let _ = writeln!(lines, "  - note: {}", span(loss));
    }
    // Nothing is done to an object of another owner, so there are no details.
    let changes = if matches!(step.decision, Decision::Unmanaged(_)) {
        Vec::new()
    } else {
        changed_lines(step)
    };
    let mut diff = String::new();
    if !changes.is_empty() {
        let _ = writeln!(diff, "# {}", escape(&step.address.to_string(), 200));
        for line in changes {
            let _ = writeln!(diff, "{}", line.plain());
        }
    }
    Item { lines, details: diff }
}

/// Drift, and what is missing and not counted.
pub fn drift(
    plan: &Plan,
    others: &NotDrift,
    blamed: Option<&Blamed>,
    header: &Header<'_>,
) -> Document {
    let mut text = head("drift", header);
    let mut told = super::drift::summary(plan, others).into_iter();
    let _ = writeln!(text, "**{}**", told.next().unwrap_or_default());
    let item = |step: &Step| {
        let audience = step.impact.as_ref().map(|it| format!(": {}", span(&on_air(it))));
        let address = span(&step.address.to_string());
        let mut lines = format!("- {address}{}\n", audience.unwrap_or_default());
        let blamed = blamed.map(|it| it.lines(&step.address)).into_iter().flatten();
        for line in super::drift::lines(step).into_iter().chain(blamed) {
            let _ = writeln!(lines, "  - {}", span(&line));
        }
        Item { lines, details: String::new() }
    };
    let drifted = plan.steps.iter().map(|it| (Section::Drift(it.attention()), item(it)));
    let missing = others.missing.iter().map(|it| (Section::NotDriftMissing, item(it)));
    let mut groups = grouped(drifted.chain(missing));
    // The rest of the summary has no text from outside.
    let told = told.map(|it| Item { lines: format!("- {it}\n"), details: String::new() });
    let noted = super::drift::notes(plan).into_iter();
    let noted = noted.chain(blamed.map(Blamed::notes).into_iter().flatten());
    let noted = noted.map(|it| plain_item(&it));
    groups.push(Group::new("Notes", Weight::Note, told.chain(noted).collect()));
    Document { of: ("drift".to_owned(), header.stack.name.clone()), head: text, groups }
}

/// The manifests of a stack: how many resources they declare, or how many mistakes they have.
pub fn manifests(
    command: &str,
    stack: &str,
    report: &Report,
    sources: &SourceMap,
    resources: usize,
) -> Document {
    let folds = folded(report, sources);
    let said = if report.has_errors() {
        format!("The manifests are not valid: {}", counted(report, &folds))
    } else {
        let s = if resources == 1 { "" } else { "s" };
        format!("{resources} resource{s} valid")
    };
    let head = format!("### {} stack {}\n\n**{said}**\n", title(command), span(stack));
    Document { of: (command.to_owned(), stack.to_owned()), head, groups: Vec::new() }
}

/// What is wrong with manifests, each mistake once with its places.
pub(super) fn diagnostics(report: &Report, sources: &SourceMap) -> Vec<Group> {
    let folds = folded(report, sources);
    let group = |heading, severity, weight| {
        let folds = folds.iter().filter(|it| report.severity(it.diagnostic) == severity);
        let items = folds.map(|fold| {
            let Diagnostic { code, message, help, at, .. } = fold.diagnostic;
            let place = sources.cited_name(at).map(|file| match &fold.position {
                Some(Position { line, column, .. }) => span(&format!("{file}:{line}:{column}")),
                None => span(&file),
            });
            let place = place.map(|it| format!("{it} ")).unwrap_or_default();
            let mut lines = format!("- {place}**{code}**: {}\n", long_span(message));
            if fold.places.len() > 1 {
                let _ = writeln!(lines, "  - {}", long_span(&same(&fold.places, sources)));
            }
            if let Some(help) = help {
                let _ = writeln!(lines, "  - help: {}", long_span(help));
            }
            Item { lines, details: String::new() }
        });
        Group::new(heading, weight, items.collect())
    };
    vec![
        group("Errors in the manifests", Severity::Error, Weight::Error),
        group("Warnings about the manifests", Severity::Warning, Weight::Warning),
    ]
}

/// A run that has nothing to show.
pub(super) fn nothing(command: &str, stack: &str) -> Document {
    let head = format!("### {} stack {}\n", title(command), span(stack));
    Document { of: (command.to_owned(), stack.to_owned()), head, groups: Vec::new() }
}

impl Document {
    /// Says why the run did not do its work.
    pub(super) fn add_error(&mut self, message: &str, help: Option<&str>) {
        let _ = writeln!(self.head, "\n**Error**: {}", long_span(message));
        if let Some(help) = help {
            let _ = writeln!(self.head, "\nHelp: {}", long_span(help));
        }
    }

    /// Says in what an approved plan differs from the plan of now.
    pub fn add_differences(&mut self, differences: &[Difference]) {
        let items = differences.iter().map(|it| plain_item(&difference(it))).collect();
        self.groups
            .insert(0, Group::new("Differences from the approved plan", Weight::Error, items));
    }
}

/// The account, and who is signed in.
pub(super) fn identified(identity: &SignedIn) -> String {
    match identity {
        SignedIn::Known(Identity { account, caller: Some(caller) }) => {
            format!("Account {}, signed in as {}", span(account), span(caller))
        }
        SignedIn::Known(Identity { account, caller: None }) => format!("Account {}", span(account)),
        SignedIn::Unknown(why) => format!("Account unknown: {}", span(why)),
    }
}

/// Text that came from outside, on one line, in a code span that it cannot leave.
pub(super) fn span(text: &str) -> String {
    capped_span(text, 600)
}

/// The same of a sentence.
fn long_span(text: &str) -> String {
    capped_span(text, 2_000)
}

fn capped_span(text: &str, cap: usize) -> String {
    let text = escape(text, cap);
    let ticks = "`".repeat(longest_run(&text) + 1);
    let pad =
        if text.is_empty() || text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

fn longest_run(text: &str) -> usize {
    text.split(|it| it != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_code_span() {
        assert_eq!(span("plain"), "`plain`");
        assert_eq!(span("a`b"), "``a`b``");
        assert_eq!(span("``"), "``` `` ```");
        assert_eq!(span(""), "`  `");
        assert_eq!(span("a\n# b"), "`a\\u{a}# b`");
    }
}
