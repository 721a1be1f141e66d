//! Who changed what has drifted: the last recorded writes to these objects, from CloudTrail.
//!
//! Asks for few events and gives up early: AWS allows two requests a second, for everybody who uses the account. Never
//! called for a plan.

use crate::aws::trail::{Blame, By, Page, Recorded, Stopped, Trail, Window, Write};
use crate::aws::{Class, CloudError};
use crate::kinds::{Arn, Kind, Operation, Verb};
use jiff::{SignedDuration, Timestamp};

/// How far back AWS answers.
const DAYS: i64 = 90;

/// The most objects that are asked for one by one.
const MOST_NAMES: usize = 20;

/// After so many objects that AWS knows nothing of by name, and none that it knows, it does not record the names.
const ENOUGH_UNKNOWN: usize = 3;

/// The most pages of all events of the service: two thousand events, read in 20 seconds.
const MOST_PAGES: usize = 40;

/// The most writes that are told of one object.
const MOST_WRITES: usize = 3;

/// The service, as CloudTrail calls both of its APIs.
const SOURCE: &str = "ivs.amazonaws.com";

/// An object that differs, or one that was deleted, of which only the kind is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// This object was changed.
    Changed(Arn),
    /// An object of this kind was deleted, and its ARN is not known any more.
    Deleted(Kind),
}

/// Asks who wrote to each of these. `exists` says whether an object of this ARN exists now: it was not deleted.
pub async fn blame(
    trail: &Trail,
    questions: &[Question],
    now: Option<Timestamp>,
    exists: &(dyn Fn(&str) -> bool + Sync),
) -> Blame {
    let window = now.and_then(|to| {
        let from = to.checked_sub(SignedDuration::from_hours(24 * DAYS)).ok()?;
        Some(Window { from, to })
    });
    let mut blame = Blame { writes: vec![Vec::new(); questions.len()], ..Blame::default() };
    let asked = Asked { trail, questions, window, exists };
    if let Err(error) = asked.all(&mut blame).await {
        blame.stopped = Some(match error.class {
            Class::Denied => Stopped::NoPermission(error),
            _ => Stopped::Failed(error),
        });
    }
    blame
}

struct Asked<'a> {
    trail: &'a Trail,
    questions: &'a [Question],
    /// `None` where the server does not say what time it is: then all that AWS keeps.
    window: Option<Window>,
    exists: &'a (dyn Fn(&str) -> bool + Sync),
}

impl Asked<'_> {
    async fn all(&self, blame: &mut Blame) -> Result<(), CloudError> {
        self.by_name(blame).await?;
        if blame.writes.iter().any(Vec::is_empty) {
            self.by_source(blame).await?;
        }
        Ok(())
    }

    async fn look_up(&self, by: By<'_>, token: Option<String>) -> Result<Page, CloudError> {
        self.trail.look_up(by, self.window, token).await
    }

    /// One request an object, until it is clear that AWS does not record the names of these.
    async fn by_name(&self, blame: &mut Blame) -> Result<(), CloudError> {
        let (mut known, mut unknown) = (0, 0);
        let named = self.questions.iter().enumerate().filter_map(|(index, it)| match it {
            Question::Changed(arn) => Some((index, arn)),
            Question::Deleted(_) => None,
        });
        for (index, arn) in named.take(MOST_NAMES) {
            let page = self.look_up(By::ResourceName(arn.as_str()), None).await?;
            blame.writes[index] = writes(&page.events, |it| it.is_about(arn.as_str()));
            if page.events.is_empty() {
                unknown += 1;
            } else {
                known += 1;
            }
            if known == 0 && unknown == ENOUGH_UNKNOWN {
                break;
            }
        }
        Ok(())
    }

    /// All events of the service, the newest first, until each question has an answer.
    async fn by_source(&self, blame: &mut Blame) -> Result<(), CloudError> {
        let mut token = None;
        for _ in 0..MOST_PAGES {
            let page = self.look_up(By::EventSource(SOURCE), token.take()).await?;
            for (question, writes) in self.questions.iter().zip(&mut blame.writes) {
                self.add(question, &page.events, writes);
            }
            if let Some(at) = page.events.last().and_then(|it| it.at) {
                blame.read_back_to = Some(at);
            }
            let open = blame.writes.iter().any(Vec::is_empty);
            token = page.next;
            if token.is_none() {
                blame.read_back_to = None;
            }
            if token.is_none() || !open {
                break;
            }
        }
        Ok(())
    }

    /// Adds what a page says to a question, up to the most writes.
    fn add(&self, question: &Question, events: &[Recorded], found: &mut Vec<Write>) {
        let room = MOST_WRITES.saturating_sub(found.len());
        let more = match question {
            Question::Changed(arn) => writes(events, |it| it.is_about(arn.as_str())),
            Question::Deleted(kind) => {
                events.iter().filter_map(|it| self.deletion(*kind, it)).collect()
            }
        };
        let known: Vec<String> = found.iter().map(|it| it.id.clone()).collect();
        found.extend(more.into_iter().filter(|it| !known.contains(&it.id)).take(room));
    }

    /// The deletion of an object of a kind that does not exist any more.
    fn deletion(&self, kind: Kind, event: &Recorded) -> Option<Write> {
        let resource = kind.facts().arn_type?;
        let deletes = |it: &Operation| it.verb == Verb::Delete && it.name == event.name;
        if event.failed() || event.reads() || !kind.facts().operations.iter().any(deletes) {
            return None;
        }
        let is_of_kind = |arn: &&str| {
            arn.starts_with("arn:aws:ivs:")
                && arn.split(':').nth(5).is_some_and(|it| it.split('/').next() == Some(resource))
        };
        let asked = event.asked();
        let arn = asked.into_iter().find(is_of_kind).filter(|it| !(self.exists)(it))?;
        Some(Write { possibly: Some(arn.to_owned()), ..write(event) })
    }
}

/// The last writes among events that `is_meant` chooses.
fn writes(events: &[Recorded], is_meant: impl Fn(&Recorded) -> bool) -> Vec<Write> {
    let meant = events.iter().filter(|it| !it.reads() && !it.failed() && is_meant(it));
    meant.take(MOST_WRITES).map(write).collect()
}

fn write(event: &Recorded) -> Write {
    Write {
        principal: event.principal().map(ToOwned::to_owned),
        at: event.at,
        event: event.name.clone(),
        id: event.id.clone(),
        possibly: None,
    }
}
