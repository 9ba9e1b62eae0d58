//! Counts what a version has predicted.

use sqlx::PgConnection;
use uuid::Uuid;

/// What a version has predicted for a field of some documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictedField {
    /// The field.
    pub field: String,
    /// Number of documents with a prediction.
    pub predicted: i64,
    /// Number of those whose confidence reaches the threshold.
    pub answered: i64,
    /// Number of those without a confidence: the model knows nothing of their texts.
    pub unknown: i64,
}

/// Counts the predictions that runs have stored under the name of a version for these documents; at most one entry per field. A field
/// without a threshold answers nothing.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn count_predictions(
    conn: &mut PgConnection,
    version: &str,
    documents: &[Uuid],
    thresholds: &[(String, Option<f64>)],
) -> Result<Vec<PredictedField>, sqlx::Error> {
    let fields: Vec<String> = thresholds.iter().map(|(field, _)| field.clone()).collect();
    let thresholds: Vec<Option<f64>> = thresholds.iter().map(|(_, threshold)| *threshold).collect();
    sqlx::query_as!(
        PredictedField,
        r#"
        SELECT x.field, count(*) AS "predicted!", count(*) FILTER (WHERE x.confidence >= t.threshold) AS "answered!",
               count(*) FILTER (WHERE x.confidence IS NULL) AS "unknown!"
        FROM unnest($1::text[], $2::float8[]) AS t (field, threshold)
        JOIN extractions x ON x.field = t.field AND x.extractor_version = $3 AND x.run_id IS NOT NULL
        WHERE x.document_id = ANY($4)
        GROUP BY x.field
        "#,
        &fields,
        &thresholds as &[Option<f64>],
        version,
        documents,
    )
    .fetch_all(conn)
    .await
}
