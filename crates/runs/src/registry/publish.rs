//! Publication of a model version: version, metrics, objects and final status in one transaction.

use serde_json::{Value, json};
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

/// A model version to be published. Its files are already in S3, the manifest last.
#[derive(Debug)]
pub struct NewModelVersion<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// The dataset snapshot it was trained on.
    pub dataset: DatasetId,
    /// Prefix of its files in the bucket.
    pub object_prefix: &'a str,
    /// SHA-256 of the manifest, hex.
    pub manifest_sha256: &'a str,
    /// Its files.
    pub files: &'a Value,
    /// Model card.
    pub card: &'a Value,
    /// Keys of all its objects, including the manifest.
    pub object_keys: &'a [String],
}

/// Publishes the version, if the run trained one, and completes the run. Returns the number of the version.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt no longer owns the run; [`RunsError::CancelRequested`] when cancellation was requested;
/// [`RunsError::DatasetErased`] when a document in the snapshot was erased meanwhile; [`RunsError::BrokenRow`] when the results do not
/// match the kind of the run. Nothing is written then.
pub async fn publish(
    conn: &mut PgConnection,
    attempt: AttemptId,
    version: Option<&NewModelVersion<'_>>,
    metrics: &[NewMetric],
) -> Result<Option<i32>, RunsError> {
    let mut tx = conn.begin().await?;
    if lock_attempt(&mut tx, attempt).await? == RunStatus::Cancelling {
        return Err(RunsError::CancelRequested { run_id: attempt.run_id, number: attempt.number });
    }
    let published = match version {
        Some(version) => Some(insert_version(&mut tx, attempt, version).await?),
        None => None,
    };
    insert_metrics(&mut tx, attempt, published.map(|(id, _)| id), metrics).await?;
    let number = published.map(|(_, number)| number);
    if let (Some(version), Some(number)) = (version, number) {
        append(
            &mut tx,
            attempt.run_id,
            Some(attempt.number),
            EventKind::Log,
            &json!({ "text": format!("published {} version {number}", version.model) }),
        )
        .await?;
    }
    complete_run(&mut tx, attempt).await?;
    tx.commit().await?;
    Ok(number)
}

async fn insert_version(
    conn: &mut PgConnection,
    attempt: AttemptId,
    version: &NewModelVersion<'_>,
) -> Result<(ModelVersionId, i32), RunsError> {
    lock_dataset(conn, version.dataset).await?;
    // the row of the model is locked until commit, so version numbers follow the order of publication
    let number = sqlx::query_scalar!(
        r#"
        INSERT INTO models (name, last_number) VALUES ($1, 1)
        ON CONFLICT (name) DO UPDATE SET last_number = models.last_number + 1
        RETURNING last_number
        "#,
        version.model
    )
    .fetch_one(&mut *conn)
    .await?;
    let id = ModelVersionId::new_v7();
    sqlx::query!(
        r#"
        INSERT INTO model_versions (id, model, number, run_id, attempt_number, dataset_id, object_prefix, manifest_sha256, files, card)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        "#,
        id as ModelVersionId,
        version.model,
        number,
        attempt.run_id as RunId,
        attempt.number,
        version.dataset as DatasetId,
        version.object_prefix,
        version.manifest_sha256,
        version.files,
        version.card
    )
    .execute(&mut *conn)
    .await?;
    publish_objects(conn, attempt, version.object_keys, ObjectOwner::Model).await?;
    Ok((id, number))
}
