//! State of a field as of a position.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use aprendiz_annotation_types::ReviewStatus;

/// The event that counts as of a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsOf {
    /// Its position.
    pub position: i64,
    /// The accepted value: `None` = the review was undone, empty = "no value".
    pub accepted_value: Option<Vec<String>>,
    /// Its status.
    pub review_status: ReviewStatus,
    /// Who decided it.
    pub reviewer: Option<String>,
    /// Time of the decision.
    pub occurred_at: DateTime<Utc>,
}

/// Returns the event of a field that counts as of a position; `None` if there is no event up to it.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn as_of(conn: &mut PgConnection, document: Uuid, field: &str, position: i64) -> Result<Option<AsOf>, sqlx::Error> {
    sqlx::query_as!(
        AsOf,
        r#"
        SELECT position, CASE WHEN review_status <> 'UNREVIEWED' THEN value END AS "accepted_value: Vec<String>",
               review_status AS "review_status: ReviewStatus", reviewer, occurred_at
        FROM annotation_events
        WHERE document_id = $1 AND field = $2 AND position <= $3 AND counts_at(withdrawals, $3)
        ORDER BY occurred_at DESC, octet_length(source_ref) DESC, source_ref COLLATE "C" DESC, source COLLATE "C" DESC
        LIMIT 1
        "#,
        document,
        field,
        position,
    )
    .fetch_optional(conn)
    .await
}
