//! Times on the command line: a number of seconds, or `5s`, `1m30s`, `3h`.

use jiff::SignedDuration;
use std::time::Duration;

/// A time between these two. `what` names it in the error.
pub(crate) fn time(
    text: &str,
    what: &str,
    least: Duration,
    most: Duration,
) -> Result<Duration, String> {
    let number = text.parse::<u64>().ok().map(Duration::from_secs);
    let time = || text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
    match number.or_else(time) {
        Some(it) if it < least => Err(format!("the {what} is at least {}", shown(least))),
        Some(it) if it > most => Err(format!("the {what} is at most {}", shown(most))),
        Some(it) => Ok(it),
        None => Err("write it as 5s, 1m30s or 3h".to_owned()),
    }
}

/// A time in hours where it is one in whole hours, else in seconds.
fn shown(time: Duration) -> String {
    match time.as_secs() {
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
        assert_eq!(read("500ms"), Err("the pause is at least 1s".to_owned()));
        assert_eq!(read("25h"), Err("the pause is at most 24h".to_owned()));
        for bad in ["", "-5s", "soon", "1 fortnight"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
