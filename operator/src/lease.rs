//! Who leads: what one operator may do, by what it has seen of the Lease and by its own clock.
//!
//! Functions over values, without a clock, without the API server. The clocks of two machines are never compared: an
//! operator measures how long *it* has seen a Lease unchanged, from a moment after the holder wrote it; and the holder
//! measures its own time from a moment before it wrote. So the holder stops before another one may begin, whatever the
//! clocks say and however late a request arrives.

use std::time::Duration;

/// The times of the election. The holder has to have stopped before `expires`, with room for clocks of unequal speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// How long the holder waits between two renewals.
    pub(crate) renew: Duration,
    /// How long after its last renewal the holder tells its children to end.
    pub(crate) stop: Duration,
    /// How long after its last renewal the holder ends the children that have not ended.
    pub(crate) kill: Duration,
    /// How long another operator has to see the Lease unchanged before it takes it.
    pub(crate) expires: Duration,
}

impl Times {
    /// The times for a Lease that expires after so long: the holder has a fifth of it as room.
    pub(crate) fn of(expires: Duration) -> Self {
        Self { renew: expires / 5, stop: expires * 3 / 5, kill: expires * 4 / 5, expires }
    }
}

/// What an operator has seen of the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Who holds it; nobody where it was given back.
    pub(crate) holder: Option<String>,
    /// Its version: it changes with every write.
    pub(crate) version: String,
    /// When this version was seen first, by the clock of the one who saw it.
    pub(crate) since: Duration,
}

impl Seen {
    /// What is known after another look: of the same version, it is known since the first look.
    pub(crate) fn after(
        before: Option<Self>,
        holder: Option<String>,
        version: String,
        now: Duration,
    ) -> Self {
        match before {
            Some(before) if before.version == version => before,
            _ => Self { holder, version, since: now },
        }
    }
}

/// What an operator does about the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It tries to become the holder.
    Acquire,
    /// It holds it and renews it.
    Renew,
    /// It is not the holder, or not any more: it waits, and ends what it may have begun.
    Yield,
}

/// What to do about a Lease. `renewed` is when the operator began its last renewal that succeeded, where it is the holder.
pub(crate) fn decide(
    seen: Option<&Seen>,
    me: &str,
    renewed: Option<Duration>,
    now: Duration,
    times: Times,
) -> Decision {
    if let Some(renewed) = renewed {
        let is_mine = seen.is_some_and(|it| it.holder.as_deref() == Some(me));
        // An operator that has led once never begins anew: it ends, and the next process has another name.
        return if is_mine && now.saturating_sub(renewed) < times.stop {
            Decision::Renew
        } else {
            Decision::Yield
        };
    }
    match seen {
        None | Some(Seen { holder: None, .. }) => Decision::Acquire,
        Some(seen) if now.saturating_sub(seen.since) >= times.expires => Decision::Acquire,
        Some(_) => Decision::Yield,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn seen(holder: Option<&str>, since: u64) -> Seen {
        Seen { holder: holder.map(str::to_owned), version: "1".to_owned(), since: at(since) }
    }

    fn times() -> Times {
        Times::of(at(15))
    }

    #[test]
    fn a_lease_of_nobody_is_taken_and_one_of_another_only_after_it_expired() {
        let decide = |seen: Option<&Seen>, now| decide(seen, "me", None, at(now), times());
        assert_eq!(decide(None, 0), Decision::Acquire);
        assert_eq!(decide(Some(&seen(None, 5)), 5), Decision::Acquire);
        assert_eq!(decide(Some(&seen(Some("other"), 5)), 19), Decision::Yield);
        assert_eq!(decide(Some(&seen(Some("other"), 5)), 20), Decision::Acquire);
    }

    #[test]
    fn the_holder_renews_until_its_time_is_up_and_never_leads_again_after_it() {
        let decide =
            |holder, now| decide(Some(&seen(Some(holder), 0)), "me", Some(at(3)), at(now), times());
        assert_eq!(decide("me", 11), Decision::Renew);
        assert_eq!(decide("me", 12), Decision::Yield);
        assert_eq!(decide("other", 4), Decision::Yield);
    }

    #[test]
    fn the_time_of_a_version_counts_from_the_first_look_at_it() {
        let first = Seen::after(None, Some("a".to_owned()), "1".to_owned(), at(2));
        let same = Seen::after(Some(first.clone()), Some("a".to_owned()), "1".to_owned(), at(9));
        assert_eq!(same, first);
        let next = Seen::after(Some(same), Some("a".to_owned()), "2".to_owned(), at(10));
        assert_eq!(next.since, at(10));
    }

    const TICKS: Times =
        Times { renew: ticks(1), stop: ticks(2), kill: ticks(3), expires: ticks(5) };

    const fn ticks(count: u8) -> Duration {
        Duration::from_secs(count as u64)
    }

    /// What an operator has seen: how long ago by its own clock, and whether the Lease is still that version.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Look {
        holder: Option<usize>,
        is_current: bool,
        age: u8,
    }

    /// A write that is under way: how long ago it was begun, whether what it replaces is still current, whether it arrived.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Write {
        is_current: bool,
        age: u8,
        won: Option<bool>,
    }

    /// One operator. Times are ages by its own clock: beyond the longest time of the election all are alike, so that there
    /// are finitely many worlds and the search tries every one.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Operator {
        look: Look,
        renewed: Option<u8>,
        write: Option<Write>,
    }

    /// Two operators, who holds the Lease, and by how much the clock of the second is ahead.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct World {
        holder: Option<usize>,
        operators: [Operator; 2],
        ahead: i8,
    }

    fn older(age: u8) -> u8 {
        (age + 1).min(6)
    }

    impl World {
        fn decision(&self, who: usize) -> Decision {
            let it = &self.operators[who];
            // By its own clock it is now 100.
            let seen = Seen {
                holder: it.look.holder.map(|it| it.to_string()),
                version: "1".to_owned(),
                since: ticks(100 - it.look.age),
            };
            decide(
                Some(&seen),
                &who.to_string(),
                it.renewed.map(|age| ticks(100 - age)),
                ticks(100),
                TICKS,
            )
        }

        /// Whether children of this operator may still run.
        fn works(&self, who: usize) -> bool {
            self.operators[who].renewed.is_some_and(|age| ticks(age) < TICKS.kill)
        }

        fn pass(&mut self, who: usize) {
            let it = &mut self.operators[who];
            it.look.age = older(it.look.age);
            it.renewed = it.renewed.map(older);
            if let Some(write) = &mut it.write {
                write.age = older(write.age);
            }
        }

        /// Every world that may come next: time passes for both, or for one alone as far as `apart` allows; one looks at the
        /// Lease, begins a write, has it arrive, or hears what became of it. Anything of this may be late without end.
        fn next(&self, apart: i8) -> Vec<Self> {
            let mut found = Vec::new();
            for (passes, ahead) in [(&[0, 1][..], 0), (&[0], -1), (&[1], 1)] {
                let mut next = *self;
                next.ahead += ahead;
                if next.ahead.abs() <= apart {
                    for who in passes {
                        next.pass(*who);
                    }
                    found.push(next);
                }
            }
            for who in 0..2 {
                let it = self.operators[who];
                if !it.look.is_current {
                    let mut next = *self;
                    next.operators[who].look =
                        Look { holder: self.holder, is_current: true, age: 0 };
                    found.push(next);
                }
                let mut next = *self;
                match it.write {
                    None if self.decision(who) == Decision::Yield => continue,
                    None => {
                        next.operators[who].write =
                            Some(Write { is_current: it.look.is_current, age: 0, won: None });
                    }
                    Some(write) if write.won.is_none() => {
                        if write.is_current {
                            next.holder = Some(who);
                            for other in &mut next.operators {
                                other.look.is_current = false;
                                if let Some(write) = &mut other.write {
                                    write.is_current = false;
                                }
                            }
                        }
                        // The writer knows this version by the answer to its write, as long as it is the current one.
                        next.operators[who].write =
                            Some(Write { won: Some(write.is_current), ..write });
                    }
                    Some(write) => {
                        let it = &mut next.operators[who];
                        it.write = None;
                        if write.won == Some(true) {
                            it.renewed = Some(write.age);
                            // What another one wrote since then makes it an old version.
                            let is_current = write.is_current;
                            it.look = Look { holder: Some(who), is_current, age: 0 };
                        }
                    }
                }
                found.push(next);
            }
            found
        }
    }

    /// Every world that can be reached: how many, whether in one of them both operators have children, and whether both of
    /// them led.
    fn search(apart: i8) -> (usize, bool, bool) {
        let nobody = Operator {
            look: Look { holder: None, is_current: true, age: 0 },
            renewed: None,
            write: None,
        };
        let start = World { holder: None, operators: [nobody; 2], ahead: 0 };
        let mut known = BTreeSet::from([start]);
        let mut open = vec![start];
        let (mut both, mut handed_over) = (false, false);
        while let Some(world) = open.pop() {
            both |= world.works(0) && world.works(1);
            if both {
                break;
            }
            handed_over |= world.operators.iter().all(|it| it.renewed.is_some());
            for next in world.next(apart) {
                if known.insert(next) {
                    open.push(next);
                }
            }
        }
        (known.len(), both, handed_over)
    }

    #[test]
    fn two_operators_never_work_at_once_in_any_order_of_events_of_two_clocks() {
        let (worlds, both, handed_over) = search(1);
        assert!(worlds > 10_000, "{worlds} worlds");
        assert!(handed_over, "the second operator takes over in some of them");
        assert!(!both, "in one of {worlds} worlds both operators have children");
    }

    #[test]
    fn the_search_finds_two_that_work_at_once_where_clocks_part_further_than_there_is_room() {
        assert!(search(2).1, "the search would find a mistake");
    }

    #[test]
    fn each_time_of_the_election_comes_before_the_next() {
        for seconds in [5, 15, 60] {
            let it = Times::of(at(seconds));
            assert!(it.renew < it.stop && it.stop < it.kill && it.kill < it.expires, "{it:?}");
        }
    }
}
