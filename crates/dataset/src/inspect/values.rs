//! The events that a snapshot consists of: which review gave which value of which document.

use annotations::ReviewStatus;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::error::InspectError;
use crate::inspect::recorded::Recorded;
use crate::split::Split;

/// The event that a value of a snapshot comes from. The value itself is in the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DatasetValue {
    /// The document.
    pub document_id: Uuid,
    /// The field.
    pub field: String,
    /// Its split in the snapshot.
    #[schema(value_type = String)]
    pub split: Split,
    /// Position of the event: its id.
    pub position: i64,
    /// What the reviewer said.
    pub review_status: ReviewStatus,
    /// Who decided it.
    pub reviewer: Option<String>,
    /// Where it came from, for example `label-studio`.
    pub source: String,
    /// Its id there.
    pub source_ref: String,
    /// When it was decided.
    pub occurred_at: DateTime<Utc>,
    /// When it was recorded here.
    pub recorded_at: DateTime<Utc>,
    /// Whether its content was erased with the document.
    pub erased: bool,
}

/// Where a page of values ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCursor {
    document_id: Uuid,
    field: String,
}

impl DatasetValue {
    /// The cursor that continues after this value.
    #[must_use]
    pub fn cursor(&self) -> ValueCursor {
        ValueCursor { document_id: self.document_id, field: self.field.clone() }
    }
}

/// At most `limit` values by document and field, from the start or after a cursor. Also of a snapshot that was erased.
///
/// # Errors
/// When Postgres does not answer.
pub async fn values(
    conn: &mut PgConnection,
    recorded: &Recorded,
    after: Option<&ValueCursor>,
    limit: i64,
) -> Result<Vec<DatasetValue>, InspectError> {
    let selection = &recorded.selection;
    let values = sqlx::query_as!(
        DatasetValue,
        r#"
        SELECT v.document_id AS "document_id!", v.field AS "field!", s.split AS "split!: Split", v.position AS "position!",
               v.review_status AS "review_status!: ReviewStatus", v.reviewer AS "reviewer?", v.source AS "source!", v.source_ref AS "source_ref!",
               v.occurred_at AS "occurred_at!", v.recorded_at AS "recorded_at!", v.erased AS "erased!"
        FROM documents d
            CROSS JOIN LATERAL (
                SELECT 1 AS found FROM document_texts
                WHERE document_id = d.id AND position <= $1
                LIMIT 1
            ) t
            CROSS JOIN LATERAL (
                SELECT split FROM document_splits
                WHERE document_id = d.id AND position <= $1
                ORDER BY version DESC
                LIMIT 1
            ) s
        CROSS JOIN LATERAL (
            SELECT e.document_id, e.field, e.position, e.review_status, e.reviewer, e.source, e.source_ref, e.occurred_at, e.recorded_at, e.erased
            FROM (SELECT DISTINCT ON (field) * FROM annotation_events
                  WHERE document_id = d.id AND field = ANY($5) AND position <= $1
                  ORDER BY field, occurred_at DESC, position DESC) e
            WHERE e.review_status <> 'UNREVIEWED'
        ) v
        WHERE ($2::uuid[] IS NULL OR d.id = ANY($2))
              AND ($3::text IS NULL OR d.source = $3)
              AND ($4::text IS NULL OR d.project = $4)
              AND s.split <> 'excluded'
              AND NOT EXISTS (SELECT FROM erasures x WHERE x.document_id = d.id AND x.erased_at <= $6)
              AND ($7::uuid IS NULL OR d.id >= $7)
              AND ($7::uuid IS NULL OR (d.id, v.field COLLATE "C") > ($7, $8::text))
        ORDER BY d.id, v.field COLLATE "C"
        LIMIT $9
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
        recorded.created_at,
        after.map(|cursor| cursor.document_id),
        after.map(|cursor| cursor.field.as_str()),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(values)
}
