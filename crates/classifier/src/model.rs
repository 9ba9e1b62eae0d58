//! A loaded classifier.

use std::path::Path;

use aprendiz_encoder::Encoder;
use aprendiz_inference::{FieldPrediction, manifest};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{
    chunk::{Chunk, split_into_chunks},
    config::ClassifierConfig,
    error::ClassifierError,
    weights::Heads,
};

/// Folder of the encoder in a model directory.
pub const ENCODER_FOLDER: &str = "encoder";

/// Chunks that are encoded in one batch.
const BATCH: usize = 32;

/// A prediction with the part of the text that decided it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvidencedPrediction {
    /// The prediction.
    #[serde(flatten)]
    pub prediction: FieldPrediction,
    /// Byte offsets of the chunk that contributes most to the predicted class; `None` for a text without any token.
    pub evidence: Option<(usize, usize)>,
}

/// A classifier loaded from a model directory. It is immutable and can be shared between threads.
#[derive(Debug)]
pub struct Classifier {
    config: ClassifierConfig,
    heads: Heads,
    encoder: Encoder,
    device: Device,
}

impl Classifier {
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
    /// As [`Classifier::load`], but hashes are not verified.
    pub fn load_unpublished(dir: &Path, device: &Device) -> Result<Self, ClassifierError> {
        let config = ClassifierConfig::read(dir)?;
        let heads = Heads::read(dir, &config)?;
        let folder = dir.join(ENCODER_FOLDER);
        let encoder = Encoder::load(&folder, device)?;
        if encoder.vector_size() != config.vector_size {
            let reason = format!("its vectors have {} dimensions, the heads expect {}", encoder.vector_size(), config.vector_size);
            return Err(ClassifierError::invalid(folder, reason));
        }
        Ok(Self { config, heads, encoder, device: device.clone() })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &ClassifierConfig {
        &self.config
    }

    /// The encoder.
    #[must_use]
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The chunks of a text.
    #[must_use]
    pub fn chunks(&self, text: &str) -> Vec<Chunk> {
        split_into_chunks(&self.encoder, text, &self.config.chunks)
    }

    /// Predicts all fields of several texts, in their order.
    ///
    /// # Errors
    /// The back end fails.
    pub fn predict<T: AsRef<str>>(&self, texts: &[T]) -> Result<Vec<Vec<EvidencedPrediction>>, ClassifierError> {
        let chunks: Vec<Vec<Chunk>> = texts.iter().map(|text| self.chunks(text.as_ref())).collect();
        let tokens: Vec<&[u32]> = chunks.iter().flatten().map(|chunk| chunk.tokens.as_slice()).collect();
        let mut vectors = self.encoder.encode_tokens(&tokens, BATCH, &self.device)?.into_iter();
        let predict = |chunks: &Vec<Chunk>| {
            let spans: Vec<(usize, usize)> = chunks.iter().map(|chunk| (chunk.start, chunk.end)).collect();
            self.predict_vectors(&spans, &vectors.by_ref().take(chunks.len()).collect::<Vec<_>>())
        };
        Ok(chunks.iter().map(predict).collect())
    }

    /// Predicts all fields of a text from the byte offsets and the vectors of its chunks, in the order of the configuration.
    #[must_use]
    pub fn predict_vectors(&self, chunks: &[(usize, usize)], vectors: &[Vec<f32>]) -> Vec<EvidencedPrediction> {
        // an encoder gives a vector for an empty text, too, which means nothing
        let is_empty = chunks.iter().all(|(start, end)| start == end);
        let fields = self.config.fields.iter().zip(&self.heads.0);
        fields
            .map(|(field, head)| {
                if is_empty {
                    return EvidencedPrediction { prediction: FieldPrediction::without_features(field), evidence: None };
                }
                let output = head.forward(vectors);
                let prediction = FieldPrediction::from_logits(field, &output.logits);
                let class = field.labels.iter().position(|label| *label == prediction.value).unwrap_or(0);
                let deciding = head.deciding_chunk(vectors, &output.attention, class);
                EvidencedPrediction { prediction, evidence: deciding.map(|chunk| chunks[chunk]) }
            })
            .collect()
    }
}
