//! Lists the review events that the values of a snapshot come from.

use aprendiz_annotations::ReviewStatus;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::error::InspectError;
use crate::inspect::snapshot_record::SnapshotRecord;
use crate::split::Split;

/// The review event of a value in a snapshot. The value itself is in the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DatasetValue {
    /// Id of the document.
    pub document_id: Uuid,
    /// Name of the field.
    pub field: String,
    /// Split of the document in the snapshot.
    pub split: Split,
    /// Position of the event, which is its id.
    pub position: i64,
    /// Status of the review.
    pub review_status: ReviewStatus,
    /// Name of the reviewer.
    pub reviewer: Option<String>,
    /// Source of the event, for example `label-studio`.
    pub source: String,
    /// Id of the event in its source.
    pub source_ref: String,
    /// When the review was made.
    pub occurred_at: DateTime<Utc>,
    /// When the event was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Whether its content was erased together with the document.
    pub erased: bool,
}

/// Position in the list of values, for pagination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCursor {
    document_id: Uuid,
    field: String,
}

impl DatasetValue {
    /// Cursor of the page after this value.
    #[must_use]
    pub fn cursor(&self) -> ValueCursor {
        ValueCursor { document_id: self.document_id, field: self.field.clone() }
    }
}

/// Returns at most `limit` values ordered by document and field, from the start or after a cursor, even if the snapshot was erased.
///
/// # Errors
/// [`InspectError::Database`].
pub async fn values(
    conn: &mut PgConnection,
    record: &SnapshotRecord,
    after: Option<&ValueCursor>,
    limit: i64,
) -> Result<Vec<DatasetValue>, InspectError> {
    let selection = &record.selection;
    let values = sqlx::query_as!(
        DatasetValue,
        r#"
        SELECT c.id AS "document_id!", v.field AS "field!", c.split AS "split!: Split", v.position AS "position!",
               v.review_status AS "review_status!: ReviewStatus", v.reviewer, v.source AS "source!", v.source_ref AS "source_ref!",
               v.occurred_at AS "occurred_at!", v.recorded_at AS "recorded_at!", v.erased AS "erased!"
        FROM chosen_documents($1, $2, $3, $4, $6) c
        CROSS JOIN LATERAL accepted_values(c.id, $5, $1) v
        WHERE ($7::uuid IS NULL OR c.id >= $7)
          AND ($7::uuid IS NULL OR (c.id, v.field COLLATE "C") > ($7, $8::text))
        ORDER BY c.id, v.field COLLATE "C"
        LIMIT $9
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
        record.created_at,
        after.map(|cursor| cursor.document_id),
        after.map(|cursor| cursor.field.as_str()),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(values)
}
