//! Field classifiers on embeddings: a text is split into chunks, an encoder turns each of them into a vector, and each field has a head that
//! weighs the chunks by attention and classifies their mean.
//!
//! Training writes model directories with this crate, and evaluation and prediction read them with it, so that all compute the same numbers.
//! The directory has the encoder in the layout of sentence-transformers in `encoder/`, the heads in `heads.safetensors`, and `config.json`.

mod chunk;
mod config;
mod error;
mod head;
mod model;
mod thresholds;
mod weights;

pub use chunk::{Chunk, ChunkSettings, split_into_chunks};
pub use config::{ClassifierConfig, FORMAT_VERSION, KIND_FIELD_CLASSIFIER};
pub use error::ClassifierError;
pub use head::{FieldHead, HeadOutput, POSITIONS, chunk_position};
pub use model::{Classifier, ENCODER_FOLDER, EvidencedPrediction};
pub use thresholds::set_thresholds;
pub use weights::{HEADS_FILE, Heads};
