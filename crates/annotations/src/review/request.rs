//! What a reviewer says, before it is checked.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::review_status::ReviewStatus;

/// What is said about the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It has this value; an empty list is the answer "no value".
    Value(Vec<String>),
    /// The review before does not count any more: the field is unreviewed.
    Undone,
}

/// A place in the newest text of the document, in code points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpanGiven {
    /// First code point, from 0.
    pub start: usize,
    /// The first one after it.
    pub end: usize,
    /// What stands there; checked when given.
    #[serde(default)]
    pub text: Option<String>,
}

/// Which state the reviewer has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Anything,
    /// There is none yet.
    Nothing,
    /// The one of this version; 0 is none yet.
    Version(i32),
}

/// A review of one field of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct NewReview {
    /// The document.
    pub document_id: Uuid,
    /// The field.
    pub field: String,
    /// What is said about it.
    pub said: Said,
    /// Where that stands.
    pub spans: Vec<SpanGiven>,
    /// In the reviewer's words; never a feature.
    pub note: Option<String>,
    /// Who decided it.
    pub reviewer: Option<String>,
    /// The status that the client takes it to have; refused when it is another.
    pub status: Option<ReviewStatus>,
    /// When it was decided; by default now, by the clock of the database. An older review than the newest does not become current.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Where it comes from, for example `api`.
    pub source: String,
    /// Its id there: the same again is the same review. By default each call is one of its own.
    pub source_ref: Option<String>,
    /// Who records it: the name of an API key.
    pub actor: String,
    /// Which state the reviewer has seen.
    pub expected: Expected,
}

impl NewReview {
    /// A review without places, note or expectations, decided and recorded by `actor` now.
    #[must_use]
    pub fn new(document_id: Uuid, field: impl Into<String>, said: Said, actor: impl Into<String>) -> Self {
        let actor = actor.into();
        Self {
            document_id,
            field: field.into(),
            said,
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
}
