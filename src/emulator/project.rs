//! Cuts an answer down to the members its output shape has, in no particular order. That is why list
//! summaries need no code of their own: the summary shape leaves out what a list does not carry.

use serde_json::Value;

use super::model::{Service, Sort, model};

/// The part of `value` that the shape `name` can carry in a body.
pub(crate) fn project(service: Service, name: &str, value: Value) -> Value {
    let Some(shape) = model().shape(service, name) else {
        return Value::Null;
    };
    match (shape.sort, value) {
        (Sort::Structure, Value::Object(mut given)) => {
            // In place: most answers keep every member, and a page has a thousand of them.
            given.retain(|name, value| {
                let member = shape.members.iter().find(|it| it.name == *name);
                let Some(member) = member.filter(|it| it.location.is_none() && !value.is_null())
                else {
                    return false;
                };
                *value = project(service, &member.shape, value.take());
                true
            });
            Value::Object(given)
        }
        (Sort::List, Value::Array(items)) => {
            let member = shape.member.as_deref().unwrap_or_default();
            Value::Array(items.into_iter().map(|item| project(service, member, item)).collect())
        }
        (_, value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_carries_the_summary_only() {
        let whole = json!({"channels": [{"srt": {"passphrase": "secret"}, "name": "", "arn": "a", "tags": {}}],
                           "nextToken": null});
        assert_eq!(
            project(Service::LowLatency, "ListChannelsResponse", whole),
            json!({"channels": [{"arn": "a", "name": "", "tags": {}}]})
        );
    }
}
