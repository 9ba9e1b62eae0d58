//! Phase `publish`: numbers, version and final status, in one transaction.

use ::dataset::Dataset;
use runs::{AttemptKey, DatasetId, NewMetric, NewModelVersion, RunsError, TrainingRun};

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::patience::patiently;
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
    let number = end(context, key, Some(&version), &evaluation.metrics).await?;
    tracing::info!(model.name = run.model, model.number = number, "published");
    Ok(())
}

/// Ends a run that trains nothing.
pub(crate) async fn publish_without_model(context: &WorkerContext, key: AttemptKey, metrics: &[NewMetric]) -> Result<(), Stop> {
    end(context, key, None, metrics).await?;
    Ok(())
}

/// A cut connection may hide that the run has succeeded already; asked again, it has no lease any more.
async fn end(
    context: &WorkerContext,
    key: AttemptKey,
    version: Option<&NewModelVersion<'_>>,
    metrics: &[NewMetric],
) -> Result<Option<i32>, RunsError> {
    patiently!(end_once(context, key, version, metrics))
}

async fn end_once(
    context: &WorkerContext,
    key: AttemptKey,
    version: Option<&NewModelVersion<'_>>,
    metrics: &[NewMetric],
) -> Result<Option<i32>, RunsError> {
    let mut conn = context.pool.acquire().await?;
    match runs::publish(&mut conn, key, version, metrics).await {
        Err(RunsError::LeaseLost { .. }) if runs::has_succeeded(&mut conn, key).await? => Ok(None),
        published => published,
    }
}
