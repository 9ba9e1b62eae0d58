//! Lineage of a snapshot: the reviewers and sources of its values, and the runs and model versions that used it.

use std::cmp::Reverse;

use aprendiz_db::Scope;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::error::InspectError;
use crate::inspect::runs::{DatasetRun, load_runs};
use crate::inspect::snapshot_record::{SnapshotRecord, load_snapshot};

/// Origin and use of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DatasetLineage {
    /// Id of the snapshot.
    pub dataset_id: Uuid,
    /// Effective position.
    pub position: i64,
    /// When the snapshot was built.
    pub created_at: DateTime<Utc>,
    /// When its content was erased, because one of its documents was erased.
    pub erased_at: Option<DateTime<Utc>>,
    /// Reviewers of its values, those with the most values first.
    pub reviewers: Vec<Reviewer>,
    /// Sources of its documents.
    pub documents: Vec<DocumentSource>,
    /// Sources of its values.
    pub values: Vec<EventSource>,
    /// Runs that read the snapshot, oldest first.
    pub runs: Vec<DatasetRun>,
    /// Model versions that were trained on the snapshot.
    pub versions: Vec<DatasetVersion>,
}

/// A reviewer of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reviewer {
    /// Name of the reviewer in the source; null if the source names none.
    pub reviewer: Option<String>,
    /// Number of values from this reviewer.
    pub values: i64,
    /// Time of the first review.
    pub first_at: DateTime<Utc>,
    /// Time of the last review.
    pub last_at: DateTime<Utc>,
}

/// A source and project of documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DocumentSource {
    /// Name of the source.
    pub source: String,
    /// Project within the source.
    pub project: String,
    /// Number of documents in the snapshot.
    pub documents: i64,
}

/// A source of review events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventSource {
    /// Name of the source.
    pub source: String,
    /// Number of values in the snapshot.
    pub values: i64,
}

/// A model version that was trained on a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DatasetVersion {
    /// Name of the model.
    pub model: String,
    /// Number of the version.
    pub number: i32,
    /// Run that trained the version.
    pub run_id: Uuid,
    /// When the version was published.
    pub published_at: DateTime<Utc>,
}

/// Returns the lineage of a snapshot, even if its content was erased; its runs and versions are those of the scope.
///
/// # Errors
/// [`InspectError::UnknownDataset`].
pub async fn lineage(conn: &mut PgConnection, scope: &Scope, id: Uuid) -> Result<DatasetLineage, InspectError> {
    let record = load_snapshot(conn, id).await?;
    let Sources { reviewers, documents, values } = load_sources(conn, &record).await?;
    let runs = load_runs(conn, scope, &[id]).await?.into_iter().map(|(_, run)| run).collect();
    let versions = sqlx::query_as!(
        DatasetVersion,
        r#"
        SELECT model, number, run_id, created_at AS published_at
        FROM model_versions
        WHERE dataset_id = $1 AND ($2::text[] IS NULL OR model_in_scope(model, $2))
        ORDER BY created_at, id
        "#,
        id,
        scope.projects()
    )
    .fetch_all(conn)
    .await?;
    Ok(DatasetLineage {
        dataset_id: id,
        position: record.position,
        created_at: record.created_at,
        erased_at: record.erased_at,
        reviewers,
        documents,
        values,
        runs,
        versions,
    })
}

/// Reviewers and sources of a snapshot.
#[derive(Default)]
struct Sources {
    reviewers: Vec<Reviewer>,
    documents: Vec<DocumentSource>,
    values: Vec<EventSource>,
}

/// Reads the values of the snapshot once, grouped in three ways.
async fn load_sources(conn: &mut PgConnection, record: &SnapshotRecord) -> Result<Sources, InspectError> {
    let selection = &record.selection;
    let rows = sqlx::query!(
        r#"
        SELECT grouping(v.reviewer) = 0 AS "of_reviewer!", v.reviewer, c.source, c.project, v.source AS event_source, count(*) AS "values!",
               count(DISTINCT c.id) AS "documents!", min(v.occurred_at) AS "first_at!", max(v.occurred_at) AS "last_at!"
        FROM chosen_documents($1, $2, $3, $4, $6) c
        CROSS JOIN LATERAL accepted_values(c.id, $5, $1) v
        GROUP BY GROUPING SETS ((v.reviewer), (c.source, c.project), (v.source))
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
        record.created_at,
    )
    .fetch_all(conn)
    .await?;
    let mut sources = Sources::default();
    for row in rows {
        match (row.source, row.project, row.event_source) {
            (Some(source), Some(project), _) => sources.documents.push(DocumentSource { source, project, documents: row.documents }),
            (_, _, Some(source)) => sources.values.push(EventSource { source, values: row.values }),
            // an unnamed reviewer is a group of its own
            _ if row.of_reviewer => sources.reviewers.push(Reviewer {
                reviewer: row.reviewer,
                values: row.values,
                first_at: row.first_at,
                last_at: row.last_at,
            }),
            _ => {}
        }
    }
    sources.reviewers.sort_by_cached_key(|one| (Reverse(one.values), one.reviewer.is_none(), one.reviewer.clone()));
    sources.documents.sort_by(|one, other| (&one.source, &one.project).cmp(&(&other.source, &other.project)));
    sources.values.sort_by(|one, other| one.source.cmp(&other.source));
    Ok(sources)
}
