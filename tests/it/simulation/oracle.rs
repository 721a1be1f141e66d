//! Judges a test run by the history of the account: the invariants of `docs/reliability.md` §7. Compares what the
//! engine planned and reported with the mutations that were carried out.

use super::chance::{End, OUTSIDE, Second};
use super::test_run::{Run, TestRun};
use ivs_apply::apply::{Failure, StepStatus};
use ivs_apply::aws::Tags;
use ivs_apply::kinds::{Kind, Owner};
use ivs_apply::plan::{Action, Cause, Decision, Step};
use serde_json::Value;
use std::collections::BTreeMap;

/// The least age of a duplicate that is deleted.
const RIPE_MILLIS: i64 = 15 * 60 * 1000;

/// The largest difference between the time in an attempt's id and the time at which it is carried out: an attempt times out after ten
/// seconds, and a stalled request is carried out at most 45 s late.
const OP_MILLIS: i64 = 60_000;

/// The largest number of calls of one run.
const CALLS: u64 = 5_000;

/// The first violation of an invariant, if there is one.
pub(crate) fn judge(test_run: &TestRun) -> Result<(), String> {
    if let Some(why) = &test_run.unsettled {
        return Err(format!("I5: {why}"));
    }
    let mut account = AccountState::default();
    for (index, event) in test_run.history.iter().enumerate() {
        let event = Happened::read(index, event);
        if event.caller != OUTSIDE {
            account.judge(&event, test_run)?;
        }
        account.note(&event);
    }
    for run in &test_run.runs {
        report_is_true(run, test_run)?;
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

/// The objects that exist by the history: ARN, tags, and the time and number of the creation.
#[derive(Default)]
struct AccountState {
    there: BTreeMap<String, Tags>,
    since: BTreeMap<String, (i64, usize)>,
}

/// An object that has existed for so long is seen before another is created: a read is relied on for a minute, and
/// the call that follows it takes less than another.
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

impl AccountState {
    fn note(&mut self, event: &Happened) {
        if event.deletes() {
            self.there.remove(&event.arn);
        } else {
            let tags = event.after.clone().unwrap_or_else(|| event.tags.clone());
            self.since.entry(event.arn.clone()).or_insert((event.at, event.index));
            self.there.insert(event.arn.clone(), tags);
        }
    }

    fn judge(&self, event: &Happened, test_run: &TestRun) -> Result<(), String> {
        if !self.there.contains_key(&event.arn) {
            return is_created_with_tags(event)
                .and_then(|()| self.is_created_once(event, test_run));
        }
        let owner = Owner::of(&event.tags);
        let ours = owner.in_stack("laws").is_some();
        let taken_over = event.kind == Some(Kind::StreamKey) && owner == Owner::Unowned;
        if !ours && !taken_over {
            return Err(event.says("I3: written to, and not ours"));
        }
        let steps = || {
            test_run.runs.iter().filter(|run| run.from <= event.index).flat_map(|run| {
                let steps = run.plan.iter().flat_map(|it| &it.steps);
                steps.filter(|it| it.decision.is_do()).map(move |step| (run, step))
            })
        };
        let mine = |step: &Step| step.arn.as_ref().is_some_and(|it| it.as_str() == event.arn);
        // The publisher of an ingest configuration is disconnected from its stage.
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
        if self.is_duplicate_of_own_run(event, test_run) {
            return Ok(());
        }
        let mut verdicts = steps()
            .filter(|(_, it)| it.action == Action::Delete && mine(it))
            .map(|(run, step)| self.may_be_deleted(event, test_run, run, step));
        let first = verdicts.next().unwrap_or_else(|| Err(event.says("I2: no plan says so")));
        // One plan with a valid reason is enough.
        verdicts.fold(first, |so_far, next| if so_far.is_ok() { so_far } else { next })
    }

    /// Whether this is a duplicate that the run which created it deletes before it ends, while the object that counts
    /// exists.
    fn is_duplicate_of_own_run(&self, event: &Happened, test_run: &TestRun) -> bool {
        let Some((_, creation)) = self.since.get(&event.arn) else { return false };
        let during = |run: &Run| run.from <= *creation && event.index < run.to;
        let place = |arn: &str| arn.split('/').next().map(ToOwned::to_owned);
        let same = |tags: &Tags, key: &str| tags.get(key) == event.tags.get(key);
        // It may have failed and been deleted between two reads; the run that created it reports that.
        let failed = has_failed(test_run, &event.arn)
            || test_run
                .runs
                .iter()
                .filter(|run| during(run))
                .any(|run| was_created_unusable(run, event));
        let counts = self.there.iter().any(|(arn, tags)| {
            place(arn) == place(&event.arn)
                && same(tags, "ivs-apply:stack")
                && same(tags, "ivs-apply:name")
                && (has_failed(test_run, arn), op(tags), arn.as_str())
                    < (failed, op(&event.tags), event.arn.as_str())
        });
        counts && test_run.runs.iter().any(during)
    }

    /// No object is created while another one with its name exists, apart from the one that it replaces, if the run
    /// could have seen that one.
    fn is_created_once(&self, event: &Happened, test_run: &TestRun) -> Result<(), String> {
        let ephemeral = event.kind.is_some_and(|it| !it.facts().ended.is_empty());
        if event.kind == Some(Kind::StreamKey) || ephemeral {
            return Ok(());
        }
        let name = event.tags.get("ivs-apply:name");
        let replaces = replaced(&event.tags);
        let kind = event.arn.split('/').next().unwrap_or_default();
        let duplicates = self.there.iter().filter(|(arn, tags)| {
            let its_id = arn.rsplit('/').next();
            let superseded = self.there.values().any(|it| replaced(it) == its_id);
            arn.starts_with(&format!("{kind}/"))
                && Owner::of(tags).in_stack("laws").is_some_and(|it| Some(&it.name) == name)
                && replaces != its_id
                && !superseded
        });
        for (duplicate_copy, _) in duplicates {
            let (since, index) =
                self.since.get(duplicate_copy).copied().unwrap_or((event.at, event.index));
            let age = event.at - since;
            if may_be_duplicated(test_run, age) || was_hidden_by_lag(test_run, age, index) {
                continue;
            }
            return Err(event
                .says(&format!("I5: made beside {duplicate_copy}, which was there for {age} ms")));
        }
        Ok(())
    }

    /// Whether a delete is valid for the reason that its plan gives.
    fn may_be_deleted(
        &self,
        event: &Happened,
        test_run: &TestRun,
        run: &Run,
        step: &Step,
    ) -> Result<(), String> {
        match step.because.first() {
            Some(Cause::Duplicate { of }) => {
                let winner = self.there.get(of.as_str());
                let winner = winner.ok_or_else(|| event.says("I2: the last copy goes"))?;
                let same = |key: &str| winner.get(key) == event.tags.get(key);
                if !same("ivs-apply:stack") || !same("ivs-apply:name") {
                    return Err(event.says("I2: it is no duplicate"));
                }
                if (has_failed(test_run, of.as_str()), op(winner), of.as_str())
                    >= (has_failed(test_run, &event.arn), op(&event.tags), event.arn.as_str())
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

/// Whether the faults of a test run make a second object unavoidable where one of this age exists.
fn may_be_duplicated(test_run: &TestRun, age: i64) -> bool {
    let case = &test_run.case;
    let faults = || case.faults.iter().chain(&case.late);
    let any = |kinds: &[&str]| {
        faults().any(|it| it["kind"].as_str().is_some_and(|it| kinds.contains(&it)))
    };
    let lag = faults().filter(|it| it["kind"] == "listLag");
    let lag = lag.filter_map(|it| it["seconds"].as_i64()).max().unwrap_or(0);
    // Tags are copied or removed outside; answers leave objects out or name them wrongly.
    if !case.others.is_empty() || any(&["twice", "odd"]) {
        return true;
    }
    if age > SEEN_MILLIS {
        return lag >= 60;
    }
    let at_once = case.second != Second::None;
    let late = any(&["stall", "delay"]);
    // The lag is longer than the search for a lost create, or than the wait at the end of a run, or the run was ended
    // before that wait.
    let not_visible = lag >= 60
        || (lag >= 15 && any(&["loseReply", "error500"]))
        || (lag > 0 && case.end != End::Nothing);
    at_once || late || not_visible
}

/// Whether listings began to lag after a run without faults had seen an object of this age in them: no run can know
/// of an object that listings show and later leave out. The read may be some time before the create.
fn was_hidden_by_lag(test_run: &TestRun, age: i64, creation: usize) -> bool {
    let case = &test_run.case;
    let early = !case.before.is_empty() && test_run.runs.first().is_some_and(|it| creation < it.to);
    let lag = case.faults.iter().chain(&case.late).filter(|it| it["kind"] == "listLag");
    early && lag.filter_map(|it| it["seconds"].as_i64()).any(|it| age < it * 1_000 + SEEN_MILLIS)
}

/// I1: every object has its ownership tags from its creation on.
fn is_created_with_tags(event: &Happened) -> Result<(), String> {
    // The stream key that AWS creates along with a channel has no owner yet.
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

/// Whether AWS failed to create an object: no resource can refer to it, so it comes after every other with its
/// address.
fn has_failed(test_run: &TestRun, arn: &str) -> bool {
    let mut looks = test_run.runs.iter().filter_map(|it| it.there.get(arn));
    looks.any(|state| state == "CREATE_FAILED")
}

/// Whether a run reports that an object which it created with the name of this one became unusable.
fn was_created_unusable(run: &Run, event: &Happened) -> bool {
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

/// I10: the report of a run agrees with the history.
fn report_is_true(run: &Run, test_run: &TestRun) -> Result<(), String> {
    let (Some(plan), Some(outcome)) = (&run.plan, &run.outcome) else { return Ok(()) };
    let during: Vec<Happened> = test_run.history[run.from..run.to]
        .iter()
        .enumerate()
        .map(|(index, event)| Happened::read(run.from + index, event))
        .filter(|it| it.caller != OUTSIDE)
        .collect();
    let struck = |kind: &str| {
        test_run.case.faults.iter().chain(&test_run.case.late).any(|it| it["kind"] == kind)
    };
    let by_id = plan.by_id();
    for (id, status) in &outcome.steps {
        let step = by_id[id];
        let arn = step.arn.as_ref().map(ivs_apply::kinds::Arn::as_str);
        let wrong = |what: &str| {
            let (action, address) = (step.action.as_str(), &step.address);
            let its = during.iter().filter(|it| Some(it.arn.as_str()) == arn);
            let its: Vec<String> =
                its.map(|it| format!("{} at {} ms", it.operation, it.at)).collect();
            Err(format!("I10: {action} {address}: {what}: {status:?}; writes: {}", its.join(", ")))
        };
        // The step of a stream key writes a tag of its channel.
        let keys = plan.steps.iter().any(|it| it.address.kind == Kind::StreamKey);
        let by_key = |it: &Happened| {
            keys && it.kind == Some(Kind::Channel)
                && matches!(it.operation.as_str(), "TagResource" | "UntagResource")
        };
        let written = || during.iter().any(|it| Some(it.arn.as_str()) == arn && !by_key(it));
        let others = plan.steps.iter().filter(|it| it.arn == step.arn && it.id != step.id).count();
        let created = || {
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
                    && !test_run.history.iter().any(|it| it["arn"] == arn.as_str()) =>
            {
                return wrong("done, and it was never made");
            }
            StepStatus::Done(Some(arn)) if step.action == Action::Delete => {
                let over = ["STOPPING", "STOPPED", "FAILED"];
                if run.there.get(arn.as_str()).is_some_and(|state| !over.contains(&state.as_str()))
                {
                    return wrong("done, and it is still there");
                }
            }
            StepStatus::Done(_)
                if step.writes_spec()
                    && step.action == Action::Update
                    && !written()
                    && run.alone =>
            {
                return wrong("done, and nothing was written");
            }
            StepStatus::NotStarted
            | StepStatus::Skipped(_)
            | StepStatus::Stale(_)
            | StepStatus::Deferred(_)
                if run.alone =>
            {
                // A stalled request of an earlier run is carried out now, and makes the step stale.
                let stray = matches!(status, StepStatus::Stale(_)) && struck("stall");
                if step.arn.is_some() && others == 0 && written() && !stray {
                    return wrong("it was written to");
                }
                if step.arn.is_none() && created().is_some() {
                    return wrong("it was made");
                }
            }
            StepStatus::Failed(failure) if run.alone && step.action.makes() => {
                let half = matches!(failure, Failure::HalfDone { .. } | Failure::Unlisted { .. });
                // The second delivery is answered, which is a refusal where only one object can exist.
                if !half && created().is_some() && !struck("twice") {
                    return wrong("failed, and it was made");
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
