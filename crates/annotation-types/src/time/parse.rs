//! Reads times as people, scripts and other tools write them. Every time of the API, CLI and imports is read here.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use crate::scalars::truncate_printable;

/// Epoch numbers must lie between these times (2000 and 2100), in seconds. Other numbers are more likely something else, such as the
/// digits of a date (`20250302`).
const EPOCH_SECONDS: std::ops::Range<i64> = 946_684_800..4_102_444_800;
/// Units of an epoch number. The ranges of the units do not overlap.
const EPOCH_UNITS_PER_SECOND: [i64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

/// Parses a time.
///
/// Accepts RFC 3339 and ISO 8601 times (`T` or a blank between date and time, seconds optional), a date alone (midnight), RFC 2822, and
/// numbers since 1970 in seconds, milliseconds, microseconds or nanoseconds between 2000 and 2100. A time without a zone is UTC.
///
/// The result is truncated to microseconds, the resolution of the database, so that times can be compared after a round trip.
///
/// # Errors
/// With a message for people, if the text is not a time or its year is not between 1 and 9999.
pub fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    let trimmed = text.trim();
    let time = match DateTime::parse_from_rfc3339(trimmed) {
        Ok(time) => time.to_utc(),
        Err(_) => parse_other(trimmed).ok_or_else(|| {
            format!(
                "{:?} is not a time: write it like 2024-01-31T12:00:00Z (also understood: 2024-01-31 12:00:00 as UTC, 2024-01-31, seconds or \
                 milliseconds since 1970)",
                truncate_printable(text, 60)
            )
        })?,
    };
    if !(1..=9999).contains(&time.year()) {
        return Err("a time has a year that is not between 1 and 9999".to_owned());
    }
    DateTime::from_timestamp_micros(time.timestamp_micros()).ok_or_else(|| "a time is out of range".to_owned())
}

fn parse_other(text: &str) -> Option<DateTime<Utc>> {
    parse_epoch(text).or_else(|| parse_iso(text)).or_else(|| DateTime::parse_from_rfc2822(text).ok().map(|time| time.to_utc()))
}

/// Parses a number of seconds, milliseconds, microseconds or nanoseconds since 1970, with up to 30 decimals.
fn parse_epoch(text: &str) -> Option<DateTime<Utc>> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| (1..=30).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let per_second = EPOCH_UNITS_PER_SECOND.into_iter().find(|per_second| EPOCH_SECONDS.contains(&(whole / per_second)))?;
    // digits of a fraction below a microsecond are dropped
    let micros_of_fraction: i64 = format!("{decimals:0<6}").get(..6)?.parse().ok()?;
    let micros = i128::from(whole) * 1_000_000 + i128::from(micros_of_fraction);
    DateTime::from_timestamp_micros(i64::try_from(micros / i128::from(per_second)).ok()?)
}

/// Parses ISO 8601 forms that RFC 3339 does not have.
fn parse_iso(text: &str) -> Option<DateTime<Utc>> {
    let Some((date, time)) = text.split_once(['T', 't', ' ']) else {
        return Some(parse_date(text)?.and_time(NaiveTime::MIN).and_utc());
    };
    let (time, offset) = split_zone(time.trim())?;
    let time = parse_time_of_day(time)?;
    let local: NaiveDateTime = parse_date(date)?.and_time(time);
    local.checked_sub_offset(offset).map(|time| time.and_utc())
}

/// Parses `YYYY-MM-DD`.
fn parse_date(text: &str) -> Option<NaiveDate> {
    let is_date = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    is_date.then(|| text.parse().ok()).flatten()
}

/// Parses `HH:MM`, `HH:MM:SS` and `HH:MM:SS.fraction`; some writers put a comma before the fraction.
fn parse_time_of_day(text: &str) -> Option<NaiveTime> {
    let is_time = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b','));
    let text = text.replacen(',', ".", 1);
    is_time.then(|| NaiveTime::parse_from_str(&text, "%H:%M:%S%.f").or_else(|_| NaiveTime::parse_from_str(&text, "%H:%M")).ok()).flatten()
}

/// Splits off `Z`, `UTC`, `GMT`, `+HH:MM`, `+HHMM` or `+HH`. Without a zone the offset is 0.
fn split_zone(text: &str) -> Option<(&str, FixedOffset)> {
    let utc = FixedOffset::east_opt(0)?;
    for name in ["Z", "z", "UTC", "GMT"] {
        if let Some(time) = text.strip_suffix(name) {
            return Some((time.trim_end(), utc));
        }
    }
    let Some(sign) = text.rfind(['+', '-']) else {
        return Some((text, utc));
    };
    let digits: String = text[sign + 1..].chars().filter(|character| *character != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = digits[..2].parse().ok()?;
    let minutes: i32 = digits.get(2..).filter(|minutes| !minutes.is_empty()).map_or(Ok(0), str::parse).ok()?;
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i32::try_from(TimeDelta::minutes(i64::from(hours * 60 + minutes)).num_seconds()).ok()?;
    let offset = FixedOffset::east_opt(if text[sign..].starts_with('-') { -seconds } else { seconds })?;
    Some((text[..sign].trim_end(), offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_the_same_in_all_its_forms() {
        let expected = DateTime::parse_from_rfc3339("2025-03-02T10:00:00Z").unwrap();
        for text in [
            "2025-03-02T10:00:00Z",
            "2025-03-02t10:00:00z",
            "2025-03-02T12:00:00+02:00",
            "2025-03-02T10:00:00",
            "2025-03-02T10:00",
            "2025-03-02T10:00Z",
            "2025-03-02 10:00:00",
            "2025-03-02 10:00:00.000",
            "2025-03-02 10:00:00,000",
            "2025-03-02 10:00:00Z",
            "2025-03-02 10:00:00 UTC",
            "2025-03-02 10:00:00+00:00",
            "2025-03-02T10:00:00+0000",
            "2025-03-02T10:00:00+00",
            "2025-03-02 11:30:00 +0130",
            "2025-03-02T05:00:00-0500",
            " 2025-03-02T10:00:00Z ",
            "Sun, 02 Mar 2025 10:00:00 +0000",
            "1740909600",
            "1740909600.0",
            "1740909600000",
            "1740909600000000",
            "1740909600000000000",
        ] {
            assert_eq!(parse_time(text).unwrap_or_else(|error| panic!("{text}: {error}")), expected, "{text}");
        }
        assert_eq!(parse_time("2025-03-02").unwrap(), DateTime::parse_from_rfc3339("2025-03-02T00:00:00Z").unwrap());
    }

    #[test]
    fn times_are_truncated_to_microseconds() {
        for text in ["2025-03-02T10:00:00.1234567Z", "2025-03-02 10:00:00.1234567", "1740909600.1234567", "1740909600123.4567"] {
            assert_eq!(parse_time(text).unwrap().timestamp_subsec_nanos(), 123_456_000, "{text}");
        }
    }

    #[test]
    fn what_may_mean_something_else_is_not_a_time() {
        for text in [
            "",
            " ",
            "yesterday",
            "31.1.2024",
            "02/03/2025 10:00",
            "2025",
            "20250302",
            "202503021000",
            "20250302100000",
            "12",
            "-1740909600",
            "1.7e9",
            "2025-3-2",
            "2025-02-30",
            "2025-03-02T25:00:00",
            "2025-03-02T10:00:00+24:00",
            "2025-03-02T",
            "9999999-99-99T99:99:99Z",
            "-4800-01-01T00:00:00",
            "0000-01-01T00:00:00Z",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
        assert!(parse_time("31.1.2024").unwrap_err().contains("\"31.1.2024\" is not a time"));
    }
}
