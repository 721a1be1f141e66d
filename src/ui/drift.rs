//! Drift, from the view of the account: the observed value, then the applied one; what needs attention comes first.

use super::blame::Blamed;
use super::escape::escape;
use super::plan::{Header, new_value, title, value};
use super::reason::{self, on_air};
use crate::diag::{Place, SourceMap};
use crate::plan::{Attention, Cause, Consent, NotDrift, Note, Plan, Reason, Step};
use anstyle::{AnsiColor, Style};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Drift as text, and beside it what differs because its manifest changed, what is not adopted yet, and what is missing.
pub fn text(
    plan: &Plan,
    others: &NotDrift,
    blamed: Option<&Blamed>,
    header: &Header<'_>,
    sources: &SourceMap,
) -> String {
    let mut text = String::new();
    title("Drift", header, &mut text);
    let mut by_attention: BTreeMap<Attention, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        by_attention.entry(step.attention()).or_default().push(step);
    }
    for (attention, steps) in &by_attention {
        group(heading(*attention), AnsiColor::Red, steps, blamed, sources, &mut text);
    }
    let not_drift: Vec<&Step> = others.missing.iter().collect();
    group(NOT_COUNTED, AnsiColor::Yellow, &not_drift, None, sources, &mut text);
    for note in notes(plan) {
        let _ = writeln!(text, "note: {}", escape(&note, 600));
    }
    for note in blamed.map(Blamed::notes).into_iter().flatten() {
        let _ = writeln!(text, "note: {note}");
    }
    for line in summary(plan, others) {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// What a reader of a drift report must know beside it.
pub(super) fn notes(plan: &Plan) -> Vec<String> {
    let notes = plan.notes.iter().filter_map(|note| match note {
        Note::Selected(selected) => Some(super::notes::selected(selected)),
        Note::UnknownEnumValue { address, path } => {
            Some(super::notes::unknown_enum_value(address, path))
        }
        Note::NothingExists { missing } => Some(super::notes::nothing_exists(*missing)),
        Note::UndeclaredKeys { .. }
        | Note::Duplicate { .. }
        | Note::Ambiguous { .. }
        | Note::ManyDeletes { .. }
        | Note::PossibleRename { .. }
        | Note::Freeze { .. }
        | Note::Quota { .. } => None,
    });
    notes.collect()
}

/// The heading of the resources that need this attention.
pub(super) fn heading(attention: Attention) -> &'static str {
    match attention {
        Attention::Live => "Live, and changed outside",
        Attention::Changed => "Changed outside",
        Attention::Gone => "Deleted outside",
        Attention::Missing => "Missing",
        Attention::Degraded => "Running, and degraded",
        Attention::Unclear => "Unclear, since its tags were changed outside",
        Attention::Failed => "Creation failed at AWS",
    }
}

/// The heading of missing resources that do not count as drift.
pub(super) const NOT_COUNTED: &str = "Missing, not counted as drift";

/// That no resource of the stack exists, for those who see only messages.
pub fn warning(plan: &Plan) -> Option<String> {
    plan.notes.iter().find_map(|note| match note {
        Note::NothingExists { missing } => {
            Some(format!("warning: {}\n", super::notes::nothing_exists(*missing)))
        }
        _ => None,
    })
}

/// How much has drifted; then what else differs, a line each.
pub(super) fn summary(plan: &Plan, others: &NotDrift) -> Vec<String> {
    let NotDrift { pending, missing } = others;
    let drifted = plan.steps.len();
    let mut lines = vec![if drifted > 0 {
        let s = if drifted == 1 { "" } else { "s" };
        let unclear = plan.steps.iter().any(|it| it.attention() == Attention::Unclear);
        let apply =
            if unclear { "does nothing while any is unclear" } else { "restores what was applied" };
        format!("Drift: {drifted} resource{s}; `ivs-apply apply` {apply}")
    } else {
        format!("No drift: {} unchanged", plan.unchanged.len())
    }];
    if plan.steps.iter().any(|it| it.attention() == Attention::Missing) {
        lines.push(
            "Missing resources were deleted outside ivs-apply or never applied; `--missing-ok` does not count them"
                .to_owned(),
        );
    }
    if !missing.is_empty() {
        lines.push(format!(
            "{} declared and missing, deleted outside or never applied: see `ivs-apply plan`",
            missing.len()
        ));
    }
    let adopts = pending.iter().filter(|it| it.because.contains(&Cause::Adopt)).count();
    let changed = match pending.len() - adopts {
        0 => None,
        1 => Some("1 differs because its manifest changed".to_owned()),
        many => Some(format!("{many} differ because their manifests changed")),
    };
    let adoptable = match adopts {
        0 => None,
        1 => Some("1 exists and is not adopted yet".to_owned()),
        many => Some(format!("{many} exist and are not adopted yet")),
    };
    let others = changed.into_iter().chain(adoptable);
    lines.extend(others.map(|it| format!("{it}: see `ivs-apply plan`")));
    lines
}

fn group(
    heading: &str,
    colour: AnsiColor,
    steps: &[&Step],
    blamed: Option<&Blamed>,
    sources: &SourceMap,
    text: &mut String,
) {
    if steps.is_empty() {
        return;
    }
    let bold = Style::new().bold();
    let _ = writeln!(text, "{bold}{heading}{bold:#}");
    for step in steps {
        one(step, colour, sources, text);
        for line in blamed.map(|it| it.lines(&step.address)).into_iter().flatten() {
            let _ = writeln!(text, "      {line}");
        }
    }
    text.push('\n');
}

fn one(step: &Step, colour: AnsiColor, sources: &SourceMap, text: &mut String) {
    let (colour, dim) = (colour.on_default(), Style::new().dimmed());
    let address = escape(&step.address.to_string(), 200);
    let _ = write!(text, "  {colour}{address}{colour:#}");
    if let Some(audience) = &step.impact {
        let _ = write!(text, "  {}", on_air(audience));
    }
    let place = step.origin.map_or(Place::Nowhere, |it| Place::value(it, "kind"));
    if let Some((at, name)) = sources.position(&place).zip(sources.cited_name(&place)) {
        let _ = write!(text, "  {dim}{}:{}{dim:#}", escape(&name, 200), at.line);
    }
    text.push('\n');
    for line in lines(step) {
        let _ = writeln!(text, "      {line}");
    }
}

/// What differs of one resource, a line each.
pub(super) fn lines(step: &Step) -> Vec<String> {
    let state = |cause: &Cause| match cause {
        Cause::Failed { state } => Some(format!("AWS says {state}")),
        Cause::Degraded(it) => Some(super::plan::degraded(it)),
        _ => None,
    };
    let mut lines: Vec<String> = step.because.iter().filter_map(state).collect();
    let pending = step.because.contains(&Cause::Pending);
    lines.extend(step.fields.iter().map(|field| {
        let (is, wanted) = (value(&field.before), new_value(&field.after));
        let path = escape(&field.path.to_string(), 200);
        if pending {
            format!("{path} is {is}, and its manifest says {wanted}")
        } else {
            format!("{path} is {is}, and {wanted} was applied")
        }
    }));
    if pending {
        lines.push("changed outside ivs-apply, and the configuration changed as well".to_owned());
    }
    // The audience is shown beside the address.
    let shown = |it: &&Reason| matches!(it, Reason::LiveAudience { needs: Consent::Wait, .. });
    let reason = step.decision.reason().filter(|it| !shown(it));
    lines.extend(reason.map(|it| escape(&reason::text(it), 400)));
    lines
}
