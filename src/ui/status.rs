//! The state of a stack as a person on duty reads it: what is not in sync, what is on air, then the rest.

use super::escape::escape;
use super::markdown::{Document, Group, Item, Weight, identified, span};
use super::notes::selected;
use super::on_air::on_air_words;
use super::plan::{Header, reasons, title};
use super::reason::{self, moment, thousands};
use super::screen::Parts;
use super::table::{self, Row};
use crate::kinds::{Audience, Kind, Live, ObservedState};
use crate::plan::{Action, Note, Reason, ResourceState, ResourceStatus};
use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Longest value shown of anything that came from outside.
const CAP: usize = 200;

/// All that a view of a stack shows.
#[derive(Clone, Debug)]
pub struct Status<'a> {
    /// Where it was read.
    pub header: Header<'a>,
    /// The resources; those that need attention come first.
    pub resources: &'a [ResourceStatus],
    /// The account as it was read.
    pub observed: &'a ObservedState,
    /// What else a reader must know.
    pub notes: &'a [Note],
    /// Whether there are manifests to compare with.
    pub declared: bool,
}

/// The heading of what is on air and does not do well.
pub(super) const NOT_HEALTHY: &str = "Not healthy";
/// The heading of what differs from the desired state.
pub(super) const NOT_IN_SYNC: &str = "Not in sync";
/// The heading of what is on air and does well.
pub(super) const ON_AIR: &str = "On air";

/// One object that is on air.
pub(super) struct OnAir<'a> {
    pub(super) status: &'a ResourceStatus,
    pub(super) audience: &'a Audience,
    pub(super) live: Option<&'a Live>,
}

impl OnAir<'_> {
    /// Whether AWS reports that it does not do well.
    pub(super) fn is_troubled(&self) -> bool {
        self.live.is_some_and(Live::is_troubled)
    }
}

impl<'a> Status<'a> {
    /// The heading of what needs no attention.
    pub(super) fn quiet_heading(&self) -> &'static str {
        if self.declared { "As declared" } else { "Owned by the stack" }
    }

    /// What is on air, in the order of the addresses.
    pub(super) fn on_air(&self) -> Vec<OnAir<'a>> {
        let mut on_air: Vec<OnAir<'a>> = self
            .resources
            .iter()
            // What comes with another object is on air as a part of that.
            .filter(|it| it.address.kind.facts().created_by.is_none())
            .filter_map(|status| {
                let arn = status.arn.as_ref()?;
                let audience = self.observed.audience.get(arn)?;
                Some(OnAir { status, audience, live: self.observed.live.get(arn) })
            })
            .collect();
        on_air.sort_by_key(|it| &it.status.address);
        on_air
    }

    /// How many resources are in each state that any is in.
    pub(super) fn counts(&self) -> BTreeMap<ResourceState, usize> {
        let mut counts = BTreeMap::new();
        for it in self.resources {
            *counts.entry(it.state).or_default() += 1;
        }
        counts
    }

    /// How many objects of each kind are on air.
    pub(super) fn on_air_counts(&self) -> BTreeMap<Kind, usize> {
        let mut counts = BTreeMap::new();
        for it in self.on_air() {
            *counts.entry(it.status.address.kind).or_default() += 1;
        }
        counts
    }

    /// The viewers of all channels on air, as far as AWS counted them. Those of a composition watch its channels.
    pub(super) fn viewers(&self) -> i64 {
        let counts = self
            .resources
            .iter()
            .filter_map(|it| self.observed.own_viewers(it.address.kind, it.arn.as_ref()?));
        counts.fold(0, i64::saturating_add)
    }

    pub(super) fn summary(&self) -> String {
        let count = self.resources.len();
        let s = if count == 1 { "" } else { "s" };
        let counts = self.counts();
        let parts: Vec<String> =
            counts.iter().map(|(state, count)| format!("{count} {}", word(*state))).collect();
        if parts.is_empty() {
            return "The stack has no resources".to_owned();
        }
        format!("{count} resource{s}: {}", parts.join(", "))
    }

    pub(super) fn on_air_summary(&self) -> String {
        let counts = self.on_air_counts();
        let parts: Vec<String> =
            counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        if parts.is_empty() {
            return "Nothing is on air".to_owned();
        }
        let mut summary = format!("On air: {}", parts.join(", "));
        // Only channels have viewers.
        if self.on_air().iter().any(|it| it.audience.viewers.is_some()) {
            let viewers = self.viewers();
            let s = if viewers == 1 { "" } else { "s" };
            summary.push_str(&format!("; {} viewer{s}", thousands(viewers)));
        }
        let troubled = self.on_air().iter().filter(|it| it.is_troubled()).count();
        if troubled > 0 {
            summary.push_str(&format!("; {troubled} not healthy"));
        }
        summary
    }

    /// When the account was read.
    fn read_at(&self) -> String {
        let at = self.observed.as_of.map(|it| format!(" at {}", moment(it))).unwrap_or_default();
        format!("Read{at}")
    }

    /// When the account was read, and the calls that it took.
    fn read_with(&self) -> String {
        let calls: u64 = self.header.calls.values().sum();
        let s = if calls == 1 { "" } else { "s" };
        format!("{} with {calls} call{s}", self.read_at())
    }

    /// What a reader must know of the whole.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if !self.declared && self.resources.is_empty() {
            remarks.push(format!(
                "no object in {} has the ownership tags of stack `{}`; check the name, the region and the account",
                self.header.region, self.header.stack.name
            ));
        } else if !self.declared {
            remarks.push(
                "read from ownership tags alone; with `-f PATH` the objects are compared with manifests"
                    .to_owned(),
            );
            if self.resources.iter().any(|it| it.state == ResourceState::Drifted) {
                remarks.push(
                    "without manifests, fields of `ignoreChanges` and tags of `ignoreTags` count as changed"
                        .to_owned(),
                );
            }
        }
        if self.resources.iter().any(|it| it.state == ResourceState::Blocked) {
            remarks.push("`apply` changes nothing at all while a resource is blocked".to_owned());
        }
        let mut others = 0;
        for note in self.notes {
            match note {
                Note::Selected(it) => remarks.push(selected(it)),
                Note::Freeze { freeze, effect } => remarks.push(reason::freeze(freeze, effect)),
                _ => others += 1,
            }
        }
        match others {
            0 => {}
            1 => remarks.push("`ivs-apply plan` shows 1 note more".to_owned()),
            many => remarks.push(format!("`ivs-apply plan` shows {many} notes more")),
        }
        remarks
    }
}

/// A view as lines, each no wider than `width`; `again` is the pause until it is read again, if it is.
pub fn parts(status: &Status<'_>, width: Option<usize>, again: Option<Duration>) -> Parts {
    let mut head = String::new();
    title("Status", &status.header, &mut head);
    let mut head: Vec<String> = head.trim_end().lines().map(ToOwned::to_owned).collect();
    if let Some(width) = width {
        head = head.iter().flat_map(|it| fitted(it, width)).collect();
    }
    head.push(String::new());
    let (mut body, mut brief) = (Vec::new(), Vec::new());
    let of = |quiet: bool| -> Vec<Row> {
        let all = status.resources.iter().filter(|it| is_quiet(it.state) == quiet);
        all.map(resource_row).collect()
    };
    let on_air = |troubled: bool| -> Vec<Row> {
        let all = status.on_air().into_iter().filter(|it| it.is_troubled() == troubled);
        all.map(|it| on_air_row(&it, status.observed.as_of)).collect()
    };
    for (heading, rows) in [
        (NOT_HEALTHY, on_air(true)),
        (NOT_IN_SYNC, of(false)),
        (ON_AIR, on_air(false)),
        (status.quiet_heading(), of(true)),
    ] {
        if rows.is_empty() {
            continue;
        }
        let bold = Style::new().bold();
        let heading = format!("{bold}{heading}{bold:#}");
        for (body, rows) in
            [(&mut body, table::lines(&rows, width)), (&mut brief, table::brief(&rows, width))]
        {
            body.push(heading.clone());
            body.extend(rows);
            body.push(String::new());
        }
    }
    let mut foot = vec![status.summary(), status.on_air_summary()];
    foot.extend(status.remarks().iter().map(|it| format!("note: {}", escape(it, 3 * CAP))));
    let foot: Vec<String> = match width {
        Some(width) => foot.iter().flat_map(|it| table::wrap(it, width)).collect(),
        None => foot,
    };
    let (read, again) = match again {
        Some(pause) => {
            (status.read_at(), Some(format!("again every {} s, Ctrl-C ends", pause.as_secs())))
        }
        None => (status.read_with(), None),
    };
    Parts { head, body, brief, foot, read, again }
}

/// An error below what was read last, on lines that fit into so many columns.
pub fn error(text: &str, columns: usize) -> Vec<String> {
    let red = AnsiColor::Red.on_default();
    table::wrap(text, columns).iter().map(|it| format!("{red}{it}{red:#}")).collect()
}

/// A line with colours on lines that fit; only one that is too wide loses its colours.
fn fitted(line: &str, width: usize) -> Vec<String> {
    let plain = anstream::adapter::strip_str(line).to_string();
    if console::measure_text_width(&plain) <= width {
        return vec![line.to_owned()];
    }
    table::wrap(&plain, width)
}

/// A view in Markdown.
pub fn document(status: &Status<'_>) -> Document {
    let header = &status.header;
    let (stack, region) = (span(&header.stack.name), span(header.region));
    let mut head = format!("### Status of stack {stack} in {region}\n\n");
    if let Some(endpoint) = header.endpoint {
        let _ = writeln!(head, "At endpoint {}\n", span(endpoint));
    }
    if let Some(identity) = header.identity {
        let _ = writeln!(head, "{}\n", identified(identity));
    }
    let _ = writeln!(head, "**{}**\n\n{}\n", status.summary(), status.on_air_summary());
    let _ = writeln!(head, "{}", status.read_with());
    let item = |lines| Item { lines, details: String::new() };
    let of = |quiet: bool| -> Vec<Item> {
        let all = status.resources.iter().filter(|it| is_quiet(it.state) == quiet);
        all.map(|it| {
            let detail = detail(it);
            let detail = if detail.is_empty() { detail } else { format!(": {}", span(&detail)) };
            let address = span(&it.address.to_string());
            item(format!("- {address} **{}**{detail}\n", word(it.state)))
        })
        .collect()
    };
    let on_air = |troubled: bool| -> Vec<Item> {
        let all = status.on_air().into_iter().filter(|it| it.is_troubled() == troubled);
        all.map(|it| {
            let words = on_air_words(it.audience, it.live, status.observed.as_of);
            item(format!("- {}: {}\n", span(&it.status.address.to_string()), span(&words)))
        })
        .collect()
    };
    let remarks = status.remarks().into_iter().map(|it| item(format!("- {}\n", span(&it))));
    let quiet = Group::new(status.quiet_heading(), Weight::Quiet, of(true));
    let groups = vec![
        Group::new(NOT_HEALTHY, Weight::Audience, on_air(true)),
        Group::new(NOT_IN_SYNC, Weight::Drift, of(false)),
        Group::new(ON_AIR, Weight::Audience, on_air(false)),
        Group::new("Notes", Weight::Note, remarks.collect()),
        Group { is_folded: true, ..quiet },
    ];
    Document { of: ("status".to_owned(), header.stack.name.clone()), head, groups }
}

/// Whether a state needs the attention of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// It does, now.
    Now,
    /// A later run resolves it.
    Later,
    /// It does not.
    Never,
}

/// How urgent a state is.
pub(super) fn urgency(state: ResourceState) -> Urgency {
    match state {
        ResourceState::Blocked
        | ResourceState::Unmanaged
        | ResourceState::Failed
        | ResourceState::Degraded
        | ResourceState::Missing
        | ResourceState::Drifted => Urgency::Now,
        ResourceState::Deferred | ResourceState::Pending | ResourceState::Orphaned => {
            Urgency::Later
        }
        ResourceState::Dormant | ResourceState::NotCompared | ResourceState::InSync => {
            Urgency::Never
        }
    }
}

fn is_quiet(state: ResourceState) -> bool {
    urgency(state) == Urgency::Never
}

/// The word for a state, in a sentence.
fn word(state: ResourceState) -> String {
    state_heading(state).to_ascii_lowercase()
}

fn style(state: ResourceState) -> Style {
    match urgency(state) {
        Urgency::Now => AnsiColor::Red.on_default(),
        Urgency::Later => AnsiColor::Yellow.on_default(),
        Urgency::Never => Style::new().dimmed(),
    }
}

/// The heading of resources in a state.
pub(super) fn state_heading(state: ResourceState) -> &'static str {
    match state {
        ResourceState::Blocked => "Blocked",
        ResourceState::Unmanaged => "Unmanaged",
        ResourceState::Failed => "Failed",
        ResourceState::Degraded => "Degraded",
        ResourceState::Missing => "Missing",
        ResourceState::Drifted => "Drifted",
        ResourceState::Deferred => "Deferred",
        ResourceState::Pending => "Pending",
        ResourceState::Orphaned => "Orphaned",
        ResourceState::Dormant => "Dormant",
        ResourceState::NotCompared => "Not compared",
        ResourceState::InSync => "In sync",
    }
}

fn resource_row(it: &ResourceStatus) -> Row {
    let style = style(it.state);
    let rest = if is_quiet(it.state) { style } else { Style::new() };
    let address = escape(&it.address.to_string(), CAP);
    Row {
        cells: vec![(word(it.state), style), (address, rest)],
        detail: escape(&detail(it), 3 * CAP),
    }
}

fn on_air_row(it: &OnAir<'_>, as_of: Option<Timestamp>) -> Row {
    let colour = if it.is_troubled() { AnsiColor::Red } else { AnsiColor::Green };
    let address = escape(&it.status.address.to_string(), CAP);
    Row {
        cells: vec![(address, colour.on_default())],
        detail: escape(&on_air_words(it.audience, it.live, as_of), 3 * CAP),
    }
}

/// Why a resource is in its state, and what an apply does about it.
pub(super) fn detail(it: &ResourceStatus) -> String {
    let why = it.reason.as_ref().map(reason::text);
    match (it.state, it.action) {
        (ResourceState::InSync | ResourceState::NotCompared, _) => String::new(),
        (ResourceState::Dormant, _) => why.unwrap_or_default(),
        (ResourceState::Orphaned, None) => {
            "no manifest declares it; `apply --prune` deletes or releases it".to_owned()
        }
        (_, None) => {
            let because = reasons(it.action, &it.because);
            [Some(because).filter(|it| !it.is_empty()), why]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("; ")
        }
        (state, Some(action)) => {
            let because = reasons(it.action, &it.because);
            match why {
                None => format!("{because}; `apply` {} it", does(action)),
                Some(why) => {
                    let decision = match state {
                        ResourceState::Blocked => "blocked",
                        ResourceState::Unmanaged => "refused",
                        _ if matches!(it.reason, Some(Reason::NoPublisher { .. })) => "dormant",
                        _ => "deferred",
                    };
                    format!("{because}; {} {decision}: {why}", action.as_str())
                }
            }
        }
    }
}

/// What an action does.
fn does(action: Action) -> &'static str {
    match action {
        Action::Create => "creates",
        Action::Replace => "replaces",
        Action::Update => "updates",
        Action::Adopt => "adopts",
        Action::Rename => "renames",
        Action::Retag => "retags",
        Action::Release => "releases",
        Action::Delete => "deletes",
    }
}
