//! Reads stored predictions together with the accepted values, for scoring extractors.

use std::borrow::Cow;

use aprendiz_annotation_types::comparable;
use futures::Stream;
use sqlx::PgConnection;

use crate::selection::Selection;

/// One reviewed field of one document, with its newest stored prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewedPrediction {
    pub field: String,
    /// Latest accepted value as of the selection's position; empty means "no value".
    pub accepted: Vec<String>,
    /// Newest prediction of any extractor version; `None` and empty both mean that nothing was found.
    pub predicted: Option<Vec<String>>,
    /// The group of near-duplicates that the document belongs to; `None` if it has no split.
    pub group: Option<String>,
}

/// Streams the reviewed fields of the selected documents, ordered by field. Excluded documents are included, because nothing is trained
/// on them.
///
/// Predictions have no position: the newest stored one is used, regardless of the selection's position.
pub fn reviewed_predictions<'a>(
    conn: &'a mut PgConnection,
    selection: &'a Selection,
) -> impl Stream<Item = Result<ReviewedPrediction, sqlx::Error>> + Send + 'a {
    sqlx::query_as!(
        ReviewedPrediction,
        r#"
        SELECT e.field, e.value AS accepted, x.value AS "predicted?", s.group_key AS "group?"
        FROM (
            SELECT DISTINCT ON (document_id, field) document_id, field, value, review_status
            FROM annotation_events
            WHERE position <= $1 AND field = ANY($5) AND ($2::uuid[] IS NULL OR document_id = ANY($2))
            ORDER BY document_id, field, occurred_at DESC, octet_length(source_ref) DESC, source_ref COLLATE "C" DESC, source COLLATE "C" DESC
        ) e
        JOIN documents d ON d.id = e.document_id
        LEFT JOIN LATERAL (
            SELECT value FROM extractions
            WHERE document_id = e.document_id AND field = e.field
            ORDER BY predicted_at DESC, extractor_version DESC
            LIMIT 1
        ) x ON true
        LEFT JOIN LATERAL (
            SELECT group_key FROM document_splits
            WHERE document_id = e.document_id AND position <= $1
            ORDER BY version DESC
            LIMIT 1
        ) s ON true
        WHERE e.review_status <> 'UNREVIEWED'
            AND ($3::text IS NULL OR d.source = $3)
            AND ($4::text IS NULL OR d.project = $4)
        ORDER BY e.field COLLATE "C"
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
    )
    .fetch(conn)
}

impl ReviewedPrediction {
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

fn label(value: &[String]) -> Option<String> {
    let mut value: Vec<Cow<'_, str>> = value.iter().map(|value| comparable(value)).collect();
    value.sort_unstable();
    value.dedup();
    (!value.is_empty()).then(|| value.join(" | "))
}
