//! A loaded classifier.

use std::path::Path;

use aprendiz_encoder::Encoder;
use aprendiz_inference::{FieldPrediction, SparseRow, Vectorizer};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{
    config::ClassifierConfig,
    encoded_chunk::{EncodedChunk, WordReader},
    error::ClassifierError,
    head::{FieldHead, HeadInput},
    label_words::LabelWords,
    weights::{Heads, Vocabulary},
};

/// Folder of the encoder in a model directory.
pub const ENCODER_FOLDER: &str = "encoder";

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
    fields: Vec<Field>,
    words: Option<WordReader>,
    encoder: Encoder,
    device: Device,
}

/// The head of a field, with the words of its labels if it reads words.
#[derive(Debug)]
struct Field {
    head: FieldHead,
    label_words: Option<LabelWords>,
}

impl Classifier {
    /// Loads a model directory without a manifest, as written by training before publication.
    ///
    /// # Errors
    /// A file is missing, malformed, inconsistent or of an unsupported version.
    pub fn load_unpublished(dir: &Path, device: &Device) -> Result<Self, ClassifierError> {
        let config = ClassifierConfig::read(dir)?;
        let Heads { fields: heads, vocabulary } = Heads::read(dir, &config)?;
        let folder = dir.join(ENCODER_FOLDER);
        let encoder = Encoder::load(&folder, device)?;
        if encoder.vector_size() != config.vector_size {
            let reason = format!("its vectors have {} dimensions, the heads expect {}", encoder.vector_size(), config.vector_size);
            return Err(ClassifierError::invalid(folder, reason));
        }
        let words = config.words.clone().zip(vocabulary).map(|(words, Vocabulary { keys, idf })| {
            let labels = config.fields.iter().flat_map(|field| &field.labels);
            WordReader::new(Vectorizer::new(words, keys, idf), labels.filter_map(|label| label.as_deref()))
        });
        let label_words = |labels: &[Option<String>]| {
            words.as_ref().map(|words| LabelWords::new(labels.iter().map(Option::as_deref), words.vectorizer()))
        };
        let fields = config.fields.iter().zip(heads).map(|(field, head)| Field { head, label_words: label_words(&field.labels) }).collect();
        Ok(Self { config, fields, words, encoder, device: device.clone() })
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

    /// The device that computes vectors.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// What reads the words of chunks; `None` if the heads read vectors only.
    #[must_use]
    pub fn words(&self) -> Option<&WordReader> {
        self.words.as_ref()
    }

    /// Predicts all fields of a text from its chunks, in the order of the configuration.
    #[must_use]
    pub fn predict_chunks(&self, chunks: &[EncodedChunk]) -> Vec<EvidencedPrediction> {
        // an encoder gives a vector for an empty text, too, which means nothing
        let is_empty = chunks.iter().all(|chunk| chunk.span.0 == chunk.span.1);
        let fields = self.config.fields.iter().zip(&self.fields);
        fields
            .map(|(field, Field { head, label_words })| {
                if is_empty {
                    return EvidencedPrediction { prediction: FieldPrediction::without_features(field), evidence: None };
                }
                let mentions = mentions(label_words.as_ref(), chunks);
                let inputs: Vec<HeadInput<'_>> = chunks.iter().zip(&mentions).map(|(chunk, mentions)| chunk.input(mentions)).collect();
                let output = head.forward(&inputs);
                let prediction = FieldPrediction::from_logits(field, &output.logits);
                let class = field.labels.iter().position(|label| *label == prediction.value).unwrap_or(0);
                let deciding = head.deciding_chunk(&inputs, &output.attention, class);
                EvidencedPrediction { prediction, evidence: deciding.map(|chunk| chunks[chunk].span) }
            })
            .collect()
    }
}

/// The shares of each label's words in each chunk; empty for heads that read vectors only.
#[must_use]
pub fn mentions(label_words: Option<&LabelWords>, chunks: &[EncodedChunk]) -> Vec<SparseRow> {
    let shares = |chunk: &EncodedChunk| label_words.map(|words| words.shares(&chunk.words.label_keys)).unwrap_or_default();
    chunks.iter().map(shares).collect()
}
