//! A trained model and what it was trained from.

use aprendiz_dataset::Dataset;
use aprendiz_run_spec::{FinalFit, KindSpec, ValidatedSpec};
use aprendiz_runs::TrainingRun;
use aprendiz_training::TrainingSummary;

use crate::pipeline::base_model::BaseModelRef;
use crate::pipeline::evaluate::plots::loss::LossPoint;

/// A trained model, before its evaluation.
pub(crate) struct TrainedModel<'a> {
    pub(crate) run: &'a TrainingRun,
    pub(crate) spec: &'a ValidatedSpec,
    pub(crate) dataset: &'a Dataset,
    pub(crate) summary: &'a TrainingSummary,
    /// The base model, for kinds that start from one.
    pub(crate) base: Option<&'a BaseModelRef>,
    /// The losses that the training reported.
    pub(crate) losses: &'a [LossPoint],
}

impl TrainedModel<'_> {
    /// Which splits the published model is fitted on.
    pub(crate) const fn final_fit(&self) -> FinalFit {
        match self.spec.kind() {
            KindSpec::Train { params, .. } => params.final_fit(),
            KindSpec::Evaluate { .. } | KindSpec::Predict { .. } | KindSpec::Sweep { .. } => FinalFit::Train,
        }
    }
}
