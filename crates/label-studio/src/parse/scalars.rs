//! Ids, reviewers and NUL characters of a task.

use aprendiz_annotation_types::{MAX_ID_CHARS, canonical_number, truncate_printable};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::parse::digits::quote_long_numbers;
use crate::parse::problems::describe;

/// Whole numbers up to this are exact in double precision.
const MAX_EXACT_ID: u64 = 1 << 53;

/// Converts a whole number or a string to an id; `None` if it is absent or null.
///
/// # Errors
/// With the reason for quarantine; `what` names the id.
pub(crate) fn parse_id(what: &str, id: Option<&Value>) -> Result<Option<String>, String> {
    let id = match id {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
        Some(Value::Number(number)) => whole_id(what, &number.to_string())?,
        Some(Value::String(text)) => text.clone(),
        Some(_) => return Err(format!("the {what} is neither a whole number nor a string")),
    };
    if !(1..=MAX_ID_CHARS).contains(&id.chars().count()) {
        return Err(format!("the {what} is empty or has more than {MAX_ID_CHARS} characters"));
    }
    Ok(Some(id))
}

/// Reads an id that a program wrote as a floating-point number, such as `17.0`.
fn whole_id(what: &str, number: &str) -> Result<String, String> {
    let canonical = canonical_number(number).unwrap_or_default();
    let lost = || {
        Err(format!("the {what} {number} is a floating-point number that has lost its last digits: write it as a whole number or a string"))
    };
    match canonical.parse::<u64>() {
        Ok(id) if id <= MAX_EXACT_ID => Ok(id.to_string()),
        Ok(_) => lost(),
        Err(_) if !canonical.is_empty() && canonical.bytes().all(|byte| byte.is_ascii_digit()) => lost(),
        Err(_) => Err(format!("the {what} is neither a whole number nor a string")),
    }
}

/// Parses a value that is only valid if it is small; `None` if it is absent.
///
/// # Errors
/// With the reason for quarantine.
pub(crate) fn parse_small_value(key: &str, raw: Option<&RawValue>) -> Result<Option<Value>, String> {
    // every character may be an escape sequence
    const MAX_BYTES: usize = 6 * 4 * MAX_ID_CHARS;
    match raw {
        None => Ok(None),
        Some(raw) if raw.get().len() > MAX_BYTES => Err(format!("`{key}` of the task has more than {MAX_BYTES} bytes")),
        Some(raw) => {
            let parsed = serde_json::from_str(&quote_long_numbers(raw.get(), "number"));
            parsed.map(Some).map_err(|error| format!("`{key}`: {}", describe(&error)))
        }
    }
}

/// Reads the id of a task that is otherwise invalid.
pub(crate) fn parse_id_only(raw: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct IdOnly<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let task: IdOnly<'_> = serde_json::from_str(raw).ok()?;
    parse_id("id", parse_small_value("id", task.id).ok()?.as_ref()).ok()?.map(|id| truncate_printable(&id, MAX_ID_CHARS))
}

/// Converts `completed_by`, a user id or a user object, to the name of the reviewer.
///
/// # Errors
/// With the reason for quarantine.
pub(crate) fn parse_reviewer(completed_by: Option<&Value>) -> Result<Option<String>, String> {
    match completed_by {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(user)) => {
            let id = user.get("id").filter(|id| !id.is_null()).or_else(|| user.get("email"));
            parse_id("completed_by of an annotation", id)
        }
        other => parse_id("completed_by of an annotation", other),
    }
}

/// Whether a string in this JSON text contains a NUL character, which can only be written as an escape sequence.
pub(crate) fn has_nul(raw: &str) -> bool {
    raw.match_indices("\\u0000").any(|(index, _)| {
        let before = raw.as_bytes()[..index].iter().rev().take_while(|byte| **byte == b'\\').count();
        // after an odd number of backslashes this one is an escaped backslash
        before % 2 == 0
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_whole_numbers_or_strings() {
        let id = |value: Value| parse_id("id", Some(&value));
        assert_eq!(id(json!(7)).unwrap().as_deref(), Some("7"));
        assert_eq!(id(json!("a-7")).unwrap().as_deref(), Some("a-7"));
        assert_eq!(id(json!(null)).unwrap(), None);
        assert_eq!(id(json!(17.0)).unwrap().as_deref(), Some("17"));
        for long in [json!(1.0e17), json!(1.234_567_890_123_456_7e20)] {
            assert!(id(long).unwrap_err().contains("lost its last digits"));
        }
        for bad in [json!(7.5), json!(""), json!("x".repeat(201)), json!([7])] {
            assert!(id(bad).is_err());
        }
    }

    #[test]
    fn an_escaped_backslash_before_u0000_is_not_a_nul() {
        assert!(has_nul(r#""\u0000""#) && has_nul(r#""\\\u0000""#));
        assert!(!has_nul(r#""\\u0000""#) && !has_nul(r#""u0000""#));
    }
}
