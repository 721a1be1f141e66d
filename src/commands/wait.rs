//! `apply --wait`: stays until what the run has deferred is carried out, or time is up.

use super::carry_out::carry_out;
use super::failure::{failed, refused};
use super::lock::Guard;
use super::session::Session;
use crate::apply::{Deferred, Event, Outcome, StepStatus, Wait};
use crate::aws::Class;
use crate::engine::{self, Planned};
use crate::kinds::Address;
use crate::plan::{Action, Plan};
use crate::ui::escape::escape;
use crate::ui::progress::Progress;
use crate::ui::{Ui, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// The longest wait.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// The value of `--wait`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    crate::cli::time(text, "wait", Duration::from_secs(1), LONGEST)
}

/// What came of a wait.
pub(super) struct Waited {
    /// How long it took.
    pub(super) took: Duration,
    /// The plans that were carried out in it.
    pub(super) rounds: Vec<json::Round>,
}

/// Waits for what a run has deferred and carries it out, as often as something of it can be, until nothing is left, the
/// time is up, a step fails, or a signal comes. The lock of the run is kept and renewed meanwhile.
pub(super) async fn for_deferred(
    session: &mut Session,
    guard: &Guard,
    outcome: &mut Outcome,
    at_most: Duration,
    ui: Ui,
) -> Waited {
    let begun = Instant::now();
    let mut rounds = Vec::new();
    let mut fruitless = 0;
    while outcome.is_well() {
        let deferred = session.planned.deferred(outcome);
        let left = at_most.saturating_sub(begun.elapsed());
        if deferred.is_empty() || left.is_zero() {
            break;
        }
        let again = async {
            if !waited(session, guard, &deferred, left, fruitless, ui).await? {
                return Ok(None);
            }
            let planned = session.planned.again(&session.connection.session, &deferred);
            Box::pin(planned).await.map(Some)
        };
        let again = guard.unless_stopped(again).await.unwrap_or(Ok(None));
        let again = match again {
            Ok(Some(again)) => again,
            Ok(None) => {
                outcome.stopped = guard.stopped();
                break;
            }
            Err(error) => {
                let failure = failed(&error);
                let lasting = is_lasting(&error);
                let then = if lasting { "the wait ends" } else { "trying again" };
                ui.say(&format!("warning: {}; {then}\n", escape(&failure.message, 2_000)));
                if lasting {
                    break;
                }
                fruitless += 1;
                continue;
            }
        };
        if !again.plan.has_work() {
            fruitless += 1;
            continue;
        }
        let carried = carry_out(&again, &session.connection, None, guard, ui).await;
        let ended = match carried {
            Ok(ended) => ended,
            // A freeze that has begun: what is left waits for its end.
            Err(engine::Refusal::Frozen { .. }) => {
                fruitless += 1;
                continue;
            }
            Err(refusal) => {
                let failure = refused(refusal);
                ui.say(&format!("error: {}\n", escape(&failure.message, 2_000)));
                break;
            }
        };
        fruitless = 0;
        rounds.push(round(&again, &ended, begun.elapsed()));
        session.planned.absorb(outcome, &again, ended);
    }
    Waited { took: begun.elapsed(), rounds }
}

/// Waits until something can probably be carried out.
async fn waited(
    session: &Session,
    guard: &Guard,
    deferred: &[Deferred],
    left: Duration,
    fruitless: u32,
    ui: Ui,
) -> Result<bool, engine::Error> {
    let connection = &session.connection;
    let progress = Progress::new(ui, &Plan::default());
    let tell = |wait: Wait| {
        let event = Event::Waiting { address: None, wait };
        connection.events.happened(&event);
        progress.show(&event);
    };
    let engine = &connection.session;
    let waited = session.planned.wait(engine, guard.lock(), deferred, left, fruitless, &tell).await;
    progress.finish();
    let kind = deferred[0].address.kind;
    waited.map_err(|source| engine::Error::Read(crate::cloud::ReadError { kind, source }))
}

/// Whether the next try would fail as well.
fn is_lasting(error: &engine::Error) -> bool {
    match error {
        engine::Error::Read(error) => {
            matches!(error.source.class, Class::Denied | Class::NoCredentials)
        }
        _ => true,
    }
}

fn round(planned: &Planned, ended: &Outcome, after: Duration) -> json::Round {
    let steps = planned.plan.by_id();
    let told = |(id, status): &(usize, StepStatus)| -> (Address, Action, &'static str) {
        (steps[id].address.clone(), steps[id].action, status.as_str())
    };
    json::Round { after, steps: ended.steps.iter().map(told).collect() }
}

/// The resources of what is left.
pub(super) fn left(session: &Session, outcome: &Outcome) -> BTreeSet<Address> {
    session.planned.deferred(outcome).into_iter().map(|it| it.address).collect()
}
