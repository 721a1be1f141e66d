//! The one place every request passes: counting, the limits of time and size, the server's clock, and AWS's
//! names of requests.
//!
//! A decorator over whatever carries HTTP (TLS to AWS, a socket on loopback, the emulator in process), so that
//! SDK retries pass it too. A request comes here when it is its turn (`turn`), so its time starts when it
//! leaves. Takes no answer for one that the SDK would have to complete with defaults (`answer`).

use super::answer::{self, Refused, Unusable};
use super::endpoint::is_loopback;
use super::error::Class;
use super::rates::{Buckets, PublishedRates, Rates, SharedBuckets};
use super::received::Received;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use jiff::Timestamp;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio::time::error::Elapsed;

/// The header by which AWS names a request.
pub(super) const REQUEST_ID: &str = "x-amzn-requestid";

/// How long a request may take from when it leaves until all of its answer is there.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

tokio::task_local! {
    static LAST_WRITE: WriteTracker;
    /// The operation of which this work has a turn that no request has used.
    static TURN: Cell<Option<&'static str>>;
}

/// The writes of some work: how far it is with them, AWS's request id of the last one, and whether it may begin
/// at all. A task-local scope keeps it apart from other work, so no function between the work and the
/// connection needs a parameter for it.
#[derive(Clone, Debug)]
pub struct WriteTracker {
    noted: Arc<Mutex<Noted>>,
    begins: Arc<Notify>,
    /// Whether work that has written nothing yet is to leave it at that.
    halted: watch::Receiver<bool>,
    /// The server's time from which it is likewise to leave it at that.
    until: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Noted {
    begun: bool,
    kept_back: bool,
    request_id: Option<String>,
}

impl WriteTracker {
    /// Of work that has written nothing, and writes nothing once `halted` is true or the server's time is `until`.
    pub fn unless(halted: &watch::Receiver<bool>, until: Option<Timestamp>) -> Self {
        Self { noted: Arc::default(), begins: Arc::default(), halted: halted.clone(), until }
    }

    /// Waits until the first write leaves this machine. For one waiter.
    pub async fn begins(&self) {
        self.begins.notified().await;
    }

    /// Whether a write has left this machine.
    pub fn begun(&self) -> bool {
        self.noted().begun
    }

    /// Whether the first write was not sent: the work then reports a failure, and has changed nothing.
    pub fn kept_back(&self) -> bool {
        self.noted().kept_back
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().expect("noting does not panic")
    }

    /// The same work, with its writes noted here.
    pub fn of<W: Future>(&self, work: W) -> impl Future<Output = W::Output> + use<W> {
        LAST_WRITE.scope(self.clone(), work)
    }

    /// The id; `None` where nothing was written, or where the last write was not answered.
    pub fn request_id(&self) -> Option<String> {
        self.noted().request_id.clone()
    }

    /// Waits for the turn of a write, unless that would be the first one of work that is to write nothing.
    async fn turn<T>(gate: &RequestGate, turn: impl Future<Output = T>) -> Option<T> {
        let Ok(mut its) = LAST_WRITE.try_with(Clone::clone) else { return Some(turn.await) };
        if its.begun() {
            return Some(turn.await);
        }
        let noted = its.noted.clone();
        let halted = async {
            if its.halted.wait_for(|it| *it).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        // The signal to halt has priority over the turn.
        let turn = tokio::select! {
            biased;
            () = halted => None,
            turn = turn => Some(turn),
        };
        let is_late = its.until.is_some_and(|it| gate.server_time().is_some_and(|now| it <= now));
        let turn = turn.filter(|_| !is_late);
        let mut noted = noted.lock().expect("noting does not panic");
        (noted.begun, noted.kept_back) = (turn.is_some(), turn.is_none());
        if noted.begun {
            its.begins.notify_one();
        }
        turn
    }

    /// Records the request id of a write for the step that made it, if there is one.
    fn note(request_id: Option<&str>) {
        // Reads and confirmations belong to no step.
        let _ = LAST_WRITE.try_with(|it| {
            it.noted().request_id = request_id.map(ToOwned::to_owned);
        });
    }
}

/// What a run has asked so far, shared by all its tasks.
#[derive(Clone, Debug)]
pub struct RequestGate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    buckets: RwLock<Arc<Buckets>>,
    calls: Mutex<BTreeMap<String, u64>>,
    throttled: Mutex<BTreeMap<String, u64>>,
    /// What the server last said, and when it said so on this machine's monotonic clock.
    server_time: Mutex<Option<(Timestamp, Instant)>>,
    writes: AtomicU64,
    /// Whether it was said that a server does not answer.
    told_of_retries: AtomicBool,
}

impl RequestGate {
    /// A gate that has counted no call, pacing at `rates`.
    pub fn new(rates: Rates, published: PublishedRates) -> Self {
        Self(Arc::new(Inner {
            buckets: RwLock::new(Arc::new(Buckets::new(rates, published))),
            calls: Mutex::default(),
            throttled: Mutex::default(),
            server_time: Mutex::default(),
            writes: AtomicU64::new(0),
            told_of_retries: AtomicBool::new(false),
        }))
    }

    /// Takes the buckets that other connections to the same account and region have as well.
    pub fn share(&self, shared: &SharedBuckets, account: &str, region: &str) {
        let mut buckets =
            self.0.buckets.write().expect("no task panics while it holds the buckets");
        *buckets = shared.of(account, region, &buckets);
    }

    fn buckets(&self) -> Arc<Buckets> {
        self.0.buckets.read().expect("no task panics while it holds the buckets").clone()
    }

    /// Calls so far, by operation.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.0.calls.lock().expect("counting does not panic").clone()
    }

    /// Calls so far that AWS refused because of its rate, by operation.
    pub fn throttled(&self) -> BTreeMap<String, u64> {
        self.0.throttled.lock().expect("counting does not panic").clone()
    }

    /// Requests so far that changed something, or may have.
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::Relaxed)
    }

    /// The time at the server: its last `Date` header, and what has passed since on the monotonic clock.
    /// `None` while no answer carried one. The clock on the wall is never asked.
    pub fn server_time(&self) -> Option<Timestamp> {
        let (then, heard) = (*self.0.server_time.lock().expect("counting does not panic"))?;
        then.checked_add(heard.elapsed()).ok()
    }

    /// Waits until a request for `operation` may leave; `None` where it is to be kept back.
    pub(super) async fn turn(&self, operation: &str) -> Option<Instant> {
        let has_turn = |it: &Cell<Option<&str>>| it.get() == Some(operation) && it.take().is_some();
        if TURN.try_with(has_turn).unwrap_or_default() {
            return Some(Instant::now());
        }
        let buckets = self.buckets();
        let turn = buckets.wait(operation);
        if reads(operation) { Some(turn.await) } else { WriteTracker::turn(self, turn).await }
    }

    /// Waits until a request for `operation` may leave and begins the work then; its first request for that operation
    /// does not wait again. A time that the work reads, or writes into the request, is the time at which that leaves.
    pub async fn in_turn<W: Future>(&self, operation: &'static str, work: W) -> W::Output {
        let turn = self.turn(operation).await.map(|_| operation);
        TURN.scope(Cell::new(turn), work).await
    }

    /// Says once that the server does not answer: the SDK repeats reads for half a minute, and says nothing.
    fn tell_of_retries(&self, error: &ConnectorError) {
        let Some(none) = super::error::within::<NoAnswer>(error).filter(|it| !it.lasting) else {
            return;
        };
        if !self.0.told_of_retries.swap(true, Ordering::Relaxed) {
            tracing::warn!("{none}; trying again");
        }
    }

    /// Puts this meter in front of an HTTP client.
    pub fn in_front_of(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Metered { gate: self.clone(), inner })
    }
}

#[derive(Debug)]
struct Metered {
    gate: RequestGate,
    inner: SharedHttpClient,
}

impl HttpClient for Metered {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(MeteredConnector {
            gate: self.gate.clone(),
            inner: self.inner.http_connector(settings, components),
        })
    }
}

#[derive(Debug)]
struct MeteredConnector {
    gate: RequestGate,
    inner: SharedHttpConnector,
}

impl HttpConnector for MeteredConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let gate = self.gate.clone();
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            let operation = operation_of(&request);
            let reads = reads(&operation);
            let left = Instant::now();
            *gate
                .0
                .calls
                .lock()
                .expect("counting does not panic")
                .entry(operation.clone())
                .or_default() += 1;
            if !reads {
                // The id of an earlier write would be taken for this one's if no answer came.
                WriteTracker::note(None);
            }
            let (server, sent) = (Server::of(&request), Instant::now());
            let answer = tokio::time::timeout(ANSWER_WITHIN, whole(inner, request)).await;
            let time = left.elapsed();
            let response = answer.unwrap_or_else(|late| Err(ConnectorError::timeout(late.into())));
            let response = response.map_err(|error| NoAnswer::explain(server, error));
            tell(&operation, &response, sent.elapsed());
            if reads && let Err(error) = &response {
                gate.tell_of_retries(error);
            }
            // A refused write changed nothing; any other answer means that it changed something or may have.
            let declined = response.as_ref().is_ok_and(|it| it.status().is_client_error());
            if !reads && !declined {
                gate.0.writes.fetch_add(1, Ordering::Relaxed);
            }
            let response = response?;
            if !reads {
                WriteTracker::note(response.headers().get(REQUEST_ID));
            }
            if let Some(date) = response.headers().get("date")
                && let Ok(time) = jiff::fmt::rfc2822::parse(date)
            {
                *gate.0.server_time.lock().expect("counting does not panic") =
                    Some((time.timestamp(), Instant::now()));
            }
            if is_throttle(&response) {
                let mut throttled = gate.0.throttled.lock().expect("counting does not panic");
                *throttled.entry(operation.clone()).or_default() += 1;
                drop(throttled);
                gate.buckets().throttled(&operation, left);
            } else {
                gate.buckets().answered(&operation);
            }
            let body = response.body().bytes().unwrap_or_default();
            Received::count(body.len(), time);
            if response.status().is_success() {
                answer::check(&operation, body).map_err(|why| refused(why, &response))?;
            }
            Ok(response)
        })
    }
}

/// Logs a call and its result, for `-vv`.
fn tell(operation: &str, response: &Result<HttpResponse, ConnectorError>, took: Duration) {
    let took = took.as_millis();
    match response {
        Ok(response) => {
            let id = response.headers().get(REQUEST_ID).unwrap_or("without an id");
            // A server that is not AWS's could put anything there.
            let id: String = id.chars().filter(char::is_ascii_graphic).take(64).collect();
            tracing::debug!("{operation}: {} in {took} ms, request {id}", response.status());
        }
        Err(error) => tracing::debug!("{operation}: {error} after {took} ms"),
    }
}

/// The server that a request goes to.
struct Server {
    /// Its host and port, without what may stand before them in an address (a password).
    host: String,
    /// Whether it is on this machine.
    local: bool,
}

impl Server {
    fn of(request: &HttpRequest) -> Self {
        let uri = request.uri().parse::<http::Uri>().ok();
        let host = uri.as_ref().and_then(http::Uri::host).unwrap_or("the endpoint").to_owned();
        let host = match uri.and_then(|it| it.port_u16()) {
            Some(port) => format!("{host}:{port}"),
            None => host,
        };
        Self { host, local: is_loopback(request.uri()) }
    }
}

/// The error text of rustls for an answer that is not TLS.
const NO_TLS: &str = "InvalidContentType";

/// A request without an answer, in words.
#[derive(Debug)]
pub(super) struct NoAnswer {
    host: String,
    connected: bool,
    not_tls: bool,
    /// Whether another try would fail in the same way.
    lasting: bool,
    why: String,
    source: ConnectorError,
}

impl NoAnswer {
    /// The error with the server in it, sorted as the SDK had sorted it.
    fn explain(server: Server, error: ConnectorError) -> ConnectorError {
        if error.is_user() {
            return error;
        }
        let (timeout, io, kind) = (error.is_timeout(), error.is_io(), error.as_other());
        let why = if super::error::within::<Elapsed>(&error).is_some() {
            format!("none within {} s", ANSWER_WITHIN.as_secs())
        } else {
            super::error::innermost(&error)
        };
        let not_tls = why.contains(NO_TLS);
        let why = if not_tls { "the port does not speak TLS".to_owned() } else { why };
        let connected = !super::error::chain(&error).contains("(Connect)");
        let refused = super::error::within::<std::io::Error>(&error)
            .is_some_and(|it| it.kind() == std::io::ErrorKind::ConnectionRefused);
        // On this machine no server listens on that port. Elsewhere one may be starting.
        let lasting = not_tls || (refused && server.local);
        let host = server.host;
        let told = Box::new(Self { host, connected, not_tls, lasting, why, source: error });
        match (timeout, io) {
            // It would be the same the next time, so the SDK is not told to repeat it.
            _ if lasting => ConnectorError::other(told, None),
            (true, _) => ConnectorError::timeout(told),
            (_, true) => ConnectorError::io(told),
            _ => ConnectorError::other(told, kind),
        }
    }

    /// Whether the server answered in something else than TLS, such as plain HTTP.
    pub(super) fn speaks_no_tls(&self) -> bool {
        self.not_tls
    }

    /// Whether the server may have got the request.
    pub(super) fn class(&self) -> Class {
        if self.connected { Class::Unknown } else { Class::NotSent }
    }
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.connected { "no answer from" } else { "no connection to" };
        write!(f, "{what} {}: {}", self.host, self.why)
    }
}

impl std::error::Error for NoAnswer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The answer with all of its body: a body that stalls is as good as no answer. What is larger than it may be is
/// not received to its end.
async fn whole(
    inner: SharedHttpConnector,
    request: HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let mut response = inner.call(request).await?;
    let most =
        if response.status().is_success() { answer::MOST_BYTES } else { answer::MOST_ERROR_BYTES };
    let mut body = Vec::new();
    let mut stream = ByteStream::new(response.take_body());
    while let Some(bytes) = stream.next().await {
        let bytes = bytes.map_err(|error| ConnectorError::io(error.into()))?;
        if body.len() + bytes.len() > most {
            return Err(refused(Unusable::TooLarge { most }, &response));
        }
        body.extend_from_slice(&bytes);
    }
    *response.body_mut() = SdkBody::from(body);
    Ok(response)
}

/// An answer that is not handed on. The same request would be answered in the same way, so the SDK is not told to
/// repeat it.
fn refused(why: Unusable, response: &HttpResponse) -> ConnectorError {
    let request_id = response.headers().get(REQUEST_ID).map(ToOwned::to_owned);
    ConnectorError::other(Refused { why, request_id }.into(), None)
}

/// Whether an operation only reads.
fn reads(operation: &str) -> bool {
    ["Get", "List", "BatchGet", "Lookup"].iter().any(|verb| operation.starts_with(verb))
}

/// Whether an answer says that the rate was too high. Not every operation models that, so the error's name
/// counts where the status is another.
fn is_throttle(response: &HttpResponse) -> bool {
    let name = response.headers().get("x-amzn-errortype").unwrap_or_default();
    let names = ["Throttling", "TooManyRequests", "SlowDown"];
    response.status().as_u16() == 429 || names.iter().any(|it| name.contains(it))
}

/// The operation a request is for: its path, or for the three tag operations its method
/// (`docs/service-reference.md` §4).
fn operation_of(request: &HttpRequest) -> String {
    // A protocol with one path for all operations names them in a header.
    if let Some((_, operation)) =
        request.headers().get("x-amz-target").and_then(|it| it.rsplit_once('.'))
    {
        return operation.to_owned();
    }
    let path = request.uri().split("://").last().and_then(|rest| rest.split_once('/'));
    let path = path.map_or("", |(_, path)| path).split('?').next().unwrap_or_default();
    if path.starts_with("tags/") {
        return match request.method() {
            "GET" => "ListTagsForResource",
            "DELETE" => "UntagResource",
            _ => "TagResource",
        }
        .to_owned();
    }
    if path.is_empty() { "GetCallerIdentity".to_owned() } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_told_from_its_request() {
        for (method, uri, operation) in [
            ("POST", "https://ivs.us-west-2.amazonaws.com/CreateChannel", "CreateChannel"),
            ("GET", "http://127.0.0.1:4599/tags/arn%3Aaws", "ListTagsForResource"),
            ("POST", "http://127.0.0.1:4599/tags/arn%3Aaws", "TagResource"),
            ("DELETE", "http://127.0.0.1:4599/tags/arn%3Aaws?tagKeys=a", "UntagResource"),
            ("POST", "https://sts.us-west-2.amazonaws.com/", "GetCallerIdentity"),
        ] {
            let mut request = HttpRequest::empty();
            request.set_uri(uri).expect("a valid address");
            request.set_method(method).expect("a valid method");
            assert_eq!(operation_of(&request), operation);
        }
    }
}
