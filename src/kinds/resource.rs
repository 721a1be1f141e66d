//! What every kind of resource answers: its fields, references and rules, and the SDK calls that list, create, update
//! and delete it. A kind file implements [`Resource`]; where AWS treats a kind in a special way, the kind overrides
//! a default. Knows no particular kind, and decides nothing.

use super::spec::FieldChange;
use super::{
    Address, AddressMap, Arn, Audience, Check, DeclaredSet, Edge, Elsewhere, Facts, Kind,
    NamedSecret, Observed, ObservedState, OnAir, Publisher, Spec, WithSecrets,
};
use crate::aws::{Clients, CloudError, Tags};
use crate::diag::Report;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::future::Future;

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
    /// The references to objects that must be offline when this is created, and are live while it runs.
    fn must_be_offline(&self) -> Vec<Edge> {
        Vec::new()
    }
    /// The references to objects with a publisher that must be connected when this is created.
    fn needs_publisher(&self) -> Vec<Edge> {
        Vec::new()
    }
    /// Gives equal specs one form (defaults that depend on other fields, sorted sets).
    fn normalise(&mut self) {}
    /// AWS's rules for this kind that types cannot say. Called before [`Resource::normalise`]: items stand where
    /// they do in the manifest.
    fn check(&self, at: &mut Check<'_>);
    /// AWS's rules between several declared resources: those of this kind, and what they refer to.
    fn check_set(_set: &DeclaredSet<'_>, _report: &mut Report) {}
    /// Every field set to a value that is not its default: for round trips and registry tests.
    fn example() -> Self;
    /// Further ones, where fields exclude each other: every field is in one of them.
    fn further_examples() -> Vec<Self> {
        Vec::new()
    }
    /// Whether it should exist at the moment, given the audiences and publishers.
    fn presence(&self, _now: &ObservedState) -> Existence {
        Existence::Wanted
    }
    /// Whether it exists only while a participant publishes, so that its absence is not drift.
    fn comes_and_goes(&self) -> bool {
        false
    }
    /// What identifies it among others of its kind, for kinds that are listed per object of another kind.
    fn identity(&self, _book: &AddressMap) -> Option<Arn> {
        None
    }
    /// Reads a reference that is no declared name as its other meaning, such as an id; `is_name` is also true for
    /// a near miss of a name.
    fn settle_names(&mut self, _is_name: &dyn Fn(&Address) -> bool) {}
    /// Takes from the desired spec the fields that an object did not have before it was adopted.
    fn taken_over(&mut self, _wanted: &Self) {}
    /// A text of the spec that may stand in a file beside the manifest instead.
    fn file_source(&mut self) -> Option<FileSource<'_>> {
        None
    }
    /// What only one object of the kind can have at a time, where there is such a thing. For kinds that are
    /// replaced by deleting first: the object that needs it is created after the object that has it is deleted.
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
    /// The rotation, of a kind with a secret that AWS creates: another rotation requires another secret.
    fn rotation(&self) -> Option<&str> {
        None
    }

    // The calls to AWS: typed SDK calls, nothing else.

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
    /// The secrets of these objects, by name. Called only where there is a file to write them to.
    fn secrets(
        _aws: &Clients,
        _arns: &[Arn],
    ) -> impl Future<Output = Result<Vec<Secrets>, CloudError>> + Send {
        async { Ok(Vec::new()) }
    }
    /// What an encoder is configured with, beside the secrets alone: addresses with and without them. `target` is the
    /// object that `FACTS.publishes_to` means.
    fn addresses_with_secrets(
        _own: &WithSecrets<'_>,
        _target: &WithSecrets<'_>,
    ) -> Vec<NamedSecret> {
        Vec::new()
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
    /// The objects that refer to it, managed or not, as far as AWS has a list filter for that; others are of the kinds in
    /// [`Facts::users_unfiltered`].
    fn users(
        _aws: &Clients,
        _arn: &Arn,
    ) -> impl Future<Output = Result<Vec<Observed>, CloudError>> + Send {
        async { Ok(Vec::new()) }
    }
    /// Deletes it. An object that does not exist counts as deleted.
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
    /// The participant who must publish for it to run, where no listing shows whether one does. Needed only where it
    /// does not run as declared.
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
    /// References to objects that this resource acts on while it exists, so that they must not belong to another
    /// stack or tool.
    fn acts_on(&self) -> Vec<Edge> {
        Vec::new()
    }
    /// The audience that a change would cut off, where the observed state shows it.
    fn audience_of(_live: &Observed) -> Option<Audience> {
        None
    }
    /// The objects of the kind that are live at this moment, where one listing shows them all.
    fn audiences(_aws: &Clients) -> impl Future<Output = Result<Vec<OnAir>, CloudError>> + Send {
        async { Ok(Vec::new()) }
    }
    /// How many participants publish in this session of an object; `None` for kinds without participants.
    fn count_publishers(
        _aws: &Clients,
        _arn: &Arn,
        _session: &str,
    ) -> impl Future<Output = Result<Option<usize>, CloudError>> + Send {
        async { Ok(None) }
    }
    /// Whether a participant is connected in this session of an object, for kinds whose sessions last for minutes after
    /// the last participant has left.
    fn is_connected(
        _aws: &Clients,
        _arn: &Arn,
        _session: &str,
    ) -> impl Future<Output = Result<bool, CloudError>> + Send {
        async { Ok(true) }
    }
    /// The audience that a change would cut off at this moment.
    fn audience(
        _aws: &Clients,
        _arn: &Arn,
    ) -> impl Future<Output = Result<Option<Audience>, CloudError>> + Send {
        async { Ok(None) }
    }
    /// Ends the stream or session that AWS refuses the next call for; only where consent was given. May be repeated
    /// until [`Resource::is_in_the_way`] is false. References that AWS removes from objects with that are recorded
    /// in `interruption`, before the call that removes them.
    fn interrupt(
        _aws: &Clients,
        _arn: &Arn,
        _interruption: &mut Interruption<'_>,
    ) -> impl Future<Output = Result<Interrupted, CloudError>> + Send {
        async { Ok(Interrupted::ByNextCall) }
    }
    /// Whether the stream or session that [`Resource::interrupt`] ends still exists.
    fn is_in_the_way(
        aws: &Clients,
        arn: &Arn,
    ) -> impl Future<Output = Result<bool, CloudError>> + Send {
        async { Ok(Self::audience(aws, arn).await?.is_some()) }
    }
    /// Attaches an object of this kind to the one that [`Resource::interrupt`] detached it from, unless it is attached
    /// to one by now.
    fn attach_again(
        _aws: &Clients,
        _detached: &Detached,
    ) -> impl Future<Output = Result<(), CloudError>> + Send {
        async { Ok(()) }
    }
}

/// The end of a stream or session, so that another call can follow.
#[derive(Debug)]
pub struct Interruption<'a> {
    /// The call that follows.
    pub next: NextCall,
    /// The name of the stack; an object of another owner is not detached from anything.
    pub stack: &'a str,
    /// Objects that AWS detaches from another one with that.
    pub detached: &'a mut Vec<Detached>,
}

impl Interruption<'_> {
    /// Records that AWS detaches an object from another one; a repeated record has no effect.
    pub fn detaches(&mut self, kind: Kind, arn: &Arn, from: &Arn) {
        if self.detached.iter().all(|it| it.arn != *arn) {
            self.detached.push(Detached { kind, arn: arn.clone(), from: from.clone() });
        }
    }
}

/// The call that follows the end of a stream or session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextCall {
    /// The object is changed.
    Update,
    /// The object is deleted.
    Delete,
}

/// What became of a stream or session that was to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// Nothing was called: the next call ends it.
    ByNextCall,
    /// It ends.
    Ended,
    /// Its publishers were disconnected; the session may go on with other participants.
    Published,
    /// Nothing was called: a publisher comes from an object that this stack does not manage.
    Foreign {
        /// The ingest configuration, or the stage of which the publisher is a replica.
        source: Arn,
    },
}

/// An object that AWS detached from another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Detached {
    /// The kind of the object.
    pub kind: Kind,
    /// The object.
    pub arn: Arn,
    /// The object that it referred to.
    pub from: Arn,
}

/// The secrets of one object, by name.
pub type Secrets = (Arn, Vec<NamedSecret>);

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
    /// Its identity.
    pub value: String,
    /// How to call it in a message.
    pub what: &'static str,
}

/// The input of a listing, where there is one for each object of another kind ([`Facts::listed_under`]), and the receiver
/// of objects before it ends.
#[derive(Clone, Default)]
pub struct Scope<'a> {
    /// The stack whose ownership tags count.
    pub stack: &'a str,
    /// What manifests declare of the kind.
    pub declared: Vec<&'a Spec>,
    /// The stack's own objects of the parent kind.
    pub parents: Vec<&'a Observed>,
    /// Whether all of those objects are read, also without a sign that they have one of the kind.
    pub full: bool,
    /// The addresses from the listings of other kinds.
    pub addresses: AddressMap,
    /// Receives each object as its page arrives, from kinds with many objects that are read by a get afterwards.
    pub seen: Option<&'a (dyn Fn(&Observed) + Sync)>,
}

impl Scope<'_> {
    /// Passes a page on, and its objects to `seen`.
    pub(super) fn page(
        &self,
        page: impl IntoIterator<Item = Observed>,
    ) -> impl Iterator<Item = Observed> {
        page.into_iter().inspect(|observed| self.seen.into_iter().for_each(|seen| seen(observed)))
    }
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
