//! Phase `publish`: numbers, version and final status, in one transaction.

use ::dataset::Dataset;
use runs::{AttemptKey, DatasetId, NewMetric, NewModelVersion, TrainingRun};

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::pipeline::artifacts::UploadedModel;
use crate::pipeline::evaluate::Evaluation;

/// Publishes the model version and ends the run.
pub(crate) async fn publish(
    context: &WorkerContext,
    key: AttemptKey,
    run: &TrainingRun,
    dataset: &Dataset,
    upload: &UploadedModel,
    evaluation: Evaluation,
) -> Result<(), Stop> {
    let version = NewModelVersion {
        model: &run.model,
        dataset: DatasetId(dataset.id),
        object_prefix: upload.prefix.as_str(),
        manifest_sha256: &upload.manifest_sha256,
        files: &upload.files,
        card: &evaluation.card,
        object_keys: &upload.object_keys,
    };
    let mut conn = context.pool.acquire().await?;
    let number = runs::publish(&mut conn, key, Some(&version), &evaluation.metrics).await?;
    tracing::info!(model.name = run.model, model.number = number, "published");
    Ok(())
}

/// Ends a run that trains nothing.
pub(crate) async fn publish_without_model(context: &WorkerContext, key: AttemptKey, metrics: &[NewMetric]) -> Result<(), Stop> {
    runs::publish(&mut *context.pool.acquire().await?, key, None, metrics).await?;
    Ok(())
}
