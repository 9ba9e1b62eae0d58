//! Why a review was not written.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::documents::Annotation;
use crate::review::lease::ReviewLease;
use crate::review_status::ReviewStatus;

/// Why a review was not written, or a state not shown.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Postgres did not answer or refused.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// There is no such document.
    #[error("no document {0}")]
    UnknownDocument(Uuid),
    /// There is no such field.
    #[error("no field `{0}`: declare it with PUT /v1/fields/{0}")]
    UnknownField(String),
    /// The content of the document was erased.
    #[error("document {document} was erased on {}: nothing can be said about it any more", .erased_at.format("%Y-%m-%d"))]
    Erased {
        /// The document.
        document: Uuid,
        /// When.
        erased_at: DateTime<Utc>,
    },
    /// A part of the review cannot be.
    #[error("{part}: {reason}")]
    Invalid {
        /// Which part.
        part: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The client takes it to have another status.
    #[error(
        "status {stated} contradicts the value: against the prediction of this field it would be {would_be}; leave the status out, it follows from the value"
    )]
    StatusContradicts {
        /// What the client says.
        stated: ReviewStatus,
        /// What follows from prediction and value.
        would_be: ReviewStatus,
    },
    /// The state is not the one that the reviewer has seen.
    #[error("{}", stale(.current.as_deref()))]
    Stale {
        /// The state there is; `None` when there is none yet.
        current: Option<Box<Annotation>>,
    },
    /// Somebody else reviews the document at the moment.
    #[error(
        "document {} is reviewed by {} until {}: choose another one, or wait",
        .0.document_id, .0.reviewer, .0.expires_at.format("%Y-%m-%d %H:%M:%S UTC")
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
    /// The id of a review was used for another one.
    #[error("the Idempotency-Key was used for another review of this field: use a new key for a new review")]
    ReferenceReused,
}

fn stale(current: Option<&Annotation>) -> String {
    let Some(current) = current else {
        return "nothing has been said about this field yet, its version is 0: send If-Match: \"0\"".to_owned();
    };
    let value = match &current.accepted_value {
        None => "unreviewed".to_owned(),
        Some(value) => format!("{value:?}"),
    };
    format!(
        "the field has version {} now: {value}, {}; look at it, then send If-Match: \"{}\"",
        current.version, current.review_status, current.version
    )
}
