//! `sts:GetCallerIdentity` for keys with which no role was assumed, so that a client which sends everything to one endpoint
//! can check the account. `sts.rs` answers for roles; no other operation of the security token service is answered.

use super::account::Request;
use super::route;
use super::signature::Scope;

/// The operation, for calls and faults.
pub(crate) const OPERATION: &str = "GetCallerIdentity";

/// Whether a request is meant for the security token service.
pub(crate) fn is_meant(request: &Request, scope: &Scope) -> bool {
    scope.service == "sts" && request.path == "/"
}

/// Whether the request asks for the identity of its caller.
pub(crate) fn asks_for_identity(request: &Request) -> bool {
    action(request).as_deref() == Some(OPERATION)
}

fn action(request: &Request) -> Option<String> {
    let form = String::from_utf8_lossy(&request.body);
    let parameters = if request.method == "POST" { &*form } else { request.query.as_str() };
    let values = route::query(parameters, "Action").ok()?;
    values.into_iter().next().and_then(|it| it.as_str().map(ToOwned::to_owned))
}

/// Status and document. `{request-id}` is filled in by the caller.
pub(crate) fn answer(account: &str, request: &Request, scope: &Scope) -> (u16, String) {
    if !asks_for_identity(request) {
        return (
            400,
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
             <Type>Sender</Type><Code>InvalidAction</Code>\
             <Message>The emulator answers GetCallerIdentity, AssumeRole and AssumeRoleWithWebIdentity only</Message></Error>\
             <RequestId>{request-id}</RequestId></ErrorResponse>"
                .to_owned(),
        );
    }
    let user: String =
        scope.access_key.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    (
        200,
        format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/emulator</Arn>\
             <UserId>{user}</UserId><Account>{account}</Account></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>{{request-id}}</RequestId></ResponseMetadata>\
             </GetCallerIdentityResponse>"
        ),
    )
}
