//! The same text with different accepted values: at least one of them is wrong, or the field is not about the text.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::error::InspectError;
use crate::inspect::recorded::Recorded;

/// A field that has different accepted values in documents with the same text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Conflict {
    /// Names the text within this snapshot; an opaque key.
    pub text_key: String,
    /// The field.
    pub field: String,
    /// Whether the texts are equal byte for byte; else they differ in case and white space only.
    pub equal_text: bool,
    /// Documents with this text and a value for the field.
    pub documents: i64,
    /// The values, the most frequent first; at most 10.
    pub values: Vec<ConflictingValue>,
}

/// One of the values of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictingValue {
    /// The accepted value, sorted; empty = no value.
    pub value: Vec<String>,
    /// Documents that have it.
    pub documents: i64,
    /// The first of them, by id; at most 3.
    pub examples: Vec<Uuid>,
}

/// Where a page of conflicts ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictCursor {
    text_key: String,
    field: String,
}

impl Conflict {
    /// The cursor that continues after this conflict.
    #[must_use]
    pub fn cursor(&self) -> ConflictCursor {
        ConflictCursor { text_key: self.text_key.clone(), field: self.field.clone() }
    }
}

/// Number of conflicts in a snapshot.
///
/// # Errors
/// When Postgres does not answer.
pub async fn conflict_count(conn: &mut PgConnection, recorded: &Recorded) -> Result<i64, InspectError> {
    let selection = &recorded.selection;
    let count = sqlx::query_scalar!(
        r#"
        WITH placed AS (
            -- texts that are equal but for case and white space share a sketch
            SELECT c.id, c.text_sha256, coalesce(k.sketch_id::text, c.text_sha256) COLLATE "C" AS text_key
            FROM chosen_documents($1, $2, $3, $4, $6) c
            LEFT JOIN document_sketches k ON k.document_id = c.id AND k.version = c.text_version
        ), twins AS MATERIALIZED (
            SELECT id, text_sha256, text_key
            FROM (SELECT placed.*, count(*) OVER (PARTITION BY text_key) AS copies FROM placed) counted
            WHERE copies > 1
        ), valued AS (
            SELECT w.text_key, w.text_sha256, w.id, v.field COLLATE "C" AS field, ARRAY(SELECT unnest(v.value) ORDER BY 1) AS value
            FROM twins w
            CROSS JOIN LATERAL accepted_values(w.id, $5, $1) v
        )
        SELECT count(*) AS "conflicts!"
        FROM (SELECT FROM valued GROUP BY text_key, field HAVING count(DISTINCT value) > 1) conflicts
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
        recorded.created_at,
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// At most `limit` conflicts by text and field, from the start or after a cursor.
///
/// # Errors
/// When Postgres does not answer.
pub async fn conflicts(
    conn: &mut PgConnection,
    recorded: &Recorded,
    after: Option<&ConflictCursor>,
    limit: i64,
) -> Result<Vec<Conflict>, InspectError> {
    let selection = &recorded.selection;
    let rows = sqlx::query!(
        r#"
        WITH placed AS (
            -- texts that are equal but for case and white space share a sketch
            SELECT c.id, c.text_sha256, coalesce(k.sketch_id::text, c.text_sha256) COLLATE "C" AS text_key
            FROM chosen_documents($1, $2, $3, $4, $6) c
            LEFT JOIN document_sketches k ON k.document_id = c.id AND k.version = c.text_version
        ), twins AS MATERIALIZED (
            SELECT id, text_sha256, text_key
            FROM (SELECT placed.*, count(*) OVER (PARTITION BY text_key) AS copies FROM placed) counted
            WHERE copies > 1
        ), valued AS (
            SELECT w.text_key, w.text_sha256, w.id, v.field COLLATE "C" AS field, ARRAY(SELECT unnest(v.value) ORDER BY 1) AS value
            FROM twins w
            CROSS JOIN LATERAL accepted_values(w.id, $5, $1) v
        ), by_value AS (
            SELECT text_key, field, value, count(*) AS documents, (array_agg(id ORDER BY id))[1:3] AS examples,
                   min(text_sha256) AS least, max(text_sha256) AS greatest
            FROM valued
            GROUP BY text_key, field, value
        )
        SELECT text_key AS "text_key!", field AS "field!", min(least) = max(greatest) AS "equal_text!", sum(documents)::bigint AS "documents!",
               jsonb_path_query_array(
                   jsonb_agg(jsonb_build_object('value', value, 'documents', documents, 'examples', examples) ORDER BY documents DESC, value),
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
        recorded.created_at,
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
