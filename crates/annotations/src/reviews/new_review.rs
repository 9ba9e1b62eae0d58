//! The input of a review.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use aprendiz_annotation_types::ReviewStatus;

/// The decision of a reviewer about a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Sets the value; an empty list is the answer "no value".
    Set(Vec<String>),
    /// Undoes the previous review: the field becomes unreviewed.
    Undo,
}

/// A span of the latest text of the document, in code points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpanInput {
    /// First code point, from 0.
    pub start: usize,
    /// First code point after the span.
    pub end: usize,
    /// Text of the span; checked if given. It may be as a browser shows it: white space and invisible characters are not compared.
    #[serde(default)]
    pub text: Option<String>,
}

/// The version of the state that the reviewer has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Any version.
    Anything,
    /// No state yet.
    Nothing,
    /// This version; 0 = no state yet.
    Version(i32),
}

/// A review of one field of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct NewReview {
    /// The document.
    pub document_id: Uuid,
    /// The field.
    pub field: String,
    /// The decision.
    pub decision: Decision,
    /// Spans of the value.
    pub spans: Vec<SpanInput>,
    /// Note of the reviewer; never used as a feature.
    pub note: Option<String>,
    /// Who decided it.
    pub reviewer: Option<String>,
    /// Status expected by the client; the review is rejected if it differs from the actual one.
    pub status: Option<ReviewStatus>,
    /// Time of the decision; by default the time of the database. A review older than the latest one does not become current.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Source of the review, for example `api`.
    pub source: String,
    /// Id within the source: the same id denotes the same review. By default every call is a new review.
    pub source_ref: Option<String>,
    /// Who records it: the name of an API key.
    pub actor: String,
    /// The version of the state that the reviewer has seen.
    pub expected: Expected,
}

impl NewReview {
    /// Creates a review without spans, note or expected version, decided and recorded by `actor` now.
    #[must_use]
    pub fn new(document_id: Uuid, field: impl Into<String>, decision: Decision, actor: impl Into<String>) -> Self {
        let actor = actor.into();
        Self {
            document_id,
            field: field.into(),
            decision,
            spans: Vec::new(),
            note: None,
            reviewer: Some(actor.clone()),
            status: None,
            occurred_at: None,
            source: "api".to_owned(),
            source_ref: None,
            actor,
            expected: Expected::Anything,
        }
    }

    /// Returns the value as stored in an event, and whether the event undoes a review.
    pub(super) fn event_value(&self) -> (&[String], bool) {
        match &self.decision {
            Decision::Set(values) => (values, false),
            Decision::Undo => (&[], true),
        }
    }
}
