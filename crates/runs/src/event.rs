//! Progress events of a run, in an order that every reader sees alike.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Acquire as _, PgConnection};
use utoipa::ToSchema;

use crate::attempt::AttemptKey;
use crate::error::RunsError;
use crate::ids::RunId;
use crate::lease::hold_fence;
use crate::status::EventKind;

/// One event of a run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunEvent {
    /// Rises by one within a run; the SSE id.
    pub sequence: i64,
    /// The attempt that wrote it, if one did.
    pub attempt_number: Option<i32>,
    /// What happened.
    pub kind: EventKind,
    /// Details, by kind.
    #[schema(value_type = Object)]
    pub payload: Value,
    /// When, by the database clock.
    pub occurred_at: DateTime<Utc>,
}

/// Events after `sequence`, oldest first.
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

/// Appends an event in the name of an attempt, if it still holds its lease.
///
/// # Errors
/// [`RunsError::LeaseLost`] when it does not.
pub async fn record_attempt_event(conn: &mut PgConnection, key: AttemptKey, kind: EventKind, payload: &Value) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    hold_fence(&mut tx, key).await?;
    append(&mut tx, key.run_id, Some(key.number), kind, payload).await?;
    tx.commit().await?;
    Ok(())
}

/// Appends an event. The sequence is drawn from the run's row, so the row lock keeps commits in the order of the sequence.
pub(crate) async fn append(
    conn: &mut PgConnection,
    run_id: RunId,
    attempt_number: Option<i32>,
    kind: EventKind,
    payload: &Value,
) -> Result<(), RunsError> {
    // one statement, because there are several events in each run; listeners (SSE) look into the table: the payload only says which run
    sqlx::query!(
        r#"
        WITH run AS (
            UPDATE training_runs SET last_event_sequence = last_event_sequence + 1 WHERE id = $1 RETURNING last_event_sequence
        ), event AS (
            INSERT INTO run_events (run_id, sequence, attempt_number, kind, payload)
            SELECT $1, last_event_sequence, $2, $3, $4 FROM run
            RETURNING run_id
        )
        SELECT pg_notify('aprendiz_run_events', run_id::text) FROM event
        "#,
        run_id as RunId,
        attempt_number,
        kind as EventKind,
        payload
    )
    .execute(conn)
    .await?;
    Ok(())
}
