//! What a saved plan was made from: noted by `plan --out`, found again by `apply PLAN` from any folder.

use super::failure::Failure;
use crate::cli::{EmulatorChoice, Global, current_folder, program};
use crate::plan::Approval;
use crate::plan::approval::Inputs;
use crate::ui::shell::quote;
use std::path::{Path, PathBuf};

/// Standard input, as a path of `-f`.
const STANDARD_INPUT: &str = "-";

/// What this run is made from.
pub(super) fn of(global: &Global) -> Inputs {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    Inputs {
        folder: current_folder().as_deref().map(text).unwrap_or_default(),
        manifests: global.paths().iter().map(|it| text(it)).collect(),
        stdin_folder: global.stdin_folder.as_deref().map(text),
        stack: global.stack.clone(),
        emulator: global.emulator_file().map(text),
        // A password in an address is not written down.
        endpoint_url: global.endpoint_url.clone().filter(|it| !it.contains('@')),
    }
}

/// The command that carries a saved plan out.
pub(super) fn command(plan: &Path, global: &Global) -> String {
    let name = plan.to_string_lossy();
    let name = if name.starts_with('-') { format!("./{name}") } else { name.into_owned() };
    let mut command = format!("{} apply {}", quote(&program()), quote(&name));
    if let Some(profile) = &global.profile {
        command.push_str(&format!(" --profile {}", quote(profile)));
    }
    if global.paths().iter().any(|it| it.as_os_str() == STANDARD_INPUT) {
        return format!("… | {command} -f -");
    }
    command
}

/// The command line with what the plan was made from wherever the command line does not say it itself.
pub(super) fn restored(
    plan: &Path,
    approval: &Approval,
    global: &Global,
) -> Result<Global, Failure> {
    let saved = &approval.inputs;
    let mut global = global.clone();
    if global.filename.is_empty() {
        if saved.manifests.iter().any(|it| it == STANDARD_INPUT) {
            let again = Global { filename: vec![STANDARD_INPUT.into()], ..global.clone() };
            return Err(Failure::error("the plan was made from manifests on standard input")
                .help(format!("give the same manifests again: `{}`", command(plan, &again))));
        }
        let found = saved.manifests.iter().map(|it| {
            found(saved, it).ok_or_else(|| {
                let message = format!(
                    "the manifests of the saved plan are neither in {} nor in this folder: `{it}`",
                    saved.folder
                );
                Failure::error(message)
                    .help(format!("name them: `{} -f PATH`", command(plan, &global)))
            })
        });
        global.filename = found.collect::<Result<_, _>>()?;
    }
    if global.stdin_folder.is_none() {
        global.stdin_folder = saved.stdin_folder.as_ref().map(PathBuf::from);
    }
    if global.emulator.is_none() && global.endpoint_url.is_none() {
        global.endpoint_url.clone_from(&saved.endpoint_url);
        global.emulator = saved.emulator.as_ref().map(|it| {
            EmulatorChoice::StateIn(found(saved, it).unwrap_or_else(|| PathBuf::from(it)))
        });
    }
    global.stack = global.stack.or_else(|| saved.stack.clone());
    global.region = global.region.or_else(|| Some(approval.place.region.clone()));
    Ok(global)
}

/// Where something that was named in the plan's folder is now: there, or, since plans travel between machines,
/// under the same name in this folder.
fn found(saved: &Inputs, name: &str) -> Option<PathBuf> {
    let given = PathBuf::from(name);
    if current_folder().is_some_and(|here| here == Path::new(&saved.folder)) {
        return Some(given);
    }
    let there = Path::new(&saved.folder).join(name);
    if there.exists() { Some(there) } else { Some(given).filter(|it| it.exists()) }
}
