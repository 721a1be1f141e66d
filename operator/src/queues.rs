//! The queues: one run at a time for an account and region, and so many in all. Knows no Target and starts nothing.

use ivs_apply::fleet::Queue;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// The queues: one run at a time for an account and region, and so many in all.
pub(crate) struct Queues {
    queues: Mutex<BTreeMap<Queue, Arc<tokio::sync::Mutex<()>>>>,
    all: Arc<Semaphore>,
}

impl Queues {
    /// So many runs at the same time.
    pub(crate) fn new(parallel: usize) -> Self {
        Self { queues: Mutex::default(), all: Arc::new(Semaphore::new(parallel)) }
    }

    /// Waits for the turn of a run. One that waits for its queue takes no place of others.
    pub(crate) async fn turn(
        &self,
        queue: Queue,
    ) -> Option<(OwnedMutexGuard<()>, OwnedSemaphorePermit)> {
        let queue = {
            let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            // One that nobody holds or waits for is forgotten.
            queues.retain(|_, it| Arc::strong_count(it) > 1);
            Arc::clone(queues.entry(queue).or_default())
        };
        let turn = queue.lock_owned().await;
        Some((turn, Arc::clone(&self.all).acquire_owned().await.ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_queue_has_one_run_at_a_time_and_all_of_them_so_many() {
        let queues = Arc::new(Queues::new(3));
        let running: Arc<Vec<AtomicUsize>> =
            Arc::new((0..6).map(|_| AtomicUsize::new(0)).collect());
        let most = Arc::new(AtomicUsize::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for it in 0..60 {
            let (queues, running, most) =
                (Arc::clone(&queues), Arc::clone(&running), Arc::clone(&most));
            tasks.spawn(async move {
                let queue = Queue { account: (it % 6).to_string(), region: "r".to_owned() };
                let _turn = queues.turn(queue).await.expect("open");
                assert_eq!(
                    running[it % 6].fetch_add(1, Ordering::SeqCst),
                    0,
                    "two runs in one queue"
                );
                let all = running.iter().map(|it| it.load(Ordering::SeqCst)).sum();
                most.fetch_max(all, Ordering::SeqCst);
                tokio::task::yield_now().await;
                running[it % 6].fetch_sub(1, Ordering::SeqCst);
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no run fails");
        }
        assert_eq!(most.load(Ordering::SeqCst), 3);
        let _turn = queues.turn(Queue { account: "9".to_owned(), region: "r".to_owned() }).await;
        assert_eq!(
            queues.queues.lock().expect("not poisoned").len(),
            1,
            "queues that nobody uses are forgotten"
        );
    }
}
