//! What a saved plan was made from: noted by `plan --out`, found again by `apply PLAN` from any folder.

use super::failure::Failure;
use super::target;
use crate::aws::Endpoints;
use crate::aws::endpoint::{Address, SERVICES, is_server, variable};
use crate::cli::{EmulatorChoice, Global, current_folder, program};
use crate::manifest::values::GivenValues;
use crate::plan::Approval;
use crate::plan::approval::Inputs;
use crate::ui::Ui;
use crate::ui::shell::quote;
use std::path::{Path, PathBuf};

/// Standard input, as a path of `-f`.
const STANDARD_INPUT: &str = "-";

/// What this run is made from.
pub(super) fn of(global: &Global) -> Inputs {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let given = global.given_values();
    Inputs {
        folder: current_folder().as_deref().map(text).unwrap_or_default(),
        manifests: global.paths().iter().map(|it| text(it)).collect(),
        stdin_folder: global.stdin_folder.as_deref().map(text),
        stack: global.stack.clone(),
        values: given.files.iter().map(|it| text(it)).collect(),
        set: given.set.iter().map(ToString::to_string).collect(),
        target: global.target.clone().filter(|_| global.at.is_some()),
        emulator: global.emulator_file().map(text),
        // A password or a query in an address may be a secret, which is not written to a file.
        endpoint_url: global.endpoint_url.clone().filter(|it| Address::of(it).whole),
    }
}

/// How the command that applies a saved plan names the endpoint of the plan.
#[derive(Default)]
pub(super) struct Naming {
    /// Variables that are set before the command.
    variables: String,
    /// Flags that follow it.
    flags: String,
    /// Whether an address has a part that may be a secret, so that `URL` stands for it.
    pub(super) has_placeholder: bool,
}

impl Naming {
    /// For a plan of this run: what `apply` does not find in the file of the plan.
    pub(super) fn of(global: &Global, endpoints: &Endpoints) -> Self {
        let mut naming = Self::default();
        if of(global).endpoint_url.is_some() {
            return naming;
        }
        let mut word = |address: &Address| {
            naming.has_placeholder |= !address.whole;
            if address.whole { quote(&address.shown) } else { "URL".to_owned() }
        };
        match endpoints {
            Endpoints::Aws | Endpoints::Emulator => {}
            Endpoints::One(address) => naming.flags = flag(&word(address)),
            Endpoints::Several(named) => {
                let each = named
                    .iter()
                    .map(|(service, address)| format!("{}={} ", variable(service), word(address)));
                naming.variables = each.collect();
            }
        }
        naming
    }

    /// For a plan that was read from its file.
    fn of_saved(approval: &Approval) -> Self {
        let endpoint = approval.place.endpoint.as_deref().filter(|it| is_server(it));
        let endpoint = endpoint.filter(|_| approval.inputs.endpoint_url.is_none());
        let flags = endpoint.map(|it| flag(&quote(it))).unwrap_or_default();
        Self { flags, ..Self::default() }
    }
}

/// The flag with this word as its value.
fn flag(url: &str) -> String {
    format!(" --endpoint-url {url}")
}

/// The command that carries a saved plan out.
pub(super) fn command(plan: &Path, global: &Global, naming: &Naming) -> String {
    let name = plan.to_string_lossy();
    let name = if name.starts_with('-') { format!("./{name}") } else { name.into_owned() };
    let Naming { variables, flags, .. } = naming;
    let mut command = format!("{variables}{} apply {}", quote(&program()), quote(&name));
    if let Some(profile) = &global.profile {
        command.push_str(&format!(" --profile {}", quote(profile)));
    }
    command.push_str(flags);
    if global.paths().iter().any(|it| it.as_os_str() == STANDARD_INPUT) {
        return format!("… | {command} -f -");
    }
    command
}

/// Refuses a plan that was made at other endpoints than those that this run would use, before anything is opened
/// there.
pub(super) fn at_its_endpoint(
    plan: &Path,
    approval: &Approval,
    given: &Global,
    endpoints: &Endpoints,
) -> Result<(), Failure> {
    let (saved, then) = (&approval.inputs, approval.place.endpoint.as_deref());
    let now = endpoints.shown();
    if now.as_deref() == then {
        return Ok(());
    }
    let named = |url: Option<&str>, is_emulator: bool| match url {
        _ if is_emulator => "the emulator".to_owned(),
        None => "the endpoints of AWS".to_owned(),
        Some(url) => format!("endpoint `{url}`"),
    };
    let is_emulator = *endpoints == Endpoints::Emulator;
    let message = format!(
        "the plan was made at {}, and this run would use {}",
        named(then, saved.emulator.is_some()),
        named(now.as_deref(), is_emulator)
    );
    let with = |mut flags: String| {
        for path in given.filename.iter().filter(|it| it.as_os_str() != STANDARD_INPUT) {
            flags.push_str(&format!(" -f {}", quote(&path.to_string_lossy())));
        }
        let naming = Naming { flags, ..Naming::default() };
        format!("`{}` applies it there", command(plan, given, &naming))
    };
    let how = match (then, &saved.emulator) {
        (_, Some(file)) => {
            let file = found(saved, file).unwrap_or_else(|| PathBuf::from(file));
            with(format!(" --emulator={}", quote(&file.to_string_lossy())))
        }
        (None, None) => "apply it without `--endpoint-url`, `--emulator` and the variables \
                         `AWS_ENDPOINT_URL…`, and with a profile that has no `endpoint_url`"
            .to_owned(),
        (Some(url), None) if is_server(url) => {
            let off = if is_emulator { " --emulator=false" } else { "" };
            with(format!("{off}{}", flag(&quote(url))))
        }
        (Some(_), None) => {
            let variables = SERVICES.map(|it| format!("`{}`", variable(it)));
            format!("set {} as they were for `plan`", variables.join(", "))
        }
    };
    Err(Failure::stale(message).help(format!("nothing was written; {how}")))
}

/// The command line with what the plan was made from wherever the command line does not say it itself.
pub(super) fn restored(
    plan: &Path,
    approval: &Approval,
    global: &Global,
    ui: Ui,
) -> Result<Global, Failure> {
    let saved = &approval.inputs;
    let naming = Naming::of_saved(approval);
    let mut global = global.clone();
    if global.filename.is_empty() {
        if saved.manifests.iter().any(|it| it == STANDARD_INPUT) {
            let again = Global { filename: vec![STANDARD_INPUT.into()], ..global.clone() };
            return Err(Failure::error("the plan was made from manifests on standard input").help(
                format!("give the same manifests again: `{}`", command(plan, &again, &naming)),
            ));
        }
        let found = saved.manifests.iter().map(|it| {
            found(saved, it).ok_or_else(|| {
                let message = format!(
                    "the manifests of the saved plan are neither in {} nor in this folder: `{it}`",
                    saved.folder
                );
                Failure::error(message)
                    .help(format!("name them: `{} -f PATH`", command(plan, &global, &naming)))
            })
        });
        global.filename = found.collect::<Result<_, _>>()?;
    }
    if global.stdin_folder.is_none() {
        global.stdin_folder = saved.stdin_folder.as_ref().map(PathBuf::from);
    }
    global.or_given_values(GivenValues {
        // A file that is not found here is looked for beside the manifests.
        files: saved
            .values
            .iter()
            .map(|it| found(saved, it).unwrap_or_else(|| PathBuf::from(it)))
            .collect(),
        set: saved.set.iter().filter_map(|it| it.parse().ok()).collect(),
    });
    if global.emulator.is_none() && global.endpoint_url.is_none() {
        global.endpoint_url.clone_from(&saved.endpoint_url);
        global.emulator = saved.emulator.as_ref().map(|it| {
            EmulatorChoice::StateIn(found(saved, it).unwrap_or_else(|| PathBuf::from(it)))
        });
    }
    global.stack = global.stack.or_else(|| saved.stack.clone());
    global.region = global.region.or_else(|| Some(approval.place.region.clone()));
    if let (None, Some(reference)) = (&global.at, &saved.target) {
        let (file, name) = target::parts(reference);
        let file = found(saved, file).unwrap_or_else(|| PathBuf::from(file));
        let name = name.map(|it| format!("#{it}")).unwrap_or_default();
        global.target = Some(format!("{}{name}", file.to_string_lossy()));
        global = target::resolved(&global, ui)?.unwrap_or(global);
    }
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
