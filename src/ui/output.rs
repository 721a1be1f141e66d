//! What the rest of a product needs to know of a stack: ARNs, playback URLs, ingest endpoints, by logical
//! name; for people, for programs, for shells and for GitHub.

use super::ci::output_line;
use super::dotenv;
use super::escape::{self, escape, is_unsafe};
use crate::kinds::{Address, Observed};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Outputs by address, then by their own name.
pub type Outputs = BTreeMap<Address, BTreeMap<&'static str, String>>;

/// All outputs of an object.
pub fn of(observed: &Observed) -> BTreeMap<&'static str, String> {
    let mut outputs = observed.outputs.clone();
    if observed.kind.facts().arn_type.is_some() {
        outputs.insert("arn", observed.arn.as_str().to_owned());
    }
    outputs
}

/// For people.
pub fn text(outputs: &Outputs) -> String {
    let mut text = String::new();
    let width = outputs.values().flat_map(BTreeMap::keys).map(|it| it.len()).max().unwrap_or(0);
    for (address, values) in outputs {
        let _ = writeln!(text, "{}", escape(&address.to_string(), 200));
        for (name, value) in values {
            let _ = writeln!(text, "  {name:<width$}  {}", escape(value, 500));
        }
    }
    text
}

/// For programs.
pub fn json(outputs: &Outputs) -> Value {
    let of = |values: &BTreeMap<&'static str, String>| json!(values);
    outputs
        .iter()
        .map(|(address, values)| (address.to_string(), of(values)))
        .collect::<Map<_, _>>()
        .into()
}

/// Two outputs that would be one variable.
#[derive(Debug, thiserror::Error)]
#[error("{0} and {1} would both be the variable `{2}`")]
pub struct Ambiguous(Address, Address, String);

/// Why values cannot be written as variables. Names no value.
#[derive(Debug, thiserror::Error)]
pub enum NoVariables {
    /// Two of them would be one variable.
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
    /// A value with characters that the form has no way to write.
    #[error("the value of `{0}` has characters that this format cannot hold")]
    Unwritable(String),
}

/// For a shell: `IVS_CHANNEL_MAIN_PLAYBACK_URL='…'`.
pub fn env(outputs: &Outputs) -> Result<String, NoVariables> {
    let line = |(name, value): (String, &str)| format!("{name}={}\n", quoted(value));
    Ok(variables(each(outputs))?.into_iter().map(line).collect())
}

/// For readers of `.env` files.
pub fn dotenv(outputs: &Outputs) -> Result<String, NoVariables> {
    let line = |(name, value): (String, &str)| match dotenv::value(value) {
        Some(value) => Ok(format!("{name}={value}\n")),
        None => Err(NoVariables::Unwritable(name)),
    };
    variables(each(outputs))?.into_iter().map(line).collect()
}

fn each(outputs: &Outputs) -> impl Iterator<Item = (&Address, &str, &str)> {
    outputs.iter().flat_map(|(address, values)| {
        values.iter().map(move |(name, value)| (address, *name, value.as_str()))
    })
}

/// Values by the variables that they are given to programs in: `IVS_CHANNEL_MAIN_PLAYBACK_URL`.
pub(super) fn variables<'a>(
    values: impl IntoIterator<Item = (&'a Address, &'a str, &'a str)>,
) -> Result<BTreeMap<String, &'a str>, Ambiguous> {
    let mut variables: BTreeMap<String, (&Address, &str)> = BTreeMap::new();
    for (address, output, value) in values {
        let name = format!(
            "IVS_{}_{}_{}",
            shouted(address.kind.name()),
            shouted(&address.name),
            shouted(output)
        );
        if let Some((other, _)) = variables.insert(name.clone(), (address, value)) {
            return Err(Ambiguous(other.clone(), address.clone(), name));
        }
    }
    Ok(variables.into_iter().map(|(name, (_, value))| (name, value)).collect())
}

/// `playbackUrl` as `PLAYBACK_URL`; characters that a variable's name cannot have as `_`.
fn shouted(text: &str) -> String {
    let mut shouted = String::new();
    let mut small = false;
    for c in text.chars() {
        if c.is_ascii_uppercase() && small {
            shouted.push('_');
        }
        small = c.is_ascii_lowercase() || c.is_ascii_digit();
        shouted.push(if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    }
    shouted
}

/// In single quotes, in which a shell expands nothing; no character that steers a terminal gets through.
pub(super) fn quoted(value: &str) -> String {
    let plain: String = value.chars().filter(|it| !is_unsafe(*it)).collect();
    // The quotes end and begin again between the two characters that begin a command of a CI system.
    format!("'{}'", plain.replace('\'', "'\\''").replace("##", "#''#"))
}

/// For `$GITHUB_OUTPUT`: always these names, so that no resource can set another one.
pub fn github(outputs: &Outputs, stack: &str, account: Option<&str>, region: &str) -> String {
    [
        ("stack", stack.to_owned()),
        ("account", account.unwrap_or_default().to_owned()),
        ("region", region.to_owned()),
        ("outputs", escape::json(&json(outputs).to_string())),
    ]
    .iter()
    .map(|(key, value)| output_line(key, value))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    fn outputs(names: &[&str], value: &str) -> Outputs {
        let values =
            BTreeMap::from([("arn", "arn:x".to_owned()), ("playbackUrl", value.to_owned())]);
        names.iter().map(|it| (Address::new(Kind::StreamKey, *it), values.clone())).collect()
    }

    #[test]
    fn a_shell_expands_nothing_of_a_value() {
        let text = env(&outputs(&["a-1"], "x'; $(touch y) `z`\nPATH=/")).unwrap();
        assert_eq!(
            text,
            "IVS_STREAM_KEY_A_1_ARN='arn:x'\nIVS_STREAM_KEY_A_1_PLAYBACK_URL='x'\\''; $(touch y) `z`PATH=/'\n"
        );
        let run = std::process::Command::new("sh")
            .args(["-c", &format!("{text}printf %s \"$IVS_STREAM_KEY_A_1_PLAYBACK_URL\"")])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&run.stdout), "x'; $(touch y) `z`PATH=/");
    }

    #[test]
    fn two_resources_never_share_a_variable() {
        let ambiguous = env(&outputs(&["a-b", "a_b"], "")).unwrap_err();
        assert_eq!(
            ambiguous.to_string(),
            "StreamKey/a-b and StreamKey/a_b would both be the variable `IVS_STREAM_KEY_A_B_ARN`"
        );
    }

    #[test]
    fn no_value_sets_another_output_of_a_step() {
        let text = github(&outputs(&["a"], "x\nstack=evil"), "s\nregion=evil", Some("1"), "r");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("stack<<ivs_apply_0"));
        assert_eq!(lines.next(), Some("s"));
        assert_eq!(lines.next(), Some("region=evil"));
        assert_eq!(lines.next(), Some("ivs_apply_0"));
        assert_eq!(lines.next(), Some("account=1"));
        assert_eq!(lines.next(), Some("region=r"));
        let rest = lines.next().unwrap().strip_prefix("outputs=").unwrap();
        assert!(rest.contains("x\\nstack=evil"), "{rest}");
        assert_eq!(lines.next(), None);
    }
}
