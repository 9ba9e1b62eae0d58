//! Field classifiers on embeddings: a text is split into chunks, an encoder turns each of them into a vector, and each field has a head that
//! weighs the chunks by attention and classifies their mean. Heads of long texts also read the words of the chunks: n-grams, and how much of
//! the words of each label a chunk contains.
//!
//! Training writes model directories with this crate, and evaluation and prediction read them with it, so that all compute the same numbers.
//! The directory has the encoder in the layout of sentence-transformers in `encoder/`, the heads in `heads.safetensors`, and `config.json`.

mod auto_config;
mod auto_model;
mod chunk;
mod config;
mod encoded_chunk;
mod error;
mod field_model;
mod head;
mod label_words;
mod model;
mod thresholds;
mod weights;

pub use auto_config::{AUTO_FORMAT_VERSION, AutoConfig, ChosenKind, FieldChoice, KIND_AUTO, Mixture};
pub use auto_model::{AutoModel, CLASSIFIER_FOLDER, LINEAR_FOLDER};
pub use chunk::{Chunk, ChunkSettings, split_into_chunks};
pub use config::{ClassifierConfig, FORMAT_VERSION, KIND_FIELD_CLASSIFIER};
pub use encoded_chunk::{ChunkWords, EncodedChunk, WordReader};
pub use error::ClassifierError;
pub use field_model::FieldModel;
pub use head::{FieldHead, HeadInput, HeadOutput, POSITIONS, WordWeights, chunk_position};
pub use label_words::LabelWords;
pub use model::{Classifier, ENCODER_FOLDER, EvidencedPrediction, mentions};
pub use thresholds::set_thresholds;
pub use weights::{HEADS_FILE, Heads, Vocabulary};
