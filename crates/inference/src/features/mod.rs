//! Features of a text: n-gram counting, document frequencies, TF-IDF vectors.

mod config;
mod document_frequency;
mod ngrams;
mod occurrences;
mod sparse;
mod vectorizer;

pub use config::{FEATURES_VERSION, FeatureConfig};
pub use document_frequency::DocumentFrequencies;
pub use ngrams::NgramCounter;
pub use sparse::{SparseRow, SparseRows};
pub use vectorizer::Vectorizer;
