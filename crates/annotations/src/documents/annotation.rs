//! Annotation: the current state of one field of one document.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::AnnotationsError;
use aprendiz_annotation_types::ReviewStatus;

/// Current state of one field of one document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Annotation {
    /// The document.
    pub document_id: Uuid,
    /// The field.
    pub field: String,
    /// Latest prediction; missing if there is none.
    pub predicted_value: Option<Vec<String>>,
    /// Accepted value: missing = unreviewed, empty = "no value".
    pub accepted_value: Option<Vec<String>>,
    /// Spans of the text, `[{"start","end","text"}]`, in code points.
    pub spans: Option<Value>,
    /// Relation of the accepted value to the prediction.
    pub review_status: ReviewStatus,
    /// Who accepted the value, as named by the source.
    pub reviewer: Option<String>,
    /// Version of the state; every change increments it.
    pub version: i32,
    /// Time of the review that counts; missing if there is none.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Time of the last change.
    pub updated_at: DateTime<Utc>,
}

/// Lists the current state of every field of a document, ordered by field. Empty for an unknown document, and for one without events and
/// predictions.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn list_annotations(conn: &mut PgConnection, id: Uuid) -> Result<Vec<Annotation>, AnnotationsError> {
    let annotations = sqlx::query_as!(
        Annotation,
        r#"
        SELECT document_id, field, predicted_value, accepted_value, spans, review_status AS "review_status: ReviewStatus",
               reviewer, version, occurred_at, updated_at
        FROM annotations
        WHERE document_id = $1
        ORDER BY field COLLATE "C"
        "#,
        id
    )
    .fetch_all(conn)
    .await?;
    Ok(annotations)
}
