//! A trained encoder and what it was trained from.

use aprendiz_dataset::Dataset;
use aprendiz_run_spec::{SentenceTransformerParams, ValidatedSpec};
use aprendiz_runs::TrainingRun;
use aprendiz_training::TrainingSummary;

use crate::interruption::Interruption;
use crate::pipeline::base_model::BaseModelRef;
use crate::pipeline::evaluate::trained_model::TrainedModel;

/// A trained model of the kind `sentence-transformer`.
pub(super) struct TrainedEncoder<'a> {
    pub(super) run: &'a TrainingRun,
    pub(super) spec: &'a ValidatedSpec,
    pub(super) params: &'a SentenceTransformerParams,
    pub(super) dataset: &'a Dataset,
    pub(super) summary: &'a TrainingSummary,
    pub(super) base: &'a BaseModelRef,
}

impl<'a> TrainedEncoder<'a> {
    pub(super) fn new(params: &'a SentenceTransformerParams, model: &TrainedModel<'a>) -> Result<Self, Interruption> {
        let TrainedModel { run, spec, dataset, summary, base, losses: _ } = *model;
        let base = base.ok_or_else(|| Interruption::broken_state("an encoder was trained without a base model"))?;
        Ok(Self { run, spec, params, dataset, summary, base })
    }
}
