//! Where a snapshot comes from, and what was made of it.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::error::InspectError;
use crate::inspect::recorded::{Recorded, recorded};

/// Both directions of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DatasetLineage {
    /// The snapshot.
    pub dataset_id: Uuid,
    /// The last position that matters to it.
    pub position: i64,
    /// When it was built.
    pub created_at: DateTime<Utc>,
    /// When it was given up because a document in it was erased.
    pub erased_at: Option<DateTime<Utc>>,
    /// Who gave its values, the most first.
    pub reviewers: Vec<Reviewer>,
    /// Where its documents come from.
    pub documents: Vec<Origin>,
    /// Where its values come from.
    pub values: Vec<EventSource>,
    /// Runs that read it, the oldest first.
    pub runs: Vec<DatasetRun>,
    /// Model versions that were trained on it.
    pub versions: Vec<DatasetVersion>,
}

/// A reviewer of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reviewer {
    /// As the source names them; null where nobody was named.
    pub reviewer: Option<String>,
    /// Values that are theirs.
    pub values: i64,
    /// The first of them was decided at.
    pub first_at: DateTime<Utc>,
    /// The last of them was decided at.
    pub last_at: DateTime<Utc>,
}

/// A source of documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Origin {
    /// The source.
    pub source: String,
    /// The project within it.
    pub project: String,
    /// Documents of the snapshot.
    pub documents: i64,
}

/// A source of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventSource {
    /// The source.
    pub source: String,
    /// Values of the snapshot.
    pub values: i64,
}

/// A run that read a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DatasetRun {
    /// The run.
    pub id: Uuid,
    /// Its kind.
    pub kind: String,
    /// Name of its model.
    pub model: String,
    /// Its status.
    pub status: String,
    /// Who created it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A model version that was trained on a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DatasetVersion {
    /// Name of the model.
    pub model: String,
    /// Number of the version.
    pub number: i32,
    /// The run that trained it.
    pub run_id: Uuid,
    /// When it was published.
    pub published_at: DateTime<Utc>,
}

/// Reviewers, sources, runs and versions of a snapshot, also of one that was erased.
///
/// # Errors
/// [`InspectError::UnknownDataset`].
pub async fn lineage(conn: &mut PgConnection, id: Uuid) -> Result<DatasetLineage, InspectError> {
    let recorded = recorded(conn, id).await?;
    let Roots { reviewers, documents, values } = roots_of(conn, &recorded).await?;
    let runs = sqlx::query_as!(
        DatasetRun,
        r#"
        SELECT id, kind::text AS "kind!", model, status::text AS "status!", created_by, created_at
        FROM training_runs
        WHERE dataset_id = $1
        ORDER BY created_at, id
        "#,
        id
    )
    .fetch_all(&mut *conn)
    .await?;
    let versions = sqlx::query_as!(
        DatasetVersion,
        r#"
        SELECT model, number, run_id, created_at AS published_at
        FROM model_versions
        WHERE dataset_id = $1
        ORDER BY created_at, id
        "#,
        id
    )
    .fetch_all(conn)
    .await?;
    Ok(DatasetLineage {
        dataset_id: id,
        position: recorded.position,
        created_at: recorded.created_at,
        erased_at: recorded.erased_at,
        reviewers,
        documents,
        values,
        runs,
        versions,
    })
}

/// Where the values and documents of a snapshot come from.
#[derive(Default)]
struct Roots {
    reviewers: Vec<Reviewer>,
    documents: Vec<Origin>,
    values: Vec<EventSource>,
}

/// One pass over the values of the snapshot, grouped in three ways.
async fn roots_of(conn: &mut PgConnection, recorded: &Recorded) -> Result<Roots, InspectError> {
    let selection = &recorded.selection;
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
        recorded.created_at,
    )
    .fetch_all(conn)
    .await?;
    let mut roots = Roots::default();
    for row in rows {
        match (row.source, row.project, row.event_source) {
            (Some(source), Some(project), _) => roots.documents.push(Origin { source, project, documents: row.documents }),
            (_, _, Some(source)) => roots.values.push(EventSource { source, values: row.values }),
            // nobody was named, which is a reviewer of its own
            _ if row.of_reviewer => {
                roots.reviewers.push(Reviewer { reviewer: row.reviewer, values: row.values, first_at: row.first_at, last_at: row.last_at })
            }
            _ => {}
        }
    }
    roots.reviewers.sort_by_cached_key(|one| (Reverse(one.values), one.reviewer.is_none(), one.reviewer.clone()));
    roots.documents.sort_by(|one, other| (&one.source, &one.project).cmp(&(&other.source, &other.project)));
    roots.values.sort_by(|one, other| one.source.cmp(&other.source));
    Ok(roots)
}
