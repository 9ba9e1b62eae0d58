//! Exported documents with their events and predictions.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use aprendiz_annotation_types::{ReviewStatus, review_order};

/// A document as of the position of an export.
#[derive(Debug)]
pub struct ExportedDocument {
    /// Its id.
    pub id: Uuid,
    /// Source of the document.
    pub source: String,
    /// Project within the source.
    pub project: String,
    /// Id within the project.
    pub task_id: String,
    /// Original file name.
    pub file_name: Option<String>,
    /// Other keys, a JSON object.
    pub metadata: Box<RawValue>,
    /// Time of the first import.
    pub created_at: DateTime<Utc>,
    /// The latest text; empty if the selection is without texts.
    pub text: String,
    /// Events and predictions by field.
    pub fields: BTreeMap<String, ExportedField>,
}

/// Events and predictions of one field.
#[derive(Debug, Default)]
pub struct ExportedField {
    /// Review events by position.
    pub events: Vec<ExportedEvent>,
    /// Predictions, latest last.
    pub predictions: Vec<ExportedPrediction>,
}

/// One review event.
#[derive(Debug, Clone, Serialize)]
pub struct ExportedEvent {
    /// Position in the order of all events of the installation.
    pub position: i64,
    /// The value; empty = "no value". It does not count if the status is `UNREVIEWED`.
    pub value: Vec<String>,
    /// Relation to the prediction at that time.
    pub review_status: ReviewStatus,
    /// Spans of the text, in code points; a JSON array.
    pub spans: Option<Box<RawValue>>,
    /// Note of the reviewer.
    pub note: Option<String>,
    /// Who decided it.
    pub reviewer: Option<String>,
    /// Who recorded it.
    pub actor: Option<String>,
    /// Source of the event.
    pub source: String,
    /// Its id within the source.
    pub source_ref: String,
    /// Time of the decision.
    pub occurred_at: DateTime<Utc>,
    /// Time of recording.
    pub recorded_at: DateTime<Utc>,
}

/// Prediction of one version of the extractor.
#[derive(Debug, Clone, Serialize)]
pub struct ExportedPrediction {
    /// Version of the extractor.
    pub extractor_version: String,
    /// The value; empty = nothing found.
    pub value: Vec<String>,
    /// Confidence, 0 to 1.
    pub confidence: Option<f64>,
    /// Time of the prediction.
    pub predicted_at: DateTime<Utc>,
}

impl ExportedField {
    /// Returns the event that counts: see [`review_order`].
    pub(super) fn latest_event(&self) -> Option<&ExportedEvent> {
        self.events.iter().max_by_key(|event| review_order(event.occurred_at, &event.source_ref, &event.source))
    }
}
