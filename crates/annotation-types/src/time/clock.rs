//! The clock that decides whether a time lies in the future.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// How far another clock may be ahead.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// The time that the clock of the database showed.
///
/// A review in the future would win over all reviews until then, so every way in rejects it: the API, files of Label Studio and review
/// files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock(DateTime<Utc>);

impl Clock {
    /// The clock at this time.
    #[must_use]
    pub const fn at(now: DateTime<Utc>) -> Self {
        Self(now)
    }

    /// Rejects a time in the future. A clock that is at most five minutes fast is tolerated.
    ///
    /// # Errors
    /// With the rest of a sentence that begins with the name of the time.
    pub fn check(self, time: DateTime<Utc>) -> Result<(), String> {
        if time <= self.0 + TOLERANCE {
            return Ok(());
        }
        let show = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        Err(format!("{} is in the future: the clock of the database shows {}", show(time), show(self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_may_be_five_minutes_ahead() {
        let now = DateTime::from_timestamp(1_740_909_600, 0).unwrap();
        let clock = Clock::at(now);
        assert_eq!(clock.check(now + TimeDelta::minutes(5)), Ok(()));
        assert_eq!(clock.check(DateTime::UNIX_EPOCH), Ok(()));
        let error = clock.check(now + TimeDelta::milliseconds(300_001)).unwrap_err();
        assert!(error.starts_with("2025-03-02T10:05:00Z is in the future") && error.contains("2025-03-02T10:00:00Z"), "{error}");
        assert!(clock.check("9999-12-31T23:59:59Z".parse().unwrap()).is_err());
    }
}
