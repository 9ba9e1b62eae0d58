//! What a document went into: snapshots, the runs that read them, and the model versions to retire when it has to go.

use annotations::erasure::{Erasure, erasure_of};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::error::InspectError;
use crate::inspect::lineage::DatasetRun;
use crate::split::Split;

/// Where a document went.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DocumentLineage {
    /// The document.
    pub document_id: Uuid,
    /// That it was erased, if it was.
    pub erased: Option<Erasure>,
    /// Snapshots that hold it, or held it until it was erased; the oldest first.
    pub snapshots: Vec<DocumentSnapshot>,
    /// Model versions that were trained or measured on it: the retire list.
    pub retire: Vec<VersionToRetire>,
}

/// A snapshot that holds the document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DocumentSnapshot {
    /// The snapshot.
    pub dataset_id: Uuid,
    /// The split of the document in it.
    #[schema(value_type = String)]
    pub split: Split,
    /// When it was built.
    pub created_at: DateTime<Utc>,
    /// When its files were given up.
    pub erased_at: Option<DateTime<Utc>>,
    /// Runs that read it, the oldest first. One that has not ended may still publish a version.
    pub runs: Vec<DatasetRun>,
}

/// A model version that knows the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VersionToRetire {
    /// Name of the model.
    pub model: String,
    /// Number of the version.
    pub number: i32,
    /// The run that trained it.
    pub run_id: Uuid,
    /// The snapshot it was trained on.
    pub dataset_id: Uuid,
    /// The split of the document in that snapshot.
    #[schema(value_type = String)]
    pub split: Split,
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// What it knows of the document.
    pub reason: String,
}

/// A snapshot with the split of a document in it.
pub(super) struct Membership {
    pub(super) document_id: Uuid,
    pub(super) dataset_id: Uuid,
    pub(super) split: Split,
    pub(super) created_at: DateTime<Utc>,
    pub(super) erased_at: Option<DateTime<Utc>>,
}

/// What a document went into, also of one that was erased.
///
/// # Errors
/// [`InspectError::UnknownDocument`].
pub async fn document_lineage(conn: &mut PgConnection, document_id: Uuid) -> Result<DocumentLineage, InspectError> {
    if !annotations::documents::missing_of(conn, &[document_id]).await?.is_empty() {
        return Err(InspectError::UnknownDocument(document_id));
    }
    let erased = erasure_of(conn, document_id).await?;
    let memberships = memberships_of(conn, &[document_id], None).await?;
    let ids: Vec<Uuid> = memberships.iter().map(|membership| membership.dataset_id).collect();
    let mut runs = runs_of(conn, &ids).await?;
    let retire = retire_list(conn, &memberships, &ids).await?;
    let snapshots = memberships.into_iter().map(|membership| DocumentSnapshot {
        dataset_id: membership.dataset_id,
        split: membership.split,
        created_at: membership.created_at,
        erased_at: membership.erased_at,
        runs: runs.extract_if(.., |(dataset_id, _)| *dataset_id == membership.dataset_id).map(|(_, run)| run).collect(),
    });
    Ok(DocumentLineage { document_id, erased, snapshots: snapshots.collect(), retire })
}

/// Snapshots, or the one that is named, that hold the documents, or held them until they were erased. A few index look-ups for each
/// document and row of `datasets`.
pub(super) async fn memberships_of(
    conn: &mut PgConnection,
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
          AND (ds.selection->'documents' = 'null' OR ds.selection->'documents' ? c.id::text)
          AND EXISTS (
              SELECT
              FROM jsonb_array_elements_text(ds.selection->'fields') AS wanted (field)
              CROSS JOIN LATERAL accepted_values(c.id, ARRAY[wanted.field], (ds.selection->>'position')::bigint)
          )
        ORDER BY ds.created_at, ds.id
        "#,
        documents,
        dataset,
    )
    .fetch_all(conn)
    .await?;
    Ok(memberships)
}

async fn runs_of(conn: &mut PgConnection, datasets: &[Uuid]) -> Result<Vec<(Uuid, DatasetRun)>, InspectError> {
    let rows = sqlx::query!(
        r#"
        SELECT dataset_id AS "dataset_id!", id, kind::text AS "kind!", model, status::text AS "status!", created_by, created_at
        FROM training_runs
        WHERE dataset_id = ANY($1)
        ORDER BY created_at, id
        "#,
        datasets
    )
    .fetch_all(conn)
    .await?;
    let run = rows.into_iter().map(|row| {
        let run = DatasetRun {
            id: row.id,
            kind: row.kind,
            model: row.model,
            status: row.status,
            created_by: row.created_by,
            created_at: row.created_at,
        };
        (row.dataset_id, run)
    });
    Ok(run.collect())
}

async fn retire_list(conn: &mut PgConnection, memberships: &[Membership], datasets: &[Uuid]) -> Result<Vec<VersionToRetire>, InspectError> {
    let rows = sqlx::query!(
        r#"
        SELECT model, number, run_id, dataset_id, created_at, files @> '[{"path": "test_predictions.jsonl"}]' AS "has_predictions!"
        FROM model_versions
        WHERE dataset_id = ANY($1)
        ORDER BY model COLLATE "C", number
        "#,
        datasets
    )
    .fetch_all(conn)
    .await?;
    let versions = rows.into_iter().filter_map(|row| {
        let split = memberships.iter().find(|membership| membership.dataset_id == row.dataset_id)?.split;
        let reason = match split {
            Split::Train => "trained on it: weights and vocabulary were learned from its text",
            Split::Validation => "chosen on it: metrics were measured on its text and values",
            Split::Test if row.has_predictions => "measured on it: test_predictions.jsonl holds its accepted values",
            Split::Test => "measured on it",
        };
        Some(VersionToRetire {
            model: row.model,
            number: row.number,
            run_id: row.run_id,
            dataset_id: row.dataset_id,
            split,
            published_at: row.created_at,
            reason: reason.to_owned(),
        })
    });
    Ok(versions.collect())
}
