//! Documents as readers see them: their newest text, their split, the current state of their fields.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::AnnotationsError;
use crate::review_status::ReviewStatus;
use crate::split::Split;

/// A document without its text.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Document {
    /// Id in this installation.
    pub id: Uuid,
    /// Where it came from, for example `label-studio`.
    pub source: String,
    /// Project within the source.
    pub project: String,
    /// Id within the project, as the source gives it.
    pub task_id: String,
    /// Original file name; never a feature.
    pub file_name: Option<String>,
    /// Media type of the original.
    pub content_type: String,
    /// SHA-256 of the newest text, lower-case hex.
    pub checksum: String,
    /// Other keys of the task; never features.
    pub metadata: Value,
    /// Split it belongs to; absent until it has one.
    pub split: Option<Split>,
    /// Arrival.
    pub created_at: DateTime<Utc>,
    /// Last change of text, file name or metadata.
    pub updated_at: DateTime<Utc>,
}

/// A document with its newest text.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DocumentText {
    /// The document.
    #[serde(flatten)]
    pub document: Document,
    /// Newest text.
    pub text: String,
    /// Number of that text, from 1.
    pub text_version: i32,
}

/// Current state of one field of one document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Annotation {
    /// The document.
    pub document_id: Uuid,
    /// The field.
    pub field: String,
    /// What the extractor said last; absent when it never said anything.
    pub predicted_value: Option<Vec<String>>,
    /// What the reviewer accepted: absent = unreviewed, empty = "no value".
    pub accepted_value: Option<Vec<String>>,
    /// Places in the text, `[{"start","end","text"}]`, in code points.
    pub spans: Option<Value>,
    /// How the two values relate.
    pub review_status: ReviewStatus,
    /// Who accepted it, as the source names people.
    pub reviewer: Option<String>,
    /// Raised by every change.
    pub version: i32,
    /// When the review that counts was decided; absent while there is none.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
}

/// Which documents to list. The default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentFilter {
    /// Only of this source.
    pub source: Option<String>,
    /// Only of this project.
    pub project: Option<String>,
    /// Only with this id within its project.
    pub task_id: Option<String>,
}

/// Where a page of documents ended: the listing goes on after this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentCursor {
    /// Arrival of the last document of the page.
    pub created_at: DateTime<Utc>,
    /// Its id.
    pub id: Uuid,
}

impl Document {
    /// The cursor that continues after this document.
    #[must_use]
    pub const fn cursor(&self) -> DocumentCursor {
        DocumentCursor { created_at: self.created_at, id: self.id }
    }
}

/// At most `limit` documents in the order of their arrival, from the start or after a cursor.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list(
    conn: &mut PgConnection,
    filter: &DocumentFilter,
    after: Option<DocumentCursor>,
    limit: i64,
) -> Result<Vec<Document>, AnnotationsError> {
    let documents = sqlx::query_as!(
        Document,
        r#"
        SELECT d.id, d.source, d.project, d.task_id, d.file_name, d.content_type, d.checksum, d.metadata,
               (SELECT s.split FROM document_splits s WHERE s.document_id = d.id ORDER BY s.version DESC LIMIT 1) AS "split: Split",
               d.created_at, d.updated_at
        FROM documents d
        WHERE ($1::text IS NULL OR d.source = $1)
          AND ($2::text IS NULL OR d.project = $2)
          AND ($6::text IS NULL OR d.task_id = $6)
          AND ($3::timestamptz IS NULL OR (d.created_at, d.id) > ($3, $4::uuid))
        ORDER BY d.created_at, d.id
        LIMIT $5
        "#,
        filter.source,
        filter.project,
        after.map(|cursor| cursor.created_at),
        after.map(|cursor| cursor.id),
        limit,
        filter.task_id,
    )
    .fetch_all(conn)
    .await?;
    Ok(documents)
}

/// A document with its newest text.
///
/// # Errors
/// When Postgres does not answer.
pub async fn get(conn: &mut PgConnection, id: Uuid) -> Result<Option<DocumentText>, AnnotationsError> {
    let row = sqlx::query!(
        r#"
        SELECT d.id, d.source, d.project, d.task_id, d.file_name, d.content_type, d.checksum, d.metadata,
               (SELECT s.split FROM document_splits s WHERE s.document_id = d.id ORDER BY s.version DESC LIMIT 1) AS "split: Split",
               d.created_at, d.updated_at, t.text, t.version
        FROM documents d
        JOIN LATERAL (
            SELECT x.text, x.version
            FROM document_texts x
            WHERE x.document_id = d.id
            ORDER BY x.version DESC
            LIMIT 1
        ) t ON true
        WHERE d.id = $1
        "#,
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| DocumentText {
        document: Document {
            id: row.id,
            source: row.source,
            project: row.project,
            task_id: row.task_id,
            file_name: row.file_name,
            content_type: row.content_type,
            checksum: row.checksum,
            metadata: row.metadata,
            split: row.split,
            created_at: row.created_at,
            updated_at: row.updated_at,
        },
        text: row.text,
        text_version: row.version,
    }))
}

/// The current state of every field of a document, by field; empty when the document is unknown or nothing was said about it.
///
/// # Errors
/// When Postgres does not answer.
pub async fn annotations_of(conn: &mut PgConnection, id: Uuid) -> Result<Vec<Annotation>, AnnotationsError> {
    let annotations = sqlx::query_as!(
        Annotation,
        r#"
        SELECT document_id, field, predicted_value, accepted_value, spans, review_status AS "review_status: ReviewStatus",
               reviewer, version, occurred_at, updated_at
        FROM annotations
        WHERE document_id = $1
        ORDER BY field COLLATE "C"
        "#,
        id
    )
    .fetch_all(conn)
    .await?;
    Ok(annotations)
}

/// Those of the ids that no document has, in the order given; empty when all exist.
///
/// # Errors
/// When Postgres does not answer.
pub async fn missing_of(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>, AnnotationsError> {
    let missing = sqlx::query_scalar!(
        r#"
        SELECT given.id AS "id!"
        FROM unnest($1::uuid[]) WITH ORDINALITY AS given (id, place)
        WHERE NOT EXISTS (SELECT FROM documents d WHERE d.id = given.id)
        ORDER BY given.place
        "#,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(missing)
}
