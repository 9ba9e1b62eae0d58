//! The definition of a field, as far as it constrains values.

use std::borrow::Cow;
use std::collections::HashSet;

use aprendiz_annotation_types::{Cardinality, FieldKind, Normalization, Normalizer, canonical_values, comparable, is_iso_date, is_number};
use sqlx::PgConnection;

use crate::reviews::error::ReviewError;

/// Maximum number of allowed values listed in an error.
const MAX_LISTED_VALUES: usize = 20;

/// The definition of a field, as far as it constrains values.
pub(super) struct Definition {
    pub(super) kind: FieldKind,
    pub(super) cardinality: Cardinality,
    pub(super) allowed_values: Option<Vec<String>>,
    pub(super) normalization: Option<Normalization>,
}

/// Loads the definition of a field.
pub(super) async fn load_definition(conn: &mut PgConnection, field: &str) -> Result<Definition, ReviewError> {
    let definition = sqlx::query_as!(
        Definition,
        r#"
        SELECT kind AS "kind: FieldKind", cardinality AS "cardinality: Cardinality", allowed_values,
               normalization AS "normalization: Normalization"
        FROM fields
        WHERE name = $1
        "#,
        field
    )
    .fetch_optional(conn)
    .await?;
    definition.ok_or_else(|| ReviewError::UnknownField(field.to_owned()))
}

impl Definition {
    /// Applies the normalization of the field, and the canonical form of its kind.
    pub(super) fn normalize(&self, values: &mut Vec<String>) {
        if let Some(normalizer) = Normalizer::for_field(self.kind, self.normalization.as_ref(), self.allowed_values.as_deref()) {
            *values = normalizer.apply(values);
        }
        if matches!(self.kind, FieldKind::Number | FieldKind::Date) {
            *values = canonical_values(self.kind, values);
        }
    }

    /// Checks values against cardinality, allowed values and kind.
    pub(super) fn check_values(&self, values: &[String]) -> Result<(), ReviewError> {
        if self.cardinality == Cardinality::One && values.len() > 1 {
            return Err(invalid(format!("the field has at most one value, got {}", values.len())));
        }
        if let Some(allowed) = &self.allowed_values
            && let Some(unknown) = first_unknown(values, allowed)
        {
            let hidden = allowed.len().saturating_sub(MAX_LISTED_VALUES);
            let more = if hidden > 0 { format!(" and {hidden} more") } else { String::new() };
            let listed = allowed.iter().take(MAX_LISTED_VALUES).map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ");
            return Err(invalid(format!("{unknown:?} is not one of the allowed values: {listed}{more}")));
        }
        let (is_valid, expected): (fn(&str) -> bool, &str) = match self.kind {
            FieldKind::Date => (is_iso_date, "a date, YYYY-MM-DD"),
            FieldKind::Number => (is_number, "a decimal number"),
            FieldKind::Categorical | FieldKind::Text => return Ok(()),
        };
        match values.iter().find(|value| !is_valid(value)) {
            Some(value) => Err(invalid(format!("{value:?} is not {expected}, as the kind of the field requires"))),
            None => Ok(()),
        }
    }
}

/// The first value that is not among the allowed values.
fn first_unknown<'v>(values: &'v [String], allowed: &[String]) -> Option<&'v String> {
    let known: HashSet<Cow<'_, str>> = allowed.iter().map(|value| comparable(value)).collect();
    values.iter().find(|value| !known.contains(&comparable(value)))
}

fn invalid(reason: String) -> ReviewError {
    ReviewError::Invalid { part: "value", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(result: Result<(), ReviewError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn values_must_satisfy_the_definition_of_their_field() {
        let fit = |kind, values: &[&str]| {
            let definition = Definition { kind, cardinality: Cardinality::Many, allowed_values: None, normalization: None };
            definition.check_values(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
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
        assert!(reason(one.check_values(&["a".to_owned(), "b".to_owned()])).contains("one value"));
        assert!(reason(one.check_values(&["b".to_owned()])).contains("\"a\""));
        one.check_values(&[]).unwrap();
    }
}
