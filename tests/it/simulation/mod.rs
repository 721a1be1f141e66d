//! Test runs with faults at every step lose and duplicate nothing. Each is made from one seed and judged by the
//! emulator's history (`docs/reliability.md` §7).
//!
//! `SIMULATION_MINUTES=60 cargo test --test it fresh_seeds -- --ignored` tries fresh seeds for an hour
//! (`SIMULATION_START=n`: the same ones again). The output names a seed that fails; `SIMULATION_SEED=n cargo test
//! --test it fixed_seeds` runs it alone, and it is added to `ONCE_FAILED`.

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

/// Seeds that every run of the tests tries with `EVERY_CASE`, and the part of them that it tries without.
const FIXED: std::ops::Range<u64> = 0..400;
const FEWER: std::ops::Range<u64> = 0..40;

/// The largest number of test runs that are steered to a cell.
const STEERED: u64 = 120;

/// Seeds that once found a defect.
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

/// The test run of a seed, or what was wrong with it.
fn simulate(seed: u64) -> Result<test_run::TestRun, String> {
    simulate_case(Case::of(seed))
}

fn simulate_case(case: Case) -> Result<test_run::TestRun, String> {
    simulate_with(case, settings().switches)
}

fn simulate_with(case: Case, switches: Switches) -> Result<test_run::TestRun, String> {
    let whole = || {
        let test_run = on_paused_time(test_run::run_case(case, switches));
        oracle::judge(&test_run).map(|()| test_run)
    };
    catch_unwind(AssertUnwindSafe(whole)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}

/// Simulates all of these seeds, as many at once as there are processors. Returns the failures and the cells that
/// were hit.
fn simulate_all(seeds: impl IntoIterator<Item = u64>) -> (Vec<String>, Hits) {
    let seeds: Vec<u64> = seeds.into_iter().collect();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let one_share = |share: usize| {
        let (mut wrong, mut hits) = (Vec::new(), Hits::new());
        for seed in seeds.iter().skip(share).step_by(threads) {
            match simulate(*seed) {
                Ok(test_run) => matrix::count(&test_run, &mut hits),
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
fn nothing_is_lost_with_any_of_the_fixed_seeds_and_every_fault_meets_every_step() {
    if let Some(seed) = number("SIMULATION_SEED") {
        let test_run = simulate(seed);
        assert!(test_run.is_ok(), "{:#?}\n{}", Case::of(seed), test_run.err().unwrap_or_default());
        return;
    }
    let fixed = if every_case() { FIXED } else { FEWER };
    let (wrong, mut hits) = simulate_all(fixed.chain(ONCE_FAILED));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if !every_case() {
        // A part of the seeds is too few to meet every step.
        return;
    }
    // Test runs are steered to the cells that the seeds have not hit.
    for (fault, step) in matrix::missing(&hits) {
        for seed in 0..STEERED {
            let test_run = simulate_case(Case::steered(seed, fault, step));
            let test_run =
                test_run.unwrap_or_else(|why| panic!("steered({seed}, {fault}, {step}): {why}"));
            matrix::count(&test_run, &mut hits);
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
#[ignore = "its seeds are random: SIMULATION_MINUTES=1 cargo test --test it fresh_seeds -- --ignored"]
fn nothing_is_lost_with_fresh_seeds() {
    let minutes = number("SIMULATION_MINUTES").unwrap_or(0);
    let start = Instant::now();
    let mut random = number("SIMULATION_START").map_or_else(Rng::new, Rng::with_seed);
    loop {
        // None of the fixed seeds.
        let first = random.u64(1_000_000..u64::from(u32::MAX));
        say(&format!("fresh seeds: SIMULATION_SEED={first} and the four after it"));
        let (wrong, _) = simulate_all(first..first + 5);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        if start.elapsed() >= Duration::from_secs(60 * minutes) {
            break;
        }
    }
}

#[test]
fn a_seed_determines_the_whole_test_run() {
    for seed in FIXED.take(6) {
        let events = |test_run: test_run::TestRun| {
            let event = |it: &serde_json::Value| {
                format!("{} {} {}", it["operation"], it["arn"], it["atMillis"])
            };
            test_run.history.iter().map(event).collect::<Vec<_>>()
        };
        assert_eq!(simulate(seed).map(events), simulate(seed).map(events), "seed {seed}");
    }
}

/// For each rule of the engine there is a test run that fails without it.
mod mutants {
    use super::{Case, FIXED, ONCE_FAILED, simulate_with, test_run};
    use ivs_apply::emulator::Switches;
    use ivs_apply::mutants::{Mutant, with};

    /// Mutants, each with a seed that is likely to detect it, which is tried first.
    const MUTANTS: [(Mutant, u64); 12] = [
        (Mutant::SdkRetries, 13),
        (Mutant::NoLookAfterUnknown, 13),
        (Mutant::NoLookBeforeCreate, 14),
        (Mutant::UnknownIsDone, 72),
        (Mutant::TagsAfterCreate, 0),
        (Mutant::OpWithoutTime, 0),
        (Mutant::UsedTooSoon, 31),
        (Mutant::PrunedAtOnce, 14),
        (Mutant::DroppedOnStop, 185),
        (Mutant::NoLookBeforeUpdate, 33),
        (Mutant::TagsIgnoredOnDelete, 98),
        (Mutant::NoLookForAudience, 98),
    ];

    /// A test run with the default answers to the open questions, which a client finds harder to handle: other answers
    /// may hide a mutant, such as the refusal to delete a stage with participants.
    fn simulate(seed: u64) -> Result<test_run::TestRun, String> {
        simulate_with(Case::of(seed), Switches::default())
    }

    /// The first seed that detects a mutant, and the failure.
    fn detected(bug: Mutant, likely: u64) -> Option<(u64, String)> {
        let seeds = std::iter::once(likely).chain(FIXED).chain(ONCE_FAILED);
        let mut test_runs = seeds.map(|seed| (seed, with(bug, || simulate(seed))));
        test_runs.find_map(|(seed, test_run)| Some((seed, test_run.err()?)))
    }

    #[test]
    #[expect(
        clippy::print_stderr,
        reason = "another seed than the likely one should be entered in the list"
    )]
    fn every_mutant_is_detected() {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = |share: usize| {
            let mine = MUTANTS.iter().skip(share).step_by(threads);
            mine.map(|(bug, likely)| (*bug, *likely, detected(*bug, *likely))).collect::<Vec<_>>()
        };
        let found: Vec<_> = std::thread::scope(|scope| {
            let share = &share;
            let running: Vec<_> = (0..threads).map(|it| scope.spawn(move || share(it))).collect();
            running.into_iter().flat_map(|it| it.join().expect("panics are caught")).collect()
        });
        for (bug, likely, detected) in &found {
            if let Some((seed, why)) = detected
                && seed != likely
            {
                let why: String = why.chars().take(120).collect();
                eprintln!("{bug:?} is detected by {seed}: {why}");
            }
        }
        let missed: Vec<Mutant> = found.iter().filter(|it| it.2.is_none()).map(|it| it.0).collect();
        assert!(missed.is_empty(), "no fixed seed detects {missed:?}");
    }

    /// Mutants that show only where two rare events coincide.
    #[test]
    fn mutants_that_random_runs_seldom_meet_are_detected_by_tests_of_their_own() {
        use crate::faults;
        assert!(!with(Mutant::DeletedKeyRetaken, faults::a_key_is_rotated_while_listings_lag));
        let seen = faults::the_next_run_sees_created_objects_in_spite_of_the_lag;
        assert!(!with(Mutant::NoEndBarrier, seen));
        assert!(!with(Mutant::PartialListing, faults::an_incomplete_listing_leads_to_no_plan));
    }
}
