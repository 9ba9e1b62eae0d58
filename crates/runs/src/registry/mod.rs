//! The registry: models, versions and their verification, metrics, errors, tags and notes, dataset snapshots, embeddings and checkpoints.

pub(crate) mod aliases;
pub(crate) mod checkpoints;
pub(crate) mod datasets;
pub(crate) mod embeddings;
pub(crate) mod evaluations;
pub(crate) mod headline;
pub(crate) mod labels;
pub(crate) mod metrics;
pub(crate) mod models;
pub(crate) mod new_version;
pub(crate) mod publish;
mod repeated_version;
pub(crate) mod run_errors;
pub(crate) mod settings;
pub(crate) mod shadow;
pub(crate) mod slices;
pub(crate) mod thresholds;
pub(crate) mod version_life;
pub(crate) mod versions;
