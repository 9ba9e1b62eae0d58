//! Declares fields.

use aprendiz_annotation_types::{Cardinality, FieldKind};
use aprendiz_db::Scope;
use sqlx::{Connection, PgConnection};

use crate::error::AnnotationsError;
use crate::fields::field::{Field, FieldDefinition};
use crate::fields::read::get;

/// Refuses a new field whose name differs from that of a known field only in case: readers of snapshots such as DuckDB take one for the other.
async fn check_name(conn: &mut PgConnection, name: &str) -> Result<(), AnnotationsError> {
    let similar =
        sqlx::query_scalar!(r#"SELECT max(name) AS "name!" FROM fields WHERE lower(name) = lower($1) HAVING NOT bool_or(name = $1)"#, name)
            .fetch_optional(conn)
            .await?;
    let Some(similar) = similar else {
        return Ok(());
    };
    let reason = format!("it differs from the field `{similar}` only in case: use that field, or another name");
    Err(AnnotationsError::InvalidDefinition { field: name.to_owned(), reason })
}

/// Creates a field or replaces its definition, and marks it as declared. Existing values are not changed. A definition equal to the
/// current one changes nothing.
///
/// With `if_version`, only if the definition has this version; 0 = the field does not exist.
///
/// # Errors
/// When the name or the definition is invalid, or Postgres is unavailable.
pub async fn declare(
    conn: &mut PgConnection,
    name: &str,
    definition: &FieldDefinition,
    if_version: Option<u32>,
    actor: &str,
) -> Result<Field, AnnotationsError> {
    definition.validate(name).map_err(|reason| AnnotationsError::InvalidDefinition { field: name.to_owned(), reason })?;
    let definition = &definition.canonical();
    let normalization = definition.normalization.as_ref().map(|rule| serde_json::to_value(rule).expect("a rule is plain data"));
    let mut transaction = conn.begin().await?;
    check_name(&mut transaction, name).await?;
    if let Some(expected) = if_version {
        check_version(&mut transaction, name, expected).await?;
    }
    // locks the row of the field even if it does not change, so that versions are numbered consecutively
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
    let field = get(&mut transaction, &Scope::All, name).await?.ok_or_else(|| AnnotationsError::MissingField(name.to_owned()))?;
    transaction.commit().await?;
    Ok(field)
}

/// Refuses a change of a definition that another one has replaced. Declarations of a field with a version wait for each other, also of one
/// that does not exist yet.
async fn check_version(conn: &mut PgConnection, name: &str, expected: u32) -> Result<(), AnnotationsError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('declare ' || $1, 0))", name).execute(&mut *conn).await?;
    let version = sqlx::query_scalar!(
        r#"
        SELECT coalesce((SELECT max(d.version) FROM field_definitions d WHERE d.field = f.name), 1) AS "version!"
        FROM fields f
        WHERE f.name = $1
        FOR UPDATE OF f
        "#,
        name
    )
    .fetch_optional(conn)
    .await?
    .unwrap_or(0);
    if i64::from(version) == i64::from(expected) {
        Ok(())
    } else {
        Err(AnnotationsError::StaleDefinition { field: name.to_owned(), version })
    }
}
