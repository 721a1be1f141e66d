//! An emulated account in this process, and everything from manifests to outcome on it, with the real SDK clients
//! and a paused clock, which moves only while tasks wait.

use ivs_apply::apply::{Event, Outcome, Stop, apply};
use ivs_apply::aws::{Clients, Rates, SignedIn, Target};
use ivs_apply::cloud::{Reading, read};
use ivs_apply::emulator::{Clock, Emulator, Settings, Switches};
use ivs_apply::engine::{Session, connect};
use ivs_apply::kinds::owner::{NAME, RECORD};
use ivs_apply::kinds::{Desired, ObservedState, Stack};
use ivs_apply::plan::{Plan, Policy};
use serde_json::{Value, json};
use tokio::sync::watch;

/// How the tests' emulators behave. Where `EMULATOR_SWITCHES=flipped` is set, every open question of the service
/// (`Switches`) has another answer than by default; a test that is about one answer sets it itself.
pub(crate) fn settings() -> Settings {
    let switches = serde_json::from_value(switches()).expect("the emulator's own switches");
    Settings { switches, ..Settings::default() }
}

/// The switches of `settings`, as the control requests take them.
pub(crate) fn switches() -> Value {
    let mut switches = json!(Switches::default());
    match std::env::var("EMULATOR_SWITCHES").as_deref() {
        Err(_) | Ok("" | "default") => {}
        Ok("flipped") => switches
            .as_object_mut()
            .expect("an object")
            .iter_mut()
            .for_each(|(switch, it)| *it = other_answer(switch, it)),
        Ok(other) => panic!("EMULATOR_SWITCHES is `default` or `flipped`, and not `{other}`"),
    }
    switches
}

/// The other one of two answers; of numbers and names another one that the service may have as well.
fn other_answer(switch: &str, answer: &Value) -> Value {
    match switch {
        "throttleError" => json!("TooManyRequestsException"),
        "throttleStatus" => json!(400),
        "duplicateKeyError" => json!("ValidationException"),
        "idempotencySeconds" | "pageTokenSeconds" | "sessionLingerSeconds" => json!(300),
        "largestPage" => json!(3),
        "disconnectSeconds" | "conflictAfterStopSeconds" => json!(5),
        "streamOutlivesStopSeconds" => json!(10),
        "offlineStreamSeconds" => json!(120),
        _ => match answer.as_str() {
            None => json!(!answer.as_bool().expect("a switch of two answers")),
            Some("refuse") => json!("accept"),
            Some("accept") => json!("refuse"),
            Some("merge") => json!("reset"),
            Some("reset") => json!("merge"),
            Some("exact") => json!("substring"),
            Some(other) => panic!("what else than `{other}` can {switch} be?"),
        },
    }
}

/// An emulated account and clients for it.
pub(crate) struct Account {
    pub(crate) emulator: Emulator,
    pub(crate) aws: Clients,
}

impl Account {
    /// An empty one.
    pub(crate) async fn empty() -> Self {
        Self::with(Settings { clock: Clock::Tokio, ..settings() }).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        Self::paced(settings, None).await
    }

    /// An empty one that enforces AWS's rates and takes 50 ms over each answer, and a client that keeps to
    /// this share of the rates. Its pages are as large as the reference says: how long a listing takes depends on that.
    pub(crate) async fn at_aws_rates(share: f64) -> Self {
        let settings = Settings {
            clock: Clock::Tokio,
            rates: true,
            latency: std::time::Duration::from_millis(50),
            switches: Switches { largest_page: 0, ..settings().switches },
            ..settings()
        };
        Self::paced(settings, Some(Rates::Aws { share })).await
    }

    async fn paced(settings: Settings, rates: Option<Rates>) -> Self {
        let emulator = Emulator::new(settings);
        let in_process = Some(emulator.http_client());
        let clock = Some(emulator.time_source());
        let target = Target { in_process, clock, rates, ..Target::default() };
        let aws = connect(&target).await.expect("an emulated account needs no configuration");
        Self { emulator, aws }
    }

    /// Answers some of the open questions, by their switches, for a test that rests on these answers.
    pub(crate) fn answers(&self, switches: Value) {
        self.control("POST", "/_emulator/switches", switches);
    }

    pub(crate) fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.emulator.control(method, path, body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    /// Calls since the last time this was asked.
    pub(crate) fn calls(&self) -> Value {
        let calls = self.control("GET", "/_emulator/calls", Value::Null);
        self.control("DELETE", "/_emulator/calls", Value::Null);
        calls
    }

    pub(crate) async fn read(
        &self,
        stack: &Stack,
        desired: &[Desired],
        reading: Reading,
    ) -> ObservedState {
        read(&self.aws, stack, desired, reading).await.expect("the emulated account can be read")
    }

    pub(crate) async fn plan(
        &self,
        stack: &Stack,
        desired: &[Desired],
        policy: &Policy,
    ) -> (ObservedState, Plan) {
        let planned =
            session(&self.aws).plan(stack.clone(), desired.to_vec(), policy.clone(), false).await;
        let planned = planned.expect("the emulated account can be read");
        (planned.observed, planned.plan)
    }

    pub(crate) async fn apply(
        &self,
        stack: &Stack,
        observed: &ObservedState,
        plan: &Plan,
    ) -> Outcome {
        let (_stopper, stop) = watch::channel(Stop::default());
        let tell = |_: Event| {};
        Box::pin(apply(&self.aws, stack, plan, observed, stop, &tell)).await
    }
}

/// A session of the engine that does not ask for the identity: no test of a plan counts that call.
pub(crate) fn session(aws: &Clients) -> Session {
    Session { aws: aws.clone(), signed_in: SignedIn::Unknown("not asked for".to_owned()) }
}

/// What a list of the account's objects has under a name of ours. The key that AWS makes with a channel may have copies of
/// the channel's tags (`streamKeyCopiesTags`), its create attempt with them, and still counts as unowned.
pub(crate) fn named(objects: &Value) -> Vec<(&str, &Value)> {
    let all = objects["objects"].as_array().expect("a list");
    let attempt = |it: &Value| {
        let (_, rest) = it["object"]["tags"][RECORD].as_str()?.split_once(" op=")?;
        Some(rest.split(' ').next().unwrap_or_default().to_owned())
    };
    let is_copy = |key: &Value| {
        let channel = all.iter().find(|it| it["arn"] == key["object"]["channelArn"]);
        key["kind"] == "StreamKey"
            && attempt(key).is_some_and(|its| channel.and_then(attempt) == Some(its))
    };
    let own = all.iter().filter(|it| !is_copy(it));
    own.filter_map(|it| Some((it["object"]["tags"][NAME].as_str()?, it))).collect()
}

/// Runs one property case on a clock of its own, with the same random numbers each time: ids, nonces and the jitter of
/// retries all come from the generator of the thread.
pub(crate) fn on_paused_time<F: Future>(case: F) -> F::Output {
    fastrand::seed(2_026);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(case)
}
