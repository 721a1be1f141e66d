//! Fault injection: which faults apply to a request, and what they do to it.

use globset::{Glob, GlobMatcher};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clock::Millis;
use super::context::{FaultView, Paging};
use super::failure::Failure;
use super::generator::Generator;
use super::model::{Operation, model};
use super::sts::Action;
use super::switches::Switches;
use super::{caller, trail};

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FaultKind {
    /// `ThrottlingException`; the request is not carried out.
    Throttle,
    /// `InternalServerException`; with `done` after the request was carried out.
    Error500,
    /// The error `name`; the request is not carried out.
    Error,
    /// The connection breaks; the request is carried out unless `done` is false.
    LoseReply,
    /// The request is carried out at once and answered after `seconds`.
    Delay,
    /// The request is carried out after `seconds`, whether or not the client is still connected. Without `seconds` it is
    /// never carried out.
    Stall,
    /// Lists leave out objects that are younger than `seconds` and show those that were deleted since.
    ListLag,
    /// Gets do not find objects that are younger than `seconds`.
    GetLag,
    /// The request is delivered twice; the second answer counts.
    Twice,
    /// An object that is created now ends in `CREATE_FAILED` (a composition in FAILED).
    CreateFailed,
    /// An object that is created now stays in its first state.
    Stuck,
    /// The request is never answered, and `held` counts it; with `done` it is carried out first. For tests that end a
    /// client at exactly this request.
    Hold,
    /// A page token that the emulator issued is refused.
    ExpireToken,
    /// A page carries the token of its request as its next token.
    RepeatToken,
    /// A page begins with the last item of the page before, as if it had moved while the list was read.
    MovedItem,
    /// The answer is malformed or unusual, as `name` says: `word` (an unknown value of `state`), `control` (control
    /// characters in names), `empty` (the members of the object are missing), `account` (ARNs of another account),
    /// `untagged` (with other tags), `blank` (no body), `braces` (`{}`), `none` (every list is empty), `undated`
    /// (no `Date` header), `hostile` (characters that steer a terminal in every text that is free),
    /// `hostileArn` (the same in every ARN).
    Odd,
}

impl FaultKind {
    /// Whether `seconds` is how long it is. For the others it is how long it is in force.
    fn has_length(self) -> bool {
        matches!(self, Self::Delay | Self::Stall | Self::ListLag | Self::GetLag)
    }
}

/// What an answer of the fault `odd` can be.
const ODD: [&str; 11] = [
    "word",
    "control",
    "empty",
    "account",
    "untagged",
    "blank",
    "braces",
    "none",
    "undated",
    "hostile",
    "hostileArn",
];

/// One fault, as `POST /_emulator/faults` gives it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fault {
    /// A glob of operation names, such as `Create*`. Every operation if absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    operation: Operations,
    kind: FaultKind,
    /// Applies to the n-th matching call from now on, counted from one.
    nth: Option<u64>,
    /// With `nth`: the number of consecutive calls. One by default.
    times: Option<u64>,
    /// Applies with this probability. Without `nth` and `probability` to every call.
    #[schemars(range(min = 0, max = 1))]
    probability: Option<f64>,
    /// For delay, stall and lags: their length; a stall without one never ends. For the others: how long the fault is in force.
    #[schemars(range(min = 0, max = 1e9))]
    seconds: Option<f64>,
    /// For error500, loseReply and hold: whether the request is carried out.
    done: Option<bool>,
    /// For error: the error's name. For odd: the variant.
    name: Option<String>,
    /// For error: its message.
    message: Option<String>,
    /// The fault neither counts nor affects calls that are signed with this access key: those that a test makes
    /// itself.
    spares: Option<String>,
    #[serde(skip)]
    seen: u64,
    #[serde(skip)]
    since: Millis,
}

/// The operations that a fault applies to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Operations(GlobMatcher);

impl Default for Operations {
    fn default() -> Self {
        Self::try_from("*".to_owned()).expect("a glob")
    }
}

impl TryFrom<String> for Operations {
    type Error = globset::Error;

    fn try_from(text: String) -> Result<Self, globset::Error> {
        Ok(Self(Glob::new(&text)?.compile_matcher()))
    }
}

impl From<Operations> for String {
    fn from(operations: Operations) -> Self {
        operations.0.glob().glob().to_owned()
    }
}

/// What the faults do to one request.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) fault_view: FaultView,
    /// Answer this without carrying the request out.
    pub(crate) refuse: Option<Failure>,
    /// Answer this after carrying the request out.
    pub(crate) fail: Option<Failure>,
    /// Break the connection; the value says whether the request is carried out.
    pub(crate) drop: Option<bool>,
    pub(crate) twice: bool,
    /// Milliseconds between carrying the request out and answering it.
    pub(crate) delay: u64,
    /// Milliseconds before the request is carried out; with `u64::MAX` it never is.
    pub(crate) stall: u64,
    /// Never answer; the value says whether the request is carried out.
    pub(crate) hold: Option<bool>,
    /// The variant of the malformed answer.
    pub(crate) odd: Option<String>,
    /// The faults that applied.
    pub(crate) struck: Vec<Mark>,
}

/// A call that a fault has struck, or that was refused without one.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    /// Its number among all calls.
    pub(crate) call: u64,
    pub(crate) operation: String,
    /// The ARN that the request names.
    pub(crate) on: Option<String>,
    /// The access key that signed a call which a fault struck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caller: Option<String>,
    /// The region that it was signed for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    /// The fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<FaultKind>,
    /// Its `done`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) done: Option<bool>,
    /// Its `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The error of a call that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
    /// The body of that answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
}

/// The faults that are set.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
}

impl Faults {
    /// Checks and adds one.
    pub(crate) fn add(&mut self, mut fault: Fault, now: Millis) -> Result<(), String> {
        let chance = fault.probability.unwrap_or_default();
        if !(0.0..=1.0).contains(&chance) {
            return Err("probability must be between 0 and 1".to_owned());
        }
        if !(0.0..=1e9).contains(&fault.seconds.unwrap_or_default()) {
            return Err("seconds must be between 0 and a thousand million".to_owned());
        }
        // A stall without a length never ends.
        let needs_length = fault.kind.has_length() && fault.kind != FaultKind::Stall;
        if needs_length && fault.seconds.is_none() {
            return Err("kinds delay, listLag and getLag need seconds, their length".to_owned());
        }
        if fault.nth == Some(0) {
            return Err("nth counts from 1".to_owned());
        }
        if matches!(fault.kind, FaultKind::Error | FaultKind::Odd) && fault.name.is_none() {
            return Err("kinds error and odd need a name".to_owned());
        }
        let odd = fault.name.as_deref().filter(|_| fault.kind == FaultKind::Odd);
        if let Some(name) = odd.filter(|it| !ODD.contains(it)) {
            return Err(format!("`{name}` is no name of kind odd: use one of {}", ODD.join(", ")));
        }
        if !names().any(|it| fault.operation.0.is_match(it)) {
            let glob = fault.operation.0.glob().glob();
            return Err(format!("`{glob}` in `operation` matches no operation"));
        }
        fault.since = now;
        self.list.push(fault);
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.list
    }

    /// The effects that all faults together have on a call.
    pub(crate) fn strike(
        &mut self,
        name: &str,
        operation: Option<&Operation>,
        caller: Option<&str>,
        switches: &Switches,
        random: &mut Generator,
        now: Millis,
    ) -> Effects {
        let mut effects = Effects::default();
        for fault in &mut self.list {
            if !fault.operation.0.is_match(name) {
                continue;
            }
            if fault.spares.is_some() && fault.spares.as_deref() == caller {
                continue;
            }
            fault.seen += 1;
            if fault.strikes(random, now) {
                effects.struck.push(Mark {
                    fault: Some(fault.kind),
                    done: fault.done,
                    name: fault.name.clone(),
                    ..Mark::default()
                });
                fault.apply(&mut effects, operation, switches);
            }
        }
        effects
    }
}

impl Fault {
    fn strikes(&self, random: &mut Generator, now: Millis) -> bool {
        if !self.kind.has_length()
            && self.seconds.is_some()
            && now.since(self.since).as_millis() > u128::from(self.millis())
        {
            return false;
        }
        let in_turn = self.nth.is_none_or(|nth| {
            let last = nth.saturating_add(self.times.unwrap_or(1).saturating_sub(1));
            (nth..=last).contains(&self.seen)
        });
        // A random number is drawn for every call in turn, so that the seed determines all of them.
        in_turn && self.probability.is_none_or(|probability| random.chance() < probability)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be between 0 and a thousand million when the fault was added"
    )]
    fn millis(&self) -> u64 {
        (self.seconds.unwrap_or_default() * 1000.0) as u64
    }

    fn apply(&self, effects: &mut Effects, operation: Option<&Operation>, switches: &Switches) {
        let lag = i64::try_from(self.millis()).unwrap_or(i64::MAX);
        match self.kind {
            FaultKind::Throttle => effects.refuse = Some(throttle(operation, switches)),
            FaultKind::Error500 => {
                let failure = Failure::with_status(
                    "InternalServerException",
                    500,
                    "An internal error has occurred (injected)",
                );
                if self.done == Some(true) {
                    effects.fail = Some(failure);
                } else {
                    effects.refuse = Some(failure);
                }
            }
            FaultKind::Error => {
                let name = self.name.as_deref().unwrap_or_default();
                let message = self.message.as_deref().unwrap_or("Injected by a fault");
                effects.refuse = Some(Failure::new(name, message));
            }
            FaultKind::LoseReply => effects.drop = Some(self.done != Some(false)),
            FaultKind::Delay => effects.delay = effects.delay.max(self.millis()),
            FaultKind::Stall => {
                let stall = if self.seconds.is_some() { self.millis() } else { u64::MAX };
                effects.stall = effects.stall.max(stall);
            }
            FaultKind::ListLag => {
                effects.fault_view.list_lag = effects.fault_view.list_lag.max(lag);
            }
            FaultKind::GetLag => effects.fault_view.get_lag = effects.fault_view.get_lag.max(lag),
            FaultKind::Twice => effects.twice = true,
            FaultKind::CreateFailed => {
                effects.fault_view.forced_state = Some("CREATE_FAILED".to_owned());
            }
            FaultKind::Stuck => effects.fault_view.forced_state = Some("stuck".to_owned()),
            FaultKind::Hold => effects.hold = Some(self.done == Some(true)),
            FaultKind::ExpireToken => effects.fault_view.pages = Some(Paging::Expired),
            FaultKind::RepeatToken => effects.fault_view.pages = Some(Paging::Repeated),
            FaultKind::MovedItem => effects.fault_view.pages = Some(Paging::Moved),
            FaultKind::Odd => effects.odd.clone_from(&self.name),
        }
    }
}

/// The names of all operations that a fault can strike.
fn names() -> impl Iterator<Item = &'static str> {
    let ivs = model().operations().iter().map(|it| it.name.as_str());
    let roles = [Action::AssumeRole, Action::AssumeRoleWithWebIdentity].map(Action::name);
    ivs.chain(roles).chain([caller::OPERATION, trail::OPERATION])
}

/// The throttling error of this operation.
pub(crate) fn throttle(operation: Option<&Operation>, switches: &Switches) -> Failure {
    let message = "Request was denied due to request throttling";
    if operation.is_some_and(|operation| operation.models("ThrottlingException")) {
        return Failure::with_status("ThrottlingException", 429, message);
    }
    Failure::with_status(&switches.throttle_error, switches.throttle_status, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn struck(fault: serde_json::Value, calls: usize) -> Vec<bool> {
        let mut faults = Faults::default();
        let fault = serde_json::from_value(fault).expect("a fault");
        faults.add(fault, Millis(0)).expect("a good one");
        let mut random = Generator::new(1);
        (0..calls)
            .map(|_| {
                let effects = faults.strike(
                    "CreateChannel",
                    None,
                    None,
                    &Switches::default(),
                    &mut random,
                    Millis(500),
                );
                effects.refuse.is_some() || effects.drop.is_some()
            })
            .collect()
    }

    #[test]
    fn a_fault_that_can_never_strike_is_refused() {
        let add = |fault: serde_json::Value| {
            let fault = serde_json::from_value(fault).expect("a fault");
            Faults::default().add(fault, Millis(0))
        };
        for good in ["CreateChannel", "Get*", "AssumeRole", "GetCallerIdentity", "LookupEvents"] {
            assert_eq!(add(json!({ "operation": good, "kind": "throttle" })), Ok(()), "{good}");
        }
        let refused = add(json!({ "operation": "CreateChanel", "kind": "throttle" }));
        assert_eq!(refused, Err("`CreateChanel` in `operation` matches no operation".to_owned()));
        let refused = add(json!({ "kind": "odd", "name": "wrod" })).expect_err("no such answer");
        assert!(
            refused.starts_with("`wrod` is no name of kind odd: use one of word, "),
            "{refused}"
        );
    }

    #[test]
    fn faults_apply_to_the_calls_that_they_name() {
        let nth = json!({"operation": "CreateChannel", "kind": "throttle", "nth": 2, "times": 2});
        assert_eq!(struck(nth, 4), [false, true, true, false]);
        let other = json!({"operation": "GetChannel", "kind": "throttle"});
        assert_eq!(struck(other, 1), [false]);
        assert_eq!(struck(json!({"operation": "Create*", "kind": "throttle"}), 1), [true]);
        let either = json!({"operation": "{Create,Delete}*", "kind": "throttle"});
        assert_eq!(struck(either, 1), [true]);
        let over = json!({"kind": "loseReply", "seconds": 0.1});
        assert_eq!(struck(over, 1), [false]);
        let half = struck(json!({"kind": "error500", "probability": 0.5}), 100);
        let count = half.into_iter().filter(|hit| *hit).count();
        assert!((30..70).contains(&count), "{count}");
    }
}
