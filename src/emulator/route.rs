//! From method, path, query and body to an operation and its raw input.

use serde_json::{Map, Value};

use super::account::Request;
use super::failure::Failure;
use super::kind::Kind;
use super::model::{Location, Operation, Service, model};

const TAGS: &str = "/tags/";
const TAGS_TEMPLATE: &str = "/tags/{resourceArn}";

/// The operation behind a method and a raw path. Both services share the tag paths: the type in the
/// ARN decides.
pub(crate) fn operation(method: &str, path: &str) -> Result<&'static Operation, Failure> {
    let unknown = || {
        Failure::with_status(
            "UnknownOperationException",
            404,
            format!("No operation of Amazon IVS is at {method} {path}"),
        )
    };
    if let Some(encoded) = path.strip_prefix(TAGS) {
        if encoded.is_empty() || encoded.contains('/') {
            return Err(unknown());
        }
        let service =
            Kind::of_arn(&decode(encoded, false)?).map_or(Service::LowLatency, Kind::service);
        return model().at(service, method, TAGS_TEMPLATE).ok_or_else(unknown);
    }
    model()
        .services()
        .find_map(|service| model().at(service, method, path))
        .filter(|operation| operation.uri != TAGS_TEMPLATE)
        .ok_or_else(unknown)
}

/// The members of the request before any check: from the body, the path and the query.
pub(crate) fn input(
    operation: &Operation,
    request: &Request,
) -> Result<Map<String, Value>, Failure> {
    let mut given = body(request)?;
    let shape = operation.input.as_deref().and_then(|name| model().shape(operation.service, name));
    for member in shape.map(|shape| shape.members.as_slice()).unwrap_or_default() {
        let name = member.location_name.as_deref().unwrap_or(&member.name);
        let value = match member.location {
            Some(Location::Uri) => {
                let encoded = request.path.strip_prefix(TAGS).unwrap_or_default();
                Value::String(decode(encoded, false)?)
            }
            Some(Location::Querystring) => {
                let values = query(&request.query, name)?;
                if values.is_empty() { Value::Null } else { Value::Array(values) }
            }
            Some(Location::Header) | None => continue,
        };
        given.insert(member.name.clone(), value);
    }
    Ok(given)
}

fn body(request: &Request) -> Result<Map<String, Value>, Failure> {
    let refused = |why: String| Failure::with_status("SerializationException", 400, why);
    if request.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(refused("Start of structure expected".to_owned())),
        Err(error) => Err(refused(format!("The body is not JSON: {error}"))),
    }
}

/// All values of a query parameter, in order.
pub(crate) fn query(query: &str, name: &str) -> Result<Vec<Value>, Failure> {
    let mut values = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decode(key, true)? == name {
            values.push(Value::String(decode(value, true)?));
        }
    }
    Ok(values)
}

/// Percent-decodes; in queries and forms `+` is a space.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Result<String, Failure> {
    let refused = || Failure::validation(format!("Malformed percent-encoding: {text}"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'%' => {
                let high = rest.next().and_then(hex).ok_or_else(refused)?;
                let low = rest.next().and_then(hex).ok_or_else(refused)?;
                high << 4 | low
            }
            b'+' if plus_is_space => b' ',
            other => other,
        };
        bytes.push(decoded);
    }
    String::from_utf8(bytes).map_err(|_| refused())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arn_decides_which_service_a_tag_path_means() {
        let of = |path: &str| operation("GET", path).map(|found| (found.service, &*found.name));
        let arn = |kind: &str| format!("/tags/arn%3Aaws%3Aivs%3Aus-west-2%3A1%3A{kind}%2Fabc");
        assert_eq!(of(&arn("stage")), Ok((Service::RealTime, "ListTagsForResource")));
        assert_eq!(of(&arn("channel")), Ok((Service::LowLatency, "ListTagsForResource")));
        assert!(of("/tags/").is_err() && of("/tags/%zz").is_err() && of("/tags/a/b").is_err());
    }

    #[test]
    fn paths_and_methods_are_exact() {
        assert!(operation("POST", "/CreateChannel").is_ok());
        assert!(operation("POST", "/StartComposition").is_ok());
        for (method, path) in [
            ("GET", "/CreateChannel"),
            ("POST", "/createchannel"),
            ("GET", "/tags/{resourceArn}"),
            ("POST", "/"),
        ] {
            let found = operation(method, path);
            // A template is no route of its own: as an ARN it is merely not found later.
            assert!(found.is_err() || path.contains('{'), "{method} {path}");
        }
    }

    #[test]
    fn repeated_query_values_keep_their_order() {
        assert_eq!(
            query("tagKeys=a%20b&x=1&tagKeys=c+d&tagKeys=", "tagKeys"),
            Ok(vec!["a b".into(), "c d".into(), "".into()])
        );
    }

    #[test]
    fn a_body_is_an_object_or_nothing() {
        let with = |bytes: &[u8]| {
            let request = Request { body: bytes.to_vec(), ..Request::default() };
            body(&request).map_err(|failure| failure.name)
        };
        assert_eq!(with(b""), Ok(Map::new()));
        let deep = vec![b'['; 100_000];
        for bad in [&b"[]"[..], b"{", b"\xff", &deep] {
            assert_eq!(with(bad), Err("SerializationException".to_owned()));
        }
    }
}
