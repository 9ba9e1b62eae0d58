//! Finds an event that was recorded with the same reference.

use serde_json::Value;
use sqlx::PgConnection;

use crate::reviews::new_review::NewReview;

/// An event with the same reference as a new review.
pub(super) struct Duplicate {
    pub(super) position: i64,
    /// Whether its content equals the new review.
    pub(super) same: bool,
}

/// Finds the event with the reference of a review. The time is compared only if the client gave one.
pub(super) async fn find_duplicate(
    conn: &mut PgConnection,
    new: &NewReview,
    source_ref: &str,
    spans: Option<&Value>,
) -> Result<Option<Duplicate>, sqlx::Error> {
    let (value, undone) = new.event_value();
    sqlx::query_as!(
        Duplicate,
        r#"
        SELECT position,
               (comparable_values(value) = comparable_values($5) AND (review_status = 'UNREVIEWED') = $6 AND spans IS NOT DISTINCT FROM $7 AND note IS NOT DISTINCT FROM $8
                AND reviewer IS NOT DISTINCT FROM $9 AND ($10::timestamptz IS NULL OR occurred_at = $10)) AS "same!"
        FROM annotation_events
        WHERE document_id = $1 AND field = $2 AND source = $3 AND source_ref = $4
        ORDER BY position
        LIMIT 1
        "#,
        new.document_id,
        new.field,
        new.source,
        source_ref,
        value,
        undone,
        spans,
        new.note,
        new.reviewer,
        new.occurred_at,
    )
    .fetch_optional(conn)
    .await
}
