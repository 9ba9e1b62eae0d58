//! Finds the snapshots that contain a document.

use aprendiz_db::Scope;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::inspect::error::InspectError;
use crate::split::Split;

/// Documents per query.
const BATCH: usize = 1_000;

/// A snapshot that contains a document, and the split of the document in it.
pub(super) struct Membership {
    pub(super) document_id: Uuid,
    pub(super) dataset_id: Uuid,
    pub(super) split: Split,
    pub(super) created_at: DateTime<Utc>,
    pub(super) erased_at: Option<DateTime<Utc>>,
}

/// Returns the snapshots of a scope that contain the documents, or contained them until they were erased; only `dataset` if given.
///
/// Costs a few index lookups per document and row of `datasets`.
pub(super) async fn load_memberships(
    conn: &mut PgConnection,
    scope: &Scope,
    documents: &[Uuid],
    dataset: Option<Uuid>,
) -> Result<Vec<Membership>, InspectError> {
    let memberships = sqlx::query_as!(
        Membership,
        r#"
        SELECT c.id AS "document_id!", ds.id AS dataset_id, c.split AS "split!: Split", ds.created_at, ds.erased_at
        FROM datasets ds
        CROSS JOIN LATERAL chosen_documents(
            (ds.selection->>'position')::bigint, $1, ds.selection->>'source', ds.selection->>'project', ds.created_at
        ) c
        WHERE ($2::uuid IS NULL OR ds.id = $2)
          AND ($3::text[] IS NULL OR ds.selection->>'project' = ANY($3))
          AND (ds.selection->'documents' = 'null' OR ds.selection->'documents' ? c.id::text)
          AND EXISTS (
              SELECT
              FROM jsonb_array_elements_text(ds.selection->'fields') AS selected (field)
              CROSS JOIN LATERAL accepted_values(c.id, ARRAY[selected.field], (ds.selection->>'position')::bigint)
          )
        ORDER BY ds.created_at, ds.id
        "#,
        documents,
        dataset,
        scope.projects(),
    )
    .fetch_all(conn)
    .await?;
    Ok(memberships)
}

/// The splits of the documents in a snapshot, also if they or the snapshot were erased since. Documents that it does not contain are left
/// out.
///
/// # Errors
/// When Postgres does not answer.
pub async fn splits_in_snapshot(conn: &mut PgConnection, dataset: Uuid, documents: &[Uuid]) -> Result<HashMap<Uuid, Split>, InspectError> {
    let mut splits = HashMap::new();
    for batch in documents.chunks(BATCH) {
        let memberships = load_memberships(conn, &Scope::All, batch, Some(dataset)).await?;
        splits.extend(memberships.into_iter().map(|membership| (membership.document_id, membership.split)));
    }
    Ok(splits)
}
