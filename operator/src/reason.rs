//! Why a Target is as it is: codes that other programs read, and when a Target is looked at again for each of them.

/// Why a Target is as it is. The names are stable: other programs read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Everything is as the manifests say.
    InSync,
    /// Applied, or there was nothing to do.
    Applied,
    /// Applied but for what waits, such as a change to a channel that is live.
    AppliedWithDeferred,
    /// Something was changed outside of the manifests.
    Drifted,
    /// The manifests say what is not applied yet; the mode is Observe.
    Pending,
    /// A part was applied.
    PartlyApplied,
    /// The run failed.
    Failed,
    /// The run took too long and was ended.
    TimedOut,
    /// A guard refused the run.
    Refused,
    /// The manifests are wrong.
    InvalidManifests,
    /// The spec of the Target is wrong.
    InvalidSpec,
    /// Targets of an earlier wave are not ready at this revision.
    WaitingForWave,
    /// The source does not exist.
    SourceMissing,
    /// The operator may not read the source.
    SourceForbidden,
    /// The source has no artifact yet, or it could not be fetched.
    SourceNotReady,
    /// The artifact of the source is not used.
    ArtifactRefused,
    /// There are no credentials that this Target may use.
    NoCredentials,
    /// An older Target has the same account, region and stack.
    Duplicate,
    /// The deletion waits for its number.
    ConfirmDeletes,
    /// The deletion left something.
    DeletionIncomplete,
    /// Applied, but the operator may not write the Secret.
    SecretForbidden,
    /// Applied, but the Secret belongs to somebody else.
    SecretTaken,
    /// Applied, but the secrets could not be read or written.
    SecretsFailed,
}

/// When a Target is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// After its interval.
    Interval,
    /// After a minute, and after each failure twice as long, at most half an hour.
    BackOff,
    /// With the next look at the source: that costs no call to AWS.
    Look,
}

impl Reason {
    /// Every reason.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 23] = [
        Self::InSync,
        Self::Applied,
        Self::AppliedWithDeferred,
        Self::Drifted,
        Self::Pending,
        Self::PartlyApplied,
        Self::Failed,
        Self::TimedOut,
        Self::Refused,
        Self::InvalidManifests,
        Self::InvalidSpec,
        Self::WaitingForWave,
        Self::SourceMissing,
        Self::SourceForbidden,
        Self::SourceNotReady,
        Self::ArtifactRefused,
        Self::NoCredentials,
        Self::Duplicate,
        Self::ConfirmDeletes,
        Self::DeletionIncomplete,
        Self::SecretForbidden,
        Self::SecretTaken,
        Self::SecretsFailed,
    ];

    /// Whether the Target is as it should be.
    pub(crate) fn is_ready(self) -> bool {
        matches!(self, Self::InSync | Self::Applied | Self::AppliedWithDeferred)
    }

    /// Whether somebody has to do something before it goes on.
    pub(crate) fn is_stalled(self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::InvalidManifests
                | Self::InvalidSpec
                | Self::SourceForbidden
                | Self::ArtifactRefused
                | Self::NoCredentials
                | Self::Duplicate
                | Self::ConfirmDeletes
                | Self::SecretForbidden
                | Self::SecretTaken
        )
    }

    /// Whether the operator goes on by itself.
    pub(crate) fn is_reconciling(self) -> bool {
        !self.is_ready() && !self.is_stalled() && !matches!(self, Self::Drifted | Self::Pending)
    }

    /// When it is looked at again.
    pub(crate) fn again(self) -> Again {
        match self {
            Self::InSync
            | Self::Applied
            | Self::AppliedWithDeferred
            | Self::Drifted
            | Self::Pending
            | Self::Refused
            | Self::InvalidManifests
            | Self::ConfirmDeletes => Again::Interval,
            Self::PartlyApplied
            | Self::Failed
            | Self::TimedOut
            | Self::ArtifactRefused
            | Self::DeletionIncomplete
            | Self::SecretForbidden
            | Self::SecretTaken
            | Self::SecretsFailed => Again::BackOff,
            Self::InvalidSpec
            | Self::WaitingForWave
            | Self::SourceMissing
            | Self::SourceForbidden
            | Self::SourceNotReady
            | Self::NoCredentials
            | Self::Duplicate => Again::Look,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Now, TargetStatus};
    use crate::verdict::Verdict;
    use serde_json::{Value, json};
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// A value as Lua writes it.
    fn lua(value: &Value) -> String {
        match value {
            Value::Null => "nil".to_owned(),
            Value::Array(items) => {
                format!("{{ {} }}", items.iter().map(lua).collect::<Vec<_>>().join(", "))
            }
            Value::Object(members) => {
                let members = members.iter().map(|(name, it)| format!("[{name:?}] = {}", lua(it)));
                format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
            }
            Value::String(text) => format!("{text:?}"),
            other => other.to_string(),
        }
    }

    /// The health check of `docs/operator.md`.
    fn health_check() -> String {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operator.md");
        let text = std::fs::read_to_string(path).expect("docs/operator.md");
        let block = text.split("```lua\n").nth(1).and_then(|it| it.split("```").next());
        block.expect("a block of Lua").to_owned()
    }

    #[test]
    fn the_health_check_for_argo_cd_knows_every_reason() {
        let there = Command::new("lua5.4").arg("-v").stdout(Stdio::null()).status();
        if !there.is_ok_and(|it| it.success()) {
            assert!(
                std::env::var_os("CI").is_none(),
                "there is no lua5.4: .ci/operator installs it"
            );
            let _ = writeln!(std::io::stderr(), "left out: the health check, which needs lua5.4");
            return;
        }
        let now = Now {
            time: "2026-01-01T00:00:00Z".parse().expect("a time"),
            generation: Some(3),
            handled: None,
            interval: std::time::Duration::from_hours(1),
        };
        let of = |status: Value, suspend: bool| json!({ "metadata": { "generation": 3 }, "spec": { "suspend": suspend }, "status": status });
        let mut cases = vec![
            (
                json!({ "metadata": { "generation": 3 }, "spec": {} }),
                "Progressing no run yet".to_owned(),
            ),
            (of(json!({ "conditions": [] }), true), "Suspended no run yet".to_owned()),
        ];
        for reason in Reason::ALL {
            let status = TargetStatus::default().with(&Verdict::new(reason, "it \"is\" so"), &now);
            let health = if reason.is_ready() {
                "Healthy"
            } else if reason.is_reconciling() {
                "Progressing"
            } else {
                "Degraded"
            };
            let status = serde_json::to_value(status).expect("JSON");
            // The order of conditions is that of the map that Kubernetes keeps.
            let mut turned = status.clone();
            turned["conditions"].as_array_mut().expect("conditions").reverse();
            for status in [status.clone(), turned] {
                cases.push((of(status, false), format!("{health} {reason:?}: it \"is\" so")));
            }
            let mut old = of(status, false);
            old["metadata"]["generation"] = json!(4);
            cases.push((old, "Progressing no run yet".to_owned()));
        }
        let mut program = format!("local function check(obj)\n{}\nend\n", health_check());
        for (object, _) in &cases {
            program += &format!(
                "do local hs = check({}); print(hs.status .. ' ' .. hs.message) end\n",
                lua(object)
            );
        }
        let mut child = Command::new("lua5.4")
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Lua starts");
        child.stdin.take().expect("piped").write_all(program.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let told = String::from_utf8(output.stdout).expect("text");
        let wanted: Vec<&str> = cases.iter().map(|it| it.1.as_str()).collect();
        assert_eq!(told.lines().collect::<Vec<_>>(), wanted);
    }
}
