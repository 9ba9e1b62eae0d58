//! Deletes old comparisons of challengers.

use sqlx::PgConnection;

use crate::error::RunsError;

/// Days for which comparisons are kept.
pub const SHADOW_RETENTION_DAYS: i32 = 90;
/// Maximum number of disagreements that are kept per model.
pub const MAX_SHADOW_DISAGREEMENTS: i64 = 10_000;

/// Deletes comparisons older than `days`, and all but the newest `per_model` disagreements of each model. Returns the number of deleted
/// rows.
///
/// # Errors
/// When Postgres does not answer.
pub async fn prune_shadow(conn: &mut PgConnection, days: i32, per_model: i64) -> Result<u64, RunsError> {
    let old = sqlx::query!(
        r#"
        WITH counts AS (
            DELETE FROM shadow_counts WHERE day < (statement_timestamp() AT TIME ZONE 'UTC')::date - $1::int RETURNING 1
        ), drops AS (
            DELETE FROM shadow_drops WHERE day < (statement_timestamp() AT TIME ZONE 'UTC')::date - $1::int RETURNING 1
        ), disagreements AS (
            DELETE FROM shadow_disagreements
            WHERE at < ((statement_timestamp() AT TIME ZONE 'UTC')::date - $1::int)::timestamp AT TIME ZONE 'UTC'
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM counts) + (SELECT count(*) FROM drops) + (SELECT count(*) FROM disagreements) AS "deleted!"
        "#,
        days
    )
    .fetch_one(&mut *conn)
    .await?;
    let surplus = sqlx::query!(
        r#"
        DELETE FROM shadow_disagreements d
        USING models m, LATERAL (
            SELECT id FROM shadow_disagreements n WHERE n.model = m.name ORDER BY n.id DESC OFFSET $1 LIMIT 1
        ) oldest
        WHERE d.model = m.name AND d.id <= oldest.id
        "#,
        per_model
    )
    .execute(conn)
    .await?;
    Ok(u64::try_from(old.deleted).unwrap_or(0) + surplus.rows_affected())
}
