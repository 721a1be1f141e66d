//! `--interval`: the same command again and again, with pauses, until a signal comes.
//!
//! A round is a run of its own: it reads the manifests, connects, takes the lock, tells its events and writes its metrics.

use super::connection::Connection;
use super::failure::Failure;
use super::lock;
use crate::cli::{ExitCode, Format, Global};
use crate::ui::Ui;
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

/// The longest pause.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// The shortest pause on AWS; an emulator on this machine takes any.
const SHORTEST: Duration = Duration::from_secs(1);

/// The longest pause after failures, unless the interval itself is longer.
const LONGEST_BACKOFF: Duration = Duration::from_mins(15);

/// The part of a pause by which it is longer or shorter, so that runs on many machines do not come at once.
const JITTER: f64 = 0.1;

/// The value of `--interval`.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    crate::cli::time(text, "interval", Duration::from_millis(1), LONGEST)
}

/// Whether a command line can be carried out more than once.
pub(super) fn can_be_repeated(global: &Global, is_confirmed: bool) -> Result<(), Failure> {
    if !is_confirmed {
        return Err(Failure::error("`--interval` asks no question before a round")
            .help("add `--yes` to carry out each plan"));
    }
    if !matches!(global.format, Format::Text | Format::Json) {
        return Err(Failure::error("`--interval` answers in text, json"));
    }
    if global.paths().iter().any(|it| it == Path::new("-")) {
        return Err(Failure::error("standard input cannot be read again for each round")
            .help("name files or folders with `-f`"));
    }
    Ok(())
}

/// Refuses a pause that is too short for AWS.
pub(super) fn may_repeat(
    interval: Option<Duration>,
    connection: &Connection,
) -> Result<(), Failure> {
    if interval.is_some_and(|it| it < SHORTEST) && !connection.aws().local {
        return Err(Failure::error("the interval is at least 1s"));
    }
    Ok(())
}

/// Carries out rounds until a signal comes, the reader of the answers closes its end, or the first one fails: then a flag or
/// the credentials are wrong. A round
/// that `finishes` ends by itself on a signal; any other is dropped.
pub(super) async fn repeat(
    interval: Duration,
    finishes: bool,
    ui: Ui,
    round: impl AsyncFn() -> ExitCode,
) -> ExitCode {
    let mut stopped = pin!(lock::stopped());
    let mut failures = 0;
    let mut is_first = true;
    loop {
        // Signals are listened for from before the first round.
        if let Some(code) = stopped.as_mut().now_or_never() {
            return code;
        }
        let code = if finishes {
            round().await
        } else {
            match select(pin!(round()), stopped.as_mut()).await {
                Either::Left((code, _)) => code,
                Either::Right((code, _)) => return code,
            }
        };
        match code {
            ExitCode::HungUp | ExitCode::Interrupted | ExitCode::Terminated => return code,
            ExitCode::Error if is_first => return code,
            ExitCode::Done | ExitCode::Changes => failures = 0,
            ExitCode::Error | ExitCode::Partly | ExitCode::Refused | ExitCode::Stale => {
                failures += 1;
            }
        }
        // As of `status --watch`: nothing reads the answers any more.
        if ui.reader_is_gone() {
            return code;
        }
        is_first = false;
        let pause = pause(interval, failures);
        if failures > 0 {
            let code = code.number();
            ui.say(&format!(
                "exit code {code}; the next round is in {:.0} s\n",
                pause.as_secs_f64()
            ));
        }
        let jitter = 1.0 + JITTER * (2.0 * fastrand::f64() - 1.0);
        let waited = pin!(tokio::time::sleep(pause.mul_f64(jitter)));
        if let Either::Right((code, _)) = select(waited, stopped.as_mut()).await {
            return code;
        }
    }
}

/// The pause after so many failures in a row: twice as long after each.
fn pause(interval: Duration, failures: u32) -> Duration {
    let most = interval.max(LONGEST_BACKOFF);
    interval.saturating_mul(2_u32.saturating_pow(failures)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_with_each_failure_up_to_its_bound() {
        let minute = Duration::from_mins(1);
        let pauses = [0, 1, 2, 3, 4, 100].map(|it| pause(minute, it).as_secs() / 60);
        assert_eq!(pauses, [1, 2, 4, 8, 15, 15]);
        let day = Duration::from_hours(24);
        assert_eq!(pause(day, 3), day);
    }
}
