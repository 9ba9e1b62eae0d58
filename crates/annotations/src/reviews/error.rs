//! Errors of reviews.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::documents::Annotation;
use crate::reviews::review_lease::ReviewLease;
use aprendiz_annotation_types::{ReviewStatus, display_values};

/// Error of recording a review, or of reading the state it applies to.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Postgres is unavailable or rejected the statement.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The document does not exist.
    #[error("no document {0}")]
    UnknownDocument(Uuid),
    /// The field does not exist.
    #[error("no field `{0}`: declare it first")]
    UnknownField(String),
    /// The content of the document was erased.
    #[error("document {document} was erased on {}: it cannot be reviewed any more", .erased_at.format("%Y-%m-%d"))]
    Erased {
        /// The document.
        document: Uuid,
        /// Time of the erasure.
        erased_at: DateTime<Utc>,
    },
    /// A part of the review is invalid.
    #[error("{part}: {reason}")]
    Invalid {
        /// The invalid part.
        part: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The status given by the client contradicts the value.
    #[error(
        "status {stated} contradicts the value: with the current prediction it is {actual}; omit the status, it follows from the value"
    )]
    StatusContradicts {
        /// The status given by the client.
        stated: ReviewStatus,
        /// The status that follows from prediction and value.
        actual: ReviewStatus,
    },
    /// The reviewer has seen an older state.
    #[error("{}", stale_message(.current.as_deref()))]
    Stale {
        /// The current state; `None` if there is none yet.
        current: Option<Box<Annotation>>,
    },
    /// Another reviewer holds the lease of the document.
    #[error(
        "document {} is leased by {} until {}: choose another document, or wait",
        .0.document, .0.reviewer, .0.expires_at.format("%Y-%m-%dT%H:%M:%SZ")
    )]
    Leased(Box<ReviewLease>),
    /// There is no review to undo.
    #[error("field `{field}` of document {document} is unreviewed: there is nothing to undo")]
    NothingToUndo {
        /// The document.
        document: Uuid,
        /// The field.
        field: String,
    },
    /// The reference of a review was used for a different review.
    #[error("the Idempotency-Key was used for a different review of this field: use a new key for a new review")]
    ReferenceReused,
    /// The state that the transaction has just written is missing.
    #[error("the state of field `{field}` of document {document} is missing although it was just written")]
    MissingState {
        /// The document.
        document: Uuid,
        /// The field.
        field: String,
    },
}

fn stale_message(current: Option<&Annotation>) -> String {
    let Some(current) = current else {
        return "the field has no review and no prediction yet, its version is 0".to_owned();
    };
    let value = match &current.accepted_value {
        None => "unreviewed".to_owned(),
        Some(value) => display_values(value.iter().map(String::as_str)),
    };
    format!(
        "the field is at version {} now: {value}, {}; review the new state, then repeat the request with its version",
        current.version, current.review_status
    )
}
