//! Result of a build.

use crate::build::files::FileEntry;
use crate::selection::{ExcludedField, Watermark};

/// A built snapshot: its identity, counts and files.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// SHA-256 of the canonical rows; see `canonical_hash.rs`.
    pub canonical_hash: String,
    /// Watermark of the selection, computed before any row was read.
    pub watermark: Watermark,
    /// Examples in all splits.
    pub examples: u64,
    /// `{"splits", "fields", "left_out", "trainable_fields", "excluded_documents"}`; stored in `datasets.counts`.
    pub counts: serde_json::Value,
    /// All files, `manifest.json` last: uploaded in this order, a manifest never precedes its files.
    pub files: Vec<FileEntry>,
    /// Fields with at least two trainable labels; empty if nothing can be trained.
    pub trainable_fields: Vec<String>,
    /// Selected fields that are excluded from training, sorted by field.
    pub left_out: Vec<ExcludedField>,
}
