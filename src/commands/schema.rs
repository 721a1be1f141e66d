use super::answer::pretty;
use super::completions::kinds;
use super::failure::Failure;
use crate::cli::{ExitCode, Format, Global};
use crate::kinds::Kind;
use crate::manifest::envelope::STACK;
use crate::manifest::schema;
use crate::manifest::target::{DEFINITION, TARGET};
use crate::ui::Ui;
use clap_complete::ArgValueCandidates;

/// Print the JSON Schema of manifests, or of one kind
///
/// `--format crd` prints the `CustomResourceDefinition` that a Kubernetes cluster needs for the operator. `Target` is the one
/// kind that has it.
#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArgs {
    /// The kind; every kind if absent
    #[arg(value_name = "KIND", add = ArgValueCandidates::new(kinds))]
    kind: Option<String>,
}

pub(super) fn run(args: &SchemaArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    let schema = match args.kind.as_deref() {
        None => schema::of_manifest(),
        Some(STACK) => schema::of_stack(),
        Some(TARGET) => schema::of_target(),
        Some(name) => {
            let kind = Kind::named(name).ok_or_else(|| {
                let names = Kind::ALL.iter().map(|it| it.name());
                let failure = Failure::error(format!("unknown kind `{name}`"));
                match crate::diag::suggest(name, names) {
                    Some(near) => failure.help(format!("did you mean `{near}`?")),
                    None => failure,
                }
            })?;
            schema::of_kind(kind)
        }
    };
    if global.format == Format::Crd {
        if args.kind.as_deref() != Some(TARGET) {
            let message = format!("{TARGET} is the one kind that is an object of Kubernetes");
            let help = format!("use `ivs-apply schema {TARGET} --format crd`");
            return Err(Failure::error(message).help(help));
        }
        ui.answer(DEFINITION)?;
    } else {
        ui.answer(&pretty(&schema))?;
    }
    Ok(ExitCode::Done)
}
