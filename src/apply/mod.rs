//! Applies a plan: steps in dependency order, independent ones side by side, each exactly once.
//!
//! Decides nothing that the plan left open, and prints nothing: it reports events and returns an outcome.
//! Every run starts from the observed state, so a run that was killed is continued by running again.

mod acted_on;
mod attempts;
mod audience;
mod carry_out;
mod change;
mod changed;
mod confirm;
mod copies;
mod create;
mod deferred;
mod delete;
mod duplicate;
pub mod event;
mod failure;
pub mod lock;
mod outcome;
mod phases;
mod queue;
mod ready;
mod release;
mod run;
mod stop;
mod tags;
mod tries;
mod unread;
mod wait;

pub use changed::Changed;
pub use deferred::{Deferred, until_free};
pub use event::Event;
pub use failure::Failure;
pub use outcome::{Copy, Counts, Left, Outcome, StepStatus};
pub use phases::apply;
pub use stop::{Signal, Stop};
pub use unread::Unread;
pub use wait::{Until, Wait};
