//! `sts:AssumeRole` and `sts:AssumeRoleWithWebIdentity`: temporary keys for a role of any account, and what each key is
//! good for. Never reads a policy: a role can be assumed by everyone unless a control request says otherwise, and what it
//! may do is not limited. Sessions are never saved.

mod request;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account::Request;
use super::clock::Millis;
use super::failure::Failure;
use super::generator::Generator;
use super::signature::Scope;
pub(crate) use request::Action;
use request::{Asked, RoleArn};

/// How long a session may last where the role says nothing else, in seconds: AWS's own default for a new role, and the
/// most for a role that was assumed with the keys of another role.
const ONE_HOUR: u64 = 3_600;

/// From so many sessions on, those that have expired are forgotten.
const SESSIONS: usize = 10_000;

/// The roles that control requests have set, and the sessions in force.
#[derive(Debug, Default)]
pub(crate) struct Sts {
    roles: BTreeMap<String, RoleSettings>,
    expired_tokens: BTreeSet<String>,
    sessions: BTreeMap<String, Session>,
}

/// What a role asks for.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RoleSettings {
    /// Nobody can assume it.
    refused: bool,
    /// It can be assumed with this external id only.
    external_id: Option<String>,
    /// It can be assumed from these accounts only.
    trusted_accounts: Option<Vec<String>>,
    /// The longest session, from one hour to twelve.
    max_session_seconds: Option<u64>,
}

/// What a control request says of a role. Members that are left out are as at the beginning.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RoleChange {
    arn: String,
    /// Nobody can assume it.
    #[serde(default)]
    refused: bool,
    /// It can be assumed with this external id only.
    external_id: Option<String>,
    /// It can be assumed from these accounts only.
    trusted_accounts: Option<Vec<String>>,
    /// The longest session, from one hour to twelve.
    #[schemars(range(min = 3_600, max = 43_200))]
    max_session_seconds: Option<u64>,
}

/// The roles that were set and the sessions in force, without their keys.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Roles")]
pub(crate) struct Shown {
    roles: BTreeMap<String, RoleSettings>,
    sessions: Vec<ShownSession>,
}

/// A session that a role gave out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RoleSession")]
struct ShownSession {
    arn: String,
    expires: String,
}

/// A role that was assumed.
#[derive(Clone, Debug)]
struct Session {
    account: String,
    token: String,
    /// The ARN of the session.
    arn: String,
    /// The role's unique id, and the name of the session.
    user: String,
    expires: Millis,
}

/// Whose keys have signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    /// Keys of the account with this id, or of the emulator's own where it is not known: no role was assumed.
    User(Option<String>),
    /// A role of this account was assumed.
    Role(String),
}

impl Signer {
    /// The account that the keys are of; nothing where it is the emulator's own.
    pub(crate) fn account(&self) -> Option<&str> {
        match self {
            Self::User(account) => account.as_deref(),
            Self::Role(account) => Some(account),
        }
    }
}

/// Whether a text is the id of an account.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|it| it.is_ascii_digit())
}

impl Sts {
    /// Whose keys these are, without a look at the token: an access key id of twelve digits is one of the account with
    /// that number.
    pub(crate) fn signer(&self, access_key: &str) -> Signer {
        match self.sessions.get(access_key) {
            Some(session) => Signer::Role(session.account.clone()),
            None => Signer::User(is_account(access_key).then(|| access_key.to_owned())),
        }
    }

    /// Refuses temporary keys that nobody was given, that have expired, or that come without their token.
    pub(crate) fn check(
        &self,
        request: &Request,
        scope: &Scope,
        now: Millis,
    ) -> Result<(), Failure> {
        let refused = |name: &str, message: &str| Err(Failure::with_status(name, 403, message));
        let name = match scope.service.as_str() {
            "sts" => "InvalidClientTokenId",
            _ => "UnrecognizedClientException",
        };
        let invalid = || refused(name, "The security token included in the request is invalid.");
        let Some(session) = self.sessions.get(&scope.access_key) else {
            // Keys for ever begin with other letters, and every one of them is taken.
            return if scope.access_key.starts_with("ASIA") { invalid() } else { Ok(()) };
        };
        if request.headers.get("x-amz-security-token") != Some(&session.token) {
            return invalid();
        }
        if session.expires <= now {
            let name =
                if scope.service == "sts" { "ExpiredToken" } else { "ExpiredTokenException" };
            return refused(name, "The security token included in the request is expired");
        }
        Ok(())
    }

    /// The document with the identity of a session, if the key is one of a session.
    pub(crate) fn identity(&self, access_key: &str) -> Option<String> {
        let Session { account, arn, user, .. } = self.sessions.get(access_key)?;
        let arn = escaped(arn);
        let user = escaped(user);
        Some(format!(
            "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult>\
             <Arn>{arn}</Arn><UserId>{user}</UserId><Account>{account}</Account>\
             </GetCallerIdentityResult>{METADATA}</GetCallerIdentityResponse>"
        ))
    }

    /// Gives out the keys of a role. `scope` is that of the signature, which a request with a web identity does not need;
    /// `own` is the emulator's own account.
    pub(crate) fn assume(
        &mut self,
        request: &Request,
        scope: Option<&Scope>,
        own: &str,
        generator: &mut Generator,
        now: Millis,
    ) -> Result<String, Failure> {
        let asked = Asked::read(request)?;
        let role = RoleArn::read(&asked.role_arn)?;
        let settings = self.roles.get(&asked.role_arn).cloned().unwrap_or_default();
        let signer = scope.map(|it| self.signer(&it.access_key));
        let caller = || {
            if let Some(session) = scope.and_then(|it| self.sessions.get(&it.access_key)) {
                return session.arn.clone();
            }
            let account = signer.as_ref().and_then(Signer::account).unwrap_or(own);
            format!("arn:aws:iam::{account}:user/emulator")
        };
        let denied = || {
            let message = format!(
                "User: {} is not authorized to perform: sts:{} on resource: {}",
                caller(),
                asked.action.name(),
                asked.role_arn
            );
            Err(Failure::with_status("AccessDenied", 403, message))
        };
        match (asked.action, scope) {
            (Action::AssumeRole, None) => {
                let message = "Request is missing Authentication Token";
                return Err(Failure::with_status("MissingAuthenticationToken", 403, message));
            }
            (Action::AssumeRole, Some(_)) => {
                let from = signer.as_ref().and_then(Signer::account).unwrap_or(own);
                let trusted = settings.trusted_accounts.as_ref();
                if trusted.is_some_and(|it| !it.iter().any(|it| it == from)) {
                    return denied();
                }
                if settings.external_id.is_some() && settings.external_id != asked.external_id {
                    return denied();
                }
            }
            (Action::AssumeRoleWithWebIdentity, _) => {
                let token = asked.web_token.as_deref().unwrap_or_default();
                if self.expired_tokens.contains(token) {
                    let message = "Token expired";
                    return Err(Failure::with_status("ExpiredTokenException", 400, message));
                }
            }
        }
        if settings.refused {
            return denied();
        }
        let seconds = asked.seconds.unwrap_or(ONE_HOUR);
        if seconds > settings.max_session_seconds.unwrap_or(ONE_HOUR) {
            return Err(request::invalid(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let chained = matches!(signer, Some(Signer::Role(_)));
        if chained && seconds > ONE_HOUR {
            return Err(request::invalid(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
            ));
        }
        Ok(self.begin(&asked, &role, seconds, generator, now))
    }

    /// Begins a session and answers the document with its keys.
    fn begin(
        &mut self,
        asked: &Asked,
        role: &RoleArn<'_>,
        seconds: u64,
        generator: &mut Generator,
        now: Millis,
    ) -> String {
        let upper = |text: String| text.to_ascii_uppercase();
        let key = format!("ASIA{}", upper(generator.hex(16)));
        let role_id = format!("AROA{}", upper(super::generator::constant_hex(&asked.role_arn)));
        let session = Session {
            account: role.account.to_owned(),
            token: generator.letters(64),
            arn: role.session(&asked.session_name),
            user: format!("{role_id}:{}", asked.session_name),
            expires: now.after(std::time::Duration::from_secs(seconds)),
        };
        let name = asked.action.name();
        let subject = asked
            .web_token
            .is_some()
            .then_some("<SubjectFromWebIdentityToken>emulator</SubjectFromWebIdentityToken>");
        let document = format!(
            "<{name}Response xmlns=\"{NAMESPACE}\"><{name}Result>{}<AssumedRoleUser>\
             <AssumedRoleId>{}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser><Credentials>\
             <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
             <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>\
             </{name}Result>{METADATA}</{name}Response>",
            subject.unwrap_or_default(),
            escaped(&session.user),
            escaped(&session.arn),
            generator.letters(40),
            session.token,
            session.expires.to_iso(),
        );
        if self.sessions.len() >= SESSIONS {
            self.sessions.retain(|_, it| it.expires > now);
        }
        self.sessions.insert(key, session);
        document
    }

    /// Sets what a role asks for; `POST /_emulator/roles`.
    pub(crate) fn set_role(&mut self, change: RoleChange) -> Result<Shown, String> {
        let RoleChange { arn, refused, external_id, trusted_accounts, max_session_seconds } =
            change;
        RoleArn::read(&arn).map_err(|failure| failure.message)?;
        if max_session_seconds.is_some_and(|it| !(ONE_HOUR..=43_200).contains(&it)) {
            return Err("`maxSessionSeconds` must be 3600 to 43200".to_owned());
        }
        let settings = RoleSettings { refused, external_id, trusted_accounts, max_session_seconds };
        self.roles.insert(arn, settings);
        Ok(self.shown())
    }

    /// Names web identity tokens that have expired, and returns how many; `POST /_emulator/tokens`.
    pub(crate) fn expire_tokens(&mut self, expired: Vec<String>) -> usize {
        self.expired_tokens = expired.into_iter().collect();
        self.expired_tokens.len()
    }

    /// The roles that were set and the sessions in force, without their keys.
    pub(crate) fn shown(&self) -> Shown {
        let sessions = self.sessions.values();
        let sessions =
            sessions.map(|it| ShownSession { arn: it.arn.clone(), expires: it.expires.to_iso() });
        Shown { roles: self.roles.clone(), sessions: sessions.collect() }
    }

    /// Forgets what was set. Sessions stay: their keys were given out.
    pub(crate) fn clear(&mut self) {
        self.roles.clear();
        self.expired_tokens.clear();
    }
}

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

const METADATA: &str = "<ResponseMetadata><RequestId>{request-id}</RequestId></ResponseMetadata>";

/// A refusal as the service writes it: status and document.
pub(crate) fn refusal(failure: &Failure) -> (u16, String) {
    let document = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{}</Code>\
         <Message>{}</Message></Error><RequestId>{{request-id}}</RequestId></ErrorResponse>",
        escaped(&failure.name),
        escaped(&failure.message)
    );
    (failure.status.unwrap_or(400), document)
}

/// A text as it stands in a document.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            it if it.is_control() => escaped.push('?'),
            it => escaped.push(it),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ROLE: &str = "arn:aws:iam::111111111111:role/path/apply";

    fn form(pairs: &[(&str, &str)]) -> Request {
        let body: Vec<String> = pairs
            .iter()
            .map(|(name, value)| {
                format!("{name}={}", value.replace(':', "%3A").replace('/', "%2F"))
            })
            .collect();
        Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            body: body.join("&").into_bytes(),
            ..Request::default()
        }
    }

    fn set(sts: &mut Sts, role: Value) -> Result<(), String> {
        let role = serde_json::from_value(role).map_err(|it| it.to_string())?;
        sts.set_role(role).map(|_| ())
    }

    fn scope(key: &str, service: &str) -> Scope {
        Scope { access_key: key.into(), region: "us-west-2".into(), service: service.into() }
    }

    fn assume(sts: &mut Sts, key: &str, more: &[(&str, &str)]) -> Result<String, Failure> {
        let mut pairs = vec![("Action", "AssumeRole"), ("RoleArn", ROLE)];
        pairs.extend(more);
        if !more.iter().any(|it| it.0 == "RoleSessionName") {
            pairs.push(("RoleSessionName", "ci"));
        }
        let mut generator = Generator::new(u64::try_from(sts.sessions.len()).unwrap_or(0));
        let scope = scope(key, "sts");
        sts.assume(&form(&pairs), Some(&scope), "000000000000", &mut generator, Millis(0))
    }

    fn inside<'d>(document: &'d str, tag: &str) -> &'d str {
        let (_, rest) = document.split_once(&format!("<{tag}>")).expect(tag);
        rest.split_once(&format!("</{tag}>")).expect(tag).0
    }

    #[test]
    fn the_keys_of_a_role_are_those_of_its_account_until_they_expire() {
        let mut sts = Sts::default();
        let document = assume(&mut sts, "AKID", &[]).expect("assumed");
        let (key, token) = (inside(&document, "AccessKeyId"), inside(&document, "SessionToken"));
        assert_eq!(inside(&document, "Arn"), "arn:aws:sts::111111111111:assumed-role/apply/ci");
        assert_eq!(inside(&document, "Expiration"), "1970-01-01T01:00:00Z");
        assert_eq!(sts.signer(key), Signer::Role("111111111111".to_owned()));
        assert!(sts.identity(key).is_some_and(|it| it.contains("assumed-role/apply/ci")));
        let mut request = Request::default();
        let name = |it: Result<(), Failure>| it.map_err(|it| it.name);
        let invalid = Err("UnrecognizedClientException".to_owned());
        assert_eq!(name(sts.check(&request, &scope(key, "ivs"), Millis(0))), invalid);
        request.headers.insert("x-amz-security-token".to_owned(), token.to_owned());
        assert_eq!(name(sts.check(&request, &scope(key, "ivs"), Millis(3_599_999))), Ok(()));
        let late = Millis(3_600_000);
        let expired = |service| name(sts.check(&request, &scope(key, service), late));
        assert_eq!(expired("ivs"), Err("ExpiredTokenException".to_owned()));
        assert_eq!(expired("sts"), Err("ExpiredToken".to_owned()));
        let never = scope("ASIANEVERGIVEN", "ivs");
        assert_eq!(name(sts.check(&request, &never, Millis(0))), invalid);
        assert_eq!(sts.signer("222222222222").account(), Some("222222222222"));
        assert_eq!(sts.signer("AKID").account(), None);
    }

    #[test]
    fn a_role_asks_for_what_a_control_request_has_set() {
        let mut sts = Sts::default();
        set(&mut sts, json!({ "arn": ROLE, "externalId": "x-1" })).expect("set");
        let name = |it: Result<String, Failure>| it.map(|_| ()).map_err(|it| it.name);
        let denied = Err("AccessDenied".to_owned());
        assert_eq!(name(assume(&mut sts, "AKID", &[])), denied);
        assert_eq!(name(assume(&mut sts, "AKID", &[("ExternalId", "x-2")])), denied);
        assert_eq!(name(assume(&mut sts, "AKID", &[("ExternalId", "x-1")])), Ok(()));
        set(&mut sts, json!({ "arn": ROLE, "trustedAccounts": ["222222222222"] })).expect("set");
        assert_eq!(name(assume(&mut sts, "AKID", &[])), denied);
        assert_eq!(name(assume(&mut sts, "222222222222", &[])), Ok(()));
        set(&mut sts, json!({ "arn": ROLE, "refused": true })).expect("set");
        assert_eq!(name(assume(&mut sts, "222222222222", &[])), denied);
        for bad in [json!({}), json!({ "arn": "x" }), json!({ "arn": ROLE, "extrnalId": "x" })] {
            assert!(set(&mut sts, bad.clone()).is_err(), "{bad}");
        }
        sts.clear();
        assert_eq!(name(assume(&mut sts, "AKID", &[])), Ok(()));
    }

    #[test]
    fn a_session_lasts_as_long_as_the_role_allows_and_one_hour_where_roles_are_chained() {
        let mut sts = Sts::default();
        let long = [("DurationSeconds", "7200")];
        let refused = assume(&mut sts, "AKID", &long).expect_err("an hour is the default");
        assert!(refused.message.contains("MaxSessionDuration"), "{refused:?}");
        set(&mut sts, json!({ "arn": ROLE, "maxSessionSeconds": 43_200 })).expect("set");
        let document = assume(&mut sts, "AKID", &long).expect("assumed");
        assert_eq!(inside(&document, "Expiration"), "1970-01-01T02:00:00Z");
        let key = inside(&document, "AccessKeyId").to_owned();
        let refused = assume(&mut sts, &key, &long).expect_err("chained");
        assert!(refused.message.contains("role chaining"), "{refused:?}");
        assert!(assume(&mut sts, &key, &[("DurationSeconds", "3600")]).is_ok());
        for bad in ["899", "43201", "x", ""] {
            let refused = assume(&mut sts, "AKID", &[("DurationSeconds", bad)]).expect_err(bad);
            assert_eq!(refused.name, "ValidationError", "{bad}");
        }
        for bad in ["", "a", "a b", &"x".repeat(65)] {
            let refused = assume(&mut sts, "AKID", &[("RoleSessionName", bad)]).expect_err(bad);
            assert_eq!(refused.name, "ValidationError", "{bad}");
        }
    }

    #[test]
    fn a_web_identity_needs_a_token_and_no_signature() {
        let mut sts = Sts::default();
        let with = |sts: &mut Sts, token: &str| {
            let pairs = [
                ("Action", "AssumeRoleWithWebIdentity"),
                ("RoleArn", ROLE),
                ("RoleSessionName", "ci"),
                ("WebIdentityToken", token),
            ];
            let mut generator = Generator::new(1);
            let answer = sts.assume(&form(&pairs), None, "000000000000", &mut generator, Millis(0));
            answer.map_err(|it| it.name)
        };
        assert!(with(&mut sts, "header.payload.signature").is_ok());
        assert_eq!(with(&mut sts, ""), Err("ValidationError".to_owned()));
        assert_eq!(sts.expire_tokens(vec!["old.token".to_owned()]), 1);
        assert_eq!(with(&mut sts, "old.token"), Err("ExpiredTokenException".to_owned()));
        let unsigned =
            form(&[("Action", "AssumeRole"), ("RoleArn", ROLE), ("RoleSessionName", "ci")]);
        let refused = sts.assume(&unsigned, None, "0", &mut Generator::new(1), Millis(0));
        assert_eq!(refused.map_err(|it| it.name), Err("MissingAuthenticationToken".to_owned()));
    }
}
