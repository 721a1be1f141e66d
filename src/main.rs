//! The `ivs-apply` program: hands its arguments to the library and exits with what comes back.

use std::process::ExitCode;

fn main() -> ExitCode {
    ivs_apply::ui::panic::tell_of_defects();
    ivs_apply::commands::main()
}
