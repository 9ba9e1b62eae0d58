//! The embedding cache of a job: its files are opened before, and new vectors are written after the computation.

use std::{fs, path::Path};

use aprendiz_encoder::EmbeddingCache;

use crate::{
    error::TrainingError,
    protocol::{
        embedding_files::{EmbeddingFiles, EmbeddingUse},
        progress::LogLevel,
        reporter::Reporter,
    },
};

/// Opens the files of a cache for vectors of dimension `size`. Without files, the cache is empty.
pub(crate) fn open(size: usize, files: Option<&EmbeddingFiles>) -> EmbeddingCache {
    let mut cache = EmbeddingCache::new(size);
    files.into_iter().flat_map(|files| &files.known).for_each(|file| cache.add_file(file));
    cache
}

/// Writes the new vectors and reports unusable files. The cache never fails a job.
pub(crate) fn close(cache: &EmbeddingCache, files: Option<&EmbeddingFiles>, reporter: &mut Reporter<'_>) -> EmbeddingUse {
    for error in cache.rejected() {
        reporter.log(LogLevel::Warn, format!("cached embeddings ignored: {error}"));
    }
    let mut computed = cache.computed();
    if let Some(files) = files.filter(|_| computed > 0)
        && let Err(error) = write(cache, &files.fresh)
    {
        reporter.log(LogLevel::Warn, format!("computed embeddings not cached: {error}"));
        computed = 0;
    }
    EmbeddingUse { found: cache.found(), computed, used: cache.used_files().map(Path::to_owned).collect() }
}

fn write(cache: &EmbeddingCache, path: &Path) -> Result<(), TrainingError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(TrainingError::io(folder))?;
    }
    Ok(cache.write_computed(path)?)
}
