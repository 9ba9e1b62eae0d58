//! The one place that maps a kind to its implementation.

use aprendiz_run_spec::TrainingParams;

use crate::kinds::trainable::Trainable;

/// The implementation of the kind that the parameters belong to.
pub(crate) fn trainable(params: &TrainingParams) -> &dyn Trainable {
    match params {
        TrainingParams::Auto(params) => params,
        TrainingParams::FieldClassifier(params) => params,
        TrainingParams::Linear(params) => params,
        TrainingParams::SentenceTransformer(params) => params,
    }
}
