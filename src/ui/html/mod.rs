//! A plan, a drift report, a saved plan, the state of a stack or what a fleet came to as one HTML file: no script, no request to anywhere, and a policy in the
//! file that forbids both.
//!
//! A page is a typed value first (`Page`), and every text in it is escaped by the template. Decides nothing, and never
//! reads the account.

mod drift;
mod fleet;
mod plan;
mod saved;
mod status;

pub use drift::drift;
pub use fleet::fleet;
pub(super) use plan::section;
pub use plan::{Ran, plan};
pub use saved::saved;
pub(super) use saved::section as approved_section;
pub use status::status;

use super::drift::{NOT_COUNTED, heading as drift_heading};
use super::escape::escape;
use super::fleet::heading as fleet_heading;
use super::graph::Picture;
use super::plan::Header;
use super::status::{NOT_HEALTHY, ON_AIR, state_heading};
use crate::diag::SourceMap;
use crate::fleet::Outcome;
use crate::plan::{Attention, ResourceState};
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// Longest value shown of anything that came from outside.
const CAP: usize = 2_000;
/// Groups with more rows are folded at first.
const OPEN_ROWS: usize = 100;
/// Pages with more rows show specs and diffs only on a click.
const OPEN_DIFFS: usize = 30;
/// Pictures with more boxes help nobody, and take long to draw.
const MOST_BOXES: usize = 200;

const STYLE: &str = include_str!("../../../templates/page.css");

/// What a page or a line says about the state that it tells: for its colour. The text says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Plain,
    Good,
    Attention,
    Bad,
}

impl Tone {
    /// The class in the style sheet.
    fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Attention => "attention",
            Self::Bad => "bad",
        }
    }
}

/// A group of rows. The order is that of the page: what needs a decision comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    NotHealthy,
    Failed,
    CutsOff,
    Blocked,
    Drift(Attention),
    Deferred,
    Delete,
    Replace,
    Update,
    Create,
    Adopt,
    NotDriftMissing,
    Unmanaged,
    Dormant,
    OnAir,
    State(ResourceState),
    Fleet(Outcome),
}

impl Section {
    /// Its id in the page. The style sheet names no group: the filter rules are written from these.
    fn id(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::CutsOff => "cuts-off",
            Self::Blocked => "blocked",
            Self::Drift(Attention::Live) => "drift-live",
            Self::Drift(Attention::Changed) => "drift-changed",
            Self::Drift(Attention::Gone) => "drift-gone",
            Self::Drift(Attention::Missing) => "drift-missing",
            Self::Drift(Attention::Degraded) => "drift-degraded",
            Self::Drift(Attention::Unclear) => "drift-unclear",
            Self::Drift(Attention::Failed) => "drift-failed",
            Self::Deferred => "deferred",
            Self::Delete => "delete",
            Self::Replace => "replace",
            Self::Update => "update",
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::NotDriftMissing => "missing",
            Self::Unmanaged => "unmanaged",
            Self::Dormant => "dormant",
            Self::NotHealthy => "not-healthy",
            Self::OnAir => "on-air",
            Self::State(state) => state.code(),
            Self::Fleet(outcome) => outcome.code(),
        }
    }

    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Failed => "Not carried out",
            Self::CutsOff => "Cuts off an audience",
            Self::Blocked => "Blocked",
            Self::Deferred => "Deferred",
            Self::Delete => "Delete",
            Self::Replace => "Replace",
            Self::Update => "Update",
            Self::Create => "Create",
            Self::Adopt => "Adopt or rename",
            Self::Drift(attention) => drift_heading(attention),
            Self::NotDriftMissing => NOT_COUNTED,
            Self::Unmanaged => "Not managed by this stack",
            Self::Dormant => "Dormant",
            Self::NotHealthy => NOT_HEALTHY,
            Self::OnAir => ON_AIR,
            Self::State(state) => state_heading(state),
            Self::Fleet(outcome) => fleet_heading(outcome),
        }
    }
}

/// What a page tells about its run.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The command.
    pub command: &'a str,
    /// Where it ran, and with whose credentials.
    pub header: &'a Header<'a>,
    /// The manifests, for places.
    pub sources: &'a SourceMap,
    /// When the account was read, by the service's clock.
    pub read_at: Option<Timestamp>,
}

/// A label and its value, in the head of a page.
struct Fact {
    label: &'static str,
    value: String,
}

/// A sentence below a row.
struct Line {
    tone: Tone,
    text: String,
}

/// One resource.
struct Row {
    symbol: &'static str,
    address: String,
    verdict: String,
    place: Option<String>,
    lines: Vec<Line>,
    diff_label: &'static str,
    diff: Vec<Line>,
    is_open: bool,
    /// Whether it is the second half of a replacement, which counts as one.
    is_part: bool,
}

/// Rows of one section.
struct Group {
    section: Section,
    is_open: bool,
    rows: Vec<Row>,
}

impl Group {
    /// How many resources it has.
    fn count(&self) -> usize {
        self.rows.iter().filter(|it| !it.is_part).count()
    }
}

/// The picture of the dependencies.
enum Graph {
    None,
    TooLarge(usize),
    Drawn(String),
}

impl Graph {
    /// The picture, where one can be read.
    fn of(picture: &Picture) -> Self {
        match picture.boxes() {
            0 => Self::None,
            boxes if boxes > MOST_BOXES => Self::TooLarge(boxes),
            _ => Self::Drawn(picture.svg()),
        }
    }
}

/// A whole page.
#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    title: String,
    headline: String,
    tone: Tone,
    facts: Vec<Fact>,
    errors: Vec<String>,
    groups: Vec<Group>,
    notes: Vec<String>,
    graph: Graph,
    generator: &'static str,
    style: String,
    style_hash: String,
}

impl Page {
    /// A page of rows, in the order in which they were found.
    fn new(title: String, headline: String, tone: Tone, rows: Vec<(Section, Row)>) -> Self {
        let few = rows.len() <= OPEN_DIFFS;
        let mut groups: Vec<Group> = Vec::new();
        for (section, row) in rows {
            let row = Row { is_open: few, ..row };
            match groups.iter_mut().find(|it| it.section == section) {
                Some(group) => group.rows.push(row),
                None => groups.push(Group { section, is_open: true, rows: vec![row] }),
            }
        }
        groups.sort_by_key(|it| it.section);
        for group in &mut groups {
            group.is_open = group.rows.len() <= OPEN_ROWS;
        }
        // The boxes above the groups take one away: rules, since there is no script.
        let rules = groups.iter().map(|it| {
            let id = it.section.id();
            format!("body:has(#show-{id}:not(:checked)) #{id} {{ display: none; }}\n")
        });
        let style: String = std::iter::once(STYLE.to_owned()).chain(rules).collect();
        let style_hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
        Self {
            title,
            headline,
            tone,
            facts: Vec::new(),
            errors: Vec::new(),
            groups,
            notes: Vec::new(),
            graph: Graph::None,
            generator: concat!("ivs-apply ", env!("CARGO_PKG_VERSION")),
            style,
            style_hash,
        }
    }

    fn text(&self) -> String {
        self.render().expect("a template writes into a string, and fails nowhere else")
    }
}

/// The page of a run that ended before there was a plan: what went wrong, and with the manifests the diagnostics.
pub fn failure(command: &str, message: &str, details: Option<&str>) -> String {
    let (title, headline) = (format!("ivs-apply {command}"), escape(message, CAP));
    let mut page = Page::new(title, headline, Tone::Bad, Vec::new());
    page.errors.extend(details.map(ToOwned::to_owned));
    page.text()
}
