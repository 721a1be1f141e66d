//! The lock with a store in memory that loses replies, stalls, lags, has a wrong clock or ignores conditions, in
//! virtual time.

use super::*;
use crate::apply::Signal;
use jiff::Timestamp;
use std::collections::BTreeMap;
use tokio::time::advance;

/// What a store does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Does it, and the reply is lost.
    Lost,
    /// Does not do it, and no reply comes.
    NotDone,
    /// Does it after so many seconds; the reply was given up before.
    Late(u64),
    /// Refuses it.
    Class(Class),
}

#[derive(Debug)]
struct Inner {
    /// Text, and when it was written by the store's clock.
    object: Option<(String, Timestamp)>,
    /// One for each of the next requests; `None` is a good answer.
    faults: Vec<Option<Fault>>,
    /// Every request fails as long as this is so.
    down: bool,
    /// How many of the requests get a random fault, in percent.
    chance: u8,
    /// Conditions that are ignored: on absence, on a version, on deletes.
    deaf: (bool, bool, bool),
    /// A read of an object that does not exist is answered `AccessDenied`, as without permission to list the bucket.
    denies: bool,
    /// How far the store's clock is ahead of the tests' clock.
    ahead: Duration,
    puts: usize,
    /// How often which fault (`docs/reliability.md` §7) met which request.
    met: BTreeMap<(&'static str, &'static str), u32>,
    random: fastrand::Rng,
}

/// A store, and a handle on it.
#[derive(Clone, Debug)]
struct ObjectStore(Arc<Mutex<Inner>>, Instant);

impl ObjectStore {
    fn new() -> Self {
        let inner = Inner {
            object: None,
            faults: Vec::new(),
            down: false,
            chance: 0,
            deaf: (false, false, false),
            denies: false,
            ahead: Duration::ZERO,
            puts: 0,
            met: BTreeMap::new(),
            random: fastrand::Rng::with_seed(0),
        };
        Self(Arc::new(Mutex::new(inner)), Instant::now())
    }

    fn with(change: impl FnOnce(&mut Inner)) -> Self {
        let objects = Self::new();
        change(&mut objects.inner());
        objects
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().expect("one at a time")
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.1.elapsed() + self.inner().ahead
    }

    fn text(&self) -> Option<String> {
        self.inner().object.as_ref().map(|it| it.0.clone())
    }

    fn body(&self) -> Option<Body> {
        Body::read(&self.text()?)
    }

    fn place(&self, text: &str) {
        let now = self.now();
        self.inner().object = Some((text.to_owned(), now));
    }

    async fn take(&self) -> Result<Lock<Self>, Refusal> {
        Lock::take(self.clone(), "prod", &Who::default()).await
    }

    /// Meets a fault, or does it.
    async fn meet<T: Send + 'static>(
        &self,
        request: &'static str,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, CloudError> {
        let fault = {
            let mut inner = self.inner();
            if inner.down {
                Some(Fault::Class(Class::NotSent))
            } else if !inner.faults.is_empty() {
                inner.faults.remove(0)
            } else if inner.random.u8(0..100) < inner.chance {
                Some(match inner.random.u8(0..4) {
                    0 => Fault::Lost,
                    1 => Fault::NotDone,
                    2 => Fault::Late(inner.random.u64(1..30)),
                    _ => Fault::Class(Class::Throttled),
                })
            } else {
                None
            }
        };
        let known = fault.map(|it| match it {
            Fault::Lost => "F2 done, reply lost",
            Fault::NotDone => "F3 not done, reply lost",
            Fault::Late(_) => "F6 done late",
            Fault::Class(_) => "F5 refused",
        });
        if let Some(known) = known {
            *self.inner().met.entry((known, request)).or_default() += 1;
        }
        let failed =
            |class| CloudError { class, ..CloudError::unusable("PutObject", "a planned fault") };
        match fault {
            None => return Ok(work(self)),
            Some(Fault::Class(class)) => return Err(failed(class)),
            Some(Fault::Lost) => drop(work(self)),
            Some(Fault::NotDone) => {}
            Some(Fault::Late(seconds)) => {
                let objects = self.clone();
                tokio::spawn(async move {
                    sleep(Duration::from_secs(seconds)).await;
                    work(&objects);
                });
            }
        }
        sleep(Duration::from_secs(10)).await;
        Err(failed(Class::Unknown))
    }
}

/// As in S3, the same text is the same version.
fn version(text: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish().to_string()
}

impl Store for ObjectStore {
    async fn get(&self) -> Result<Option<Seen>, CloudError> {
        let seen = self.meet("look", |objects| {
            let now = objects.now();
            let inner = objects.inner();
            inner.object.as_ref().map(|(body, written)| Seen {
                body: body.clone(),
                version: version(body),
                age: now.duration_since(*written).try_into().ok(),
            })
        });
        match seen.await? {
            None if self.inner().denies => Err(CloudError {
                class: Class::Denied,
                ..CloudError::unusable("GetObject", "AccessDenied")
            }),
            seen => Ok(seen),
        }
    }

    async fn put(&self, body: String, only: Only<'_>) -> Result<Option<String>, CloudError> {
        let (absent, wanted) = match only {
            Only::Absent => (true, String::new()),
            Only::Version(version) => (false, version.to_owned()),
        };
        let request = if absent { "S4 take" } else { "S5 renew or take over" };
        self.meet(request, move |objects| {
            let now = objects.now();
            let mut inner = objects.inner();
            let holds = match &inner.object {
                _ if absent && inner.deaf.0 || !absent && inner.deaf.1 => true,
                None => absent,
                Some((text, _)) => !absent && version(text) == wanted,
            };
            holds.then(|| {
                inner.puts += 1;
                let version = version(&body);
                inner.object = Some((body, now));
                version
            })
        })
        .await
    }

    async fn delete(&self, wanted: &str) -> Result<bool, CloudError> {
        let wanted = wanted.to_owned();
        self.meet("S14 give back", move |objects| {
            let mut inner = objects.inner();
            let there = inner.object.as_ref().map(|it| version(&it.0));
            let holds = there.is_some_and(|it| it == wanted) || inner.deaf.2;
            holds && inner.object.take().is_some()
        })
        .await
    }

    fn server_time(&self) -> Option<Timestamp> {
        Some(self.now())
    }
}

/// Keeps a lock, and returns what stops the run.
fn kept(lock: &mut Lock<ObjectStore>) -> watch::Receiver<Stop> {
    let (stopper, stop) = watch::channel(Stop::default());
    lock.keep(stopper);
    stop
}

/// Waits until a run is stopped since it lost its lock, for a bounded time.
async fn told(stop: &watch::Receiver<Stop>) {
    let mut stop = stop.clone();
    let told = stop.wait_for(|it| it.first == Some(Signal::LockLost));
    let told = tokio::time::timeout(TTL * 2, told).await.expect("it is told within the TTL");
    assert!(told.is_ok());
}

async fn seconds(count: u64) {
    // In small parts, so that every task that wakes up in between runs.
    for _ in 0..count {
        sleep(Duration::from_secs(1)).await;
    }
}

#[track_caller]
fn held(refusal: Result<Lock<ObjectStore>, Refusal>) -> Holder {
    match refusal {
        Err(Refusal::Held(holder)) => *holder,
        other => panic!("it should be held: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_of_two_is_told_who_has_it_and_writes_nothing() {
    let objects = ObjectStore::new();
    let who = Who {
        user: Some("ann".to_owned()),
        host: Some("runner-7".to_owned()),
        run: Some("https://ci.example/7".to_owned()),
    };
    let first = Lock::take(objects.clone(), "prod", &who).await.expect("it is free");
    seconds(20).await;
    let puts = objects.inner().puts;
    let holder = held(objects.take().await);
    assert_eq!(objects.inner().puts, puts);
    let told = holder.to_string();
    for part in
        ["ann on runner-7", "https://ci.example/7", "`prod`", "1970-01-01T00:00:00Z", "20 s"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.contains(&lock(&first.state).body.nonce), "{told}");
    assert!(matches!(look(&objects).await, Ok(Look::Held(_))));
    assert!(matches!(first.release(&[]).await, Released::Free));
    assert_eq!(objects.text(), None);
    assert!(matches!(look(&objects).await, Ok(Look::Free)));
    objects.take().await.expect("it is free again");
}

#[tokio::test(start_paused = true)]
async fn many_at_once_and_one_has_it() {
    let objects = ObjectStore::new();
    let all = futures_util::future::join_all((0..20).map(|_| objects.take())).await;
    assert_eq!(all.iter().filter(|it| it.is_ok()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_followed_by_a_look_and_not_by_a_refusal_of_oneself() {
    for fault in [Fault::Lost, Fault::NotDone, Fault::Late(5), Fault::Class(Class::Throttled)] {
        for request in 0..5 {
            let objects = ObjectStore::new();
            objects.inner().faults = fault_at(request, fault);
            let lock = objects.take().await;
            let lock = lock.unwrap_or_else(|it| panic!("{fault:?} at {request}: {it}"));
            assert_eq!(
                objects.body().map(|it| it.nonce),
                Some(super::lock(&lock.state).body.nonce.clone())
            );
            assert_eq!(lock.after, None);
            assert!(matches!(lock.release(&[]).await, Released::Free), "{fault:?} at {request}");
            seconds(40).await;
            assert_eq!(objects.text(), None, "{fault:?} at {request}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_holder_is_followed_after_six_minutes_and_not_before() {
    let objects = ObjectStore::new();
    let dead = objects.take().await.expect("it is free");
    let nonce = super::lock(&dead.state).body.nonce.clone();
    advance(Duration::from_secs(359)).await;
    assert_eq!(held(objects.take().await).nonce, nonce);
    advance(Duration::from_secs(1)).await;
    let begun = Instant::now();
    let next = objects.take().await.expect("its holder is dead");
    assert!(begun.elapsed() >= WINDOW, "it was watched");
    let after = next.after.clone().expect("it knows whom it follows");
    assert_eq!((after.holder.nonce, after.intents), (nonce, vec![]));
    // The suspended holder wakes up.
    assert!(matches!(dead.release(&[]).await, Released::NotOurs));
    assert_eq!(
        objects.body().map(|it| it.nonce),
        Some(super::lock(&next.state).body.nonce.clone())
    );
}

#[tokio::test(start_paused = true)]
async fn a_living_holder_keeps_it_for_as_long_as_it_lives() {
    let objects = ObjectStore::new();
    let mut lock = objects.take().await.expect("it is free");
    let stop = kept(&mut lock);
    for _ in 0..60 {
        seconds(60).await;
        held(objects.take().await);
    }
    assert_eq!(stop.borrow().why(), None);
    assert!(objects.body().expect("there").heartbeat > 350);
    assert!(matches!(lock.release(&[]).await, Released::Free));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_less_than_the_ttl_costs_nothing_and_longer_stops_the_run_in_time()
{
    let objects = ObjectStore::new();
    let mut lock = objects.take().await.expect("it is free");
    let stop = kept(&mut lock);
    objects.inner().down = true;
    seconds(45).await;
    objects.inner().down = false;
    seconds(30).await;
    assert_eq!(stop.borrow().why(), None);
    let renewed = super::lock(&lock.state).renewed;
    objects.inner().down = true;
    told(&stop).await;
    assert_eq!(Instant::now() - renewed, TTL);
    assert_eq!(stop.borrow().first, Some(Signal::LockLost));
    assert_eq!(lock.lost(), Some(Lost::NotRenewed));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_suspended_knows_it_before_anybody_tells() {
    let objects = ObjectStore::new();
    let mut lock = objects.take().await.expect("it is free");
    let stop = kept(&mut lock);
    // No other task runs in between, the heartbeat included.
    lock.beating.take().expect("it beats").abort();
    advance(Duration::from_secs(59)).await;
    assert_eq!((stop.borrow().why(), lock.lost()), (None, None));
    advance(Duration::from_secs(1)).await;
    assert_eq!((stop.borrow().first, stop.borrow().why()), (None, Some(Signal::LockLost)));
    assert_eq!(lock.lost(), Some(Lost::NotRenewed));
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_whose_reply_is_lost_is_recognised() {
    for fault in [Fault::Lost, Fault::NotDone, Fault::Late(3), Fault::Late(13)] {
        let objects = ObjectStore::new();
        let mut lock = objects.take().await.expect("it is free");
        let stop = kept(&mut lock);
        for _ in 0..10 {
            objects.inner().faults = vec![Some(fault)];
            seconds(40).await;
            assert_eq!(stop.borrow().why(), None, "{fault:?}");
        }
        assert!(matches!(lock.release(&[]).await, Released::Free), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_was_taken_away_or_over_stops_the_run_at_the_next_heartbeat() {
    for other in [None, Some(Body::new("another".to_owned(), "prod", &Who::default()).text())] {
        let objects = ObjectStore::new();
        let mut lock = objects.take().await.expect("it is free");
        let stop = kept(&mut lock);
        match &other {
            Some(text) => objects.place(text),
            None => objects.inner().object = None,
        }
        let begun = Instant::now();
        told(&stop).await;
        assert!(begun.elapsed() <= BEAT);
        assert!(lock.lost().is_some());
        assert!(matches!(lock.release(&[]).await, Released::NotOurs));
        assert_eq!(objects.text(), other);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_ignores_conditions_is_refused_and_nothing_is_left_in_it() {
    for (deaf, name) in [((true, false), "If-None-Match"), ((false, true), "If-Match")] {
        let objects = ObjectStore::with(|it| it.deaf = (deaf.0, deaf.1, false));
        match objects.take().await {
            Err(Refusal::IgnoresConditions(told)) => assert_eq!(told, name),
            other => panic!("{other:?}"),
        }
        assert_eq!(objects.text(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_ignores_conditions_on_deletes_alone_will_do() {
    let objects = ObjectStore::with(|it| it.deaf = (false, false, true));
    let lock = objects.take().await.expect("it is free");
    // A lock of another run is neither written nor deleted.
    let other = Body::new("another".to_owned(), "prod", &Who::default()).text();
    objects.place(&other);
    assert!(matches!(lock.release(&[]).await, Released::NotOurs));
    assert_eq!(objects.text(), Some(other));
    // Where another run may be about to take it over, it is not deleted.
    objects.inner().object = None;
    let lock = objects.take().await.expect("it is free");
    advance(Duration::from_mins(5)).await;
    assert!(matches!(lock.release(&[]).await, Released::Marked));
    assert!(objects.body().is_some_and(|it| it.released));
    let lock = objects.take().await.expect("the lock is free");
    assert!(matches!(lock.release(&[]).await, Released::Free));
    assert_eq!(objects.text(), None);
}

#[tokio::test(start_paused = true)]
async fn who_gives_it_back_in_the_dark_tells_the_next_one_of_it() {
    let objects = ObjectStore::new();
    let lock = objects.take().await.expect("it is free");
    let unclear = ["Channel/main".to_owned()];
    assert!(matches!(lock.release(&unclear).await, Released::Marked));
    assert!(matches!(look(&objects).await, Ok(Look::Free)));
    let begun = Instant::now();
    let next = objects.take().await.expect("the lock is free");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(next.after.as_ref().map(|it| it.intents.clone()), Some(unclear.to_vec()));
    assert!(matches!(next.release(&[]).await, Released::Free));
    assert_eq!(objects.take().await.expect("it is free").after, None);
}

#[tokio::test(start_paused = true)]
async fn giving_back_survives_lost_replies_and_heartbeats_on_their_way() {
    for unclear in [vec![], vec!["Stage/studio".to_owned()]] {
        for fault in [Fault::Lost, Fault::NotDone, Fault::Class(Class::Throttled)] {
            for request in 0..2 {
                let objects = ObjectStore::new();
                let mut lock = objects.take().await.expect("it is free");
                kept(&mut lock);
                seconds(25).await;
                objects.inner().faults = fault_at(request, fault);
                let released = lock.release(&unclear).await;
                let free = objects.body().is_none_or(|it| it.released && it.intents == unclear);
                assert!(free, "{fault:?} at {request}: {released:?}");
                assert!(!matches!(released, Released::Unknown(_)), "{released:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_dead_holder_of_that_nonce_is_unlocked() {
    let objects = ObjectStore::new();
    assert!(matches!(unlock(&objects, "none").await, Ok(Unlocked::WasFree)));
    let mut lock = objects.take().await.expect("it is free");
    let nonce = super::lock(&lock.state).body.nonce.clone();
    assert!(matches!(unlock(&objects, "none").await, Ok(Unlocked::Other(_))));
    let stop = kept(&mut lock);
    assert!(matches!(unlock(&objects, &nonce).await, Ok(Unlocked::Alive(_))));
    assert_eq!(stop.borrow().why(), None);
    drop(lock);
    let begun = Instant::now();
    assert!(matches!(unlock(&objects, &nonce).await, Ok(Unlocked::Done)));
    assert!(begun.elapsed() >= WINDOW);
    assert_eq!(objects.text(), None);

    for fault in [Fault::Lost, Fault::NotDone] {
        let dead = objects.take().await.expect("it is free");
        let nonce = super::lock(&dead.state).body.nonce.clone();
        objects.inner().faults = fault_at(2, fault);
        assert!(matches!(unlock(&objects, &nonce).await, Ok(Unlocked::Done)), "{fault:?}");
        assert_eq!(objects.text(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_lock_of_this_program_is_never_touched() {
    let later = Body::new("a".to_owned(), "prod", &Who::default()).text();
    let later = later.replace("\"formatVersion\":\"1.0\"", "\"formatVersion\":\"2.0\"");
    assert!(later.contains("2.0"));
    for text in ["", "holiday.jpg", "{}", &later] {
        let objects = ObjectStore::new();
        objects.place(text);
        advance(STEAL_AFTER * 2).await;
        assert!(matches!(objects.take().await, Err(Refusal::NotALock)), "{text}");
        assert!(matches!(look(&objects).await, Ok(Look::NotALock)), "{text}");
        assert!(matches!(unlock(&objects, "a").await, Ok(Unlocked::NotALock)), "{text}");
        assert_eq!(objects.text().as_deref(), Some(text));
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_not_list_the_bucket_can_still_take_it_and_give_it_back() {
    let objects = ObjectStore::with(|it| it.denies = true);
    let lock = objects.take().await.expect("it is free");
    held(objects.take().await);
    assert!(matches!(lock.release(&[]).await, Released::Free));
    assert!(matches!(look(&objects).await, Ok(Look::Free)));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_asked_is_a_refusal_within_a_bound() {
    let objects = ObjectStore::with(|it| it.down = true);
    let begun = Instant::now();
    assert!(matches!(objects.take().await, Err(Refusal::Store(_))));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let objects = ObjectStore::with(|it| it.faults = vec![Some(Fault::Class(Class::Invalid))]);
    let begun = Instant::now();
    assert!(matches!(objects.take().await, Err(Refusal::Store(_))));
    assert_eq!(begun.elapsed(), Duration::ZERO, "what will not change is not tried again");
}

#[tokio::test(start_paused = true)]
async fn the_time_is_the_stores_and_neither_its_error_nor_its_jumps_cost_a_living_holder_the_lock()
{
    let years = Duration::from_hours(24 * 365 * 7);
    let objects = ObjectStore::with(|it| it.ahead = years);
    let mut lock = objects.take().await.expect("it is free");
    let stop = kept(&mut lock);
    assert!(held(objects.take().await).taken_at.is_some_and(|it| it.starts_with("1976-12")));
    for hour in 1..10 {
        seconds(3).await;
        objects.inner().ahead = years + Duration::from_hours(hour);
        held(objects.take().await);
        assert_eq!(stop.borrow().why(), None);
    }
    // Backwards: no heartbeat becomes older by that.
    objects.inner().ahead = Duration::ZERO;
    held(objects.take().await);
    assert!(matches!(lock.release(&[]).await, Released::Free));
}

/// A fault at the n-th request from here on, from nought.
fn fault_at(request: usize, fault: Fault) -> Vec<Option<Fault>> {
    let mut faults = vec![None; request];
    faults.push(Some(fault));
    faults
}

/// Test runs in which several runs take the lock, are killed with it or release it, while the store has faults: at no
/// moment do two of them think that they have it.
#[test]
fn whatever_the_store_does_no_two_runs_have_it_at_once() {
    let (mut taken, mut stolen, mut lost) = (0, 0, 0);
    let mut met = BTreeMap::new();
    for seed in 0..150 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let counts = runtime.block_on(test_run(seed, &mut met));
        (taken, stolen, lost) = (taken + counts.0, stolen + counts.1, lost + counts.2);
    }
    assert!(taken > 500 && stolen > 50 && lost > 20, "{taken} taken, {stolen} stolen, {lost} lost");
    // Four faults, four requests: a pair that never met is a rule that nothing holds.
    assert_eq!(met.len(), 16, "{met:#?}");
}

async fn test_run(
    seed: u64,
    met: &mut BTreeMap<(&'static str, &'static str), u32>,
) -> (u32, u32, u32) {
    let objects = ObjectStore::with(|it| {
        it.random = fastrand::Rng::with_seed(seed);
        it.chance = u8::try_from(seed % 5 * 9).expect("small");
    });
    let inside: Arc<Mutex<BTreeMap<u64, watch::Receiver<Stop>>>> = Arc::default();
    let runs = (0..4).map(|run| {
        let (objects, inside) = (objects.clone(), inside.clone());
        let mut random = fastrand::Rng::with_seed(seed * 10 + run);
        tokio::spawn(async move {
            let (mut taken, mut stolen, mut lost) = (0, 0, 0);
            for _ in 0..6 {
                sleep(Duration::from_millis(random.u64(0..240_000))).await;
                let Ok(mut lock) = objects.take().await else { continue };
                taken += 1;
                stolen += u32::from(lock.after.is_some());
                let stop = kept(&mut lock);
                inside.lock().expect("one at a time").insert(run, stop.clone());
                let dies = random.u8(0..4) == 0;
                if random.u8(0..5) == 0 {
                    // The run and its heartbeat hang, and go on long after.
                    lock.beating.take().expect("it beats").abort();
                }
                for _ in 0..random.u64(1..600) {
                    sleep(Duration::from_secs(1)).await;
                    let inside = inside.lock().expect("one at a time");
                    let who: Vec<&u64> = inside
                        .iter()
                        .filter(|(_, it)| it.borrow().why().is_none())
                        .map(|it| it.0)
                        .collect();
                    assert!(who.len() <= 1, "seed {seed}: {who:?} have it");
                    if stop.borrow().why().is_some() {
                        lost += 1;
                        break;
                    }
                }
                inside.lock().expect("one at a time").remove(&run);
                if !dies {
                    lock.release(&[]).await;
                }
            }
            (taken, stolen, lost)
        })
    });
    let mut sum = (0, 0, 0);
    for run in runs.collect::<Vec<_>>() {
        let (taken, stolen, lost) = run.await.expect("no run finds another in its place");
        sum = (sum.0 + taken, sum.1 + stolen, sum.2 + lost);
    }
    for (pair, count) in &objects.inner().met {
        *met.entry(*pair).or_default() += count;
    }
    sum
}
