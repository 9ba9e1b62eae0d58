//! All that was ever said about one field of one document, and what counted as of a position.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::review::ReviewError;
use crate::review_status::ReviewStatus;

/// What a reviewer said.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HistoryEvent {
    /// Place in the order of all events of the installation.
    pub position: i64,
    /// The value; empty = "no value", and where the status is `UNREVIEWED` it does not count.
    pub value: Vec<String>,
    /// How it related to the prediction of its time; `UNREVIEWED` = the review before was undone.
    pub review_status: ReviewStatus,
    /// Places in the text, `[{"start","end","text"}]`, in code points.
    pub spans: Option<Value>,
    /// In the reviewer's words.
    pub note: Option<String>,
    /// Who decided it.
    pub reviewer: Option<String>,
    /// Who recorded it: the name of an API key; absent for what is older than this record.
    pub actor: Option<String>,
    /// Where it came from.
    pub source: String,
    /// Its id there.
    pub source_ref: String,
    /// When it was decided.
    pub occurred_at: DateTime<Utc>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Whether value, places and note were erased with the document.
    pub erased: bool,
    /// Whether the current state comes from it: the greatest time of decision, then the greatest position.
    pub is_current: bool,
    /// Whether it counted as of the position asked for; absent when none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_as_of: Option<bool>,
}

/// What a version of the extractor said.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HistoryPrediction {
    /// The version.
    pub extractor_version: String,
    /// The value; empty = it found nothing.
    pub value: Vec<String>,
    /// How sure it was, 0 to 1.
    pub confidence: Option<f64>,
    /// When it said so.
    pub predicted_at: DateTime<Utc>,
    /// When that was recorded first.
    pub recorded_at: DateTime<Utc>,
}

/// A version of the text, without the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryText {
    /// From 1.
    pub version: i32,
    /// SHA-256 of the text, lower-case hex.
    pub sha256: String,
    /// Snapshots of this position and later ones read it.
    pub position: i64,
    /// When it came.
    pub recorded_at: DateTime<Utc>,
}

/// All that was said about one field of one document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldHistory {
    /// The document.
    pub document_id: Uuid,
    /// The field.
    pub field: String,
    /// When the content of the document was erased; absent when it was not.
    pub erased_at: Option<DateTime<Utc>>,
    /// The position asked for, events after which did not count.
    pub as_of: Option<i64>,
    /// Events in the order of their positions.
    pub events: Vec<HistoryEvent>,
    /// Predictions, the oldest first.
    pub predictions: Vec<HistoryPrediction>,
    /// Versions of the text, the first one first.
    pub texts: Vec<HistoryText>,
}

/// The event that counts as of a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsOf {
    /// Its position.
    pub position: i64,
    /// The accepted value: `None` = the review was undone, empty = "no value".
    pub accepted_value: Option<Vec<String>>,
    /// Its status.
    pub review_status: ReviewStatus,
    /// Who decided it.
    pub reviewer: Option<String>,
    /// When.
    pub occurred_at: DateTime<Utc>,
}

/// The latest event of a field of a document as of a position; `None` when nothing was said by then.
///
/// # Errors
/// When Postgres does not answer.
pub async fn as_of(conn: &mut PgConnection, document: Uuid, field: &str, position: i64) -> Result<Option<AsOf>, sqlx::Error> {
    sqlx::query_as!(
        AsOf,
        r#"
        SELECT position, CASE WHEN review_status <> 'UNREVIEWED' THEN value END AS "accepted_value: Vec<String>",
               review_status AS "review_status: ReviewStatus", reviewer, occurred_at
        FROM annotation_events
        WHERE document_id = $1 AND field = $2 AND position <= $3
        ORDER BY occurred_at DESC, position DESC
        LIMIT 1
        "#,
        document,
        field,
        position,
    )
    .fetch_optional(conn)
    .await
}

/// The whole history of a field of a document, also of an erased one. `position` marks what counted as of then.
///
/// # Errors
/// When there is no such document or field, or Postgres does not answer.
pub async fn history(conn: &mut PgConnection, document: Uuid, field: &str, position: Option<i64>) -> Result<FieldHistory, ReviewError> {
    let known = sqlx::query!(
        r#"
        SELECT e.erased_at AS "erased_at?", EXISTS (SELECT FROM fields WHERE name = $2) AS "field!"
        FROM documents d
        LEFT JOIN erasures e ON e.document_id = d.id
        WHERE d.id = $1
        "#,
        document,
        field
    )
    .fetch_optional(&mut *conn)
    .await?
    .ok_or(ReviewError::UnknownDocument(document))?;
    if !known.field {
        return Err(ReviewError::UnknownField(field.to_owned()));
    }
    let mut events = events_of(conn, document, field).await?;
    let latest = |upto: i64| {
        let known = events.iter().filter(|event| event.position <= upto);
        known.max_by_key(|event| (event.occurred_at, event.position)).map(|event| event.position)
    };
    let (current, then) = (latest(i64::MAX), position.map(latest));
    for event in &mut events {
        event.is_current = current == Some(event.position);
        event.counted_as_of = then.map(|then| then == Some(event.position));
    }
    let predictions = sqlx::query_as!(
        HistoryPrediction,
        r#"
        SELECT extractor_version, value, confidence, predicted_at, created_at AS recorded_at
        FROM extractions
        WHERE document_id = $1 AND field = $2
        ORDER BY predicted_at, extractor_version
        "#,
        document,
        field
    )
    .fetch_all(&mut *conn)
    .await?;
    let texts = sqlx::query_as!(
        HistoryText,
        "SELECT version, sha256, position, created_at AS recorded_at FROM document_texts WHERE document_id = $1 ORDER BY version",
        document
    )
    .fetch_all(conn)
    .await?;
    Ok(FieldHistory {
        document_id: document,
        field: field.to_owned(),
        erased_at: known.erased_at,
        as_of: position,
        events,
        predictions,
        texts,
    })
}

async fn events_of(conn: &mut PgConnection, document: Uuid, field: &str) -> Result<Vec<HistoryEvent>, sqlx::Error> {
    sqlx::query_as!(
        HistoryEvent,
        r#"
        SELECT position, value, review_status AS "review_status: ReviewStatus", spans, note, reviewer, actor, source, source_ref,
               occurred_at, recorded_at, erased, false AS "is_current!", NULL::boolean AS counted_as_of
        FROM annotation_events
        WHERE document_id = $1 AND field = $2
        ORDER BY position
        "#,
        document,
        field
    )
    .fetch_all(conn)
    .await
}
