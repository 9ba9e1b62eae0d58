//! The one place that maps a kind of model to its evaluation.

use aprendiz_db::run_blocking;
use aprendiz_run_spec::{RunKind, TrainingParams};
use aprendiz_runs::{AttemptId, NewMetric};
use aprendiz_training::TrainingSummary;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::evaluate::fields::trial;
use crate::pipeline::evaluate::trained_model::TrainedModel;
use crate::pipeline::evaluate::written_model::published_fields;
use crate::pipeline::evaluate::{Evaluation, encoder, field_classifier, linear};
use crate::scratch::Scratch;

/// Evaluates a trained model and writes reports and model card into its directory.
pub(crate) async fn evaluate(
    deps: &Deps,
    attempt: AttemptId,
    params: &TrainingParams,
    model: &TrainedModel<'_>,
    scratch: &Scratch,
) -> Result<Evaluation, Interruption> {
    match params {
        TrainingParams::Linear(_) => linear::evaluate(deps, attempt, model, scratch).await,
        // the model is of the kind that was selected
        TrainingParams::Auto(_) => {
            let dir = scratch.model();
            let kind = run_blocking(move || published_fields(&dir)).await?.kind;
            if kind == RunKind::Linear.as_str() {
                linear::evaluate(deps, attempt, model, scratch).await
            } else {
                field_classifier::evaluate(deps, attempt, model, scratch).await
            }
        }
        TrainingParams::FieldClassifier(_) => field_classifier::evaluate(deps, attempt, model, scratch).await,
        TrainingParams::SentenceTransformer(params) => encoder::evaluate(deps, attempt, params, model, scratch).await,
    }
}

/// Metrics of a trial on the validation split. Reads no test example.
pub(crate) async fn validate(
    params: &TrainingParams,
    summary: &TrainingSummary,
    scratch: &Scratch,
) -> Result<Vec<NewMetric>, Interruption> {
    match params {
        TrainingParams::Auto(_) | TrainingParams::Linear(_) | TrainingParams::FieldClassifier(_) => trial::validate(scratch).await,
        TrainingParams::SentenceTransformer(_) => encoder::validate(summary),
    }
}
