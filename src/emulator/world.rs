//! The account together with what belongs to the running emulator only: call counts, rate buckets,
//! faults. Decides what happens to a request before the account sees it.

use std::collections::BTreeMap;

use super::account::{Account, Request};
use super::clock::Millis;
use super::failure::Failure;
use super::faults::{Effects, Faults, throttle};
use super::model::Operation;
use super::rates::Rates;
use super::reply::Reply;
use super::{caller, route, signature};

/// See the module.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) account: Account,
    pub(crate) faults: Faults,
    pub(crate) rates: Rates,
    pub(crate) calls: BTreeMap<String, u64>,
    /// Whether rates are enforced.
    pub(crate) enforce_rates: bool,
}

/// A request that has been counted and looked at by the faults.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) operation: Option<&'static Operation>,
    pub(crate) effects: Effects,
}

impl Admitted {
    /// Whether the account may change.
    pub(crate) fn writes(&self) -> bool {
        self.operation.is_some_and(|operation| !operation.reads())
    }
}

impl World {
    pub(crate) fn new(account: Account, enforce_rates: bool) -> Self {
        Self {
            account,
            faults: Faults::default(),
            rates: Rates::default(),
            calls: BTreeMap::new(),
            enforce_rates,
        }
    }

    /// Counts a request, asks the rates and lets the faults strike.
    pub(crate) fn admit(&mut self, request: &Request, now: Millis) -> Admitted {
        let now = self.account.pass_time(now);
        let scope = signature::scope(&request.headers).ok();
        let meant_for_sts = scope.as_ref().is_some_and(|scope| caller::is_meant(request, scope));
        let operation = route::operation(&request.method, &request.path).ok();
        let name = match operation {
            Some(operation) => operation.name.as_str(),
            None if meant_for_sts => "GetCallerIdentity",
            None => return Admitted { operation, effects: Effects::default() },
        };
        *self.calls.entry(name.to_owned()).or_default() += 1;
        let common = &mut self.account.common;
        let mut effects =
            self.faults.strike(name, operation, &common.switches, &mut common.generator, now);
        if self.enforce_rates
            && let (Some(operation), Some(scope)) = (operation, scope)
        {
            // A call that is refused uses up nothing but the caller's patience.
            if !self.rates.admit(&scope.region, operation, &request.body, now) {
                effects.refuse = Some(throttle(Some(operation), &common.switches));
            }
        }
        Admitted { operation, effects }
    }

    /// Carries an admitted request out.
    pub(crate) fn carry_out(
        &mut self,
        request: &Request,
        admitted: Admitted,
        now: Millis,
    ) -> Reply {
        let Admitted { operation, effects } = admitted;
        let refuse =
            |world: &mut Self, failure: Failure| world.account.refuse(operation, failure, now);
        if let Some(failure) = effects.refuse {
            return refuse(self, failure);
        }
        if effects.drop == Some(false) {
            // Nobody will see this answer.
            return refuse(self, Failure::validation("dropped"));
        }
        let mut reply = self.account.handle_through(request, now, &effects.lens);
        if effects.twice {
            reply = self.account.handle_through(request, now, &effects.lens);
        }
        match effects.fail {
            Some(failure) => refuse(self, failure),
            None => reply,
        }
    }
}
