//! One line of a report: what was checked, and whether it is well.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::cli::terminal::human_bytes;

/// Difference of two clocks that is reported.
const CLOCK_WARNING: TimeDelta = TimeDelta::seconds(30);
/// Difference of two clocks at which reviews are rejected because they are in the future, and with which S3 soon rejects requests.
const CLOCK_FAILURE: TimeDelta = TimeDelta::minutes(5);
/// Free space below which a training may not fit.
const DISK_WARNING_BYTES: u64 = 2 << 30;
/// Free space below which hardly any training fits.
const DISK_FAILURE_BYTES: u64 = 200 << 20;

/// Result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CheckState {
    /// As it should be.
    Ok,
    /// Something does not work, or will not for long. The exit code stays 0.
    Warning,
    /// It does not work.
    Failed,
}

impl CheckState {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "FAILED",
        }
    }
}

/// A check and its result.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    /// Whether it did not fail.
    pub(super) ok: bool,
    pub(super) state: CheckState,
    /// What was found and, unless all is well, the way out.
    pub(super) detail: String,
}

impl Check {
    fn new(name: &'static str, state: CheckState, detail: String) -> Self {
        Self { name, ok: state != CheckState::Failed, state, detail }
    }

    pub(super) fn ok(name: &'static str, detail: String) -> Self {
        Self::new(name, CheckState::Ok, detail)
    }

    pub(super) fn warning(name: &'static str, detail: String) -> Self {
        Self::new(name, CheckState::Warning, detail)
    }

    pub(super) fn from_outcome(name: &'static str, outcome: Result<String>) -> Self {
        match outcome {
            Ok(detail) => Self::ok(name, detail),
            Err(error) => Self::new(name, CheckState::Failed, format!("{error:#}")),
        }
    }
}

/// Compares the clock of another machine with this one's at the same moment.
pub(super) fn clock(other: &str, theirs: DateTime<Utc>, own: DateTime<Utc>) -> Check {
    let difference = own - theirs;
    let (state, direction) = match difference.abs() {
        size if size >= CLOCK_FAILURE => (CheckState::Failed, difference > TimeDelta::zero()),
        size if size >= CLOCK_WARNING => (CheckState::Warning, difference > TimeDelta::zero()),
        _ => return Check::ok("clock", format!("within {} s of {other}", difference.num_seconds().abs() + 1)),
    };
    let direction = if direction { "ahead of" } else { "behind" };
    let seconds = difference.num_seconds().abs();
    let detail = format!(
        "this host is {seconds} s {direction} {other}: synchronise both clocks (NTP); reviews with a time in the future are rejected"
    );
    Check::new("clock", state, detail)
}

/// Judges the free space of places, by the smallest.
pub(super) fn disk(name: &'static str, places: &[(String, u64)], way_out: &str) -> Check {
    let Some((place, free)) = places.iter().min_by_key(|(_, free)| *free) else {
        return Check::ok(name, "nothing to check".to_owned());
    };
    let least = if places.len() == 1 { "" } else { "the least of all hosts: " };
    let detail = format!("{least}{} free on {place}", human_bytes(*free));
    match *free {
        free if free < DISK_FAILURE_BYTES => Check::new(name, CheckState::Failed, format!("{detail}: {way_out}")),
        free if free < DISK_WARNING_BYTES => Check::warning(name, format!("{detail}: {way_out}")),
        _ => Check::ok(name, detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_reported_with_its_direction() {
        let now = DateTime::from_timestamp(1_763_700_000, 0).unwrap();
        assert_eq!(clock("the server", now, now + TimeDelta::seconds(2)).state, CheckState::Ok);
        let behind = clock("the server", now, now - TimeDelta::seconds(45));
        assert_eq!(behind.state, CheckState::Warning);
        assert!(behind.detail.starts_with("this host is 45 s behind the server"), "{}", behind.detail);
        let ahead = clock("the server", now, now + TimeDelta::minutes(6));
        assert!(ahead.state == CheckState::Failed && ahead.detail.contains("360 s ahead of"), "{}", ahead.detail);
    }

    #[test]
    fn the_fullest_disk_decides() {
        let places = [("a".to_owned(), 90 << 30), ("b".to_owned(), 1 << 30)];
        let check = disk("disk", &places, "free some");
        assert!(check.state == CheckState::Warning && check.detail.contains("1.00 GiB free on b: free some"), "{}", check.detail);
        assert_eq!(disk("disk", &places[..1], "free some").state, CheckState::Ok);
    }
}
