//! The sentence encoder: a directory in the layout of sentence-transformers becomes a tokenizer and a network in Burn, and texts become
//! vectors. Reading refuses what it does not compute; it never guesses.
//!
//! A crate of its own, so that texts can be embedded without the code that trains.

mod base_model;
mod batch;
mod bert;
mod config;
mod embeddings;
mod encoder;
mod error;
mod export;
mod fused;
mod modules;
mod random;
mod tokenizer;
mod weights;
mod widest;

pub use base_model::{BaseModel, BaseModelCaches, hub_name};
pub use batch::Batch;
pub use bert::{Bert, WordRows};
pub use config::BertConfig;
pub use embeddings::{Embeddings, embeddings_fingerprint};
pub use encoder::{CONFIG_FILE, Encoder, TOKENIZER_FILE, WEIGHTS_FILE};
pub use error::EncoderError;
pub use random::write_random;
pub use tokenizer::Tokenizer;
pub use weights::{WeightTensor, Weights};
pub use widest::on_widest_vectors;
