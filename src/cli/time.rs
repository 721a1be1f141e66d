//! Times on the command line: a number of seconds, or `5s`, `1m30s`, `3h`, `2d`.

use jiff::{Span, SpanRelativeTo};
use std::time::Duration;

/// A time between these two. `what` names it in the error.
pub(crate) fn time(
    text: &str,
    what: &str,
    least: Duration,
    most: Duration,
) -> Result<Duration, String> {
    let number = text.parse::<u64>().ok().map(Duration::from_secs);
    let time = || {
        let span = text.parse::<Span>().ok()?;
        // A day is twenty-four hours: no clock of a place is meant.
        let time = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Duration::try_from(time).ok()
    };
    match number.or_else(time) {
        Some(it) if it < least => Err(format!("the {what} is at least {}", shown(least))),
        Some(it) if it > most => Err(format!("the {what} is at most {}", shown(most))),
        Some(it) => Ok(it),
        None => Err("write it as 5s, 1m30s, 3h or 2d".to_owned()),
    }
}

/// A time in days or hours where it is one in whole ones, else in seconds.
fn shown(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds > 86_400 && seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        seconds if seconds > 0 && seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        0 => format!("{}ms", time.as_millis()),
        seconds => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_of_seconds_or_has_units() {
        let least = Duration::from_secs(1);
        let most = Duration::from_hours(24);
        let read = |text: &str| time(text, "pause", least, most);
        assert_eq!(read("90"), Ok(Duration::from_secs(90)));
        assert_eq!(read("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(read("24h"), Ok(most));
        assert_eq!(read("1d"), Ok(most));
        assert_eq!(read("500ms"), Err("the pause is at least 1s".to_owned()));
        assert_eq!(read("25h"), Err("the pause is at most 24h".to_owned()));
        for bad in ["", "-5s", "soon", "1 fortnight", "1mo", "1y"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let month = Duration::from_hours(30 * 24);
        let long = |text: &str| time(text, "wait", least, month);
        for whole in ["30d", "720h", "4w 2d"] {
            assert_eq!(long(whole), Ok(month), "{whole}");
        }
        assert_eq!(long("31d"), Err("the wait is at most 30d".to_owned()));
    }
}
