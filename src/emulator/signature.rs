//! The shape of a `SigV4` signature. Says which service and region a request is meant for. Never looks
//! at the secret: the emulator takes any credentials.

use std::collections::BTreeMap;

use super::failure::Failure;

/// What the credential scope says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) access_key: String,
    pub(crate) region: String,
    pub(crate) service: String,
}

/// Reads the `Authorization` header.
pub(crate) fn scope(headers: &BTreeMap<String, String>) -> Result<Scope, Failure> {
    let Some(header) = headers.get("authorization") else {
        return Err(Failure::with_status(
            "MissingAuthenticationTokenException",
            403,
            "Missing Authentication Token",
        ));
    };
    let incomplete = |what: &str| {
        Failure::with_status(
            "IncompleteSignatureException",
            403,
            format!("Authorization header requires {what}"),
        )
    };
    let parameters = header
        .trim()
        .strip_prefix("AWS4-HMAC-SHA256")
        .filter(|rest| rest.starts_with([' ', '\t']))
        .ok_or_else(|| incomplete("the algorithm AWS4-HMAC-SHA256"))?;
    let parameters: BTreeMap<&str, &str> =
        parameters.split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let credential =
        parameters.get("Credential").ok_or_else(|| incomplete("a Credential parameter"))?;
    let signed =
        parameters.get("SignedHeaders").ok_or_else(|| incomplete("a SignedHeaders parameter"))?;
    if !signed.split(';').any(|name| name == "host") {
        return Err(incomplete("host among the SignedHeaders"));
    }
    let signature =
        parameters.get("Signature").ok_or_else(|| incomplete("a Signature parameter"))?;
    if signature.len() != 64 || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(incomplete("a Signature of 64 hexadecimal digits"));
    }
    if !headers.contains_key("x-amz-date") && !headers.contains_key("date") {
        return Err(incomplete("an X-Amz-Date header beside it"));
    }
    // The access key comes first and may itself hold slashes only in theory; count from the end.
    let mut parts = credential.rsplitn(5, '/');
    let (Some("aws4_request"), Some(service), Some(region), Some(date), Some(access_key)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(incomplete("a Credential of KEY/DATE/REGION/SERVICE/aws4_request"));
    };
    if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) || access_key.is_empty() {
        return Err(incomplete("a Credential of KEY/DATE/REGION/SERVICE/aws4_request"));
    }
    Ok(Scope {
        access_key: access_key.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
    })
}

/// The scope names another service or a region that does not have this one.
pub(crate) fn wrong_scope(what: &str) -> Failure {
    Failure::with_status(
        "InvalidSignatureException",
        403,
        format!("Credential should be scoped to {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("authorization".to_owned(), authorization.to_owned()),
            ("x-amz-date".to_owned(), "20260101T000000Z".to_owned()),
        ])
    }

    #[test]
    fn a_signature_tells_region_and_service() {
        let good = format!(
            "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-west-2/ivs/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={}",
            "0f".repeat(32)
        );
        let scope_of =
            |text: &str| scope(&headers(text)).map(|scope| (scope.region, scope.service));
        assert_eq!(scope_of(&good), Ok(("us-west-2".to_owned(), "ivs".to_owned())));
        for (from, to) in
            [("0f", "zz"), ("/ivs", ""), ("host;", ""), ("SHA256", "SHA512"), ("20260101", "today")]
        {
            let refused = scope_of(&good.replace(from, to)).expect_err(to);
            assert_eq!(refused.name, "IncompleteSignatureException");
        }
        let none = scope(&BTreeMap::new()).expect_err("no header");
        assert_eq!(none.name, "MissingAuthenticationTokenException");
    }
}
