//! Zero-valued members that the SDK's serialisers drop, added to the request again.
//!
//! The crates send a non-boxed `bool` or `i32` only when it is not zero (`docs/service-reference.md` §4), so
//! `recordParticipantReplicas: false`, `gridGap: 0` or `multitrack.enabled: false` would never arrive and
//! the server's own default (`true`, 2) would win. Adds only members that are missing and zero; never
//! changes one the SDK wrote.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

/// A request mutation for `.customize().mutate_request(…)` that adds every `false` and `0` of `wire`
/// (the desired object as the API names its members) that the SDK left out.
pub fn restore_zeros(wire: Value) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    move |request| {
        let sent = request.body().bytes().and_then(|it| serde_json::from_slice::<Value>(it).ok());
        let Some(mut body) = sent else { return };
        if add_zeros(&mut body, &wire) {
            let text = body.to_string();
            request.headers_mut().insert("content-length", text.len().to_string());
            *request.body_mut() = SdkBody::from(text);
        }
    }
}

fn add_zeros(body: &mut Value, wire: &Value) -> bool {
    match (body, wire) {
        (Value::Object(body), Value::Object(wire)) => {
            let mut added = false;
            for (member, wanted) in wire {
                match body.get_mut(member) {
                    Some(sent) => added |= add_zeros(sent, wanted),
                    None if is_zero(wanted) => {
                        body.insert(member.clone(), wanted.clone());
                        added = true;
                    }
                    None => {}
                }
            }
            added
        }
        (Value::Array(body), Value::Array(wire)) => body
            .iter_mut()
            .zip(wire)
            .fold(false, |added, (sent, wanted)| add_zeros(sent, wanted) | added),
        _ => false,
    }
}

fn is_zero(value: &Value) -> bool {
    *value == Value::Bool(false) || value.as_f64() == Some(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_missing_zero_is_added_at_every_depth_and_nothing_else() {
        let mut body = json!({"a": {"x": 1}, "list": [{}, {"gap": 5}], "kept": true});
        let wire = json!({"a": {"x": 2, "y": 0}, "list": [{"gap": 0}, {"gap": 0}], "kept": false,
            "gone": {"z": 0}, "word": "w"});
        assert!(add_zeros(&mut body, &wire));
        assert_eq!(
            body,
            json!({"a": {"x": 1, "y": 0}, "list": [{"gap": 0}, {"gap": 5}], "kept": true})
        );
        assert!(!add_zeros(&mut body, &wire), "doing it again changes nothing");
    }
}
