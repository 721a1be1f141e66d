//! Many targets as one fleet: which of them run together, in which order, when a run has to stop, and what it came to.
//!
//! Functions over values. Never starts a process, reads a file or a clock, and prints nothing: `commands/fleet` does what
//! is decided here, and `ui/fleet` shows it.

mod gate;
mod outcome;
mod results;
mod resume;
mod shard;
mod targets;

pub use gate::{Gate, MaxFailures};
pub use outcome::{Counts, Outcome, Status};
pub use results::{
    Error, FORMAT_VERSION, Finding, Results, Row, Run, Selected, Tool, Wave, WaveStatus, schema,
};
pub use resume::{Difference, left};
pub use shard::{Dealt, Shard};
pub use targets::{Entry, Fault, Fleet, Queue, Selection, Unread};
