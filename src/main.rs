//! The `ivs-apply` program: hands its arguments to the library and exits with what comes back.

use std::process::ExitCode;

/// In bytes. The main thread of Windows has 1 MiB, which a build without optimisation exceeds.
const STACK: usize = 8 * 1024 * 1024;

fn main() -> ExitCode {
    ivs_apply::ui::panic::tell_of_defects();
    let program = std::thread::Builder::new().name("main".to_owned()).stack_size(STACK);
    match program.spawn(ivs_apply::commands::main).map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // The panic was told where it happened.
        Ok(Err(_)) => ExitCode::from(101),
        // Without memory for a thread there is still this one.
        Err(_) => ivs_apply::commands::main(),
    }
}
