//! Ownership: the tags that name the owner of an object, written by the create call itself.
//!
//! There is no state file; these tags are all there is. Anything partial or malformed is ambiguous and is
//! never touched (`docs/reliability.md` §1).

use super::glob::Glob;
use crate::aws::Tags;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// The prefix of every tag that is this tool's own.
pub const PREFIX: &str = "ivs-apply:";
/// The stack that owns the object.
pub const STACK: &str = "ivs-apply:stack";
/// Its logical name.
pub const NAME: &str = "ivs-apply:name";
/// What only this program reads, in one tag, since AWS allows 50 an object: the digest of the spec as last written,
/// and behind it, as `key=value`, the create attempt, the id of the object that it replaces, the name it had
/// before, and last, since it may contain spaces, the rotation of a stream key.
pub const RECORD: &str = "ivs-apply:record";
/// Short hash of the spec as last written, in a tag of its own: read, and no longer written.
const DIGEST: &str = "ivs-apply:digest";
/// Behind the digest where the manifest asked for protection.
const MEANT_PROTECTED: &str = "+p";
/// `true` on what must not be deleted.
pub const PROTECT: &str = "ivs-apply:protect";
/// The create attempt that made it, in a tag of its own: read, and no longer written.
const OP: &str = "ivs-apply:op";
/// The id of the object that it replaces, likewise.
const REPLACES: &str = "ivs-apply:replaces";
/// The rotation of a stream key, likewise.
const ROTATION: &str = "ivs-apply:rotation";
/// The tags that [`RECORD`] has taken the place of.
pub const SEPARATE: [&str; 4] = [DIGEST, OP, REPLACES, ROTATION];
/// The id of the stream key that a channel has, on the channel: keys have no listing of their own.
pub const STREAM_KEY: &str = "ivs-apply:stream-key";
/// What earlier versions wrote behind that id where the key was protected. The key's own tags decide.
const KEPT: &str = ":protected";
/// The tag that `CloudFormation` puts on what it owns.
pub const CLOUDFORMATION: &str = "aws:cloudformation:stack-name";

/// What an object's tags say about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "tool", content = "owner", rename_all = "camelCase")]
pub enum Owner {
    /// No tool claims it.
    Unowned,
    /// A stack of this tool, this one or another.
    Stack(OwnershipTags),
    /// `CloudFormation`'s, by stack name.
    CloudFormation(String),
    /// Some of our tags, but not a whole set.
    Ambiguous,
}

/// The whole set of our tags on one object.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnershipTags {
    /// Owning stack.
    pub stack: String,
    /// Logical name.
    pub name: String,
    /// Digest of the spec as last written.
    pub digest: String,
    /// The create attempt that made it; `""` where it was adopted.
    pub attempt_id: String,
    /// Id of the object that it replaces.
    pub replaces: Option<String>,
    /// Whether deletes are refused.
    pub protect: bool,
    /// Whether its manifest asked for that when the digest was written: the tag may have been taken off since.
    pub meant_protected: bool,
    /// Rotation of a stream key.
    pub rotation: Option<String>,
    /// The name that it had before it was renamed.
    pub was: Option<String>,
    /// Whether the record stands in tags of its own, as earlier versions wrote it.
    pub separate: bool,
}

impl Owner {
    /// Reads ownership off tags.
    pub fn of(tags: &Tags) -> Self {
        if let Some(stack) = tags.get(CLOUDFORMATION) {
            return Self::CloudFormation(stack.clone());
        }
        let tag = |key: &str| tags.get(key).filter(|it| !it.is_empty()).cloned();
        let record = match tag(RECORD) {
            Some(record) => OwnershipTags::of_record(&record),
            None => tag(DIGEST).map(|digest| OwnershipTags {
                attempt_id: tag(OP).unwrap_or_default(),
                replaces: tag(REPLACES),
                rotation: tag(ROTATION),
                separate: true,
                ..OwnershipTags::of_digest(&digest)
            }),
        };
        match (tag(STACK), tag(NAME), record) {
            (Some(stack), Some(name), Some(record)) => {
                let protect = tag(PROTECT).as_deref() == Some("true");
                Self::Stack(OwnershipTags { stack, name, protect, ..record })
            }
            _ if tags.keys().any(|key| key.starts_with(PREFIX)) => Self::Ambiguous,
            _ => Self::Unowned,
        }
    }

    /// Whether another stack or tool owns the object than `stack`, or may own it.
    pub fn is_other_than(&self, stack: &str) -> bool {
        *self != Self::Unowned && self.in_stack(stack).is_none()
    }

    /// The ownership tags, if `stack` owns the object.
    pub fn in_stack(&self, stack: &str) -> Option<&OwnershipTags> {
        match self {
            Self::Stack(ownership) if ownership.stack == stack => Some(ownership),
            _ => None,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unowned => f.write_str("no stack"),
            Self::Stack(ownership) => {
                write!(f, "stack `{}` (as `{}`)", ownership.stack, ownership.name)
            }
            Self::CloudFormation(stack) => write!(f, "CloudFormation stack `{stack}`"),
            Self::Ambiguous => {
                f.write_str("an unknown owner (it has only some of the ownership tags)")
            }
        }
    }
}

impl OwnershipTags {
    /// When the create attempt that made the object began, by the server's clock; `None` where it was
    /// adopted, or where the tag was changed by hand.
    pub fn made(&self) -> Option<jiff::Timestamp> {
        let attempt_id = ulid::Ulid::from_string(&self.attempt_id).ok()?;
        jiff::Timestamp::from_millisecond(i64::try_from(attempt_id.timestamp_ms()).ok()?).ok()
    }

    /// The whole set, as tags.
    pub fn tags(&self) -> Tags {
        let mut tags = Tags::from([
            (STACK.to_owned(), self.stack.clone()),
            (NAME.to_owned(), self.name.clone()),
            (RECORD.to_owned(), self.record()),
        ]);
        if self.protect {
            tags.insert(PROTECT.to_owned(), "true".to_owned());
        }
        tags
    }

    fn record(&self) -> String {
        let meant = if self.protect { MEANT_PROTECTED } else { "" };
        let mut text = format!("{}{meant}", self.digest);
        for (key, value) in [
            ("op", Some(&self.attempt_id).filter(|it| !it.is_empty())),
            ("replaces", self.replaces.as_ref()),
            ("was", self.was.as_ref()),
            ("rotation", self.rotation.as_ref()),
        ] {
            if let Some(value) = value {
                let _ = write!(text, " {key}={value}");
            }
        }
        text
    }

    /// Reads a record. Keys that this version does not know are passed over.
    fn of_record(text: &str) -> Option<Self> {
        let (digest, mut rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut ownership = Self::of_digest(digest);
        while !rest.is_empty() {
            let (key, value) = rest.split_once('=')?;
            if key == "rotation" {
                ownership.rotation = Some(value.to_owned());
                break;
            }
            let (value, more) = value.split_once(' ').unwrap_or((value, ""));
            rest = more;
            match key {
                "op" => value.clone_into(&mut ownership.attempt_id),
                "replaces" => ownership.replaces = Some(value.to_owned()),
                "was" => ownership.was = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(ownership)
    }

    fn of_digest(digest: &str) -> Self {
        Self {
            meant_protected: digest.ends_with(MEANT_PROTECTED),
            digest: digest.trim_end_matches(MEANT_PROTECTED).to_owned(),
            ..Self::default()
        }
    }
}

/// The name of an object that is on its way to another name, which the object that has that name has not given up
/// yet. No manifest can have such a name.
pub fn under_way(name: &str) -> String {
    format!("@{name}")
}

/// Whether a name is one that [`under_way`] gives.
pub fn is_under_way(name: &str) -> bool {
    name.starts_with('@')
}

/// The create attempt in the tags of a request.
pub fn attempt_of(tags: &Tags) -> Option<String> {
    match Owner::of(tags) {
        Owner::Stack(ownership) => Some(ownership.attempt_id).filter(|it| !it.is_empty()),
        _ => None,
    }
}

/// Marks the end of the note about a stream key with a release that has begun.
const RELEASED: &str = "+released";

/// The id of the stream key that a channel with these tags had when it was applied.
pub fn remembered_key(tags: &Tags) -> Option<&str> {
    let value = tags.get(STREAM_KEY)?;
    let value = value.strip_suffix(RELEASED).unwrap_or(value);
    Some(value.strip_suffix(KEPT).unwrap_or(value))
}

/// What the tag of a channel says while its stream key is released: a run that is stopped in between leaves it.
pub fn released_key(id: &str) -> String {
    format!("{id}{RELEASED}")
}

/// Whether the release of a channel's stream key has begun.
pub fn is_key_released(tags: &Tags) -> bool {
    tags.get(STREAM_KEY).is_some_and(|it| it.ends_with(RELEASED))
}

/// Whether a live tag is shown and managed at all: neither ours, nor AWS's, nor ignored by the stack.
pub fn is_managed_tag(key: &str, ignored: &[Glob]) -> bool {
    !key.starts_with(PREFIX)
        && !key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
        && !ignored.iter().any(|glob| glob.matches(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_set_of_tags_is_ambiguous() {
        let whole = OwnershipTags {
            stack: "prod".into(),
            name: "main".into(),
            digest: "d".into(),
            protect: true,
            meant_protected: true,
            ..OwnershipTags::default()
        };
        assert_eq!(Owner::of(&whole.tags()), Owner::Stack(whole.clone()));
        for key in [STACK, NAME, RECORD] {
            let mut tags = whole.tags();
            tags.remove(key);
            assert_eq!(Owner::of(&tags), Owner::Ambiguous, "{key}");
        }
        assert_eq!(Owner::of(&Tags::new()), Owner::Unowned);
    }

    #[test]
    fn a_record_says_what_separate_tags_said_and_leaves_room_for_forty_six_others() {
        let ownership = OwnershipTags {
            stack: "prod".into(),
            name: "main".into(),
            digest: "0123456789abcdef".into(),
            attempt_id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
            replaces: Some("abcdABCDefgh".into()),
            protect: true,
            meant_protected: true,
            rotation: Some("2026 11 op=x was=y".into()),
            was: Some("before".into()),
            separate: false,
        };
        let tags = ownership.tags();
        assert_eq!(tags.len() + crate::kinds::MOST_USER_TAGS, 50);
        assert_eq!(Owner::of(&tags), Owner::Stack(ownership.clone()));
        let separate = [
            (STACK, "prod"),
            (NAME, "main"),
            (DIGEST, "0123456789abcdef+p"),
            (OP, "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
            (REPLACES, "abcdABCDefgh"),
            (ROTATION, "2026 11 op=x was=y"),
            (PROTECT, "true"),
        ];
        let mut separate: Tags =
            separate.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let read = OwnershipTags { was: None, separate: true, ..ownership.clone() };
        assert_eq!(Owner::of(&separate), Owner::Stack(read));
        // A run that was killed while it put the record in their place.
        separate.extend(tags);
        assert_eq!(Owner::of(&separate), Owner::Stack(ownership));
        separate.insert(RECORD.to_owned(), "0123456789abcdef nonsense".to_owned());
        assert_eq!(Owner::of(&separate), Owner::Ambiguous);
    }

    #[test]
    fn the_longest_record_fits_into_a_tag() {
        let ownership = OwnershipTags {
            digest: "0123456789abcdef".into(),
            attempt_id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
            protect: true,
            was: Some("n".repeat(64)),
            rotation: Some("r".repeat(crate::kinds::LONGEST_ROTATION)),
            ..OwnershipTags::default()
        };
        assert!(ownership.record().chars().count() <= 256);
    }

    #[test]
    fn tags_of_aws_and_our_own_are_never_managed() {
        assert!(is_managed_tag("team", &[]));
        assert!(!is_managed_tag("AWS:x", &[]));
        assert!(!is_managed_tag("ivs-apply:op", &[]));
        assert!(!is_managed_tag("cost:x", &["cost:*".parse().expect("a glob")]));
    }
}
