use super::completions::kinds;
use super::failure::Failure;
use crate::cli::{ExitCode, program};
use crate::diag::{Code, FieldPath, suggest};
use crate::manifest::envelope::kind_names;
use crate::manifest::schema::{Field, fields_of};
use crate::ui::Ui;
use crate::ui::explain;
use crate::ui::shell::quote;
use clap_complete::ArgValueCandidates;

/// Explain a kind, a field or the code of an error
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
            "`{program} explain` lists the kinds; an error shows its code in brackets, such as `error[E0103]`"
        )));
    };
    let Some(field) = field else {
        ui.answer(&explain::kind(kind, &about, &fields))?;
        return Ok(ExitCode::Done);
    };
    let asked = FieldPath::from(field);
    let asked = asked.keys();
    let equal = |keys: &[&str]| {
        let mut both = keys.iter().zip(&asked);
        keys.len() == asked.len() && both.all(|(it, asked)| it.eq_ignore_ascii_case(asked))
    };
    let found = fields.iter().find(|it| equal(&it.path.keys()) || equal(&below_spec(it)));
    let Some(found) = found else {
        let names: Vec<String> = fields.iter().map(|it| below_spec(it).join(".")).collect();
        let near = suggest(field, names.iter().map(String::as_str));
        let failure = unknown("field", field, near);
        return Err(failure.or_help(format!("`{program} explain {kind}` lists the fields")));
    };
    let is_inside = |it: &&Field| it.path != found.path && it.path.starts_with(&found.path);
    let inner: Vec<&Field> = fields.iter().filter(is_inside).collect();
    ui.answer(&explain::field(kind, found, &inner))?;
    Ok(ExitCode::Done)
}

/// The keys that lead to a field, without `spec`.
fn below_spec(field: &Field) -> Vec<&str> {
    let mut keys = field.path.keys();
    if keys.first() == Some(&"spec") {
        keys.remove(0);
    }
    keys
}
