//! The registry: models, versions, metrics, errors, tags and notes, dataset snapshots, embeddings and checkpoints.

pub(crate) mod checkpoints;
pub(crate) mod datasets;
pub(crate) mod embeddings;
pub(crate) mod headline;
pub(crate) mod labels;
pub(crate) mod metrics;
pub(crate) mod models;
pub(crate) mod publish;
pub(crate) mod run_errors;
pub(crate) mod versions;
