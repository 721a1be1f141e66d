//! **ivs-apply**: a declarative reconciler for Amazon IVS.
//!
//! Manifests become a typed graph ([`manifest`]), are compared with the live account ([`cloud`], [`plan`]),
//! and are applied in dependency order ([`apply`]). There is no state file: identity lives in tags that the
//! create call itself writes. The rooms, and which may know which, are told in `CONTRIBUTING.md` and held
//! by `tests/it/architecture.rs`.

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
pub mod cli;
pub mod cloud;
mod commands;
pub mod diag;
pub mod emulator;
pub mod kinds;
pub mod manifest;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod plan;
pub mod ui;
