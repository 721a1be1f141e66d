//! Nothing is lost, whatever goes wrong: whole lives from one number each, with faults at every step, judged by
//! what truly happened to the account (`docs/reliability.md` §7).
//!
//! `SIMULATION_MINUTES=60 cargo test --test it fresh_lives -- --ignored` lives fresh seeds for an hour
//! (`SIMULATION_START=n`: the same ones again). A seed that fails says so; `SIMULATION_SEED=n cargo test --test it
//! fixed_lives` lives it alone, and it joins `ONCE_FAILED`.

mod chance;
mod matrix;
mod oracle;
mod test_run;

use crate::account::{on_paused_time, settings};
use crate::left_out::{every_case, say};
use chance::Case;
use fastrand::Rng;
use ivs_apply::emulator::Switches;
use matrix::Hits;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Seeds that every run of the tests lives with `EVERY_CASE`, and the part of them that it lives without.
const FIXED: std::ops::Range<u64> = 0..400;
const FEWER: std::ops::Range<u64> = 0..100;

/// Lives that a cell is steered to at most.
const STEERED: u64 = 120;

/// Seeds that found something once.
const ONCE_FAILED: [u64; 28] = [
    7_840_614,
    663_727_259,
    1_114_783_386,
    466_554_892,
    2_818_454_782,
    568_626_268,
    3_228_866_035,
    248,
    290,
    1765,
    2714,
    7_023_646,
    7_066_854,
    7_082_708,
    7_098_163,
    158_976_595,
    573_090_040,
    765_613_779,
    1_395_838_975,
    1_976_604_499,
    2_004_094_323,
    2_866_593_324,
    3_108_624_659,
    3_344_388_792,
    3_452_800_059,
    3_544_975_458,
    3_704_330_671,
    461_289_558,
];

/// Lives one seed and says what was wrong with it.
fn lived(seed: u64) -> Result<test_run::Life, String> {
    lived_as(Case::of(seed))
}

fn lived_as(case: Case) -> Result<test_run::Life, String> {
    lived_where(case, settings().switches)
}

fn lived_where(case: Case, switches: Switches) -> Result<test_run::Life, String> {
    let whole = || {
        let life = on_paused_time(test_run::observed(case, switches));
        oracle::judge(&life).map(|()| life)
    };
    catch_unwind(AssertUnwindSafe(whole)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}

/// Lives all of these, as many side by side as there are processors, and says what was wrong and what was hit.
fn lived_all(seeds: impl IntoIterator<Item = u64>) -> (Vec<String>, Hits) {
    let seeds: Vec<u64> = seeds.into_iter().collect();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let one_share = |share: usize| {
        let (mut wrong, mut hits) = (Vec::new(), Hits::new());
        for seed in seeds.iter().skip(share).step_by(threads) {
            match lived(*seed) {
                Ok(life) => matrix::count(&life, &mut hits),
                Err(why) => wrong.push(format!("SIMULATION_SEED={seed}: {why}")),
            }
        }
        (wrong, hits)
    };
    let shares = std::thread::scope(|scope| {
        let one_share = &one_share;
        let running: Vec<_> =
            (0..threads).map(|share| scope.spawn(move || one_share(share))).collect();
        running.into_iter().map(|it| it.join().expect("panics are caught")).collect::<Vec<_>>()
    });
    let (mut wrong, mut hits) = (Vec::new(), Hits::new());
    for (more, counts) in shares {
        wrong.extend(more);
        for (cell, count) in counts {
            *hits.entry(cell).or_default() += count;
        }
    }
    (wrong, hits)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|it| it.parse().expect("a number"))
}

#[test]
fn nothing_is_lost_in_any_of_the_fixed_lives_and_every_fault_meets_every_step() {
    if let Some(seed) = number("SIMULATION_SEED") {
        let life = lived(seed);
        assert!(life.is_ok(), "{:#?}\n{}", Case::of(seed), life.err().unwrap_or_default());
        return;
    }
    let fixed = if every_case() { FIXED } else { FEWER };
    let (wrong, mut hits) = lived_all(fixed.chain(ONCE_FAILED));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if !every_case() {
        // The part of them is too few to meet every step.
        return;
    }
    // What chance has left open is steered to.
    for (fault, step) in matrix::missing(&hits) {
        for seed in 0..STEERED {
            let life = lived_as(Case::steered(seed, fault, step));
            let life = life.unwrap_or_else(|why| panic!("steered({seed}, {fault}, {step}): {why}"));
            matrix::count(&life, &mut hits);
            if hits.contains_key(&(fault, step)) {
                break;
            }
        }
    }
    let missing = matrix::missing(&hits);
    let elsewhere = matrix::ELSEWHERE;
    assert!(missing.is_empty(), "never hit: {missing:?}\nhit: {hits:?}\nnot here: {elsewhere:?}");
}

#[test]
#[ignore = "its seeds are random: SIMULATION_MINUTES=1 cargo test --test it fresh_lives -- --ignored"]
fn nothing_is_lost_in_fresh_lives_either() {
    let minutes = number("SIMULATION_MINUTES").unwrap_or(0);
    let start = Instant::now();
    let mut random = number("SIMULATION_START").map_or_else(Rng::new, Rng::with_seed);
    loop {
        // Far from the fixed ones.
        let first = random.u64(1_000_000..u64::from(u32::MAX));
        say(&format!("fresh lives: SIMULATION_SEED={first} and the four after it"));
        let (wrong, _) = lived_all(first..first + 5);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        if start.elapsed() >= Duration::from_secs(60 * minutes) {
            break;
        }
    }
}

#[test]
fn a_seed_decides_everything() {
    for seed in FIXED.take(6) {
        let told = |life: test_run::Life| {
            let event = |it: &serde_json::Value| {
                format!("{} {} {}", it["operation"], it["arn"], it["atMillis"])
            };
            life.history.iter().map(event).collect::<Vec<_>>()
        };
        assert_eq!(lived(seed).map(told), lived(seed).map(told), "seed {seed}");
    }
}

/// Each rule of the engine is held by a life that fails without it.
mod mutants {
    use super::{Case, FIXED, ONCE_FAILED, lived_where, test_run};
    use ivs_apply::emulator::Switches;
    use ivs_apply::mutants::{Mutant, with};

    /// Planted bugs, each with a seed that is likely to notice it: tried first, to be quick.
    const PLANTED: [(Mutant, u64); 12] = [
        (Mutant::SdkRetries, 13),
        (Mutant::NoLookAfterUnknown, 13),
        (Mutant::NoLookBeforeCreate, 14),
        (Mutant::UnknownIsDone, 71),
        (Mutant::TagsAfterCreate, 0),
        (Mutant::OpWithoutTime, 0),
        (Mutant::UsedTooSoon, 31),
        (Mutant::PrunedAtOnce, 14),
        (Mutant::DroppedOnStop, 185),
        (Mutant::NoLookBeforeUpdate, 33),
        (Mutant::TagsIgnoredOnDelete, 98),
        (Mutant::NoLookForAudience, 98),
    ];

    /// A life in which the open questions have their default answers, those that are harder on a client: a kinder
    /// one may forgive a bug, as one does that refuses to delete a stage with people on it.
    fn lived(seed: u64) -> Result<test_run::Life, String> {
        lived_where(Case::of(seed), Switches::default())
    }

    /// The first life that notices a bug, and what it says.
    fn noticed(bug: Mutant, likely: u64) -> Option<(u64, String)> {
        let seeds = std::iter::once(likely).chain(FIXED).chain(ONCE_FAILED);
        let mut lives = seeds.map(|seed| (seed, with(bug, || lived(seed))));
        lives.find_map(|(seed, life)| Some((seed, life.err()?)))
    }

    #[test]
    #[expect(
        clippy::print_stderr,
        reason = "which seed notices is worth noting where it has moved"
    )]
    fn every_planted_bug_is_caught_within_the_fixed_lives() {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = |share: usize| {
            let mine = PLANTED.iter().skip(share).step_by(threads);
            mine.map(|(bug, likely)| (*bug, *likely, noticed(*bug, *likely))).collect::<Vec<_>>()
        };
        let found: Vec<_> = std::thread::scope(|scope| {
            let share = &share;
            let running: Vec<_> = (0..threads).map(|it| scope.spawn(move || share(it))).collect();
            running.into_iter().flat_map(|it| it.join().expect("panics are caught")).collect()
        });
        for (bug, likely, noticed) in &found {
            if let Some((seed, why)) = noticed
                && seed != likely
            {
                let why: String = why.chars().take(120).collect();
                eprintln!("{bug:?} is noticed by {seed}: {why}");
            }
        }
        let missed: Vec<Mutant> = found.iter().filter(|it| it.2.is_none()).map(|it| it.0).collect();
        assert!(missed.is_empty(), "no fixed life notices {missed:?}");
    }

    /// What takes two rare things at once is told by itself.
    #[test]
    fn bugs_that_chance_seldom_meets_are_caught_by_their_own_tests() {
        use crate::faults;
        assert!(!with(Mutant::DeletedKeyRetaken, faults::a_key_is_rotated_while_listings_lag));
        let seen = faults::the_next_run_sees_what_was_made_in_spite_of_the_lag;
        assert!(!with(Mutant::NoEndBarrier, seen));
        assert!(!with(Mutant::PartialListing, faults::a_listing_that_breaks_off_is_no_plan));
    }
}
