//! Filter of a document listing.

use aprendiz_annotation_types::ReviewStatus;
use chrono::{DateTime, Utc};

use crate::splits::Split;

/// Filter of a document listing; all conditions must hold. The default selects all documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentFilter {
    /// Only documents of this source.
    pub source: Option<String>,
    /// Only documents of this project.
    pub project: Option<String>,
    /// Only documents with this id within their project.
    pub task_id: Option<String>,
    /// Only documents whose file name, project, id or metadata has a word that starts with each of these words.
    pub words: Option<String>,
    /// Only documents in this split.
    pub split: Option<Split>,
    /// Whether a field, or the field `field`, is reviewed.
    pub reviewed: Option<bool>,
    /// Only documents with a prediction or a review of this field; with `reviewed`, only the field that is meant there.
    pub field: Option<String>,
    /// Only documents in which a field, or the field `field`, has this accepted value; empty = "no value".
    pub value: Option<String>,
    /// Only documents in which a field, or the field `field`, has this review status.
    pub status: Option<ReviewStatus>,
    /// Only documents whose metadata has these keys with these values; numbers and booleans are compared as text.
    pub metadata: Vec<(String, String)>,
    /// Only documents imported or changed at or after this time.
    pub since: Option<DateTime<Utc>>,
}

impl DocumentFilter {
    /// Whether a condition must be checked document by document.
    pub(super) fn has_conditions(&self) -> bool {
        let Self { source: _, project: _, task_id, words, split, reviewed, field, value, status, metadata, since } = self;
        self.source.is_some()
            || task_id.is_some()
            || words.is_some()
            || split.is_some()
            || reviewed.is_some()
            || field.is_some()
            || value.is_some()
            || status.is_some()
            || !metadata.is_empty()
            || since.is_some()
    }
}
