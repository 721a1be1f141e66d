//! An emulated Amazon IVS account: both services, all operations, as strict as AWS (`docs/service-reference.md`).
//!
//! The pure core is [`Account`]: a request and a moment in, a reply out. [`Emulator`] adds the clock,
//! the state file, faults, rates and two fronts: an HTTP client for the SDK in the same process, and
//! a loopback server. Never calls AWS, never prints, never reads a secret.
//!
//! Behaviour of AWS that is not documented is a field of [`Switches`]; the default is the behaviour
//! that a client finds harder to handle.

mod accept;
mod account;
mod ad_configuration;
mod caller;
mod channel;
mod client;
mod clock;
mod composition;
mod composition_lifecycle;
mod context;
mod control;
mod dispatch;
mod encoder_configuration;
mod failover_slate_configuration;
mod failure;
mod faults;
mod generator;
mod history;
mod ingest_configuration;
mod kind;
mod model;
mod objects;
mod pages;
mod participant;
mod participant_replication;
mod participant_token;
mod pem;
mod playback_key_pair;
mod playback_restriction_policy;
mod probe;
mod project;
mod public_key;
mod quotas;
mod rates;
mod recording_configuration;
mod region;
mod reply;
mod route;
mod server;
mod signature;
mod stage;
mod state;
mod storage_configuration;
mod store;
mod stream;
mod stream_key;
mod sts;
mod switches;
mod tags;
mod trail;
mod viewer_session;

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

pub use account::{Account, Request};
pub use clock::{Clock, Millis};
pub use control::schema;
pub use probe::probe;
pub use quotas::Quotas;
pub use reply::Reply;
pub use server::Reach;
pub use store::OpenError;
pub use switches::{Absent, NameFilter, Stance, Switches};

use client::{SharedHttpClient, SharedTimeSource};
use clock::Watch;
use state::{Admitted, EmulatorState};
use store::{Content, Saver, Store};

/// How an emulator behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account id of a new account; one that is read from a file keeps its own.
    pub account: String,
    /// The seed of every generated id and every random decision of a new account.
    pub seed: u64,
    /// How long passing states such as CREATING last.
    pub settle: Duration,
    /// How long every answer takes.
    pub latency: Duration,
    /// Whether the call rates of AWS are enforced.
    pub rates: bool,
    /// Where the time comes from.
    pub clock: Clock,
    /// The open questions.
    pub switches: Switches,
    /// How much an account may hold.
    pub quotas: Quotas,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account: "000000000000".to_owned(),
            seed: 0,
            settle: Duration::from_secs(1),
            latency: Duration::ZERO,
            rates: false,
            clock: Clock::default(),
            switches: Switches::default(),
            quotas: Quotas::default(),
        }
    }
}

/// The connection was dropped instead of an answer: an injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the emulator dropped the connection")]
pub struct Dropped;

/// A running emulator. Clones share one account.
#[derive(Clone)]
pub struct Emulator(Arc<Inner>);

struct Inner {
    state: Arc<Mutex<EmulatorState>>,
    saver: Mutex<Option<Saver>>,
    watch: Watch,
    latency: Duration,
    held: tokio::sync::Notify,
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Emulator").finish_non_exhaustive()
    }
}

impl Emulator {
    /// An empty account in memory.
    pub fn new(settings: Settings) -> Self {
        let account = Account::new(&settings.account, settings.seed);
        Self::with(account, settings)
    }

    /// An account whose state is kept in `file`, which is created if it does not exist and locked
    /// while the emulator runs.
    pub fn open(file: &Path, settings: Settings) -> Result<Self, OpenError> {
        let (store, accounts) = Store::open(file)?;
        let fresh = accounts.is_empty();
        let mut accounts = accounts.into_iter();
        let first = accounts.next();
        let first = first.unwrap_or_else(|| Account::new(&settings.account, settings.seed));
        let emulator = Self::with(first, settings);
        emulator.state().restore(accounts);
        let state = emulator.0.state.clone();
        let content = move || Content::of(&locked(&state).accounts());
        if fresh {
            // A file that cannot be written must be an error before the first request, not after the last.
            content()
                .and_then(|content| store.save(&content))
                .map_err(|source| OpenError::Write { path: file.to_owned(), source })?;
        }
        let saver = Saver::start(store, content)
            .map_err(|source| OpenError::Io { path: file.to_owned(), source })?;
        *locked(&emulator.0.saver) = Some(saver);
        Ok(emulator)
    }

    fn with(mut account: Account, settings: Settings) -> Self {
        let Settings { account: _, seed: _, settle, latency, rates, clock, switches, quotas } =
            settings;
        account.configure(settle, switches, quotas);
        let watch = Watch::start(clock, account.latest());
        Self(Arc::new(Inner {
            state: Arc::new(Mutex::new(EmulatorState::new(account, rates))),
            saver: Mutex::new(None),
            watch,
            latency,
            held: tokio::sync::Notify::new(),
        }))
    }

    /// An HTTP client with which the SDK talks to this emulator in process, whatever the endpoint.
    pub fn http_client(&self) -> SharedHttpClient {
        client::http_client(self)
    }

    /// The clock of that client: the emulator's own, since it refuses signatures of another time.
    pub fn time_source(&self) -> SharedTimeSource {
        client::time_source(self)
    }

    /// The time, as the fronts read it.
    fn now(&self) -> Millis {
        self.0.watch.now()
    }

    /// Serves HTTP until `shutdown`. With [`Reach::Loopback`] any other listener is refused.
    pub async fn serve(
        &self,
        listener: tokio::net::TcpListener,
        reach: Reach,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        server::serve(self, listener, reach, shutdown).await
    }

    /// Answers one HTTP request: a control request, or one of the API with faults and latency.
    pub async fn answer(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, Dropped> {
        if request.uri().path().starts_with(control::ROOT) {
            return Ok(self.answer_control(&request));
        }
        let request = plain(request);
        let admitted = self.state().admit(&request, self.0.watch.now());
        if let Some(done) = admitted.effects.hold {
            return self.hold(&request, admitted, done).await;
        }
        match admitted.effects.stall {
            0 => self.finish(&request, admitted).await,
            u64::MAX => std::future::pending().await,
            millis => {
                // In a task of its own, so that the request is carried out even if the caller has disconnected.
                let emulator = self.clone();
                let late = tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    emulator.finish(&request, admitted).await
                });
                late.await.unwrap_or(Err(Dropped))
            }
        }
    }

    /// Holds a request, which is never answered; it is carried out first if `done`.
    async fn hold<T>(&self, request: &Request, admitted: Admitted, done: bool) -> T {
        if done {
            let writes = admitted.writes();
            self.state().carry_out(request, admitted, self.0.watch.now());
            if writes {
                self.changed();
            }
        }
        self.state().held += 1;
        self.0.held.notify_one();
        std::future::pending().await
    }

    /// Waits until a request is held (fault `hold`).
    pub async fn until_held(&self) {
        self.0.held.notified().await;
    }

    async fn finish(
        &self,
        request: &Request,
        admitted: Admitted,
    ) -> Result<http::Response<Vec<u8>>, Dropped> {
        let (writes, drop) = (admitted.writes(), admitted.effects.drop);
        let wait = self.0.latency + Duration::from_millis(admitted.effects.delay);
        let reply = self.state().carry_out(request, admitted, self.0.watch.now());
        if writes {
            self.changed();
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if drop.is_some() {
            return Err(Dropped);
        }
        Ok(response(reply))
    }

    /// Carries out a control request (`/_emulator/…`) and gives status and answer. `?account=` behind the path names the
    /// account that it is about.
    pub fn control(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let told = control::control(&mut self.state(), method, path, body, self.0.watch.now());
        if method != "GET" {
            self.changed();
        }
        told
    }

    fn answer_control(&self, request: &http::Request<Vec<u8>>) -> http::Response<Vec<u8>> {
        let body = if request.body().is_empty() {
            Ok(Value::Object(serde_json::Map::new()))
        } else {
            serde_json::from_slice(request.body())
        };
        let (status, told) = match body {
            Ok(body) => {
                let path = request.uri().path_and_query().map_or("", |it| it.as_str());
                self.control(request.method().as_str(), path, body)
            }
            Err(error) => (400, serde_json::json!({ "message": error.to_string() })),
        };
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        response(Reply { status, headers, body: told.to_string().into_bytes() })
    }

    /// Saves what is not saved yet and releases the state file. In memory it goes on.
    pub fn close(&self) -> io::Result<()> {
        let saver = locked(&self.0.saver).take();
        saver.map_or(Ok(()), |mut saver| saver.close())
    }

    fn state(&self) -> MutexGuard<'_, EmulatorState> {
        locked(&self.0.state)
    }

    fn changed(&self) {
        if let Some(saver) = &*locked(&self.0.saver) {
            saver.changed();
        }
    }
}

/// A panic elsewhere does not make the account unreadable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn plain(request: http::Request<Vec<u8>>) -> Request {
    let (parts, body) = request.into_parts();
    let mut plain = Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body,
        ..Request::default()
    };
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        plain.headers.insert(name.as_str().to_owned(), value);
    }
    if let Some(host) = parts.uri.host() {
        plain.headers.entry("host".to_owned()).or_insert_with(|| host.to_owned());
    }
    plain
}

fn response(reply: Reply) -> http::Response<Vec<u8>> {
    let mut response = http::Response::new(reply.body);
    *response.status_mut() =
        http::StatusCode::from_u16(reply.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        let name = http::HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A signed request, as far as the emulator looks.
    pub(super) fn signed(path: &str, body: &Value) -> http::Request<Vec<u8>> {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-west-2/ivs/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={}",
            "0".repeat(64)
        );
        http::Request::post(format!("http://127.0.0.1{path}"))
            .header("authorization", authorization)
            .header("x-amz-date", "20260101T000000Z")
            .body(body.to_string().into_bytes())
            .expect("a request")
    }

    async fn call(emulator: &Emulator, operation: &str, body: Value) -> (u16, Value) {
        let request = signed(&format!("/{operation}"), &body);
        let answer = emulator.answer(request).await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(answer.body()).unwrap_or_default())
    }

    fn paused() -> Settings {
        Settings { clock: Clock::Tokio, ..Settings::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_recording_configuration_settles_with_time() {
        let emulator = Emulator::new(paused());
        let body = json!({"destinationConfiguration": {"s3": {"bucketName": "bucket"}}});
        let (status, made) = call(&emulator, "CreateRecordingConfiguration", body).await;
        assert_eq!((status, &made["recordingConfiguration"]["state"]), (200, &json!("CREATING")));
        let arn = json!({"arn": made["recordingConfiguration"]["arn"]});
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (_, got) = call(&emulator, "GetRecordingConfiguration", arn).await;
        assert_eq!(got["recordingConfiguration"]["state"], "ACTIVE");
    }

    #[tokio::test(start_paused = true)]
    async fn a_composition_without_a_publisher_stops_after_a_minute_and_is_visible_for_five_more() {
        let emulator = Emulator::new(paused());
        let (_, stage) = call(&emulator, "CreateStage", json!({})).await;
        let (_, channel) = call(&emulator, "CreateChannel", json!({})).await;
        let channel = &channel["channel"]["arn"];
        let body = json!({"stageArn": stage["stage"]["arn"],
                          "destinations": [{"channel": {"channelArn": channel}}]});
        let (_, made) = call(&emulator, "StartComposition", body).await;
        let arn = json!({"arn": made["composition"]["arn"]});
        let mut seen = Vec::new();
        for seconds in [0, 2, 57, 2, 290, 20] {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            let (status, got) = call(&emulator, "GetComposition", arn.clone()).await;
            let state = got["composition"]["state"].as_str().unwrap_or_default().to_owned();
            seen.push((status, state));
        }
        let states: Vec<_> = seen.iter().map(|(status, state)| (*status, &**state)).collect();
        let expected = [
            (200, "STARTING"),
            (200, "ACTIVE"),
            (200, "ACTIVE"),
            (200, "STOPPED"),
            (200, "STOPPED"),
            (404, ""),
        ];
        assert_eq!(states, expected);
        let (status, _) = call(&emulator, "DeleteChannel", json!({"arn": channel})).await;
        assert_eq!(status, 204);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_with_a_lost_or_late_reply_is_carried_out() {
        let emulator = Emulator::new(paused());
        for (kind, seconds) in [("loseReply", Value::Null), ("stall", json!(30))] {
            let fault =
                json!({"operation": "CreateStage", "kind": kind, "nth": 1, "seconds": seconds});
            assert_eq!(emulator.control("POST", "/_emulator/faults", fault).0, 200);
        }
        // Both apply to the first call: it is carried out late, and its reply is lost.
        let lost = emulator.answer(signed("/CreateStage", &json!({})));
        let given_up = tokio::time::timeout(Duration::from_secs(10), lost).await;
        assert!(given_up.is_err());
        let count = async || call(&emulator, "ListStages", json!({})).await.1["stages"].clone();
        assert_eq!(count().await, json!([]));
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(count().await.as_array().map(Vec::len), Some(1));
        let (_, calls) = emulator.control("GET", "/_emulator/calls", json!({}));
        assert_eq!(calls, json!({"CreateStage": 1, "ListStages": 2}));
        let (_, history) = emulator.control("GET", "/_emulator/history", json!({}));
        assert_eq!(history["events"].as_array().map(Vec::len), Some(1));
    }

    #[tokio::test]
    async fn nonsense_is_refused_and_never_panics() {
        let emulator = Emulator::new(Settings::default());
        let bodies = [
            json!([]),
            json!("x"),
            json!({"arn": 1}),
            json!({"arn": "x"}),
            json!({"arns": [null]}),
            json!({}),
        ];
        for operation in model::model().operations() {
            for body in &bodies {
                let (status, _) = call(&emulator, &operation.name, body.clone()).await;
                assert!(status < 500, "{} {body}: {status}", operation.name);
            }
        }
        for path in ["streams", "participants", "ingests", "clock", "faults", "switches", "nothing"]
        {
            let path = format!("/_emulator/{path}");
            let (status, told) = emulator.control("POST", &path, json!([1]));
            assert!((400..500).contains(&status), "{path}: {told}");
        }
        let unsigned = http::Request::post("http://127.0.0.1/CreateStage").body(Vec::new());
        let answer = emulator.answer(unsigned.expect("a request")).await.expect("an answer");
        assert_eq!(answer.status(), 403);
    }
}
