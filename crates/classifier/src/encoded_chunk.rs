//! What heads read of a chunk: the vector of the encoder, and its words.

use std::collections::HashSet;

use aprendiz_inference::{NgramCounter, SparseRow, Vectorizer};

use crate::{chunk::Chunk, head::HeadInput, label_words::label_keys};

/// A chunk as heads read it.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedChunk {
    /// Byte offsets into the text.
    pub span: (usize, usize),
    /// Vector of the encoder.
    pub vector: Vec<f32>,
    /// Its words; empty if no head reads them.
    pub words: ChunkWords,
}

impl EncodedChunk {
    /// A chunk of a text with its vector.
    #[must_use]
    pub fn new(text: &str, chunk: &Chunk, vector: Vec<f32>, words: Option<&WordReader>, counter: &mut NgramCounter) -> Self {
        let words = words.map(|words| words.read(counter, &text[chunk.start..chunk.end])).unwrap_or_default();
        Self { span: (chunk.start, chunk.end), vector, words }
    }

    /// What a head reads, with the shares of the words of its labels.
    #[must_use]
    pub fn input<'a>(&'a self, mentions: &'a SparseRow) -> HeadInput<'a> {
        HeadInput { vector: &self.vector, ngrams: &self.words.ngrams, mentions }
    }
}

/// The words of a chunk.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChunkWords {
    /// TF-IDF of words and pairs of words.
    pub ngrams: SparseRow,
    /// Keys of the words that occur in the label of any field, ascending.
    pub label_keys: Vec<u64>,
}

/// Reads the words of chunks.
#[derive(Debug)]
pub struct WordReader {
    vectorizer: Vectorizer,
    label_keys: HashSet<u64>,
}

impl WordReader {
    /// A reader of the vocabulary, and of the words of all labels of all fields.
    #[must_use]
    pub fn new<'a>(vectorizer: Vectorizer, labels: impl IntoIterator<Item = &'a str>) -> Self {
        let label_keys = label_keys(labels, &vectorizer);
        Self { vectorizer, label_keys }
    }

    /// The vocabulary.
    #[must_use]
    pub fn vectorizer(&self) -> &Vectorizer {
        &self.vectorizer
    }

    /// The words of a chunk. The counter provides reusable buffers.
    #[must_use]
    pub fn read(&self, counter: &mut NgramCounter, text: &str) -> ChunkWords {
        let counts = counter.count(self.vectorizer.config(), text);
        let label_keys = counts.iter().map(|(key, _)| *key).filter(|key| self.label_keys.contains(key)).collect();
        ChunkWords { ngrams: self.vectorizer.weigh(&counts), label_keys }
    }
}
