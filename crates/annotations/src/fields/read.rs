//! Queries of fields.

use aprendiz_annotation_types::{Cardinality, FieldKind, FieldNames, Normalization};
use aprendiz_db::Scope;
use sqlx::PgConnection;

use crate::error::AnnotationsError;
use crate::fields::field::{Field, FieldVersion};

/// Lists by name the fields that documents of the scope have. All fields are in the scope of everything, also those of no document.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn list(conn: &mut PgConnection, scope: &Scope) -> Result<Vec<Field>, AnnotationsError> {
    let fields = sqlx::query_as!(
        Field,
        r#"
        SELECT f.name, f.kind AS "kind: FieldKind", f.cardinality AS "cardinality: Cardinality", f.allowed_values,
               f.normalization AS "normalization: Normalization", f.declared,
               coalesce((SELECT max(d.version) FROM field_definitions d WHERE d.field = f.name), 1) AS "version!",
               CASE WHEN $1::text[] IS NULL THEN
                   (SELECT count(*) FROM annotations a WHERE a.field = f.name AND a.accepted_value IS NOT NULL)
                   - (SELECT count(*) FROM documents d JOIN annotations a ON a.document_id = d.id
                      WHERE a.field = f.name AND a.accepted_value IS NOT NULL AND coalesce(d.archived_at, d.withdrawn_at) IS NOT NULL)
               ELSE
                   (SELECT count(*) FROM documents d JOIN annotations a ON a.document_id = d.id
                    WHERE a.field = f.name AND a.accepted_value IS NOT NULL AND coalesce(d.archived_at, d.withdrawn_at) IS NULL
                      AND d.project = ANY($1))
               END
               AS "documents_reviewed!", f.created_at, f.updated_at
        FROM fields f
        WHERE $1::text[] IS NULL OR EXISTS (
            SELECT FROM annotations a JOIN documents d ON d.id = a.document_id WHERE a.field = f.name AND d.project = ANY($1)
        )
        ORDER BY f.name COLLATE "C"
        "#,
        scope.projects()
    )
    .fetch_all(conn)
    .await?;
    Ok(fields)
}

/// Returns one field; `None` if no document of the scope has it.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn get(conn: &mut PgConnection, scope: &Scope, name: &str) -> Result<Option<Field>, AnnotationsError> {
    let field = sqlx::query_as!(
        Field,
        r#"
        SELECT f.name, f.kind AS "kind: FieldKind", f.cardinality AS "cardinality: Cardinality", f.allowed_values,
               f.normalization AS "normalization: Normalization", f.declared,
               coalesce((SELECT max(d.version) FROM field_definitions d WHERE d.field = f.name), 1) AS "version!",
               CASE WHEN $2::text[] IS NULL THEN
                   (SELECT count(*) FROM annotations a WHERE a.field = f.name AND a.accepted_value IS NOT NULL)
                   - (SELECT count(*) FROM documents d JOIN annotations a ON a.document_id = d.id
                      WHERE a.field = f.name AND a.accepted_value IS NOT NULL AND coalesce(d.archived_at, d.withdrawn_at) IS NOT NULL)
               ELSE
                   (SELECT count(*) FROM documents d JOIN annotations a ON a.document_id = d.id
                    WHERE a.field = f.name AND a.accepted_value IS NOT NULL AND coalesce(d.archived_at, d.withdrawn_at) IS NULL
                      AND d.project = ANY($2))
               END AS "documents_reviewed!",
               f.created_at, f.updated_at
        FROM fields f
        WHERE f.name = $1 AND ($2::text[] IS NULL OR EXISTS (
            SELECT FROM annotations a JOIN documents d ON d.id = a.document_id WHERE a.field = f.name AND d.project = ANY($2)
        ))
        "#,
        name,
        scope.projects()
    )
    .fetch_optional(conn)
    .await?;
    Ok(field)
}

/// Loads the names of all fields.
pub(crate) async fn load_field_names(conn: &mut PgConnection) -> Result<FieldNames, sqlx::Error> {
    let names = sqlx::query_scalar!("SELECT name FROM fields").fetch_all(conn).await?;
    Ok(FieldNames::new(names.iter().map(String::as_str)))
}

/// Lists all versions of the definition of a field, the current one last. Empty for an unknown field.
///
/// # Errors
/// When Postgres is unavailable.
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
