//! What the command line is made of: the arguments that every command takes, exit codes, the environment, and help
//! for mistakes.
//!
//! Only here are the process's arguments and environment read. Knows no command, starts none, and decides nothing
//! about manifests or AWS.

mod environment;
mod exit_code;
mod global;
mod mistakes;
mod time;

pub(crate) use environment::{
    FLEET_PROCESS, arguments, current_folder, end_with_fleet, own_process, program, program_file,
    restart_without_empty_variables, typed_filenames, variable, who,
};
pub use exit_code::ExitCode;
pub(crate) use global::not_empty;
pub use global::{Ci, Colour, EmulatorChoice, Format, Global, RatesWord};
pub(crate) use mistakes::{add_tips, with_escaped_values};
pub(crate) use time::time;
