//! Reads the stored predictions of extractors for given documents.

use std::borrow::Cow;

use aprendiz_annotation_types::comparable;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// The newest stored prediction of the extractor for one field of a document. Those of published models do not count.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPrediction {
    pub document_id: Uuid,
    pub field: String,
    pub extractor_version: String,
    /// The predicted values; empty means that nothing was found.
    pub value: Vec<String>,
    /// Its confidence, if the extractor gave one.
    pub confidence: Option<f64>,
}

impl StoredPrediction {
    /// The predicted value as a single label, in comparable form, with several values sorted and joined; `None` if nothing was found.
    #[must_use]
    pub fn label(&self) -> Option<String> {
        let mut values: Vec<Cow<'_, str>> = self.value.iter().map(|value| comparable(value)).collect();
        values.sort_unstable();
        values.dedup();
        (!values.is_empty()).then(|| values.join(" | "))
    }
}

/// Returns the newest prediction per document and field among those that were stored until `until`. The result has at most one row per
/// document and field, so the caller bounds it by the number of documents.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn stored_predictions(
    conn: &mut PgConnection,
    documents: &[Uuid],
    fields: &[String],
    until: DateTime<Utc>,
) -> Result<Vec<StoredPrediction>, sqlx::Error> {
    sqlx::query_as!(
        StoredPrediction,
        r#"
        SELECT DISTINCT ON (document_id, field) document_id, field, extractor_version, value, confidence
        FROM extractions
        WHERE document_id = ANY($1) AND field = ANY($2) AND created_at <= $3 AND run_id IS NULL
        ORDER BY document_id, field, predicted_at DESC, extractor_version DESC
        "#,
        documents,
        fields,
        until,
    )
    .fetch_all(conn)
    .await
}
