//! What the program reads of its own process: variables, arguments as they were typed, folder, host. No other file
//! reads the environment.

use crate::apply::lock::Who;
use crate::system::process;
use crate::ui::escape::escape;
use std::ffi::OsString;
use std::path::PathBuf;

/// Who runs the program, for the lock that a run takes.
pub(crate) fn who() -> Who {
    let github = || {
        let parts = ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"].map(variable);
        let [Some(server), Some(repository), Some(run)] = parts else { return None };
        Some(format!("{server}/{repository}/actions/runs/{run}"))
    };
    let others = ["CI_JOB_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL", "BUILD_URL"];
    let run = github().or_else(|| others.into_iter().find_map(variable));
    let host = process::host(variable);
    let clean = |text: String| escape(&text, 200);
    Who {
        user: variable("USER").or_else(|| variable("LOGNAME")).map(clean),
        host: Some(host).filter(|it| !it.is_empty()).map(clean),
        run: run.map(clean),
    }
}

/// The folder that the program runs in.
pub(crate) fn current_folder() -> Option<PathBuf> {
    std::env::current_dir().ok()
}

/// The words of the command line, the program first.
pub(crate) fn arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os()
}

/// The variables of the environment.
pub(super) fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// The program as it was called.
pub(crate) fn program() -> String {
    let name = arguments().next().map(|it| it.to_string_lossy().into_owned());
    name.filter(|it| !it.is_empty()).unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned())
}

/// The file of the program, for another process of it.
pub(crate) fn program_file() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

/// The variable by which a fleet tells the process of a target which process the fleet is.
pub(crate) const FLEET_PROCESS: &str = "IVS_APPLY_FLEET_PROCESS";

/// This process, as the value of that variable.
pub(crate) fn own_process() -> String {
    std::process::id().to_string()
}

/// Asks the kernel for SIGTERM at the end of the fleet that has started this process, so that no target runs on where the
/// fleet was killed. Another parent than that fleet is left alone, and so are systems that have no such signal.
pub(crate) fn end_with_fleet() {
    if let Some(fleet) = variable(FLEET_PROCESS) {
        process::end_with(&fleet);
    }
}

/// The paths of `-f` in a command line that is being typed, or those of its variable.
pub(crate) fn typed_filenames() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut words = arguments().map(|it| it.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        if word == "-f" || word == "--filename" {
            paths.extend(words.next());
        } else if let Some(path) = word.strip_prefix("--filename=") {
            paths.push(path.to_owned());
        } else if let Some(path) = word.strip_prefix("-f").filter(|_| !word.starts_with("--")) {
            paths.push(path.to_owned());
        }
    }
    if paths.is_empty() {
        paths.push(variable("IVS_APPLY_FILENAME").unwrap_or_else(|| ".".to_owned()));
    }
    paths.into_iter().filter(|it| it != "-" && !it.is_empty()).map(PathBuf::from).collect()
}

/// A variable of the environment, where it is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|it| !it.is_empty())
}

/// Starts the program again without those of its own and the SDK's variables that are set to an empty text: to
/// clap and to the SDK these would be values, and a script that blanks a variable means that it is not set. Comes
/// back only where there are none, or with the error that kept the program from starting.
pub(crate) fn restart_without_empty_variables() -> Option<std::io::Error> {
    let empty: Vec<OsString> = variables()
        .filter(|(name, value)| {
            let name = name.to_string_lossy();
            value.is_empty() && (name.starts_with("IVS_APPLY_") || name.starts_with("AWS_"))
        })
        .map(|(name, _)| name)
        .collect();
    if empty.is_empty() {
        return None;
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Some(error),
    };
    let mut words = arguments();
    let mut command = std::process::Command::new(program);
    if let Some(name) = words.next() {
        process::called(&mut command, name);
    }
    command.args(words);
    for name in empty {
        command.env_remove(name);
    }
    Some(process::replace_by(command))
}
