//! The metrics of a run, as `OpenMetrics` text for a collector of files (`--metrics`).
//!
//! All of them are gauges about the last run, so the text is at the same time one of Prometheus' older format, which the
//! textfile collector of `node_exporter` reads. The writer is these few lines: a crate would bring registries and counters
//! that outlive nothing here.

mod audiences;
pub mod list;

use super::Ui;
use super::ci::Known;
use super::escape::escape;
use super::file::{self, Refused, Sort};
use super::plan::Header;
use crate::apply::{Outcome, StepStatus};
use crate::aws::RequestGate;
use crate::kinds::{Address, ObservedState};
use crate::manifest::source::read_named;
use crate::plan::{Action, Plan, ResourceState, ResourceStatus};
use audiences::{Reached, Watched};
use jiff::Timestamp;
use list::{Metric, run};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What is written over.
const METRICS: Sort =
    Sort { what: "a file of metrics", is: |text| text.starts_with("# HELP ivs_apply_") };

/// The most that the file of the run before may hold.
const MOST_BYTES: u64 = 1024 * 1024;

/// The labels of every metric.
type Labels = BTreeMap<&'static str, String>;

/// Where a run works, as labels that may be unknown.
const PLACE: [&str; 3] = ["stack", "region", "account"];

/// What is measured of a run.
#[derive(Debug)]
pub(super) struct Metrics {
    path: PathBuf,
    command: &'static str,
    ui: Ui,
    begun: Instant,
    labels: Labels,
    gate: Option<RequestGate>,
    found: Option<Found>,
    steps: BTreeMap<&'static str, usize>,
}

/// What a comparison of the account with the manifests has found.
#[derive(Debug, Default)]
struct Found {
    states: BTreeMap<Address, ResourceState>,
    viewers: i64,
    publishers: Option<usize>,
    planned: Option<Compared>,
}

/// What a plan comes to.
#[derive(Debug, Default)]
struct Compared {
    drifted: usize,
    deferred: usize,
    audiences: BTreeMap<&'static str, Reached>,
}

/// What the file of the run before says.
struct Former {
    labels: BTreeMap<String, String>,
    success: Option<String>,
}

impl Metrics {
    /// For a run that begins now.
    pub(super) fn begin(path: &Path, command: &'static str, ui: Ui) -> Result<Self, Refused> {
        file::may_write(path, METRICS)?;
        Ok(Self {
            path: path.to_owned(),
            command,
            ui,
            begun: Instant::now(),
            labels: Labels::new(),
            gate: None,
            found: None,
            steps: BTreeMap::new(),
        })
    }

    pub(super) fn started(&mut self, header: &Header<'_>, gate: &RequestGate) {
        let account = header.identity.and_then(|it| it.account()).unwrap_or_default();
        let place = [&header.stack.name, header.region, account];
        self.labels = PLACE.into_iter().zip(place.map(ToOwned::to_owned)).collect();
        self.gate = Some(gate.clone());
    }

    pub(super) fn compared(&mut self, plan: &Plan, observed: &ObservedState) {
        let states = plan.resource_states(observed);
        self.found = Some(Found {
            viewers: viewers(observed),
            publishers: None,
            states: states.into_iter().map(|it| (it.address, it.state)).collect(),
            planned: Some(Compared {
                drifted: plan.drifted(),
                deferred: plan.summary().deferred,
                audiences: audiences::of(plan, observed),
            }),
        });
    }

    /// The states of resources were read, and the publishers of every stage with a session were counted.
    pub(super) fn viewed(&mut self, resources: &[ResourceStatus], observed: &ObservedState) {
        let found = self.found.get_or_insert_default();
        found.viewers = viewers(observed);
        found.states = resources.iter().map(|it| (it.address.clone(), it.state)).collect();
        let owned = observed.owned.values();
        let counts = owned.filter_map(|it| observed.live.get(&it.arn)?.publishers);
        found.publishers = Some(counts.sum());
    }

    pub(super) fn drifted(&mut self, count: usize) {
        if let Some(compared) = self.found.as_mut().and_then(|it| it.planned.as_mut()) {
            compared.drifted = count;
        }
    }

    pub(super) fn applied(&mut self, plan: &Plan, outcome: &Outcome) {
        let counts = outcome.counts(plan);
        self.steps = counts.steps().into_iter().collect();
        let Some(found) = &mut self.found else { return };
        let steps = plan.by_id();
        let mut drifted = plan.drifted();
        for (id, status) in &outcome.steps {
            let step = steps[id];
            match status {
                StepStatus::Done(_) | StepStatus::Unconfirmed(_) => {
                    drifted -= usize::from(step.is_drift());
                    let declared = step.spec.is_some();
                    if declared {
                        found.states.insert(step.address.clone(), ResourceState::InSync);
                    } else if step.action == Action::Delete
                        && !outcome.steps.iter().any(|(id, _)| {
                            steps[id].address == step.address && steps[id].spec.is_some()
                        })
                    {
                        found.states.remove(&step.address);
                    }
                }
                StepStatus::Deferred(_) => {
                    found.states.insert(step.address.clone(), ResourceState::Deferred);
                }
                _ => {}
            }
        }
        if let Some(compared) = &mut found.planned {
            *compared = Compared {
                drifted,
                deferred: counts.deferred,
                audiences: std::mem::take(&mut compared.audiences),
            };
        }
    }

    /// Writes the file. Where that fails it is told, and the run ends as it would have.
    pub(super) fn write(&mut self, exit_code: u8, known: &Known) {
        let of_manifests = [("stack", &known.stack), ("region", &known.region)];
        for (name, value) in of_manifests {
            if let (None, Some(value)) = (self.labels.get(name), value) {
                self.labels.insert(name, value.clone());
            }
        }
        let former = read_named(&self.path, MOST_BYTES).ok().map(|it| Former::read(&it));
        let text = self.text(exit_code, former, Timestamp::now());
        if let Err(refused) = file::write_public(&self.path, &text, METRICS) {
            let refused = escape(&refused.to_string(), 400);
            self.ui.say(&format!("warning: the metrics were not written: {refused}\n"));
        }
    }

    fn text(&self, exit_code: u8, former: Option<Former>, now: Timestamp) -> String {
        let mut labels: Labels =
            self.labels.iter().map(|(name, value)| (*name, escape(value, 200))).collect();
        labels.insert("command", self.command.to_owned());
        let same_command =
            former.filter(|it| it.labels.get("command").is_some_and(|it| it == self.command));
        let is_known = |name: &str| labels.get(name).filter(|it| !it.is_empty());
        let agrees = |former: &&Former| {
            PLACE
                .iter()
                .all(|name| is_known(name).is_none_or(|it| former.labels.get(*name) == Some(it)))
        };
        let same_place = same_command.as_ref().filter(agrees).map(|it| it.labels.clone());
        // A run that did not come to know its place is about that of the run before, unless it is about another one.
        for name in PLACE {
            let before = || same_place.as_ref()?.get(name).cloned();
            if labels.get(name).is_none_or(String::is_empty) {
                labels.insert(name, before().unwrap_or_default());
            }
        }
        let mut text = Text { labels, text: String::new() };
        let version = [("version", env!("CARGO_PKG_VERSION").to_owned())];
        text.metric(&run::BUILD_INFO, [(&version[..], "1".to_owned())]);
        let now = now.as_second().to_string();
        text.metric(&run::LAST_RUN, [(&[][..], now.clone())]);
        // What was found is a success of `plan` and `drift` too.
        let success = if matches!(exit_code, 0 | 2) {
            Some(now)
        } else {
            let same = |it: &Former| {
                PLACE.iter().all(|name| it.labels.get(*name) == text.labels.get(name))
            };
            same_command.filter(same).and_then(|it| it.success)
        };
        text.metric(&run::LAST_SUCCESS, success.map(|it| (&[][..], it)));
        let seconds = format!("{:.3}", self.begun.elapsed().as_secs_f64());
        text.metric(&run::DURATION, [(&[][..], seconds)]);
        text.metric(&run::EXIT_CODE, [(&[][..], exit_code.to_string())]);
        if let Some(found) = &self.found {
            found.write(&mut text);
        }
        let steps =
            self.steps.iter().map(|(status, count)| ([("status", (*status).to_owned())], count));
        let steps: Vec<_> = steps.map(|(label, count)| (label, count.to_string())).collect();
        text.metric(&run::STEPS, steps.iter().map(|(label, count)| (&label[..], count.clone())));
        let calls = self.gate.as_ref().map(RequestGate::calls).unwrap_or_default();
        let throttled = self.gate.as_ref().map(RequestGate::throttled).unwrap_or_default();
        for (metric, calls) in [(&run::CALLS, calls), (&run::THROTTLED, throttled)] {
            let calls =
                calls.into_iter().map(|(name, count)| ([("operation", name)], count.to_string()));
            let calls: Vec<_> = calls.collect();
            text.metric(metric, calls.iter().map(|(label, count)| (&label[..], count.clone())));
        }
        text.text.push_str("# EOF\n");
        text.text
    }
}

impl Found {
    fn write(&self, text: &mut Text) {
        let mut states: BTreeMap<&'static str, usize> =
            ResourceState::CODES.iter().map(|it| (*it, 0)).collect();
        for state in self.states.values() {
            *states.entry(state.code()).or_default() += 1;
        }
        let states =
            states.into_iter().map(|(state, count)| ([("state", state.to_owned())], count));
        let states: Vec<_> = states.map(|(label, count)| (label, count.to_string())).collect();
        text.metric(
            &run::RESOURCES,
            states.iter().map(|(label, count)| (&label[..], count.clone())),
        );
        text.metric(&run::VIEWERS, [(&[][..], self.viewers.to_string())]);
        text.metric(&run::PUBLISHERS, self.publishers.map(|it| (&[][..], it.to_string())));
        if let Some(compared) = &self.planned {
            compared.write(text);
        }
    }
}

impl Compared {
    fn write(&self, text: &mut Text) {
        text.metric(&run::DRIFTED, [(&[][..], self.drifted.to_string())]);
        text.metric(&run::DEFERRED, [(&[][..], self.deferred.to_string())]);
        let effect = |it: &'static str| ("effect", it.to_owned());
        let viewers: Vec<_> =
            self.audiences.iter().map(|(name, it)| ([effect(name)], it.viewers)).collect();
        text.metric(
            &run::AUDIENCE_VIEWERS,
            viewers.iter().map(|(labels, count)| (&labels[..], count.to_string())),
        );
        let audiences = self.audiences.iter().flat_map(|(name, reached)| {
            Watched::ALL
                .map(|(of, word)| ([effect(name), ("of", word.to_owned())], reached.count(of)))
        });
        let audiences: Vec<_> = audiences.collect();
        text.metric(
            &run::AUDIENCES,
            audiences.iter().map(|(labels, count)| (&labels[..], count.to_string())),
        );
    }
}

/// The viewers of all channels of a stack.
fn viewers(observed: &ObservedState) -> i64 {
    let counts = observed.owned.values().filter_map(|it| observed.own_viewers(it.kind, &it.arn));
    counts.fold(0, i64::saturating_add)
}

/// Metrics as text, each with the labels of the run.
struct Text {
    labels: Labels,
    text: String,
}

impl Text {
    /// A metric with its samples; nothing where it has none.
    fn metric<'a>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = (&'a [(&'static str, String)], String)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let Metric { name, help, .. } = metric;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in samples {
            let all = self.labels.iter().map(|(name, value)| (*name, value));
            let all = all.chain(labels.iter().map(|(name, value)| (*name, value)));
            let all: Vec<String> =
                all.map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
            let _ = writeln!(self.text, "{name}{{{}}} {value}", all.join(","));
        }
    }
}

/// The value of a label as it is written.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

impl Former {
    /// Reads what [`Metrics::text`] has written; anything else says nothing.
    fn read(text: &str) -> Self {
        let sample = |metric: &Metric| -> Option<(&str, &str)> {
            let line =
                text.lines().find_map(|it| it.strip_prefix(metric.name)?.strip_prefix('{'))?;
            line.rsplit_once("} ")
        };
        let labels = sample(&run::LAST_RUN).map(|(labels, _)| read_labels(labels));
        let success = sample(&run::LAST_SUCCESS).filter(|(_, value)| value.parse::<f64>().is_ok());
        Self {
            labels: labels.unwrap_or_default(),
            success: success.map(|(_, value)| value.to_owned()),
        }
    }
}

/// Reads `name="value",name="value"`.
fn read_labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while let Some((name, quoted)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut letters = quoted.char_indices();
        let end = loop {
            match letters.next() {
                Some((_, '\\')) => value.extend(letters.next().map(|(_, it)| it)),
                Some((at, '"')) => break at,
                Some((_, other)) => value.push(other),
                None => return labels,
            }
        };
        labels.insert(name.trim_start_matches(',').to_owned(), value);
        rest = &quoted[end + 1..];
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(stack: Option<&str>) -> Metrics {
        let folder = tempfile::tempdir().expect("a folder");
        let ui = Ui::new(anstream::ColorChoice::Never);
        let mut metrics = Metrics::begin(&folder.path().join("a"), "apply", ui).expect("free");
        if let Some(stack) = stack {
            let place = [stack, "us-west-2", "000000000000"].map(ToOwned::to_owned);
            metrics.labels = PLACE.into_iter().zip(place).collect();
        }
        metrics
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a moment")
    }

    fn success(text: &str) -> Option<&str> {
        let line = text.lines().find(|it| it.starts_with(&format!("{}{{", run::LAST_SUCCESS.name)));
        line.and_then(|it| it.rsplit_once(' ')).map(|(_, value)| value)
    }

    #[test]
    fn the_last_success_is_kept_where_a_run_fails_also_before_it_knows_its_stack() {
        let hostile = "a\"b\\c\n}  1 2";
        let first = metrics(Some(hostile)).text(0, None, at(100));
        assert_eq!(success(&first), Some("100"));
        let former = || Some(Former::read(&first));
        let failed = metrics(Some(hostile)).text(3, former(), at(200));
        assert_eq!(success(&failed), Some("100"), "{failed}");
        let early = metrics(None).text(1, former(), at(300));
        assert_eq!(success(&early), Some("100"), "{early}");
        let mut named = metrics(None);
        named.labels.insert("stack", "other".to_owned());
        let named = named.text(1, former(), at(300));
        assert!(named.contains("account=\"\",") && named.contains("stack=\"other\""), "{named}");
        let other = metrics(Some("other")).text(1, former(), at(300));
        assert_eq!(success(&other), None, "of another stack: {other}");
        let drift = Metrics { command: "drift", ..metrics(None) };
        assert_eq!(success(&drift.text(1, former(), at(300))), None, "of another command");
        assert_eq!(success(&drift.text(2, former(), at(300))), Some("300"));
        for broken in ["", "ivs_apply_last_run_timestamp_seconds{a=\"", "x} 1", &first[..150]] {
            let _ = Former::read(broken);
        }
    }
}
