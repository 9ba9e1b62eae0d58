//! A model version that is about to be published.

use serde_json::Value;

use crate::ids::DatasetId;

/// A model version to be published. Its files are already in S3, the manifest last.
#[derive(Debug)]
pub struct NewModelVersion<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// The dataset snapshot it was trained on.
    pub dataset: DatasetId,
    /// Prefix of its files in the bucket.
    pub object_prefix: &'a str,
    /// SHA-256 of the manifest, hex.
    pub manifest_sha256: &'a str,
    /// Its files.
    pub files: &'a Value,
    /// Model card.
    pub card: &'a Value,
    /// Keys of all its objects, including the manifest.
    pub object_keys: &'a [String],
}
