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
    if order == WaitingOrder::Uncertain && filter.extractor_version.is_none() {
        let fields = list_among_least_certain(conn, scope, filter, after, limit).await?;
        if i64::try_from(fields.len()).is_ok_and(|found| found >= limit) {
            return Ok(fields);
        }
    }
    list_among_all(conn, scope, filter, order, after, limit).await
}

/// Lists the fields among the next 10,000 predictions in the order of their confidence, and those without a prediction. With a full page
/// these are the fields that come next; otherwise others may follow. Every join looks up one row, whatever the planner expects.
async fn list_among_least_certain(
    conn: &mut PgConnection,
    scope: &Scope,
    filter: &WaitingFilter,
    after: Option<&WaitingCursor>,
    limit: i64,
) -> Result<Vec<WaitingField>, sqlx::Error> {
    sqlx::query_as!(
        WaitingField,
        r#"
        SELECT x.document_id AS "document_id!", d.source AS "source!", d.project AS "project!", d.task_id AS "task_id!", d.file_name,
               x.field AS "field!", a.predicted_value, x.confidence, x.extractor_version AS "extractor_version?",
               x.predicted_at AS "predicted_at?", a.version AS "version!", l.reviewer AS "leased_by?", l.expires_at AS "leased_until?"
        FROM (
            (SELECT -1::float8 AS rank, u.document_id, u.field COLLATE "C" AS field, NULL::float8 AS confidence,
                    NULL::text AS extractor_version, NULL::timestamptz AS predicted_at
             FROM annotations u
             WHERE u.review_status = 'UNREVIEWED' AND u.predicted_value IS NULL AND u.event_position IS NOT NULL
               AND NOT EXISTS (SELECT FROM extractions p WHERE p.document_id = u.document_id AND p.field = u.field)
               AND ($7::uuid IS NULL OR (-1, u.document_id, u.field COLLATE "C") > ($8::float8, $7, $9::text COLLATE "C")))
            UNION ALL
            (SELECT coalesce(p.confidence, -1), p.document_id, p.field COLLATE "C", p.confidence, p.extractor_version, p.predicted_at
             FROM extractions p
             WHERE (coalesce(p.confidence, -1), p.document_id, p.field COLLATE "C")
                   > (coalesce($8, -2), coalesce($7, '00000000-0000-0000-0000-000000000000'), coalesce($9, '') COLLATE "C")
             ORDER BY coalesce(p.confidence, -1), p.document_id, p.field COLLATE "C"
             LIMIT 10000)
        ) x
        CROSS JOIN LATERAL (
            SELECT a.predicted_value, a.version
            FROM annotations a
            WHERE a.document_id = x.document_id AND a.field = x.field AND a.review_status = 'UNREVIEWED'
              AND (a.predicted_value IS NOT NULL OR a.event_position IS NOT NULL)
            LIMIT 1
        ) a
        CROSS JOIN LATERAL (
            SELECT d.source, d.project, d.task_id, d.file_name
            FROM documents d
            WHERE d.id = x.document_id AND d.archived_at IS NULL AND d.withdrawn_at IS NULL
            LIMIT 1
        ) d
        LEFT JOIN LATERAL (
            SELECT l.reviewer, l.expires_at
            FROM review_leases l
            WHERE l.document_id = x.document_id AND l.expires_at > clock_timestamp()
            LIMIT 1
        ) l ON true
        LEFT JOIN LATERAL (
            SELECT true AS is_there
            FROM extractions n
            WHERE n.document_id = x.document_id AND n.field = x.field
              AND (n.predicted_at, n.extractor_version) > (x.predicted_at, x.extractor_version)
            LIMIT 1
        ) newer ON true
        WHERE newer.is_there IS NULL
          AND ($1::text IS NULL OR x.field = $1)
          AND ($2::text IS NULL OR d.source = $2)
          AND ($3::text IS NULL OR d.project = $3)
          AND ($11::text[] IS NULL OR d.project = ANY($11))
          AND ($4::float8 IS NULL OR x.confidence >= $4)
          AND ($5::float8 IS NULL OR x.confidence < $5)
          AND ($6::text IS NULL OR l.reviewer IS NULL OR l.reviewer = $6)
        ORDER BY x.rank, x.document_id, x.field
        LIMIT $10
        "#,
        filter.field,
        filter.source,
        filter.project,
        filter.min_confidence,
        filter.below_confidence,
        filter.free_for,
        after.map(|cursor| cursor.document_id),
        after.map(|cursor| cursor.confidence),
        after.map(|cursor| cursor.field.as_str()),
        limit,
        scope.projects(),
    )
    .fetch_all(conn)
    .await
}

/// Lists the fields by reading all that wait.
async fn list_among_all(
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
