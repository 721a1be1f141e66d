//! Judges a life by the account's own history: the invariants of `docs/reliability.md` §7. Knows nothing of how the
//! engine comes to what it does, only what it planned, what it said, and what truly happened.

use super::chance::{End, OUTSIDE, Second};
use super::test_run::{Life, Run};
use ivs_apply::apply::{Failure, StepStatus};
use ivs_apply::aws::Tags;
use ivs_apply::kinds::{Kind, Owner};
use ivs_apply::plan::{Action, Cause, Decision, Step};
use serde_json::Value;
use std::collections::BTreeMap;

/// The least age of a duplicate that is deleted.
const RIPE_MILLIS: i64 = 15 * 60 * 1000;

/// How far the time in an attempt's name may lie from when it is carried out: an attempt times out after ten
/// seconds, and a stalled request is carried out at most 45 s late.
const OP_MILLIS: i64 = 60_000;

/// A run makes no more calls than this, whatever goes wrong.
const CALLS: u64 = 5_000;

/// What is wrong with a life, if anything.
pub(crate) fn judge(life: &Life) -> Result<(), String> {
    if let Some(why) = &life.unsettled {
        return Err(format!("I5: {why}"));
    }
    let mut world = World::default();
    for (index, event) in life.history.iter().enumerate() {
        let event = Happened::read(index, event);
        if event.caller != OUTSIDE {
            world.judge(&event, life)?;
        }
        world.note(&event);
    }
    for run in &life.runs {
        report_is_true(run, life)?;
        if run.ended - run.began > CALLS {
            return Err(format!("I11: {} calls in one run", run.ended - run.began));
        }
        let said = format!("{:?}{:?}", run.plan, run.outcome);
        for secret in ["sk_emulator", "rt_0000", "passphrase"] {
            if said.contains(secret) {
                return Err(format!("I9: {secret} in what a run holds"));
            }
        }
    }
    Ok(())
}

/// One event of the history.
struct Happened {
    index: usize,
    operation: String,
    arn: String,
    kind: Option<Kind>,
    at: i64,
    tags: Tags,
    after: Option<Tags>,
    caller: String,
    victims: Vec<String>,
}

fn tags(value: &Value) -> Tags {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

impl Happened {
    fn read(index: usize, event: &Value) -> Self {
        let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
        let arn = text("arn");
        let of_kind =
            |kind: &&Kind| kind.facts().arn_type.is_some_and(|it| arn.contains(&format!(":{it}/")));
        Self {
            index,
            operation: text("operation"),
            kind: Kind::ALL.iter().find(of_kind).copied(),
            at: event["atMillis"].as_i64().unwrap_or_default(),
            tags: tags(&event["tags"]),
            after: event["after"].is_object().then(|| tags(&event["after"])),
            caller: text("caller"),
            victims: event["victims"]
                .as_array()
                .into_iter()
                .flatten()
                .map(ToString::to_string)
                .collect(),
            arn,
        }
    }

    fn deletes(&self) -> bool {
        self.operation.starts_with("Delete") || self.operation == "StopComposition"
    }

    fn says(&self, what: &str) -> String {
        format!("{what}: event {} {} on {} {:?}", self.index, self.operation, self.arn, self.tags)
    }
}

/// What is truly there: ARN, tags, and since when, with which event.
#[derive(Default)]
struct World {
    there: BTreeMap<String, Tags>,
    since: BTreeMap<String, (i64, usize)>,
}

/// An object that has been there for so long is seen before another is made: a look counts for a minute, and
/// what follows it takes less than another.
const SEEN_MILLIS: i64 = 130_000;

fn op(tags: &Tags) -> &str {
    recorded(tags, " op=").unwrap_or_default()
}

/// The id of the object that one with these tags replaces.
fn replaced(tags: &Tags) -> Option<&str> {
    recorded(tags, " replaces=")
}

fn recorded<'a>(tags: &'a Tags, key: &str) -> Option<&'a str> {
    tags.get("ivs-apply:record")?.split_once(key)?.1.split(' ').next()
}

fn made(tags: &Tags) -> Option<i64> {
    i64::try_from(ulid::Ulid::from_string(op(tags)).ok()?.timestamp_ms()).ok()
}

impl World {
    fn note(&mut self, event: &Happened) {
        if event.deletes() {
            self.there.remove(&event.arn);
        } else {
            let tags = event.after.clone().unwrap_or_else(|| event.tags.clone());
            self.since.entry(event.arn.clone()).or_insert((event.at, event.index));
            self.there.insert(event.arn.clone(), tags);
        }
    }

    fn judge(&self, event: &Happened, life: &Life) -> Result<(), String> {
        if !self.there.contains_key(&event.arn) {
            return born_well(event).and_then(|()| self.born_alone(event, life));
        }
        let owner = Owner::of(&event.tags);
        let ours = owner.in_stack("laws").is_some();
        let taken_over = event.kind == Some(Kind::StreamKey) && owner == Owner::Unowned;
        if !ours && !taken_over {
            return Err(event.says("I3: written to, and not ours"));
        }
        let steps = || {
            life.runs.iter().filter(|run| run.from <= event.index).flat_map(|run| {
                let steps = run.plan.iter().flat_map(|it| &it.steps);
                steps.filter(|it| it.decision.is_do()).map(move |step| (run, step))
            })
        };
        let mine = |step: &Step| step.arn.as_ref().is_some_and(|it| it.as_str() == event.arn);
        // Who publishes by an ingest configuration is thrown out of its stage.
        let consented = |step: &Step| {
            let through = match event.operation.as_str() {
                "DisconnectParticipant" => step.address.kind == Kind::IngestConfiguration,
                "StopParticipantReplication" => step.address.kind == Kind::ParticipantReplication,
                _ => false,
            };
            (mine(step) || through) && step.decision == Decision::Interrupt
        };
        if !event.victims.is_empty() && !steps().any(|(_, step)| consented(step)) {
            return Err(event.says(&format!("I4: cut off without consent: {:?}", event.victims)));
        }
        if !event.deletes() {
            return Ok(());
        }
        if event.tags.get("ivs-apply:protect").is_some_and(|it| it == "true") {
            return Err(event.says("I4: protected, and deleted"));
        }
        if self.gives_way(event, life) {
            return Ok(());
        }
        let mut verdicts = steps()
            .filter(|(_, it)| it.action == Action::Delete && mine(it))
            .map(|(run, step)| self.may_go(event, life, run, step));
        let first = verdicts.next().unwrap_or_else(|| Err(event.says("I2: no plan says so")));
        // One plan that says so rightly is enough.
        verdicts.fold(first, |so_far, next| if so_far.is_ok() { so_far } else { next })
    }

    /// Whether this is a copy that a run deletes which made it and has not ended, while the copy that counts is
    /// there.
    fn gives_way(&self, event: &Happened, life: &Life) -> bool {
        let Some((_, birth)) = self.since.get(&event.arn) else { return false };
        let during = |run: &Run| run.from <= *birth && event.index < run.to;
        let place = |arn: &str| arn.split('/').next().map(ToOwned::to_owned);
        let same = |tags: &Tags, key: &str| tags.get(key) == event.tags.get(key);
        // It may have failed and gone between two looks; the run that made it says so.
        let failed = has_failed(life, &event.arn)
            || life.runs.iter().filter(|run| during(run)).any(|run| made_of_no_use(run, event));
        let counts = self.there.iter().any(|(arn, tags)| {
            place(arn) == place(&event.arn)
                && same(tags, "ivs-apply:stack")
                && same(tags, "ivs-apply:name")
                && (has_failed(life, arn), op(tags), arn.as_str())
                    < (failed, op(&event.tags), event.arn.as_str())
        });
        counts && life.runs.iter().any(during)
    }

    /// Nothing is made while another of its name is there, apart from what it replaces: not where somebody
    /// could have known.
    fn born_alone(&self, event: &Happened, life: &Life) -> Result<(), String> {
        let ephemeral = event.kind.is_some_and(|it| !it.facts().ended.is_empty());
        if event.kind == Some(Kind::StreamKey) || ephemeral {
            return Ok(());
        }
        let name = event.tags.get("ivs-apply:name");
        let replaces = replaced(&event.tags);
        let kind = event.arn.split('/').next().unwrap_or_default();
        let twins = self.there.iter().filter(|(arn, tags)| {
            let its_id = arn.rsplit('/').next();
            let superseded = self.there.values().any(|it| replaced(it) == its_id);
            arn.starts_with(&format!("{kind}/"))
                && Owner::of(tags).in_stack("laws").is_some_and(|it| Some(&it.name) == name)
                && replaces != its_id
                && !superseded
        });
        for (duplicate_copy, _) in twins {
            let (since, index) =
                self.since.get(duplicate_copy).copied().unwrap_or((event.at, event.index));
            let age = event.at - since;
            if may_be_doubled(life, age) || forgotten(life, age, index) {
                continue;
            }
            return Err(event
                .says(&format!("I5: made beside {duplicate_copy}, which was there for {age} ms")));
        }
        Ok(())
    }

    /// Whether a delete is right by the reason its plan gives.
    fn may_go(&self, event: &Happened, life: &Life, run: &Run, step: &Step) -> Result<(), String> {
        match step.because.first() {
            Some(Cause::Duplicate { of }) => {
                let winner = self.there.get(of.as_str());
                let winner = winner.ok_or_else(|| event.says("I2: the last copy goes"))?;
                let same = |key: &str| winner.get(key) == event.tags.get(key);
                if !same("ivs-apply:stack") || !same("ivs-apply:name") {
                    return Err(event.says("I2: it is no duplicate"));
                }
                if (has_failed(life, of.as_str()), op(winner), of.as_str())
                    >= (has_failed(life, &event.arn), op(&event.tags), event.arn.as_str())
                {
                    return Err(event.says("I2: the one that counts goes"));
                }
                match made(&event.tags) {
                    Some(made) if event.at - made > RIPE_MILLIS => Ok(()),
                    _ => Err(event.says("I2: a duplicate goes too soon")),
                }
            }
            Some(Cause::Superseded) => {
                let id = event.arn.rsplit('/').next().unwrap_or_default();
                let mut others = self.there.values();
                let successor = others.any(|it| replaced(it) == Some(id));
                if successor { Ok(()) } else { Err(event.says("I2: nothing takes its place")) }
            }
            Some(Cause::Orphan) if !run.prune || run.desired.contains(&step.address) => {
                Err(event.says("I2: declared, and pruned"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a life has something in it that makes a second object unavoidable beside one of this age.
fn may_be_doubled(life: &Life, age: i64) -> bool {
    let case = &life.case;
    let faults = || case.faults.iter().chain(&case.late);
    let any = |kinds: &[&str]| {
        faults().any(|it| it["kind"].as_str().is_some_and(|it| kinds.contains(&it)))
    };
    let lag = faults().filter(|it| it["kind"] == "listLag");
    let lag = lag.filter_map(|it| it["seconds"].as_i64()).max().unwrap_or(0);
    // Somebody copies tags or takes them off; answers that leave objects out or name them wrongly.
    if !case.others.is_empty() || any(&["twice", "odd"]) {
        return true;
    }
    if age > SEEN_MILLIS {
        return lag >= 60;
    }
    let at_once = case.second != Second::None;
    let late = any(&["stall", "delay"]);
    // Longer than a lost create is looked for, or than the end of a run waits; or a run that never came to it.
    let not_visible = lag >= 60
        || (lag >= 15 && any(&["loseReply", "error500"]))
        || (lag > 0 && case.end != End::Nothing);
    at_once || late || not_visible
}

/// Whether listings came to lag after a run without faults had seen an object of this age in them: no run can
/// know of what listings show and then show no more. It may have looked a while before it made another.
fn forgotten(life: &Life, age: i64, birth: usize) -> bool {
    let case = &life.case;
    let early = !case.before.is_empty() && life.runs.first().is_some_and(|it| birth < it.to);
    let lag = case.faults.iter().chain(&case.late).filter(|it| it["kind"] == "listLag");
    early && lag.filter_map(|it| it["seconds"].as_i64()).any(|it| age < it * 1_000 + SEEN_MILLIS)
}

/// I1: whatever is made says from birth whose it is.
fn born_well(event: &Happened) -> Result<(), String> {
    // The key that AWS makes with a channel belongs to nobody yet.
    if event.kind == Some(Kind::StreamKey) && event.operation == "CreateChannel" {
        return Ok(());
    }
    let owner = Owner::of(&event.tags);
    let whole =
        owner.in_stack("laws").is_some_and(|it| !it.name.is_empty() && !it.attempt_id.is_empty());
    if !whole {
        return Err(event.says("I1: made without its tags"));
    }
    match made(&event.tags) {
        Some(made) if (event.at - made).abs() < OP_MILLIS => Ok(()),
        _ => Err(event.says("I1: its attempt does not say when it was")),
    }
}

/// Whether AWS failed to make an object: nothing can refer to it, so it comes after every other of its name.
fn has_failed(life: &Life, arn: &str) -> bool {
    let mut looks = life.runs.iter().filter_map(|it| it.there.get(arn));
    looks.any(|state| state == "CREATE_FAILED")
}

/// Whether a run says that what it made under the name of an object came to be of no use.
fn made_of_no_use(run: &Run, event: &Happened) -> bool {
    let (Some(plan), Some(outcome)) = (&run.plan, &run.outcome) else { return false };
    let by_id = plan.by_id();
    outcome.steps.iter().any(|(id, status)| {
        let address = &by_id[id].address;
        let state = |failure: &Failure| matches!(failure, Failure::State { .. });
        Some(address.kind) == event.kind
            && event.tags.get("ivs-apply:name") == Some(&address.name)
            && matches!(status, StepStatus::Failed(Failure::HalfDone { failure, .. }) if state(failure))
    })
}

/// I10: what a run says of its steps is what happened.
fn report_is_true(run: &Run, life: &Life) -> Result<(), String> {
    let (Some(plan), Some(outcome)) = (&run.plan, &run.outcome) else { return Ok(()) };
    let during: Vec<Happened> = life.history[run.from..run.to]
        .iter()
        .enumerate()
        .map(|(index, event)| Happened::read(run.from + index, event))
        .filter(|it| it.caller != OUTSIDE)
        .collect();
    let struck =
        |kind: &str| life.case.faults.iter().chain(&life.case.late).any(|it| it["kind"] == kind);
    let by_id = plan.by_id();
    for (id, status) in &outcome.steps {
        let step = by_id[id];
        let arn = step.arn.as_ref().map(ivs_apply::kinds::Arn::as_str);
        let lies = |what: &str| {
            let (action, address) = (step.action.as_str(), &step.address);
            let its = during.iter().filter(|it| Some(it.arn.as_str()) == arn);
            let its: Vec<String> =
                its.map(|it| format!("{} at {} ms", it.operation, it.at)).collect();
            Err(format!("I10: {action} {address}: {what}: {status:?}; writes: {}", its.join(", ")))
        };
        // A channel is told which key it has, or that it has none any more, by the step of that key.
        let keys = plan.steps.iter().any(|it| it.address.kind == Kind::StreamKey);
        let by_key = |it: &Happened| {
            keys && it.kind == Some(Kind::Channel)
                && matches!(it.operation.as_str(), "TagResource" | "UntagResource")
        };
        let written = || during.iter().any(|it| Some(it.arn.as_str()) == arn && !by_key(it));
        let others = plan.steps.iter().filter(|it| it.arn == step.arn && it.id != step.id).count();
        let born = || {
            during.iter().find(|it| {
                let name = it.tags.get("ivs-apply:name");
                it.kind == Some(step.address.kind)
                    && name == Some(&step.address.name)
                    && (it.operation.starts_with("Create")
                        || it.operation.starts_with("Import")
                        || it.operation.starts_with("Start"))
            })
        };
        match status {
            StepStatus::Done(Some(arn)) | StepStatus::Unconfirmed(arn)
                if step.action.makes()
                    && !life.history.iter().any(|it| it["arn"] == arn.as_str()) =>
            {
                return lies("done, and it was never made");
            }
            StepStatus::Done(Some(arn)) if step.action == Action::Delete => {
                let over = ["STOPPING", "STOPPED", "FAILED"];
                if run.there.get(arn.as_str()).is_some_and(|state| !over.contains(&state.as_str()))
                {
                    return lies("done, and it is still there");
                }
            }
            StepStatus::Done(_)
                if step.writes_spec()
                    && step.action == Action::Update
                    && !written()
                    && run.alone =>
            {
                return lies("done, and nothing was written");
            }
            StepStatus::NotStarted
            | StepStatus::Skipped(_)
            | StepStatus::Stale(_)
            | StepStatus::Deferred(_)
                if run.alone =>
            {
                // A request that an earlier run sent and did not wait for comes in now, and makes it stale.
                let stray = matches!(status, StepStatus::Stale(_)) && struck("stall");
                if step.arn.is_some() && others == 0 && written() && !stray {
                    return lies("it was written to");
                }
                if step.arn.is_none() && born().is_some() {
                    return lies("it was made");
                }
            }
            StepStatus::Failed(failure) if run.alone && step.action.makes() => {
                let half = matches!(failure, Failure::HalfDone { .. } | Failure::Unlisted { .. });
                // The second delivery is answered, and that is a refusal where only one can be.
                if !half && born().is_some() && !struck("twice") {
                    return lies("failed, and it was made");
                }
            }
            _ => {}
        }
    }
    if outcome.steps.len() != plan.steps.iter().filter(|it| it.decision.is_do()).count() {
        return Err("I10: a step has no status".to_owned());
    }
    Ok(())
}
