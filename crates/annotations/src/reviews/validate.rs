//! Validates a review without the database: sizes, empty and repeated values.

use std::collections::HashSet;

use aprendiz_annotation_types::{canonical, comparable};

use crate::reviews::error::ReviewError;
use crate::reviews::new_review::{Decision, NewReview};

const MAX_VALUES: usize = 1_000;
const MAX_VALUE_CHARS: usize = 10_000;
const MAX_SPANS: usize = 1_000;
pub(super) const MAX_NOTE_CHARS: usize = 10_000;
const MAX_NAME_CHARS: usize = 200;
/// Maximum total size in bytes of the values of a review, and of the texts of its spans.
pub(super) const MAX_TOTAL_BYTES: usize = 1 << 20;

pub(super) fn invalid(part: &'static str, reason: impl Into<String>) -> ReviewError {
    ReviewError::Invalid { part, reason: reason.into() }
}

/// Checks a review and brings its values to their stored form.
pub(super) fn check_shape(review: &mut NewReview) -> Result<(), ReviewError> {
    if let Decision::Set(values) = &mut review.decision {
        check_values(values)?;
    }
    let has_value = matches!(&review.decision, Decision::Set(values) if !values.is_empty());
    if !review.spans.is_empty() && !has_value {
        return Err(invalid("spans", "spans require a value: omit them if there is no value"));
    }
    if review.spans.len() > MAX_SPANS {
        return Err(invalid("spans", format!("there are {} spans; at most {MAX_SPANS} are allowed", review.spans.len())));
    }
    check_text("note", review.note.as_deref(), MAX_NOTE_CHARS)?;
    for (part, name) in [
        ("reviewer", review.reviewer.as_deref()),
        ("source", Some(review.source.as_str())),
        ("source_ref", review.source_ref.as_deref()),
        ("actor", Some(review.actor.as_str())),
    ] {
        // a reference combines the name of an API key and a key of the client
        check_text(part, name, if part == "source_ref" { 2 * MAX_NAME_CHARS + 10 } else { MAX_NAME_CHARS })?;
        if name.is_some_and(|name| name.trim().is_empty()) {
            return Err(invalid(part, "is empty: omit it"));
        }
    }
    Ok(())
}

/// Checks the reviewer of a lease or of a bulk acceptance.
pub(super) fn check_reviewer(reviewer: &str) -> Result<(), ReviewError> {
    if reviewer.trim().is_empty() || reviewer.chars().count() > MAX_NAME_CHARS || reviewer.contains('\0') {
        return Err(invalid("reviewer", format!("must have 1 to {MAX_NAME_CHARS} characters and no NUL")));
    }
    Ok(())
}

fn check_values(values: &mut [String]) -> Result<(), ReviewError> {
    if values.len() > MAX_VALUES {
        return Err(invalid("value", format!("there are {} values; at most {MAX_VALUES} allowed", values.len())));
    }
    let (mut bytes, mut seen) = (0, HashSet::new());
    for value in values.iter_mut() {
        check_text("value", Some(value.as_str()), MAX_VALUE_CHARS)?;
        if let Some(stored) = changed(value) {
            *value = stored;
        }
        if value.is_empty() {
            return Err(invalid("value", "a value is empty: \"no value\" is an empty list, []"));
        }
        if !seen.insert(comparable(value).into_owned()) {
            return Err(invalid("value", format!("{value:?} is listed twice")));
        }
        bytes += value.len();
    }
    if bytes > MAX_TOTAL_BYTES {
        return Err(invalid("value", format!("the values have {bytes} bytes in total; at most {MAX_TOTAL_BYTES} are allowed")));
    }
    Ok(())
}

/// The stored form of a value, if it differs from the value.
fn changed(value: &str) -> Option<String> {
    let stored = canonical(value);
    (stored != value).then(|| stored.into_owned())
}

fn check_text(part: &'static str, text: Option<&str>, max_chars: usize) -> Result<(), ReviewError> {
    let Some(text) = text else {
        return Ok(());
    };
    if text.contains('\0') {
        return Err(invalid(part, "contains a NUL character, which the database cannot store"));
    }
    // the number of bytes is an upper bound of the number of characters, and cheap
    if text.len() > max_chars && text.chars().count() > max_chars {
        return Err(invalid(part, format!("has more than {max_chars} characters")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::reviews::new_review::SpanInput;

    fn review(values: &[&str]) -> NewReview {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        NewReview::new(Uuid::nil(), "law", Decision::Set(values), "ana")
    }

    fn reason(result: Result<(), ReviewError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn values_are_trimmed_and_neither_empty_nor_repeated() {
        let mut good = review(&[" a ", "b"]);
        check_shape(&mut good).unwrap();
        assert_eq!(good.decision, Decision::Set(vec!["a".to_owned(), "b".to_owned()]));
        assert!(reason(check_shape(&mut review(&["  "]))).contains("empty"));
        assert!(reason(check_shape(&mut review(&["a", "a "]))).contains("twice"));
        assert!(reason(check_shape(&mut review(&["Goiás", "Goia\u{301}s"]))).contains("twice"));
        assert!(reason(check_shape(&mut review(&["a\0"]))).contains("NUL"));
        assert!(reason(check_shape(&mut review(&[&"x".repeat(MAX_VALUE_CHARS + 1)]))).contains("characters"));
        check_shape(&mut review(&[&"é".repeat(MAX_VALUE_CHARS)])).unwrap();
        let many: Vec<String> = (0..=MAX_VALUES).map(|number| number.to_string()).collect();
        assert!(reason(check_shape(&mut review(&many.iter().map(String::as_str).collect::<Vec<_>>()))).contains("1000 allowed"));
    }

    #[test]
    fn notes_and_names_are_bounded_and_spans_need_a_value() {
        let with = |change: fn(&mut NewReview)| {
            let mut review = review(&[]);
            change(&mut review);
            reason(check_shape(&mut review))
        };
        assert!(with(|review| review.note = Some("x".repeat(MAX_NOTE_CHARS + 1))).starts_with("note: "));
        assert!(with(|review| review.reviewer = Some("x".repeat(MAX_NAME_CHARS + 1))).starts_with("reviewer: "));
        assert!(with(|review| review.reviewer = Some(" ".to_owned())).contains("empty"));
        assert!(with(|review| review.spans = vec![SpanInput { start: 0, end: 1, text: None }]).starts_with("spans: "));
    }
}
