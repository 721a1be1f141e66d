//! An emulated account: the pure core. A request and a moment go in, a reply comes out; no socket, no
//! clock, no file, no randomness but the seeded generator.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::accept::accept;
use super::clock::Millis;
use super::context::{FaultView, OperationContext};
use super::dispatch;
use super::failure::Failure;
use super::generator::Generator;
use super::history::History;
use super::model::{Operation, Service};
use super::project::project;
use super::quotas::Quotas;
use super::region::{Lags, REGIONS, Region};
use super::reply::{self, Reply};
use super::route;
use super::signature::{self, Scope};
use super::switches::{Stance, Switches};
use super::{caller, tags, trail};

/// The version of the state file. A file of another version is refused.
pub(crate) const VERSION: u32 = 2;

/// The parts of a request that the service reads.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `POST`, `DELETE`.
    pub method: String,
    /// The raw path, still percent-encoded.
    pub path: String,
    /// The raw query, without `?`.
    pub query: String,
    /// Header values by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// The account.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub(crate) version: u32,
    #[serde(flatten)]
    pub(crate) common: Common,
    regions: BTreeMap<String, Region>,
    /// The latest moment seen: time never runs backwards for a state machine.
    latest: Millis,
}

/// The parts of an account that all regions share.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Common {
    pub(crate) account: String,
    pub(crate) generator: Generator,
    sequence: u64,
    /// By how much `POST /_emulator/clock` has moved time on.
    pub(crate) ahead_millis: i64,
    /// The moment at which the clock was stopped; only `advanceSeconds` moves it on then.
    #[serde(skip)]
    pub(crate) stopped: Option<Millis>,
    #[serde(skip)]
    pub(crate) settle_millis: i64,
    #[serde(skip)]
    pub(crate) switches: Switches,
    #[serde(skip)]
    pub(crate) quotas: Quotas,
    #[serde(skip)]
    pub(crate) history: History,
    /// The id of the request being answered.
    #[serde(skip)]
    pub(crate) request_id: String,
    /// The access key id of the caller.
    #[serde(skip)]
    pub(crate) caller: String,
}

impl Common {
    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(crate) fn settle(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.settle_millis).unwrap_or(0))
    }

    pub(crate) fn lags(&self) -> Lags {
        let millis = |seconds: u32| i64::from(seconds) * 1_000;
        Lags {
            settle: self.settle_millis,
            stream: millis(self.switches.stream_outlives_stop_seconds),
            conflict: millis(self.switches.conflict_after_stop_seconds),
        }
    }
}

impl Account {
    /// An empty account.
    pub fn new(account: &str, seed: u64) -> Self {
        Self {
            version: VERSION,
            common: Common {
                account: account.to_owned(),
                generator: Generator::new(seed),
                sequence: 0,
                ahead_millis: 0,
                stopped: None,
                settle_millis: 1000,
                switches: Switches::default(),
                quotas: Quotas::default(),
                history: History::default(),
                request_id: String::new(),
                caller: String::new(),
            },
            regions: BTreeMap::new(),
            latest: Millis::default(),
        }
    }

    /// Sets what is not part of the state: how long states last, the open questions, the quotas.
    pub fn configure(&mut self, settle: Duration, switches: Switches, quotas: Quotas) {
        self.common.settle_millis = i64::try_from(settle.as_millis()).unwrap_or(i64::MAX);
        self.common.switches = switches;
        self.common.quotas = quotas;
    }

    /// Another account that is as empty as a new one, with the settings and the clock of this one.
    pub(crate) fn beside(&self, account: &str) -> Self {
        // What is generated depends on the account and its requests alone.
        let seed =
            account.bytes().fold(7_u64, |it, byte| it.wrapping_mul(31).wrapping_add(byte.into()));
        let mut other = Self::new(account, seed);
        other.share(&self.common);
        other.latest = self.latest;
        other
    }

    /// Takes the settings and the clock of another account.
    pub(crate) fn share(&mut self, of: &Common) {
        let common = &mut self.common;
        common.ahead_millis = of.ahead_millis;
        common.stopped = of.stopped;
        common.settle_millis = of.settle_millis;
        common.switches = of.switches.clone();
        common.quotas = of.quotas.clone();
    }

    /// The id.
    pub(crate) fn id(&self) -> &str {
        &self.common.account
    }

    /// A reply that the security token service gives: status and document.
    pub(crate) fn reply_in_xml(&mut self, answer: (u16, String), now: Millis) -> Reply {
        let now = self.pass_time(now);
        let request_id = self.common.generator.uuid();
        reply::finish(Ok(reply::Body::Xml(answer)), false, &request_id, now)
    }

    /// Answers one request.
    pub fn handle(&mut self, request: &Request, now: Millis) -> Reply {
        self.handle_through(request, now, &FaultView::default())
    }

    /// The same with the effects of injected faults.
    pub(crate) fn handle_through(
        &mut self,
        request: &Request,
        now: Millis,
        fault_view: &FaultView,
    ) -> Reply {
        let now = self.pass_time(now);
        let request_id = self.common.generator.uuid();
        self.common.request_id.clone_from(&request_id);
        let outcome = self.outcome(request, now, fault_view);
        let brief = self.common.switches.only_exception_message;
        reply::finish(outcome, brief, &request_id, now)
    }

    /// A refusal before any work, such as an injected throttle.
    pub(crate) fn refuse(
        &mut self,
        operation: Option<&'static Operation>,
        failure: Failure,
        now: Millis,
    ) -> Reply {
        let now = self.pass_time(now);
        let request_id = self.common.generator.uuid();
        let brief = self.common.switches.only_exception_message;
        reply::finish(Err((operation, failure)), brief, &request_id, now)
    }

    /// What the clock of the account says at `now` of the fronts.
    pub(crate) fn clock(&self, now: Millis) -> Millis {
        let now = self.common.stopped.unwrap_or(now);
        Millis(now.0.saturating_add(self.common.ahead_millis))
    }

    /// Adds the time of control requests to `now` and advances every state machine to it.
    pub(crate) fn pass_time(&mut self, now: Millis) -> Millis {
        self.latest = self.latest.max(self.clock(now));
        for region in self.regions.values_mut() {
            region.advance(self.latest, &self.common);
        }
        self.latest
    }

    fn outcome(
        &mut self,
        request: &Request,
        now: Millis,
        fault_view: &FaultView,
    ) -> reply::Outcome {
        let scope = signature::scope(&request.headers).map_err(|failure| (None, failure))?;
        self.common.caller.clone_from(&scope.access_key);
        if caller::is_meant(request, &scope) {
            return Ok(reply::Body::Xml(caller::answer(&self.common.account, request, &scope)));
        }
        if trail::is_meant(request, &scope) {
            let look_up = trail::LookUp {
                account: &self.common.account,
                region: &scope.region,
                now,
                delay_millis: fault_view.list_lag,
                names_resources: self.common.switches.trail_names_resources,
            };
            let answer = look_up.answer(request, self.common.history.events());
            return answer.map(reply::Body::Trail).map_err(|failure| (None, failure));
        }
        check_scope(&scope).map_err(|failure| (None, failure))?;
        let operation =
            route::operation(&request.method, &request.path).map_err(|failure| (None, failure))?;
        self.operate(operation, request, &scope, now, fault_view)
            .map(|value| reply::Body::Json(operation, value))
            .map_err(|failure| (Some(operation), failure))
    }

    fn operate(
        &mut self,
        operation: &'static Operation,
        request: &Request,
        scope: &Scope,
        now: Millis,
        fault_view: &FaultView,
    ) -> Result<Value, Failure> {
        let given = route::input(operation, request)?;
        let input = match &operation.input {
            Some(shape) => accept(operation.service, shape, given)?,
            None => Map::new(),
        };
        tags::check(&input)?;
        if self.common.switches.foreign_service_tags == Stance::Refuse {
            check_host(operation, request)?;
        }
        let mut context = OperationContext {
            operation,
            region_name: &scope.region,
            region: self.regions.entry(scope.region.clone()).or_default(),
            common: &mut self.common,
            now,
            fault_view,
        };
        let answer = dispatch::operate(&mut context, input)?;
        Ok(match &operation.output {
            Some(shape) => project(operation.service, shape, answer),
            None => Value::Null,
        })
    }

    /// The latest moment seen, on the clock of the fronts.
    pub(crate) fn latest(&self) -> Millis {
        Millis(self.latest.0.saturating_sub(self.common.ahead_millis))
    }

    /// The region with this name and the common parts, for control requests.
    pub(crate) fn region(&mut self, name: &str) -> (&mut Region, &mut Common) {
        (self.regions.entry(name.to_owned()).or_default(), &mut self.common)
    }

    pub(crate) fn regions(&self) -> &BTreeMap<String, Region> {
        &self.regions
    }

    /// Switches, quotas and a clock that is neither ahead nor stopped, for an account without objects: time may go back.
    pub(crate) fn reset_settings(&mut self, switches: Switches, quotas: Quotas) {
        self.common.switches = switches;
        self.common.quotas = quotas;
        self.common.ahead_millis = 0;
        self.common.stopped = None;
        self.latest = Millis::default();
    }

    /// Deletes everything but the account's id and its settings.
    pub(crate) fn reset(&mut self) {
        self.regions.clear();
        self.common.history.clear();
    }
}

fn check_scope(scope: &Scope) -> Result<(), Failure> {
    if scope.service != "ivs" {
        return Err(signature::wrong_scope("correct service: 'ivs'"));
    }
    if !REGIONS.contains(&scope.region.as_str()) {
        let regions = REGIONS.join(", ");
        return Err(signature::wrong_scope(&format!("a region that has Amazon IVS: {regions}")));
    }
    Ok(())
}

/// Refuses an operation of the other service if the host name says which service was called.
fn check_host(operation: &Operation, request: &Request) -> Result<(), Failure> {
    let host = request.headers.get("host").map(String::as_str).unwrap_or_default();
    // `ivs.us-west-2.amazonaws.com` through the in-process front, `ivs.localhost:4599` through the socket.
    let (label, rest) = host.split_once('.').unwrap_or_default();
    let of_a_service =
        host.contains(".a") || rest.split(':').next().is_some_and(|it| it == "localhost");
    let called = match label {
        "ivs" | "ivs-fips" if of_a_service => Service::LowLatency,
        "ivsrealtime" | "ivsrealtime-fips" if of_a_service => Service::RealTime,
        _ => return Ok(()),
    };
    if called == operation.service {
        return Ok(());
    }
    Err(Failure::validation(format!("{host} does not serve this resource or operation")))
}
