//! What waits for review: fields of documents about which the extractor has said something, and nobody has answered.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

/// A field of a document that waits for review.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WaitingField {
    /// The document.
    pub document_id: Uuid,
    /// Where it came from.
    pub source: String,
    /// Project within the source.
    pub project: String,
    /// Id within the project.
    pub task_id: String,
    /// Original file name.
    pub file_name: Option<String>,
    /// The field.
    pub field: String,
    /// What the extractor said last; absent where a review was undone and nothing was predicted.
    pub predicted_value: Option<Vec<String>>,
    /// How sure it was; absent where it does not say.
    pub confidence: Option<f64>,
    /// Which version of it.
    pub extractor_version: Option<String>,
    /// When it said so.
    pub predicted_at: Option<DateTime<Utc>>,
    /// Version of the state: `If-Match` of a review.
    pub version: i32,
    /// Who reviews the document at the moment.
    pub leased_by: Option<String>,
    /// Until when.
    pub leased_until: Option<DateTime<Utc>>,
}

/// Which of them. The default is all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WaitingFilter {
    /// Only this field.
    pub field: Option<String>,
    /// Only documents of this source.
    pub source: Option<String>,
    /// Only documents of this project.
    pub project: Option<String>,
    /// Only predictions at least so sure.
    pub min_confidence: Option<f64>,
    /// Only predictions less sure than this.
    pub below_confidence: Option<f64>,
    /// Leaves out documents that somebody else reviews at the moment.
    pub free_for: Option<String>,
}

/// In which order they come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WaitingOrder {
    /// By document, then by field.
    #[default]
    Document,
    /// The least sure prediction first; those that do not say how sure they are before all.
    Uncertain,
}

/// The last one of a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitingPlace {
    /// Confidence, -1 where there is none; only its order counts.
    pub confidence: f64,
    /// The document.
    pub document_id: Uuid,
    /// The field.
    pub field: String,
}

impl WaitingField {
    /// Where a page ends that ends with it.
    #[must_use]
    pub fn place(&self) -> WaitingPlace {
        WaitingPlace { confidence: self.confidence.unwrap_or(-1.0), document_id: self.document_id, field: self.field.clone() }
    }
}

/// At most `limit` of them, from the start or after a place of the same order. Reviews meanwhile only take away.
///
/// # Errors
/// When Postgres does not answer.
pub async fn waiting(
    conn: &mut PgConnection,
    filter: &WaitingFilter,
    order: WaitingOrder,
    after: Option<&WaitingPlace>,
    limit: i64,
) -> Result<Vec<WaitingField>, sqlx::Error> {
    let uncertain_first = order == WaitingOrder::Uncertain;
    sqlx::query_as!(
        WaitingField,
        r#"
        SELECT w.document_id AS "document_id!", w.source AS "source!", w.project AS "project!", w.task_id AS "task_id!", w.file_name,
               w.field AS "field!", w.predicted_value, w.confidence, w.extractor_version AS "extractor_version?",
               w.predicted_at AS "predicted_at?", w.version AS "version!", w.leased_by AS "leased_by?", w.leased_until AS "leased_until?"
        FROM (
            SELECT a.document_id, d.source, d.project, d.task_id, d.file_name, a.field, a.predicted_value, x.confidence,
                   x.extractor_version, x.predicted_at, a.version, l.reviewer AS leased_by, l.expires_at AS leased_until,
                   CASE WHEN $8 THEN coalesce(x.confidence, -1) ELSE 0 END AS place
            FROM annotations a
            JOIN documents d ON d.id = a.document_id
            LEFT JOIN LATERAL (
                SELECT x.confidence, x.extractor_version, x.predicted_at
                FROM extractions x
                WHERE x.document_id = a.document_id AND x.field = a.field
                ORDER BY x.predicted_at DESC, x.extractor_version DESC
                LIMIT 1
            ) x ON true
            LEFT JOIN review_leases l ON l.document_id = a.document_id AND l.expires_at > clock_timestamp()
            WHERE a.review_status = 'UNREVIEWED'
              -- a row without either only holds the place
              AND (a.predicted_value IS NOT NULL OR a.event_position IS NOT NULL)
              AND ($1::text IS NULL OR a.field = $1)
              AND ($2::text IS NULL OR d.source = $2)
              AND ($3::text IS NULL OR d.project = $3)
              AND ($4::float8 IS NULL OR x.confidence >= $4)
              AND ($5::float8 IS NULL OR x.confidence < $5)
              AND ($6::text IS NULL OR l.reviewer IS NULL OR l.reviewer = $6)
        ) w
        WHERE $7::uuid IS NULL OR (w.place, w.document_id, w.field COLLATE "C") > (CASE WHEN $8 THEN $9::float8 ELSE 0 END, $7, $10::text COLLATE "C")
        ORDER BY w.place, w.document_id, w.field COLLATE "C"
        LIMIT $11
        "#,
        filter.field,
        filter.source,
        filter.project,
        filter.min_confidence,
        filter.below_confidence,
        filter.free_for,
        after.map(|place| place.document_id),
        uncertain_first,
        after.map(|place| place.confidence),
        after.map(|place| place.field.as_str()),
        limit,
    )
    .fetch_all(conn)
    .await
}
