//! The one integration-test binary: each further one would link the SDK again.

mod account;
mod adoption;
mod architecture;
mod binary;
mod calls;
mod change;
mod conformance;
mod examples;
mod faults;
mod fields;
mod generated;
mod golden;
mod hostile;
mod ingest;
mod keys;
mod kind_rules;
mod laws;
mod memory;
mod replication;
mod rules;
mod saved_plans;
mod scenarios;
mod selection;
mod users;
mod world;
mod zeros;
