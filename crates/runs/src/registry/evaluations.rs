//! Evaluations of published versions on current test documents: their publication, and where their predictions are.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::ids::{DatasetId, ModelVersionId, RunId};
use crate::objects::confirm::publish_objects;
use crate::objects::declare::ObjectOwner;
use crate::registry::datasets::lock_dataset;
use crate::registry::metrics::{NewMetric, insert_metrics};
use crate::run::attempt::AttemptId;
use crate::run::complete::complete_run;
use crate::run::event::append;
use crate::run::lease::lock_attempt;
use crate::run::status::{EventKind, RunStatus};

/// An evaluation to be published.
#[derive(Debug, Clone, Copy)]
pub struct NewEvaluation<'a> {
    /// The evaluated version.
    pub version: ModelVersionId,
    /// The snapshot with the test documents.
    pub dataset: DatasetId,
    /// Key of the uploaded predictions.
    pub object_key: &'a str,
}

/// Makes the predictions live, records the evaluation and its metrics, and completes the run, in one transaction.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt no longer owns the run; [`RunsError::CancelRequested`] when cancellation was requested;
/// [`RunsError::DatasetErased`] when a document in the snapshot was erased meanwhile. Nothing is written then.
pub async fn publish_evaluation(
    conn: &mut PgConnection,
    attempt: AttemptId,
    evaluation: NewEvaluation<'_>,
    metrics: &[NewMetric],
) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    if lock_attempt(&mut tx, attempt).await? == RunStatus::Cancelling {
        return Err(RunsError::CancelRequested { run_id: attempt.run_id, number: attempt.number });
    }
    lock_dataset(&mut tx, evaluation.dataset).await?;
    let object_keys = [evaluation.object_key.to_owned()];
    publish_objects(&mut tx, attempt, &object_keys, ObjectOwner::Evaluation(evaluation.dataset)).await?;
    sqlx::query!(
        "INSERT INTO evaluations (run_id, version_id, dataset_id, object_key) VALUES ($1, $2, $3, $4)",
        attempt.run_id as RunId,
        evaluation.version as ModelVersionId,
        evaluation.dataset as DatasetId,
        evaluation.object_key
    )
    .execute(&mut *tx)
    .await?;
    insert_metrics(&mut tx, attempt, None, metrics).await?;
    append(&mut tx, attempt.run_id, Some(attempt.number), EventKind::Log, &json!({ "text": "evaluation published" })).await?;
    complete_run(&mut tx, attempt).await?;
    Ok(tx.commit().await?)
}

/// A published evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvaluation {
    /// The run.
    pub run_id: RunId,
    /// The evaluated version.
    pub version_id: ModelVersionId,
    /// The snapshot with the test documents.
    pub dataset_id: DatasetId,
    /// Canonical hash of the snapshot.
    pub dataset_hash: String,
    /// Position of the latest change in the snapshot.
    pub position: i64,
    /// The predictions; `None` once they were deleted because a document in the snapshot was erased.
    pub predictions: Option<EvaluationPredictions>,
    /// When it was published.
    pub created_at: DateTime<Utc>,
}

/// Where the predictions of an evaluation are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationPredictions {
    /// Key of the object.
    pub object_key: String,
    /// Its SHA-256, hex.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The evaluation that a run published; `None` if it published none.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_evaluation(conn: &mut PgConnection, run: RunId) -> Result<Option<StoredEvaluation>, RunsError> {
    Ok(select(conn, Some(run), None, 1).await?.pop())
}

/// The evaluations of a version, those with the latest snapshot first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_evaluations(conn: &mut PgConnection, version: ModelVersionId, limit: i64) -> Result<Vec<StoredEvaluation>, RunsError> {
    select(conn, None, Some(version), limit).await
}

async fn select(
    conn: &mut PgConnection,
    run: Option<RunId>,
    version: Option<ModelVersionId>,
    limit: i64,
) -> Result<Vec<StoredEvaluation>, RunsError> {
    let rows = sqlx::query!(
        r#"
        SELECT e.run_id AS "run_id: RunId", e.version_id AS "version_id: ModelVersionId", e.dataset_id AS "dataset_id: DatasetId",
            d.canonical_hash, d.position, e.created_at, o.key AS "key?", o.sha256 AS "sha256?", o.bytes AS "bytes?"
        FROM evaluations e
        JOIN datasets d ON d.id = e.dataset_id
        LEFT JOIN objects o ON o.key = e.object_key AND o.state = 'live'
        WHERE ($1::uuid IS NULL OR e.run_id = $1) AND ($2::uuid IS NULL OR e.version_id = $2)
        ORDER BY d.position DESC, e.created_at DESC, e.run_id DESC
        LIMIT $3
        "#,
        run as Option<RunId>,
        version as Option<ModelVersionId>,
        limit
    )
    .fetch_all(conn)
    .await?;
    let stored = rows.into_iter().map(|row| {
        let object = row.key.zip(row.sha256).zip(row.bytes);
        StoredEvaluation {
            run_id: row.run_id,
            version_id: row.version_id,
            dataset_id: row.dataset_id,
            dataset_hash: row.canonical_hash,
            position: row.position,
            predictions: object.map(|((object_key, sha256), bytes)| EvaluationPredictions {
                object_key,
                sha256,
                bytes: bytes.unsigned_abs(),
            }),
            created_at: row.created_at,
        }
    });
    Ok(stored.collect())
}
