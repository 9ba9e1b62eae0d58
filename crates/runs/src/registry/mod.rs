//! The registry: models, versions, metrics, dataset snapshots, embeddings and checkpoints.

pub(crate) mod checkpoints;
pub(crate) mod datasets;
pub(crate) mod embeddings;
pub(crate) mod metrics;
pub(crate) mod models;
pub(crate) mod publish;
pub(crate) mod thresholds;
pub(crate) mod versions;
