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
        recorded.created_at,
        after.map(|cursor| cursor.document_id),
        after.map(|cursor| cursor.field.as_str()),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(values)
}
