//! Lineage of a document: the snapshots that contain it, their runs, and the model versions to retire when it is erased.

use std::collections::HashMap;

use aprendiz_annotations::erasure::{Erasure, get_erasure};
use aprendiz_db::Scope;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::error::InspectError;
use crate::inspect::memberships::{Membership, load_memberships};
use crate::inspect::runs::{DatasetRun, load_runs};
use crate::split::Split;

/// Use of a document in snapshots, runs and model versions.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DocumentLineage {
    /// Id of the document.
    pub document_id: Uuid,
    /// Its name: `SOURCE/PROJECT/TASK`.
    pub document: String,
    /// The erasure of the document, if it was erased.
    pub erased: Option<Erasure>,
    /// Snapshots that contain the document, or contained it until it was erased; oldest first.
    pub snapshots: Vec<DocumentSnapshot>,
    /// Model versions to retire, because they were trained or evaluated on the document.
    pub retire: Vec<VersionToRetire>,
}

/// A snapshot that contains the document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DocumentSnapshot {
    /// Id of the snapshot.
    pub dataset_id: Uuid,
    /// Split of the document in the snapshot.
    pub split: Split,
    /// When the snapshot was built.
    pub created_at: DateTime<Utc>,
    /// When the content of the snapshot was erased.
    pub erased_at: Option<DateTime<Utc>>,
    /// Runs that read the snapshot, oldest first. An unfinished run may still publish a version.
    pub runs: Vec<DatasetRun>,
}

/// A model version that was trained or evaluated on the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VersionToRetire {
    /// Name of the model.
    pub model: String,
    /// Number of the version.
    pub number: i32,
    /// Run that trained the version.
    pub run_id: Uuid,
    /// Snapshot that the version was trained on.
    pub dataset_id: Uuid,
    /// Split of the document in that snapshot.
    pub split: Split,
    /// When the version was published.
    pub published_at: DateTime<Utc>,
    /// How the version used the document.
    pub reason: String,
    /// Aliases that name the version now.
    pub aliases: Vec<String>,
    /// When the version was retired; null while it may answer.
    pub retired_at: Option<DateTime<Utc>>,
    /// When its files were deleted; null while they exist.
    pub files_deleted_at: Option<DateTime<Utc>>,
}

/// Returns the lineage of a document, even if it was erased; its snapshots, runs and versions are those of the scope.
///
/// # Errors
/// [`InspectError::UnknownDocument`].
pub async fn document_lineage(conn: &mut PgConnection, scope: &Scope, document_id: Uuid) -> Result<DocumentLineage, InspectError> {
    let document = aprendiz_annotations::documents::document_name(conn, document_id).await?;
    let document = document.ok_or(InspectError::UnknownDocument(document_id))?;
    let erased = get_erasure(conn, document_id).await?;
    let memberships = load_memberships(conn, scope, &[document_id], None).await?;
    let ids: Vec<Uuid> = memberships.iter().map(|membership| membership.dataset_id).collect();
    let mut runs: HashMap<Uuid, Vec<DatasetRun>> = HashMap::new();
    for (dataset_id, run) in load_runs(conn, scope, &ids).await? {
        runs.entry(dataset_id).or_default().push(run);
    }
    let retire = load_retire_list(conn, scope, &memberships, &ids).await?;
    let snapshots = memberships.into_iter().map(|membership| DocumentSnapshot {
        dataset_id: membership.dataset_id,
        split: membership.split,
        created_at: membership.created_at,
        erased_at: membership.erased_at,
        runs: runs.remove(&membership.dataset_id).unwrap_or_default(),
    });
    Ok(DocumentLineage { document_id, document, erased, snapshots: snapshots.collect(), retire })
}

async fn load_retire_list(
    conn: &mut PgConnection,
    scope: &Scope,
    memberships: &[Membership],
    datasets: &[Uuid],
) -> Result<Vec<VersionToRetire>, InspectError> {
    let rows = sqlx::query!(
        r#"
        SELECT v.model, v.number, v.run_id, v.dataset_id, v.created_at, v.retired_at, v.files_deleted_at,
            v.files @> '[{"path": "test_predictions.jsonl"}]' AS "has_predictions!",
            ARRAY(SELECT a.alias FROM model_aliases a WHERE a.model = v.model AND a.number = v.number ORDER BY a.alias) AS "aliases!"
        FROM model_versions v
        WHERE v.dataset_id = ANY($1) AND ($2::text[] IS NULL OR model_in_scope(v.model, $2))
        ORDER BY v.model COLLATE "C", v.number
        "#,
        datasets,
        scope.projects()
    )
    .fetch_all(conn)
    .await?;
    let splits: HashMap<Uuid, Split> = memberships.iter().map(|membership| (membership.dataset_id, membership.split)).collect();
    let versions = rows.into_iter().filter_map(|row| {
        let split = *splits.get(&row.dataset_id)?;
        let reason = match split {
            Split::Train => "trained on this document: weights and vocabulary were learned from its text",
            Split::Validation => "validated on this document: metrics were measured on its text and values",
            Split::Test if row.has_predictions => "tested on this document: test_predictions.jsonl holds its accepted values",
            Split::Test => "tested on this document",
        };
        Some(VersionToRetire {
            model: row.model,
            number: row.number,
            run_id: row.run_id,
            dataset_id: row.dataset_id,
            split,
            published_at: row.created_at,
            reason: reason.to_owned(),
            aliases: row.aliases,
            retired_at: row.retired_at,
            files_deleted_at: row.files_deleted_at,
        })
    });
    Ok(versions.collect())
}
