//! What happens in a run, in a file for other programs: one JSON object a line, written as it happens (`--events`).
//!
//! A line is one write at the end of the file, so that a run that is killed leaves whole lines, and two runs can share
//! a file. A file that cannot be written is told once and never stops a run.

use super::ci::{Known, Record};
use super::escape;
use super::file::{Appended, Refused, Sort};
use super::metrics::Metrics;
use super::plan::Header;
use super::reason;
use crate::apply::{Counts, Event, Outcome};
use crate::aws::RequestGate;
use crate::kinds::{Address, Freeze, ObservedState, is_events_file};
use crate::plan::{
    Action, Decision, FreezeEffect, Note, Plan, Reason, ResourceStatus, Status, Step, StepId,
    Summary,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Version of the lines. Members and events may be added to it; any other change counts it up.
const VERSION: u32 = 1;

/// What a line is appended to.
const EVENTS: Sort = Sort { what: "a file of events", is: is_events_file };

/// What a run tells beside the events of its steps.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all_fields = "camelCase")]
enum RunEvent<'a> {
    /// The run is connected to its account. A run that ends before that tells it at its end, with the stack and the region
    /// that the command line, the variables or the manifests name, and `null` for what it does not know.
    #[serde(rename = "run.started")]
    Started {
        /// The command.
        command: &'a str,
        /// The program.
        tool: Tool,
        /// The stack.
        stack: Option<&'a str>,
        /// The account of the credentials.
        account: Option<&'a str>,
        /// ARN of the user or role that is signed in.
        caller: Option<&'a str>,
        /// The region in force.
        region: Option<&'a str>,
        /// The endpoint, where it is not AWS's own.
        endpoint: Option<&'a str>,
    },
    /// The account was read, and the plan is made.
    #[serde(rename = "run.planned")]
    Planned {
        /// What the plan comes to.
        status: Status,
        /// Steps by action, as in the output.
        summary: &'a Summary,
        /// The freeze that is active or begins within a day, with what it means for the run, as in the notes of the
        /// output; `null` where there is none.
        freeze: Option<FreezeLine<'a>>,
    },
    /// A resource was changed or deleted outside ivs-apply.
    #[serde(rename = "drifted")]
    Drifted {
        /// The resource.
        address: &'a Address,
        /// What was found: `live` (changed, and it has an audience), `changed`, `deleted`, `missing`, `degraded`, `unclear`
        /// or `failed`.
        attention: &'static str,
        /// The action that repairs it.
        action: Action,
    },
    /// A step of the plan is left for a later run.
    #[serde(rename = "deferred")]
    Deferred(Left<'a>),
    /// A step of the plan is not carried out until something else happens that ivs-apply does not do.
    #[serde(rename = "dormant")]
    Dormant(Left<'a>),
    /// A step must not be carried out, and with it nothing of the plan.
    #[serde(rename = "blocked")]
    Blocked(Left<'a>),
    /// The run is over. No later line has its `run`.
    #[serde(rename = "run.ended")]
    Ended {
        /// The exit code.
        exit_code: u8,
        /// Steps of the plan by action; `null` where the run made no plan.
        summary: Option<&'a Summary>,
        /// Steps by how they ended; `null` where the run carried nothing out.
        outcome: Option<&'a Counts>,
        /// Why the run did not do its work; `null` also where the manifests are invalid, which standard error explains.
        error: Option<&'a RunError>,
    },
}

/// A step that the plan does not carry out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Left<'a> {
    /// The number of the step.
    id: StepId,
    /// The resource.
    address: &'a Address,
    /// The action of the step.
    action: Action,
    /// Why it is not carried out, by the code of the reason.
    reason: &'static str,
    /// The same for people.
    message: String,
}

impl<'a> Left<'a> {
    fn of(step: &'a Step, reason: &Reason) -> Self {
        let Step { id, ref address, action, .. } = *step;
        Self { id, address, action, reason: reason.code(), message: reason::text(reason) }
    }
}

/// A freeze, and what it means for the run.
#[derive(Debug, Serialize, JsonSchema)]
struct FreezeLine<'a> {
    #[serde(flatten)]
    freeze: &'a Freeze,
    #[serde(flatten)]
    effect: &'a FreezeEffect,
}

impl<'a> FreezeLine<'a> {
    fn of(note: &'a Note) -> Option<Self> {
        match note {
            Note::Freeze { freeze, effect } => Some(Self { freeze, effect }),
            _ => None,
        }
    }
}

/// The program that wrote a line.
#[derive(Debug, Serialize, JsonSchema)]
struct Tool {
    /// Its name.
    name: &'static str,
    /// Its version.
    version: &'static str,
}

/// Why a run did not do its work.
#[derive(Debug, Serialize, JsonSchema)]
struct RunError {
    /// What is wrong.
    message: String,
    /// What to do about it.
    help: Option<String>,
}

/// One line.
#[derive(Serialize)]
struct Line<'a, E> {
    v: u32,
    seq: u64,
    time: String,
    run: &'a str,
    #[serde(flatten)]
    event: &'a E,
}

/// JSON Schema of a line.
pub fn schema() -> Value {
    let settings = schemars::generate::SchemaSettings::draft07().for_serialize();
    let mut generator = settings.into_generator();
    let any = [generator.subschema_for::<RunEvent<'_>>(), generator.subschema_for::<Event>()];
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A line of the file of `--events`",
        "type": "object",
        "required": ["v", "seq", "time", "run", "event"],
        "properties": {
            "v": {
                "const": VERSION,
                "description": "Version of the lines. Members and events may be added to it.",
            },
            "seq": {
                "type": "integer", "minimum": 1,
                "description": "Counts the events of a run from 1; a gap is a line that could not be written.",
            },
            "time": {
                "type": "string", "format": "date-time",
                "description": "When it was written, by the clock of this machine.",
            },
            "run": {
                "type": "string",
                "description": "Id of the run (a ULID), the same in all its lines: several runs may share a file.",
            },
            "event": { "type": "string", "description": "What happened." },
        },
        "anyOf": any,
        "definitions": generator.take_definitions(true),
    })
}

/// What one run tells other programs: its events, its metrics, and the record of what it came to.
#[derive(Clone, Debug, Default)]
pub struct Events {
    told: Option<Arc<Mutex<Told>>>,
    metrics: Option<Arc<Mutex<Metrics>>>,
    /// What the run came to, for a CI system.
    pub record: Record,
}

/// What was told so far, and where to.
#[derive(Debug)]
struct Told {
    command: &'static str,
    run: String,
    file: Appended,
    seq: u64,
    started: bool,
    summary: Option<Summary>,
    outcome: Option<Counts>,
    error: Option<RunError>,
    /// Told where a line cannot be written, once.
    warn: Option<super::Ui>,
}

impl Events {
    /// For the file of events at `path`, which is made where there is none, and the file of metrics; without files,
    /// events that are told to nothing.
    ///
    /// # Errors
    /// Where a file cannot be opened, or holds anything else.
    pub fn open(
        path: Option<&Path>,
        metrics: Option<&Path>,
        command: &'static str,
        record: Record,
        ui: super::Ui,
    ) -> Result<Self, Refused> {
        let metrics = metrics.map(|it| Metrics::begin(it, command, ui)).transpose()?;
        let metrics = metrics.map(|it| Arc::new(Mutex::new(it)));
        let Some(path) = path else { return Ok(Self { told: None, metrics, record }) };
        let told = Told {
            command,
            run: ulid::Ulid::generate().to_string(),
            file: Appended::open(path, EVENTS)?,
            seq: 0,
            started: false,
            summary: None,
            outcome: None,
            error: None,
            warn: Some(ui),
        };
        Ok(Self { told: Some(Arc::new(Mutex::new(told))), metrics, record })
    }

    /// Events and metrics that are written to no file.
    pub fn without_file(record: Record) -> Self {
        Self { told: None, metrics: None, record }
    }

    /// The run is connected.
    pub fn started(&self, header: &Header<'_>, gate: &RequestGate) {
        self.with(|it| it.start(Some(header), &Known::default()));
        self.measure(|it| it.started(header, gate));
    }

    /// The account was read, and compared with the manifests.
    pub fn compared(&self, plan: &Plan, observed: &ObservedState) {
        self.measure(|it| it.compared(plan, observed));
    }

    /// The states of resources were read, and who publishes in sessions of stages.
    pub fn viewed(&self, resources: &[ResourceStatus], observed: &ObservedState) {
        self.measure(|it| it.viewed(resources, observed));
    }

    /// The resources of these steps have drifted, as `drift` counts them.
    pub fn drifted(&self, plan: &Plan) {
        self.with(|it| plan.steps.iter().for_each(|step| it.write_drifted(step)));
        self.measure(|it| it.drifted(plan.steps.len()));
    }

    /// What the plan says of single steps: what has drifted, and what is not carried out.
    pub fn steps(&self, plan: &Plan) {
        self.with(|it| {
            for step in &plan.steps {
                if step.is_drift() {
                    it.write_drifted(step);
                }
                let left = |reason| Left::of(step, reason);
                match &step.decision {
                    Decision::Do | Decision::Interrupt => {}
                    Decision::Deferred(why) => it.write(&RunEvent::Deferred(left(why))),
                    Decision::Dormant(why) => it.write(&RunEvent::Dormant(left(why))),
                    Decision::Blocked(why) | Decision::Unmanaged(why) => {
                        it.write(&RunEvent::Blocked(left(why)));
                    }
                }
            }
        });
    }

    /// The plan is made.
    pub fn planned(&self, plan: &Plan) {
        self.with(|it| {
            let summary = plan.summary();
            let freeze = plan.notes.iter().find_map(FreezeLine::of);
            it.write(&RunEvent::Planned { status: plan.status(), summary: &summary, freeze });
            it.summary = Some(summary);
        });
    }

    /// Something happened while the plan was applied.
    pub fn happened(&self, event: &Event) {
        self.with(|it| it.write(event));
    }

    /// The plan was applied.
    pub fn applied(&self, plan: &Plan, outcome: &Outcome) {
        self.with(|it| it.outcome = Some(outcome.counts(plan)));
        self.measure(|it| it.applied(plan, outcome));
    }

    /// The run does not do its work: what is wrong, and what to do about it.
    pub fn failed(&self, message: &str, help: Option<&str>) {
        let (message, help) = (message.to_owned(), help.map(ToOwned::to_owned));
        self.with(|it| it.error = Some(RunError { message, help }));
    }

    /// The run is over.
    pub fn ended(&self, exit_code: u8) {
        let known = self.record.known();
        self.with(|it| {
            if !it.started {
                it.start(None, &known);
            }
            let (summary, outcome, error) = (it.summary.take(), it.outcome.take(), it.error.take());
            let (summary, outcome) = (summary.as_ref(), outcome.as_ref());
            it.write(&RunEvent::Ended { exit_code, summary, outcome, error: error.as_ref() });
        });
        self.measure(|it| it.write(exit_code, &known));
    }

    fn measure(&self, note: impl FnOnce(&mut Metrics)) {
        if let Some(metrics) = &self.metrics {
            note(&mut metrics.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn with(&self, tell: impl FnOnce(&mut Told)) {
        if let Some(told) = &self.told {
            // A line is whole or not counted, so that a panic elsewhere leaves nothing half done here.
            tell(&mut told.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Told {
    fn start(&mut self, header: Option<&Header<'_>>, known: &Known) {
        self.started = true;
        let identity = header.and_then(|it| it.identity);
        self.write(&RunEvent::Started {
            command: self.command,
            tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
            stack: header.map(|it| it.stack.name.as_str()).or(known.stack.as_deref()),
            account: identity.and_then(|it| it.account()),
            caller: identity.and_then(|it| it.caller()),
            region: header.map(|it| it.region).or(known.region.as_deref()),
            endpoint: header.and_then(|it| it.endpoint),
        });
    }

    fn write_drifted(&mut self, step: &Step) {
        let (address, attention) = (&step.address, step.attention().code());
        self.write(&RunEvent::Drifted { address, attention, action: step.action });
    }

    fn write(&mut self, event: &impl Serialize) {
        self.seq += 1;
        let time = format!("{:.3}", Timestamp::now());
        let line = Line { v: VERSION, seq: self.seq, time, run: &self.run, event };
        let line = serde_json::to_string(&line).expect("an event has only texts as keys");
        let written = self.file.append(&escape::json(&line));
        if let (Err(error), Some(ui)) = (written, self.warn) {
            self.warn = None;
            let path = escape::escape(&self.file.path().display().to_string(), 200);
            ui.say(&format!(
                "warning: an event could not be written to `{path}`: {error}; the run goes on, and its later events are \
                 tried all the same\n"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn each_line_begins_as_a_file_of_events_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let ui = super::super::Ui::new(anstream::ColorChoice::Never);
        for run in 1..=2 {
            let events = Events::open(Some(&path), None, "plan", Record::default(), ui).unwrap();
            events.failed("one\nline \u{202e}", None);
            events.ended(1);
            let text = fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 2 * run, "{text}");
            assert!(lines.iter().all(|it| is_events_file(it)), "{text}");
            assert!(lines[2 * run - 1].contains("one\\nline \\u202e"), "{text}");
        }
    }

    #[test]
    fn events_without_a_file_are_told_to_nothing() {
        let ui = super::super::Ui::new(anstream::ColorChoice::Never);
        Events::open(None, None, "plan", Record::default(), ui).unwrap().ended(0);
        let refused = Events::open(Some(Path::new("-")), None, "plan", Record::default(), ui);
        assert!(matches!(refused, Err(Refused::Dash)));
    }
}
