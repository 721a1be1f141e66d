//! What an answer must hold before the SDK reads it, and how much of it there may be.
//!
//! The SDK fills members that an answer leaves out with defaults, so that an empty body reads like an empty
//! account. Each answer is therefore looked at as it came, before anything is decided from it: a listing needs
//! its list and each object in it its ARN. Knows the wire format only; the kinds interpret the objects.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The most bytes that are taken of an answer. A page of a hundred objects has some hundred kilobytes.
pub(super) const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The same of an answer that is an error: AWS's have some hundred bytes.
pub(super) const MOST_ERROR_BYTES: usize = 1024 * 1024;

/// The most bytes of one text in an answer: names, tag keys and values, ARNs, page tokens. AWS's own limits are
/// far below; the longest text there is is a public key.
const MOST_TEXT: usize = 64 * 1024;

/// The most members of an object, or tags: AWS allows 50 tags.
const MOST_MEMBERS: usize = 1_000;

/// The most items of a list: a page has at most a hundred objects.
const MOST_ITEMS: usize = 10_000;

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// No JSON, or beyond a limit.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
    /// The body is empty.
    #[error("the answer is empty")]
    Empty,
    /// Another type than an object.
    #[error("the answer is not a JSON object")]
    NotAnObject,
    /// A member that must be there is not, or is something else.
    #[error("the answer lacks `{member}`, or it is not {sort}")]
    Lacks {
        /// Where it is looked for.
        member: String,
        /// What it must be.
        sort: &'static str,
    },
    /// More than is read of one answer.
    #[error("the answer is larger than {} MiB", most / (1024 * 1024))]
    TooLarge {
        /// How much is read.
        most: usize,
    },
}

/// An answer that cannot be used, on its way through the SDK.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Refused {
    /// Why.
    pub(crate) why: Unusable,
    /// AWS's name of the request.
    pub(crate) request_id: Option<String>,
}

/// What a successful answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// A list under this name of objects with these members.
    List(&'static str, &'static [&'static str]),
    /// One or both of these lists, the first of objects with these members.
    Batch(&'static str, &'static [&'static str]),
    /// An object under this name with these members.
    Object(&'static str, &'static [&'static str]),
    /// A map under this name.
    Map(&'static str),
    /// Nothing that is needed.
    Nothing,
}

/// What identifies an object, and what decides whether it counts.
const ARN: &[&str] = &["arn"];
const ARN_AND_STATE: &[&str] = &["arn", "state"];
const KEY: &[&str] = &["arn", "channelArn"];
const REPLICA: &[&str] = &["sourceStageArn", "participantId", "destinationStageArn"];

/// What is read or made, one line each: its name in operations, its member in answers, that of a list of them, and
/// the members that each must have.
const OBJECTS: [(&str, &str, &str, &[&str]); 15] = [
    ("AdConfiguration", "adConfiguration", "adConfigurations", ARN),
    ("Channel", "channel", "channels", ARN),
    ("Composition", "composition", "compositions", ARN_AND_STATE),
    ("EncoderConfiguration", "encoderConfiguration", "encoderConfigurations", ARN),
    (
        "FailoverSlateConfiguration",
        "failoverSlateConfiguration",
        "failoverSlateConfigurations",
        ARN_AND_STATE,
    ),
    ("IngestConfiguration", "ingestConfiguration", "ingestConfigurations", ARN_AND_STATE),
    ("Participant", "participant", "participants", &["participantId"]),
    ("PlaybackKeyPair", "keyPair", "keyPairs", ARN),
    ("PlaybackRestrictionPolicy", "playbackRestrictionPolicy", "playbackRestrictionPolicies", ARN),
    ("PublicKey", "publicKey", "publicKeys", ARN),
    ("RecordingConfiguration", "recordingConfiguration", "recordingConfigurations", ARN_AND_STATE),
    ("Stage", "stage", "stages", ARN),
    ("StorageConfiguration", "storageConfiguration", "storageConfigurations", ARN),
    ("Stream", "stream", "streams", &["channelArn"]),
    ("StreamKey", "streamKey", "streamKeys", KEY),
];

/// What the answer of an operation holds. An operation that this does not know holds nothing that is needed;
/// a test compares this with the service models and with what the kinds call.
fn holds(operation: &str) -> Holds {
    use Holds::{Batch, List, Map, Nothing, Object};
    match operation {
        "ListParticipantReplicas" => return List("replicas", REPLICA),
        "ListTagsForResource" => return Map("tags"),
        _ => {}
    }
    let one = ["Create", "Get", "Import", "Start", "Update"];
    let one = one.iter().find_map(|verb| operation.strip_prefix(verb));
    let batch = operation.strip_prefix("BatchGet");
    let list = operation.strip_prefix("List");
    let of = OBJECTS.into_iter().find_map(|(name, member, members, keys)| {
        if one == Some(name) {
            Some(Object(member, keys))
        } else if batch == Some(name) {
            Some(Batch(members, keys))
        } else {
            list.filter(|it| is_plural(it, name)).map(|_| List(members, keys))
        }
    });
    of.unwrap_or(Nothing)
}

/// Whether `many` is the plural of `one`, as operations write it.
fn is_plural(many: &str, one: &str) -> bool {
    many.strip_prefix(one) == Some("s")
        || one.strip_suffix("cy").is_some_and(|stem| many.strip_prefix(stem) == Some("cies"))
}

/// Whether the SDK may read this body of a successful answer to `operation`.
pub(super) fn check(operation: &str, body: &[u8]) -> Result<(), Unusable> {
    let holds = holds(operation);
    if holds == Holds::Nothing {
        return Ok(());
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Unusable::Empty);
    }
    let answer = outline(body).map_err(|error| Unusable::Unreadable(error.to_string()))?;
    let Outline::Object(members) = answer else { return Err(Unusable::NotAnObject) };
    match holds {
        Holds::Nothing => Ok(()),
        Holds::List(member, keys) => list(&members, member, keys),
        Holds::Batch(member, keys) => match find(&members, member) {
            Some(_) => list(&members, member, keys),
            // Where each of the objects asked for has an error, that is all there is to say.
            None => list(&members, "errors", &[]).map_err(|_| lacks(member, "a list")),
        },
        Holds::Object(member, keys) => match find(&members, member) {
            Some(object) => has(object, || member.to_owned(), keys),
            None => Err(lacks(member, "an object")),
        },
        Holds::Map(member) => match find(&members, member) {
            Some(Outline::Object(_)) => Ok(()),
            _ => Err(lacks(member, "an object")),
        },
    }
}

fn lacks(member: impl Into<String>, sort: &'static str) -> Unusable {
    Unusable::Lacks { member: member.into(), sort }
}

/// The value of a member.
fn find<'a, 'de>(members: &'a [Member<'de>], name: &str) -> Option<&'a Outline<'de>> {
    members.iter().find(|it| it.0 == name).map(|it| &it.1)
}

fn list(members: &[Member], member: &str, keys: &[&str]) -> Result<(), Unusable> {
    let Some(Outline::List(items)) = find(members, member) else {
        return Err(lacks(member, "a list"));
    };
    let mut items = items.iter().enumerate();
    items.try_for_each(|(index, item)| has(item, || format!("{member}[{index}]"), keys))
}

fn has(object: &Outline, name: impl Fn() -> String, keys: &[&str]) -> Result<(), Unusable> {
    let Outline::Object(members) = object else { return Err(lacks(name(), "an object")) };
    match keys.iter().find(|key| find(members, key) != Some(&Outline::Text)) {
        Some(key) => Err(lacks(format!("{}.{key}", name()), "a text that is not empty")),
        None => Ok(()),
    }
}

/// As much of a JSON document as is looked at. The rest is read past, within the limits.
#[derive(Debug, PartialEq, Eq)]
enum Outline<'de> {
    /// A text that is not empty.
    Text,
    /// Anything else that is no list and no object, or lies too deep to be looked at.
    Other,
    List(Vec<Outline<'de>>),
    /// Each member once.
    Object(Vec<Member<'de>>),
}

/// A member of an object. Each answer of a reading is looked at, so a name is copied only where the document escapes it.
type Member<'de> = (Cow<'de, str>, Outline<'de>);

fn outline(body: &[u8]) -> Result<Outline<'_>, serde_json::Error> {
    let mut document = serde_json::Deserializer::from_slice(body);
    let outline = Sketch { depth: 0 }.deserialize(&mut document)?;
    document.end()?;
    Ok(outline)
}

/// Members of the objects in the list that is a member of the answer are the last that are kept.
const KEPT_DEPTH: u8 = 3;

struct Sketch {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Sketch {
    type Value = Outline<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Outline<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Sketch {
    type Value = Outline<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Outline<'de>, E> {
        if text.len() > MOST_TEXT {
            return Err(E::custom(format!("a text of more than {MOST_TEXT} bytes")));
        }
        Ok(if text.is_empty() { Outline::Other } else { Outline::Text })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Outline<'de>, E> {
        Ok(Outline::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Outline<'de>, E> {
        Ok(Outline::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Outline<'de>, E> {
        Ok(Outline::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Outline<'de>, E> {
        Ok(Outline::Other)
    }

    fn visit_unit<E>(self) -> Result<Outline<'de>, E> {
        Ok(Outline::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Outline<'de>, A::Error> {
        let depth = self.depth + 1;
        let mut kept = Vec::new();
        let mut count = 0;
        while let Some(item) = items.next_element_seed(Sketch { depth })? {
            count += 1;
            if count > MOST_ITEMS {
                return Err(A::Error::custom(format!("a list of more than {MOST_ITEMS} items")));
            }
            if depth <= KEPT_DEPTH {
                kept.push(item);
            }
        }
        Ok(if depth <= KEPT_DEPTH { Outline::List(kept) } else { Outline::Other })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Outline<'de>, A::Error> {
        let depth = self.depth + 1;
        let mut kept: Vec<Member> = Vec::new();
        let mut count = 0;
        while let Some(key) = members.next_key_seed(Name)? {
            count += 1;
            if count > MOST_MEMBERS || key.len() > MOST_TEXT {
                return Err(A::Error::custom(format!(
                    "an object of more than {MOST_MEMBERS} members, or a longer name of one than {MOST_TEXT} bytes"
                )));
            }
            let value = members.next_value_seed(Sketch { depth })?;
            if depth <= KEPT_DEPTH {
                kept.push((key, value));
            }
        }
        kept.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        if kept.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(A::Error::custom("a member that appears twice"));
        }
        Ok(if depth <= KEPT_DEPTH { Outline::Object(kept) } else { Outline::Other })
    }
}

/// The name of a member, as a part of the document where that has it as it is.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{Kind, Verb};
    use serde_json::{Value, json};

    #[test]
    fn an_answer_is_looked_at_for_what_it_must_hold_and_nothing_else() {
        let good =
            json!({ "stages": [{ "arn": "a", "tags": {}, "x": [[{}]] }], "nextToken": null });
        assert_eq!(check("ListStages", good.to_string().as_bytes()), Ok(()));
        assert_eq!(check("ListStages", br#"{"stages":[]}"#), Ok(()));
        assert_eq!(check("ListStages", br#"{"\u0073tages":[]}"#), Ok(()));
        assert_eq!(check("DeleteStage", b""), Ok(()));
        for body in ["", " \n"] {
            assert_eq!(check("ListStages", body.as_bytes()), Err(Unusable::Empty));
        }
        for body in ["null", "[]", "\"stages\"", "1"] {
            assert_eq!(check("ListStages", body.as_bytes()), Err(Unusable::NotAnObject), "{body}");
        }
        for body in ["{}", r#"{"stages":null}"#, r#"{"stages":{}}"#, r#"{"Stages":[]}"#] {
            let refused = check("ListStages", body.as_bytes());
            assert_eq!(refused, Err(lacks("stages", "a list")), "{body}");
        }
        for (item, refused) in [
            ("null", lacks("stages[0]", "an object")),
            (r#"{"arn":""}"#, lacks("stages[0].arn", "a text that is not empty")),
            ("{}", lacks("stages[0].arn", "a text that is not empty")),
        ] {
            let body = format!(r#"{{"stages":[{item}]}}"#);
            assert_eq!(check("ListStages", body.as_bytes()), Err(refused), "{body}");
        }
        let twice = r#"{"stages":[],"nextToken":null,"\u0073tages":[{"arn":"a"}]}"#;
        for body in ["{", "{}x", r#"{"stages":[],"stages":[{"arn":"a"}]}"#, twice] {
            let refused = check("ListStages", body.as_bytes());
            assert!(matches!(refused, Err(Unusable::Unreadable(_))), "{body}: {refused:?}");
        }
        assert_eq!(check("BatchGetChannel", br#"{"errors":[{"code":"404"}]}"#), Ok(()));
        assert!(check("BatchGetChannel", b"{}").is_err());
        assert!(check("ListTagsForResource", b"{}").is_err());
        assert_eq!(check("ListTagsForResource", br#"{"tags":{}}"#), Ok(()));
        assert!(check("GetStage", b"{}").is_err());
    }

    /// The members of answers as the service model names them, for the operations that the kinds call.
    #[test]
    fn what_an_answer_must_hold_is_what_the_models_say_it_holds() {
        let model: Value =
            serde_json::from_str(include_str!("../emulator/model.json")).expect("generated");
        let mut checked = 0;
        for service in model["services"].as_object().expect("services").values() {
            let shapes = &service["shapes"];
            let shape = |name: &Value| &shapes[name.as_str().expect("a name")];
            let member = |of: &Value, name: &str| {
                let members = of["members"].as_array().expect("members").clone();
                let found = members.into_iter().find(|it| it["name"] == name);
                found.unwrap_or_else(|| panic!("{name} is no member of {of}"))
            };
            for operation in service["operations"].as_array().expect("operations") {
                let name = operation["name"].as_str().expect("a name");
                let (needed, keys, listed) = match holds(name) {
                    Holds::Nothing => continue,
                    Holds::List(it, keys) => (it, keys, true),
                    Holds::Batch(it, keys) | Holds::Object(it, keys) => (it, keys, false),
                    Holds::Map(it) => (it, &[][..], true),
                };
                checked += 1;
                let output = shape(&operation["output"]);
                let inner = shape(&member(output, needed)["shape"]).clone();
                let required = output["required"].as_array().cloned().unwrap_or_default();
                assert!(!listed || required.contains(&json!(needed)), "{name}: {needed}");
                let object = match inner["type"].as_str() {
                    Some("list") => shape(&inner["member"]).clone(),
                    _ => inner,
                };
                for key in keys {
                    let its = shape(&member(&object, key)["shape"])["type"].clone();
                    assert_eq!(its, "string", "{name}: {key}");
                }
            }
        }
        assert!(checked > 45, "{checked}");
        // Every answer to a read or create of a kind is checked.
        for operation in Kind::ALL.iter().flat_map(|it| it.facts().operations) {
            let reads = matches!(operation.verb, Verb::Look | Verb::Reveal | Verb::Shortcut);
            let answers =
                reads || operation.verb == Verb::Create || operation.name.starts_with("Update");
            // Its answer has nothing that is not in the request.
            let silent = operation.name == "StartParticipantReplication";
            assert!(
                !answers || silent || holds(operation.name) != Holds::Nothing,
                "{}",
                operation.name
            );
        }
    }
}
