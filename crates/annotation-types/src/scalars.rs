//! Ids, times and strings, checked against what the database can store.

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};

/// Maximum length in characters of the id of a task, project, annotation or extractor version: they are parts of index keys.
pub const MAX_ID_CHARS: usize = 200;

/// Parses an RFC 3339 time. A time without an offset, as some scripts write it, is taken as UTC.
///
/// The result is truncated to microseconds, the resolution of the database, so that times can be compared after a round trip.
///
/// # Errors
/// With a message for people, if the text is not a time or its year is not between 1 and 9999.
pub fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .or_else(|_| text.parse::<NaiveDateTime>().map(|time| time.and_utc()))
        .map_err(|_| format!("{:?} is not a time like 2024-01-31T12:00:00Z", truncate_printable(text, 60)))?;
    if !(1..=9999).contains(&time.year()) {
        return Err("a time has a year that is not between 1 and 9999".to_owned());
    }
    DateTime::from_timestamp_micros(time.timestamp_micros()).ok_or_else(|| "a time is out of range".to_owned())
}

/// Truncates a string to `max_chars` characters for a report and removes NUL characters, which the database rejects.
#[must_use]
pub fn truncate_printable(text: &str, max_chars: usize) -> String {
    text.chars().filter(|character| *character != '\0').take(max_chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_no_offset_and_are_truncated_to_microseconds() {
        assert_eq!(parse_time("2024-01-31T12:00:00+02:00").unwrap(), parse_time("2024-01-31T10:00:00").unwrap());
        assert_eq!(parse_time("2024-01-31T12:00:00.1234567Z").unwrap().timestamp_subsec_nanos(), 123_456_000);
        assert!(parse_time("31.1.2024").is_err());
    }
}
