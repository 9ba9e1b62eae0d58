//! Types of erasures.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Record of an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erasure {
    /// The document. Its row, its splits and its id within the source are kept.
    pub document_id: Uuid,
    /// Its name: `SOURCE/PROJECT/TASK`.
    pub document: String,
    /// Who erased it.
    pub actor: String,
    /// Reason for the erasure.
    pub reason: String,
    /// Commit-safe position; snapshots built after it do not contain the document.
    pub position: i64,
    /// Number of redacted versions of the text.
    pub texts: i32,
    /// Number of redacted events.
    pub events: i32,
    /// Number of snapshots that contained the document and lost their files.
    pub datasets: i32,
    /// Time of the erasure.
    pub erased_at: DateTime<Utc>,
}

/// Proof of an erased text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErasedText {
    /// Version of the text, from 1.
    pub version: i32,
    /// SHA-256 of the erased text, lower-case hex. Anyone who has the text can prove that it is the erased one.
    pub sha256: String,
}

/// Result of [`redact_document`](super::redact_document).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redacted {
    /// Assigned before anything was redacted, under a lock that is held until the transaction ends.
    pub position: i64,
    /// Number of versions of the text.
    pub texts: i32,
    /// Number of events.
    pub events: i32,
}
