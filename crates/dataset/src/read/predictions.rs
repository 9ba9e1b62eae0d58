//! Reads stored predictions together with the accepted values, for scoring extractors.

use std::borrow::Cow;

use aprendiz_annotation_types::comparable;
use futures::Stream;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::selection::Selection;

/// Documents of one field that have the same accepted value and the same newest prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewedPredictions {
    pub field: String,
    /// Latest accepted value as of the selection's position; empty means "no value".
    pub accepted: Vec<String>,
    /// Newest prediction of any version of the extractor, not of a published model; `None` and empty both mean that nothing was found.
    pub predicted: Option<Vec<String>>,
    /// Number of documents.
    pub documents: i64,
    /// Number of groups of near-duplicates whose first document is in this row. Each group of a field is in exactly one of its rows; a
    /// document without a group is a group of its own.
    pub groups: i64,
}

/// Streams counts of the reviewed fields of the selected documents, ordered by field. Excluded documents are included, because nothing
/// is trained on them. The database counts, so that a caller needs memory for one row only.
///
/// Predictions have no position: the newest stored one is used, regardless of the selection's position.
pub fn reviewed_predictions<'a>(
    conn: &'a mut PgConnection,
    selection: &'a Selection,
) -> impl Stream<Item = Result<ReviewedPredictions, sqlx::Error>> + Send + 'a {
    sqlx::query_as!(
        ReviewedPredictions,
        r#"
        SELECT field, accepted, predicted AS "predicted?", count(*) AS "documents!", count(*) FILTER (WHERE is_first) AS "groups!"
        FROM (
            SELECT e.field, e.value AS accepted, x.value AS predicted,
                s.group_key IS NULL OR row_number() OVER (PARTITION BY e.field, s.group_key ORDER BY e.document_id) = 1 AS is_first
            FROM (
                SELECT DISTINCT ON (document_id, field) document_id, field, value, review_status, erased
                FROM annotation_events
                WHERE position <= $1 AND counts_at(withdrawals, $1) AND field = ANY($5) AND ($2::uuid[] IS NULL OR document_id = ANY($2))
                ORDER BY document_id, field, occurred_at DESC, octet_length(source_ref) DESC, source_ref COLLATE "C" DESC, source COLLATE "C" DESC
            ) e
            JOIN documents d ON d.id = e.document_id
            LEFT JOIN LATERAL (
                SELECT value FROM extractions
                WHERE document_id = e.document_id AND field = e.field AND run_id IS NULL
                ORDER BY predicted_at DESC, extractor_version DESC
                LIMIT 1
            ) x ON true
            LEFT JOIN LATERAL (
                SELECT group_key, reason FROM document_splits
                WHERE document_id = e.document_id AND position <= $1
                ORDER BY version DESC
                LIMIT 1
            ) s ON true
            WHERE e.review_status <> 'UNREVIEWED' AND NOT e.erased
                AND s.reason IS DISTINCT FROM 'archived'
                AND s.reason IS DISTINCT FROM 'withdrawn'
                AND ($3::text IS NULL OR d.source = $3)
                AND ($4::text IS NULL OR d.project = $4)
        ) reviewed
        GROUP BY field, accepted, predicted
        ORDER BY field COLLATE "C"
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
    )
    .fetch(conn)
}

/// A document whose newest prediction is not written like the accepted value of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct DifferentPrediction {
    pub document_id: Uuid,
    pub field: String,
    /// Latest accepted value as of the selection's position; empty means "no value".
    pub accepted: Vec<String>,
    /// Newest prediction of any version of the extractor, not of a published model; empty means that nothing was found.
    pub predicted: Vec<String>,
    /// Its confidence, if the extractor gave one.
    pub confidence: Option<f64>,
}

/// Streams the documents behind the errors in [`reviewed_predictions`], in no order. Values that differ only in their form are included.
pub fn different_predictions<'a>(
    conn: &'a mut PgConnection,
    selection: &'a Selection,
) -> impl Stream<Item = Result<DifferentPrediction, sqlx::Error>> + Send + 'a {
    sqlx::query_as!(
        DifferentPrediction,
        r#"
        SELECT e.document_id, e.field, e.value AS accepted, coalesce(x.value, '{}') AS "predicted!", x.confidence AS "confidence?"
        FROM (
            SELECT DISTINCT ON (document_id, field) document_id, field, value, review_status, erased
            FROM annotation_events
            WHERE position <= $1 AND counts_at(withdrawals, $1) AND field = ANY($5) AND ($2::uuid[] IS NULL OR document_id = ANY($2))
            ORDER BY document_id, field, occurred_at DESC, octet_length(source_ref) DESC, source_ref COLLATE "C" DESC, source COLLATE "C" DESC
        ) e
        JOIN documents d ON d.id = e.document_id
        LEFT JOIN LATERAL (
            SELECT value, confidence FROM extractions
            WHERE document_id = e.document_id AND field = e.field AND run_id IS NULL
            ORDER BY predicted_at DESC, extractor_version DESC
            LIMIT 1
        ) x ON true
        LEFT JOIN LATERAL (
            SELECT reason FROM document_splits
            WHERE document_id = e.document_id AND position <= $1
            ORDER BY version DESC
            LIMIT 1
        ) s ON true
        WHERE e.review_status <> 'UNREVIEWED' AND NOT e.erased
            AND s.reason IS DISTINCT FROM 'archived'
            AND s.reason IS DISTINCT FROM 'withdrawn'
            AND e.value <> coalesce(x.value, '{}')
            AND ($3::text IS NULL OR d.source = $3)
            AND ($4::text IS NULL OR d.project = $4)
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
    )
    .fetch(conn)
}

impl DifferentPrediction {
    /// Whether the values differ in more than their form, as the metrics judge it.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        label(&self.accepted) != label(&self.predicted)
    }
}

impl ReviewedPredictions {
    /// The accepted value as a single label, with several values sorted and joined; `None` means "no value".
    #[must_use]
    pub fn accepted_label(&self) -> Option<String> {
        label(&self.accepted)
    }

    /// The predicted value as a single label; `None` if nothing was found.
    #[must_use]
    pub fn predicted_label(&self) -> Option<String> {
        label(self.predicted.as_deref().unwrap_or_default())
    }
}

/// Several values sorted and joined; `None` means "no value".
pub(super) fn label(value: &[String]) -> Option<String> {
    let mut value: Vec<Cow<'_, str>> = value.iter().map(|value| comparable(value)).collect();
    value.sort_unstable();
    value.dedup();
    (!value.is_empty()).then(|| value.join(" | "))
}
