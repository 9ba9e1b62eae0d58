//! Formatting of durations, timestamps and counts.

use chrono::{DateTime, TimeDelta, Utc};

/// A duration in one or two units: `42 s`, `3 min`, `2 h 5 min`, `3 d 4 h`.
pub(super) fn duration(elapsed: TimeDelta) -> String {
    let seconds = elapsed.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two_units = |whole: i64, unit: &str, rest: i64, rest_unit: &str| {
        if rest == 0 { format!("{whole} {unit}") } else { format!("{whole} {unit} {rest} {rest_unit}") }
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 => two_units(minutes, "min", seconds % 60, "s"),
        600..3600 => format!("{minutes} min"),
        3600..86_400 => two_units(hours, "h", minutes % 60, "min"),
        _ => two_units(days, "d", hours % 24, "h"),
    }
}

/// A duration given in seconds.
pub(super) fn seconds(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a duration of a run is far from the bounds")]
    duration(TimeDelta::seconds(seconds.clamp(0.0, 1e9).round() as i64))
}

/// A point in time, in UTC.
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A count with its noun: `1 run`, `3 runs`.
pub(super) fn count(number: i64, noun: &str) -> String {
    aprendiz_text::count(number.unsigned_abs(), noun)
}

/// The number of workers alive, as the beginning of a sentence.
pub(super) fn alive(workers: i64) -> String {
    format!("{} {} alive", count(workers, "worker"), aprendiz_text::choose(workers.unsigned_abs(), "is", "are"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_two_units() {
        for (length, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3599, "59 min"), (7500, "2 h 5 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(duration(TimeDelta::seconds(length)), text);
        }
        assert_eq!(duration(TimeDelta::seconds(-5)), "0 s");
        assert_eq!(seconds(89.6), "1 min 30 s");
    }
}
