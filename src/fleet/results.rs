//! What a fleet came to, as `fleet.json` and the reports have it (`schemas/fleet.json`).

use super::outcome::{Counts, Outcome, Status};
use super::shard::Shard;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the document; a change that could break a reader counts up its first number.
pub const FORMAT_VERSION: &str = "1.0";

/// The results of one run of a fleet, or of several that are reported together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// Version of this document. Members may be added to it.
    pub format_version: String,
    /// The program that wrote it.
    pub tool: Tool,
    /// What the targets come to.
    pub status: Status,
    /// How many targets ended how; outcomes that none has are left out.
    pub counts: Counts,
    /// The runs: one in `fleet.json`, in a report one for each folder.
    pub runs: Vec<Run>,
    /// The targets: by wave, then by name.
    pub targets: Vec<Row>,
}

/// The program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Default for Tool {
    fn default() -> Self {
        let [name, version] = [env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")];
        Self { name: name.to_owned(), version: version.to_owned() }
    }
}

/// One run of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id (a ULID).
    pub id: String,
    /// What each target runs: `validate`, `plan`, `apply` or `drift`.
    pub command: String,
    /// The flags for each target, those after `--`.
    pub arguments: Vec<String>,
    /// Which targets it is about.
    pub selected: Selected,
    /// Which part of them, such as `0/3`.
    pub shard: Option<String>,
    /// The failures that a wave may have for the next one to start, such as `0` or `10%`; `apply` has it.
    pub max_failures: Option<String>,
    /// When it began, by the clock of its machine.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When it ended; absent while it runs, and where it was killed.
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub exit_code: Option<u8>,
    /// The waves, where there are several.
    pub waves: Vec<Wave>,
}

/// Which targets a run is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selected {
    /// The labels that they have, as `KEY=VALUE`.
    pub labels: Vec<String>,
    /// Their wave.
    pub wave: Option<u32>,
}

/// A wave of `apply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wave {
    /// Its number.
    pub wave: u32,
    /// Its targets in this run; those that could not be read count in the first wave.
    pub targets: usize,
    /// Those of them that are not done: failed, refused, not started.
    pub failed: usize,
    /// Whether it let the next one start.
    pub status: WaveStatus,
}

/// How a wave ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WaveStatus {
    /// Its failures were not more than allowed.
    Passed,
    /// It had more failures than allowed, so the next wave was not started.
    Stopped,
    /// It has not ended, or was not started.
    NotEnded,
}

/// One target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its run: a position in `runs`.
    pub run: usize,
    /// Its name; absent where its document could not be read.
    pub name: Option<String>,
    /// What `--target` takes: `FILE#NAME`.
    pub target: Option<String>,
    /// Where its document is.
    pub place: String,
    /// Its wave.
    pub wave: Option<u32>,
    /// Its account.
    pub account: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Its stack, as the document or the run names it.
    pub stack: Option<String>,
    /// A hash of its document.
    pub digest: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The exit code of its process.
    pub exit_code: Option<i32>,
    /// The signal that ended its process.
    pub signal: Option<i32>,
    /// When its process was started.
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// How long it ran.
    pub seconds: Option<f64>,
    /// The calls that it made.
    pub calls: Option<u64>,
    /// The counts of its plan: `create`, `update`, `delete` and others.
    #[serde(default)]
    pub summary: BTreeMap<String, u64>,
    /// The counts of what became of its steps.
    #[serde(default)]
    pub steps: BTreeMap<String, u64>,
    /// What went wrong, as its answer says.
    pub error: Option<Error>,
    /// What is wrong with its manifests: the first few.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// The last lines of its `talk.txt`, where the answer does not say what went wrong.
    pub talk: Option<String>,
    /// Of a duplicate: where the other documents are, or their names.
    #[serde(default)]
    pub others: Vec<String>,
    /// The command that runs it alone.
    pub repeat: Option<String>,
    /// Whether the result is that of the run before, which this one resumes.
    #[serde(default)]
    pub kept: bool,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Error {
    /// What.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A mistake in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What is wrong.
    pub message: String,
    /// Its file, where it has one.
    pub file: Option<String>,
    /// Its line in that file.
    pub line: Option<u64>,
}

impl Row {
    /// What shows it in a report: its name, or where its document is.
    pub fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.place)
    }
}

impl Results {
    /// The results of one run.
    pub fn new(run: Run, targets: Vec<Row>) -> Self {
        Self::of(vec![run], targets)
    }

    fn of(runs: Vec<Run>, mut targets: Vec<Row>) -> Self {
        targets.sort_by(|one, other| key(one).cmp(&key(other)));
        let mut counts = Counts::new();
        for it in &targets {
            *counts.entry(it.outcome).or_default() += 1;
        }
        let status = Status::of(targets.iter().map(|it| it.outcome));
        let format_version = FORMAT_VERSION.to_owned();
        Self { format_version, tool: Tool::default(), status, counts, runs, targets }
    }

    /// The results of several runs as one, such as those of all shards. Of a target that several runs of one command
    /// have, the result of the latest run that started it counts; where none did, that of the latest run.
    pub fn merged(all: Vec<Self>) -> Self {
        let mut runs = Vec::new();
        let mut latest: BTreeMap<(String, Option<String>, String), Row> = BTreeMap::new();
        for results in all {
            let before = runs.len();
            let own = results.runs.len();
            runs.extend(results.runs);
            for mut row in results.targets.into_iter().filter(|it| it.run < own) {
                row.run += before;
                let command = runs[row.run].command.clone();
                let key = (command, row.name.clone(), row.place.clone());
                let age = |it: &Row| {
                    let run: &Run = &runs[it.run];
                    (it.outcome.was_started(), it.started_at.unwrap_or(run.started_at))
                };
                match latest.get(&key) {
                    Some(other) if age(other) > age(&row) => {}
                    _ => drop(latest.insert(key, row)),
                }
            }
        }
        Self::of(runs, latest.into_values().collect())
    }

    /// The commands of the runs, each once.
    pub fn commands(&self) -> Vec<&str> {
        let mut commands: Vec<&str> = self.runs.iter().map(|it| it.command.as_str()).collect();
        commands.sort_unstable();
        commands.dedup();
        commands
    }

    /// The parts of which there is no run, though there are other parts of the same: `1/3`.
    pub fn missing_shards(&self) -> Vec<String> {
        let mut parts: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
        for run in &self.runs {
            if let Some(shard) = run.shard.as_ref().and_then(|it| it.parse::<Shard>().ok()) {
                let Selected { labels, wave } = &run.selected;
                let of = (&run.command, &run.arguments, labels, wave, shard.count);
                parts.entry(of).or_default().insert(shard.index);
            }
        }
        let missing = parts.into_iter().flat_map(|((.., count), there)| {
            let missing = (0..count).filter(move |it| !there.contains(it));
            missing.map(move |index| Shard { index, count }.to_string())
        });
        missing.collect()
    }

    /// Whether every run came to its end.
    pub fn has_ended(&self) -> bool {
        self.runs.iter().all(|it| it.ended_at.is_some())
    }
}

/// The order of rows.
fn key(row: &Row) -> (Option<u32>, Option<&str>, &str, usize) {
    (row.wave, row.name.as_deref(), &row.place, row.run)
}

/// The schema of `fleet.json`, and of `fleet report --format json`.
pub fn schema() -> Value {
    let settings = schemars::generate::SchemaSettings::draft07().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Results>().to_value();
    schema["title"] = json!("ivs-apply fleet results");
    schema
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn run(command: &str, second: i64) -> Run {
        Run {
            id: format!("run-{second}"),
            command: command.to_owned(),
            arguments: Vec::new(),
            selected: Selected::default(),
            shard: None,
            max_failures: None,
            started_at: Timestamp::from_second(second).expect("a moment"),
            ended_at: None,
            exit_code: None,
            waves: Vec::new(),
        }
    }

    pub(crate) fn row(name: &str, outcome: Outcome, second: i64) -> Row {
        Row {
            run: 0,
            name: Some(name.to_owned()),
            target: Some(format!("targets.yaml#{name}")),
            place: format!("targets.yaml:{}:1", name.len()),
            wave: Some(1),
            account: None,
            region: None,
            stack: None,
            digest: Some("0".to_owned()),
            outcome,
            exit_code: None,
            signal: None,
            started_at: outcome
                .was_started()
                .then(|| Timestamp::from_second(second).expect("a moment")),
            seconds: None,
            calls: None,
            summary: BTreeMap::new(),
            steps: BTreeMap::new(),
            error: None,
            findings: Vec::new(),
            talk: None,
            others: Vec::new(),
            repeat: None,
            kept: false,
        }
    }

    #[test]
    fn the_latest_result_of_a_target_counts_and_one_that_was_not_started_never_hides_one_that_was()
    {
        let of = |second, rows: &[(&str, Outcome)]| {
            let rows = rows.iter().map(|(name, it)| row(name, *it, second)).collect();
            Results::new(run("drift", second), rows)
        };
        let first = of(1, &[("a", Outcome::Failed), ("b", Outcome::Clean)]);
        let second = of(2, &[("a", Outcome::Clean), ("b", Outcome::NotStarted)]);
        let both = Results::merged(vec![first.clone(), second.clone()]);
        let outcomes = |it: &Results| -> Vec<_> {
            it.targets.iter().map(|it| (it.name.clone().unwrap(), it.outcome)).collect()
        };
        let expected = [("a".to_owned(), Outcome::Clean), ("b".to_owned(), Outcome::Clean)];
        assert_eq!(outcomes(&both), expected);
        assert_eq!(outcomes(&Results::merged(vec![second, first.clone()])), expected);
        assert_eq!(both.status, Status::Clean);
        assert_eq!(both.counts, Counts::from([(Outcome::Clean, 2)]));
        // Another command is another question.
        let mut plan = first.clone();
        plan.runs = vec![run("plan", 9)];
        assert_eq!(Results::merged(vec![first, plan]).targets.len(), 4);
    }

    #[test]
    fn a_shard_that_is_missing_is_noticed() {
        let of = |shard: &str| {
            let shard = Some(shard.to_owned());
            Results::new(Run { shard, ..run("apply", 1) }, Vec::new())
        };
        let some = Results::merged(vec![of("0/4"), of("3/4"), of("0/1")]);
        assert_eq!(some.missing_shards(), ["1/4", "2/4"]);
        assert!(Results::merged(vec![of("1/2"), of("0/2")]).missing_shards().is_empty());
    }

    #[test]
    fn a_document_is_read_back_as_it_was_written() {
        let results = Results::new(run("plan", 5), vec![row("a", Outcome::TimedOut, 5)]);
        let text = serde_json::to_string(&results).expect("JSON");
        assert_eq!(serde_json::from_str::<Results>(&text).expect("the same"), results);
    }
}
