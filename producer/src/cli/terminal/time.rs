//! Times as shown to people: one absolute form, and ages in tables on a terminal.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::Value;

use crate::cli::terminal::settings::settings;

/// A time: RFC 3339 in UTC, to the second.
pub(crate) fn format_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The time of an API response, in the form of [`format_time`]. Another text is returned unchanged, null is empty.
pub(crate) fn format_time_value(value: &Value) -> String {
    match value.as_str() {
        Some(text) => parse(text).map_or_else(|| text.to_owned(), format_time),
        None => String::new(),
    }
}

/// A time in a table: its age on a terminal, else as [`format_time`].
pub(crate) fn time_cell(at: DateTime<Utc>) -> String {
    if settings().is_brief { format_age(at, Utc::now()) } else { format_time(at) }
}

/// Like [`time_cell`], for a value of an API response.
pub(crate) fn time_value_cell(value: &Value) -> String {
    value.as_str().and_then(parse).map_or_else(|| format_time_value(value), time_cell)
}

fn parse(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

fn format_age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let age = now - at;
    // the clocks of server and client differ a little
    if age.abs() < TimeDelta::seconds(2) {
        return "just now".to_owned();
    }
    let length = age.abs();
    let amount = match length.num_seconds() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ ..3_600 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds @ ..5_184_000 => format!("{} d", seconds / 86_400),
        _ => return at.format("%Y-%m-%d").to_string(),
    };
    if age < TimeDelta::zero() { format!("in {amount}") } else { format!("{amount} ago") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        parse(text).unwrap()
    }

    #[test]
    fn there_is_one_absolute_form() {
        assert_eq!(format_time(at("2026-11-30T12:02:37.072908Z")), "2026-11-30T12:02:37Z");
        assert_eq!(format_time_value(&json!("2026-11-30T13:02:37.5+01:00")), "2026-11-30T12:02:37Z");
        assert_eq!((format_time_value(&json!("t")), format_time_value(&Value::Null)), ("t".to_owned(), String::new()));
    }

    #[test]
    fn ages_have_one_unit() {
        let now = at("2026-11-30T12:00:00Z");
        for (time, age) in [
            ("2026-11-30T11:59:59Z", "just now"),
            ("2026-11-30T11:59:18Z", "42 s ago"),
            ("2026-11-30T11:57:00Z", "3 min ago"),
            ("2026-11-30T09:00:00Z", "3 h ago"),
            ("2026-11-20T09:00:00Z", "10 d ago"),
            ("2026-01-20T09:00:00Z", "2026-01-20"),
            ("2026-11-30T12:20:00Z", "in 20 min"),
        ] {
            assert_eq!(format_age(at(time), now), age, "{time}");
        }
    }
}
