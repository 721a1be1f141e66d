//! What a request for the keys of a role asks for, with the rules of its parameters.

use super::super::account::Request;
use super::super::failure::Failure;
use super::super::route;
use super::is_account;

/// The operations that give out keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    AssumeRole,
    AssumeRoleWithWebIdentity,
}

impl Action {
    /// The operation, for calls and faults.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AssumeRole => "AssumeRole",
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
        }
    }

    /// What a request asks for, if it asks for the keys of a role. No other service has these words in a form at `/`.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        if request.path != "/" || request.headers.contains_key("x-amz-target") {
            return None;
        }
        match parameter(request, "Action").ok()??.as_str() {
            "AssumeRole" => Some(Self::AssumeRole),
            "AssumeRoleWithWebIdentity" => Some(Self::AssumeRoleWithWebIdentity),
            _ => None,
        }
    }
}

/// The parameters of a request.
pub(super) struct Asked {
    pub(super) action: Action,
    pub(super) role_arn: String,
    pub(super) session_name: String,
    pub(super) external_id: Option<String>,
    pub(super) web_token: Option<String>,
    pub(super) seconds: Option<u64>,
}

impl Asked {
    pub(super) fn read(request: &Request) -> Result<Self, Failure> {
        let action = Action::of(request).ok_or_else(|| invalid("no action is given"))?;
        let session_name = required(request, "RoleSessionName")?;
        check("roleSessionName", &session_name, 64, "_=,.@-")?;
        let external_id = parameter(request, "ExternalId")?;
        if let Some(id) = &external_id {
            check("externalId", id, 1224, "_=,.@:/-+")?;
        }
        let web_token = match action {
            Action::AssumeRole => None,
            Action::AssumeRoleWithWebIdentity => Some(required(request, "WebIdentityToken")?),
        };
        if web_token.as_ref().is_some_and(|it| !(4..=20_000).contains(&it.len())) {
            return Err(constraint("webIdentityToken", "have a length of 4 to 20000"));
        }
        let seconds = match parameter(request, "DurationSeconds")? {
            None => None,
            Some(text) => {
                let seconds = text.parse().ok().filter(|it| (900..=43_200).contains(it));
                let what = "be a number from 900 to 43200";
                Some(seconds.ok_or_else(|| constraint("durationSeconds", what))?)
            }
        };
        let role_arn = required(request, "RoleArn")?;
        Ok(Self { action, role_arn, session_name, external_id, web_token, seconds })
    }
}

/// The parts of a role's ARN.
pub(super) struct RoleArn<'a> {
    partition: &'a str,
    pub(super) account: &'a str,
    /// The name, without its path.
    name: &'a str,
}

impl<'a> RoleArn<'a> {
    pub(super) fn read(arn: &'a str) -> Result<Self, Failure> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let role = match parts.as_slice() {
            ["arn", partition, "iam", "", account, resource]
                if partition.starts_with("aws") && is_account(account) =>
            {
                resource.strip_prefix("role/").map(|path| (*partition, *account, path))
            }
            _ => None,
        };
        let name = role.and_then(|it| it.2.rsplit('/').next()).unwrap_or_default();
        let good = |it: char| it.is_ascii_alphanumeric() || "+=,.@_-".contains(it);
        match role {
            Some((partition, account, _)) if !name.is_empty() && name.chars().all(good) => {
                Ok(Self { partition, account, name })
            }
            _ => Err(invalid(&format!("{arn} is invalid"))),
        }
    }

    /// The ARN of a session.
    pub(super) fn session(&self, name: &str) -> String {
        format!("arn:{}:sts::{}:assumed-role/{}/{name}", self.partition, self.account, self.name)
    }
}

fn parameter(request: &Request, name: &str) -> Result<Option<String>, Failure> {
    let form = String::from_utf8_lossy(&request.body);
    let pairs = if request.method == "POST" { &*form } else { request.query.as_str() };
    let values = route::query(pairs, name).map_err(|failure| invalid(&failure.message))?;
    Ok(values.into_iter().next().and_then(|it| it.as_str().map(ToOwned::to_owned)))
}

fn required(request: &Request, name: &str) -> Result<String, Failure> {
    let found = parameter(request, name)?;
    found.ok_or_else(|| constraint(name, "not be null"))
}

fn check(name: &str, value: &str, most: usize, others: &str) -> Result<(), Failure> {
    let good = |it: char| it.is_ascii_alphanumeric() || others.contains(it) || it == '+';
    if (2..=most).contains(&value.len()) && value.chars().all(good) {
        return Ok(());
    }
    Err(constraint(name, &format!("have 2 to {most} letters, digits and {others}")))
}

fn constraint(member: &str, what: &str) -> Failure {
    invalid(&format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must {what}"
    ))
}

pub(super) fn invalid(message: &str) -> Failure {
    Failure::with_status("ValidationError", 400, message)
}
