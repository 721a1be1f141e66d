use super::Failure;
use crate::cli::ExitCode;
use crate::manifest::envelope::kind_names;
use crate::manifest::schema::{Field, fields_of};
use crate::ui::Ui;
use crate::ui::explain;

/// Explain a kind, or a field of one, such as `Channel.latencyMode`
///
/// Type, default and meaning of each field, from the same source as the JSON Schemas.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The kind, and a field of its spec; other parts as `Channel.lifecycle.protect`
    #[arg(value_name = "KIND[.FIELD]")]
    what: String,
}

pub(super) fn run(args: &ExplainArgs, ui: Ui) -> Result<ExitCode, Failure> {
    let (kind, field) = match args.what.split_once('.') {
        Some((kind, field)) => (kind, Some(field)),
        None => (args.what.as_str(), None),
    };
    let unknown = |what: &str, word: &str, near: Option<&str>| {
        let failure = Failure::error(format!("unknown {what} `{word}`"));
        match near {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure,
        }
    };
    let Some((about, fields)) = fields_of(kind) else {
        return Err(unknown("kind", kind, crate::diag::suggest(kind, kind_names())));
    };
    let Some(field) = field else {
        ui.answer(&explain::kind(kind, &about, &fields))?;
        return Ok(ExitCode::Done);
    };
    let paths = [field.to_owned(), format!("spec.{field}")];
    let found = fields.iter().find(|it| paths.contains(&it.path.replace("[]", "")));
    let Some(found) = found else {
        let bare = |it: &Field| it.path.strip_prefix("spec.").unwrap_or(&it.path).replace("[]", "");
        let names: Vec<String> = fields.iter().map(bare).collect();
        let near = crate::diag::suggest(field, names.iter().map(String::as_str));
        return Err(unknown("field", field, near));
    };
    let inner: Vec<&Field> = fields
        .iter()
        .filter(|it| {
            let rest = it.path.strip_prefix(&found.path);
            rest.is_some_and(|it| it.starts_with('.') || it.starts_with("[]."))
        })
        .collect();
    ui.answer(&explain::field(kind, found, &inner))?;
    Ok(ExitCode::Done)
}
