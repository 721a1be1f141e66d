//! The vocabulary, and every resource type: one file a kind, one line a kind in [`kinds!`].
//!
//! A kind file says what a resource is (fields, defaults, rules, references) and how AWS makes it (typed
//! SDK calls). Schema, parsing, checks, reading, diff, create, update, delete and export derive from it.
//! Decides nothing about what to do; that is `plan`.

pub mod address;
pub mod check;
pub mod glob;
pub mod operation;
pub mod owner;
pub mod reference;
pub mod rename;
pub mod spec;
pub mod states;
pub mod wire_enum;

mod ad_configuration;
mod channel;
mod composition;
mod encoder_configuration;
mod failover_slate_configuration;
mod ingest_configuration;
mod key_material;
mod participant_replication;
mod playback_key_pair;
mod playback_restriction_policy;
mod public_key;
mod recording_configuration;
mod stage;
mod storage_configuration;
mod stream_key;

pub use address::{Address, AddressMap, Arn};
pub use channel::streams;
pub use check::{Check, MOST_USER_TAGS, bucket_fault};
pub use composition::Pip;
pub use glob::Glob;
pub use operation::{Elsewhere, On, Operation, Verb};
pub use owner::{Owner, OwnershipTags};
pub use reference::{Edge, Pointer, Ref};
pub use stage::anybody_connected;
pub use states::{
    Audience, Degraded, Desired, Duplicate, Lifecycle, Observed, ObservedState, OnLive, Publisher,
    Stack,
};
pub use stream_key::LONGEST_ROTATION;
pub use wire_enum::WireEnum;

pub use crate::aws::Service;
use crate::aws::{Class, Clients, CloudError, Received, Secret, Tags};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use spec::FieldChange;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

/// The `apiVersion` of everything this program reads and writes.
pub const API_VERSION: &str = "ivs-apply.dev/v1";

/// The `kind` of a saved plan, which may lie among manifests without being one.
pub const SAVED_PLAN: &str = "Plan";

/// The `kind` of a file of secrets, which may lie there as well.
pub const SECRETS: &str = "Secrets";

/// Whether a text, or its beginning, is of a saved plan.
pub fn is_saved_plan(text: &str) -> bool {
    begins_document(text, SAVED_PLAN)
}

/// Whether a text, or its beginning, is of a file that this program wrote and that declares nothing.
pub fn is_our_own(text: &str) -> bool {
    is_saved_plan(text) || begins_document(text, SECRETS)
}

/// Whether a text is the beginning of a JSON document of `kind`, as far as that can be told without parsing
/// it.
pub fn begins_document(text: &str, kind: &str) -> bool {
    let beginning: String =
        text.chars().filter(|it| !it.is_ascii_whitespace()).take(1_000).collect();
    beginning.starts_with('{')
        && beginning.contains(&format!("\"apiVersion\":\"{API_VERSION}\""))
        && beginning.contains(&format!("\"kind\":\"{kind}\""))
}

/// One AWS resource type; `Self` is what a manifest's `spec:` holds. Every absent field gets AWS's
/// documented default, so that "unset" has one meaning and diff is comparison.
pub trait Resource:
    Clone + PartialEq + Debug + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static
{
    /// Which kind this is.
    const KIND: Kind;
    /// What is fixed about it.
    const FACTS: Facts;

    /// The display name, where AWS has one; `None` inside means `metadata.name`.
    fn name_mut(&mut self) -> Option<&mut Option<String>>;
    /// The tags a manifest gives it; `None` for what cannot carry any.
    fn tags_mut(&mut self) -> Option<&mut Tags>;
    /// Every reference, one line a field.
    fn refs(&self) -> Vec<Edge> {
        Vec::new()
    }
    /// Those of them that must be offline when this is made, and are live while it runs.
    fn must_be_offline(&self) -> Vec<Edge> {
        Vec::new()
    }
    /// Those of them whose publisher must be connected when this is made.
    fn needs_publisher(&self) -> Vec<Edge> {
        Vec::new()
    }
    /// Brings equal things to one form (defaults that depend on other fields, sets in order).
    fn normalise(&mut self) {}
    /// AWS's rules for this kind that types cannot say. Called before [`Resource::normalise`]: items stand where
    /// they do in the manifest.
    fn check(&self, at: &mut Check<'_>);
    /// Every field set to something that is not its default: feeds round trips and registry tests.
    fn example() -> Self;
    /// Further ones, where fields exclude each other: every field is in one of them.
    fn further_examples() -> Vec<Self> {
        Vec::new()
    }
    /// Whether it should exist at the moment, given who is live.
    fn presence(&self, _now: &ObservedState) -> Existence {
        Existence::Wanted
    }
    /// Whether it comes and goes with those who publish, so that its absence means nothing.
    fn comes_and_goes(&self) -> bool {
        false
    }
    /// What tells it from others of its kind, for kinds that are listed for each of another.
    fn identity(&self, _book: &AddressMap) -> Option<Arn> {
        None
    }
    /// Reads names that nobody has as what else they can mean; `is_name` also holds for near misses.
    fn settle_names(&mut self, _is_name: &dyn Fn(&Address) -> bool) {}
    /// Takes from what is wanted the fields that an object has no memory of before it was ours.
    fn taken_over(&mut self, _wanted: &Self) {}
    /// A text of the spec that may stand in a file beside the manifest instead.
    fn file_source(&mut self) -> Option<FileSource<'_>> {
        None
    }
    /// What only one object of the kind can have at a time, where there is such a thing. For kinds that are
    /// replaced by deleting first: whoever is to have it is made after whoever has it is deleted.
    fn exclusive(&self) -> Option<Exclusive> {
        None
    }
    /// Takes from `from` what AWS keeps and never returns, so that it makes no difference. Which value an owned
    /// object really has comes from its digest; see [`Spec::restore_write_only`].
    fn copy_write_only(&mut self, _from: &Self) {}
    /// This spec with each other value that such a field may have.
    fn write_only_variants(&self) -> Vec<Self> {
        Vec::new()
    }
    /// What AWS does elsewhere with the caller's permissions when this is created or deleted, and on which
    /// resources.
    fn elsewhere(&self) -> Vec<(Elsewhere, String)> {
        Vec::new()
    }
    /// The rotation tag, for the one kind that has it.
    fn rotation(&self) -> Option<&str> {
        None
    }

    // How AWS does it: typed SDK calls, nothing else.

    /// All objects of the kind. Complete or an error, never a part.
    fn list(
        aws: &Clients,
        scope: &Scope<'_>,
    ) -> impl Future<Output = Result<Vec<Observed>, CloudError>> + Send;
    /// The same with the tags of each, for kinds whose listing leaves them out.
    fn list_tagged(
        aws: &Clients,
        scope: &Scope<'_>,
    ) -> impl Future<Output = Result<Vec<Observed>, CloudError>> + Send {
        Self::list(aws, scope)
    }
    /// These objects with their specs, in any order; those that are gone are left out.
    fn get(
        aws: &Clients,
        arns: &[Arn],
        addresses: &AddressMap,
    ) -> impl Future<Output = Result<Vec<Observed>, CloudError>> + Send;
    /// The secrets of these objects, by name. Asked for by whoever has a place to put them, and nobody else.
    fn secrets(
        _aws: &Clients,
        _arns: &[Arn],
    ) -> impl Future<Output = Result<Vec<Secrets>, CloudError>> + Send {
        async { Ok(Vec::new()) }
    }
    /// Makes it, in one request that carries `tags`. Never repeated by the SDK.
    fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        addresses: &AddressMap,
    ) -> impl Future<Output = Result<Observed, CloudError>> + Send;
    /// Makes `arn` equal to this spec, tags aside; `changes` says in which fields it differs. Kinds without
    /// an update path do not write it.
    fn update(
        &self,
        _aws: &Clients,
        _arn: &Arn,
        _changes: &[FieldChange],
        _book: &AddressMap,
    ) -> impl Future<Output = Result<Observed, CloudError>> + Send {
        async { unreachable!("the plan replaces {} instead of updating it", Self::KIND) }
    }
    /// Whoever refers to it, managed or not, as far as AWS has a list filter for it; the others are of the kinds in
    /// [`Facts::users_unfiltered`].
    fn users(
        _aws: &Clients,
        _arn: &Arn,
    ) -> impl Future<Output = Result<Vec<Observed>, CloudError>> + Send {
        async { Ok(Vec::new()) }
    }
    /// Deletes it. What is gone already counts as deleted.
    fn delete(aws: &Clients, arn: &Arn) -> impl Future<Output = Result<(), CloudError>> + Send;
    /// Adds or replaces tags of the object that has this spec.
    fn tag(
        &self,
        aws: &Clients,
        arn: &Arn,
        tags: &Tags,
        _book: &AddressMap,
    ) -> impl Future<Output = Result<(), CloudError>> + Send {
        aws.tag(Self::FACTS.service, arn.as_str(), tags)
    }
    /// Removes tags; absent ones are no error.
    fn untag(
        aws: &Clients,
        arn: &Arn,
        keys: &[String],
    ) -> impl Future<Output = Result<(), CloudError>> + Send {
        aws.untag(Self::FACTS.service, arn.as_str(), keys)
    }
    /// All tags it has at this moment.
    fn tags_of(aws: &Clients, arn: &Arn) -> impl Future<Output = Result<Tags, CloudError>> + Send {
        aws.tags_of(Self::FACTS.service, arn.as_str())
    }
    /// Who has to publish for it to run, where no listing tells whether they do. Needed only where it does not
    /// run as declared.
    fn publisher(&self, _book: &AddressMap) -> Option<Publisher> {
        None
    }
    /// Whether that publisher publishes at the moment, in the session in progress on the stage.
    fn publishes(
        _aws: &Clients,
        _publisher: &Publisher,
        _session: &str,
    ) -> impl Future<Output = Result<bool, CloudError>> + Send {
        async { Ok(false) }
    }
    /// References to objects that this resource acts on for as long as it is there, so that they must not belong
    /// to another stack or tool.
    fn acts_on(&self) -> Vec<Edge> {
        Vec::new()
    }
    /// Who would be cut off by a change to it, where that shows in what was read.
    fn audience_of(_live: &Observed) -> Option<Audience> {
        None
    }
    /// Who would be cut off by a change to it at this moment.
    fn audience(
        _aws: &Clients,
        _arn: &Arn,
    ) -> impl Future<Output = Result<Option<Audience>, CloudError>> + Send {
        async { Ok(None) }
    }
    /// Sends the audience away, so that a change can follow; only where consent was given. False where
    /// there is no such call and the change itself does it. May be repeated until the audience is gone; what
    /// AWS takes from the object with that is noted in `taken`, before the call that takes it.
    fn interrupt(
        _aws: &Clients,
        _arn: &Arn,
        _taken: &mut Option<Arn>,
    ) -> impl Future<Output = Result<bool, CloudError>> + Send {
        async { Ok(false) }
    }
    /// Gives an object back what [`Resource::interrupt`] noted, if it is still without; called where the change
    /// that was to follow did not happen.
    fn put_back(
        _aws: &Clients,
        _arn: &Arn,
        _taken: &Arn,
    ) -> impl Future<Output = Result<(), CloudError>> + Send {
        async { Ok(()) }
    }
}

/// The secrets of one object, by name.
pub type Secrets = (Arn, Vec<(&'static str, Secret)>);

/// What is fixed about a kind.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// What it calls, and on what; the tag operations aside.
    pub operations: &'static [Operation],
    /// Which of the two services has it, for the tag calls.
    pub service: Service,
    /// The resource type inside its ARNs; `None` for a relation between objects, which has none and carries
    /// no tags: its [`Arn`] is made up, and never shown or sent.
    pub arn_type: Option<&'static str>,
    /// Which fields an update can change.
    pub mutable: Mutable,
    /// Fields that an update changes without any effect on whoever is live.
    pub unobtrusive: &'static [&'static str],
    /// Fields that AWS empties when the audience is sent away.
    pub emptied: &'static [&'static str],
    /// What a replacement does first.
    pub replace: Replace,
    /// Fields of the manifest that AWS knows nothing of: never compared with an answer.
    pub local: &'static [&'static str],
    /// The state word that says a new object can be used, and the one that says it failed.
    pub ready_state: Option<(&'static str, &'static str)>,
    /// What is probably wrong where AWS fails to make one: no answer tells.
    pub fails_by: Option<&'static str>,
    /// Kinds that refer to it and have no list filter for that: who uses it is told by reading all of them.
    pub users_unfiltered: &'static [Kind],
    /// State words under which a listed object no longer counts.
    pub ended: &'static [&'static str],
    /// State words of an object that is on its way out.
    pub ending: &'static [&'static str],
    /// AWS's default quota of objects per account and region (`docs/service-reference.md` §3).
    pub quota: Option<u32>,
    /// What a replacement changes for people outside, for the plan.
    pub loss: Option<&'static str>,
    /// What a deletion loses for good, and what it leaves, for the plan.
    pub deletion: Option<&'static str>,
    /// The kind that has it: there is no listing of an account, only one for each of those.
    pub listed_under: Option<Kind>,
    /// The kind that makes it by itself: an object that is there already is taken over instead of made.
    pub created_by: Option<Kind>,
}

impl Facts {
    /// A kind without peculiarities: every field can be changed, it is usable at once, it lasts, it is made
    /// on its own, and nobody published a quota. Each kind says where it differs.
    pub const fn plain(service: Service, arn_type: &'static str) -> Self {
        Self {
            operations: &[],
            service,
            arn_type: Some(arn_type),
            mutable: Mutable::All,
            unobtrusive: &[],
            emptied: &[],
            replace: Replace::CreateFirst,
            local: &[],
            ready_state: None,
            fails_by: None,
            users_unfiltered: &[],
            ended: &[],
            ending: &[],
            quota: None,
            loss: None,
            deletion: None,
            listed_under: None,
            created_by: None,
        }
    }
}

/// Which fields an update can change; tags can always be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutable {
    /// Every field.
    All,
    /// None: anything but tags needs a new object.
    TagsOnly,
    /// These fields of the spec, with all that is in them.
    Only(&'static [&'static str]),
}

/// What a replacement does first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Create the new one, repoint referrers, delete the old one.
    CreateFirst,
    /// Delete the old one first: two cannot exist.
    DeleteFirst,
}

/// Whether a declared resource should exist at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existence {
    /// It should.
    Wanted,
    /// Not at the moment, since no participant publishes. This is no drift, and an existing object may go on.
    Dormant,
    /// It should not exist.
    Unwanted,
    /// One that exists shall stay; it cannot be made or replaced, since its key is not given.
    Unmakeable,
}

/// A text of a spec that may stand in a file beside the manifest instead.
#[derive(Debug)]
pub struct FileSource<'a> {
    /// The field that names the file.
    pub file_field: &'static str,
    /// The name, until the file was read.
    pub file: &'a mut Option<String>,
    /// The field that holds the text.
    pub text_field: &'static str,
    /// The text.
    pub text: &'a mut Option<String>,
}

/// What only one object of a kind can have at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusive {
    /// What tells it from others.
    pub value: String,
    /// How to call it in a message.
    pub what: &'static str,
}

/// What a listing needs to know beforehand, where it is one for each of another kind
/// ([`Facts::listed_under`]), and who is told before it ends.
#[derive(Clone, Default)]
pub struct Scope<'a> {
    /// Whose tags count.
    pub stack: &'a str,
    /// What manifests declare of the kind.
    pub declared: Vec<&'a Spec>,
    /// The stack's own objects of the kind that has it.
    pub parents: Vec<&'a Observed>,
    /// Whether all of those objects are asked, also where nothing says that they have one of the kind.
    pub full: bool,
    /// What the other kinds' listings said.
    pub addresses: AddressMap,
    /// Is told of each object as its page comes, by kinds that may have many and are got afterwards.
    pub seen: Option<&'a (dyn Fn(&Observed) + Sync)>,
}

impl Scope<'_> {
    /// Passes a page on, and tells of it.
    fn page(&self, page: impl IntoIterator<Item = Observed>) -> impl Iterator<Item = Observed> {
        page.into_iter().inspect(|observed| self.seen.into_iter().for_each(|seen| seen(observed)))
    }
}

/// Makes [`Kind`] and [`Spec`] from the only list of kinds in the code.
macro_rules! kinds {
    ($($module:ident :: $name:ident),* $(,)?) => {
        /// Every kind of resource.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $(#[doc = concat!("`", stringify!($name), "`")] $name),* }

        /// The spec of a resource of any kind.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        #[expect(missing_docs, reason = "each variant is its kind's own type")]
        pub enum Spec { $($name(Box<$module::$name>)),* }

        $(pub use $module::$name;
        impl From<$name> for Spec {
            fn from(it: $name) -> Self { Self::$name(Box::new(it)) }
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
            /// [`Resource::delete`].
            pub async fn delete(self, aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
                match self { $(Kind::$name => $name::delete(aws, arn).await),* }
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
                taken: &mut Option<Arn>,
            ) -> Result<bool, CloudError> {
                match self { $(Kind::$name => $name::interrupt(aws, arn, taken).await),* }
            }
            /// [`Resource::put_back`].
            pub async fn put_back(self, aws: &Clients, arn: &Arn, taken: &Arn) -> Result<(), CloudError> {
                match self { $(Kind::$name => $name::put_back(aws, arn, taken).await),* }
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
            /// [`Resource::beside`].
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

/// Something that can parse the spec of any kind; see [`Kind::parse_with`].
pub trait ParseSpec {
    /// What comes out beside the spec.
    type Rest;
    /// Parses a document whose spec is a `K`.
    fn spec<K: Resource>(self) -> Option<(Spec, Self::Rest)>
    where
        Spec: From<K>;
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

impl Kind {
    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }
}

/// Gets objects one by one, several at a time: for kinds without a batch call.
async fn each<F>(arns: &[Arn], get: impl Fn(String) -> F) -> Result<Vec<Observed>, CloudError>
where
    F: Future<Output = Result<Option<Observed>, CloudError>>,
{
    let gets = arns.iter().map(|arn| get(arn.as_str().to_owned())).collect();
    Ok(side_by_side(gets).await?.into_iter().flatten().collect())
}

/// Runs calls side by side. Rates are kept by the meter; more than this many only wait there.
async fn side_by_side<T, F>(calls: Vec<F>) -> Result<Vec<T>, CloudError>
where
    F: Future<Output = Result<T, CloudError>>,
{
    stream::iter(calls).buffer_unordered(8).try_collect().await
}

/// Pauses, in milliseconds, before a listed object that cannot be got is asked for again: reads lag behind one
/// another.
pub const READS_LAG: [u64; 4] = [250, 500, 1_000, 2_000];

/// How often a listing is begun again when AWS does not take its own page token any more.
const RESTARTS: u32 = 3;

/// How many times the quota of its kind a listing may hold. Quotas can be raised; endless listings end.
const QUOTAS: u32 = 20;

/// The objects that a page has at least, on average, in a listing that ends.
const ON_A_PAGE: u32 = 20;

/// The pages that a listing may have whatever the quota: as many take more than three minutes.
const PAGES: u32 = 1_000;

/// The most bytes of a listing: some two hundred thousand channels.
const LISTING_BYTES: u64 = 256 * 1024 * 1024;

/// The most time that the answers of a listing may take, without the wait for their turn at the rate.
const LISTING_TIME: Duration = Duration::from_mins(30);

/// The pages after which a listing is taken for endless.
fn most_pages(operation: &'static str) -> u32 {
    let lists = |kind: &Kind| kind.facts().operations.iter().any(|it| it.name == operation);
    let quotas = Kind::ALL.iter().filter(|it| lists(it)).filter_map(|it| it.facts().quota);
    quotas.max().map_or(PAGES, |quota| (quota.saturating_mul(QUOTAS) / ON_A_PAGE).max(PAGES))
}

/// Drains a listing page by page. A page that repeats a token would end the SDK's own paginator silently, as if
/// the list were complete; here it is an error, and so is a listing that does not end within the limits above. A
/// token that is refused has expired: the listing begins again at its first page, and what was taken before
/// counts as seen twice, of which the later one is believed.
async fn drain<P, F>(
    operation: &'static str,
    mut page: impl FnMut(Option<String>) -> F,
    mut take: impl FnMut(P) -> Option<String>,
) -> Result<(), CloudError>
where
    F: Future<Output = Result<P, CloudError>>,
{
    let mut seen = BTreeSet::new();
    let mut token: Option<String> = None;
    let mut restarts = 0;
    let mut pages = 0;
    let received = Received::default();
    let most_pages = most_pages(operation);
    loop {
        let answer = match received.by(Box::pin(page(token.clone()))).await {
            Err(_) if token.is_some() && mutant!(PartialListing) => return Ok(()),
            Err(error)
                if error.class == Class::Invalid && token.is_some() && restarts < RESTARTS =>
            {
                restarts += 1;
                token = None;
                seen.clear();
                continue;
            }
            answer => answer?,
        };
        let next = take(answer).filter(|it| !it.is_empty());
        let Some(next) = next else { return Ok(()) };
        pages += 1;
        let beyond = if pages == most_pages {
            Some(format!("{most_pages} pages"))
        } else if received.bytes() > LISTING_BYTES {
            Some(format!("{} MiB", LISTING_BYTES / (1024 * 1024)))
        } else if received.time() > LISTING_TIME {
            Some(format!("{} minutes", LISTING_TIME.as_secs() / 60))
        } else {
            None
        };
        if let Some(limit) = beyond {
            let message = format!("the listing does not end within {limit}, so it is not read on");
            return Err(CloudError::unusable(operation, message));
        }
        if !seen.insert(next.clone()) {
            return Err(CloudError::unusable(operation, "the listing repeats a page token"));
        }
        token = Some(next);
    }
}

/// An answer about something else than was asked for says nothing of either.
fn about_what_was_asked(
    kind: Kind,
    asked: &[Arn],
    got: Vec<Observed>,
) -> Result<Vec<Observed>, CloudError> {
    let asked: BTreeSet<&Arn> = asked.iter().collect();
    let Some(other) = got.iter().find(|it| !asked.contains(&it.arn)) else { return Ok(got) };
    let reads = kind.facts().operations.iter().find(|it| it.name.contains("Get"));
    let message = format!("the answer is about {}, which was not asked for", other.arn);
    Err(CloudError::unusable(reads.map_or("Get", |it| it.name), message))
}

/// The object inside an answer, or an error that says what is missing.
fn inside<T>(operation: &'static str, member: Option<T>) -> Result<T, CloudError> {
    member.ok_or_else(|| CloudError::unusable(operation, "the answer lacks the object itself"))
}

/// The map that the SDK's builders and answers have; it has no order, so it stays at that edge.
#[expect(clippy::disallowed_types, reason = "the SDK takes and gives no other map")]
type SdkMap = std::collections::HashMap<String, String>;

/// Tags as AWS answered them.
fn answered_tags(tags: Option<SdkMap>) -> Tags {
    tags.unwrap_or_default().into_iter().collect()
}

/// Tags as the SDK's builders take them.
#[expect(clippy::unnecessary_wraps, reason = "the builders' setters take an option")]
fn sent_tags(tags: &Tags) -> Option<SdkMap> {
    Some(tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// The words of a list field, as the SDK's builders take them.
#[expect(clippy::unnecessary_wraps, reason = "the builders' setters take an option")]
fn sent_words<T: wire_enum::SdkEnum>(words: &[WireEnum<T>]) -> Option<Vec<T>> {
    Some(words.iter().map(|it| it.0.clone()).collect())
}

/// The words of a list field, as AWS answered them: absent and empty both mean unset.
fn answered_words<T: wire_enum::SdkEnum>(words: Option<Vec<T>>) -> Option<Vec<WireEnum<T>>> {
    let words = words.filter(|it| !it.is_empty())?;
    Some(words.into_iter().map(WireEnum).collect())
}

/// A number that AWS always answers; its documented default where it did not.
fn answered_or<T>(value: Option<T>, default: T) -> T {
    value.unwrap_or(default)
}

/// Serialised form of anything in this room. Specs are maps with string keys, so this cannot fail.
pub(crate) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("specs are maps with string keys")
}
