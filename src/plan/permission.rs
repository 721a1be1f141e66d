//! The least that a set of manifests needs to be allowed to do, as an IAM policy.
//!
//! Made from the table of operations of the kinds. What is written is held to this stack by its tags: creates
//! must carry them, changes and deletes need an object that has them, and the tags themselves cannot be put on
//! an object of another owner. What IAM cannot express is in the notes.

use crate::kinds::operation::{TAGS, recording_to};
use crate::kinds::{Desired, Elsewhere, Kind, On, Operation, Pointer, Stack, Verb, owner};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Plans, drift, graphs: nothing is written.
    Plan,
    /// The same, and CloudTrail is asked who changed something.
    Blame,
    /// Carrying plans out.
    Apply,
}

/// The statement about stream keys.
const READ_KEYS: &str = "ReadStreamKeysBeforeAdoption";

/// The statement about the lock.
const LOCK: &str = "HoldTheLock";

/// The largest managed policy that IAM takes, in characters without white space.
pub const LARGEST: usize = 6_144;

/// The policy. With `prune` it covers every kind, since what no manifest declares may be of any. `buckets` are
/// those to which objects record that are to be replaced or deleted, which no manifest names any more.
pub fn policy(
    stack: &Stack,
    desired: &[Desired],
    prune: bool,
    purpose: Purpose,
    buckets: &[String],
) -> Value {
    let declared: BTreeSet<Kind> = desired.iter().map(|it| it.address.kind).collect();
    let referred = desired.iter().flat_map(|it| it.spec.refs()).map(|edge| edge.kind);
    let looked_at: BTreeSet<Kind> = if prune {
        Kind::ALL.iter().copied().collect()
    } else {
        declared.iter().copied().chain(referred).collect()
    };
    let policy = Policy { stack, desired, declared, looked_at, prune };
    let mut statements = policy.look();
    match purpose {
        Purpose::Plan | Purpose::Blame => statements.push(json!({
            "Sid": "DenyReadingStreamKeys",
            "Effect": "Deny",
            "Action": ["ivs:BatchGetStreamKey", "ivs:GetStreamKey"],
            "Resource": "*",
        })),
        Purpose::Apply => {
            statements.extend(policy.create());
            statements.extend(policy.change());
            statements.extend(policy.tag());
            statements.extend(policy.adopt());
            statements.extend(policy.elsewhere(buckets));
            statements.extend(policy.keep_protected());
        }
    }
    statements.extend(policy.lock(purpose));
    if purpose == Purpose::Blame {
        // CloudTrail has no resources that this could be limited to.
        statements.push(json!({
            "Sid": "LookUpWhoWrote",
            "Effect": "Allow",
            "Action": "cloudtrail:LookupEvents",
            "Resource": "*",
        }));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

struct Policy<'a> {
    stack: &'a Stack,
    desired: &'a [Desired],
    declared: BTreeSet<Kind>,
    looked_at: BTreeSet<Kind>,
    prune: bool,
}

/// Actions, each with the resources that it is allowed on.
#[derive(Default)]
struct Grant {
    actions: BTreeSet<String>,
    resources: BTreeSet<String>,
}

impl Grant {
    fn add(&mut self, operation: &str, resources: impl IntoIterator<Item = String>) {
        self.actions.insert(format!("ivs:{operation}"));
        self.resources.extend(resources);
    }

    fn statement(self, sid: &str, condition: Option<Value>) -> Option<Value> {
        let Self { actions, resources } = self;
        if actions.is_empty() || resources.is_empty() {
            return None;
        }
        let mut statement = Map::from_iter([
            ("Sid".to_owned(), json!(sid)),
            ("Effect".to_owned(), json!("Allow")),
            ("Action".to_owned(), json!(actions)),
            ("Resource".to_owned(), json!(resources)),
        ]);
        if let Some(condition) = condition {
            statement.insert("Condition".to_owned(), condition);
        }
        Some(Value::Object(statement))
    }
}

fn resource_tag(key: &str) -> String {
    format!("aws:ResourceTag/{key}")
}

fn request_tag(key: &str) -> String {
    format!("aws:RequestTag/{key}")
}

impl Policy<'_> {
    /// `arn:aws:ivs:<region>:<account>:<type>/*`
    fn objects(&self, kind: Kind) -> Option<String> {
        let region = self.stack.region.as_deref().unwrap_or("*");
        let account = self.stack.account.as_deref().unwrap_or("*");
        let kind = kind.facts().arn_type?;
        Some(format!("arn:aws:ivs:{region}:{account}:{kind}/*"))
    }

    /// The objects of other owners that manifests of `from` refer to by ARN.
    fn outside(&self, from: Kind, to: &[Kind]) -> Vec<String> {
        let edges =
            self.desired.iter().filter(|it| it.address.kind == from).flat_map(|it| it.spec.refs());
        let arn = |it: Pointer| match it {
            Pointer::Outside(arn) => Some(arn.as_str().to_owned()),
            Pointer::Named(_) => None,
        };
        edges.filter(|it| to.contains(&it.kind)).filter_map(|it| arn(it.to)).collect()
    }

    /// Every operation for one of `verbs`, of the kinds that it is needed for.
    fn operations(&self, verbs: &[Verb]) -> Vec<(Kind, Operation)> {
        let kinds = |verb: Verb| match verb {
            Verb::Look => &self.looked_at,
            // Whatever is there may have to go.
            Verb::Delete | Verb::Change if self.prune => &self.looked_at,
            _ => &self.declared,
        };
        verbs
            .iter()
            .flat_map(|&verb| {
                kinds(verb).iter().flat_map(move |&kind| {
                    let operations = kind.facts().operations.iter();
                    operations.filter(move |it| it.verb == verb).map(move |it| (kind, *it))
                })
            })
            .collect()
    }

    fn of_this_stack(&self) -> Value {
        json!({ "StringEquals": { resource_tag(owner::STACK): self.stack.name } })
    }

    /// Everything that is read. Listings cannot be limited, and tell little.
    fn look(&self) -> Vec<Value> {
        let (mut lists, mut reads) = (Grant::default(), Grant::default());
        lists.actions.insert("sts:GetCallerIdentity".to_owned());
        lists.resources.insert("*".to_owned());
        for (kind, operation) in self.operations(&[Verb::Look]) {
            match operation.on {
                On::Anything => lists.add(operation.name, []),
                On::Own | On::OwnAnd(_) => reads.add(operation.name, self.objects(kind)),
                On::Others(kinds) => {
                    reads.add(operation.name, kinds.iter().filter_map(|it| self.objects(*it)));
                }
            }
        }
        reads.add(TAGS[0], self.looked_at.iter().filter_map(|it| self.objects(*it)));
        [lists.statement("ReadListings", None), reads.statement("ReadObjects", None)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Objects are born with this stack's tags, or not at all.
    fn create(&self) -> Vec<Value> {
        let mut own = Grant::default();
        let mut born = BTreeSet::new();
        let mut statements = Vec::new();
        let marked = json!({ "StringEquals": { request_tag(owner::STACK): self.stack.name } });
        for (kind, operation) in self.operations(&[Verb::Create]) {
            born.extend(self.objects(kind));
            match operation.on {
                On::Anything | On::Own => own.add(operation.name, self.objects(kind)),
                On::OwnAnd(other) => {
                    own.add(
                        operation.name,
                        [kind, other].iter().filter_map(|it| self.objects(*it)),
                    );
                }
                On::Others(kinds) => {
                    let mut named = Grant::default();
                    named.add(operation.name, kinds.iter().filter_map(|it| self.objects(*it)));
                    statements.extend(named.statement(
                        &format!("{}WithObjectsOfThisStack", operation.name),
                        Some(json!({ "StringEquals": {
                            request_tag(owner::STACK): self.stack.name,
                            resource_tag(owner::STACK): self.stack.name,
                        } })),
                    ));
                    let mut outside = Grant::default();
                    outside.add(operation.name, self.outside(kind, kinds));
                    let sid = format!("{}WithReferencedObjects", operation.name);
                    statements.extend(outside.statement(&sid, Some(marked.clone())));
                }
            }
        }
        statements.extend(own.statement("CreateObjectsOfThisStack", Some(marked)));
        // The tags of a request that creates something count as tagging. The tag of the attempt, which only
        // creates have, and the stack's tag prevent the adoption of an object of another owner. While an
        // object is created, IAM may see no tags of it, or those of the request: both are allowed.
        let mut tags = Grant::default();
        tags.add(TAGS[1], born);
        statements.extend(tags.statement(
            "TagObjectsWhileCreating",
            Some(json!({
                "StringEquals": { request_tag(owner::STACK): self.stack.name },
                "StringEqualsIfExists": { resource_tag(owner::STACK): self.stack.name },
                "StringLike": { request_tag(owner::RECORD): "* op=*" },
                "Null": {
                    resource_tag(owner::CLOUDFORMATION): "true",
                },
            })),
        ));
        statements
    }

    /// Only what this stack owns is changed or deleted.
    fn change(&self) -> Vec<Value> {
        let (mut own, mut reveal) = (Grant::default(), Grant::default());
        // Conditions on tags never hold where IAM sees no tags.
        let (mut untagged, mut anything) = (Grant::default(), Grant::default());
        let mut outside = Grant::default();
        for (kind, operation) in self.operations(&[Verb::Change, Verb::Delete]) {
            match operation.on {
                On::Anything => anything.add(operation.name, ["*".to_owned()]),
                On::Own => own.add(operation.name, self.objects(kind)),
                On::OwnAnd(other) => {
                    own.add(operation.name, self.objects(kind));
                    untagged.add(operation.name, self.objects(other));
                }
                On::Others(kinds) => {
                    own.add(operation.name, kinds.iter().filter_map(|it| self.objects(*it)));
                    outside.add(operation.name, self.outside(kind, kinds));
                }
            }
        }
        for (kind, operation) in self.operations(&[Verb::Reveal, Verb::Shortcut]) {
            reveal.add(operation.name, self.objects(kind));
        }
        let ours_or_nobodys =
            json!({ "StringEqualsIfExists": { resource_tag(owner::STACK): self.stack.name } });
        [
            own.statement("ChangeAndDeleteObjectsOfThisStack", Some(self.of_this_stack())),
            reveal.statement(READ_KEYS, Some(ours_or_nobodys)),
            untagged.statement("DeleteStreamKeysWithTheirChannel", None),
            outside.statement("ChangeReferencedObjects", None),
            anything.statement("ChangeWhereIamSeesNoResource", None),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Tags of what this stack owns; it stays this stack's.
    fn tag(&self) -> Vec<Value> {
        let all = |operation| {
            let mut grant = Grant::default();
            let mut kinds = self.declared.clone();
            // A replication is remembered on a stage, a key on its channel.
            let parents = kinds.iter().filter_map(|it| it.facts().listed_under);
            kinds.extend(parents.collect::<Vec<_>>());
            grant.add(operation, kinds.iter().filter_map(|it| self.objects(*it)));
            grant
        };
        let mut write = self.of_this_stack();
        write["StringEqualsIfExists"] = json!({ request_tag(owner::STACK): self.stack.name });
        let mut remove = self.of_this_stack();
        let identity = [owner::NAME, owner::RECORD, owner::STACK];
        remove["ForAllValues:StringNotEquals"] = json!({ "aws:TagKeys": identity });
        // An object that AWS created along with another stays when its manifest is removed, without ownership tags.
        let mut release = Grant::default();
        let kinds = if self.prune { &self.looked_at } else { &self.declared };
        let came_with = kinds.iter().filter(|it| it.facts().created_by.is_some());
        release.add(TAGS[2], came_with.filter_map(|it| self.objects(*it)));
        [
            all(TAGS[1]).statement("TagObjectsOfThisStack", Some(write)),
            all(TAGS[2]).statement("UntagObjectsOfThisStack", Some(remove)),
            release.statement("ReleaseStreamKeysOfThisStack", Some(self.of_this_stack())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Adoption of unowned objects that a manifest names, or that AWS created along with an object of this stack.
    fn adopt(&self) -> Vec<Value> {
        let mut grant = Grant::default();
        let named = self.desired.iter().filter_map(|it| it.lifecycle.adopt.clone());
        grant.add(TAGS[1], named);
        let created_by = self.declared.iter().filter(|it| it.facts().created_by.is_some());
        grant.add(TAGS[1], created_by.filter_map(|it| self.objects(*it)));
        let condition = json!({
            "StringEquals": { request_tag(owner::STACK): self.stack.name },
            "Null": {
                resource_tag(owner::STACK): "true",
                resource_tag(owner::CLOUDFORMATION): "true",
            },
        });
        grant.statement("AdoptUnownedObjects", Some(condition)).into_iter().collect()
    }

    /// What AWS does at other services with the caller's permissions.
    fn elsewhere(&self, buckets: &[String]) -> Vec<Value> {
        let mut needed: BTreeMap<Elsewhere, BTreeSet<String>> = BTreeMap::new();
        let account = self.stack.account.as_deref().unwrap_or("*");
        let declared = self.desired.iter().flat_map(|it| it.spec.elsewhere());
        for (what, resource) in declared.chain(buckets.iter().flat_map(|it| recording_to(it))) {
            needed.entry(what).or_default().insert(resource.replace("{account}", account));
        }
        needed
            .into_iter()
            .map(|(Elsewhere { sid, actions }, resources)| {
                json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources })
            })
            .collect()
    }

    /// The one object that is held while something is written.
    fn lock(&self, purpose: Purpose) -> Option<Value> {
        let location = self.stack.lock.as_ref()?;
        let actions: &[&str] = match purpose {
            Purpose::Plan | Purpose::Blame => &["s3:GetObject"],
            Purpose::Apply => &["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
        };
        Some(json!({
            "Sid": LOCK,
            "Effect": "Allow",
            "Action": actions,
            "Resource": location.arn(),
        }))
    }

    /// The tag counts here as it does in a plan.
    fn keep_protected(&self) -> Vec<Value> {
        let deletes = self.operations(&[Verb::Delete]).into_iter();
        let actions: BTreeSet<String> =
            deletes.map(|(_, operation)| format!("ivs:{}", operation.name)).collect();
        if actions.is_empty() {
            return Vec::new();
        }
        vec![json!({
            "Sid": "DenyDeletingProtectedObjects",
            "Effect": "Deny",
            "Action": actions,
            "Resource": "*",
            "Condition": { "StringEquals": { resource_tag(owner::PROTECT): "true" } },
        })]
    }
}

/// What a reader must know of a policy that the policy cannot say.
pub fn notes(policy: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    let length = policy.to_string().chars().filter(|it| !it.is_whitespace()).count();
    if length > LARGEST {
        notes.push(format!(
            "{length} characters are more than the {LARGEST} that a managed policy may have: split it by \
             statements"
        ));
    }
    let statements = || policy["Statement"].as_array().into_iter().flatten();
    let about = |sid: &str| statements().any(|it| it["Sid"] == sid);
    let has = |action: &str| {
        let actions = statements().flat_map(|it| it["Action"].as_array().into_iter().flatten());
        actions.into_iter().any(|it| it.as_str().is_some_and(|it| it.ends_with(action)))
    };
    if about(READ_KEYS) {
        notes.push(
            "a stream key is read once before it is taken over, so keys without tags can be read"
                .to_owned(),
        );
    }
    if has("ivs:UpdateAdConfiguration") {
        notes.push(
            "IAM cannot limit ivs:UpdateAdConfiguration to the objects of this stack".to_owned(),
        );
    }
    let records = ["RecordingConfiguration", "StorageConfiguration"];
    if records.iter().any(|it| has(&format!("ivs:Delete{it}"))) {
        notes.push(
            "replacing or deleting a RecordingConfiguration or StorageConfiguration also changes the policy of \
             the bucket it was created with: name each such bucket that no manifest names with `--bucket`"
                .to_owned(),
        );
    }
    if has("FailoverSlateConfiguration") {
        notes.push(
            "AWS has not published which conditions the operations of FailoverSlateConfiguration take"
                .to_owned(),
        );
    }
    if about(LOCK) {
        notes.push(
            "a bucket for the lock that is encrypted with a key of your own also needs kms:Decrypt and \
             kms:GenerateDataKey on that key"
                .to_owned(),
        );
    }
    notes
}
