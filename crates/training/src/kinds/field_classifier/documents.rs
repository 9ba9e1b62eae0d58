//! Documents of a split with the vectors of their chunks.

use std::{fs, path::Path};

use aprendiz_classifier::{Chunk, ChunkSettings, EncodedChunk, WordReader, split_into_chunks};
use aprendiz_encoder::{EmbeddingCache, Encoder};
use aprendiz_inference::NgramCounter;
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
pub(in crate::kinds) struct Document {
    pub(in crate::kinds) example: Example,
    /// At least one.
    pub(in crate::kinds) chunks: Vec<EncodedChunk>,
}

impl Document {
    /// Whether the text has no token.
    pub(in crate::kinds) fn is_empty(&self) -> bool {
        self.chunks.iter().all(|chunk| chunk.span.0 == chunk.span.1)
    }
}

/// Turns texts into chunks with their vectors and words.
pub(in crate::kinds) struct Embedder<'a> {
    pub(in crate::kinds) encoder: &'a Encoder,
    pub(in crate::kinds) settings: ChunkSettings,
    pub(in crate::kinds) device: &'a Device,
    pub(in crate::kinds) cache: EmbeddingCache,
    /// `None` if the heads read vectors only.
    pub(in crate::kinds) words: Option<&'a WordReader>,
}

impl Embedder<'_> {
    /// Reads the documents of a split and encodes their chunks. After each step, `go_on` gets the fraction of the file that is done and the
    /// number of completed documents; reading ends early if it returns an error. `handle` gets each document with its text.
    pub(in crate::kinds) fn read(
        &mut self,
        path: &Path,
        mut go_on: impl FnMut(f64, usize) -> Result<(), Interrupt>,
        mut handle: impl FnMut(Document, &str) -> Result<(), Interrupt>,
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
            let with_vectors: Vec<_> = texts
                .into_iter()
                .zip(&chunks)
                .map(|((example, text), chunks)| (example, text, chunks, vectors.by_ref().take(chunks.len()).collect::<Vec<_>>()))
                .collect();
            let words = self.words;
            let encoded: Vec<(Document, String)> = with_vectors
                .into_par_iter()
                .map_init(NgramCounter::new, |counter, (example, text, chunks, vectors)| {
                    let chunks = chunks.iter().zip(vectors);
                    let encoded = chunks.map(|(chunk, vector)| EncodedChunk::new(&text, chunk, vector, words, counter)).collect();
                    (Document { example, chunks: encoded }, text)
                })
                .collect();
            for (document, text) in encoded {
                documents += 1;
                handle(document, &text)?;
            }
            Ok(())
        })
    }
}
