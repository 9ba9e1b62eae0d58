//! Files of the embedding cache, and what a job used of them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Files of the embedding cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingFiles {
    /// Files of an [`EmbeddingCache`](aprendiz_encoder::EmbeddingCache) that were written on this back end and kernel. Unusable files are skipped.
    pub known: Vec<PathBuf>,
    /// Output file for new vectors; not written if there are none.
    pub fresh: PathBuf,
}

/// Use of the embedding cache by a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingUse {
    /// Vectors of the base model that came from the cache.
    pub found: u64,
    /// Vectors of the base model that were computed and written to the cache.
    pub computed: u64,
    /// Cache files from which at least one vector was used.
    pub used: Vec<PathBuf>,
}
