//! One step against one object: made exactly once, changed, tagged, deleted.
//!
//! Each function makes sure that something is so, and may be called again. What to do and in which order
//! is the plan's; this only deals with lost replies, throttles, waits and answers that do not fit.

use super::event::Failure;
use crate::aws::{Applied, Class, Clients, CloudError, Tags};
use crate::cloud::show_managed_tags;
use crate::kinds::owner;
use crate::kinds::spec::difference;
use crate::kinds::{Arn, Body, Book, Kind, Live, Marks, Owner, Scope, Stack};
use crate::plan::Step;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Tries of a call that is safe to repeat, and the pause before the second one; it doubles.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How long a lost create is looked for in the listing (`reliability.md` §1).
const LOOKS: [u64; 5] = [500, 1_000, 2_000, 4_000, 8_000];

/// How long an object may take to become usable, or to end. Terraform waits as long for a recording
/// configuration; a composition takes seconds.
const PATIENCE: Duration = Duration::from_mins(10);

/// How a try to make something ended.
pub(super) enum Made {
    /// It is there.
    Live(Box<Live>),
    /// Nobody knows.
    Unknown(CloudError),
}

/// Makes the object of a step once, as far as the API allows: a lost reply is followed by a look at the
/// listing, never by a blind repeat.
pub(super) async fn created(aws: &Clients, step: &Step, book: &Book) -> Result<Made, Failure> {
    let body = step.body.as_ref().expect("a step that makes something has a spec");
    let kind = step.address.kind;
    let mut lost = 0;
    let mut throttled = 0;
    let mut young = 0;
    loop {
        let op = new_op(aws);
        let tags = all_tags(step, body, book, &op);
        let error = match body.create(aws, &tags, book).await {
            Ok(live) => return Ok(Made::Live(Box::new(live))),
            Err(error) => error,
        };
        match (error.class, error.applied()) {
            (Class::Throttled, _) if throttled + 1 < TRIES => {
                sleep(FIRST_PAUSE * 2_u32.pow(throttled)).await;
                throttled += 1;
            }
            // What this run made a moment ago may not be known everywhere yet.
            (Class::NotFound, _) if young + 1 < TRIES && !body.refs().is_empty() => {
                sleep(FIRST_PAUSE * 2_u32.pow(young)).await;
                young += 1;
            }
            (_, Applied::No) => return Err(error.into()),
            (_, Applied::Unknown) => {
                if let Some(live) = look_for(aws, kind, &op, book).await {
                    return Ok(Made::Live(Box::new(live)));
                }
                lost += 1;
                // What is listed for each of something else is looked for by its own create.
                let most = if kind.facts().listed_per.is_some() { TRIES } else { 2 };
                if lost == most {
                    return Ok(Made::Unknown(error));
                }
            }
        }
    }
}

/// A create attempt's own name, in the server's time: two machines' clocks never decide who was first.
fn new_op(aws: &Clients) -> String {
    let millis = aws.meter.server_time().map_or(0, jiff::Timestamp::as_millisecond);
    let millis = u64::try_from(millis).unwrap_or_default();
    ulid::Ulid::from_parts(millis, fastrand::u128(..)).to_string()
}

fn all_tags(step: &Step, body: &Body, book: &Book, op: &str) -> Tags {
    let mut tags = tags_in(body);
    let digest = body.digest(book).unwrap_or_default();
    let marks = Marks { digest, op: op.to_owned(), ..step.marks.clone() };
    tags.extend(marks.tags());
    tags
}

/// The tags that a spec gives its object.
fn tags_in(body: &Body) -> Tags {
    body.clone().tags_mut().cloned().unwrap_or_default()
}

/// Looks for the object that one create attempt made. A listing that fails counts as not found.
async fn look_for(aws: &Clients, kind: Kind, op: &str, book: &Book) -> Option<Live> {
    kind.facts().listed_per.is_none().then_some(())?;
    for pause in LOOKS {
        sleep(Duration::from_millis(pause)).await;
        let Ok(listing) = kind.list_tagged(aws, &Scope::default()).await else { continue };
        let hit = listing.into_iter().find(|it| it.tags.get(owner::OP).is_some_and(|it| it == op));
        if let Some(live) = hit {
            let read = kind.get(aws, std::slice::from_ref(&live.arn), book).await;
            return Some(read.ok().and_then(|mut it| it.pop()).unwrap_or(live));
        }
    }
    None
}

/// What came back must be what was planned.
pub(super) fn fits(body: &Body, mut live: Live, operation: &'static str) -> Result<Live, Failure> {
    let Some(answered) = &mut live.body else { return Ok(live) };
    // Tags are written by other calls, and are compared by the next plan.
    if let (Some(tags), Some(wanted)) = (answered.tags_mut(), body.clone().tags_mut()) {
        tags.clone_from(wanted);
    }
    // What AWS never returns was in the request that this answers.
    answered.unseen(body);
    let fields = difference(body, answered, &[]);
    if fields.is_empty() {
        return Ok(live);
    }
    let fields: Vec<String> = fields
        .iter()
        .map(|it| format!("`{}` is {} instead of {}", it.path, it.after, it.before))
        .collect();
    Err(Failure::Inconsistent { operation, fields: fields.join(", ") })
}

/// Waits until a new object can be referred to. `waiting` is told the state it is in.
pub(super) async fn usable(
    aws: &Clients,
    mut live: Live,
    book: &Book,
    waiting: impl Fn(String),
) -> Result<Live, Failure> {
    let facts = live.kind.facts();
    let Some((good, bad)) = facts.usable else { return Ok(live) };
    let start = Instant::now();
    let mut pause = Duration::from_millis(250);
    loop {
        match live.state.as_deref() {
            None => return Ok(live),
            Some(state) if state == good => return Ok(live),
            Some(state)
                if state == bad
                    || facts.ended.contains(&state)
                    || facts.ending.contains(&state) =>
            {
                return Err(Failure::State { state: state.to_owned() });
            }
            Some(state) if start.elapsed() > PATIENCE => {
                let seconds = PATIENCE.as_secs();
                return Err(Failure::TooSlow { state: state.to_owned(), seconds });
            }
            Some(state) => waiting(format!("{state}, waiting for {good}")),
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
        // Not there yet for this reader: creates show up with a delay.
        if let Some(newer) = live.kind.get(aws, std::slice::from_ref(&live.arn), book).await?.pop()
        {
            live = newer;
        }
    }
}

/// Repeats a call that is safe to repeat: it writes a whole, so that twice is once.
async fn again<T, F>(call: impl FnMut() -> F) -> Result<T, CloudError>
where
    F: Future<Output = Result<T, CloudError>>,
{
    again_while(call, |error| matches!(error.class, Class::Throttled | Class::Unknown)).await
}

/// The same for errors of one's own choice.
async fn again_while<T, F>(
    mut call: impl FnMut() -> F,
    passing: impl Fn(&CloudError) -> bool,
) -> Result<T, CloudError>
where
    F: Future<Output = Result<T, CloudError>>,
{
    let mut tried = 0;
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        tried += 1;
        if !passing(&error) || tried == TRIES {
            return Err(error);
        }
        sleep(FIRST_PAUSE * 2_u32.pow(tried - 1)).await;
    }
}

/// Makes the spec and tags of an existing object what the step wants.
pub(super) async fn changed(
    aws: &Clients,
    step: &Step,
    there: &Live,
    book: &Book,
    waiting: impl Fn(String),
) -> Result<Arn, Failure> {
    let body = step.wanted(there.body.as_ref()).expect("a step that changes something has a spec");
    if !step.writes_spec() {
        tagged(aws, step, &body, &there.arn, book).await?;
        return Ok(there.arn.clone());
    }
    // What this run made a moment ago may not be known everywhere yet; the object itself was just read.
    let young = !body.refs().is_empty();
    let passing = |error: &CloudError| match error.class {
        Class::Throttled | Class::Unknown => true,
        Class::NotFound => young,
        _ => false,
    };
    let live = again_while(|| body.update(aws, &there.arn, book), passing).await?;
    let live = fits(&body, live, "the update")?;
    // While AWS still carries the update out, the object takes no other.
    let rest = async {
        usable(aws, live, book, waiting).await?;
        tagged(aws, step, &body, &there.arn, book).await
    };
    rest.await.map_err(|failure| Failure::HalfDone {
        done: "the update".to_owned(),
        failure: Box::new(failure),
    })?;
    Ok(there.arn.clone())
}

/// The object of a step as it is now, if that is what the plan saw.
pub(super) async fn as_planned(
    aws: &Clients,
    stack: &Stack,
    step: &Step,
    planned: &Book,
) -> Result<Still<Box<Live>>, CloudError> {
    let arn = step.arn.clone().expect("a step that changes something has an object");
    let there = if step.writes_spec() {
        step.address.kind.get(aws, &[arn], planned).await?.pop()
    } else {
        // Tags alone say whether tags may be changed.
        let tags = crate::aws::found(step.address.kind.tags_of(aws, &arn).await)?;
        let listed = |tags| Live::listed(step.address.kind, arn.as_str(), tags);
        tags.map(|tags| Live { body: step.before.clone(), ..listed(tags) })
    };
    let Some(mut there) = there else { return Ok(Still::Gone) };
    if there.owner() != step.owner {
        return Ok(Still::Not(format!("it belongs to {} now", there.owner())));
    }
    show_managed_tags(&mut there, stack);
    let (Some(before), Some(now)) = (&step.before, &mut there.body) else {
        return Ok(Still::So(Box::new(there)));
    };
    if step.owner == Owner::Nobody {
        now.taken_over(before);
    }
    now.unseen(before);
    let fields = difference(before, now, &step.ignored);
    if fields.is_empty() {
        return Ok(Still::So(Box::new(there)));
    }
    let fields: Vec<&str> = fields.iter().map(|it| it.path.as_str()).collect();
    Ok(Still::Not(format!("it was changed since the plan was made: {}", fields.join(", "))))
}

/// Writes the tags that differ: those of the manifest, and our own marks with the new digest.
async fn tagged(
    aws: &Clients,
    step: &Step,
    body: &Body,
    arn: &Arn,
    book: &Book,
) -> Result<(), Failure> {
    let kind = step.address.kind;
    // Of the manifest, whatever was ignored: it tells whether the manifest changed since.
    let digest = match step.marks.digest.as_str() {
        "" => step.body.as_ref().and_then(|it| it.digest(book)).unwrap_or_default(),
        kept => kept.to_owned(),
    };
    let mut wanted = tags_in(body);
    wanted.extend(Marks { digest, ..step.marks.clone() }.tags());
    let mut gone: Vec<String> = Vec::new();
    if let Some(before) = &step.before {
        let before = tags_in(before);
        gone.extend(before.into_keys().filter(|key| !wanted.contains_key(key)));
    }
    if step.fields.iter().any(|it| it.path == "lifecycle.protect") && !step.marks.protect {
        gone.push(owner::PROTECT.to_owned());
    }
    if let Owner::Stack(then) = &step.owner
        && then.rotation.is_some()
        && step.marks.rotation.is_none()
    {
        gone.push(owner::ROTATION.to_owned());
    }
    // Removing first keeps an object near the limit of 50 tags within it (rule 5).
    if !gone.is_empty() {
        again(|| kind.untag(aws, arn, &gone)).await?;
    }
    again(|| body.tag(aws, arn, &wanted, book)).await?;
    Ok(())
}

/// Whether an object is still what the plan saw: ours, under this name, and not protected meanwhile.
pub(super) async fn still_ours(
    aws: &Clients,
    step: &Step,
    arn: &Arn,
) -> Result<Still<()>, CloudError> {
    let tags = match step.address.kind.tags_of(aws, arn).await {
        Ok(tags) => tags,
        Err(error) if error.class == Class::NotFound => return Ok(Still::Gone),
        Err(error) => return Err(error),
    };
    let owner = Owner::of(&tags);
    Ok(match (&owner, &step.owner) {
        (Owner::Stack(now), _) if now.protect => {
            Still::Not("it was protected meanwhile".to_owned())
        }
        (Owner::Stack(now), Owner::Stack(then))
            if (&now.stack, &now.name, &now.op) == (&then.stack, &then.name, &then.op) =>
        {
            Still::So(())
        }
        _ => Still::Not(format!("it belongs to {owner} now")),
    })
}

/// Whether an object is still what the plan saw.
pub(super) enum Still<T> {
    /// It is.
    So(T),
    /// It is not there any more.
    Gone,
    /// No, and why.
    Not(String),
}

/// Deletes an object and waits until it is over.
pub(super) async fn deleted(
    aws: &Clients,
    kind: Kind,
    arn: &Arn,
    waiting: impl Fn(String),
) -> Result<(), Failure> {
    again(|| kind.delete(aws, arn)).await?;
    if kind.facts().ended.is_empty() {
        return Ok(());
    }
    until_nobody_is_there(aws, kind, arn, waiting).await
}

/// Sends the audience away and waits until it is gone.
pub(super) async fn interrupted(
    aws: &Clients,
    kind: Kind,
    arn: &Arn,
    waiting: impl Fn(String),
) -> Result<(), Failure> {
    if !again(|| kind.interrupt(aws, arn)).await? {
        return Ok(());
    }
    until_nobody_is_there(aws, kind, arn, waiting).await
}

async fn until_nobody_is_there(
    aws: &Clients,
    kind: Kind,
    arn: &Arn,
    waiting: impl Fn(String),
) -> Result<(), Failure> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(250);
    while kind.audience(aws, arn).await?.is_some() {
        if start.elapsed() > PATIENCE {
            return Err(Failure::TooSlow { state: "live".to_owned(), seconds: PATIENCE.as_secs() });
        }
        waiting("waiting for its end".to_owned());
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
    Ok(())
}
