//! What is measured of the program alone.

use crate::account::{Account, channels, mixed, stack};
use crate::process::{Cost, ivs_apply, run, run_unsampled};
use crate::rows::{Row, Table, mebibytes, median, thousands, time};
use ivs_apply::kinds::operation::PUBLISHED_RATES;
use ivs_apply::kinds::{Arn, Kind, Observed, ObservedState, OwnershipTags, Stack};
use ivs_apply::manifest::{Loaded, load_text};
use ivs_apply::plan::{Policy, Status, plan};
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The word that makes this program plan and do nothing else.
pub(crate) const PLAN_ONLY: &str = "plan-only";

/// How many resources the rows that grow are measured with.
const COUNTS: [usize; 3] = [1_000, 10_000, 100_000];

/// The size of the program.
pub(crate) fn size(table: &mut Table) -> io::Result<()> {
    let size = mebibytes(std::fs::metadata(env!("CARGO_BIN_EXE_ivs-apply"))?.len());
    let row = Row::of("the program, stripped", format!("{size:.1} MiB"));
    table.push(row.within("32 MiB", size <= 32.0));
    Ok(())
}

/// `cargo build` where nothing is built yet, for development: with all that the program has, and with what it has had since
/// its first version, so that versions can be compared. The crates are downloaded already.
pub(crate) fn cold_build(table: &mut Table) -> io::Result<()> {
    const TURNS: usize = 3;
    let features: [(&str, &[&str]); 2] = [
        (
            "cold `cargo build` with the features `cli` and `emulator`",
            &["--no-default-features", "--features=cli,emulator"],
        ),
        ("cold `cargo build`", &[]),
    ];
    for (what, features) in features {
        let costs = turns(TURNS, || {
            let target = tempfile::tempdir()?;
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--locked", "--quiet", "--manifest-path"]);
            cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).args(features);
            run_unsampled(cargo.arg("--target-dir").arg(target.path()))
        })?;
        let [wall, processor] = [0, 1].map(|at| median(costs.iter().map(|it| it[at]).collect()));
        let figures = format!("{}, processor {}", time(wall), time(processor));
        table.push(Row::of(what, figures));
    }
    Ok(())
}

/// From nothing to an answer, and to the first call.
pub(crate) fn cold_start(table: &mut Table) -> io::Result<()> {
    const TURNS: usize = 21;
    let home = tempfile::tempdir()?;
    let costs = turns(TURNS, || run(ivs_apply(home.path()).arg("--version")))?;
    table.push(Row::of("`--version`", time(median(walls(&costs)))));
    std::fs::write(home.path().join("channels.yaml"), channels(10))?;
    let firsts = turns(TURNS, || until_first_call(home.path()))?;
    let first = median(firsts);
    let row = Row::of("from start to the first call, `plan` of 10 channels", time(first));
    table.push(row.within("50 ms", first <= Duration::from_millis(50)));
    Ok(())
}

fn until_first_call(home: &Path) -> io::Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut command = ivs_apply(home);
    command.args(["plan", "-f", "channels.yaml", "--endpoint-url", &url]);
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let (stream, _) = listener.accept()?;
    // A connection is no call yet: the first byte of the request is.
    stream.peek(&mut [0])?;
    let taken = start.elapsed();
    child.kill()?;
    child.wait()?;
    Ok(taken)
}

/// The whole command, manifests in files.
pub(crate) fn validate(table: &mut Table) -> io::Result<()> {
    let mut smaller: Option<Duration> = None;
    for count in COUNTS {
        let home = tempfile::tempdir()?;
        for (index, text) in mixed(count).iter().enumerate() {
            std::fs::write(home.path().join(format!("{index:05}.yaml")), text)?;
        }
        std::fs::write(home.path().join("stack.yaml"), stack())?;
        let times = if count > 10_000 { 3 } else { 7 };
        let costs = turns(times, || run(ivs_apply(home.path()).args(["validate", "-f", "."])))?;
        let wall = median(walls(&costs));
        let memory = mebibytes(median(costs.iter().map(|it| it.memory).collect()));
        let figures = format!("{}{}, {memory:.0} MiB", time(wall), growth(wall, smaller));
        let row = Row::of(format!("`validate` of {} manifests", thousands(count)), figures);
        table.push(match count {
            10_000 => row.within("0.5 s", wall <= Duration::from_millis(500)),
            100_000 => row.within("linear", is_linear(wall, smaller)),
            _ => row,
        });
        smaller = Some(wall);
    }
    Ok(())
}

/// Against what ten times less took.
fn growth(wall: Duration, smaller: Option<Duration>) -> String {
    let ratio = |smaller: Duration| wall.as_secs_f64() / smaller.as_secs_f64();
    smaller.map(|it| format!(" ({:.1} times a tenth of it)", ratio(it))).unwrap_or_default()
}

/// Ten times as much may take a little more than ten times as long: memory gets farther away.
fn is_linear(wall: Duration, smaller: Option<Duration>) -> bool {
    smaller.is_none_or(|smaller| wall <= smaller * 13)
}

/// The plan alone, of an account that was read already.
pub(crate) fn pure_plan(table: &mut Table) -> io::Result<()> {
    let mut smaller: Option<Duration> = None;
    for count in COUNTS {
        let home = tempfile::tempdir()?;
        let mut times = Vec::new();
        let mut memories = Vec::new();
        for _ in 0..3 {
            let file = home.path().join("seconds");
            let mut command = Command::new(std::env::current_exe()?);
            command.args([PLAN_ONLY, &count.to_string()]).env("BENCH_SECONDS", &file);
            memories.push(run(&mut command)?.memory);
            let seconds = std::fs::read_to_string(&file)?;
            times.push(seconds.parse::<f64>().map_err(io::Error::other)?);
        }
        let wall = Duration::from_secs_f64(median(times));
        let memory = mebibytes(median(memories));
        let figures = format!(
            "{}{}, {memory:.0} MiB with manifests and account",
            time(wall),
            growth(wall, smaller)
        );
        let what =
            format!("plan of {} unchanged resources, account already read", thousands(count));
        let row = Row::of(what, figures);
        let kept = wall <= Duration::from_millis(200) && memory <= 200.0;
        table.push(match count {
            10_000 => row.within("0.2 s, 200 MiB", kept),
            100_000 => row.within("linear", is_linear(wall, smaller)),
            _ => row,
        });
        smaller = Some(wall);
    }
    Ok(())
}

/// Plans resources that are all there, and leaves the seconds of the plan alone in a file.
pub(crate) fn plan_only(count: &str) -> io::Result<()> {
    let count: usize = count.parse().map_err(io::Error::other)?;
    let loaded = load_text("manifests.yaml", &mixed(count).concat(), Some("bench"));
    let (stack, observed) = as_wanted(&loaded);
    let start = Instant::now();
    let made = plan(&stack, &loaded.desired, &observed, &Policy::default());
    let taken = start.elapsed();
    if made.status() != Status::Clean || made.unchanged.len() != count {
        return Err(io::Error::other(format!("{:?} of {count}", made.summary())));
    }
    let file = std::env::var_os("BENCH_SECONDS").ok_or_else(|| io::Error::other("no file"))?;
    std::fs::write(file, taken.as_secs_f64().to_string())
}

/// An account in which everything is as its manifest says.
fn as_wanted(loaded: &Loaded) -> (Stack, ObservedState) {
    // A plan that does not fit into the quotas would be another one.
    let quotas = Kind::ALL.iter().map(|kind| (*kind, u32::MAX)).collect();
    let stack = Stack { quotas, ..loaded.stack.clone() };
    let mut observed =
        ObservedState { listed: Kind::ALL.iter().copied().collect(), ..ObservedState::default() };
    for (index, it) in loaded.desired.iter().enumerate() {
        let kind = it.address.kind.facts().arn_type.unwrap_or("none");
        let arn = format!("arn:aws:ivs:us-west-2:000000000000:{kind}/{index:012}");
        observed.addresses.note(it.address.clone(), Arn::new(arn));
    }
    for it in &loaded.desired {
        let ownership = OwnershipTags {
            stack: stack.name.clone(),
            name: it.address.name.clone(),
            digest: it.spec.digest(&observed.addresses).unwrap_or_default(),
            attempt_id: "bench".to_owned(),
            ..OwnershipTags::default()
        };
        let arn = observed
            .addresses
            .arn(&it.address)
            .map(|it| it.as_str().to_owned())
            .unwrap_or_default();
        let object = Observed::listed(it.address.kind, arn, ownership.tags()).with(it.spec.clone());
        observed.owned.insert(it.address.clone(), object);
    }
    (stack, observed)
}

/// Makes channels and plans them again, with the whole program and over a socket.
pub(crate) fn at_aws_rates(table: &mut Table, count: usize) -> io::Result<()> {
    let home = tempfile::tempdir()?;
    let account = Account::at_aws_rates(home.path())?;
    std::fs::write(home.path().join("channels.yaml"), channels(count))?;
    for (word, what, budget) in [("apply", "apply creating", 1.05), ("plan", "plan of", 1.1)] {
        account.count_anew()?;
        let cost = paced(home.path(), &account, word)?;
        let (calls, throttled) = account.calls()?;
        let least = PUBLISHED_RATES.least_seconds(&calls);
        let ratio = cost.wall.as_secs_f64() / least;
        let (all, thousand) = (calls.values().sum::<u64>(), count == 1_000);
        let figures = format!(
            "{}, lower bound {least:.1} s: {ratio:.3} times; {all} calls, {throttled} throttled; {}",
            time(cost.wall),
            beside(&cost)
        );
        let row = Row::of(format!("{what} {} channels at AWS's rates", thousands(count)), figures);
        let kept = ratio <= budget && throttled == 0;
        let budget = format!("{budget} times, none throttled");
        table.push(if thousand { row.within(budget, kept) } else { row });
    }
    Ok(())
}

/// One command at AWS's rates.
pub(crate) fn paced(home: &Path, account: &Account, word: &str) -> io::Result<Cost> {
    let url = account.url();
    let mut command = ivs_apply(home);
    command.args([word, "-f", "channels.yaml", "--endpoint-url", &url, "--rates", "aws"]);
    if word == "apply" {
        command.arg("--yes");
    }
    run(&mut command)
}

/// Processor time and memory, in words.
pub(crate) fn beside(cost: &Cost) -> String {
    format!("processor {}, {:.0} MiB", time(cost.cpu), mebibytes(cost.memory))
}

fn turns<T>(times: usize, turn: impl FnMut() -> io::Result<T>) -> io::Result<Vec<T>> {
    std::iter::repeat_with(turn).take(times).collect()
}

fn walls(costs: &[Cost]) -> Vec<Duration> {
    costs.iter().map(|it| it.wall).collect()
}
