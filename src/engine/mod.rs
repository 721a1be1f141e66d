//! The engine for programs: a session with one account and region plans and applies one stack.
//!
//! [`Session::open`] connects and checks that the account is the stack's. [`Session::plan`] reads the account, plans, and
//! looks up who uses what the plan would delete. [`Planned::apply`] carries the plan out and confirms it. Several sessions
//! run side by side in one process.
//!
//! ```
//! # #[cfg(feature = "emulator")] {
//! use ivs_apply::apply::Stop;
//! use ivs_apply::emulator::{Emulator, Settings};
//! use ivs_apply::engine::{RunLock, Session, SharedBuckets, Target};
//! use ivs_apply::manifest::load_text;
//! use ivs_apply::plan::Policy;
//!
//! async fn apply(target: &Target, manifests: &str) -> Result<usize, ivs_apply::engine::Error> {
//!     let loaded = load_text("manifests.yaml", manifests, None);
//!     assert!(!loaded.report.has_errors());
//!     let session = Session::open(target, &loaded.stack).await?;
//!     let planned = session.plan(loaded.stack, loaded.desired, Policy::default(), false).await?;
//!     // For a stack with a lock: `session.lock`, before the plan is made.
//!     let lock = RunLock::none(tokio::sync::watch::Sender::new(Stop::default()));
//!     let outcome = planned.apply(&session, &lock, None, &|event| drop(event)).await.expect("no refusal");
//!     Ok(outcome.counts(&planned.plan).done)
//! }
//!
//! let target = |account: &str| {
//!     let emulator = Emulator::new(Settings { account: account.to_owned(), ..Settings::default() });
//!     Target {
//!         in_process: Some(emulator.http_client()),
//!         shared: Some(SharedBuckets::default()),
//!         ..Target::default()
//!     }
//! };
//! let channel = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: main }\n";
//! let (one, two) = (target("111111111111"), target("222222222222"));
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! let both = runtime.block_on(async { tokio::join!(apply(&one, channel), apply(&two, channel)) });
//! assert_eq!((both.0.unwrap(), both.1.unwrap()), (1, 1));
//! # }
//! ```
//!
//! Never prints or asks, reads no environment variable and no file of manifests, and listens for no signal.

mod error;
mod lock;
mod waiting;

pub use crate::aws::{ConnectError, Rates, RoleToAssume, SharedBuckets, Target};
pub use aws_config::SdkConfig;
pub use error::{Error, Refusal};
pub use lock::{LockError, RunLock};

use crate::apply::{Event, Outcome, apply};
use crate::aws::{self, Class, Clients, SignedIn};
use crate::cloud::{Reading, look_up_live, look_up_sessions, look_up_users, read};
use crate::kinds::operation::PUBLISHED_RATES;
use crate::kinds::{Address, Desired, Freeze, ObservedState, OnFreeze, Stack};
use crate::plan::approval::{Inputs, Place};
use crate::plan::{Approval, Decision, Note, Plan, Policy, Selected, Status, Terms, plan};
use std::borrow::Cow;
use std::time::Instant;

/// A connection to the account and region of a stack.
pub struct Session {
    /// The clients.
    pub aws: Clients,
    /// The identity of the credentials in force.
    pub signed_in: SignedIn,
}

/// Makes clients that keep within the published call rates of the kinds' operations. Sends nothing, apart from what a
/// credentials provider needs.
///
/// # Errors
/// Where the configuration gives no connection.
pub async fn connect(target: &Target) -> Result<Clients, ConnectError> {
    aws::connect(target, &PUBLISHED_RATES).await
}

impl Session {
    /// Connects, and makes sure that the account and region are those of the stack. Asks for the identity once, and
    /// calls no operation of IVS.
    ///
    /// # Errors
    /// Where there is no connection, or where it is to another account or region than the stack's.
    pub async fn open(target: &Target, stack: &Stack) -> Result<Self, Error> {
        let session = Self::with(connect(target).await?, stack).await?;
        if let (Some(shared), Some(account)) = (&target.shared, session.signed_in.account()) {
            session.aws.gate.share(shared, account, &session.aws.region);
        }
        Ok(session)
    }

    /// A session with clients that are there already.
    ///
    /// # Errors
    /// Where they are of another account or region than the stack's.
    pub async fn with(aws: Clients, stack: &Stack) -> Result<Self, Error> {
        if let Some(region) = &stack.region
            && *region != aws.region
        {
            return Err(Error::WrongRegion {
                stack: stack.name.clone(),
                wanted: region.clone(),
                configured: aws.region.clone(),
            });
        }
        let signed_in = match aws.identity().await {
            Ok(identity) => SignedIn::Known(identity),
            // A stack that names no account can be read without knowing it.
            Err(error) if stack.account.is_some() || error.class == Class::NoCredentials => {
                return Err(Error::AccountUnknown(error));
            }
            Err(error) => SignedIn::Unknown(error.to_string()),
        };
        if let (Some(wanted), Some(configured)) = (&stack.account, signed_in.account())
            && wanted != configured
        {
            return Err(Error::WrongAccount {
                stack: stack.name.clone(),
                wanted: wanted.clone(),
                configured: configured.to_owned(),
            });
        }
        Ok(Self { aws, signed_in })
    }

    /// Whether a plan for this stack may be applied at all. [`Planned::apply`] asks as well; a program that takes a
    /// lock or reads for long asks before.
    ///
    /// # Errors
    /// [`Refusal::PlaceNotNamed`].
    pub fn may_write(&self, stack: &Stack) -> Result<(), Refusal> {
        let named = stack.account.is_some() && stack.region.is_some();
        if self.aws.local || named { Ok(()) } else { Err(Refusal::PlaceNotNamed) }
    }

    /// Reads the account, plans, looks up who is connected to stages with a session and who uses what the plan would
    /// delete, and plans again where that adds facts. With `full` every object is got, not only listed.
    ///
    /// # Errors
    /// [`Error::Read`] where a kind cannot be read to the end.
    pub async fn plan(
        &self,
        stack: Stack,
        desired: Vec<Desired>,
        policy: Policy,
        full: bool,
    ) -> Result<Planned, Error> {
        let every_kind = policy.prune || policy.destroy;
        let reading = Reading { every_kind, full, strangers: false };
        let read_at = Instant::now();
        let (observed, plan) = self.planned(&stack, &desired, &policy, reading).await?;
        Ok(Planned { stack, desired, observed, plan, policy, reading, read_at })
    }

    async fn planned(
        &self,
        stack: &Stack,
        desired: &[Desired],
        policy: &Policy,
        reading: Reading,
    ) -> Result<(ObservedState, Plan), Error> {
        let in_sight = policy.in_sight(desired);
        let mut observed = read(&self.aws, stack, &in_sight, reading).await?;
        let mut made = plan(stack, desired, &observed, policy);
        if look_up_sessions(&self.aws, &mut observed, made.disturbed()).await? {
            made = plan(stack, desired, &observed, policy);
        }
        if look_up_users(&self.aws, &mut observed, made.doomed()).await? {
            made = plan(stack, desired, &observed, policy);
        }
        Ok((observed, made))
    }

    /// Reads everything that the stack owns, of every kind, without manifests.
    ///
    /// # Errors
    /// [`Error::Read`] where a kind cannot be read to the end.
    pub async fn survey(&self, stack: &Stack) -> Result<ObservedState, Error> {
        let everything = Reading { every_kind: true, full: false, strangers: false };
        Ok(read(&self.aws, stack, &[], everything).await?)
    }

    /// Looks up what a plan does not need and a view of the stack shows of what `is_about` selects: how many
    /// participants publish on each stage with a session, one call each, and the names of the destinations of each
    /// degraded composition, one call each.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn look_up_live(
        &self,
        observed: &mut ObservedState,
        is_about: &(dyn Fn(&Address) -> bool + Sync),
    ) -> Result<(), Error> {
        Ok(look_up_live(&self.aws, observed, is_about).await?)
    }

    /// Whether anything of the stack exists, of whatever kind: then it was applied before.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn was_applied(&self, planned: &Planned) -> Result<bool, Error> {
        if !planned.observed.owned.is_empty() {
            return Ok(true);
        }
        Ok(!self.survey(&planned.stack).await?.owned.is_empty())
    }
}

/// A plan with what it was made from.
pub struct Planned {
    /// The stack.
    pub stack: Stack,
    /// What its manifests declare.
    pub desired: Vec<Desired>,
    /// The account as it was read.
    pub observed: ObservedState,
    /// The plan.
    pub plan: Plan,
    policy: Policy,
    reading: Reading,
    /// When the reading of the account began.
    read_at: Instant,
}

impl Planned {
    /// What the plan was allowed to do.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Leaves only this part of a plan that deletes.
    pub fn narrow(&mut self, selected: Selected) {
        self.policy.selected = Some(selected);
        self.plan = plan(&self.stack, &self.desired, &self.observed, &self.policy);
    }

    /// Why nothing of this plan may be applied, if so. `confirmed_deletes` is the number of deletes that the user
    /// has confirmed.
    pub fn refusal(
        &self,
        session: &Session,
        lock: &RunLock,
        confirmed_deletes: Option<usize>,
    ) -> Option<Refusal> {
        let blocked = self.plan.steps.iter().find_map(|step| match &step.decision {
            Decision::Blocked(reason) | Decision::Unmanaged(reason) => {
                let (address, reason) = (step.address.clone(), Box::new(reason.clone()));
                Some(Refusal::Blocked { address, reason })
            }
            Decision::Do | Decision::Interrupt | Decision::Deferred(_) | Decision::Dormant(_) => {
                None
            }
        });
        let quota = || {
            let blocked = self.plan.status() == Status::Blocked;
            self.plan.notes.iter().filter(|_| blocked).find_map(|note| match note {
                Note::Quota { kind, wanted, quota } => {
                    Some(Refusal::QuotaExceeded { kind: *kind, wanted: *wanted, quota: *quota })
                }
                _ => None,
            })
        };
        let deletes = || {
            self.plan.refusal(confirmed_deletes).map(|it| {
                let crate::plan::Refusal::UnconfirmedDeletes { deletes, of } = it;
                Refusal::UnconfirmedDeletes { deletes, of }
            })
        };
        let frozen = || self.frozen(session).map(|freeze| Refusal::Frozen { freeze });
        let no_time = || {
            let missing = self.plan.has_work() && session.aws.gate.server_time().is_none();
            missing.then_some(Refusal::NoServerTime)
        };
        let place = session.may_write(&self.stack).err();
        let unlocked = || session.holds(&self.stack, lock, self.read_at).err();
        place
            .or_else(unlocked)
            .or(blocked)
            .or_else(quota)
            .or_else(deletes)
            .or_else(frozen)
            .or_else(no_time)
    }

    /// The freeze because of which nothing of the plan may be written now, by the service's clock.
    fn frozen(&self, session: &Session) -> Option<Freeze> {
        let counts = self.stack.on_freeze == OnFreeze::Refuse
            && self.policy.ignores_freezes().is_none()
            && self.plan.has_work();
        let now = session.aws.gate.server_time().or(self.observed.as_of).filter(|_| counts)?;
        self.stack.freeze_at(now).cloned()
    }

    /// Whether the account would still give the same plan.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn still_holds(&self, session: &Session) -> Result<bool, Error> {
        let planned = session.planned(&self.stack, &self.desired, &self.policy, self.reading);
        Ok(planned.await?.1.does_the_same_as(&self.plan))
    }

    /// What there is to approve, to be saved and compared with a later plan.
    ///
    /// # Errors
    /// [`Error::PlaceUnknown`] where the account is unknown.
    pub fn approval(
        &self,
        session: &Session,
        terms: Terms,
        inputs: Inputs,
    ) -> Result<Approval, Error> {
        let account = match &session.signed_in {
            SignedIn::Known(identity) => identity.account.clone(),
            SignedIn::Unknown(why) => return Err(Error::PlaceUnknown(why.clone())),
        };
        let place = Place {
            stack: self.stack.name.clone(),
            account,
            region: session.aws.region.clone(),
            endpoint: session.aws.endpoint.clone(),
        };
        Ok(Approval::of(&self.plan, &self.observed.addresses, place, terms, inputs))
    }

    /// Applies the plan and confirms it. `lock` is that of [`Session::lock`], taken before the plan was made; for a stack without a lock it is [`RunLock::none`]. What stops the run is in it: what has begun is finished then.
    /// `confirmed_deletes` is the number of deletes that the user has confirmed. `tell` gets every event as it
    /// happens. Where a freeze of the stack begins during the run, no further step is started, unless the policy ignores
    /// freezes.
    ///
    /// # Errors
    /// Where the plan is refused ([`Planned::refusal`]): nothing was written.
    pub async fn apply(
        &self,
        session: &Session,
        lock: &RunLock,
        confirmed_deletes: Option<usize>,
        tell: &(dyn Fn(Event) + Sync),
    ) -> Result<Outcome, Refusal> {
        if let Some(refusal) = self.refusal(session, lock, confirmed_deletes) {
            return Err(refusal);
        }
        let Self { stack, plan, observed, .. } = self;
        let mut stack = Cow::Borrowed(stack);
        if self.policy.ignores_freezes().is_some() {
            stack.to_mut().freezes.clear();
        }
        Ok(apply(&session.aws, &stack, plan, observed, lock.stop(), tell).await)
    }
}
