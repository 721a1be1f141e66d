//! Cuts an answer down to the members its output shape has, in the model's order. That is why list
//! summaries need no code of their own: the summary shape leaves out what a list does not carry.

use serde_json::{Map, Value};

use super::model::{Service, Sort, model};

/// The part of `value` that the shape `name` can carry in a body.
pub(crate) fn project(service: Service, name: &str, value: Value) -> Value {
    let Some(shape) = model().shape(service, name) else {
        return Value::Null;
    };
    match (shape.sort, value) {
        (Sort::Structure, Value::Object(mut given)) => {
            let mut kept = Map::new();
            for member in shape.members.iter().filter(|member| member.location.is_none()) {
                if let Some(value) = given.remove(&member.name).filter(|value| !value.is_null()) {
                    kept.insert(member.name.clone(), project(service, &member.shape, value));
                }
            }
            Value::Object(kept)
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
