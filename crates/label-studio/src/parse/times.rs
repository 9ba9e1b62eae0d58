//! Times of annotations, predictions and tasks: strings, or numbers since 1970.

use aprendiz_annotation_types::{Clock, parse_time};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// Parses the first time that is given. An empty string counts as absent.
///
/// # Errors
/// If it is not a time, or in the future.
pub(super) fn first_time(times: [Option<&Value>; 2], clock: Option<Clock>) -> Result<Option<DateTime<Utc>>, String> {
    let given = times.into_iter().flatten().find(|time| !matches!(time, Value::String(text) if text.trim().is_empty()));
    let time = given.map(parse_time_value).transpose()?;
    if let (Some(time), Some(clock)) = (time, clock) {
        clock.check(time).map_err(|reason| format!("its time {reason}; correct `updated_at`, and the clock that wrote it"))?;
    }
    Ok(time)
}

fn parse_time_value(time: &Value) -> Result<DateTime<Utc>, String> {
    match time {
        Value::String(text) => parse_time(text),
        Value::Number(number) => parse_time(&number.to_string()),
        _ => Err("a time is neither a string nor a number".to_owned()),
    }
}

/// The time of a review.
///
/// # Errors
/// If it has none, or is in the future.
pub(super) fn review_time(updated_at: Option<&Value>, created_at: Option<&Value>, clock: Option<Clock>) -> Result<DateTime<Utc>, String> {
    first_time([updated_at, created_at], clock)?.ok_or_else(|| {
        "it has neither updated_at nor created_at: add `updated_at`, the time of the review, such as 2024-01-31T12:00:00Z".to_owned()
    })
}
