//! Reads the history of a field.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::history::types::{FieldHistory, HistoryEvent, HistoryPrediction, HistoryText};
use crate::reviews::ReviewError;
use aprendiz_annotation_types::{ReviewStatus, review_order};

/// Returns the whole history of a field of a document, also of an erased one. With a `position`, marks the event that counted as of it.
///
/// # Errors
/// When the document or field is unknown, or Postgres is unavailable.
pub async fn history(conn: &mut PgConnection, document: Uuid, field: &str, position: Option<i64>) -> Result<FieldHistory, ReviewError> {
    let row = sqlx::query!(
        r#"
        SELECT e.erased_at AS "erased_at?", EXISTS (SELECT FROM fields WHERE name = $2) AS "field_exists!"
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
    if !row.field_exists {
        return Err(ReviewError::UnknownField(field.to_owned()));
    }
    let mut events = load_events(conn, document, field).await?;
    mark_events(&mut events, position);
    let predictions = sqlx::query_as!(
        HistoryPrediction,
        r#"
        SELECT extractor_version, value, confidence, predicted_at, created_at AS recorded_at, run_id
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
        erased_at: row.erased_at,
        as_of: position,
        events,
        predictions,
        texts,
    })
}

/// Marks the current event, and the event that counted as of a position.
fn mark_events(events: &mut [HistoryEvent], position: Option<i64>) {
    let latest = |max_position: i64| {
        let candidates = events.iter().filter(|event| event.position <= max_position);
        candidates.max_by_key(|event| review_order(event.occurred_at, &event.source_ref, &event.source)).map(|event| event.position)
    };
    let (current, counted) = (latest(i64::MAX), position.map(latest));
    for event in events {
        event.is_current = current == Some(event.position);
        event.counted_as_of = counted.map(|counted| counted == Some(event.position));
    }
}

async fn load_events(conn: &mut PgConnection, document: Uuid, field: &str) -> Result<Vec<HistoryEvent>, sqlx::Error> {
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
