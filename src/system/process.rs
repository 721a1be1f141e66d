//! Processes: this one, and children that are told to stop.

use super::signals::Signal;
use std::io;
use std::process::{Command, ExitStatus};
use tokio::process::Child;

/// The name of this machine; empty where the system does not tell it.
pub(crate) fn host(variable: impl Fn(&str) -> Option<String>) -> String {
    #[cfg(unix)]
    {
        let _ = variable;
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
    #[cfg(windows)]
    {
        variable("COMPUTERNAME").unwrap_or_default()
    }
}

/// Runs another program in place of this one. Comes back only where it cannot be started.
pub(crate) fn replace_by(mut command: Command) -> io::Error {
    #[cfg(unix)]
    {
        std::os::unix::process::CommandExt::exec(&mut command)
    }
    #[cfg(windows)]
    {
        // A child in place of this process, which only waits. Ctrl-C reaches both, and the child decides what becomes of it.
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return error,
        };
        let _entered = runtime.enter();
        let _listeners = super::signals::Signals::listen();
        match command.status() {
            Ok(status) => std::process::exit(status.code().unwrap_or(1)),
            Err(error) => error,
        }
    }
}

/// The name by which a program is told that it was called.
pub(crate) fn called(command: &mut Command, name: std::ffi::OsString) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::arg0(command, name);
    #[cfg(windows)]
    let _ = (command, name);
}

/// Asks the kernel for SIGTERM at the end of the parent, where that is the process of this number. Systems other than Linux have
/// no such signal.
pub(crate) fn end_with(parent: &str) {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
        let parent = parent.parse().ok().and_then(Pid::from_raw);
        if parent.is_some() && getppid() == parent {
            // Without it the process runs to its end, as elsewhere.
            let _ = set_parent_process_death_signal(Some(Signal::TERM));
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = parent;
}

/// The signal that ended a process.
pub(crate) fn signal_of(status: ExitStatus) -> Option<i32> {
    #[cfg(unix)]
    {
        std::os::unix::process::ExitStatusExt::signal(&status)
    }
    #[cfg(windows)]
    {
        let _ = status;
        None
    }
}

/// Starts a child so that a signal of the terminal does not reach it. On Windows Ctrl-C reaches every process of the console.
pub(crate) fn apart(command: &mut tokio::process::Command) -> &mut tokio::process::Command {
    #[cfg(unix)]
    command.process_group(0);
    command
}

/// Passes a signal on to a child that was started apart, and to the processes that it has started. One that has ended already
/// needs none. On Windows the child has it already where it came from the console, and nothing else is passed on.
pub(crate) fn pass_on(child: &Child, signal: Signal) {
    #[cfg(unix)]
    send(
        child,
        match signal {
            Signal::Hangup => rustix::process::Signal::HUP,
            Signal::Interrupt => rustix::process::Signal::INT,
            Signal::Terminate => rustix::process::Signal::TERM,
        },
    );
    #[cfg(windows)]
    let _ = (child, signal);
}

/// Ends a child and the processes that it has started, at once; on Windows the child alone.
pub(crate) fn kill(child: &mut Child) {
    #[cfg(unix)]
    send(child, rustix::process::Signal::KILL);
    #[cfg(windows)]
    let _ = child.start_kill();
}

#[cfg(unix)]
fn send(child: &Child, signal: rustix::process::Signal) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let Some(group) = child.id().and_then(|it| Pid::from_raw(it.cast_signed())) else { return };
    // A process that is suspended takes a signal only when it goes on.
    let _ =
        kill_process_group(group, signal).and_then(|()| kill_process_group(group, Signal::CONT));
}
