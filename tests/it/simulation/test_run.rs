//! Carries out one case: fills an emulated account, applies with faults and outside changes, then removes both and
//! checks that the account converges.

use super::chance::{Case, End, OUTSIDE, Other, Second};
use crate::account::{Account, session};
use ivs_apply::apply::{Event, Outcome, Signal, Stop};
use ivs_apply::aws::{Clients, Target};
use ivs_apply::cloud::Reading;
use ivs_apply::emulator::{Clock, Settings, Switches};
use ivs_apply::engine::{RunLock, connect};
use ivs_apply::kinds::{Desired, Kind, Stack};
use ivs_apply::plan::{Plan, Policy, Status, plan};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// No run takes longer: several waits of ten minutes for an object that never becomes usable.
const LONGEST_RUN: Duration = Duration::from_hours(2);

/// Long enough for a duplicate to be deleted and for every composition without a publisher to end.
const RESTORING: Duration = Duration::from_mins(25);

/// The record of one apply.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) desired: BTreeSet<ivs_apply::kinds::Address>,
    pub(crate) prune: bool,
    /// `None` where the account could not be read to the end.
    pub(crate) plan: Option<Plan>,
    /// `None` where the run was killed, or had nothing to do.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) killed: bool,
    pub(crate) alone: bool,
    /// Positions in the account's history.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Numbers of calls: at its beginning, after the reading, after the last step, at its end.
    pub(crate) began: u64,
    pub(crate) read: u64,
    pub(crate) stepped: u64,
    pub(crate) ended: u64,
    pub(crate) took: Duration,
    /// The step at which the signal came.
    pub(crate) stopped_in: Option<&'static str>,
    /// The objects at its end, with their states.
    pub(crate) there: BTreeMap<String, String>,
}

/// What the oracle judges.
pub(crate) struct TestRun {
    pub(crate) case: Case,
    pub(crate) runs: Vec<Run>,
    pub(crate) history: Vec<Value>,
    pub(crate) marks: Vec<Value>,
    /// Why the account did not converge, if it did not.
    pub(crate) unsettled: Option<String>,
}

/// The account, the case, and the changes made outside.
struct Simulation {
    account: Account,
    stack: Stack,
    case: Case,
    /// Objects with changes made outside, which are undone in the end.
    touched: Mutex<Touched>,
}

#[derive(Default)]
struct Touched {
    streams: BTreeSet<String>,
    participants: Vec<(String, String)>,
    ingests: BTreeSet<String>,
    tampered: BTreeSet<String>,
    protected: BTreeSet<String>,
    edited: BTreeSet<String>,
}

impl Simulation {
    fn control(&self, method: &str, path: &str, body: Value) -> Value {
        self.account.control(method, &format!("/_emulator/{path}"), body)
    }

    fn calls(&self) -> u64 {
        let calls = self.control("GET", "calls", Value::Null);
        calls.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
    }

    fn history(&self) -> Vec<Value> {
        let mut history = self.control("GET", "history", Value::Null);
        assert_eq!(history["forgotten"], 0, "the history is whole");
        std::mem::take(history["events"].as_array_mut().expect("a list"))
    }

    fn objects(&self) -> Vec<Value> {
        let mut objects = self.control("GET", "objects", Value::Null);
        std::mem::take(objects["objects"].as_array_mut().expect("a list"))
    }

    fn policy(&self, desired: &[Desired], consent: bool, prune: bool) -> Policy {
        let all = desired.iter().chain(&self.case.before).chain(&self.case.after);
        let allow_live =
            if consent { all.map(|it| it.address.clone()).collect() } else { BTreeSet::new() };
        Policy { prune, allow_live, ..Policy::default() }
    }

    /// A request of another client, carried out at once.
    fn outside(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={OUTSIDE}/20260101/us-west-2/ivs/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={}",
            "0".repeat(64)
        );
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1{path}"))
            .header("authorization", authorization)
            .header("x-amz-date", "20260101T000000Z")
            .body(if body.is_null() { Vec::new() } else { body.to_string().into_bytes() })
            .expect("a request");
        let answer = futures_util::FutureExt::now_or_never(self.account.emulator.answer(request));
        let answer = answer.expect("nothing holds it back").expect("nothing drops it");
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
    }

    fn tag(&self, arn: &str, tags: &Value) {
        let path = format!("/tags/{}", arn.replace(':', "%3A").replace('/', "%2F"));
        self.outside("POST", &path, &json!({ "tags": tags }));
    }

    fn untag(&self, arn: &str, key: &str) {
        let arn = arn.replace(':', "%3A").replace('/', "%2F");
        let key = key.replace(':', "%3A");
        self.outside("DELETE", &format!("/tags/{arn}?tagKeys={key}"), &Value::Null);
    }

    /// Another client changes an object of the stack, if there is one of a fitting kind.
    fn change_from_outside(&self, other: Other) {
        let owned =
            |object: &Value| object["object"]["tags"]["ivs-apply:stack"] == json!(self.stack.name);
        let objects: Vec<Value> = self.objects().into_iter().filter(owned).collect();
        // A key that another stack owned could never be created again, and the owner of a stream key is that of its
        // channel.
        let exclusive = |kind: &str| matches!(kind, "StreamKey" | "PlaybackKeyPair" | "PublicKey");
        let pick = |which: usize, fits: &dyn Fn(&str) -> bool| -> Option<(String, String, Value)> {
            let some: Vec<&Value> =
                objects.iter().filter(|it| it["kind"].as_str().is_some_and(fits)).collect();
            let it = some.get(which % some.len().max(1))?;
            let text = |member: &str| it[member].as_str().map(ToOwned::to_owned);
            Some((text("kind")?, text("arn")?, it["object"].clone()))
        };
        let mut touched = lock(&self.touched);
        match other {
            Other::GoesLive(which) => {
                let observed =
                    |kind: &str| matches!(kind, "Channel" | "Stage" | "IngestConfiguration");
                let Some((kind, arn, _)) = pick(which, &observed) else { return };
                match kind.as_str() {
                    "Channel" => {
                        let body = json!({ "channelArn": arn, "viewerCount": 7 });
                        let (status, _) =
                            self.account.emulator.control("POST", "/_emulator/streams", body);
                        if status == 200 {
                            touched.streams.insert(arn);
                        }
                    }
                    "Stage" => {
                        let role = if which % 3 == 0 { "subscriber" } else { "publisher" };
                        let body =
                            json!({ "stageArn": arn, "userId": "participant", "role": role });
                        let (status, joined) =
                            self.account.emulator.control("POST", "/_emulator/participants", body);
                        if let (200, Some(id)) = (status, joined["participantId"].as_str()) {
                            touched.participants.push((arn, id.to_owned()));
                        }
                    }
                    _ => {
                        let body = json!({ "ingestConfigurationArn": arn });
                        let (status, _) =
                            self.account.emulator.control("POST", "/_emulator/ingests", body);
                        if status == 200 {
                            touched.ingests.insert(arn);
                        }
                    }
                }
            }
            Other::Edits(which) => {
                let Some((kind, arn, object)) =
                    pick(which, &|kind| matches!(kind, "Channel" | "Stage"))
                else {
                    return;
                };
                let other = if object["latencyMode"] == "LOW" { "NORMAL" } else { "LOW" };
                let body = match kind.as_str() {
                    "Channel" => json!({ "arn": arn, "latencyMode": other }),
                    _ => json!({ "arn": arn, "name": "edited" }),
                };
                self.outside("POST", &format!("/Update{kind}"), &body);
                touched.edited.insert(arn);
            }
            Other::Deletes(which) => {
                let lasting = |kind: &str| kind != "Composition";
                let Some((kind, arn, _)) = pick(which, &lasting) else { return };
                self.outside("POST", &format!("/Delete{kind}"), &json!({ "arn": arn }));
            }
            Other::StripsTags(which) => {
                let Some((_, arn, _)) = pick(which, &|kind| !exclusive(kind)) else { return };
                self.untag(
                    &arn,
                    ["ivs-apply:stack", "ivs-apply:record", "ivs-apply:name"][which % 3],
                );
                touched.tampered.insert(arn);
            }
            Other::TakesOver(which) => {
                let Some((_, arn, _)) = pick(which, &|kind| !exclusive(kind)) else { return };
                self.tag(&arn, &json!({ "ivs-apply:stack": "another" }));
                touched.tampered.insert(arn);
            }
            Other::CopiesTags(which) => {
                let simple = |kind: &str| matches!(kind, "Channel" | "Stage");
                let Some((kind, _, object)) = pick(which, &simple) else { return };
                let body = json!({ "name": "a-copy", "tags": object["tags"] });
                let (_, made) = self.outside("POST", &format!("/Create{kind}"), &body);
                let made = made[kind.to_lowercase()]["arn"].as_str().map(ToOwned::to_owned);
                touched.tampered.extend(made);
            }
            Other::Protects(which) => {
                let Some((_, arn, _)) = pick(which, &|_| true) else { return };
                self.tag(&arn, &json!({ "ivs-apply:protect": "true" }));
                touched.protected.insert(arn);
            }
        }
    }

    async fn clients(&self) -> Clients {
        let http = Some(self.account.emulator.http_client());
        let clock = Some(self.account.emulator.time_source());
        let target = Target { in_process: http, clock, ..Target::default() };
        connect(&target).await.expect("an emulated account needs no configuration")
    }

    /// One run from reading to report, as the command line does it; the record is kept for every kind of end.
    fn run<'a>(
        &'a self,
        desired: &'a [Desired],
        policy: &'a Policy,
        plot: &'a Plot<'a>,
    ) -> futures_util::future::LocalBoxFuture<'a, Run> {
        Box::pin(self.run_inside(desired, policy, plot))
    }

    async fn run_inside(&self, desired: &[Desired], policy: &Policy, plot: &Plot<'_>) -> Run {
        let record = Mutex::new(Run {
            desired: desired.iter().map(|it| it.address.clone()).collect(),
            prune: policy.prune,
            alone: plot.alone,
            from: self.history().len(),
            began: self.calls(),
            ..Run::default()
        });
        let start = Instant::now();
        let whole = Box::pin(self.whole_run(desired, policy, plot, &record));
        let ended = async {
            tokio::time::timeout(LONGEST_RUN, whole).await.expect("a run ends in time");
        };
        if matches!(plot.end, End::Killed { .. } | End::KilledAfter { .. } | End::Steered) {
            tokio::select! {
                // In this order, so that the seed determines the result.
                biased;
                () = ended => {}
                () = self.account.emulator.until_held() => lock(&record).killed = true,
            }
        } else {
            ended.await;
        }
        let mut record = record.into_inner().expect("no task panics while it holds the lock");
        record.took = start.elapsed();
        record.to = self.history().len();
        record.ended = self.calls();
        let state = |it: &Value| it["object"]["state"].as_str().unwrap_or_default().to_owned();
        let arn = |it: &Value| it["arn"].as_str().unwrap_or_default().to_owned();
        record.there = self.objects().iter().map(|it| (arn(it), state(it))).collect();
        record
    }

    async fn whole_run(
        &self,
        desired: &[Desired],
        policy: &Policy,
        plot: &Plot<'_>,
        record: &Mutex<Run>,
    ) {
        let aws = self.clients().await;
        let session = session(&aws);
        let planned =
            session.plan(self.stack.clone(), desired.to_vec(), policy.clone(), false).await;
        lock(record).read = self.calls();
        let Ok(planned) = planned else { return };
        let plan = &planned.plan;
        lock(record).plan = Some(plan.clone());
        let others = plot.others.iter();
        for (_, other) in others.filter(|(event, _)| *event == 0) {
            self.change_from_outside(*other);
        }
        for fault in plot.late {
            self.control("POST", "faults", fault.clone());
        }
        if !plot.late.is_empty() || !plot.others.is_empty() || plot.end != End::Nothing {
            self.hold(true);
        }
        plot.planned.notify_one();
        if let Some(begin) = plot.begin {
            begin.notified().await;
        }
        sleep(Duration::from_secs(plot.pause)).await;
        // The command line refuses it, or there is nothing to do.
        if plan.status() == Status::Blocked || !plan.has_work() {
            return;
        }
        let stopper = watch::Sender::new(Stop::default());
        let run_lock = RunLock::none(stopper.clone());
        let seen = Mutex::new((0_usize, "S2"));
        let tell = |event: Event| self.told(&event, plot, record, &stopper, &seen);
        // A plan with many deletes is confirmed by their number.
        let deletes = Some(plan.deletes());
        let outcome = Box::pin(planned.apply(&session, &run_lock, deletes, &tell)).await;
        lock(record).outcome = outcome.ok();
    }

    /// Events of the engine trigger the changes made outside, and the signal.
    fn told(
        &self,
        event: &Event,
        plot: &Plot<'_>,
        record: &Mutex<Run>,
        stopper: &watch::Sender<Stop>,
        seen: &Mutex<(usize, &'static str)>,
    ) {
        let mut seen = lock(seen);
        seen.0 += 1;
        match event {
            Event::Started { action, .. } if action.makes() => seen.1 = "S7",
            Event::Started { action: ivs_apply::plan::Action::Delete, .. } => seen.1 = "S12",
            Event::Started { action: ivs_apply::plan::Action::Update, .. } => seen.1 = "S9",
            Event::Started { .. } => seen.1 = "S10",
            Event::Waiting { .. } => seen.1 = "S8",
            Event::Confirming { .. } => seen.1 = "S13",
            Event::Ended { .. } => lock(record).stepped = self.calls(),
            Event::Draining { .. } | Event::Frozen { .. } => return,
        }
        for (_, other) in plot.others.iter().filter(|(at, _)| *at == seen.0) {
            self.change_from_outside(*other);
        }
        if let End::Signal { event, twice } = plot.end
            && seen.0 == event + 1
        {
            lock(record).stopped_in = Some(seen.1);
            stopper.send_modify(|stop| {
                stop.first = Some(Signal::Interrupt);
                stop.now = twice;
            });
        }
    }

    /// Sets the request at which the first run is killed, if it is counted from here.
    fn hold(&self, here: bool) {
        let mut hold = json!({ "kind": "hold", "spares": OUTSIDE });
        match self.case.end {
            End::Killed { request, done, late } if late == here => {
                hold["nth"] = json!(request);
                hold["done"] = json!(done);
            }
            End::KilledAfter { request, late } if late == here => {
                hold["nth"] = json!(request + 1);
                hold["times"] = json!(1_000_000);
            }
            _ => return,
        }
        self.control("POST", "faults", hold);
    }

    /// Removes faults and undoes outside changes, as an operator would; and time passes.
    async fn restore(&self) {
        self.control("DELETE", "faults", Value::Null);
        self.control("POST", "switches", json!({ "largestPage": 0, "busySlate": "accept" }));
        self.control("POST", "quotas", json!(large_quotas()));
        let touched = std::mem::take(&mut *lock(&self.touched));
        for channel in touched.streams {
            self.account.emulator.control(
                "DELETE",
                "/_emulator/streams",
                json!({ "channelArn": channel }),
            );
        }
        for (stage, participant) in touched.participants {
            let body = json!({ "stageArn": stage, "participantId": participant });
            self.account.emulator.control("DELETE", "/_emulator/participants", body);
        }
        for ingest in touched.ingests {
            let body = json!({ "ingestConfigurationArn": ingest });
            self.account.emulator.control("DELETE", "/_emulator/ingests", body);
        }
        sleep(RESTORING).await;
        for arn in touched.protected {
            self.untag(&arn, "ivs-apply:protect");
        }
        let objects = self.objects();
        let named = |it: &Value| {
            let tags = &it["object"]["tags"];
            (it["kind"].clone(), tags["ivs-apply:stack"].clone(), tags["ivs-apply:name"].clone())
        };
        for it in &objects {
            let (Some(kind), Some(arn)) = (it["kind"].as_str(), it["arn"].as_str()) else {
                continue;
            };
            // Objects that stay in a transitional state are deleted, as well as those with an unknown owner.
            let stuck = matches!(it["object"]["state"].as_str(), Some("CREATING" | "STARTING"));
            // Of two objects with one name, one of which was changed outside, only an operator knows which to keep.
            let unclear = touched.edited.contains(arn)
                && objects.iter().filter(|other| named(other) == named(it)).count() > 1;
            if stuck || unclear || touched.tampered.contains(arn) {
                let (status, _) =
                    self.outside("POST", &format!("/Delete{kind}"), &json!({ "arn": arn }));
                if status >= 400 {
                    for key in ["stack", "name", "record", "protect"] {
                        self.untag(arn, &format!("ivs-apply:{key}"));
                    }
                }
            }
        }
    }

    /// After at most three applies without faults nothing is left to do, and every resource exists once.
    async fn settled(&self, runs: &mut Vec<Run>) -> Option<String> {
        let desired = &self.case.after;
        let policy = self.policy(desired, true, true);
        for _ in 0..3 {
            let run = self.run(desired, &policy, &Plot::quiet()).await;
            let clean = run.plan.as_ref().is_some_and(|it| it.status() == Status::Clean);
            let well = run.outcome.as_ref().is_none_or(Outcome::is_well);
            let idle = run.plan.as_ref().is_some_and(|it| !it.has_work());
            let said = format!(
                "{:#?}
{:#?}",
                run.outcome, run.plan
            );
            runs.push(run);
            if clean {
                break;
            }
            if !well {
                return Some(format!("a run without faults does not go well: {said}"));
            }
            if idle {
                sleep(Duration::from_secs(90)).await;
            }
        }
        let full = Reading { every_kind: true, full: true, strangers: false };
        let observed = self.account.read(&self.stack, desired, full).await;
        let plan = plan(&self.stack, desired, &observed, &policy);
        if plan.status() != Status::Clean {
            return Some(format!(
                "not settled after three applies: {:#?} {:#?}",
                plan.steps, plan.notes
            ));
        }
        self.all_there_once()
    }

    fn all_there_once(&self) -> Option<String> {
        let mut there: BTreeMap<(String, String), usize> = BTreeMap::new();
        for it in self.objects() {
            let tags = &it["object"]["tags"];
            let over =
                matches!(it["object"]["state"].as_str(), Some("STOPPED" | "FAILED" | "STOPPING"));
            if tags["ivs-apply:stack"] == json!(self.stack.name) && !over {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                *there.entry((text(&it["kind"]), text(&tags["ivs-apply:name"]))).or_default() += 1;
            }
        }
        for it in &self.case.after {
            let key = (it.address.kind.name().to_owned(), it.address.name.clone());
            let ephemeral = !it.address.kind.facts().ended.is_empty();
            match there.remove(&key) {
                Some(1) => {}
                // A stream key keeps its tags if its manifest is removed.
                Some(_) if it.address.kind == Kind::StreamKey => {}
                None if ephemeral || it.address.kind.facts().arn_type.is_none() => {}
                other => return Some(format!("{} exists {other:?} times", it.address)),
            }
        }
        // A stream key is deleted only with its channel, whether or not a manifest still declares it.
        there.retain(|(kind, _), _| kind != Kind::StreamKey.name());
        (!there.is_empty()).then(|| format!("exists without a manifest: {there:?}"))
    }
}

/// The events of one run.
struct Plot<'a> {
    end: End,
    others: &'a [(usize, Other)],
    /// Faults between plan and first step.
    late: &'a [Value],
    pause: u64,
    alone: bool,
    /// Notified once the plan is made.
    planned: &'a tokio::sync::Notify,
    /// Waited for before the plan is carried out.
    begin: Option<&'a tokio::sync::Notify>,
}

static UNUSED: tokio::sync::Notify = tokio::sync::Notify::const_new();

impl Plot<'_> {
    fn quiet() -> Self {
        let planned = &UNUSED;
        Self {
            end: End::Nothing,
            others: &[],
            late: &[],
            pause: 0,
            alone: true,
            planned,
            begin: None,
        }
    }
}

fn lock<T>(it: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    it.lock().expect("no task panics while it holds the lock")
}

/// Quotas that are never used up, even with duplicates and predecessors.
fn large_quotas() -> ivs_apply::emulator::Quotas {
    ivs_apply::emulator::Quotas {
        recording_configurations: 100,
        playback_key_pairs: 100,
        public_keys: 100,
        storage_configurations: 100,
        encoder_configurations: 100,
        compositions: 100,
        compositions_per_stage: 100,
        ..ivs_apply::emulator::Quotas::default()
    }
}

/// Carries out a case on the clock of the current runtime, with these switches of the emulator.
pub(crate) async fn run_case(case: Case, switches: Switches) -> TestRun {
    fastrand::seed(case.seed);
    let settings = Settings {
        seed: case.seed,
        clock: Clock::Tokio,
        quotas: large_quotas(),
        switches,
        ..Settings::default()
    };
    let account = Account::with(settings).await;
    let stack = Stack {
        quotas: Kind::ALL.iter().map(|kind| (*kind, 1_000)).collect(),
        ..crate::generators::stack()
    };
    let simulation = Simulation { account, stack, case, touched: Mutex::default() };
    let case = &simulation.case;
    let mut runs = Vec::new();
    if !case.before.is_empty() {
        let policy = simulation.policy(&case.before, true, true);
        runs.push(simulation.run(&case.before, &policy, &Plot::quiet()).await);
        // Some time passes before the next run.
        sleep(Duration::from_secs(case.seed % 3 * 45)).await;
    }
    if case.page > 0 {
        simulation.control("POST", "switches", json!({ "largestPage": case.page }));
    }
    if let Some(quota) = case.quota {
        simulation.control("POST", "quotas", json!({ quota: 1 }));
    }
    for fault in &case.faults {
        simulation.control("POST", "faults", fault.clone());
    }
    simulation.hold(false);
    let policy = simulation.policy(&case.after, case.consent, case.prune);
    for round in 0..case.faulted_runs {
        let planned = tokio::sync::Notify::new();
        let quiet = Plot { planned: &planned, ..Plot::quiet() };
        let first = Plot {
            end: case.end,
            others: &case.others,
            late: &case.late,
            pause: case.pause,
            ..quiet
        };
        if round > 0 {
            runs.push(simulation.run(&case.after, &policy, &Plot::quiet()).await);
            continue;
        }
        match case.second {
            Second::None => runs.push(simulation.run(&case.after, &policy, &first).await),
            Second::Same | Second::Older => {
                let older = case.second == Second::Older;
                let desired = if older { &case.before } else { &case.after };
                let first = Plot { alone: false, end: unkilled(case.end), ..first };
                let second = Plot { alone: false, ..Plot::quiet() };
                let policy_of_second =
                    simulation.policy(desired, case.consent, case.prune && !older);
                let (one, two) = futures_util::future::join(
                    simulation.run(&case.after, &policy, &first),
                    simulation.run(desired, &policy_of_second, &second),
                )
                .await;
                runs.extend([one, two]);
            }
            Second::Paused(seconds) => {
                let begin = tokio::sync::Notify::new();
                let paused = Plot {
                    alone: false,
                    begin: Some(&begin),
                    planned: &planned,
                    pause: seconds,
                    ..Plot::quiet()
                };
                let other = async {
                    planned.notified().await;
                    let plot = Plot { alone: false, ..Plot::quiet() };
                    let run = simulation.run(&case.after, &policy, &plot).await;
                    begin.notify_one();
                    run
                };
                let paused = async {
                    let run = simulation.run(&case.after, &policy, &paused).await;
                    // A run that could not read the account makes no plan.
                    planned.notify_one();
                    run
                };
                let (one, two) = futures_util::future::join(paused, other).await;
                runs.extend([one, two]);
            }
        }
        // The fault that killed the run must not hold requests of the next one.
        if matches!(case.end, End::Killed { .. } | End::KilledAfter { .. } | End::Steered) {
            simulation.control("DELETE", "faults", Value::Null);
            let faults = case.faults.iter().chain(&case.late);
            for fault in faults.filter(|it| it["kind"] != "hold") {
                simulation.control("POST", "faults", fault.clone());
            }
        }
    }
    simulation.restore().await;
    let unsettled = simulation.settled(&mut runs).await;
    let history = simulation.history();
    let mut marks = simulation.control("GET", "marks", Value::Null);
    let marks = std::mem::take(marks["marks"].as_array_mut().expect("a list"));
    TestRun { case: simulation.case, runs, history, marks, unsettled }
}

/// Two runs at once are not killed, since the held request could belong to either.
fn unkilled(end: End) -> End {
    match end {
        End::Killed { .. } | End::KilledAfter { .. } | End::Steered => End::Nothing,
        other => other,
    }
}
