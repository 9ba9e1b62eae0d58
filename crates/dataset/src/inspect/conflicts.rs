//! Conflicts: different accepted values for equal texts.
//!
//! At least one of the values is wrong, or the field does not depend on the text.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::error::InspectError;
use crate::inspect::snapshot_record::SnapshotRecord;

/// A field with different accepted values in documents with the same text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Conflict {
    /// Opaque key of the text within the snapshot.
    pub text_key: String,
    /// Name of the field.
    pub field: String,
    /// Whether the texts are identical; otherwise they differ only in case, white space and normal form.
    pub equal_text: bool,
    /// Number of documents with this text and a value of the field.
    pub documents: i64,
    /// The values, most frequent first; at most 10.
    pub values: Vec<ConflictingValue>,
}

/// One of the values of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictingValue {
    /// The accepted value, sorted and in its comparable form (composed, with single spaces); empty means "no value".
    pub value: Vec<String>,
    /// Number of documents with this value.
    pub documents: i64,
    /// The first of these documents by id; at most 3.
    pub examples: Vec<Uuid>,
    /// Names of the examples: `SOURCE/PROJECT/TASK`.
    pub example_names: Vec<String>,
}

/// Position in the list of conflicts, for pagination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictCursor {
    text_key: String,
    field: String,
}

impl Conflict {
    /// Cursor of the page after this conflict.
    #[must_use]
    pub fn cursor(&self) -> ConflictCursor {
        ConflictCursor { text_key: self.text_key.clone(), field: self.field.clone() }
    }
}

/// Counts the conflicts in a snapshot.
///
/// # Errors
/// [`InspectError::Database`].
pub async fn conflict_count(conn: &mut PgConnection, record: &SnapshotRecord) -> Result<i64, InspectError> {
    let selection = &record.selection;
    let count = sqlx::query_scalar!(
        r#"
        WITH documents_by_text AS (
            -- texts that differ only in case, white space and normal form share a sketch
            SELECT c.id, c.text_sha256, coalesce(k.sketch_id::text, c.text_sha256) COLLATE "C" AS text_key
            FROM chosen_documents($1, $2, $3, $4, $6) c
            LEFT JOIN document_sketches k ON k.document_id = c.id AND k.version = c.text_version
        ), duplicates AS MATERIALIZED (
            SELECT id, text_sha256, text_key
            FROM (SELECT documents_by_text.*, count(*) OVER (PARTITION BY text_key) AS copies FROM documents_by_text) counted
            WHERE copies > 1
        ), accepted AS (
            SELECT w.text_key, w.text_sha256, w.id, v.field COLLATE "C" AS field, comparable_values(v.value) AS value
            FROM duplicates w
            CROSS JOIN LATERAL accepted_values(w.id, $5, $1) v
        )
        SELECT count(*) AS "conflicts!"
        FROM (SELECT FROM accepted GROUP BY text_key, field HAVING count(DISTINCT value) > 1) conflicts
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
        record.created_at,
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// Returns at most `limit` conflicts ordered by text and field, from the start or after a cursor.
///
/// # Errors
/// [`InspectError::Database`].
pub async fn conflicts(
    conn: &mut PgConnection,
    record: &SnapshotRecord,
    after: Option<&ConflictCursor>,
    limit: i64,
) -> Result<Vec<Conflict>, InspectError> {
    let selection = &record.selection;
    let rows = sqlx::query!(
        r#"
        WITH documents_by_text AS (
            -- texts that differ only in case, white space and normal form share a sketch
            SELECT c.id, c.text_sha256, coalesce(k.sketch_id::text, c.text_sha256) COLLATE "C" AS text_key
            FROM chosen_documents($1, $2, $3, $4, $6) c
            LEFT JOIN document_sketches k ON k.document_id = c.id AND k.version = c.text_version
        ), duplicates AS MATERIALIZED (
            SELECT id, text_sha256, text_key
            FROM (SELECT documents_by_text.*, count(*) OVER (PARTITION BY text_key) AS copies FROM documents_by_text) counted
            WHERE copies > 1
        ), accepted AS (
            SELECT w.text_key, w.text_sha256, w.id, v.field COLLATE "C" AS field, comparable_values(v.value) AS value
            FROM duplicates w
            CROSS JOIN LATERAL accepted_values(w.id, $5, $1) v
        ), by_value AS (
            SELECT text_key, field, value, count(*) AS documents, (array_agg(id ORDER BY id))[1:3] AS examples,
                   min(text_sha256) AS min_sha256, max(text_sha256) AS max_sha256
            FROM accepted
            GROUP BY text_key, field, value
        )
        SELECT text_key AS "text_key!", field AS "field!", min(min_sha256) = max(max_sha256) AS "equal_text!",
               sum(documents)::bigint AS "documents!",
               jsonb_path_query_array(
                   jsonb_agg(
                       jsonb_build_object(
                           'value', value, 'documents', documents, 'examples', examples,
                           'example_names', ARRAY(
                               SELECT d.source || '/' || d.project || '/' || d.task_id
                               FROM documents d
                               WHERE d.id = ANY(examples)
                               ORDER BY d.id
                           )
                       ) ORDER BY documents DESC, value
                   ),
                   '$[0 to 9]'
               ) AS "values!: Json<Vec<ConflictingValue>>"
        FROM by_value
        WHERE $7::text IS NULL OR (text_key, field) > ($7 COLLATE "C", $8::text COLLATE "C")
        GROUP BY text_key, field
        HAVING count(*) > 1
        ORDER BY text_key, field
        LIMIT $9
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
        record.created_at,
        after.map(|cursor| cursor.text_key.as_str()),
        after.map(|cursor| cursor.field.as_str()),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let conflict = rows.into_iter().map(|row| Conflict {
        text_key: row.text_key,
        field: row.field,
        equal_text: row.equal_text,
        documents: row.documents,
        values: row.values.0,
    });
    Ok(conflict.collect())
}
