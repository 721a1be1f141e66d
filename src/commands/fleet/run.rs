//! `fleet validate`, `plan`, `apply` and `drift`: the targets, their waves, signals, and the report at the end.

use super::super::failure::Failure;
use super::super::lock::ends;
use super::args::RunArgs;
use super::child::Stop;
use super::flags::Program;
use super::report::{parsed, shown};
use super::schedule::{Schedule, State, key};
use super::{read, rows};
use crate::cli::{ExitCode, Global};
use crate::fleet::{
    self, Difference, Entry, Fleet, Gate, MaxFailures, Outcome, Results, Row, Run, Selected,
    Selection, Status, Wave, WaveStatus,
};
use crate::system::signals::Signals;
use crate::ui::Ui;
use crate::ui::file::{FolderRefused, ResultsFolder};
use crate::ui::fleet::FleetProgress;
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;
use tokio::sync::watch;

pub(super) async fn run(
    command: &'static str,
    args: &RunArgs,
    max_failures: Option<MaxFailures>,
    global: &Global,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let program = Program::new(command, &args.arguments, global)?;
    let selection = args.chosen.selection();
    let fleet = read::fleet(global)?.selected(&selection);
    if fleet.is_empty() {
        return Err(Failure::error("no target has these labels and this wave")
            .help("`ivs-apply fleet list` lists all targets"));
    }
    let fleet = match args.shard {
        Some(shard) => fleet.shard(shard),
        None => fleet,
    };
    let run = begun(command, args, &selection, max_failures, &program);
    // A signal from here on is one for the fleet.
    let signals = Signals::listen();
    let (folder, before) = ResultsFolder::open(&args.out, args.resume)?;
    let before = before.map(|text| parsed(folder.path(), &text)).transpose()?;
    let (left, kept) = left(&run, &fleet, before.as_ref())?;
    let all = fleet.targets.iter().map(|it| {
        let fresh = || rows::of_entry(it, program.repeat(&it.reference()));
        kept.get(&it.reference()).cloned().unwrap_or_else(fresh)
    });
    let all: Vec<Row> = all.chain(fleet.unread.iter().map(rows::of_unread)).collect();
    let progress = FleetProgress::new(ui, left.len());
    for it in all.iter().filter(|it| !it.kept && it.outcome != Outcome::NotStarted) {
        progress.ended(it);
    }
    let (stopper, stop) = watch::channel(Stop::GoesOn);
    let schedule = Schedule {
        program: &program,
        folder: &folder,
        progress: &progress,
        timeout: args.timeout,
        parallel: usize::from(args.parallel),
        stop,
        state: RefCell::new(State {
            run,
            rows: all.into_iter().map(|it| (key(&it), it)).collect(),
            written: Instant::now(),
        }),
    };
    schedule.write()?;
    let work = async {
        match max_failures {
            Some(most) => waves(&schedule, &fleet, &left, most).await,
            None => schedule.run(&left).await,
        }
    };
    let stopped = until_done(work, signals, &stopper, &progress).await;
    progress.finish();
    let status = {
        let mut state = schedule.state.borrow_mut();
        let status = Status::of(state.rows.values().map(|it| it.outcome));
        let code = stopped.map_or(status.exit_code(), ExitCode::number);
        state.run.ended_at = Some(Timestamp::now());
        state.run.exit_code = Some(code);
        status
    };
    let written = schedule.write();
    ui.answer(&shown(&schedule.state.borrow().results(), global))?;
    if let Err(failure) = written {
        // Targets have run, so this is not the exit code of a run that did nothing.
        return Err(Failure { code: ExitCode::Partly, ..failure });
    }
    Ok(stopped.unwrap_or_else(|| exit_code(status)))
}

fn exit_code(status: Status) -> ExitCode {
    match status {
        Status::Clean => ExitCode::Done,
        Status::NothingRan => ExitCode::Error,
        Status::Changes => ExitCode::Changes,
        Status::Failed => ExitCode::Partly,
        Status::Refused => ExitCode::Refused,
    }
}

/// A run that begins.
fn begun(
    command: &str,
    args: &RunArgs,
    selection: &Selection,
    max_failures: Option<MaxFailures>,
    program: &Program,
) -> Run {
    let labels = selection.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Run {
        id: ulid::Ulid::generate().to_string(),
        command: command.to_owned(),
        arguments: program.arguments(),
        selected: Selected { labels, wave: selection.wave },
        shard: args.shard.map(|it| it.to_string()),
        max_failures: max_failures.map(|it| it.to_string()),
        started_at: Timestamp::now(),
        ended_at: None,
        exit_code: None,
        waves: Vec::new(),
    }
}

/// What is to be run, and what a run before has done.
fn left<'a>(
    run: &Run,
    fleet: &'a Fleet,
    before: Option<&Results>,
) -> Result<(Vec<&'a Entry>, BTreeMap<String, Row>), Failure> {
    let Some(before) = before else {
        let all = fleet.targets.iter().filter(|it| it.fault.is_none());
        return Ok((all.collect(), BTreeMap::new()));
    };
    fleet::left(run, &fleet.targets, before).map_err(|difference| {
        let what = match difference {
            Difference::Command => "another command",
            Difference::Arguments => "other flags for its targets",
            Difference::Selection => "other labels or another wave",
            Difference::Shard => "another shard",
        };
        Failure::error(format!("the run in the folder has {what}, so it cannot be resumed")).help(
            "name a new folder with `--out`, or repeat the command of that run with `--resume`",
        )
    })
}

/// Runs wave after wave, as long as each has few enough failures.
async fn waves(schedule: &Schedule<'_>, fleet: &Fleet, left: &[&Entry], most: MaxFailures) {
    let unread = fleet.unread.len();
    let waves: Vec<u32> = fleet.waves();
    schedule.state.borrow_mut().run.waves = waves
        .iter()
        .map(|wave| Wave {
            wave: *wave,
            targets: fleet.targets.iter().filter(|it| it.wave == *wave).count(),
            failed: 0,
            status: WaveStatus::NotEnded,
        })
        .collect();
    for (at, wave) in waves.into_iter().enumerate() {
        let targets: Vec<&Entry> = left.iter().copied().filter(|it| it.wave == wave).collect();
        schedule.run(&targets).await;
        // A wave that was stopped has not ended.
        if schedule.is_stopped() {
            return;
        }
        let all = fleet.targets.iter().filter(|it| it.wave == wave);
        let failed = schedule.not_done(all.map(|it| (it.reference(), it.place.clone())));
        // It is not known which wave a document is of that cannot be read, so none comes before it.
        let unread = if at == 0 { unread } else { 0 };
        let mut state = schedule.state.borrow_mut();
        let told = &mut state.run.waves[at];
        told.targets += unread;
        told.failed = failed + unread;
        let gate = Gate { most, failed: told.failed, of: told.targets };
        told.status = if gate.is_open() { WaveStatus::Passed } else { WaveStatus::Stopped };
        if !gate.is_open() {
            return;
        }
    }
}

/// Does the work, and passes signals on meanwhile: the first to every process, which is waited for; the second ends them
/// at once. How the fleet ends where there was one.
async fn until_done(
    work: impl Future<Output = ()>,
    mut signals: Signals,
    stopper: &watch::Sender<Stop>,
    progress: &FleetProgress,
) -> Option<ExitCode> {
    let mut work = std::pin::pin!(work);
    let mut stopped = None;
    loop {
        tokio::select! {
            biased;
            () = &mut work => return stopped,
            signal = signals.next() => {
                if stopped.is_none() {
                    progress.line(
                        "stopping: no target is started; those that run have the signal and are waited for; the same signal \
                         again (Ctrl-C) ends them at once",
                    );
                    stopped = Some(ends(signal));
                    stopper.send_replace(Stop::Signal(signal));
                } else {
                    progress.line("ending every target that runs");
                    stopper.send_replace(Stop::Now);
                }
            }
        }
    }
}

impl From<FolderRefused> for Failure {
    fn from(refused: FolderRefused) -> Self {
        let help = match &refused {
            FolderRefused::HasResults(_) => {
                "name a new folder with `--out`, or go on with that run by `--resume`"
            }
            FolderRefused::NoResults(_) => "name a folder that a fleet has written with `--out`",
            FolderRefused::InUse(_) => "wait for that run, or name another folder",
            _ => "name another folder",
        };
        Self::error(refused.to_string()).help(help)
    }
}
