//! The state of a stack as a person on duty reads it: what is not in sync, what is on air, then the rest.

use super::escape::escape;
use super::markdown::{LONGEST, span, whole_lines};
use super::notes::selected;
use super::on_air::on_air_words;
use super::plan::{Header, reasons, title};
use super::reason::{self, moment, thousands};
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

/// One object that is on air.
pub(super) struct OnAir<'a> {
    pub(super) status: &'a ResourceStatus,
    pub(super) audience: &'a Audience,
    pub(super) live: Option<&'a Live>,
}

/// A view in parts, of which a small terminal shows as much of the body as fits.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Of which stack it is.
    pub head: Vec<String>,
    /// Rows; what needs attention comes first.
    pub body: Vec<String>,
    /// The same with one line a row.
    pub brief: Vec<String>,
    /// What it comes to.
    pub foot: Vec<String>,
    /// When it was read.
    pub read: String,
}

impl Parts {
    /// All lines.
    pub fn lines(&self) -> Vec<String> {
        let dim = Style::new().dimmed();
        let read = vec![format!("{dim}{}{dim:#}", self.read)];
        [&self.head[..], &self.body, &self.foot, &read].concat()
    }

    /// All lines as one text.
    pub fn text(&self) -> String {
        self.lines().join("\n") + "\n"
    }

    /// As many lines as fit into so many rows. Where not all do: one line a row; where that is too much as well, of the
    /// head the first line, and of the body as many as there is room for.
    pub fn within(&self, rows: usize) -> Vec<String> {
        let brief = Self { body: self.brief.clone(), ..self.clone() };
        let mut lines = self.lines();
        if lines.len() > rows {
            lines = brief.lines();
        }
        if lines.len() <= rows {
            return lines;
        }
        let head = self.head.iter().take(1).cloned().collect();
        let mut short = Self { head, ..brief };
        short.body.retain(|it| !it.is_empty());
        let rest = short.lines().len() - short.body.len();
        let fit = rows.saturating_sub(rest + 1);
        let more = short.body.len().saturating_sub(fit);
        if rest + short.body.len() > rows {
            let s = if more == 1 { "" } else { "s" };
            short.body.truncate(fit);
            short.body.push(format!("… and {more} more line{s} (all of them without `--watch`)"));
        }
        lines = short.lines();
        lines.truncate(rows);
        lines
    }
}

impl<'a> Status<'a> {
    /// What is on air, troubled first.
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
        let troubled = |it: &OnAir<'_>| it.live.is_some_and(Live::is_troubled);
        on_air.sort_by(|a, b| {
            (!troubled(a), &a.status.address).cmp(&(!troubled(b), &b.status.address))
        });
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
        let own = |it: &OnAir<'_>| it.audience.composition != it.status.arn;
        let counts = self.on_air().into_iter().filter(own).filter_map(|it| it.audience.viewers);
        counts.fold(0, i64::saturating_add)
    }

    fn summary(&self) -> String {
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

    fn on_air_summary(&self) -> String {
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
        let troubled =
            self.on_air().iter().filter(|it| it.live.is_some_and(Live::is_troubled)).count();
        if troubled > 0 {
            summary.push_str(&format!("; {troubled} not healthy"));
        }
        summary
    }

    /// What a reader must know of the whole.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if !self.declared {
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
    let on_air: Vec<Row> =
        status.on_air().iter().map(|it| on_air_row(it, status.observed.as_of)).collect();
    let quiet = if status.declared { "As declared" } else { "Owned by the stack" };
    for (heading, rows) in [("Not in sync", of(false)), ("On air", on_air), (quiet, of(true))] {
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
    let calls: u64 = status.header.calls.values().sum();
    let s = if calls == 1 { "" } else { "s" };
    let at = status.observed.as_of.map(|it| format!(" at {}", moment(it))).unwrap_or_default();
    let foot: Vec<String> = match width {
        Some(width) => foot.iter().flat_map(|it| table::wrap(it, width)).collect(),
        None => foot,
    };
    let read = match again {
        Some(pause) => format!("Read{at}; again every {} s, Ctrl-C ends", pause.as_secs()),
        None => format!("Read{at} with {calls} call{s}"),
    };
    Parts { head, body, brief, foot, read }
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
pub fn markdown(status: &Status<'_>) -> String {
    let header = &status.header;
    let mut text =
        format!("### Status of stack {} in {}\n\n", span(&header.stack.name), span(header.region));
    if let Some(endpoint) = header.endpoint {
        let _ = writeln!(text, "At endpoint {}\n", span(endpoint));
    }
    let _ = writeln!(text, "**{}**\n\n{}\n", status.summary(), status.on_air_summary());
    let mut listed = |heading: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = writeln!(text, "#### {heading}\n\n{}", lines.concat());
        }
    };
    let of = |quiet: bool| -> Vec<String> {
        let all = status.resources.iter().filter(|it| is_quiet(it.state) == quiet);
        all.map(|it| {
            let detail = detail(it);
            let detail = if detail.is_empty() { detail } else { format!(": {}", span(&detail)) };
            format!("- {} **{}**{detail}\n", span(&it.address.to_string()), word(it.state))
        })
        .collect()
    };
    let on_air = status.on_air();
    let on_air = on_air.iter().map(|it| {
        let words = on_air_words(it.audience, it.live, status.observed.as_of);
        format!("- {}: {}\n", span(&it.status.address.to_string()), span(&words))
    });
    let on_air = on_air.collect();
    listed("Not in sync", of(false));
    listed("On air", on_air);
    for it in status.remarks() {
        let _ = writeln!(text, "- {}", span(&it));
    }
    let quiet = of(true);
    if !quiet.is_empty() {
        let summary = if status.declared { "As declared" } else { "Owned by the stack" };
        let _ = write!(
            text,
            "\n<details><summary>{summary}</summary>\n\n{}\n</details>\n",
            quiet.concat()
        );
    }
    if text.chars().count() <= LONGEST {
        return text;
    }
    // Without the fold, whose end would be cut off.
    let text = text.split("\n<details>").next().unwrap_or_default().to_owned();
    let rest = "The rest does not fit into a comment; `ivs-apply status` shows it.";
    let mut text = whole_lines(text, LONGEST, rest);
    if !text.ends_with(&format!("{rest}\n")) {
        text.push_str(&format!("\n{rest}\n"));
    }
    text
}

/// Whether a resource in this state needs no attention.
fn is_quiet(state: ResourceState) -> bool {
    matches!(state, ResourceState::Dormant | ResourceState::NotCompared | ResourceState::InSync)
}

/// The word for a state.
fn word(state: ResourceState) -> &'static str {
    match state {
        ResourceState::Blocked => "blocked",
        ResourceState::Unmanaged => "unmanaged",
        ResourceState::Failed => "failed",
        ResourceState::Degraded => "degraded",
        ResourceState::Missing => "missing",
        ResourceState::Drifted => "drifted",
        ResourceState::Deferred => "deferred",
        ResourceState::Pending => "pending",
        ResourceState::Orphaned => "orphaned",
        ResourceState::Dormant => "dormant",
        ResourceState::NotCompared => "not compared",
        ResourceState::InSync => "in sync",
    }
}

fn style(state: ResourceState) -> Style {
    match state {
        ResourceState::Blocked
        | ResourceState::Unmanaged
        | ResourceState::Failed
        | ResourceState::Degraded
        | ResourceState::Missing
        | ResourceState::Drifted => AnsiColor::Red.on_default(),
        ResourceState::Deferred | ResourceState::Pending | ResourceState::Orphaned => {
            AnsiColor::Yellow.on_default()
        }
        ResourceState::Dormant | ResourceState::NotCompared | ResourceState::InSync => {
            Style::new().dimmed()
        }
    }
}

fn resource_row(it: &ResourceStatus) -> Row {
    let style = style(it.state);
    let rest = if is_quiet(it.state) { style } else { Style::new() };
    let address = escape(&it.address.to_string(), CAP);
    Row {
        cells: vec![(word(it.state).to_owned(), style), (address, rest)],
        detail: escape(&detail(it), 3 * CAP),
    }
}

fn on_air_row(it: &OnAir<'_>, as_of: Option<Timestamp>) -> Row {
    let troubled = it.live.is_some_and(Live::is_troubled);
    let colour = if troubled { AnsiColor::Red } else { AnsiColor::Green };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_terminal_shows_the_first_rows_and_says_how_many_it_leaves_out() {
        let lines = |word: &str, count| (0..count).map(|it| format!("{word} {it}")).collect();
        let mut parts = Parts {
            head: lines("head", 2),
            body: lines("long", 60),
            brief: lines("row", 30),
            foot: lines("sum", 2),
            read: "Read".to_owned(),
        };
        parts.brief.insert(1, String::new());
        let shown = parts.within(10);
        assert_eq!(shown.len(), 10);
        assert_eq!([&shown[0], &shown[1], &shown[5]], ["head 0", "row 0", "row 4"]);
        assert!(shown[6].contains("and 25 more lines"), "{shown:?}");
        assert_eq!(shown[8], "sum 1");
        assert_eq!(parts.within(65), parts.lines());
        let brief = parts.within(36);
        assert_eq!([brief.len(), brief.iter().filter(|it| it.contains("row")).count()], [36, 30]);
        let tight = parts.within(34);
        assert_eq!((tight.len(), tight[1].as_str(), tight[30].as_str()), (34, "row 0", "row 29"));
        assert_eq!(parts.within(3).len(), 3);
    }
}
