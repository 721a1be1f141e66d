//! Tags: the rules that hold for every kind, and the three tag operations.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::context::{Answer, OperationContext, list, object};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::text;
use super::switches::Stance;

/// Tags of one object.
const MOST: usize = 50;

/// The low-latency model's characters; the real-time model prints none and gets the same.
static CHARACTERS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\A[\p{L}\p{Z}\p{N}_.:/=+\-@]*\z").expect("a constant pattern"));

/// Refuses tags that no kind may have. Lengths and counts are the model's business.
pub(crate) fn check(input: &Map<String, Value>) -> Result<(), Failure> {
    for (key, value) in object(input, "tags") {
        check_key(&key)?;
        let value = value.as_str().unwrap_or_default();
        if !CHARACTERS.is_match(value) {
            return Err(Failure::validation(format!(
                "Value at 'tags.{key}' failed to satisfy constraint: Member must satisfy regular \
                 expression pattern: ([\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]*)"
            )));
        }
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), Failure> {
    if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        return Err(Failure::validation(format!(
            "Tag key '{key}' is not allowed: the prefix aws: is reserved"
        )));
    }
    if !CHARACTERS.is_match(key) {
        return Err(Failure::validation(format!(
            "Tag key '{key}' failed to satisfy constraint: Member must satisfy regular expression \
             pattern: ([\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]+)"
        )));
    }
    Ok(())
}

/// The kind of the ARN a tag operation names, which must be one that exists here.
fn kind(context: &OperationContext<'_>, arn: &str) -> Result<Kind, Failure> {
    let kind = Kind::of_arn(arn).ok_or_else(|| context.missing(arn))?;
    context.find(kind, arn)?;
    Ok(kind)
}

pub(crate) fn list_for(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "resourceArn");
    let object = context.find(kind(context, arn)?, arn)?;
    Ok(json!({ "tags": object.wire.get("tags") }))
}

pub(crate) fn tag(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "resourceArn");
    let kind = kind(context, arn)?;
    refuse_if_live(context, arn)?;
    let mut tags = object(&context.find(kind, arn)?.wire, "tags");
    tags.extend(object(input, "tags"));
    if tags.len() > MOST {
        return Err(Failure::validation(format!(
            "Too many tags: {arn} would have {}, the limit is {MOST}",
            tags.len()
        )));
    }
    context.record(arn, Vec::new());
    context.common.history.left(json!(tags));
    context.find_mut(kind, arn)?.wire.insert("tags".to_owned(), Value::Object(tags));
    Ok(json!({}))
}

pub(crate) fn untag(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "resourceArn");
    let kind = kind(context, arn)?;
    refuse_if_live(context, arn)?;
    let mut tags = object(&context.find(kind, arn)?.wire, "tags");
    for key in list(input, "tagKeys").iter().filter_map(Value::as_str) {
        check_key(key)?;
        tags.shift_remove(key);
    }
    context.record(arn, Vec::new());
    context.common.history.left(json!(tags));
    context.find_mut(kind, arn)?.wire.insert("tags".to_owned(), Value::Object(tags));
    Ok(json!({}))
}

fn refuse_if_live(context: &OperationContext<'_>, arn: &str) -> Result<(), Failure> {
    let live = context.region.streams.contains_key(arn);
    if live && context.common.switches.live_tagging == Stance::Refuse {
        return Err(context.conflict(format!("Channel {arn} is live")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_prefixes_and_odd_characters_are_refused() {
        let refused = |tags: Value| check(json!({ "tags": tags }).as_object().expect("an object"));
        assert!(refused(json!({"ivs-apply:name": "Käfig 1/2 @x"})).is_ok());
        assert!(refused(json!({"AWS:x": "y"})).is_err());
        assert!(refused(json!({"a*": "y"})).is_err());
        assert!(refused(json!({"a": "y\n"})).is_err());
        assert!(refused(json!({"é": "aws:"})).is_ok());
    }
}
