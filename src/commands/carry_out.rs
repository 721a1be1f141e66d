//! Carries a plan out for a command, with its progress and its events. Decides nothing.

use super::connection::Connection;
use super::lock::Guard;
use crate::apply::{Event, Outcome, StepStatus};
use crate::engine::{Planned, Refusal};
use crate::ui::Ui;
use crate::ui::progress::Progress;

/// Carries a plan out under the lock of the run.
pub(super) async fn carry_out(
    planned: &Planned,
    connection: &Connection,
    confirmed_deletes: Option<usize>,
    guard: &Guard,
    ui: Ui,
) -> Result<Outcome, Refusal> {
    let plan = &planned.plan;
    let progress = Progress::new(ui, plan);
    let tell = |event: Event| {
        connection.events.happened(&event);
        progress.show(&event);
    };
    let lock = guard.carry_out();
    let carried =
        Box::pin(planned.apply(&connection.session, lock, confirmed_deletes, &tell)).await;
    let outcome = carried?;
    progress.finish();
    let steps = plan.by_id();
    let unknown = outcome.steps.iter().filter(|(_, it)| matches!(it, StepStatus::Unknown(_)));
    guard.leaves_unclear(unknown.map(|(id, _)| steps[id].address.to_string()));
    Ok(outcome)
}
