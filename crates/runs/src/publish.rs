//! Publishes a model version: version, metrics, objects and final status in one transaction.

use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};

use crate::attempt::AttemptKey;
use crate::dataset::hold_dataset;
use crate::ending::succeed;
use crate::error::RunsError;
use crate::event::append;
use crate::ids::{DatasetId, ModelVersionId, RunId};
use crate::lease::hold_fence;
use crate::metric::{NewMetric, insert_metrics};
use crate::object::{ObjectOwner, publish_objects};
use crate::status::EventKind;

/// What a training run leaves behind. Its files lie in S3 already, the manifest last.
#[derive(Debug)]
pub struct NewModelVersion<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// What it was trained on.
    pub dataset: DatasetId,
    /// Where its files lie.
    pub object_prefix: &'a str,
    /// SHA-256 of the manifest, hex.
    pub manifest_sha256: &'a str,
    /// Its files.
    pub files: &'a Value,
    /// What it is.
    pub card: &'a Value,
    /// Keys of all its objects, the manifest's included.
    pub object_keys: &'a [String],
}

/// Publishes the version (if the run trained one) and ends the run. Returns the number of the version.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt no longer owns the run or the run was asked to cancel, [`RunsError::DatasetErased`] when a
/// document that the version was trained on has been erased meanwhile: then nothing is written.
pub async fn publish(
    conn: &mut PgConnection,
    key: AttemptKey,
    version: Option<&NewModelVersion<'_>>,
    metrics: &[NewMetric],
) -> Result<Option<i32>, RunsError> {
    let mut tx = conn.begin().await?;
    hold_fence(&mut tx, key).await?;
    let published = match version {
        Some(version) => Some(insert_version(&mut tx, key, version).await?),
        None => None,
    };
    insert_metrics(&mut tx, key, published.map(|(id, _)| id), metrics).await?;
    let number = published.map(|(_, number)| number);
    if let (Some(version), Some(number)) = (version, number) {
        append(
            &mut tx,
            key.run_id,
            Some(key.number),
            EventKind::Log,
            &json!({ "text": format!("published {} version {number}", version.model) }),
        )
        .await?;
    }
    succeed(&mut tx, key).await?;
    tx.commit().await?;
    Ok(number)
}

async fn insert_version(
    conn: &mut PgConnection,
    key: AttemptKey,
    version: &NewModelVersion<'_>,
) -> Result<(ModelVersionId, i32), RunsError> {
    hold_dataset(conn, version.dataset).await?;
    // the row of the name is locked until commit: versions of one name are numbered in the order in which they are published
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
    let id = ModelVersionId::fresh();
    sqlx::query!(
        r#"
        INSERT INTO model_versions (id, model, number, run_id, attempt_number, dataset_id, object_prefix, manifest_sha256, files, card)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        "#,
        id as ModelVersionId,
        version.model,
        number,
        key.run_id as RunId,
        key.number,
        version.dataset as DatasetId,
        version.object_prefix,
        version.manifest_sha256,
        version.files,
        version.card
    )
    .execute(&mut *conn)
    .await?;
    publish_objects(conn, key, version.object_keys, ObjectOwner::Model).await?;
    Ok((id, number))
}
