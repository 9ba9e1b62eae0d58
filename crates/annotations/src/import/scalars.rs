//! Ids, times and strings of a task, checked against what the database can keep.

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Longest id of a task, project, annotation or extractor version, in characters: they are parts of index keys.
pub(super) const LONGEST_ID: usize = 200;

/// A whole number or a string as an id; `None` where there is none.
pub(super) fn id_of(what: &str, id: Option<&Value>) -> Result<Option<String>, String> {
    let id = match id {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(_) => return Err(format!("the {what} is neither a whole number nor a string")),
    };
    if !(1..=LONGEST_ID).contains(&id.chars().count()) {
        return Err(format!("the {what} is empty or has more than {LONGEST_ID} characters"));
    }
    Ok(Some(id))
}

/// The value of a part that can only be good when it is small; `None` where there is none.
pub(super) fn small(raw: Option<&RawValue>) -> Result<Option<Value>, String> {
    // every character may be an escape
    const MOST_BYTES: usize = 6 * 4 * LONGEST_ID;
    match raw {
        None => Ok(None),
        Some(raw) if raw.get().len() > MOST_BYTES => Err(format!("an id or name of the task has more than {MOST_BYTES} bytes")),
        Some(raw) => serde_json::from_str(raw.get()).map(Some).map_err(|error| error.to_string()),
    }
}

/// The id of a task that is not good otherwise.
pub(super) fn id_only(raw: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct IdOnly<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let task: IdOnly<'_> = serde_json::from_str(raw).ok()?;
    id_of("id", small(task.id).ok()?.as_ref()).ok()?.map(|id| printable(&id, LONGEST_ID))
}

/// Database times have microseconds: what is compared later must be cut alike.
pub(super) fn time_of(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        // without an offset, as some scripts write them: taken as UTC
        .or_else(|_| text.parse::<NaiveDateTime>().map(|time| time.and_utc()))
        .map_err(|_| format!("{:?} is not a time like 2024-01-31T12:00:00Z", printable(text, 60)))?;
    // what the database can keep, and people may mean
    if !(1..=9999).contains(&time.year()) {
        return Err("a time has a year that is not between 1 and 9999".to_owned());
    }
    DateTime::from_timestamp_micros(time.timestamp_micros()).ok_or_else(|| "a time is out of range".to_owned())
}

pub(super) fn reviewer_of(completed_by: Option<&Value>) -> Result<Option<String>, String> {
    match completed_by {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(user)) => {
            let known = user.get("id").filter(|id| !id.is_null()).or_else(|| user.get("email"));
            id_of("completed_by of an annotation", known)
        }
        other => id_of("completed_by of an annotation", other),
    }
}

/// Whether a string of this JSON text holds a NUL character: it can only be written as an escape.
pub(super) fn has_nul(raw: &str) -> bool {
    raw.match_indices("\\u0000").any(|(place, _)| {
        let before = raw.as_bytes()[..place].iter().rev().take_while(|byte| **byte == b'\\').count();
        // an odd number of backslashes before ours makes ours an escaped backslash
        before % 2 == 0
    })
}

/// Short enough for a report, and without characters that the database refuses.
pub(super) fn printable(text: &str, longest: usize) -> String {
    text.chars().filter(|character| *character != '\0').take(longest).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_whole_numbers_or_strings() {
        let id = |value: Value| id_of("id", Some(&value));
        assert_eq!(id(json!(7)).unwrap().as_deref(), Some("7"));
        assert_eq!(id(json!("a-7")).unwrap().as_deref(), Some("a-7"));
        assert_eq!(id(json!(null)).unwrap(), None);
        for bad in [json!(7.5), json!(""), json!("x".repeat(201)), json!([7])] {
            assert!(id(bad).is_err());
        }
    }

    #[test]
    fn times_need_no_offset_and_are_cut_to_microseconds() {
        assert_eq!(time_of("2024-01-31T12:00:00+02:00").unwrap(), time_of("2024-01-31T10:00:00").unwrap());
        assert_eq!(time_of("2024-01-31T12:00:00.1234567Z").unwrap().timestamp_subsec_nanos(), 123_456_000);
        assert!(time_of("31.1.2024").is_err());
    }

    #[test]
    fn an_escaped_backslash_before_u0000_is_no_nul() {
        assert!(has_nul(r#""\u0000""#) && has_nul(r#""\\\u0000""#));
        assert!(!has_nul(r#""\\u0000""#) && !has_nul(r#""u0000""#));
    }
}
