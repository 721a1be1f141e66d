//! Secrets in the forms in which they are handed over: a file or a pipe. Nothing of this is printed in any other way.

use super::escape::{self, is_unsafe};
use super::file::Sort;
use super::output::{NoVariables, quoted, variables};
use crate::kinds::{API_VERSION, Address, NamedSecret, SECRETS, begins_document};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What a file of secrets may be written over.
pub const SECRETS_FILE: Sort = Sort {
    what: "a file of secrets",
    is: |text| begins_document(text, SECRETS) || text.starts_with(HEADER),
};

/// The first line of a file of variables, by which it is recognised.
pub const HEADER: &str =
    "# Secrets of Amazon IVS resources, written by ivs-apply: keep this file out of Git.\n";

/// Secrets by address, then by their own name.
pub type Secrets = BTreeMap<Address, Vec<NamedSecret>>;

/// The text of a file of secrets.
pub fn json(secrets: &Secrets, stack: &str) -> Zeroizing<String> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct File<'a> {
        api_version: &'a str,
        kind: &'a str,
        stack: &'a str,
        secrets: BTreeMap<String, BTreeMap<&'a str, &'a str>>,
    }
    let secrets = secrets
        .iter()
        .map(|(address, values)| {
            let values = values.iter().map(|(name, secret)| (*name, secret.expose()));
            (address.to_string(), values.collect())
        })
        .collect();
    let file = File { api_version: API_VERSION, kind: SECRETS, stack, secrets };
    let mut text =
        Zeroizing::new(serde_json::to_string_pretty(&file).expect("texts by texts are JSON"));
    text.push('\n');
    Zeroizing::new(escape::json(&text))
}

/// For a shell: `IVS_STREAM_KEY_MAIN_RTMPS_URL='…'`, to be evaluated.
pub fn env(secrets: &Secrets) -> Result<Zeroizing<String>, NoVariables> {
    lines(secrets, |value| (!value.contains(is_unsafe)).then(|| quoted(value)))
}

/// For readers of `.env` files. A value without special characters has no quotes, since some readers would take quotes as
/// a part of it (`dotenv.rs`).
pub fn dotenv(secrets: &Secrets) -> Result<Zeroizing<String>, NoVariables> {
    lines(secrets, super::dotenv::value)
}

fn lines(
    secrets: &Secrets,
    written: impl Fn(&str) -> Option<String>,
) -> Result<Zeroizing<String>, NoVariables> {
    let all = secrets.iter().flat_map(|(address, values)| {
        values.iter().map(move |(name, secret)| (address, *name, secret.expose()))
    });
    let mut text = Zeroizing::new(String::new());
    for (name, value) in variables(all)? {
        let value = written(value).map(Zeroizing::new);
        let value = value.ok_or_else(|| NoVariables::Unwritable(name.clone()))?;
        text.push_str(&format!("{name}={}\n", *value));
    }
    Ok(text)
}
