use super::completions::kinds;
use super::failure::Failure;
use crate::cli::{ExitCode, program};
use crate::diag::{Code, suggest};
use crate::manifest::envelope::kind_names;
use crate::manifest::schema::{Field, fields_of};
use crate::ui::Ui;
use crate::ui::explain;
use crate::ui::shell::quote;
use clap_complete::ArgValueCandidates;

/// Explain a kind, a field such as `Channel.latencyMode`, or an error code such as `E0103`
///
/// Type, default and meaning of each field, from the same source as the JSON Schemas. Without an argument: every
/// kind. Upper and lower case are the same.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The kind, and a field of its spec; other parts as `Channel.lifecycle.protect`; or a code
    #[arg(value_name = "KIND[.FIELD]|CODE", add = ArgValueCandidates::new(kinds))]
    what: Option<String>,
}

pub(super) fn run(args: &ExplainArgs, ui: Ui) -> Result<ExitCode, Failure> {
    let Some(what) = &args.what else {
        let about = |kind| fields_of(kind).map(|(about, _)| (kind, about));
        ui.answer(&explain::kinds(kind_names().filter_map(about)))?;
        return Ok(ExitCode::Done);
    };
    if let Some(code) = Code::ALL.iter().find(|it| it.code().eq_ignore_ascii_case(what)) {
        ui.answer(&explain::code(*code))?;
        return Ok(ExitCode::Done);
    }
    let (kind, field) = match what.split_once('.') {
        Some((kind, field)) => (kind, Some(field)),
        None => (what.as_str(), None),
    };
    let unknown = |what: &str, word: &str, near: Option<&str>| {
        let failure = Failure::error(format!("unknown {what} `{word}`"));
        match near {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure,
        }
    };
    let program = quote(&program());
    let known = kind_names().find(|it| it.eq_ignore_ascii_case(kind));
    let Some((kind, (about, fields))) = known.and_then(|it| Some((it, fields_of(it)?))) else {
        let codes = Code::ALL.iter().map(|it| it.code());
        let failure = unknown("kind or code", kind, suggest(kind, kind_names().chain(codes)));
        return Err(failure.or_help(format!(
            "`{program} explain` lists the kinds; a code stands in brackets in an error, such as `error[E0103]`"
        )));
    };
    let Some(field) = field else {
        ui.answer(&explain::kind(kind, &about, &fields))?;
        return Ok(ExitCode::Done);
    };
    let paths = [field.to_owned(), format!("spec.{field}")];
    let found = fields.iter().find(|it| {
        let path = it.path.replace("[]", "");
        paths.iter().any(|asked| asked.eq_ignore_ascii_case(&path))
    });
    let Some(found) = found else {
        let bare = |it: &Field| it.path.strip_prefix("spec.").unwrap_or(&it.path).replace("[]", "");
        let names: Vec<String> = fields.iter().map(bare).collect();
        let near = suggest(field, names.iter().map(String::as_str));
        let failure = unknown("field", field, near);
        return Err(failure.or_help(format!("`{program} explain {kind}` lists the fields")));
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
