//! The account together with the state that exists only while the emulator runs: call counts, rate buckets,
//! faults. Applies rates and faults to a request before the account gets it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::account::{Account, Request};
use super::clock::Millis;
use super::failure::Failure;
use super::faults::{Effects, Faults, Mark, throttle};
use super::model::Operation;
use super::quotas::Quotas;
use super::rates::Rates;
use super::reply::Reply;
use super::sts::{self, Action, Sts, is_account};
use super::switches::Switches;
use super::{caller, route, signature, trail};

/// See the module.
#[derive(Debug)]
pub(crate) struct EmulatorState {
    /// The account of the request that is answered; [`Self::enter`] changes it.
    pub(crate) account: Account,
    /// The emulator's own account, of every key that says no other.
    own: String,
    /// All other accounts, by id.
    others: BTreeMap<String, Account>,
    pub(crate) sts: Sts,
    pub(crate) faults: Faults,
    /// The buckets of each account.
    pub(crate) rates: BTreeMap<String, Rates>,
    pub(crate) calls: BTreeMap<String, u64>,
    /// The number of calls that were throttled.
    pub(crate) throttled: BTreeMap<String, u64>,
    /// Whether rates are enforced.
    pub(crate) enforce_rates: bool,
    /// Switches, quotas and whether rates are enforced, as at the start.
    initial: (Switches, Quotas, bool),
    /// The latest calls that a fault applied to or that were refused without one, with the number of the call.
    pub(crate) marks: VecDeque<Mark>,
    /// The number of calls so far.
    pub(crate) counted: u64,
    /// The number of requests that a fault `hold` holds.
    pub(crate) held: u64,
}

/// How many marks are kept.
const KEPT: usize = 1_000;

/// A request that has been counted, with the faults that apply to it.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) operation: Option<&'static Operation>,
    pub(crate) effects: Effects,
    /// Its number among all calls.
    pub(crate) call: u64,
}

impl Admitted {
    /// Whether the account may change.
    pub(crate) fn writes(&self) -> bool {
        self.operation.is_some_and(|operation| !operation.reads())
    }
}

impl EmulatorState {
    pub(crate) fn new(account: Account, enforce_rates: bool) -> Self {
        let common = &account.common;
        let initial = (common.switches.clone(), common.quotas.clone(), enforce_rates);
        Self {
            initial,
            own: account.id().to_owned(),
            account,
            others: BTreeMap::new(),
            sts: Sts::default(),
            faults: Faults::default(),
            rates: BTreeMap::new(),
            calls: BTreeMap::new(),
            throttled: BTreeMap::new(),
            enforce_rates,
            marks: VecDeque::new(),
            counted: 0,
            held: 0,
        }
    }

    /// Goes on with the account of this id, a new one where there is none.
    pub(crate) fn enter(&mut self, id: &str) {
        if self.account.id() == id {
            return;
        }
        let next = self.others.remove(id).unwrap_or_else(|| self.account.beside(id));
        let left = std::mem::replace(&mut self.account, next);
        self.others.insert(left.id().to_owned(), left);
    }

    /// Goes on with the emulator's own account.
    pub(crate) fn enter_own(&mut self) {
        let own = self.own.clone();
        self.enter(&own);
    }

    /// Goes on with the account whose keys have signed a request.
    fn enter_of(&mut self, request: &Request) {
        let scope = signature::scope(&request.headers).ok();
        let signer = scope.map(|it| self.sts.signer(&it.access_key));
        match signer.as_ref().and_then(sts::Signer::account) {
            Some(account) => self.enter(account),
            None => self.enter_own(),
        }
    }

    /// Every account, the emulator's own first.
    pub(crate) fn accounts(&self) -> Vec<&Account> {
        let mut all: Vec<&Account> = self.others.values().chain([&self.account]).collect();
        all.sort_by_key(|it| (it.id() != self.own, it.id().to_owned()));
        all
    }

    /// Whether there is an account with this id.
    pub(crate) fn has_account(&self, id: &str) -> bool {
        is_account(id) && (self.account.id() == id || self.others.contains_key(id))
    }

    /// Takes other accounts that were saved.
    pub(crate) fn restore(&mut self, accounts: impl Iterator<Item = Account>) {
        for mut account in accounts {
            account.share(&self.account.common);
            self.others.insert(account.id().to_owned(), account);
        }
    }

    /// Gives every account the clock of the one that is entered.
    pub(crate) fn share_clock(&mut self, now: Millis) {
        for other in self.others.values_mut() {
            other.common.ahead_millis = self.account.common.ahead_millis;
            other.common.stopped = self.account.common.stopped;
            other.pass_time(now);
        }
    }

    /// Forgets all accounts but the emulator's own, and empties that one.
    pub(crate) fn reset_accounts(&mut self) {
        self.enter_own();
        self.account.reset();
        self.others.clear();
        self.sts.clear();
    }

    /// Takes back what control requests have set, apart from objects: switches, quotas, rates and the clock.
    pub(crate) fn reset_settings(&mut self) {
        let (switches, quotas, rates) = self.initial.clone();
        self.account.reset_settings(switches, quotas);
        self.enforce_rates = rates;
    }

    /// Answers a request to the security token service that is about a role; nothing for any other.
    fn of_role(&mut self, request: &Request, now: Millis) -> Option<Reply> {
        let scope = signature::scope(&request.headers);
        let later = self.account.pass_time(now);
        let action = Action::of(request);
        let answer = match (&scope, action) {
            (Ok(scope), None) if caller::is_meant(request, scope) => {
                if let Err(failure) = self.sts.check(request, scope, later) {
                    sts::refusal(&failure)
                } else {
                    let wanted = caller::asks_for_identity(request);
                    (200, self.sts.identity(&scope.access_key).filter(|_| wanted)?)
                }
            }
            (_, None) => return None,
            (Ok(scope), Some(_)) if scope.service != "sts" => return None,
            (scope, Some(_)) => {
                let scope = scope.as_ref().ok();
                let checked = scope.map_or(Ok(()), |it| self.sts.check(request, it, later));
                let generator = &mut self.account.common.generator;
                let assumed = checked
                    .and_then(|()| self.sts.assume(request, scope, &self.own, generator, later));
                match assumed {
                    Ok(document) => (200, document),
                    Err(failure) => sts::refusal(&failure),
                }
            }
        };
        Some(self.account.reply_in_xml(answer, now))
    }

    /// Counts a request, checks the call rates and finds the faults that apply.
    pub(crate) fn admit(&mut self, request: &Request, now: Millis) -> Admitted {
        self.enter_of(request);
        let now = self.account.pass_time(now);
        let scope = signature::scope(&request.headers).ok();
        let meant_for_sts = scope.as_ref().is_some_and(|scope| caller::is_meant(request, scope));
        let meant_for_trail = scope.as_ref().is_some_and(|scope| trail::is_meant(request, scope));
        let operation = route::operation(&request.method, &request.path).ok();
        let action = Action::of(request);
        let name = match operation {
            Some(operation) => operation.name.as_str(),
            None if action.is_some() => action.map_or("", Action::name),
            None if meant_for_sts => caller::OPERATION,
            None if meant_for_trail => trail::OPERATION,
            None => return Admitted { operation, effects: Effects::default(), call: 0 },
        };
        *self.calls.entry(name.to_owned()).or_default() += 1;
        self.counted += 1;
        let call = self.counted;
        let common = &mut self.account.common;
        let caller = scope.as_ref().map(|it| it.access_key.as_str());
        let mut effects = self.faults.strike(
            name,
            operation,
            caller,
            &common.switches,
            &mut common.generator,
            now,
        );
        if self.enforce_rates
            && let Some(scope) = scope
        {
            let rates = self.rates.entry(common.account.clone()).or_default();
            let passes = match operation {
                Some(operation) => rates.admit(&scope.region, operation, &request.body, now),
                None if meant_for_trail => rates.admit_look_up(&scope.region, now),
                None => true,
            };
            // A refused call takes no token from its bucket.
            if !passes {
                effects.refuse = Some(throttle(operation, &common.switches));
                *self.throttled.entry(name.to_owned()).or_default() += 1;
            }
        }
        let scope = signature::scope(&request.headers).ok();
        for struck in std::mem::take(&mut effects.struck) {
            self.mark(Mark {
                call,
                operation: name.to_owned(),
                on: subject(request),
                caller: scope.as_ref().map(|it| it.access_key.clone()),
                region: scope.as_ref().map(|it| it.region.clone()),
                ..struck
            });
        }
        Admitted { operation, effects, call }
    }

    fn mark(&mut self, mark: Mark) {
        self.marks.push_back(mark);
        if self.marks.len() > KEPT {
            self.marks.pop_front();
        }
    }

    /// Carries an admitted request out.
    pub(crate) fn carry_out(
        &mut self,
        request: &Request,
        admitted: Admitted,
        now: Millis,
    ) -> Reply {
        self.enter_of(request);
        let Admitted { operation, effects, call } = admitted;
        let action = Action::of(request);
        let refuse = |state: &mut Self, failure: Failure| match action {
            Some(_) => state.account.reply_in_xml(sts::refusal(&failure), now),
            None => state.account.refuse(operation, failure, now),
        };
        if let Some(failure) = effects.refuse {
            return refuse(self, failure);
        }
        if effects.drop == Some(false) {
            // The connection is dropped, so this answer is not sent.
            return refuse(self, Failure::validation("dropped"));
        }
        if let Some(reply) = self.of_role(request, now) {
            return match effects.fail {
                Some(failure) => refuse(self, failure),
                None => reply,
            };
        }
        if let Ok(scope) = signature::scope(&request.headers) {
            let later = self.account.pass_time(now);
            if let Err(failure) = self.sts.check(request, &scope, later) {
                return refuse(self, failure);
            }
        }
        let mut reply = self.account.handle_through(request, now, &effects.fault_view);
        if effects.twice {
            reply = self.account.handle_through(request, now, &effects.fault_view);
        }
        if reply.status >= 400
            && let Some(operation) = operation
        {
            let header = |name: &str| {
                let found = reply.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.clone())
            };
            self.mark(Mark {
                call,
                operation: operation.name.clone(),
                on: subject(request),
                refused: header("x-amzn-errortype"),
                message: Some(String::from_utf8_lossy(&reply.body).into_owned()),
                ..Mark::default()
            });
        }
        if let (Some(how), true) = (&effects.odd, reply.status < 300) {
            reply.body = odd(&reply.body, how, &self.account.common.account);
        }
        if effects.odd.as_deref() == Some("undated") {
            reply.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
        }
        match effects.fail {
            Some(failure) => refuse(self, failure),
            None => reply,
        }
    }
}

/// The ARN that a request names in its path or in one of the usual members.
fn subject(request: &Request) -> Option<String> {
    if let Some((_, arn)) = request.path.split_once("/tags/") {
        return Some(arn.replace("%3A", ":").replace("%2F", "/"));
    }
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    let named =
        body.get("arn").or_else(|| body.get("arns")?.get(0)).or_else(|| body.get("channelArn"))?;
    named.as_str().map(ToOwned::to_owned)
}

/// Makes an answer malformed or unusual. An answer that is not JSON stays as it is.
fn odd(body: &[u8], how: &str, account: &str) -> Vec<u8> {
    /// Characters that must never reach a terminal, a document or a log unescaped: control characters of both sets,
    /// changes of the writing direction, characters without width, and a CI system's commands.
    const HOSTILE: &str = "\n::error::x\r\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{85}\u{202e}\u{2066}\u{200b}\u{7f}##[error]x`|<b>";
    fn twist(value: &mut Value, how: &str) {
        match value {
            Value::Object(members) => {
                for (name, value) in members.iter_mut() {
                    match (how, name.as_str(), &*value) {
                        ("word", "state", Value::String(_)) => *value = json!("SOMETHING_NEW"),
                        ("hostile", "tags", Value::Object(tags)) => {
                            let mut tags = tags.clone();
                            tags.insert(format!("k{HOSTILE}"), json!(HOSTILE));
                            *value = Value::Object(tags);
                        }
                        ("hostile", free, Value::String(text))
                            if ["name", "message", "Endpoint", "Url", "bucketName", "health"]
                                .iter()
                                .any(|it| free.ends_with(it)) =>
                        {
                            *value = json!(format!("{text}{HOSTILE}"));
                        }
                        ("hostileArn", arn, Value::String(text))
                            if arn.to_lowercase().ends_with("arn") =>
                        {
                            *value = json!(format!("{text}{HOSTILE}"));
                        }
                        ("control", "name", Value::String(text)) => {
                            *value = json!(format!("{text}\u{1b}[31m\u{202e}"));
                        }
                        _ => twist(value, how),
                    }
                }
                if how == "untagged" && members.contains_key("arn") {
                    members.insert("tags".to_owned(), json!({ "another": "one" }));
                }
                if how == "empty" && members.contains_key("arn") {
                    members.clear();
                }
            }
            Value::Array(items) if how == "none" => items.clear(),
            Value::Array(items) => items.iter_mut().for_each(|it| twist(it, how)),
            _ => {}
        }
    }
    match how {
        "blank" => return Vec::new(),
        "braces" => return b"{}".to_vec(),
        _ => {}
    }
    if how == "account" {
        let text = String::from_utf8_lossy(body);
        return text.replace(&format!(":{account}:"), ":999999999999:").into_bytes();
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
    twist(&mut value, how);
    value.to_string().into_bytes()
}
