//! Labelled fields: what an import guessed or a person declared about them.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use utoipa::ToSchema;

use crate::error::AnnotationsError;
use crate::normalization::Normalization;

/// What the values of a field are. Only categorical fields can be learned by classifiers; the others are kept and exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "field_kind", rename_all = "lowercase")]
pub enum FieldKind {
    /// One of a set of classes.
    Categorical,
    /// Anything.
    Text,
    /// ISO dates, `YYYY-MM-DD`.
    Date,
    /// Decimal numbers.
    Number,
}

impl FieldKind {
    /// The name used in the database, the API and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Categorical => "categorical",
            Self::Text => "text",
            Self::Date => "date",
            Self::Number => "number",
        }
    }
}

/// How many values a document may have for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "field_cardinality", rename_all = "lowercase")]
pub enum Cardinality {
    /// At most one.
    One,
    /// Any number.
    Many,
}

/// A field, with how much is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Field {
    /// Unique name, as the labelling tool calls it.
    pub name: String,
    /// What its values are.
    pub kind: FieldKind,
    /// One value or many.
    pub cardinality: Cardinality,
    /// The values a reviewer may choose from; absent when unknown.
    pub allowed_values: Option<Vec<String>>,
    /// How values that arrive are written; absent when they stay as they are.
    pub normalization: Option<Normalization>,
    /// Whether a person has set the definition; else an import guessed it.
    pub declared: bool,
    /// Number of its definition, from 1; `history` has the ones before.
    pub version: i32,
    /// Documents with an answer for it, "no value" included.
    pub documents_reviewed: i64,
    /// First seen.
    pub created_at: DateTime<Utc>,
    /// Last change of the definition.
    pub updated_at: DateTime<Utc>,
}

/// One version of the definition of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldVersion {
    /// From 1; a later one replaces the ones before it.
    pub version: i32,
    /// What its values are.
    pub kind: FieldKind,
    /// One value or many.
    pub cardinality: Cardinality,
    /// The values a reviewer may choose from; absent when unknown.
    pub allowed_values: Option<Vec<String>>,
    /// How values that arrived were written; absent when they stayed as they were.
    pub normalization: Option<Normalization>,
    /// Whether a person has set it; else an import guessed it.
    pub declared: bool,
    /// Who defined it: the name of an API key, or `import`.
    pub actor: String,
    /// Snapshots of this position and later ones go by it.
    pub position: i64,
    /// When it was defined.
    pub since: DateTime<Utc>,
}

/// What a person declares about a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldDefinition {
    /// What its values are.
    pub kind: FieldKind,
    /// One value or many.
    pub cardinality: Cardinality,
    /// The values a reviewer may choose from; absent or null when unknown.
    #[serde(default)]
    pub allowed_values: Option<Vec<String>>,
    /// How values are written that arrive from now on; absent or null to take them as they are.
    #[serde(default)]
    pub normalization: Option<Normalization>,
}

/// Whether a name can be the name of a field: `[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}`, as the table demands.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = name.bytes();
    name.len() <= 100 && bytes.next().is_some_and(word) && bytes.all(|byte| word(byte) || b".:-".contains(&byte))
}

/// Whether a value can be one of a date field.
pub(crate) fn is_iso_date(value: &str) -> bool {
    value.len() == 10 && NaiveDate::parse_from_str(value, "%Y-%m-%d").is_ok()
}

/// Whether a value can be one of a number field. Decimal numbers only: `inf` and `nan` are words.
pub(crate) fn is_number(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_digit()) && value.parse::<f64>().is_ok_and(f64::is_finite)
}

/// All fields, by name.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Field>, AnnotationsError> {
    let fields = sqlx::query_as!(
        Field,
        r#"
        SELECT f.name, f.kind AS "kind: FieldKind", f.cardinality AS "cardinality: Cardinality", f.allowed_values,
               f.normalization AS "normalization: Normalization", f.declared,
               coalesce((SELECT max(d.version) FROM field_definitions d WHERE d.field = f.name), 1) AS "version!",
               coalesce(r.documents, 0) AS "documents_reviewed!", f.created_at, f.updated_at
        FROM fields f
        LEFT JOIN (
            SELECT field, count(*) AS documents
            FROM annotations
            WHERE accepted_value IS NOT NULL
            GROUP BY field
        ) r ON r.field = f.name
        ORDER BY f.name COLLATE "C"
        "#
    )
    .fetch_all(conn)
    .await?;
    Ok(fields)
}

/// One field, or `None` when no document and nobody ever named it.
///
/// # Errors
/// When Postgres does not answer.
pub async fn get(conn: &mut PgConnection, name: &str) -> Result<Option<Field>, AnnotationsError> {
    let field = sqlx::query_as!(
        Field,
        r#"
        SELECT f.name, f.kind AS "kind: FieldKind", f.cardinality AS "cardinality: Cardinality", f.allowed_values,
               f.normalization AS "normalization: Normalization", f.declared,
               coalesce((SELECT max(d.version) FROM field_definitions d WHERE d.field = f.name), 1) AS "version!",
               (SELECT count(*) FROM annotations a WHERE a.field = f.name AND a.accepted_value IS NOT NULL) AS "documents_reviewed!",
               f.created_at, f.updated_at
        FROM fields f
        WHERE f.name = $1
        "#,
        name
    )
    .fetch_optional(conn)
    .await?;
    Ok(field)
}

/// Every version of the definition of a field, the current one last; empty when there is no such field.
///
/// # Errors
/// When Postgres does not answer.
pub async fn history(conn: &mut PgConnection, name: &str) -> Result<Vec<FieldVersion>, AnnotationsError> {
    let versions = sqlx::query_as!(
        FieldVersion,
        r#"
        SELECT version, kind AS "kind: FieldKind", cardinality AS "cardinality: Cardinality", allowed_values,
               normalization AS "normalization: Normalization", declared, actor, position, created_at AS since
        FROM field_definitions
        WHERE field = $1
        ORDER BY version
        "#,
        name
    )
    .fetch_all(conn)
    .await?;
    Ok(versions)
}

/// Creates a field or replaces its definition; from then on it counts as declared. Values already there are not touched.
/// A definition that says what the current one says changes nothing.
///
/// # Errors
/// When the name or the allowed values cannot be, or Postgres does not answer.
pub async fn declare(conn: &mut PgConnection, name: &str, definition: &FieldDefinition, actor: &str) -> Result<Field, AnnotationsError> {
    check(name, definition).map_err(|reason| AnnotationsError::InvalidDefinition { field: name.to_owned(), reason })?;
    let normalization = definition.normalization.as_ref().map(|rule| serde_json::to_value(rule).expect("a rule is plain data"));
    let mut transaction = conn.begin().await?;
    // locks the row of the field, changed or not, so that versions are numbered one after the other
    let changed = sqlx::query!(
        r#"
        INSERT INTO fields AS f (name, kind, cardinality, allowed_values, normalization, declared)
        VALUES ($1, $2, $3, $4, $5, true)
        ON CONFLICT (name) DO UPDATE
        SET kind = excluded.kind, cardinality = excluded.cardinality, allowed_values = excluded.allowed_values,
            normalization = excluded.normalization, declared = true, updated_at = clock_timestamp()
        WHERE (f.kind, f.cardinality, f.allowed_values, f.normalization, f.declared)
              IS DISTINCT FROM
              (excluded.kind, excluded.cardinality, excluded.allowed_values, excluded.normalization, true)
        "#,
        name,
        definition.kind as FieldKind,
        definition.cardinality as Cardinality,
        definition.allowed_values.as_deref(),
        normalization,
    )
    .execute(&mut *transaction)
    .await?;
    if changed.rows_affected() > 0 {
        sqlx::query!(
            r#"
            INSERT INTO field_definitions (field, version, kind, cardinality, allowed_values, normalization, declared, actor, position)
            SELECT f.name, 1 + coalesce((SELECT max(d.version) FROM field_definitions d WHERE d.field = f.name), 0),
                   f.kind, f.cardinality, f.allowed_values, f.normalization, f.declared, $2, next_position()
            FROM fields f
            WHERE f.name = $1
            "#,
            name,
            actor,
        )
        .execute(&mut *transaction)
        .await?;
    }
    let field = get(&mut transaction, name).await?.ok_or(sqlx::Error::RowNotFound)?;
    transaction.commit().await?;
    Ok(field)
}

fn check(name: &str, definition: &FieldDefinition) -> Result<(), String> {
    if !is_valid_name(name) {
        return Err("a name has 1 to 100 letters, digits or `_.:-` and starts with a letter, a digit or `_`".to_owned());
    }
    if let Some(normalization) = &definition.normalization {
        normalization.check(definition.allowed_values.as_deref())?;
    }
    let Some(allowed) = &definition.allowed_values else {
        return Ok(());
    };
    if allowed.is_empty() {
        return Err("allowed_values is empty: leave it out when the values are not known".to_owned());
    }
    for (place, value) in allowed.iter().enumerate() {
        if value.trim() != value || value.is_empty() || value.contains('\0') {
            return Err(format!("allowed value {value:?} is empty, has blanks around it or a NUL character"));
        }
        if allowed[..place].contains(value) {
            return Err(format!("allowed value {value:?} is listed twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_the_table() {
        for good in ["a", "contract_type", "0", "x.y:z-1", &"n".repeat(100)] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["", " a", "a b", "-a", "é", "a\n", &"n".repeat(101)] {
            assert!(!is_valid_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_definition_names_what_is_wrong_with_it() {
        let with = |values: &[&str]| FieldDefinition {
            kind: FieldKind::Categorical,
            cardinality: Cardinality::One,
            allowed_values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
            normalization: None,
        };
        assert!(check("law", &with(&["a", "b"])).is_ok());
        assert!(check("law", &with(&[])).unwrap_err().contains("empty"));
        assert!(check("law", &with(&["a", "a"])).unwrap_err().contains("twice"));
        assert!(check("law", &with(&[" a"])).unwrap_err().contains("blanks"));
        assert!(check("the law", &with(&["a"])).unwrap_err().contains("letters"));
    }
}
