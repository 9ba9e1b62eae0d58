//! Lists the fields that wait for review: predicted and unreviewed, or with an undone review.

use aprendiz_db::Scope;
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
    /// Source of the document.
    pub source: String,
    /// Project within the source.
    pub project: String,
    /// Id within the project.
    pub task_id: String,
    /// Original file name.
    pub file_name: Option<String>,
    /// The field.
    pub field: String,
    /// Latest prediction; missing if a review was undone and there is no prediction.
    pub predicted_value: Option<Vec<String>>,
    /// Confidence of the prediction; missing if the extractor reports none.
    pub confidence: Option<f64>,
    /// Version of the extractor.
    pub extractor_version: Option<String>,
    /// Time of the prediction.
    pub predicted_at: Option<DateTime<Utc>>,
    /// Version of the state, for `If-Match` of a review.
    pub version: i32,
    /// Holder of the lease of the document.
    pub leased_by: Option<String>,
    /// Time of expiry of the lease.
    pub leased_until: Option<DateTime<Utc>>,
}

/// Filter of the listing. The default selects all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WaitingFilter {
    /// Only this field.
    pub field: Option<String>,
    /// Only documents of this source.
    pub source: Option<String>,
    /// Only documents of this project.
    pub project: Option<String>,
    /// Only predictions of this version, whether there is a newer one of another version or not.
    pub extractor_version: Option<String>,
    /// Only predictions with at least this confidence.
    pub min_confidence: Option<f64>,
    /// Only predictions with less than this confidence.
    pub below_confidence: Option<f64>,
    /// Excludes documents leased by a reviewer other than this one.
    pub free_for: Option<String>,
}

/// Order of the listing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WaitingOrder {
    /// By document, then by field.
    #[default]
    Document,
    /// By confidence, lowest first; predictions without confidence come before all others.
    Uncertain,
}

/// Pagination cursor: the last field of a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitingCursor {
    /// Confidence, -1 if there is none; used for ordering only.
    pub confidence: f64,
    /// The document.
    pub document_id: Uuid,
    /// The field.
    pub field: String,
}

impl WaitingField {
    /// Returns the cursor that continues after this field.
    #[must_use]
    pub fn cursor(&self) -> WaitingCursor {
        WaitingCursor { confidence: self.confidence.unwrap_or(-1.0), document_id: self.document_id, field: self.field.clone() }
    }
}

/// Lists at most `limit` fields of documents of the scope, from the start or after a cursor of the same order. Concurrent reviews only
/// remove entries.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn list_waiting(
    conn: &mut PgConnection,
    scope: &Scope,
    filter: &WaitingFilter,
    order: WaitingOrder,
    after: Option<&WaitingCursor>,
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
            SELECT a.document_id, d.source, d.project, d.task_id, d.file_name, a.field,
                   CASE WHEN $12::text IS NULL THEN a.predicted_value ELSE x.value END AS predicted_value,
                   x.confidence, x.extractor_version, x.predicted_at, a.version, l.reviewer AS leased_by, l.expires_at AS leased_until,
                   CASE WHEN $8 THEN coalesce(x.confidence, -1) ELSE 0 END AS rank
            FROM annotations a
            JOIN documents d ON d.id = a.document_id
            LEFT JOIN LATERAL (
                SELECT x.value, x.confidence, x.extractor_version, x.predicted_at
                FROM extractions x
                WHERE x.document_id = a.document_id AND x.field = a.field AND ($12::text IS NULL OR x.extractor_version = $12)
                ORDER BY x.predicted_at DESC, x.extractor_version DESC
                LIMIT 1
            ) x ON true
            LEFT JOIN review_leases l ON l.document_id = a.document_id AND l.expires_at > clock_timestamp()
            WHERE a.review_status = 'UNREVIEWED'
              AND d.archived_at IS NULL AND d.withdrawn_at IS NULL
              -- a row without either is a placeholder
              AND (a.predicted_value IS NOT NULL OR a.event_position IS NOT NULL)
              AND ($1::text IS NULL OR a.field = $1)
              AND ($2::text IS NULL OR d.source = $2)
              AND ($3::text IS NULL OR d.project = $3)
              AND ($13::text[] IS NULL OR d.project = ANY($13))
              AND ($12::text IS NULL OR x.extractor_version IS NOT NULL)
              AND ($4::float8 IS NULL OR x.confidence >= $4)
              AND ($5::float8 IS NULL OR x.confidence < $5)
              AND ($6::text IS NULL OR l.reviewer IS NULL OR l.reviewer = $6)
        ) w
        WHERE $7::uuid IS NULL
           OR (w.rank, w.document_id, w.field COLLATE "C") > (CASE WHEN $8 THEN $9::float8 ELSE 0 END, $7, $10::text COLLATE "C")
        ORDER BY w.rank, w.document_id, w.field COLLATE "C"
        LIMIT $11
        "#,
        filter.field,
        filter.source,
        filter.project,
        filter.min_confidence,
        filter.below_confidence,
        filter.free_for,
        after.map(|cursor| cursor.document_id),
        uncertain_first,
        after.map(|cursor| cursor.confidence),
        after.map(|cursor| cursor.field.as_str()),
        limit,
        filter.extractor_version,
        scope.projects(),
    )
    .fetch_all(conn)
    .await
}
