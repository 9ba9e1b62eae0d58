//! Types of a field's history.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use aprendiz_annotation_types::ReviewStatus;

/// One review event.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HistoryEvent {
    /// Position in the order of all events of the installation.
    pub position: i64,
    /// The value; empty = "no value". It does not count if the status is `UNREVIEWED`.
    pub value: Vec<String>,
    /// Relation to the prediction at that time; `UNREVIEWED` = the previous review was undone.
    pub review_status: ReviewStatus,
    /// Spans of the text, `[{"start","end","text"}]`, in code points.
    pub spans: Option<Value>,
    /// Note of the reviewer.
    pub note: Option<String>,
    /// Who decided it.
    pub reviewer: Option<String>,
    /// Who recorded it: the name of an API key; missing for events older than this column.
    pub actor: Option<String>,
    /// Source of the event.
    pub source: String,
    /// Its id within the source.
    pub source_ref: String,
    /// Time of the decision.
    pub occurred_at: DateTime<Utc>,
    /// Time of recording.
    pub recorded_at: DateTime<Utc>,
    /// Whether value, spans and note were erased with the document.
    pub erased: bool,
    /// Whether the current state comes from it: the latest time of decision, then the greatest `source_ref`, compared as a number.
    pub is_current: bool,
    /// Whether it counted as of the requested position; missing if none was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_as_of: Option<bool>,
}

/// Prediction of one version of the extractor.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HistoryPrediction {
    /// Version of the extractor.
    pub extractor_version: String,
    /// The value; empty = nothing found.
    pub value: Vec<String>,
    /// Confidence, 0 to 1.
    pub confidence: Option<f64>,
    /// Time of the prediction.
    pub predicted_at: DateTime<Utc>,
    /// Time of the first recording.
    pub recorded_at: DateTime<Utc>,
    /// The run that stored it with a published version of a model; null for a prediction of the extractor.
    pub run_id: Option<Uuid>,
}

/// A version of the text, without the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryText {
    /// Version number, from 1.
    pub version: i32,
    /// SHA-256 of the text, lower-case hex.
    pub sha256: String,
    /// Snapshots at this position or later use this version.
    pub position: i64,
    /// Time of recording.
    pub recorded_at: DateTime<Utc>,
}

/// History of one field of one document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldHistory {
    /// The document.
    pub document_id: Uuid,
    /// The field.
    pub field: String,
    /// Time of the erasure of the document; missing if it was not erased.
    pub erased_at: Option<DateTime<Utc>>,
    /// The requested position; later events did not count.
    pub as_of: Option<i64>,
    /// Events by position.
    pub events: Vec<HistoryEvent>,
    /// Predictions, oldest first.
    pub predictions: Vec<HistoryPrediction>,
    /// Versions of the text, oldest first.
    pub texts: Vec<HistoryText>,
}
