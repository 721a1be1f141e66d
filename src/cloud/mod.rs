//! Reading the account: complete listings, then the fewest gets.
//!
//! Never writes, and never decides what to do about what it read.

mod read;
mod users;

pub use read::{ReadError, Reading, read, show_managed_tags};
pub use users::{look_up_sessions, look_up_users};
