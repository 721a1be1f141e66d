//! What is known of an object that is on air, on one line: health, viewers, publishers, destinations, since when.
//!
//! Escapes nothing: the caller escapes the line.

use super::reason::{moment, thousands};
use crate::kinds::{Audience, Live};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What is to be known of an object that is on air.
pub(super) fn on_air_words(
    audience: &Audience,
    live: Option<&Live>,
    as_of: Option<Timestamp>,
) -> String {
    let mut parts = Vec::new();
    let health = live.and_then(|it| it.health.as_ref());
    parts.extend(health.map(|it| match it.as_str() {
        "HEALTHY" => "healthy".to_owned(),
        "UNKNOWN" => "health unknown".to_owned(),
        other => other.to_owned(),
    }));
    match audience.viewers {
        Some(1) => parts.push("1 viewer".to_owned()),
        Some(viewers) => parts.push(format!("{} viewers", thousands(viewers))),
        None if health.is_some() => parts.push("viewers not counted".to_owned()),
        None => {}
    }
    parts.extend(live.and_then(|it| it.publishers).map(|count| match count {
        0 => "no publisher".to_owned(),
        1 => "1 publisher".to_owned(),
        many => format!("{many} publishers"),
    }));
    if audience.publishing {
        parts.push("a participant publishes".to_owned());
    }
    parts.extend(live.map(destinations).filter(|it| !it.is_empty()));
    parts.extend(live.and_then(|it| it.since).map(|since| {
        let long = as_of.map(|it| duration(it.duration_since(since).as_secs()));
        let long = long.map(|it| format!("for {it}, ")).unwrap_or_default();
        format!("{long}since {}", moment(since))
    }));
    // Of a stream its id says nothing that the rest does not.
    if health.is_none() {
        parts.extend(audience.session.as_ref().map(|it| format!("session {it}")));
    }
    if parts.is_empty() { "on air".to_owned() } else { parts.join(", ") }
}

/// The destinations of a composition with their states: by name where names are known.
fn destinations(live: &Live) -> String {
    let all = &live.destinations;
    let named: Option<Vec<String>> =
        all.iter().map(|it| Some(format!("{} {}", it.name.as_ref()?, it.state.as_str()))).collect();
    if let Some(named) = named {
        return named.join(", ");
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for it in all {
        *counts.entry(it.state.as_str()).or_default() += 1;
    }
    let counted = counts.iter().map(|(state, count)| {
        let s = if *count == 1 { "" } else { "s" };
        format!("{count} destination{s} {state}")
    });
    counted.collect::<Vec<_>>().join(", ")
}

/// A number of seconds in the two largest units that it has.
fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_its_two_largest_units() {
        let told: Vec<String> =
            [-3, 59, 60, 3_599, 3_600, 7_500, 86_399, 90_000].map(duration).into();
        assert_eq!(
            told,
            ["0 s", "59 s", "1 min", "59 min", "1 h 0 min", "2 h 5 min", "23 h 59 min", "1 d 1 h"]
        );
    }
}
