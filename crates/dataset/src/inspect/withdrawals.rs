//! Imports that were reverted after a snapshot was built: it stays valid, and holds what they contained.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::error::InspectError;
use crate::inspect::snapshot_record::SnapshotRecord;

/// An import with documents in a snapshot that was reverted later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WithdrawnImport {
    /// The import.
    pub import_id: Uuid,
    /// Name of its file.
    pub file_name: Option<String>,
    /// Who reverted it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub reverted_at: DateTime<Utc>,
    /// Documents of the snapshot that were withdrawn or changed back.
    pub documents: i64,
}

/// Lists the reverted imports that a snapshot still contains, the first revert first.
///
/// # Errors
/// [`InspectError::Database`].
pub async fn withdrawn_imports(conn: &mut PgConnection, record: &SnapshotRecord) -> Result<Vec<WithdrawnImport>, InspectError> {
    let selection = &record.selection;
    let imports = sqlx::query_as!(
        WithdrawnImport,
        r#"
        SELECT v.import_id, i.file_name, v.actor, v.reason, v.started_at AS reverted_at, w.documents AS "documents!"
        FROM import_reverts v
        JOIN imports i ON i.id = v.import_id
        CROSS JOIN LATERAL (
            SELECT count(DISTINCT w.document_id) AS documents
            FROM document_withdrawals w
            CROSS JOIN LATERAL chosen_documents($1, ARRAY[w.document_id], $3, $4, $5) c
            WHERE w.import_id = v.import_id AND w.position > $1 AND w.effect <> 'restored'
              AND ($2::uuid[] IS NULL OR w.document_id = ANY($2))
        ) w
        WHERE w.documents > 0
        ORDER BY v.started_at, v.import_id
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        record.created_at,
    )
    .fetch_all(conn)
    .await?;
    Ok(imports)
}
