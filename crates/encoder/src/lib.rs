//! The sentence encoder: reads a directory in the layout of sentence-transformers into a tokenizer and a Burn network, and turns texts into
//! vectors. Loading rejects everything that is not supported, and notes what it assumes as sentence-transformers does.
//!
//! A separate crate, so that texts can be encoded without the training code.

mod base_model;
mod embedding_cache;
mod encoder;
mod error;
mod export;
mod files;
mod fused;
mod hub_cache;
mod hub_component;
mod model;
mod pooling_mode;
mod random_model;
mod relative_position;
mod simd;
mod tokenizer;

pub use base_model::{BaseModel, BaseModelCaches, has_weights, hub_name};
pub use embedding_cache::{EmbeddingCache, embeddings_fingerprint};
pub use encoder::Encoder;
pub use error::EncoderError;
pub use files::{CONFIG_FILE, SPECIAL_TOKENS_FILE, TOKENIZER_FILE, WEIGHTS_FILE, WORD_LIST_FILE, is_model_file, is_weights_file};
pub use model::{
    batch::Batch,
    config::NetworkConfig,
    network::{Network, TokenRows},
    weights::{WeightTensor, Weights},
};
pub use random_model::write_random;
pub use simd::with_simd;
pub use tokenizer::Tokenizer;
