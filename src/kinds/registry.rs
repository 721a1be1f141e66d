//! The only list of kinds in the code, one line a kind in [`kinds!`]; [`Kind`], [`Spec`] and the calls of each kind's
//! [`Resource`] are made from it. Nothing here is about one kind.

use super::calls::about_what_was_asked;
use super::spec::FieldChange;
use super::{
    Address, AddressMap, Arn, Audience, Check, DeclaredSet, Detached, Edge, Elsewhere, Exclusive,
    Existence, Facts, FileSource, Interrupted, Interruption, NamedSecret, Observed, ObservedState,
    OnAir, ParseSpec, Publisher, Resource, Scope, Secrets, WithSecrets,
};
use crate::aws::{Clients, CloudError, Tags};
use crate::diag::Report;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

/// Makes [`Kind`], [`Spec`] and their dispatch to the kind files from the list of kinds.
macro_rules! kinds {
    ($($module:ident :: $name:ident),* $(,)?) => {
        /// Every kind of resource.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $(#[doc = concat!("`", stringify!($name), "`")] $name),* }

        /// The spec of a resource of any kind.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        #[expect(missing_docs, reason = "each variant is its kind's own type")]
        pub enum Spec { $($name(Box<super::$module::$name>)),* }

        $(pub use super::$module::$name;
        impl From<$name> for Spec {
            fn from(it: $name) -> Self { Self::$name(Box::new(it)) }
        }
        impl<'a> TryFrom<&'a Spec> for &'a $name {
            type Error = Kind;
            /// The spec if it is of this kind, or else the kind that it has.
            fn try_from(spec: &'a Spec) -> Result<Self, Kind> {
                match spec {
                    Spec::$name(it) => Ok(&**it),
                    other => Err(other.kind()),
                }
            }
        })*

        impl Kind {
            /// Every kind, in alphabetical order.
            pub const ALL: &'static [Kind] = &[$(Kind::$name),*];
            /// Its name in manifests.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$name => stringify!($name)),* }
            }
            /// What is fixed about it.
            pub const fn facts(self) -> Facts {
                match self { $(Kind::$name => $name::FACTS),* }
            }
            /// A resource of this kind with every field set.
            pub fn example(self) -> Spec {
                match self { $(Kind::$name => $name::example().into()),* }
            }
            /// That, and what else it takes to have every field set in one of them.
            pub fn examples(self) -> Vec<Spec> {
                let further: Vec<Spec> = match self {
                    $(Kind::$name => $name::further_examples().into_iter().map(Spec::from).collect()),*
                };
                std::iter::once(self.example()).chain(further).collect()
            }
            /// JSON Schema of its spec.
            pub fn schema(self, generator: &mut schemars::SchemaGenerator) -> Schema {
                match self { $(Kind::$name => <$name as JsonSchema>::json_schema(generator)),* }
            }
            /// Runs `parse` for the spec type of this kind.
            pub fn parse_with<P: ParseSpec>(self, parse: P) -> Option<(Spec, P::Rest)> {
                match self { $(Kind::$name => parse.spec::<$name>()),* }
            }
            /// [`Resource::check_set`].
            pub fn check_set(self, set: &DeclaredSet<'_>, report: &mut Report) {
                match self { $(Kind::$name => $name::check_set(set, report)),* }
            }
            /// [`Resource::list`].
            pub async fn list(self, aws: &Clients, scope: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
                match self { $(Kind::$name => $name::list(aws, scope).await),* }
            }
            /// [`Resource::list_tagged`].
            pub async fn list_tagged(self, aws: &Clients, scope: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
                match self { $(Kind::$name => $name::list_tagged(aws, scope).await),* }
            }
            /// [`Resource::audience_of`].
            pub fn audience_of(self, observed: &Observed) -> Option<Audience> {
                match self { $(Kind::$name => $name::audience_of(observed)),* }
            }
            /// [`Resource::get`].
            pub async fn get(self, aws: &Clients, arns: &[Arn], addresses: &AddressMap) -> Result<Vec<Observed>, CloudError> {
                let got = match self { $(Kind::$name => $name::get(aws, arns, addresses).await?),* };
                about_what_was_asked(self, arns, got)
            }
            /// [`Resource::users`].
            pub async fn users(self, aws: &Clients, arn: &Arn) -> Result<Vec<Observed>, CloudError> {
                match self { $(Kind::$name => $name::users(aws, arn).await),* }
            }
            /// [`Resource::secrets`].
            pub async fn secrets(self, aws: &Clients, arns: &[Arn]) -> Result<Vec<Secrets>, CloudError> {
                match self { $(Kind::$name => $name::secrets(aws, arns).await),* }
            }
            /// [`Resource::addresses_with_secrets`].
            pub fn addresses_with_secrets(self, own: &WithSecrets<'_>, target: &WithSecrets<'_>) -> Vec<NamedSecret> {
                match self { $(Kind::$name => $name::addresses_with_secrets(own, target)),* }
            }
            /// [`Resource::delete`].
            pub async fn delete(self, aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
                match self { $(Kind::$name => $name::delete(aws, arn).await),* }
            }
            /// [`Resource::audiences`].
            pub async fn audiences(self, aws: &Clients) -> Result<Vec<OnAir>, CloudError> {
                match self { $(Kind::$name => $name::audiences(aws).await),* }
            }
            /// [`Resource::count_publishers`].
            pub async fn count_publishers(
                self,
                aws: &Clients,
                arn: &Arn,
                session: &str,
            ) -> Result<Option<usize>, CloudError> {
                match self { $(Kind::$name => $name::count_publishers(aws, arn, session).await),* }
            }
            /// [`Resource::is_connected`].
            pub async fn is_connected(self, aws: &Clients, arn: &Arn, session: &str) -> Result<bool, CloudError> {
                match self { $(Kind::$name => $name::is_connected(aws, arn, session).await),* }
            }
            /// [`Resource::audience`].
            pub async fn audience(self, aws: &Clients, arn: &Arn) -> Result<Option<Audience>, CloudError> {
                match self { $(Kind::$name => $name::audience(aws, arn).await),* }
            }
            /// A spec from its serialised form; `None` if it is not one.
            pub fn from_json(self, spec: Value) -> Option<Spec> {
                match self { $(Kind::$name => serde_json::from_value::<$name>(spec).ok().map(Spec::from)),* }
            }
            /// [`Resource::untag`].
            pub async fn untag(self, aws: &Clients, arn: &Arn, keys: &[String]) -> Result<(), CloudError> {
                match self { $(Kind::$name => $name::untag(aws, arn, keys).await),* }
            }
            /// [`Resource::tags_of`].
            pub async fn tags_of(self, aws: &Clients, arn: &Arn) -> Result<Tags, CloudError> {
                match self { $(Kind::$name => $name::tags_of(aws, arn).await),* }
            }
            /// [`Resource::interrupt`].
            pub async fn interrupt(
                self,
                aws: &Clients,
                arn: &Arn,
                interruption: &mut Interruption<'_>,
            ) -> Result<Interrupted, CloudError> {
                match self { $(Kind::$name => $name::interrupt(aws, arn, interruption).await),* }
            }
            /// [`Resource::is_in_the_way`].
            pub async fn is_in_the_way(self, aws: &Clients, arn: &Arn) -> Result<bool, CloudError> {
                match self { $(Kind::$name => $name::is_in_the_way(aws, arn).await),* }
            }
            /// [`Resource::publishes`].
            pub async fn publishes(
                self,
                aws: &Clients,
                publisher: &Publisher,
                session: &str,
            ) -> Result<bool, CloudError> {
                match self { $(Kind::$name => $name::publishes(aws, publisher, session).await),* }
            }
        }

        impl Detached {
            /// [`Resource::attach_again`].
            pub async fn attach_again(&self, aws: &Clients) -> Result<(), CloudError> {
                match self.kind { $(Kind::$name => $name::attach_again(aws, self).await),* }
            }
        }

        impl Spec {
            /// Which kind it is.
            pub fn kind(&self) -> Kind {
                match self { $(Spec::$name(_) => Kind::$name),* }
            }
            /// [`Resource::name_mut`].
            pub fn name_mut(&mut self) -> Option<&mut Option<String>> {
                match self { $(Spec::$name(it) => it.name_mut()),* }
            }
            /// [`Resource::tags_mut`].
            pub fn tags_mut(&mut self) -> Option<&mut Tags> {
                match self { $(Spec::$name(it) => it.tags_mut()),* }
            }
            /// [`Resource::refs`].
            pub fn refs(&self) -> Vec<Edge> {
                match self { $(Spec::$name(it) => it.refs()),* }
            }
            /// [`Resource::must_be_offline`].
            pub fn must_be_offline(&self) -> Vec<Edge> {
                match self { $(Spec::$name(it) => it.must_be_offline()),* }
            }
            /// [`Resource::needs_publisher`].
            pub fn needs_publisher(&self) -> Vec<Edge> {
                match self { $(Spec::$name(it) => it.needs_publisher()),* }
            }
            /// [`Resource::normalise`].
            pub fn normalise(&mut self) {
                match self { $(Spec::$name(it) => it.normalise()),* }
            }
            /// [`Resource::check`].
            pub fn check(&self, at: &mut Check<'_>) {
                match self { $(Spec::$name(it) => it.check(at)),* }
            }
            /// [`Resource::presence`].
            pub fn presence(&self, now: &ObservedState) -> Existence {
                match self { $(Spec::$name(it) => it.presence(now)),* }
            }
            /// [`Resource::comes_and_goes`].
            pub fn comes_and_goes(&self) -> bool {
                match self { $(Spec::$name(it) => it.comes_and_goes()),* }
            }
            /// [`Resource::identity`].
            pub fn identity(&self, addresses: &AddressMap) -> Option<Arn> {
                match self { $(Spec::$name(it) => it.identity(addresses)),* }
            }
            /// [`Resource::settle_names`].
            pub fn settle_names(&mut self, is_name: &dyn Fn(&Address) -> bool) {
                match self { $(Spec::$name(it) => it.settle_names(is_name)),* }
            }
            /// [`Resource::publisher`].
            pub fn publisher(&self, addresses: &AddressMap) -> Option<Publisher> {
                match self { $(Spec::$name(it) => it.publisher(addresses)),* }
            }
            /// [`Resource::acts_on`].
            pub fn acts_on(&self) -> Vec<Edge> {
                match self { $(Spec::$name(it) => it.acts_on()),* }
            }
            /// [`Resource::tag`].
            pub async fn tag(
                &self,
                aws: &Clients,
                arn: &Arn,
                tags: &Tags,
                addresses: &AddressMap,
            ) -> Result<(), CloudError> {
                match self { $(Spec::$name(it) => it.tag(aws, arn, tags, addresses).await),* }
            }
            /// [`Resource::taken_over`].
            pub fn taken_over(&mut self, wanted: &Spec) {
                match (self, wanted) {
                    $((Spec::$name(it), Spec::$name(wanted)) => it.taken_over(wanted),)*
                    _ => {}
                }
            }
            /// [`Resource::copy_write_only`].
            pub fn copy_write_only(&mut self, from: &Spec) {
                match (self, from) {
                    $((Spec::$name(it), Spec::$name(from)) => it.copy_write_only(from),)*
                    _ => {}
                }
            }
            /// [`Resource::write_only_variants`].
            pub fn write_only_variants(&self) -> Vec<Spec> {
                match self {
                    $(Spec::$name(it) => it.write_only_variants().into_iter().map(Spec::from).collect()),*
                }
            }
            /// [`Resource::file_source`].
            pub fn file_source(&mut self) -> Option<FileSource<'_>> {
                match self { $(Spec::$name(it) => it.file_source()),* }
            }
            /// [`Resource::exclusive`].
            pub fn exclusive(&self) -> Option<Exclusive> {
                match self { $(Spec::$name(it) => it.exclusive()),* }
            }
            /// [`Resource::elsewhere`].
            pub fn elsewhere(&self) -> Vec<(Elsewhere, String)> {
                match self { $(Spec::$name(it) => it.elsewhere()),* }
            }
            /// [`Resource::rotation`].
            pub fn rotation(&self) -> Option<&str> {
                match self { $(Spec::$name(it) => it.rotation()),* }
            }
            /// [`Resource::create`].
            pub async fn create(&self, aws: &Clients, tags: &Tags, addresses: &AddressMap) -> Result<Observed, CloudError> {
                match self { $(Spec::$name(it) => it.create(aws, tags, addresses).await),* }
            }
            /// [`Resource::update`].
            pub async fn update(
                &self,
                aws: &Clients,
                arn: &Arn,
                changes: &[FieldChange],
                addresses: &AddressMap,
            ) -> Result<Observed, CloudError> {
                match self { $(Spec::$name(it) => it.update(aws, arn, changes, addresses).await),* }
            }
        }
    };
}

kinds! {
    ad_configuration::AdConfiguration,
    channel::Channel,
    composition::Composition,
    encoder_configuration::EncoderConfiguration,
    failover_slate_configuration::FailoverSlateConfiguration,
    ingest_configuration::IngestConfiguration,
    participant_replication::ParticipantReplication,
    playback_key_pair::PlaybackKeyPair,
    playback_restriction_policy::PlaybackRestrictionPolicy,
    public_key::PublicKey,
    recording_configuration::RecordingConfiguration,
    stage::Stage,
    storage_configuration::StorageConfiguration,
    stream_key::StreamKey,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| serde::de::Error::custom("not a kind"))
    }
}

impl JsonSchema for Kind {
    fn schema_name() -> Cow<'static, str> {
        "Kind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = Self::ALL.iter().map(|it| it.name()).collect();
        json_schema!({ "description": "A kind of resource.", "enum": names })
    }
}

impl Kind {
    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }
}
