//! Results of evaluating an encoder against its base model.

use serde::{Deserialize, Serialize};

/// Metrics of an encoder on held-out pairs, by the cosine similarity of their vectors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairMetrics {
    /// How well positive pairs are ranked above negative ones; 1 = perfectly.
    pub average_precision: f64,
    /// Rank correlation of cosine similarity and label.
    pub spearman: f64,
}

/// Metrics of an encoder and of its base model on the test split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderReport {
    /// Scored pairs of all fields; pairs that differ only in near-duplicates count once.
    pub pairs: u64,
    /// Pairs that were left out, because they differ from a scored one only in near-duplicates.
    #[serde(default)]
    pub copies: u64,
    /// Metrics of the base model; `None` if they are undefined.
    pub base: Option<PairMetrics>,
    /// Metrics of the encoder; `None` if they are undefined.
    pub trained: Option<PairMetrics>,
    /// Results by field, sorted by name.
    pub fields: Vec<EncoderFieldReport>,
}

/// Metrics of an encoder and of its base model for one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderFieldReport {
    /// The field.
    pub field: String,
    /// Its scored pairs.
    pub pairs: u64,
    /// Its pairs that were left out as copies.
    #[serde(default)]
    pub copies: u64,
    /// Metrics of the base model; `None` if they are undefined.
    pub base: Option<PairMetrics>,
    /// Metrics of the encoder; `None` if they are undefined.
    pub trained: Option<PairMetrics>,
    /// Accuracy of a nearest-neighbour classifier.
    pub neighbours: Option<KnnMetrics>,
}

/// Accuracy of a k-nearest-neighbour classifier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KnnMetrics {
    /// Labelled train documents in the index.
    #[serde(rename = "known")]
    pub index: u64,
    /// Labelled test documents that were classified, copies included.
    #[serde(rename = "asked")]
    pub queries: u64,
    /// Groups of near-duplicates among them; each counts once in the accuracies.
    #[serde(default)]
    pub groups: u64,
    /// Accuracy with vectors of the base model.
    pub base: f64,
    /// Accuracy with vectors of the encoder.
    pub trained: f64,
    /// Accuracy of always predicting the most frequent class of the index.
    pub majority: f64,
}
