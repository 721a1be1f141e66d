//! Ownership: the tags that say whose an object is, written by the create call itself.
//!
//! There is no state file; these tags are all there is. Anything partial or malformed is ambiguous and is
//! never touched (`docs/reliability.md` §1).

use crate::aws::Tags;
use std::fmt;

/// The prefix of every tag that is this tool's own.
pub const PREFIX: &str = "ivs-apply:";
/// The stack that owns the object.
pub const STACK: &str = "ivs-apply:stack";
/// Its logical name.
pub const NAME: &str = "ivs-apply:name";
/// Short hash of the spec as last written.
pub const DIGEST: &str = "ivs-apply:digest";
/// Behind the digest where the manifest asked for protection.
const MEANT_PROTECTED: &str = "+p";
/// `true` on what must not be deleted.
pub const PROTECT: &str = "ivs-apply:protect";
/// The create attempt that made it.
pub const OP: &str = "ivs-apply:op";
/// The id of the object that it replaces.
pub const REPLACES: &str = "ivs-apply:replaces";
/// The rotation of a stream key, which AWS has no field for.
pub const ROTATION: &str = "ivs-apply:rotation";
/// The id of the stream key that a channel has, on the channel: keys have no listing of their own.
pub const STREAM_KEY: &str = "ivs-apply:stream-key";
/// What earlier versions wrote behind that id where the key was protected. The key's own tags decide.
const KEPT: &str = ":protected";
/// Start of the keys under which a stage remembers its replications, which carry no tags themselves.
pub const REPLICA: &str = "ivs-apply:replica:";
/// The tag that `CloudFormation` puts on what it owns.
pub const CLOUDFORMATION: &str = "aws:cloudformation:stack-name";

/// What an object's tags say about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Owner {
    /// No tool claims it.
    Nobody,
    /// A stack of this tool, this one or another.
    Stack(Marks),
    /// `CloudFormation`'s, by stack name.
    CloudFormation(String),
    /// Some of our tags, but not a whole set.
    Ambiguous,
}

/// The whole set of our tags on one object.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Marks {
    /// Owning stack.
    pub stack: String,
    /// Logical name.
    pub name: String,
    /// Digest of the spec as last written.
    pub digest: String,
    /// The create attempt that made it; `""` where it was adopted.
    pub op: String,
    /// Id of the object that it replaces.
    pub replaces: Option<String>,
    /// Whether deletes are refused.
    pub protect: bool,
    /// Whether its manifest asked for that when the digest was written: the tag may have been taken off since.
    pub meant_protected: bool,
    /// Rotation of a stream key.
    pub rotation: Option<String>,
}

impl Owner {
    /// Reads ownership off tags.
    pub fn of(tags: &Tags) -> Self {
        if let Some(stack) = tags.get(CLOUDFORMATION) {
            return Self::CloudFormation(stack.clone());
        }
        let tag = |key: &str| tags.get(key).filter(|it| !it.is_empty()).cloned();
        match (tag(STACK), tag(NAME), tag(DIGEST)) {
            (Some(stack), Some(name), Some(digest)) => Self::Stack(Marks {
                stack,
                name,
                meant_protected: digest.ends_with(MEANT_PROTECTED),
                digest: digest.trim_end_matches(MEANT_PROTECTED).to_owned(),
                op: tag(OP).unwrap_or_default(),
                replaces: tag(REPLACES),
                protect: tag(PROTECT).as_deref() == Some("true"),
                rotation: tag(ROTATION),
            }),
            _ if tags.keys().any(|key| key.starts_with(PREFIX)) => Self::Ambiguous,
            _ => Self::Nobody,
        }
    }

    /// Our marks, if `stack` owns the object.
    pub fn in_stack(&self, stack: &str) -> Option<&Marks> {
        match self {
            Self::Stack(marks) if marks.stack == stack => Some(marks),
            _ => None,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::Stack(marks) => write!(f, "stack `{}` (as `{}`)", marks.stack, marks.name),
            Self::CloudFormation(stack) => write!(f, "CloudFormation stack `{stack}`"),
            Self::Ambiguous => {
                f.write_str("somebody unclear: only some of the ownership tags are there")
            }
        }
    }
}

impl Marks {
    /// When the create attempt that made the object began, by the server's clock; `None` where it was
    /// adopted, or where somebody wrote something else into the tag.
    pub fn made(&self) -> Option<jiff::Timestamp> {
        let op = ulid::Ulid::from_string(&self.op).ok()?;
        jiff::Timestamp::from_millisecond(i64::try_from(op.timestamp_ms()).ok()?).ok()
    }

    /// These marks as tags, whole set.
    pub fn tags(&self) -> Tags {
        let meant = if self.protect { MEANT_PROTECTED } else { "" };
        let mut tags = Tags::from([
            (STACK.to_owned(), self.stack.clone()),
            (NAME.to_owned(), self.name.clone()),
            (DIGEST.to_owned(), format!("{}{meant}", self.digest)),
        ]);
        let mut put = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                tags.insert(key.to_owned(), value.to_owned());
            }
        };
        put(OP, Some(self.op.as_str()).filter(|it| !it.is_empty()));
        put(REPLACES, self.replaces.as_deref());
        put(PROTECT, self.protect.then_some("true"));
        put(ROTATION, self.rotation.as_deref());
        tags
    }
}

/// The id of the stream key that a channel with these tags had when it was applied.
pub fn remembered_key(tags: &Tags) -> Option<&str> {
    let value = tags.get(STREAM_KEY)?;
    Some(value.strip_suffix(KEPT).unwrap_or(value))
}

/// Whether a live tag is shown and managed at all: neither ours, nor AWS's, nor ignored by the stack.
pub fn is_managed_tag(key: &str, ignored: &[String]) -> bool {
    !key.starts_with(PREFIX)
        && !key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
        && !ignored.iter().any(|pattern| matches(pattern, key))
}

/// `*` in a pattern stands for any run of characters.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_set_of_tags_is_ambiguous() {
        let whole = Marks {
            stack: "prod".into(),
            name: "main".into(),
            digest: "d".into(),
            protect: true,
            meant_protected: true,
            ..Marks::default()
        };
        assert_eq!(Owner::of(&whole.tags()), Owner::Stack(whole.clone()));
        for key in [STACK, NAME, DIGEST] {
            let mut tags = whole.tags();
            tags.remove(key);
            assert_eq!(Owner::of(&tags), Owner::Ambiguous, "{key}");
        }
        assert_eq!(Owner::of(&Tags::new()), Owner::Nobody);
    }

    #[test]
    fn patterns_match_with_stars_anywhere() {
        for (pattern, text, yes) in [
            ("aws-*", "aws-x", true),
            ("*", "", true),
            ("cost:*", "costs", false),
            ("a*c*e", "abcde", true),
            ("a*c", "abcd", false),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), yes, "{pattern} {text}");
        }
    }

    #[test]
    fn tags_of_aws_and_our_own_are_never_managed() {
        assert!(is_managed_tag("team", &[]));
        assert!(!is_managed_tag("AWS:x", &[]));
        assert!(!is_managed_tag("ivs-apply:op", &[]));
        assert!(!is_managed_tag("cost:x", &["cost:*".to_owned()]));
    }
}
