//! The text of a lock, and the description of its holder for other runs.
//!
//! Everything read here may have been written by another program: it is cut to a fixed length, and never escaped; `ui`
//! does that.

use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A holder that could not renew its lock for so long starts nothing any more.
pub const TTL: Duration = Duration::from_mins(1);

/// A lock may be taken over after this time without a heartbeat: its holder has started no step since [`TTL`] passed.
pub const STEAL_AFTER: Duration = Duration::from_mins(6);

/// The version of the format. A text with another major version is left alone.
const FORMAT: &str = "1.0";

/// The most characters of each part of a holder's description.
const CAP: usize = 200;

/// The user, machine and CI run that hold a lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Who {
    /// The user's name on that machine.
    pub user: Option<String>,
    /// The machine.
    pub host: Option<String>,
    /// The run of a CI system, by its address.
    pub run: Option<String>,
}

/// The text of a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    format_version: String,
    /// Tells one holder from another, and a lost reply from a lost race.
    pub(super) nonce: String,
    stack: String,
    who: Who,
    tool: String,
    /// By the store's clock.
    pub(super) taken_at: Option<String>,
    pub(super) heartbeat: u64,
    ttl_seconds: u64,
    steal_after_seconds: u64,
    /// The lock is free; its text only names what the last holder left with an unknown result.
    #[serde(default)]
    pub(super) released: bool,
    /// Requests that may still be carried out.
    #[serde(default)]
    pub(super) intents: Vec<String>,
}

impl Body {
    pub(super) fn new(nonce: String, stack: &str, who: &Who) -> Self {
        Self {
            format_version: FORMAT.to_owned(),
            nonce,
            stack: stack.to_owned(),
            who: who.clone(),
            tool: format!("ivs-apply {}", env!("CARGO_PKG_VERSION")),
            taken_at: None,
            heartbeat: 0,
            ttl_seconds: TTL.as_secs(),
            steal_after_seconds: STEAL_AFTER.as_secs(),
            released: false,
            intents: Vec::new(),
        }
    }

    /// Reads a text; one that is `None` must not be written or deleted.
    pub(super) fn read(text: &str) -> Option<Self> {
        let body: Self = serde_json::from_str(text).ok()?;
        body.format_version.starts_with("1.").then_some(body)
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }

    /// The description of the holder.
    pub(super) fn holder(&self, age: Option<Duration>) -> Holder {
        let Self { nonce, stack, who, tool, taken_at, .. } = self.clone();
        Holder { nonce, stack, who, tool, taken_at, age }
    }
}

/// The holder of a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// What `unlock` needs.
    pub nonce: String,
    /// The stack it works on.
    pub stack: String,
    /// User, machine and CI run.
    pub who: Who,
    /// Program and version.
    pub tool: String,
    /// Since when, by the store's clock.
    pub taken_at: Option<String>,
    /// Since its last heartbeat, by the store's clock.
    #[serde(rename = "ageSeconds", serialize_with = "seconds")]
    pub age: Option<Duration>,
}

#[expect(clippy::ref_option, reason = "serde passes the field as it is")]
fn seconds<S: Serializer>(age: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    age.map(|it| it.as_secs()).serialize(serializer)
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &str| text.chars().take(CAP).collect::<String>();
        let Who { user, host, run } = &self.who;
        let user = short(user.as_deref().unwrap_or("an unknown user"));
        let host = short(host.as_deref().unwrap_or("an unnamed machine"));
        write!(f, "{user} on {host}")?;
        if let Some(run) = run {
            write!(f, " ({})", short(run))?;
        }
        write!(f, ", {} on stack `{}`", short(&self.tool), short(&self.stack))?;
        if let Some(since) = &self.taken_at {
            write!(f, ", since {}", short(since))?;
        }
        if let Some(age) = self.age {
            write!(f, ", last renewed {} s ago", age.as_secs())?;
        }
        write!(f, ", nonce {}", short(&self.nonce))
    }
}
