//! What a review may say: bounds, the definition of the field, places in the text. Pure functions.

use serde::Serialize;

use crate::fields::{Cardinality, FieldKind, is_iso_date, is_number};
use crate::normalization::{Normalization, Normalizer};
use crate::review::error::ReviewError;
use crate::review::request::{NewReview, Said, SpanGiven};
use crate::spans::IndexedText;

const MOST_VALUES: usize = 1_000;
const LONGEST_VALUE: usize = 10_000;
const MOST_SPANS: usize = 1_000;
const LONGEST_NOTE: usize = 10_000;
const LONGEST_NAME: usize = 200;
/// Of all values of a review together, in bytes; so of the texts of its spans.
const MOST_BYTES: usize = 1 << 20;

/// The definition of a field, as far as values must keep to it.
pub(super) struct Definition {
    pub(super) kind: FieldKind,
    pub(super) cardinality: Cardinality,
    pub(super) allowed_values: Option<Vec<String>>,
    pub(super) normalization: Option<Normalization>,
}

impl Definition {
    /// Writes values as the field has them.
    pub(super) fn normalize(&self, values: &mut Vec<String>) {
        if let Some(normalization) = &self.normalization {
            *values = Normalizer::new(normalization, self.allowed_values.as_deref()).apply(values);
        }
    }
}

/// A place with its text, as it is stored.
#[derive(Serialize)]
struct Span<'a> {
    start: usize,
    end: usize,
    text: &'a str,
}

fn invalid(part: &'static str, reason: impl Into<String>) -> ReviewError {
    ReviewError::Invalid { part, reason: reason.into() }
}

/// Checks what needs nothing from the database. Trims the values.
pub(super) fn check_shape(review: &mut NewReview) -> Result<(), ReviewError> {
    if let Said::Value(values) = &mut review.said {
        check_values(values)?;
    }
    let has_value = matches!(&review.said, Said::Value(values) if !values.is_empty());
    if !review.spans.is_empty() && !has_value {
        return Err(invalid("spans", "places belong to a value: leave them out where there is none"));
    }
    if review.spans.len() > MOST_SPANS {
        return Err(invalid("spans", format!("{} places are more than the {MOST_SPANS} allowed", review.spans.len())));
    }
    check_text("note", review.note.as_deref(), LONGEST_NOTE)?;
    for (part, name) in [
        ("reviewer", review.reviewer.as_deref()),
        ("source", Some(review.source.as_str())),
        ("source_ref", review.source_ref.as_deref()),
        ("actor", Some(review.actor.as_str())),
    ] {
        // a reference holds the name of a key and a key of the client
        check_text(part, name, if part == "source_ref" { 2 * LONGEST_NAME + 10 } else { LONGEST_NAME })?;
        if name.is_some_and(|name| name.trim().is_empty()) {
            return Err(invalid(part, "it is empty: leave it out"));
        }
    }
    Ok(())
}

fn check_values(values: &mut [String]) -> Result<(), ReviewError> {
    if values.len() > MOST_VALUES {
        return Err(invalid("value", format!("{} values are more than the {MOST_VALUES} allowed", values.len())));
    }
    let mut bytes = 0;
    for place in 0..values.len() {
        check_text("value", Some(&values[place]), LONGEST_VALUE)?;
        if values[place].trim().len() < values[place].len() {
            values[place] = values[place].trim().to_owned();
        }
        let (before, value) = (&values[..place], &values[place]);
        if value.is_empty() {
            return Err(invalid("value", "a value is empty: \"no value\" is an empty list, []"));
        }
        if before.contains(value) {
            return Err(invalid("value", format!("{value:?} is listed twice")));
        }
        bytes += value.len();
    }
    if bytes > MOST_BYTES {
        return Err(invalid("value", format!("the values have {bytes} bytes together, more than the {MOST_BYTES} allowed")));
    }
    Ok(())
}

fn check_text(part: &'static str, text: Option<&str>, longest: usize) -> Result<(), ReviewError> {
    let Some(text) = text else {
        return Ok(());
    };
    if text.contains('\0') {
        return Err(invalid(part, "it holds a NUL character, which the database cannot keep"));
    }
    // as long in bytes is short enough in characters
    if text.len() > longest && text.chars().count() > longest {
        return Err(invalid(part, format!("it has more than {longest} characters")));
    }
    Ok(())
}

/// Checks values against the definition of their field.
pub(super) fn check_values_fit(values: &[String], definition: &Definition) -> Result<(), ReviewError> {
    if definition.cardinality == Cardinality::One && values.len() > 1 {
        return Err(invalid("value", format!("the field has one value at most, and {} are given", values.len())));
    }
    if let Some(allowed) = &definition.allowed_values
        && let Some(stranger) = values.iter().find(|value| !allowed.contains(value))
    {
        const SHOWN: usize = 20;
        let more = if allowed.len() > SHOWN { format!(" and {} more", allowed.len() - SHOWN) } else { String::new() };
        let shown = allowed.iter().take(SHOWN).map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ");
        return Err(invalid("value", format!("{stranger:?} is not among the allowed values: {shown}{more}")));
    }
    let (fits, form): (fn(&str) -> bool, &str) = match definition.kind {
        FieldKind::Date => (is_iso_date, "a date, YYYY-MM-DD"),
        FieldKind::Number => (is_number, "a decimal number"),
        FieldKind::Categorical | FieldKind::Text => return Ok(()),
    };
    match values.iter().find(|value| !fits(value)) {
        Some(value) => Err(invalid("value", format!("{value:?} is not {form}, which the field takes"))),
        None => Ok(()),
    }
}

/// The places as they are stored, with their texts; `None` for none.
pub(super) fn check_spans(spans: &[SpanGiven], text: &str) -> Result<Option<serde_json::Value>, ReviewError> {
    if spans.is_empty() {
        return Ok(None);
    }
    let text = IndexedText::new(text);
    let mut found = Vec::with_capacity(spans.len());
    let mut bytes = 0;
    for SpanGiven { start, end, text: expected } in spans {
        let (start, end) = (*start, *end);
        let Some(there) = text.between(start, end).filter(|there| !there.is_empty()) else {
            return Err(invalid(
                "spans",
                format!("{start}..{end} is no place in the newest text: offsets count code points from 0, end excluded"),
            ));
        };
        if expected.as_deref().is_some_and(|expected| expected != there) {
            let shown: String = there.chars().take(60).collect();
            return Err(invalid(
                "spans",
                format!("at {start}..{end} stands {shown:?} and not the text given: offsets count code points of the newest text"),
            ));
        }
        bytes += there.len();
        found.push(Span { start, end, text: there });
    }
    if bytes > MOST_BYTES {
        return Err(invalid("spans", format!("the places hold {bytes} bytes of text together, more than the {MOST_BYTES} allowed")));
    }
    Ok(Some(serde_json::to_value(&found).expect("spans are numbers and strings")))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn review(values: &[&str]) -> NewReview {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        NewReview::new(Uuid::nil(), "law", Said::Value(values), "ana")
    }

    fn reason(result: Result<(), ReviewError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn values_are_trimmed_and_neither_empty_nor_repeated() {
        let mut good = review(&[" a ", "b"]);
        check_shape(&mut good).unwrap();
        assert_eq!(good.said, Said::Value(vec!["a".to_owned(), "b".to_owned()]));
        assert!(reason(check_shape(&mut review(&["  "]))).contains("empty"));
        assert!(reason(check_shape(&mut review(&["a", "a "]))).contains("twice"));
        assert!(reason(check_shape(&mut review(&["a\0"]))).contains("NUL"));
        assert!(reason(check_shape(&mut review(&[&"x".repeat(LONGEST_VALUE + 1)]))).contains("characters"));
        check_shape(&mut review(&[&"é".repeat(LONGEST_VALUE)])).unwrap();
        let many: Vec<String> = (0..=MOST_VALUES).map(|number| number.to_string()).collect();
        assert!(reason(check_shape(&mut review(&many.iter().map(String::as_str).collect::<Vec<_>>()))).contains("1000 allowed"));
    }

    #[test]
    fn notes_and_names_have_bounds_and_places_need_a_value() {
        let with = |change: fn(&mut NewReview)| {
            let mut review = review(&[]);
            change(&mut review);
            reason(check_shape(&mut review))
        };
        assert!(with(|review| review.note = Some("x".repeat(LONGEST_NOTE + 1))).starts_with("note: "));
        assert!(with(|review| review.reviewer = Some("x".repeat(LONGEST_NAME + 1))).starts_with("reviewer: "));
        assert!(with(|review| review.reviewer = Some(" ".to_owned())).contains("empty"));
        assert!(with(|review| review.spans = vec![SpanGiven { start: 0, end: 1, text: None }]).starts_with("spans: "));
    }

    #[test]
    fn values_keep_to_the_definition_of_their_field() {
        let fit = |kind, values: &[&str]| {
            let definition = Definition { kind, cardinality: Cardinality::Many, allowed_values: None, normalization: None };
            check_values_fit(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>(), &definition)
        };
        fit(FieldKind::Date, &["2024-02-29"]).unwrap();
        fit(FieldKind::Number, &["-1.5", "2e3"]).unwrap();
        fit(FieldKind::Date, &[]).unwrap();
        assert!(reason(fit(FieldKind::Date, &["2023-02-29"])).contains("YYYY-MM-DD"));
        assert!(reason(fit(FieldKind::Date, &["29.2.2024"])).contains("YYYY-MM-DD"));
        assert!(reason(fit(FieldKind::Number, &["NaN"])).contains("decimal"));

        let one = Definition {
            kind: FieldKind::Text,
            cardinality: Cardinality::One,
            allowed_values: Some(vec!["a".to_owned()]),
            normalization: None,
        };
        assert!(reason(check_values_fit(&["a".to_owned(), "b".to_owned()], &one)).contains("one value"));
        assert!(reason(check_values_fit(&["b".to_owned()], &one)).contains("\"a\""));
        check_values_fit(&[], &one).unwrap();
    }

    #[test]
    fn places_count_code_points_and_hold_the_text_that_stands_there() {
        let span = |start, end, text: Option<&str>| SpanGiven { start, end, text: text.map(str::to_owned) };
        let text = "😀 né à Paris";
        let stored = check_spans(&[span(7, 12, Some("Paris")), span(0, 1, None)], text).unwrap().unwrap();
        assert_eq!(stored, serde_json::json!([{"start": 7, "end": 12, "text": "Paris"}, {"start": 0, "end": 1, "text": "😀"}]));
        assert_eq!(check_spans(&[], text).unwrap(), None);
        let reason = |span| check_spans(&[span], text).unwrap_err().to_string();
        assert!(reason(span(8, 13, Some("Paris"))).contains("no place"));
        assert!(reason(span(6, 11, Some("Paris"))).contains("stands \" Pari\""));
        assert!(reason(span(3, 3, None)).contains("no place"));
        assert!(reason(span(5, 3, None)).contains("no place"));
    }
}
