//! The one integration-test binary: each further one would link the SDK again.

mod account;
mod architecture;
mod binary;
mod calls;
mod examples;
mod generated;
mod golden;
mod laws;
mod world;
mod zeros;
