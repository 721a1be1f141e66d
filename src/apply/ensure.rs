//! One step against one object: made exactly once, changed, tagged, deleted.
//!
//! Each function makes sure that something is so, and may be called again. What to do and in which order
//! is the plan's; this only deals with lost replies, throttles, waits and answers that do not fit.

use super::changed::Changed;
use super::copies::Attempts;
use super::event::{Failure, StepStatus};
use super::wait::{Pause, Tell, Until, Watch};
use crate::aws::{Applied, Class, Clients, CloudError, Tags, found};
use crate::cloud::show_managed_tags;
use crate::kinds::check::MOST_TAGS;
use crate::kinds::owner;
use crate::kinds::spec::{difference, field_of_spec};
use crate::kinds::{
    AddressMap, Arn, Kind, Observed, Owner, OwnershipTags, Scope, Spec, Stack, Verb,
};
use crate::plan::{Action, Cause, Step};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Tries of a call that is safe to repeat, and the pause before the second one; it doubles.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How long a lost create is looked for in the listing (`docs/reliability.md` §1).
const LOOKS: [u64; 5] = [500, 1_000, 2_000, 4_000, 8_000];

/// How long an object may take to become usable, or to end. Terraform waits as long for a recording
/// configuration; a composition takes seconds.
const PATIENCE: Duration = Duration::from_mins(10);

/// How long reads may lag behind what was just written.
const LAG: Duration = Duration::from_mins(1);

/// What this run stopped is released within this long. The API reference gives no time: it tells to wait for an
/// event that comes seconds to minutes after `StopStream`.
pub(super) const RELEASE: Duration = Duration::from_mins(3);

/// Who was sent away is gone within this long, or has come back.
const GOES_WITHIN: Duration = Duration::from_secs(45);

/// How often somebody who comes back is sent away before it is left to people.
const STOPS: u32 = 4;

/// How a try to make something ended.
pub(super) enum CreateOutcome {
    /// It is there; with the name of the attempt that made it.
    Observed(Box<Observed>, String),
    /// Nobody knows.
    Unknown(CloudError),
}

/// Makes the object of a step once, as far as the API allows: a lost reply is followed by a look at the
/// listing, never by a blind repeat.
pub(super) async fn created(
    aws: &Clients,
    step: &Step,
    addresses: &AddressMap,
    attempts: &Attempts,
    tries: &mut Tries<'_>,
) -> Result<CreateOutcome, Failure> {
    let spec = step.spec.as_ref().expect("a step that makes something has a spec");
    let kind = step.address.kind;
    let comes = kind.facts().listed_under.is_some();
    // Attempts of which nobody knows what became.
    let mut lost: Vec<String> = Vec::new();
    let mut throttled = 0;
    let mut young = 0;
    let mut lag = Watch::new(Until::Listed, LAG, tries.tell);
    loop {
        let attempt_id = attempts.begin(aws)?;
        let tags = all_tags(step, spec, addresses, &attempt_id);
        let begun = Instant::now();
        let made = attempt(aws, spec, &tags, addresses).await;
        attempts.took(begun.elapsed());
        let error = match made {
            Ok(observed) => {
                return Ok(match not_what_was_made(aws, &observed, &attempt_id) {
                    None => CreateOutcome::Observed(Box::new(observed), attempt_id),
                    Some(error) => CreateOutcome::Unknown(error),
                });
            }
            Err(error) => error,
        };
        if error.applied() == Applied::Unknown {
            if mutant!(UnknownIsDone) {
                let account = aws.known_account().unwrap_or_default().to_owned();
                let arn = format!("arn:aws:ivs:{}:{account}:nowhere/0", aws.region);
                let nowhere = Observed::listed(kind, arn, tags);
                return Ok(CreateOutcome::Observed(Box::new(nowhere), attempt_id));
            }
            lost.push(attempt_id);
        }
        // Not after an attempt that may have made it: then the refusal may be because of that.
        if lost.is_empty() && tries.released(&error).await {
            continue;
        }
        // What AWS made by itself is there and not listed yet.
        if error.class == Class::Quota && comes && lag.again().await {
            continue;
        }
        match error.class {
            Class::Throttled if throttled + 1 < TRIES => {
                sleep(pause_after(throttled)).await;
                throttled += 1;
            }
            // What this run made a moment ago may not be known everywhere yet.
            Class::NotFound if young + 1 < TRIES && !spec.refs().is_empty() => {
                sleep(pause_after(young)).await;
                young += 1;
            }
            _ if lost.is_empty() => return Err(error.into()),
            // Taking over what comes with something else looks first, so it may be tried again.
            Class::Unknown if comes && lost.len() < TRIES as usize => {
                sleep(pause_after(u32::try_from(lost.len()).unwrap_or(TRIES) - 1)).await;
            }
            _ => {
                // A refusal now says nothing of the attempt before: it may be refused because of that.
                if let Some((observed, attempt_id)) = look_for(aws, kind, &lost, addresses).await {
                    return Ok(CreateOutcome::Observed(Box::new(observed), attempt_id));
                }
                if error.applied() == Applied::No || comes || lost.len() > 1 {
                    return Ok(CreateOutcome::Unknown(error));
                }
            }
        }
    }
}

/// Why an answer cannot be about the object that a create has made, if so. No reading would ever show such an
/// object, so nothing is waited for.
fn not_what_was_made(aws: &Clients, observed: &Observed, attempt_id: &str) -> Option<CloudError> {
    observed.kind.facts().arn_type?;
    let operations = observed.kind.facts().operations.iter();
    let create = operations.into_iter().find(|it| it.verb == Verb::Create);
    let wrong =
        |message| Some(CloudError::unusable(create.map_or("create", |it| it.name), message));
    if !aws.is_in_place(observed.arn.region(), observed.arn.account()) {
        return wrong(of_another_place(&observed.arn));
    }
    // An answer without tags says nothing of them.
    if !observed.tags.is_empty() && !observed.made_by(attempt_id) {
        return wrong(format!("the answer names {} without the tags that were sent", observed.arn));
    }
    None
}

/// Whether a new object that a reading did not show can be one of the account in force at all: where the account is
/// not known yet, it is asked for now.
pub(super) async fn in_place(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
    Box::pin(aws.look_for_account()).await;
    if aws.is_in_place(arn.region(), arn.account()) {
        return Ok(());
    }
    Err(CloudError::unusable("create", of_another_place(arn)))
}

fn of_another_place(arn: &Arn) -> String {
    format!("the answer names {arn}, which belongs to another account or region")
}

/// One create, in one request that carries all the tags.
async fn attempt(
    aws: &Clients,
    spec: &Spec,
    tags: &Tags,
    addresses: &AddressMap,
) -> Result<Observed, CloudError> {
    if mutant!(TagsAfterCreate) && spec.kind().facts().listed_under.is_none() {
        let observed = spec.create(aws, &Tags::new(), addresses).await?;
        aws.tag(observed.kind.facts().service, observed.arn.as_str(), tags).await?;
        return Ok(observed);
    }
    spec.create(aws, tags, addresses).await
}

fn pause_after(tried: u32) -> Duration {
    FIRST_PAUSE * 2_u32.pow(tried)
}

fn all_tags(step: &Step, spec: &Spec, addresses: &AddressMap, attempt_id: &str) -> Tags {
    let mut tags = tags_in(spec);
    let digest = spec.digest(addresses).unwrap_or_default();
    let ownership =
        OwnershipTags { digest, attempt_id: attempt_id.to_owned(), ..step.ownership.clone() };
    tags.extend(ownership.tags());
    tags
}

/// The tags that a spec gives its object.
fn tags_in(spec: &Spec) -> Tags {
    spec.clone().tags_mut().cloned().unwrap_or_default()
}

/// Looks for the object that one of these create attempts made; of several the first. A listing that fails
/// counts as not found.
async fn look_for(
    aws: &Clients,
    kind: Kind,
    attempt_ids: &[String],
    addresses: &AddressMap,
) -> Option<(Observed, String)> {
    // What comes with another object is looked for by the create itself.
    kind.facts().listed_under.is_none().then_some(())?;
    if mutant!(NoLookAfterUnknown) {
        return None;
    }
    for pause in LOOKS {
        sleep(Duration::from_millis(pause)).await;
        let Ok(listing) = kind.list_tagged(aws, &Scope::default()).await else { continue };
        let hit = attempt_ids.iter().find_map(|attempt_id| {
            let made = listing.iter().find(|it| it.made_by(attempt_id))?;
            Some((made, attempt_id))
        });
        if let Some((observed, attempt_id)) = hit {
            // A listing alone is no proof: what it calls the object must be what the object is read by.
            let read = kind.get(aws, std::slice::from_ref(&observed.arn), addresses).await;
            let Some(observed) = read.ok().and_then(|mut it| it.pop()) else { continue };
            return Some((observed, attempt_id.clone()));
        }
    }
    None
}

/// Waits until a new object was read twice in a row with the name of its attempt: only then will those that
/// are about to refer to it find it wherever their request goes.
pub(super) async fn seen_twice(
    aws: &Clients,
    observed: &Observed,
    attempt_id: &str,
    addresses: &AddressMap,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    // Taken over, or a relation that nothing refers to.
    if observed.kind.facts().listed_under.is_some() {
        return Ok(());
    }
    // The first look again is the rule, and nothing to tell of.
    let mut quiet = Pause::from_millis(100);
    let mut watch = Watch::new(Until::Readable, LAG, tell);
    let mut seen = 0;
    loop {
        let read =
            observed.kind.get(aws, std::slice::from_ref(&observed.arn), addresses).await?.pop();
        let ours = read.is_some_and(|it| it.made_by(attempt_id));
        seen = if ours { seen + 1 } else { 0 };
        if seen == 2 {
            return Ok(());
        }
        if ours {
            quiet.pass().await;
            continue;
        }
        in_place(aws, &observed.arn).await?;
        if !watch.again().await {
            return Err(watch.timed_out());
        }
    }
}

/// Whether a listing taken now shows an object: one that reads no longer return may only be out of sight of the
/// server that was asked.
async fn is_listed(aws: &Clients, observed: &Observed) -> Result<bool, Failure> {
    let listing = observed.kind.list(aws, &Scope::default()).await?;
    Ok(listing.iter().any(|it| it.arn == observed.arn))
}

/// What came back must be what was planned.
pub(super) fn fits(
    spec: &Spec,
    mut observed: Observed,
    operation: &'static str,
) -> Result<Observed, Failure> {
    let Some(answered) = &mut observed.spec else { return Ok(observed) };
    // Tags are written by other calls, and are compared by the next plan.
    if let (Some(tags), Some(wanted)) = (answered.tags_mut(), spec.clone().tags_mut()) {
        tags.clone_from(wanted);
    }
    // What AWS never returns was in the request that this answers.
    answered.copy_write_only(spec);
    let fields = difference(spec, answered, &[]);
    if fields.is_empty() {
        return Ok(observed);
    }
    let fields: Vec<String> = fields
        .iter()
        .map(|it| format!("`{}` is {} instead of {}", it.path, it.after, it.before))
        .collect();
    Err(Failure::Inconsistent { operation, fields: fields.join(", ") })
}

/// Waits until an object can be referred to; `known` where it was read or listed before. Ends at once where the
/// object is gone.
pub(super) async fn usable(
    aws: &Clients,
    mut observed: Observed,
    mut known: bool,
    addresses: &AddressMap,
    tell: Tell<'_>,
) -> Result<Observed, Failure> {
    let facts = observed.kind.facts();
    let Some((good, bad)) = facts.ready_state else { return Ok(observed) };
    if mutant!(UsedTooSoon) {
        return Ok(observed);
    }
    let until = |now: String| Until::Settled { now, good, bad };
    let mut watch = Watch::new(until(String::new()), PATIENCE, tell);
    let mut missed = 0;
    loop {
        let now = match observed.state.as_deref() {
            None => return Ok(observed),
            Some(state) if state == good => return Ok(observed),
            Some(state)
                if state == bad
                    || facts.ended.contains(&state)
                    || facts.ending.contains(&state) =>
            {
                return Err(Failure::State { state: state.to_owned(), likely: facts.fails_by });
            }
            Some(state) => state.to_owned(),
        };
        if !watch.again_for(until(now)).await {
            return Err(watch.timed_out());
        }
        if let Some(newer) =
            observed.kind.get(aws, std::slice::from_ref(&observed.arn), addresses).await?.pop()
        {
            (observed, known, missed) = (newer, true, 0);
            continue;
        }
        in_place(aws, &observed.arn).await?;
        if known || watch.elapsed() > LAG {
            // Creates show up with a delay, so what was never seen may still come; and one server may not know
            // yet what another one does.
            missed = if is_listed(aws, &observed).await? { 0 } else { missed + 1 };
            if missed == 2 {
                return Err(watch.gone());
            }
        }
    }
}

/// Whether AWS is still making or changing an object.
pub(super) fn is_changing(observed: &Observed) -> bool {
    let facts = observed.kind.facts();
    let (Some((good, bad)), Some(state)) = (facts.ready_state, observed.state.as_deref()) else {
        return false;
    };
    state != good && state != bad && !facts.ended.contains(&state) && !facts.ending.contains(&state)
}

/// Tries of one write. Each is preceded by another look at the object: between two tries somebody may have
/// changed it, taken it over, or gone live.
pub(super) struct Tries<'a> {
    /// Requests with an unknown result.
    tried: u32,
    /// Whether this run has stopped something that explains a Conflict.
    pub(super) explained: bool,
    /// The wait for the release of that: one, however many Conflicts there are.
    release: Option<Watch<'a>>,
    /// How often the object was in the middle of a change.
    busy: u32,
    tell: Tell<'a>,
}

impl<'a> Tries<'a> {
    /// None so far.
    pub(super) fn new(tell: Tell<'a>) -> Self {
        Self { tried: 0, explained: false, release: None, busy: 0, tell }
    }

    /// Whether a request may have been carried out already. A Conflict while the object is changing can be the
    /// answer to a second delivery of this run's own request.
    pub(super) fn again(&self) -> bool {
        self.tried + self.busy > 0
    }

    /// What a step ends as whose object is another by now. Only before the first try nothing was written.
    pub(super) fn gave_way(&self, changed: Changed) -> Result<StepStatus, Failure> {
        if self.again() { Err(Failure::TakenAway(changed)) } else { Ok(StepStatus::Stale(changed)) }
    }

    /// Waits before the next try; false where it would be no use.
    pub(super) async fn after(&mut self, error: &CloudError) -> bool {
        self.after_if(error, matches!(error.class, Class::Throttled | Class::Unknown)).await
    }

    async fn after_if(&mut self, error: &CloudError, passing: bool) -> bool {
        if self.released(error).await {
            return true;
        }
        self.tried += 1;
        if !passing || self.tried == TRIES {
            return false;
        }
        sleep(pause_after(self.tried - 1)).await;
        true
    }

    /// Waits after a Conflict while AWS is still making or changing the object for somebody else. False for any
    /// other error, and where the object is in no such state.
    pub(super) async fn settled(
        &mut self,
        aws: &Clients,
        step: &Step,
        error: &CloudError,
    ) -> Result<bool, Failure> {
        let kind = step.address.kind;
        let (Some(_), Some(arn)) = (kind.facts().ready_state, &step.arn) else { return Ok(false) };
        if error.class != Class::Conflict || self.busy == TRIES {
            return Ok(false);
        }
        self.busy += 1;
        let none = AddressMap::default();
        let read = kind.get(aws, std::slice::from_ref(arn), &none).await?.pop();
        let Some(observed) = read.filter(is_changing) else { return Ok(false) };
        usable(aws, observed, true, &none, self.tell).await?;
        Ok(true)
    }

    /// Waits after a Conflict that this run's own interruption explains: what it stopped is released some time
    /// after AWS says that it is over. False for any other error, and where that lasts too long.
    async fn released(&mut self, error: &CloudError) -> bool {
        if error.class != Class::Conflict || !self.explained {
            return false;
        }
        let tell = self.tell;
        let watch = self.release.get_or_insert_with(|| Watch::new(Until::Released, RELEASE, tell));
        watch.again().await
    }
}

/// Sends one update of the spec; `None` where it shall be tried again.
pub(super) async fn updated(
    aws: &Clients,
    step: &Step,
    spec: &Spec,
    arn: &Arn,
    addresses: &AddressMap,
    tries: &mut Tries<'_>,
) -> Result<Option<Observed>, Failure> {
    let error = match spec.update(aws, arn, &step.fields, addresses).await {
        Ok(observed) => return fits(spec, observed, "the update").map(Some),
        Err(error) => error,
    };
    let passing = match error.class {
        Class::Throttled | Class::Unknown => true,
        // What this run made a moment ago may not be known everywhere yet; the object itself was just read.
        Class::NotFound => !spec.refs().is_empty(),
        _ => false,
    };
    let again = tries.settled(aws, step, &error).await? || tries.after_if(&error, passing).await;
    if again { Ok(None) } else { Err(error.into()) }
}

/// What follows an update of the spec: it takes effect, and the tags are written.
pub(super) async fn update_finished(
    aws: &Clients,
    step: &Step,
    spec: &Spec,
    observed: Observed,
    addresses: &AddressMap,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    let arn = observed.arn.clone();
    // While AWS still carries the update out, the object takes no other.
    let waits = observed.kind.facts().ready_state.is_some();
    let rest = async {
        usable(aws, observed, true, addresses, tell).await?;
        // While that was waited for, somebody else may have come.
        if waits {
            still_to_be_changed(aws, step, &arn).await?;
        }
        tagged(aws, step, spec, &arn, addresses, tell).await
    };
    rest.await.map_err(|failure| Failure::HalfDone {
        done: "the update".to_owned(),
        failure: Box::new(failure),
    })
}

/// The object of a step as it is now, if that is what the plan saw; or, where a try went before of which
/// nobody knows what became, if it is what that try was to make of it. What AWS emptied when this step
/// `interrupted` its audience is no change by somebody else.
pub(super) async fn as_planned(
    aws: &Clients,
    stack: &Stack,
    step: &Step,
    planned: &AddressMap,
    addresses: &AddressMap,
    tries: &Tries<'_>,
    interrupted: bool,
) -> Result<Precondition<(Box<Observed>, bool)>, CloudError> {
    let arn = step.arn.clone().expect("a step that changes something has an object");
    let there = if step.writes_spec() {
        step.address.kind.get(aws, &[arn], planned).await?.pop()
    } else {
        // Tags alone say whether tags may be changed.
        let tags = found(step.address.kind.tags_of(aws, &arn).await)?;
        let listed = |tags| Observed::listed(step.address.kind, arn.as_str(), tags);
        tags.map(|tags| Observed { spec: step.before.clone(), ..listed(tags) })
    };
    let Some(mut there) = there else { return Ok(Precondition::Gone) };
    if mutant!(NoLookBeforeUpdate) {
        return Ok(Precondition::So((Box::new(there), false)));
    }
    if there.owner() != step.owner {
        return Ok(Precondition::Not(Changed::OwnerChanged { owner: Box::new(there.owner()) }));
    }
    show_managed_tags(&mut there, stack);
    let (Some(before), Some(now)) = (&step.before, &mut there.spec) else {
        return Ok(Precondition::So((Box::new(there), false)));
    };
    if step.owner == Owner::Unowned {
        now.taken_over(before);
    }
    now.copy_write_only(before);
    let mut fields = difference(before, now, &step.ignored);
    let emptied = step.address.kind.facts().emptied;
    fields.retain(|it| {
        let field = field_of_spec(&it.path).unwrap_or_default();
        !(interrupted && emptied.contains(&field) && it.removes())
    });
    if fields.is_empty() {
        return Ok(Precondition::So((Box::new(there), false)));
    }
    if tries.again() && step.writes_spec() && is_as_wanted(step, now, planned, addresses) {
        return Ok(Precondition::So((Box::new(there), true)));
    }
    let fields = fields.into_iter().map(|it| it.path).collect();
    Ok(Precondition::Not(Changed::FieldsChanged { fields }))
}

/// Whether an object has the spec that the step is to write, tags aside. By digest, since a reference that
/// keeps its name may be to another object.
fn is_as_wanted(step: &Step, now: &Spec, planned: &AddressMap, addresses: &AddressMap) -> bool {
    let bare = |mut spec: Spec| {
        if let Some(tags) = spec.tags_mut() {
            tags.clear();
        }
        spec
    };
    let Some(wanted) = step.wanted(Some(now)) else { return false };
    let mut now = now.clone();
    now.copy_write_only(&wanted);
    let digest = bare(wanted).digest(addresses);
    digest.is_some() && digest == bare(now).digest(planned)
}

/// Writes the tags that differ: those of the manifest, and the ownership tags with the new digest.
pub(super) async fn tagged(
    aws: &Clients,
    step: &Step,
    spec: &Spec,
    arn: &Arn,
    addresses: &AddressMap,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    let kind = step.address.kind;
    // Of the manifest, whatever was ignored: it tells whether the manifest changed since.
    let digest = match step.ownership.digest.as_str() {
        "" => step.spec.as_ref().and_then(|it| it.digest(addresses)).unwrap_or_default(),
        kept => kept.to_owned(),
    };
    let mut wanted = tags_in(spec);
    wanted.extend(OwnershipTags { digest, ..step.ownership.clone() }.tags());
    let mut gone: Vec<String> = Vec::new();
    if let Some(before) = &step.before {
        let before = tags_in(before);
        gone.extend(before.into_keys().filter(|key| !wanted.contains_key(key)));
    }
    if let Owner::Stack(then) = &step.owner {
        // Of our own: protection that is lifted.
        gone.extend(then.tags().into_keys().filter(|key| !wanted.contains_key(key)));
    }
    let separate = matches!(&step.owner, Owner::Stack(then) if then.separate);
    if separate {
        gone.extend(owner::SEPARATE.map(ToOwned::to_owned));
    }
    if wanted.len() >= MOST_TAGS || step.because.contains(&Cause::KeyReleased) {
        gone.push(owner::STREAM_KEY.to_owned());
    }
    let write = async || {
        // The record stands beside the tags that it replaces before those go: ownership is never in part.
        if separate {
            let record = Tags::from([(owner::RECORD.to_owned(), wanted[owner::RECORD].clone())]);
            spec.tag(aws, arn, &record, addresses).await?;
        }
        // Removing first keeps an object near the limit of 50 tags within it (rule 5).
        if !gone.is_empty() {
            kind.untag(aws, arn, &gone).await?;
        }
        spec.tag(aws, arn, &wanted, addresses).await
    };
    let mut tries = Tries::new(tell);
    loop {
        let Err(error) = write().await else { return Ok(()) };
        if !tries.after(&error).await {
            return Err(error.into());
        }
        let Some(now) = found(kind.tags_of(aws, arn).await)? else {
            return Err(Failure::TakenAway(Changed::Gone));
        };
        let written = wanted.iter().all(|(key, value)| now.get(key) == Some(value));
        if written && gone.iter().all(|key| !now.contains_key(key)) {
            return Ok(());
        }
        let owner = Owner::of(&now);
        if !may_still_be_tagged(step, &owner) {
            return Err(Failure::TakenAway(Changed::OwnerChanged { owner: Box::new(owner) }));
        }
    }
}

/// Another look at whose an object is, after something that took its time.
pub(super) async fn still_to_be_changed(
    aws: &Clients,
    step: &Step,
    arn: &Arn,
) -> Result<(), Failure> {
    let owner = Owner::of(&step.address.kind.tags_of(aws, arn).await?);
    if !may_still_be_tagged(step, &owner) {
        return Err(Failure::TakenAway(Changed::OwnerChanged { owner: Box::new(owner) }));
    }
    let protected = matches!(&owner, Owner::Stack(now) if now.protect);
    if step.action == Action::Delete && protected {
        return Err(Failure::TakenAway(Changed::ProtectedMeanwhile));
    }
    Ok(())
}

/// Whether the tags of an object are those of before or after a step, or in between.
fn may_still_be_tagged(step: &Step, owner: &Owner) -> bool {
    match (owner, &step.owner) {
        (Owner::Stack(now), Owner::Stack(then)) => {
            now.stack == then.stack
                && now.attempt_id == then.attempt_id
                && (now.name == then.name || now.name == step.ownership.name)
        }
        (Owner::Stack(now), Owner::Unowned) => {
            (&now.stack, &now.name) == (&step.ownership.stack, &step.ownership.name)
        }
        (now, then) => now == then,
    }
}

/// Whether an object is still what the plan saw: ours, under this name, and not protected meanwhile.
pub(super) async fn still_ours(
    aws: &Clients,
    step: &Step,
    arn: &Arn,
    attempts: &Attempts,
) -> Result<Precondition<()>, CloudError> {
    let mut pause = Pause::from_millis(500);
    let tags = loop {
        if let Some(tags) = found(step.address.kind.tags_of(aws, arn).await)? {
            break tags;
        }
        // One that was made a moment ago may only not be known everywhere yet: that is no proof.
        if !is_young(aws, step) {
            return Ok(Precondition::Gone);
        }
        pause.pass().await;
    };
    let owner = Owner::of(&tags);
    if mutant!(TagsIgnoredOnDelete) {
        return Ok(Precondition::So(()));
    }
    Ok(match (&owner, &step.owner) {
        (Owner::Stack(now), _) if now.protect && !attempts.made(&step.owner) => {
            Precondition::Not(Changed::ProtectedMeanwhile)
        }
        (Owner::Stack(now), Owner::Stack(then))
            if (&now.stack, &now.name, &now.attempt_id)
                == (&then.stack, &then.name, &then.attempt_id) =>
        {
            match protected_part(aws, step.address.kind, arn, attempts).await? {
                Some(part) => Precondition::Not(Changed::PartProtected { part }),
                None => Precondition::So(()),
            }
        }
        _ => Precondition::Not(Changed::OwnerChanged { owner: Box::new(owner) }),
    })
}

/// A protected object that AWS would delete together with this one, such as the stream key of a channel. It is
/// read here because its own tags alone say so.
async fn protected_part(
    aws: &Clients,
    kind: Kind,
    arn: &Arn,
    attempts: &Attempts,
) -> Result<Option<Arn>, CloudError> {
    let has_parts = Kind::ALL.iter().any(|it| it.facts().created_by == Some(kind));
    if !has_parts {
        return Ok(None);
    }
    let parts = kind.users(aws, arn).await?.into_iter();
    let parts = parts.filter(|it| it.kind.facts().created_by == Some(kind));
    let mut owners =
        parts.map(|it| (it.arn.clone(), it.owner())).filter(|(_, it)| !attempts.made(it));
    let protected =
        owners.find(|(_, it)| matches!(it, Owner::Stack(ownership) if ownership.protect));
    Ok(protected.map(|(arn, _)| arn))
}

/// Whether reads may still lag behind the create of a step's object.
fn is_young(aws: &Clients, step: &Step) -> bool {
    let Owner::Stack(ownership) = &step.owner else { return false };
    let (Some(made), Some(now)) = (ownership.made(), aws.gate.server_time()) else { return false };
    now.duration_since(made).unsigned_abs() < LAG
}

/// Whether an object is still what the plan saw.
pub(super) enum Precondition<T> {
    /// It is.
    So(T),
    /// It is not there any more.
    Gone,
    /// No, and why.
    Not(Changed),
}

/// Waits until a delete is over, where others have to wait for that: until a composition has ended, and
/// until a key whose place is taken next is not listed any more, lest it be taken for its own successor.
pub(super) async fn over(
    aws: &Clients,
    step: &Step,
    arn: &Arn,
    planned: &AddressMap,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    let kind = step.address.kind;
    let facts = kind.facts();
    if !facts.ended.is_empty() {
        let watch = Watch::new(Until::Ended { states: facts.ended }, PATIENCE, tell);
        return match gone(watch, aws, kind, arn).await? {
            None => Ok(()),
            Some(watch) => Err(watch.timed_out()),
        };
    }
    if facts.created_by.is_none() || mutant!(DeletedKeyRetaken) {
        return Ok(());
    }
    let Some(spec) = step.before.as_ref() else { return Ok(()) };
    let declared = vec![spec];
    let scope = Scope { declared, addresses: planned.clone(), ..Scope::default() };
    let mut watch = Watch::new(Until::Unlisted, LAG, tell);
    while kind.list(aws, &scope).await?.iter().any(|it| it.arn == *arn) {
        if !watch.again().await {
            return Err(watch.timed_out());
        }
    }
    Ok(())
}

/// Sends the audience away and waits until it is gone; false where that takes no call. An encoder that connects
/// again is sent away again, but not for ever. What AWS takes from the object with that is noted in `taken`.
pub(super) async fn interrupted(
    aws: &Clients,
    kind: Kind,
    arn: &Arn,
    taken: &mut Option<Arn>,
    tell: Tell<'_>,
) -> Result<bool, Failure> {
    for _ in 0..STOPS {
        let mut tries = Tries::new(tell);
        let sent = loop {
            match kind.interrupt(aws, arn, taken).await {
                Ok(sent) => break sent,
                Err(error) if tries.after(&error).await => {}
                Err(error) => return Err(error.into()),
            }
        };
        let watch = Watch::new(Until::Disconnected, GOES_WITHIN, tell);
        if !sent || gone(watch, aws, kind, arn).await?.is_none() {
            return Ok(sent);
        }
    }
    Err(Failure::ComesBack { times: STOPS })
}

/// Gives the object of a step back what sending its audience away took from it, since the change that was to
/// follow did not happen. An object that belongs to another stack or tool by now is not written to.
pub(super) async fn put_back(
    aws: &Clients,
    step: &Step,
    arn: &Arn,
    taken: &Arn,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    let kind = step.address.kind;
    let attempt = async || -> Result<Option<Owner>, CloudError> {
        let Some(tags) = found(kind.tags_of(aws, arn).await)? else { return Ok(None) };
        let owner = Owner::of(&tags);
        if !may_still_be_tagged(step, &owner) {
            return Ok(Some(owner));
        }
        kind.put_back(aws, arn, taken).await.map(|()| None)
    };
    let mut tries = Tries::new(tell);
    loop {
        match attempt().await {
            Ok(None) => return Ok(()),
            Ok(Some(owner)) => {
                return Err(Failure::TakenAway(Changed::OwnerChanged { owner: Box::new(owner) }));
            }
            // AWS refuses while it still closes the connection.
            Err(error) => {
                let passing =
                    matches!(error.class, Class::Throttled | Class::Unknown | Class::Conflict);
                if !tries.after_if(&error, passing).await {
                    return Err(error.into());
                }
            }
        }
    }
}

/// Waits until an object has no audience; gives the wait back where it was in vain.
async fn gone<'a>(
    mut watch: Watch<'a>,
    aws: &Clients,
    kind: Kind,
    arn: &Arn,
) -> Result<Option<Watch<'a>>, Failure> {
    while kind.audience(aws, arn).await?.is_some() {
        if !watch.again().await {
            return Ok(Some(watch));
        }
    }
    Ok(None)
}
