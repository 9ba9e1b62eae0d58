//! Events of a run, in an order that is the same for every reader.

use aprendiz_db::ensure_one_row;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Acquire as _, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::attempt::AttemptId;
use crate::run::lease::lock_attempt;
use crate::run::status::EventKind;

/// One event of a run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunEvent {
    /// Sequence number within the run, without gaps; the SSE event id.
    pub sequence: i64,
    /// Number of the attempt that wrote it, if any.
    pub attempt_number: Option<i32>,
    /// Kind of the event.
    pub kind: EventKind,
    /// Details that depend on the kind.
    #[schema(value_type = Object)]
    pub payload: Value,
    /// When it happened, by the database clock.
    pub occurred_at: DateTime<Utc>,
}

/// Lists the events after `sequence`, oldest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn events_after(conn: &mut PgConnection, run_id: RunId, sequence: i64, limit: i64) -> Result<Vec<RunEvent>, RunsError> {
    let events = sqlx::query_as!(
        RunEvent,
        r#"
        SELECT sequence, attempt_number, kind AS "kind: EventKind", payload, occurred_at
        FROM run_events
        WHERE run_id = $1 AND sequence > $2
        ORDER BY sequence
        LIMIT $3
        "#,
        run_id as RunId,
        sequence,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(events)
}

/// Appends an event for an attempt that still holds its lease. Repeating the call with the same `id` changes nothing, so that it can be
/// repeated when the connection was lost before the answer of the commit.
///
/// # Errors
/// [`RunsError::LeaseLost`] when it does not.
pub async fn record_attempt_event(
    conn: &mut PgConnection,
    attempt: AttemptId,
    id: Uuid,
    kind: EventKind,
    payload: &Value,
) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    lock_attempt(&mut tx, attempt).await?;
    append_once(&mut tx, attempt, id, kind, payload).await?;
    tx.commit().await?;
    Ok(())
}

/// Appends an event unless the run has one with this id. The caller holds the lock of the attempt.
pub(crate) async fn append_once(
    conn: &mut PgConnection,
    attempt: AttemptId,
    id: Uuid,
    kind: EventKind,
    payload: &Value,
) -> Result<(), RunsError> {
    let is_known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM run_events WHERE run_id = $1 AND id = $2) AS "known!""#,
        attempt.run_id as RunId,
        id
    )
    .fetch_one(&mut *conn)
    .await?;
    if is_known { Ok(()) } else { insert(conn, attempt.run_id, Some(attempt.number), Some(id), kind, payload).await }
}

/// Appends an event. The sequence number comes from the run's row, so its row lock keeps commits in sequence order.
pub(crate) async fn append(
    conn: &mut PgConnection,
    run_id: RunId,
    attempt_number: Option<i32>,
    kind: EventKind,
    payload: &Value,
) -> Result<(), RunsError> {
    insert(conn, run_id, attempt_number, None, kind, payload).await
}

async fn insert(
    conn: &mut PgConnection,
    run_id: RunId,
    attempt_number: Option<i32>,
    id: Option<Uuid>,
    kind: EventKind,
    payload: &Value,
) -> Result<(), RunsError> {
    // one round trip, because every run has several events; the notification carries only the run id: listeners (SSE) read the table
    let appended = sqlx::query!(
        r#"
        WITH run AS (
            UPDATE training_runs SET last_event_sequence = last_event_sequence + 1 WHERE id = $1 RETURNING last_event_sequence
        ), event AS (
            INSERT INTO run_events (run_id, sequence, attempt_number, kind, payload, id)
            SELECT $1, last_event_sequence, $2, $3, $4, $5 FROM run
            RETURNING run_id
        )
        SELECT pg_notify('aprendiz_run_events', run_id::text) FROM event
        "#,
        run_id as RunId,
        attempt_number,
        kind as EventKind,
        payload,
        id
    )
    .execute(conn)
    .await?;
    ensure_one_row(&appended, || RunsError::UnknownRun(run_id))
}
