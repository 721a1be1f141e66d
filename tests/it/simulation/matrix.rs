//! How often each fault met each step (`docs/reliability.md` §7): a cell that no seed hits is a rule without a
//! test.

use super::chance::{End, OUTSIDE, Other, Second};
use super::test_run::{Run, TestRun};
use ivs_apply::apply::StepStatus;
use ivs_apply::plan::{Action, Cause, Reason};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Hits by fault and step.
pub(super) type Hits = BTreeMap<(&'static str, &'static str), u64>;

const WRITES: &[&str] = &["S7", "S9", "S10", "S12"];
const CALLS: &[&str] = &["S2", "S3", "S6", "S7", "S8", "S9", "S10", "S11", "S12", "S13"];

/// The cells that exist for the engine in process.
const CELLS: [(&str, &[&str]); 16] = [
    ("F1", CALLS),
    ("F2", WRITES),
    ("F3", WRITES),
    ("F4", WRITES),
    ("F5", CALLS),
    ("F6", &["S7", "S9", "S12"]),
    ("F7", WRITES),
    ("F8", &["S2", "S6", "S13"]),
    ("F9", &["S2", "S6", "S13"]),
    ("F10", &["S9", "S10", "S12"]),
    ("F11", &["S6", "S7", "S12"]),
    ("F12", &["S9", "S12"]),
    ("F13", CALLS),
    ("F15", &["S7", "S8", "S9"]),
    ("F17", &["S7", "S8", "S9", "S10", "S12", "S13"]),
    ("F18", &["S2", "S3"]),
];

/// Cells of the table that other tests cover, and why.
pub(super) const ELSEWHERE: [(&str, &str); 6] = [
    ("S1", "who is asked for the account is a command: tests of the binary"),
    ("S4 S5 S14", "the engine knows no lock: tests of src/apply/lock.rs, and tests/it/lock.rs"),
    (
        "S15",
        "output is written by commands: a closed pipe, a full disk and a kill are tests of the binary",
    ),
    ("F11 with a lock", "tests of src/apply/lock.rs; of the binary, in tests/it/lock.rs"),
    (
        "F14",
        "no clock of this machine is asked: clippy.toml bans it, and here the server's differs by years",
    ),
    ("F16", "tests of src/apply/lock.rs; of the binary, in tests/it/lock.rs"),
];

/// Cells without a hit.
pub(super) fn missing(hits: &Hits) -> Vec<(&'static str, &'static str)> {
    let cells = CELLS.iter().flat_map(|(fault, steps)| steps.iter().map(|step| (*fault, *step)));
    cells.filter(|cell| !hits.contains_key(cell)).collect()
}

/// Counts the hits of a test run.
pub(super) fn count(test_run: &TestRun, hits: &mut Hits) {
    let mut hit = |fault, step| *hits.entry((fault, step)).or_default() += 1;
    for mark in &test_run.marks {
        let Some(fault) = fault(mark) else { continue };
        let call = mark["call"].as_u64().unwrap_or_default();
        let during = |it: &&Run| it.began < call && call <= it.ended;
        let Some(run) = test_run.runs.iter().find(during) else { continue };
        if let Some(step) = step(test_run, run, mark, call) {
            hit(
                if fault == "F4" && matches!(step, "S2" | "S6" | "S13") { "F9" } else { fault },
                step,
            );
        }
    }
    for run in &test_run.runs {
        if let (Some(step), End::Signal { .. }) = (run.stopped_in, test_run.case.end) {
            hit("F17", step);
        }
        let (Some(plan), Some(outcome)) = (&run.plan, &run.outcome) else { continue };
        let by_id = plan.by_id();
        for (id, status) in &outcome.steps {
            let step = by_id[id];
            let at = match step.action {
                Action::Create | Action::Replace => "S6",
                Action::Delete => "S12",
                _ if step.writes_spec() => "S9",
                _ => "S10",
            };
            let others =
                test_run.case.others.iter().any(|(_, it)| !matches!(it, Other::GoesLive(_)));
            match status {
                StepStatus::Stale(_) if test_run.case.second != Second::None => hit("F11", at),
                StepStatus::Stale(_) if others => hit("F10", at),
                StepStatus::Deferred(Reason::LiveAudience { .. }) => hit("F12", at),
                // Two runs created it, and one of the two objects is deleted in the end.
                StepStatus::Done(_)
                    if step.because.iter().any(|it| matches!(it, Cause::Duplicate { .. })) =>
                {
                    hit("F11", "S7");
                    hit("F11", "S12");
                }
                _ => {}
            }
        }
    }
}

fn fault(mark: &Value) -> Option<&'static str> {
    if mark["refused"].as_str().is_some_and(|it| it.starts_with("ServiceQuotaExceeded")) {
        return Some("F15");
    }
    Some(match mark["fault"].as_str()? {
        "hold" => "F1",
        "loseReply" if mark["done"] == false => "F3",
        "loseReply" => "F2",
        "error500" => "F4",
        "throttle" => "F5",
        "stall" | "delay" => "F6",
        "twice" => "F7",
        "listLag" => "F8",
        "expireToken" | "repeatToken" | "movedItem" => "F9",
        "error" if mark["name"] == "PendingVerification" => "F15",
        "error" => "F13",
        "createFailed" | "stuck" | "getLag" => "F15",
        "odd" => "F18",
        other => panic!("no fault of the table is {other}"),
    })
}

/// The step that a call belongs to, by its number.
fn step(test_run: &TestRun, run: &Run, mark: &Value, call: u64) -> Option<&'static str> {
    let operation = mark["operation"].as_str()?;
    let lists = operation.starts_with("List") && operation != "ListTagsForResource";
    if call <= run.read || run.read == 0 {
        return Some(if lists { "S2" } else { "S3" });
    }
    if lists {
        return Some(if call > run.stepped { "S13" } else { "S6" });
    }
    let starts = |verbs: &[&str]| verbs.iter().any(|it| operation.starts_with(it));
    Some(if starts(&["Create", "Import", "StartComposition"]) {
        "S7"
    } else if starts(&["Update"]) {
        "S9"
    } else if matches!(operation, "TagResource" | "UntagResource") {
        "S10"
    } else if starts(&["Delete", "Stop", "Disconnect"]) {
        "S12"
    } else if operation == "GetStream" {
        "S11"
    } else {
        let created: BTreeSet<&str> = test_run.history[run.from..run.to]
            .iter()
            .filter(|it| it["caller"] != OUTSIDE && it["operation"].as_str().is_some_and(is_birth))
            .filter_map(|it| it["arn"].as_str())
            .collect();
        if mark["on"].as_str().is_some_and(|it| created.contains(it)) { "S8" } else { "S3" }
    })
}

fn is_birth(operation: &str) -> bool {
    ["Create", "Import", "StartComposition"].iter().any(|it| operation.starts_with(it))
}
