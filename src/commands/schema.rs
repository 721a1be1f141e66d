use super::answer::pretty;
use super::completions::kinds;
use super::failure::Failure;
use crate::cli::ExitCode;
use crate::kinds::Kind;
use crate::manifest::envelope::STACK;
use crate::manifest::schema;
use crate::manifest::target::TARGET;
use crate::ui::Ui;
use clap_complete::ArgValueCandidates;

/// Print the JSON Schema of manifests, or of one kind
#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArgs {
    /// The kind; every kind if absent
    #[arg(value_name = "KIND", add = ArgValueCandidates::new(kinds))]
    kind: Option<String>,
}

pub(super) fn run(args: &SchemaArgs, ui: Ui) -> Result<ExitCode, Failure> {
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
    ui.answer(&pretty(&schema))?;
    Ok(ExitCode::Done)
}
