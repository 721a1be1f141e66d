//! **ivs-apply**: a declarative reconciler for Amazon IVS.
//!
//! Manifests become a typed graph ([`manifest`]), are compared with the account ([`cloud`], [`plan`]),
//! and are applied in dependency order ([`apply`]). Programs go through [`engine::Session`], as the command line
//! does. There is no state file: the tags that the create call writes identify each object. `docs/architecture.md`
//! says which module does what and may import which; `tests/it/architecture.rs` checks it.
//!
//! Cargo features, all on by default: `cli` (command line and output), `emulator` (both IVS services in this
//! process), `lock-s3` (a lock in an S3 bucket). Without `cli` the library has no argument parser and no terminal
//! crate, and reads neither the environment nor signals.

/// Whether a test has planted a bug here (`src/mutants.rs`): `false` in every build but that of the tests.
#[cfg(feature = "mutants")]
macro_rules! mutant {
    ($bug:ident) => {
        $crate::mutants::active($crate::mutants::Mutant::$bug)
    };
}
#[cfg(not(feature = "mutants"))]
macro_rules! mutant {
    ($bug:ident) => {
        false
    };
}

pub mod apply;
pub mod aws;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cloud;
#[cfg(feature = "cli")]
pub mod commands;
pub mod diag;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod engine;
pub mod fleet;
pub mod kinds;
pub mod manifest;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod plan;
mod system;
#[cfg(feature = "cli")]
pub mod ui;
