//! The lease of a document for review.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Exclusive right of a reviewer to review a document, until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReviewLease {
    /// The document.
    pub document_id: Uuid,
    /// Its name: `SOURCE/PROJECT/TASK`.
    pub document: String,
    /// Holder of the lease.
    pub reviewer: String,
    /// Name of the API key that requested it.
    pub actor: String,
    /// Time of the first acquisition.
    pub acquired_at: DateTime<Utc>,
    /// Time of expiry, unless it is renewed.
    pub expires_at: DateTime<Utc>,
}
