//! The one place that maps a kind of model to its evaluation.

use aprendiz_run_spec::TrainingParams;
use aprendiz_runs::AttemptId;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::evaluate::trained_model::TrainedModel;
use crate::pipeline::evaluate::{Evaluation, encoder, linear};
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
        TrainingParams::SentenceTransformer(params) => encoder::evaluate(deps, attempt, params, model, scratch).await,
    }
}
