use super::failure::Failure;
use crate::cli::{ExitCode, program, typed_filenames};
use crate::manifest::envelope::kind_names;
use crate::manifest::values::GivenValues;
use crate::manifest::{self, Loaded, StandardInput, load};
use crate::ui::Ui;
use clap::ValueEnum;
use clap_complete::engine::{PathCompleter, ValueCompleter};
use clap_complete::env::Shells;
use clap_complete::{CompletionCandidate, Shell};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

/// The variable by which a shell asks the program to complete a line.
pub(super) const VARIABLE: &str = "IVS_APPLY_COMPLETE";

/// Print a completion script for a shell
///
/// The script asks the program itself, so it also completes kinds, and addresses of the manifests that `-f` names. For
/// every bash: `ivs-apply completions bash > ~/.local/share/bash-completion/completions/ivs-apply`
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, ui: Ui) -> Result<ExitCode, Failure> {
    let name = env!("CARGO_PKG_NAME");
    let shell = args.shell.to_possible_value().map(|it| it.get_name().to_owned());
    let shells = Shells::builtins();
    let completer = shell.as_deref().and_then(|it| shells.completer(it));
    let completer = completer.ok_or_else(|| {
        Failure::error(format!("there is no completion script for {}", args.shell))
    })?;
    // A program that was called by its path may not be in the search path of the shell.
    let called = program();
    let called = match Path::new(&called).components().count() {
        0 | 1 => called,
        _ => std::path::absolute(&called)?.to_string_lossy().into_owned(),
    };
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, name, name, &called, &mut script)?;
    ui.answer(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Done)
}

/// Names of kinds.
pub(super) fn kinds() -> Vec<CompletionCandidate> {
    kind_names().map(CompletionCandidate::new).collect()
}

/// Addresses in the manifests that the line names.
pub(super) fn addresses(typed: &OsStr) -> Vec<CompletionCandidate> {
    candidates(typed, declared())
}

/// Addresses, and each of their kinds with a `*`.
pub(super) fn patterns(typed: &OsStr) -> Vec<CompletionCandidate> {
    let mut all = declared();
    let kinds: BTreeSet<String> = all
        .iter()
        .filter_map(|it| it.split_once('/'))
        .map(|(kind, _)| format!("{kind}/*"))
        .collect();
    all.extend(kinds);
    candidates(typed, all)
}

fn candidates(typed: &OsStr, all: BTreeSet<String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    all.into_iter().filter(|it| it.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}

fn declared() -> BTreeSet<String> {
    loaded().desired.iter().map(|it| it.address.to_string()).collect()
}

/// The names of values that the manifests declare, as far as `--set` names them.
pub(super) fn value_names(typed: &OsStr) -> Vec<CompletionCandidate> {
    let names = loaded().stack_spec.values.into_keys().map(|it| format!("{it}="));
    candidates(typed, names.collect())
}

/// Files, and behind the `#` of one the names of its Targets.
pub(super) fn targets(typed: &OsStr) -> Vec<CompletionCandidate> {
    let text = typed.to_string_lossy();
    let file = text.rsplit_once('#').map_or(&*text, |it| it.0);
    let names = |file: &str| -> BTreeSet<String> {
        let found = manifest::target::targets(&[file.into()]);
        found.into_iter().flatten().map(|it| format!("{file}#{}", it.name)).collect()
    };
    if Path::new(file).is_file() {
        return candidates(typed, names(file));
    }
    PathCompleter::any().complete(typed)
}

/// The manifests that the line names.
fn loaded() -> Loaded {
    let mut nothing = std::io::empty();
    let stdin = StandardInput { text: &mut nothing, folder: None };
    load(&typed_filenames(), stdin, None, &GivenValues::default())
}
