//! What a finished build hands back.

use serde::{Deserialize, Serialize};

use crate::key::Extent;
use crate::label::LeftOut;

/// A written file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path below the snapshot directory, with `/` on every platform.
    pub path: String,
    pub bytes: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// A form of the examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Typed columns, compressed; always written.
    Parquet,
    /// One JSON object a line: what training reads.
    Jsonl,
}

impl Format {
    /// All forms.
    pub const ALL: [Self; 2] = [Self::Parquet, Self::Jsonl];
}

/// A built snapshot: its identity, its numbers and its files.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// SHA-256 over the canonical rows; see `canonical.rs`.
    pub canonical_hash: String,
    /// How far what it reads reaches, as it was before anything was read.
    pub extent: Extent,
    /// Examples in all splits together.
    pub examples: u64,
    /// `{"splits", "fields", "left_out", "trainable_fields", "excluded_documents"}`; kept in `datasets.counts`.
    pub counts: serde_json::Value,
    /// Every file, `manifest.json` last: uploaded in this order, a manifest never comes before its files.
    pub files: Vec<FileEntry>,
    /// Fields with at least two labels to learn; empty when nothing can be trained.
    pub trainable_fields: Vec<String>,
    /// Selected fields that cannot be trained, with the reason; sorted by field.
    pub left_out: Vec<LeftOut>,
}
