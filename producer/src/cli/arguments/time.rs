//! Time arguments: an absolute time, or a duration before now.
//!
//! Parsed by hand: duration crates such as `humantime` also accept calendar units (`1month`), which are ambiguous as a cutoff.

use aprendiz_annotation_types::parse_time;
use chrono::{DateTime, TimeDelta, Utc};

/// What `--run-after` accepts.
const DELAY_FORMS: &str = "a delay such as 90s, 15m, 1h or 2d, or a time such as 2026-11-21T08:00:00Z";

/// A century; keeps the arithmetic within the calendar.
const MAX_AGE_DAYS: i64 = 36_500;

/// A time on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeArgument {
    /// A duration before now.
    Ago(TimeDelta),
    /// An absolute time.
    At(DateTime<Utc>),
}

impl TimeArgument {
    /// The absolute time, relative to `now`.
    pub(crate) fn resolve(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Ago(duration) => now - duration,
            Self::At(at) => at,
        }
    }
}

/// A time on the command line at which something starts: absolute, or a delay from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DelayArgument {
    /// A duration after now.
    In(TimeDelta),
    /// An absolute time.
    At(DateTime<Utc>),
}

impl DelayArgument {
    /// The absolute time, relative to `now`.
    pub(crate) fn resolve(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::In(duration) => now + duration,
            Self::At(at) => at,
        }
    }
}

impl std::str::FromStr for DelayArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = parse_time(text) {
            return Ok(Self::At(at));
        }
        parse_duration(text).map(Self::In).ok_or_else(|| format!("expected {DELAY_FORMS}"))
    }
}

impl std::str::FromStr for TimeArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = parse_time(text) {
            return Ok(Self::At(at));
        }
        parse_duration(text)
            .map(Self::Ago)
            .ok_or_else(|| "expected an age such as 90s, 15m, 1h or 2d, or a time such as 2026-11-21T08:00:00Z".to_owned())
    }
}

fn parse_duration(text: &str) -> Option<TimeDelta> {
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = number.parse().ok()?;
    match unit {
        's' => TimeDelta::try_seconds(number),
        'm' => TimeDelta::try_minutes(number),
        'h' => TimeDelta::try_hours(number),
        'd' => TimeDelta::try_days(number),
        _ => None,
    }
    .filter(|duration| duration.num_days() <= MAX_AGE_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_parsed() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T12:00:00Z").unwrap().to_utc();
        for (text, expected) in [
            ("90s", "2026-11-21T11:58:30Z"),
            ("15m", "2026-11-21T11:45:00Z"),
            ("1h", "2026-11-21T11:00:00Z"),
            ("2d", "2026-11-19T12:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T08:00:00+02:00", "2026-11-20T06:00:00Z"),
            ("2026-11-20 08:00:00", "2026-11-20T08:00:00Z"),
            ("1795161600", "2026-11-20T08:00:00Z"),
        ] {
            let at = text.parse::<TimeArgument>().unwrap().resolve(now);
            assert_eq!(at, DateTime::parse_from_rfc3339(expected).unwrap(), "{text}");
        }
    }

    #[test]
    fn delays_are_in_the_future() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T12:00:00Z").unwrap().to_utc();
        let at = |text: &str| text.parse::<DelayArgument>().map(|delay| delay.resolve(now).to_rfc3339());
        assert_eq!(at("10m").unwrap(), "2026-11-21T12:10:00+00:00");
        assert_eq!(at("2026-11-21T18:00").unwrap(), "2026-11-21T18:00:00+00:00");
        assert!(at("tomorrow").unwrap_err().starts_with("expected a delay such as 90s"));
    }

    #[test]
    fn other_forms_are_rejected_with_examples() {
        for text in ["", "h", "1", "-1h", "1w", "1.5h", "yesterday", "999999999999d", "é"] {
            assert!(text.parse::<TimeArgument>().unwrap_err().contains("15m"), "{text}");
        }
    }
}
