//! Documents of a split with the vectors of their chunks.

use std::{fs, path::Path};

use aprendiz_classifier::{Chunk, ChunkSettings, split_into_chunks};
use aprendiz_encoder::{EmbeddingCache, Encoder};
use burn::tensor::Device;
use rayon::prelude::*;

use crate::{
    dataset::{Example, read_batches},
    error::TrainingError,
    interrupt::Interrupt,
};

/// Chunks that are encoded between two checks for a stop request.
const CHUNKS_PER_STEP: usize = 256;

/// Chunks that are encoded in one batch.
const ENCODE_BATCH: usize = 32;

/// A document, without its text.
pub(super) struct Document {
    pub(super) example: Example,
    /// Byte offsets of each chunk; at least one.
    pub(super) chunks: Vec<(usize, usize)>,
    /// The vector of each chunk.
    pub(super) vectors: Vec<Vec<f32>>,
}

impl Document {
    /// Whether the text has no token.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.iter().all(|(start, end)| start == end)
    }
}

/// Turns texts into vectors of chunks.
pub(super) struct Embedder<'a> {
    pub(super) encoder: &'a Encoder,
    pub(super) settings: ChunkSettings,
    pub(super) device: &'a Device,
    pub(super) cache: EmbeddingCache,
}

impl Embedder<'_> {
    /// Reads the documents of a split and encodes their chunks. After each step, `go_on` gets the fraction of the file that is done and the
    /// number of completed documents; reading ends early if it returns an error.
    pub(super) fn read(
        &mut self,
        path: &Path,
        mut go_on: impl FnMut(f64, usize) -> Result<(), Interrupt>,
        mut handle: impl FnMut(Document) -> Result<(), Interrupt>,
    ) -> Result<(), Interrupt> {
        let bytes = fs::metadata(path).map_err(TrainingError::io(path))?.len().max(1) as f64;
        let (mut documents, mut read) = (0, 0);
        read_batches(path, |lines| {
            let texts: Vec<(Example, String)> = lines.into_iter().map(crate::dataset::Line::split).collect();
            let chunks: Vec<Vec<Chunk>> = texts.par_iter().map(|(_, text)| split_into_chunks(self.encoder, text, &self.settings)).collect();
            let tokens: Vec<&[u32]> = chunks.iter().flatten().map(|chunk| chunk.tokens.as_slice()).collect();
            let size: usize = texts.iter().map(|(_, text)| text.len()).sum();
            let mut vectors = Vec::with_capacity(tokens.len());
            for part in tokens.chunks(CHUNKS_PER_STEP) {
                vectors.extend(self.encoder.encode_cached(part, ENCODE_BATCH, self.device, &mut self.cache).map_err(TrainingError::from)?);
                let done = (read as f64 + size as f64 * vectors.len() as f64 / tokens.len() as f64) / bytes;
                go_on(done.min(1.0), documents)?;
            }
            read += size;
            let mut vectors = vectors.into_iter();
            for ((example, _), chunks) in texts.into_iter().zip(&chunks) {
                documents += 1;
                let spans = chunks.iter().map(|chunk| (chunk.start, chunk.end)).collect();
                handle(Document { example, chunks: spans, vectors: vectors.by_ref().take(chunks.len()).collect() })?;
            }
            Ok(())
        })
    }
}
