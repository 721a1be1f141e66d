//! How large the answers to some work are, and how long they take. Changes nothing about a request.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

tokio::task_local! {
    static RECEIVED: Received;
}

/// The size of the answers to some work, and the time since each request left. Kept apart from other work as in
/// [`WriteTracker`](super::WriteTracker).
#[derive(Clone, Debug, Default)]
pub struct Received(Arc<Mutex<(u64, Duration)>>);

impl Received {
    /// The same work, with its answers counted here.
    pub fn by<W: Future>(&self, work: W) -> impl Future<Output = W::Output> + use<W> {
        RECEIVED.scope(self.clone(), work)
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.so_far().0
    }

    /// Time that the answers took, without what the requests waited for their turn.
    pub fn time(&self) -> Duration {
        self.so_far().1
    }

    fn so_far(&self) -> MutexGuard<'_, (u64, Duration)> {
        self.0.lock().expect("counting does not panic")
    }

    /// Counts an answer for the work that asked for it.
    pub(super) fn count(bytes: usize, time: Duration) {
        // Most work does not count.
        let _ = RECEIVED.try_with(|it| {
            let mut so_far = it.so_far();
            so_far.0 += u64::try_from(bytes).unwrap_or(u64::MAX);
            so_far.1 += time;
        });
    }
}
