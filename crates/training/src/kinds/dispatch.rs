//! The one place that maps a kind to its implementation.

use inference::{LinearParams, SentenceTransformerParams};

use crate::{
    error::TrainingError,
    kinds::{kind::Kind, trainable::Trainable},
    protocol::job::TrainingJob,
};

/// Parses and validates the parameters of a job.
pub(crate) fn parse_params(job: &TrainingJob) -> Result<Box<dyn Trainable>, TrainingError> {
    let parsed = match job.kind {
        Kind::Linear => LinearParams::parse(&job.params).map(boxed),
        Kind::SentenceTransformer => SentenceTransformerParams::parse(&job.params).map(boxed),
    };
    parsed.map_err(TrainingError::BadParams)
}

/// The parameters of a job with all defaults. Invalid parameters are returned unchanged: such a job is never trained.
pub(crate) fn resolved_params(job: &TrainingJob) -> serde_json::Value {
    parse_params(job).ok().and_then(|params| params.to_json().ok()).unwrap_or_else(|| job.params.clone())
}

fn boxed(params: impl Trainable + 'static) -> Box<dyn Trainable> {
    Box::new(params)
}
