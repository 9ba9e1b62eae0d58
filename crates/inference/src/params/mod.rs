//! Training parameters of the run kinds. They are defined here so that the API can validate them without linking Burn.

mod linear;
mod sentence_transformer;

pub use linear::LinearParams;
pub use sentence_transformer::{KIND_SENTENCE_TRANSFORMER, PairLoss, SentenceTransformerParams};
