//! Addresses (`Channel/main`), ARNs, and the address map that translates between them.

use super::Kind;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A resource as manifests know it, shown as `Channel/main`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Which kind of resource.
    pub kind: Kind,
    /// `metadata.name`, unique per kind in a stack.
    pub name: String,
}

impl Address {
    /// An address from its parts.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// As it is shown, and as the command line takes it.
impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) =
            text.split_once('/').ok_or("write it as KIND/NAME, such as Channel/main")?;
        let kind = Kind::named(kind).ok_or_else(|| {
            let names = Kind::ALL.iter().map(|it| it.name());
            match crate::diag::suggest(kind, names) {
                Some(near) => format!("unknown kind `{kind}`: did you mean `{near}`?"),
                None => format!("unknown kind `{kind}`"),
            }
        })?;
        Ok(Self::new(kind, name))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Text in every document.
impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Kind and name of a resource.",
            "type": "string",
            "pattern": "^[A-Za-z]+/.+$",
        })
    }
}

/// The name AWS gave an object. Never parsed for meaning beyond its resource type, region and account.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Arn(String);

impl Arn {
    /// An ARN that AWS answered with, or that a manifest gave and was checked by [`Arn::parse`].
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// An ARN of `kind` written by a person: `arn:aws:ivs:<region>:<account>:<type>/<id>`.
    pub fn parse(kind: Kind, text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [_, "aws", "ivs", region, account, resource] = parts[..] else { return None };
        let (resource_type, id) = resource.split_once('/')?;
        let plain = |text: &str, extra: fn(char) -> bool| {
            !text.is_empty() && text.chars().all(|it| it.is_ascii_alphanumeric() || extra(it))
        };
        let well_formed = text.starts_with("arn:")
            && text.len() <= 128
            && Some(resource_type) == kind.facts().arn_type
            && plain(region, |it| it == '-')
            && account.chars().all(|it| it.is_ascii_digit())
            && !account.is_empty()
            && plain(id, |it| it == '-');
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part, unique within its kind.
    pub fn id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The object of that id beside this one: of its type, region and account.
    #[must_use]
    pub fn sibling(&self, id: &str) -> Self {
        let place = self.0.rsplit_once('/').map_or("", |(place, _)| place);
        Self(format!("{place}/{id}"))
    }

    /// The region inside, if the text has one.
    pub fn region(&self) -> Option<&str> {
        self.0.split(':').nth(3)
    }

    /// The account inside, if the text has one.
    pub fn account(&self) -> Option<&str> {
        self.0.split(':').nth(4)
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which address has which ARN, both ways. Filled by the listings, extended by every create.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddressMap {
    arns: BTreeMap<Address, Arn>,
    addresses: BTreeMap<Arn, Address>,
    /// The participants who publish with objects (`Observed::participant`).
    participants: BTreeMap<Arn, String>,
}

impl AddressMap {
    /// Notes that `address` is `arn` from now on.
    pub fn note(&mut self, address: Address, arn: Arn) {
        if let Some(before) = self.arns.insert(address.clone(), arn.clone()) {
            self.addresses.remove(&before);
        }
        self.addresses.insert(arn, address);
    }

    /// Notes the participant who publishes with an object.
    pub fn note_participant(&mut self, arn: Arn, participant: String) {
        self.participants.insert(arn, participant);
    }

    /// The id of the participant who publishes with an object.
    pub fn participant(&self, arn: &Arn) -> Option<&str> {
        self.participants.get(arn).map(String::as_str)
    }

    /// The object that a participant publishes with.
    pub fn published_with(&self, participant: &str) -> Option<&Arn> {
        self.participants.iter().find(|(_, it)| *it == participant).map(|(arn, _)| arn)
    }

    /// Forgets an ARN that turned out to be gone.
    pub fn forget(&mut self, arn: &Arn) {
        if let Some(address) = self.addresses.remove(arn) {
            self.arns.remove(&address);
        }
    }

    /// Forgets which object has an address, and keeps what is known of the object.
    pub fn forget_name(&mut self, address: &Address) {
        self.arns.remove(address);
    }

    /// The part of this map that a few addresses need.
    #[must_use]
    pub fn only(&self, addresses: impl IntoIterator<Item = Address>) -> Self {
        let mut part = Self { participants: self.participants.clone(), ..Self::default() };
        for address in addresses {
            if let Some(arn) = self.arns.get(&address) {
                part.note(address, arn.clone());
            }
        }
        part
    }

    /// The ARN of an address, if it exists already.
    pub fn arn(&self, address: &Address) -> Option<&Arn> {
        self.arns.get(address)
    }

    /// The address of an ARN, if it is one of this stack's.
    pub fn address(&self, arn: &Arn) -> Option<&Address> {
        self.addresses.get(arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_of_another_kind_or_service_is_not_taken() {
        let good = "arn:aws:ivs:us-west-2:123456789012:channel/abcdABCDefgh";
        assert!(Arn::parse(Kind::Channel, good).is_some());
        assert!(Arn::parse(Kind::Stage, good).is_none());
        for bad in [
            "arn:aws:s3:::bucket",
            "arn:aws:ivs:us-west-2:123456789012:channel/",
            "arn:aws:ivs:us-west-2:abc:channel/x",
            "arn:aws:ivs:us-west-2:123456789012:channel/a/b",
            "arn:aws:ivs::123456789012:channel/x",
        ] {
            assert!(Arn::parse(Kind::Channel, bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_book_forgets_the_old_arn_of_a_replaced_address() {
        let mut addresses = AddressMap::default();
        let address = Address::new(Kind::Stage, "a");
        addresses.note(address.clone(), Arn::new("old"));
        addresses.note(address.clone(), Arn::new("new"));
        assert_eq!(addresses.arn(&address), Some(&Arn::new("new")));
        assert_eq!(addresses.address(&Arn::new("old")), None);
    }
}
