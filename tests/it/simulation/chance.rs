//! A seed determines a whole test run: the manifests, their changes, the faults, and the times of all of these.

use crate::generators::{Piece, resources};
use fastrand::Rng;
use ivs_apply::kinds::{Desired, Kind, Mutable};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Everything that one seed determines.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    /// The manifests of the first run, which has no faults.
    pub(crate) before: Vec<Desired>,
    /// The manifests of the later runs.
    pub(crate) after: Vec<Desired>,
    /// Whether all audiences may be cut off, or none.
    pub(crate) consent: bool,
    pub(crate) prune: bool,
    /// The largest number of items on a page; 0 is as many as asked for.
    pub(crate) page: u32,
    /// Control requests that set faults: before the first reading, or between the plan and its first step.
    pub(crate) faults: Vec<Value>,
    pub(crate) late: Vec<Value>,
    /// A quota that is used up, by its name in the emulator.
    pub(crate) quota: Option<&'static str>,
    /// What ends the first run.
    pub(crate) end: End,
    /// Changes made outside, and after how many events of the first run; 0 is before its first step.
    pub(crate) others: Vec<(usize, Other)>,
    pub(crate) second: Second,
    /// Seconds between the plan and its first step, as while a user reads it.
    pub(crate) pause: u64,
    /// How many runs have the faults.
    pub(crate) faulted_runs: usize,
}

/// What ends a run before its time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Nothing,
    /// Killed at the n-th request, before it is carried out or after; counted from the plan, or from the start.
    Killed {
        request: u64,
        done: bool,
        late: bool,
    },
    /// Killed once the n-th request is answered: none after it is carried out.
    KilledAfter {
        request: u64,
        late: bool,
    },
    /// Killed where a fault of the case holds a request.
    Steered,
    /// Asked to stop after so many events; twice, to stop now.
    Signal {
        event: usize,
        twice: bool,
    },
}

/// A change made outside; the number says to which object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Other {
    GoesLive(usize),
    Edits(usize),
    Deletes(usize),
    StripsTags(usize),
    TakesOver(usize),
    CopiesTags(usize),
    Protects(usize),
}

/// Another run of the same stack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Second {
    None,
    /// At the same time, with the same manifests.
    Same,
    /// At the same time, with the earlier manifests.
    Older,
    /// It plans first and goes on so many seconds after the end of the other run.
    Paused(u64),
}

const PIECES: usize = 14;

fn piece(random: &mut Rng) -> Piece {
    let mut knobs = [0; 8];
    random.fill(&mut knobs);
    Piece { kind: random.usize(..Kind::ALL.len()), name: random.usize(..3), knobs }
}

/// The same pieces with some changed, some removed and some added.
fn changed(pieces: &[Piece], random: &mut Rng) -> Vec<Piece> {
    let mut changed: Vec<Piece> = Vec::new();
    for it in pieces {
        match random.u8(..6) {
            0 => {}
            1 | 2 => {
                let mut it = it.clone();
                random.fill(&mut it.knobs);
                changed.push(it);
            }
            _ => changed.push(it.clone()),
        }
    }
    changed.extend((0..random.usize(..3)).map(|_| piece(random)));
    changed
}

fn pick<T: Copy>(random: &mut Rng, from: &[T]) -> T {
    from[random.usize(..from.len())]
}

/// The operations that a run on some kinds of resources calls.
struct Calls {
    creates: Vec<String>,
    updates: Vec<String>,
    deletes: Vec<String>,
    lists: Vec<String>,
    gets: Vec<String>,
    /// The check for an audience just before a write.
    looks: Vec<String>,
    tags: Vec<String>,
}

impl Calls {
    fn on(kinds: &BTreeSet<Kind>) -> Self {
        let mut calls = Self {
            creates: Vec::new(),
            updates: Vec::new(),
            deletes: Vec::new(),
            lists: vec!["ListStreams".to_owned()],
            gets: vec!["ListTagsForResource".to_owned()],
            looks: vec!["GetStream".to_owned()],
            tags: vec!["TagResource".to_owned(), "UntagResource".to_owned()],
        };
        for kind in kinds {
            let (make, end) = match kind {
                Kind::Composition | Kind::ParticipantReplication => ("Start", "Stop"),
                Kind::PlaybackKeyPair | Kind::PublicKey => ("Import", "Delete"),
                _ => ("Create", "Delete"),
            };
            calls.creates.push(format!("{make}{kind}"));
            calls.deletes.push(format!("{end}{kind}"));
            if kind.facts().mutable != Mutable::TagsOnly {
                calls.updates.push(format!("Update{kind}"));
            }
            if *kind == Kind::ParticipantReplication {
                calls.lists.push("ListParticipantReplicas".to_owned());
                continue;
            }
            calls.gets.push(if *kind == Kind::Channel {
                "BatchGetChannel".to_owned()
            } else {
                format!("Get{kind}")
            });
            calls.lists.push(match kind.name().strip_suffix('y') {
                Some(stem) if !stem.ends_with('e') => format!("List{stem}ies"),
                _ => format!("List{kind}s"),
            });
        }
        calls
    }

    /// One that changes something, of any sort alike.
    fn write(&self, random: &mut Rng) -> String {
        one_of(random, &[&self.creates, &self.updates, &self.deletes, &self.tags])
    }

    fn any(&self, random: &mut Rng) -> String {
        if random.bool() {
            return self.write(random);
        }
        one_of(random, &[&self.lists, &self.gets, &self.looks])
    }
}

/// One of any of these groups that has some.
fn one_of(random: &mut Rng, groups: &[&Vec<String>]) -> String {
    let groups: Vec<&&Vec<String>> = groups.iter().filter(|it| !it.is_empty()).collect();
    if groups.is_empty() {
        return "*".to_owned();
    }
    let group = groups[random.usize(..groups.len())];
    group[random.usize(..group.len())].clone()
}

/// When a fault applies: at a certain call, at some consecutive calls, or at random.
fn when(random: &mut Rng, fault: &mut Value) {
    match random.u8(..4) {
        0 => fault["nth"] = json!(1),
        1 => {
            fault["nth"] = json!(1 + random.u64(..3));
            fault["times"] = json!(1 + random.u64(..3));
        }
        2 => fault["probability"] = json!(0.2),
        _ => fault["probability"] = json!(0.5),
    }
}

/// One fault of the table in `docs/reliability.md` §7. `calm` leaves out those that put time between the read of an
/// object and the write that follows it, in which another client may change it.
fn fault(random: &mut Rng, calls: &Calls, calm: bool) -> Value {
    let mut fault = match random.u8(..17) {
        0 | 1 => json!({ "kind": "loseReply", "operation": calls.write(random) }),
        2 | 3 => json!({ "kind": "loseReply", "operation": calls.write(random), "done": false }),
        4 | 5 => {
            json!({ "kind": "error500", "operation": calls.write(random), "done": random.bool() })
        }
        6 => json!({ "kind": "throttle", "operation": calls.any(random) }),
        7 => {
            let operation = if random.bool() { "*".to_owned() } else { calls.any(random) };
            let seconds = pick(random, &[2, 20, 100_000]);
            return marked(
                json!({ "kind": "throttle", "operation": operation, "seconds": seconds }),
            );
        }
        8 if !calm => {
            let seconds = pick(random, &[2, 12, 20, 45]);
            json!({ "kind": "stall", "operation": calls.write(random), "seconds": seconds })
        }
        9 if !calm => {
            let seconds = pick(random, &[2, 12]);
            json!({ "kind": "delay", "operation": calls.write(random), "seconds": seconds })
        }
        10 => json!({ "kind": "twice", "operation": calls.write(random) }),
        11 => {
            let operation =
                if random.bool() { "*".to_owned() } else { one_of(random, &[&calls.lists]) };
            let seconds = pick(random, &[1, 5, 20, 90]);
            return marked(
                json!({ "kind": "listLag", "operation": operation, "seconds": seconds }),
            );
        }
        12 => {
            let operation =
                if random.bool() { "*".to_owned() } else { one_of(random, &[&calls.gets]) };
            let seconds = pick(random, &[1, 3, 10]);
            return marked(json!({ "kind": "getLag", "operation": operation, "seconds": seconds }));
        }
        13 => {
            let kind = pick(random, &["expireToken", "repeatToken", "movedItem", "error500"]);
            json!({ "kind": kind, "operation": one_of(random, &[&calls.lists]), "done": false })
        }
        14 => {
            let names = ["ExpiredTokenException", "AccessDeniedException", "PendingVerification"];
            json!({ "kind": "error", "name": pick(random, &names), "operation": calls.any(random) })
        }
        15 => {
            let kind = pick(random, &["createFailed", "stuck"]);
            json!({ "kind": kind, "operation": one_of(random, &[&calls.creates]) })
        }
        _ => {
            let how = pick(random, &["word", "control", "empty", "account"]);
            let operation = one_of(random, &[&calls.lists, &calls.gets]);
            json!({ "kind": "odd", "name": how, "operation": operation })
        }
    };
    when(random, &mut fault);
    marked(fault)
}

/// The access key of changes that the test makes outside.
pub(crate) const OUTSIDE: &str = "OUTSIDE";

fn marked(mut fault: Value) -> Value {
    fault["spares"] = json!(OUTSIDE);
    fault
}

impl Case {
    /// The case of `seed`.
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let random = &mut random;
        let pieces: Vec<Piece> = (0..random.usize(2..PIECES)).map(|_| piece(random)).collect();
        let later = changed(&pieces, random);
        let before = if random.u8(..6) == 0 { Vec::new() } else { resources(&pieces) };
        let after = resources(&later);
        let kinds = before.iter().chain(&after).map(|it| it.address.kind).collect();
        let calls = Calls::on(&kinds);
        let meddled = random.u8(..4) == 0;
        let others = (0..if meddled { random.usize(1..4) } else { 0 })
            .map(|_| {
                let which = random.usize(..64);
                let other = match random.u8(..9) {
                    0..=2 => Other::GoesLive(which),
                    3 => Other::Edits(which),
                    4 => Other::Deletes(which),
                    5 => Other::StripsTags(which),
                    6 => Other::TakesOver(which),
                    7 => Other::CopiesTags(which),
                    _ => Other::Protects(which),
                };
                (if random.bool() { 0 } else { random.usize(1..12) }, other)
            })
            .collect();
        let end = match random.u8(..10) {
            0 => {
                End::Killed { request: random.u64(1..40), done: random.bool(), late: random.bool() }
            }
            1 => End::KilledAfter { request: random.u64(1..40), late: random.bool() },
            2 | 3 => End::Signal { event: random.usize(..24), twice: random.u8(..4) == 0 },
            _ => End::Nothing,
        };
        let second = match random.u8(..12) {
            0 => Second::Same,
            1 => Second::Older,
            2 => Second::Paused(pick(random, &[1, 30, 120, 1_200])),
            _ => Second::None,
        };
        let calm = meddled || second != Second::None;
        Self {
            seed,
            before,
            after,
            consent: random.bool(),
            prune: random.u8(..4) > 0,
            page: if random.bool() { 0 } else { random.u32(1..4) },
            faults: (0..random.usize(..2)).map(|_| fault(random, &calls, calm)).collect(),
            late: (0..random.usize(..6)).map(|_| fault(random, &calls, calm)).collect(),
            quota: (random.u8(..12) == 0).then(|| {
                pick(
                    random,
                    &["channels", "stages", "recordingConfigurations", "storageConfigurations"],
                )
            }),
            end,
            others,
            second,
            pause: pick(random, &[0, 0, 5, 300]),
            faulted_runs: random.usize(1..3),
        }
    }

    /// A case in which a fault is likely to meet a step: for cells of the table that the seeds have not hit.
    pub(crate) fn steered(seed: u64, fault: &str, step: &str) -> Self {
        let mut case = Self::of(seed);
        let random = &mut Rng::with_seed(seed);
        let operation = match step {
            "S2" | "S6" | "S13" => "List*",
            "S3" | "S8" => pick(random, &["Get*", "BatchGet*"]),
            "S7" => pick(random, &["Create*", "Import*", "Start*"]),
            "S9" => "Update*",
            "S10" => pick(random, &["TagResource", "UntagResource"]),
            "S11" => "GetStream",
            _ => pick(random, &["Delete*", "Stop*"]),
        };
        let steered = match fault {
            "F1" => json!({ "kind": "hold", "done": random.bool() }),
            "F2" => json!({ "kind": "loseReply" }),
            "F3" => json!({ "kind": "loseReply", "done": false }),
            "F4" => json!({ "kind": "error500", "done": random.bool() }),
            "F5" => json!({ "kind": "throttle" }),
            "F6" => json!({ "kind": "stall", "seconds": 12 }),
            "F7" => json!({ "kind": "twice" }),
            "F8" => json!({ "kind": "listLag", "seconds": 5 }),
            "F9" => json!({ "kind": "error500", "done": false }),
            "F13" => json!({ "kind": "error", "name": "ExpiredTokenException" }),
            "F15" => json!({ "kind": pick(random, &["createFailed", "getLag"]), "seconds": 3 }),
            "F18" => json!({ "kind": "odd", "name": "word" }),
            _ => Value::Null,
        };
        let which = random.usize(..64);
        let edits = [Other::Edits(which), Other::StripsTags(which), Other::TakesOver(which)];
        case.faults.clear();
        case.late.clear();
        case.others.clear();
        case.second = Second::None;
        case.end = End::Nothing;
        match fault {
            "F10" if step == "S10" => {
                let strips = |it| (0, Other::StripsTags(which + it));
                case.others = (0..4).map(strips).collect();
            }
            "F10" => case.others = vec![(random.usize(..6), pick(random, &edits))],
            "F11" => case.second = Second::Paused(30),
            "F12" => case.others = vec![(random.usize(..4), Other::GoesLive(which))],
            "F17" => case.end = End::Signal { event: random.usize(..24), twice: false },
            _ => {
                let mut it = marked(steered);
                it["operation"] = json!(operation);
                it["nth"] = json!(1 + random.u64(..3));
                let early = matches!(step, "S2" | "S3");
                if fault == "F1" {
                    case.end = End::Steered;
                }
                let faults = if early { &mut case.faults } else { &mut case.late };
                faults.push(it);
                case.faulted_runs = 1;
            }
        }
        if step == "S6" {
            case.pause = 300;
        }
        case
    }
}
