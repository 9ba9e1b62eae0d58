//! Types of fields and of their definitions.

use std::collections::HashSet;

use aprendiz_annotation_types::{Cardinality, FieldKind, Normalization, canonical, comparable, is_valid_field_name};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Maximum number of allowed values of one field.
const MAX_ALLOWED_VALUES: usize = 10_000;

/// A field with its current definition.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Field {
    /// Unique name, as in the labelling tool.
    pub name: String,
    /// Kind of its values.
    pub kind: FieldKind,
    /// One value or many.
    pub cardinality: Cardinality,
    /// The values a reviewer may choose from; missing if unknown.
    pub allowed_values: Option<Vec<String>>,
    /// Normalization of incoming values; missing if they are kept unchanged.
    pub normalization: Option<Normalization>,
    /// Whether a person declared the definition; otherwise an import inferred it.
    pub declared: bool,
    /// Version of the definition, from 1; `history` returns the earlier ones.
    pub version: i32,
    /// Number of documents with an answer for it, "no value" included.
    pub documents_reviewed: i64,
    /// Time of the first definition.
    pub created_at: DateTime<Utc>,
    /// Time of the last change of the definition.
    pub updated_at: DateTime<Utc>,
}

/// One version of the definition of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldVersion {
    /// Version number, from 1; a version replaces all earlier ones.
    pub version: i32,
    /// Kind of its values.
    pub kind: FieldKind,
    /// One value or many.
    pub cardinality: Cardinality,
    /// The values a reviewer may choose from; missing if unknown.
    pub allowed_values: Option<Vec<String>>,
    /// Normalization of incoming values; missing if they were kept unchanged.
    pub normalization: Option<Normalization>,
    /// Whether a person declared it; otherwise an import inferred it.
    pub declared: bool,
    /// Who defined it: the name of an API key, or `import`.
    pub actor: String,
    /// Snapshots at this position or later use this version.
    pub position: i64,
    /// Time of the definition.
    pub since: DateTime<Utc>,
}

/// Definition of a field as declared by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldDefinition {
    /// Kind of its values.
    pub kind: FieldKind,
    /// One value or many.
    pub cardinality: Cardinality,
    /// The values a reviewer may choose from; missing or null if unknown.
    #[serde(default)]
    pub allowed_values: Option<Vec<String>>,
    /// Normalization of incoming values; missing or null to keep them unchanged.
    #[serde(default)]
    pub normalization: Option<Normalization>,
}

impl FieldDefinition {
    /// Validates the definition of a field with this name; the error is a message for the user.
    pub(super) fn validate(&self, name: &str) -> Result<(), String> {
        if !is_valid_field_name(name) {
            return Err("a name has 1 to 100 letters, digits or `_.:-` and starts with a letter, a digit or `_`".to_owned());
        }
        if let Some(allowed) = &self.allowed_values {
            check_allowed_values(allowed)?;
        }
        self.normalization.as_ref().map_or(Ok(()), |normalization| normalization.check(self.allowed_values.as_deref()))
    }
}

fn check_allowed_values(allowed: &[String]) -> Result<(), String> {
    if allowed.is_empty() {
        return Err("allowed_values is empty: omit it if the values are unknown".to_owned());
    }
    if allowed.len() > MAX_ALLOWED_VALUES {
        return Err(format!("there are {} allowed values; at most {MAX_ALLOWED_VALUES} are possible", allowed.len()));
    }
    let mut seen = HashSet::with_capacity(allowed.len());
    for value in allowed {
        if value.trim() != value || value.is_empty() || value.contains('\0') {
            return Err(format!("allowed value {value:?} is empty, has leading or trailing blanks, or contains a NUL character"));
        }
        if !seen.insert(comparable(value)) {
            return Err(format!("allowed value {value:?} is listed twice"));
        }
    }
    Ok(())
}

impl FieldDefinition {
    /// The definition with all values in their stored form.
    pub(super) fn canonical(&self) -> Self {
        let stored = |value: &String| canonical(value).into_owned();
        let normalization = self.normalization.as_ref().map(|rules| {
            let aliases = rules.aliases.iter().map(|(alias, value)| (stored(alias), stored(value))).collect();
            Normalization { aliases, ..rules.clone() }
        });
        let allowed_values = self.allowed_values.as_ref().map(|allowed| allowed.iter().map(stored).collect());
        Self { allowed_values, normalization, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_invalid_part_of_a_definition() {
        let with = |values: &[&str]| FieldDefinition {
            kind: FieldKind::Categorical,
            cardinality: Cardinality::One,
            allowed_values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
            normalization: None,
        };
        assert!(with(&["a", "b"]).validate("law").is_ok());
        assert!(with(&[]).validate("law").unwrap_err().contains("empty"));
        let many: Vec<String> = (0..=MAX_ALLOWED_VALUES).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(with(&many).validate("law").unwrap_err().contains("10001 allowed values; at most 10000"));
        assert!(with(&many[1..]).validate("law").is_ok());
        assert!(with(&["a", "a"]).validate("law").unwrap_err().contains("twice"));
        assert!(with(&["Goiás", "Goia\u{301}s"]).validate("law").unwrap_err().contains("twice"));
        assert_eq!(with(&["Goia\u{301}s"]).canonical(), with(&["Goiás"]));
        assert!(with(&[" a"]).validate("law").unwrap_err().contains("blanks"));
        assert!(with(&["a"]).validate("the law").unwrap_err().contains("letters"));
    }
}
