//! From an outcome to status, headers and body, as the wire protocol wants them.

use serde_json::{Value, json};

use super::clock::Millis;
use super::failure::Failure;
use super::model::{Location, Operation, Service, model};

/// An HTTP reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body, empty with 204.
    pub body: Vec<u8>,
}

/// The result of an operation.
pub(crate) type Outcome = Result<Body, (Option<&'static Operation>, Failure)>;

/// The content of a success.
pub(crate) enum Body {
    Json(&'static Operation, Value),
    /// From the security token service: status and document.
    Xml((u16, String)),
    /// From CloudTrail.
    Trail(Value),
}

/// The values of the headers that the models let answers carry (`docs/service-reference.md` §4).
const MODELLED: [(&str, &str); 7] = [
    ("Access-Control-Allow-Origin", "*"),
    (
        "Access-Control-Expose-Headers",
        "x-amz-apigw-id,x-amzn-requestid,x-amzn-trace-id,x-amzn-errortype,x-amzn-errormessage,Date",
    ),
    ("Cache-Control", "no-store, no-cache"),
    ("Content-Security-Policy", "default-src 'self'; upgrade-insecure-requests;"),
    ("Strict-Transport-Security", "max-age:47304000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
];

/// The whole reply.
pub(crate) fn finish(outcome: Outcome, brief: bool, request_id: &str, now: Millis) -> Reply {
    let mut reply = match outcome {
        Ok(Body::Json(operation, value)) => success(operation, &value),
        Ok(Body::Xml((status, document))) => Reply {
            status,
            headers: vec![("Content-Type".to_owned(), "text/xml".to_owned())],
            body: document.replace("{request-id}", request_id).into_bytes(),
        },
        Ok(Body::Trail(value)) => Reply {
            status: 200,
            headers: vec![("Content-Type".to_owned(), "application/x-amz-json-1.1".to_owned())],
            body: value.to_string().into_bytes(),
        },
        Err((operation, failure)) => error(operation, &failure, brief),
    };
    reply.headers.push(("x-amzn-requestid".to_owned(), request_id.to_owned()));
    reply.headers.push(("Date".to_owned(), now.to_http_date()));
    reply
}

fn success(operation: &Operation, value: &Value) -> Reply {
    let headers = operation
        .output
        .as_deref()
        .map(|shape| modelled_headers(operation.service, shape))
        .unwrap_or_default();
    let mut reply = Reply { status: operation.status, headers, body: Vec::new() };
    if operation.status != 204 {
        reply.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        reply.body = value.to_string().into_bytes();
    }
    reply
}

fn error(operation: Option<&Operation>, failure: &Failure, brief: bool) -> Reply {
    let service = operation.map_or(Service::LowLatency, |operation| operation.service);
    let status =
        failure.status.or_else(|| model().error_status(service, &failure.name)).unwrap_or(400);
    let mut headers = modelled_headers(service, &failure.name);
    headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    headers.push(("x-amzn-ErrorType".to_owned(), failure.name.clone()));
    let mut body = json!({ "exceptionMessage": failure.message });
    if !brief {
        // The SDKs for Python and Rust show only `message`; whether AWS sends it is not known.
        body["message"] = Value::String(failure.message.clone());
    }
    Reply { status, headers, body: body.to_string().into_bytes() }
}

fn modelled_headers(service: Service, shape: &str) -> Vec<(String, String)> {
    let members = model().shape(service, shape).map(|shape| shape.members.as_slice());
    members
        .unwrap_or_default()
        .iter()
        .filter(|member| member.location == Some(Location::Header))
        .filter_map(|member| {
            let name = member.location_name.as_deref()?;
            MODELLED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
        })
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_carries_its_name_its_status_and_both_messages() {
        let operation =
            model().at(Service::LowLatency, "POST", "/CreateChannel").expect("modelled");
        let outcome = || Err((Some(operation), Failure::quota("full")));
        let reply = finish(outcome(), false, "id", Millis(0));
        assert_eq!(reply.status, 402);
        let header = |name: &str| reply.headers.iter().find(|(key, _)| key == name);
        assert_eq!(
            header("x-amzn-ErrorType").map(|(_, value)| value.as_str()),
            Some("ServiceQuotaExceededException")
        );
        assert!(header("X-Frame-Options").is_some() && header("Date").is_some());
        assert_eq!(reply.body, br#"{"exceptionMessage":"full","message":"full"}"#);
        let brief = finish(outcome(), true, "id", Millis(0));
        assert_eq!(brief.body, br#"{"exceptionMessage":"full"}"#);
    }

    #[test]
    fn deletes_answer_204_without_a_body_where_the_model_says_so() {
        let delete = model().at(Service::LowLatency, "POST", "/DeleteChannel").expect("modelled");
        let reply = finish(Ok(Body::Json(delete, json!({}))), false, "id", Millis(0));
        assert_eq!((reply.status, reply.body.len()), (204, 0));
        let delete = model().at(Service::RealTime, "POST", "/DeleteStage").expect("modelled");
        let reply = finish(Ok(Body::Json(delete, json!({}))), false, "id", Millis(0));
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"{}"[..]));
    }
}
