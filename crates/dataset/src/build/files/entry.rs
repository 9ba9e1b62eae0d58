//! The files of a snapshot and their formats.

use serde::{Deserialize, Serialize};

/// A written file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path relative to the snapshot directory, with `/` on every platform.
    pub path: String,
    pub bytes: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// File format of the examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Typed, compressed columns; always written.
    Parquet,
    /// One JSON object per line; the input of training.
    Jsonl,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Parquet, Self::Jsonl];
}
