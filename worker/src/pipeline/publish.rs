//! Phase `publish`: records metrics, wrong predictions, model version and final status in one transaction.

use aprendiz_dataset::Dataset;
use aprendiz_db::Database;
use aprendiz_runs::{AttemptId, DatasetId, NewEvaluation, NewMetric, NewModelVersion, NewRunError, RunsError, TrainingRun, record_errors};

use crate::interruption::Interruption;
use crate::pipeline::evaluate::Evaluation;
use crate::pipeline::upload::UploadedModel;
use crate::retry::retry_on_outage;

/// Publishes the model version and completes the run.
pub(crate) async fn publish(
    database: &Database,
    attempt: AttemptId,
    run: &TrainingRun,
    dataset: &Dataset,
    upload: &UploadedModel,
    evaluation: Evaluation,
) -> Result<(), Interruption> {
    let version = NewModelVersion {
        model: &run.model,
        dataset: DatasetId(dataset.id),
        object_prefix: upload.prefix.as_str(),
        manifest_sha256: &upload.manifest_sha256,
        files: &upload.files,
        card: &evaluation.card,
        object_keys: &upload.object_keys,
    };
    let number = complete(database, attempt, Some(&version), &evaluation.metrics, &evaluation.errors).await?;
    tracing::info!(model.name = run.model, model.number = number, "model version published");
    Ok(())
}

/// Completes a run that trains no model.
pub(crate) async fn publish_metrics(
    database: &Database,
    attempt: AttemptId,
    metrics: &[NewMetric],
    errors: &[NewRunError],
) -> Result<(), Interruption> {
    complete(database, attempt, None, metrics, errors).await?;
    Ok(())
}

/// Records an evaluation of a published version and completes the run.
pub(crate) async fn publish_evaluation(
    database: &Database,
    attempt: AttemptId,
    evaluation: NewEvaluation<'_>,
    metrics: &[NewMetric],
    errors: &[NewRunError],
) -> Result<(), Interruption> {
    Ok(retry_on_outage!(publish_evaluation_once(database, attempt, evaluation, metrics, errors))?)
}

/// A cut connection may hide that the run has succeeded already; the retry then finds the lease gone.
async fn publish_evaluation_once(
    database: &Database,
    attempt: AttemptId,
    evaluation: NewEvaluation<'_>,
    metrics: &[NewMetric],
    errors: &[NewRunError],
) -> Result<(), RunsError> {
    let mut tx = database.begin().await?;
    let recorded = match record_errors(&mut tx, attempt, errors).await {
        Ok(()) => aprendiz_runs::publish_evaluation(&mut tx, attempt, evaluation, metrics).await,
        Err(error) => Err(error),
    };
    match recorded {
        Err(RunsError::LeaseLost { .. }) if aprendiz_runs::has_succeeded(&mut tx, attempt).await? => {}
        published => published?,
    }
    Ok(tx.commit().await?)
}

async fn complete(
    database: &Database,
    attempt: AttemptId,
    version: Option<&NewModelVersion<'_>>,
    metrics: &[NewMetric],
    errors: &[NewRunError],
) -> Result<Option<i32>, RunsError> {
    retry_on_outage!(complete_once(database, attempt, version, metrics, errors))
}

/// A cut connection may hide that the run has succeeded already; the retry then finds the lease gone.
async fn complete_once(
    database: &Database,
    attempt: AttemptId,
    version: Option<&NewModelVersion<'_>>,
    metrics: &[NewMetric],
    errors: &[NewRunError],
) -> Result<Option<i32>, RunsError> {
    let mut tx = database.begin().await?;
    let recorded = match record_errors(&mut tx, attempt, errors).await {
        Ok(()) => aprendiz_runs::publish(&mut tx, attempt, version, metrics).await,
        Err(error) => Err(error),
    };
    let number = match recorded {
        Err(RunsError::LeaseLost { .. }) if aprendiz_runs::has_succeeded(&mut tx, attempt).await? => None,
        published => published?,
    };
    tx.commit().await?;
    Ok(number)
}
