//! Reading the account: complete listings, then the fewest gets.
//!
//! Never writes, and never decides what to do about what it read.

mod audience;
mod blame;
mod duplicates;
mod early;
mod listing;
mod live;
mod ownership;
mod read;
mod reading;
mod specs;
mod users;

pub use blame::{Question, blame};
pub use live::look_up_live;
pub use read::read;
pub use reading::{ReadError, Reading};
pub use specs::show_managed_tags;
pub use users::{look_up_sessions, look_up_users};
