//! Types of accepting predictions in bulk.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::reviews::error::ReviewError;
use crate::reviews::validate::{MAX_NOTE_CHARS, check_reviewer};

/// Maximum number of documents of one call, which holds the position lock until the caller commits.
pub const MAX_ACCEPTED: i64 = 1_000;

/// Selection of the predictions to accept.
#[derive(Debug, Clone, PartialEq)]
pub struct Acceptance {
    /// The field.
    pub field: String,
    /// Minimum confidence, 0 to 1.
    pub min_confidence: f64,
    /// Only documents of this source.
    pub source: Option<String>,
    /// Only documents of this project.
    pub project: Option<String>,
    /// Only predictions of this version of the extractor.
    pub extractor_version: Option<String>,
    /// Who decides.
    pub reviewer: String,
    /// Who records it: the name of an API key.
    pub actor: String,
    /// Note of the events; by default it states the minimum confidence.
    pub note: Option<String>,
    /// Only documents with a greater id.
    pub after: Option<Uuid>,
    /// Maximum number of documents, 1 to 1,000.
    pub limit: i64,
    /// Reports what would be accepted and changes nothing.
    pub dry_run: bool,
}

/// Result of accepting predictions.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AcceptedPredictions {
    /// Number of predictions accepted, or that would be.
    pub accepted: u64,
    /// Number of predictions skipped because their value violates the definition of the field.
    pub unfit: u64,
    /// Reason for the first skipped prediction.
    pub unfit_reason: Option<String>,
    /// Examples of the documents.
    pub documents: Vec<Uuid>,
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// Id of the last document examined if more may follow; send it as `after`.
    pub next: Option<Uuid>,
}

impl Acceptance {
    /// Checks what needs no database.
    pub(super) fn validate(&self) -> Result<(), ReviewError> {
        let invalid = |part: &'static str, reason: String| Err(ReviewError::Invalid { part, reason });
        if !(0.0..=1.0).contains(&self.min_confidence) {
            return invalid("min_confidence", "must be a number from 0 to 1".to_owned());
        }
        if !(1..=MAX_ACCEPTED).contains(&self.limit) {
            return invalid("limit", format!("must be 1 to {MAX_ACCEPTED}"));
        }
        check_reviewer(&self.reviewer)?;
        if self.note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE_CHARS || note.contains('\0')) {
            return invalid("note", format!("must have at most {MAX_NOTE_CHARS} characters and no NUL"));
        }
        Ok(())
    }
}
