//! A model that predicts fields with an encoder, whatever its kind.

use std::path::Path;

use aprendiz_encoder::Encoder;
use aprendiz_inference::{CONFIG_FILE, FieldConfig, NgramCounter, PublishedFields, manifest};
use burn::tensor::Device;

use crate::{
    auto_config::KIND_AUTO,
    auto_model::AutoModel,
    chunk::{Chunk, ChunkSettings, split_into_chunks},
    encoded_chunk::{EncodedChunk, WordReader},
    error::ClassifierError,
    model::{Classifier, EvidencedPrediction},
};

/// Chunks that are encoded in one batch.
const BATCH: usize = 32;

/// A loaded model. It is immutable and can be shared between threads.
#[derive(Debug)]
pub enum FieldModel {
    /// All fields are predicted by a field classifier.
    Classifier(Box<Classifier>),
    /// Each field is predicted by what was chosen for it.
    Auto(Box<AutoModel>),
}

impl FieldModel {
    /// Loads a published model directory after verifying every file against the manifest.
    ///
    /// # Errors
    /// A file is missing, changed, extra, malformed or of an unsupported version.
    pub fn load(dir: &Path, device: &Device) -> Result<Self, ClassifierError> {
        manifest::verify(dir)?;
        Self::load_unpublished(dir, device)
    }

    /// Loads a model directory without a manifest, as written by training before publication.
    ///
    /// # Errors
    /// As [`FieldModel::load`], but hashes are not verified.
    pub fn load_unpublished(dir: &Path, device: &Device) -> Result<Self, ClassifierError> {
        if kind_of(dir)? == KIND_AUTO {
            return Ok(Self::Auto(Box::new(AutoModel::load_unpublished(dir, device)?)));
        }
        Ok(Self::Classifier(Box::new(Classifier::load_unpublished(dir, device)?)))
    }

    fn classifier(&self) -> &Classifier {
        match self {
            Self::Classifier(model) => model,
            Self::Auto(model) => model.classifier(),
        }
    }

    /// The encoder.
    #[must_use]
    pub fn encoder(&self) -> &Encoder {
        self.classifier().encoder()
    }

    /// How texts are split.
    #[must_use]
    pub fn chunk_settings(&self) -> ChunkSettings {
        self.classifier().config().chunks
    }

    /// What reads the words of chunks; `None` if the heads read vectors only.
    #[must_use]
    pub fn words(&self) -> Option<&WordReader> {
        self.classifier().words()
    }

    /// Fields, sorted by name.
    #[must_use]
    pub fn fields(&self) -> &[FieldConfig] {
        match self {
            Self::Classifier(model) => &model.config().fields,
            Self::Auto(model) => &model.config().fields,
        }
    }

    /// Predicts all fields of several texts, in their order.
    ///
    /// # Errors
    /// The back end fails.
    pub fn predict<T: AsRef<str>>(&self, texts: &[T]) -> Result<Vec<Vec<EvidencedPrediction>>, ClassifierError> {
        let settings = self.chunk_settings();
        let chunks: Vec<Vec<Chunk>> = texts.iter().map(|text| split_into_chunks(self.encoder(), text.as_ref(), &settings)).collect();
        let tokens: Vec<&[u32]> = chunks.iter().flatten().map(|chunk| chunk.tokens.as_slice()).collect();
        let mut vectors = self.encoder().encode_tokens(&tokens, BATCH, self.classifier().device())?.into_iter();
        let mut counter = NgramCounter::new();
        let predict = |(text, chunks): (&T, &Vec<Chunk>)| {
            let encoded = chunks.iter().zip(vectors.by_ref());
            let encoded = encoded.map(|(chunk, vector)| EncodedChunk::new(text.as_ref(), chunk, vector, self.words(), &mut counter));
            let encoded: Vec<EncodedChunk> = encoded.collect();
            self.predict_chunks(text.as_ref(), &encoded, &mut counter)
        };
        Ok(texts.iter().zip(&chunks).map(predict).collect())
    }

    /// Predicts all fields of a text from its chunks, in the order of the configuration. The counter provides reusable buffers.
    #[must_use]
    pub fn predict_chunks(&self, text: &str, chunks: &[EncodedChunk], counter: &mut NgramCounter) -> Vec<EvidencedPrediction> {
        match self {
            Self::Classifier(model) => model.predict_chunks(chunks),
            Self::Auto(model) => model.predict_chunks(text, chunks, counter),
        }
    }
}

/// The kind of the model in a directory.
pub(crate) fn kind_of(dir: &Path) -> Result<String, ClassifierError> {
    let path = dir.join(CONFIG_FILE);
    let content = std::fs::read(&path).map_err(ClassifierError::io(&path))?;
    Ok(PublishedFields::parse(&content).map_err(|reason| ClassifierError::invalid(&path, reason))?.kind)
}
