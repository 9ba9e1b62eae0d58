//! Moments on the command line: a time, or how long ago.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

/// A moment before now or at a given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So long ago.
    Ago(TimeDelta),
    /// At this time.
    At(DateTime<Utc>),
}

impl Moment {
    /// The moment as a time, seen from `now`.
    pub(crate) fn seen_from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Ago(length) => now - length,
            Self::At(at) => at,
        }
    }
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.to_utc()));
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(Self::At(day.and_time(NaiveTime::MIN).and_utc()));
        }
        length(text)
            .map(Self::Ago)
            .ok_or_else(|| format!("`{text}` is neither how long ago, such as 90s 15m 1h 2d, nor a time such as 2026-11-21T08:00:00Z"))
    }
}

fn length(text: &str) -> Option<TimeDelta> {
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
    // a century is long enough, and keeps the arithmetic within the calendar
    .filter(|length| length.num_days() <= 36_500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_times_are_understood() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T12:00:00Z").unwrap().to_utc();
        for (text, expected) in [
            ("90s", "2026-11-21T11:58:30Z"),
            ("15m", "2026-11-21T11:45:00Z"),
            ("1h", "2026-11-21T11:00:00Z"),
            ("2d", "2026-11-19T12:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T08:00:00+02:00", "2026-11-20T06:00:00Z"),
        ] {
            let at = text.parse::<Moment>().unwrap().seen_from(now);
            assert_eq!(at, DateTime::parse_from_rfc3339(expected).unwrap(), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_would_be_right() {
        for text in ["", "h", "1", "-1h", "1w", "1.5h", "yesterday", "999999999999d", "é"] {
            assert!(text.parse::<Moment>().unwrap_err().contains("15m"), "{text}");
        }
    }
}
