//! `sts:GetCallerIdentity`, so that a client which sends everything to one endpoint can check the
//! account. No other operation of the security token service is answered.

use super::account::Request;
use super::route;
use super::signature::Scope;

/// Whether a request is meant for the security token service.
pub(crate) fn is_meant(request: &Request, scope: &Scope) -> bool {
    scope.service == "sts" && request.path == "/"
}

/// Status and document. `{request-id}` is filled in by the caller.
pub(crate) fn answer(account: &str, request: &Request, scope: &Scope) -> (u16, String) {
    let form = String::from_utf8_lossy(&request.body);
    let parameters = if request.method == "POST" { &*form } else { request.query.as_str() };
    let action =
        route::query(parameters, "Action").ok().and_then(|values| values.into_iter().next());
    let known = action.as_ref().and_then(|action| action.as_str()) == Some("GetCallerIdentity");
    if !known {
        return (
            400,
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
             <Type>Sender</Type><Code>InvalidAction</Code>\
             <Message>The emulator answers GetCallerIdentity only</Message></Error>\
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
