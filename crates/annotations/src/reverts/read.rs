//! The state of a revert, and reverts that are not finished.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::reverts::types::{ImportRevert, RevertEffect};

/// Returns the revert of an import with its retries; `None` if it is not reverted.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn find_revert(conn: &mut PgConnection, import: Uuid) -> Result<Option<ImportRevert>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        WITH RECURSIVE chain AS (
            SELECT $1::uuid AS id
            UNION
            SELECT i.id FROM imports i JOIN chain c ON i.retry_of = c.id
        )
        SELECT own.actor, own.reason, own.started_at,
               array_remove(array_agg(v.import_id ORDER BY v.import_id), $1) AS "retries!",
               sum(v.documents_withdrawn)::bigint AS "documents_withdrawn!", sum(v.texts_restored)::bigint AS "texts_restored!",
               sum(v.details_restored)::bigint AS "details_restored!", sum(v.events_withdrawn)::bigint AS "events_withdrawn!",
               sum(v.predictions_withdrawn)::bigint AS "predictions_withdrawn!",
               CASE WHEN bool_and(v.finished_at IS NOT NULL) THEN max(v.finished_at) END AS finished_at,
               (SELECT count(*) FROM import_revert_documents d JOIN chain c ON c.id = d.import_id) AS "documents_left!"
        FROM import_reverts own
        CROSS JOIN chain c
        JOIN import_reverts v ON v.import_id = c.id
        WHERE own.import_id = $1
        GROUP BY own.actor, own.reason, own.started_at
        "#,
        import
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| ImportRevert {
        import_id: import,
        retries: row.retries,
        actor: row.actor,
        reason: row.reason,
        effect: RevertEffect {
            documents_withdrawn: row.documents_withdrawn,
            texts_restored: row.texts_restored,
            details_restored: row.details_restored,
            events_withdrawn: row.events_withdrawn,
            predictions_withdrawn: row.predictions_withdrawn,
        },
        documents_left: row.documents_left,
        dry_run: false,
        started_at: row.started_at,
        finished_at: row.finished_at,
    }))
}

/// Returns an import whose revert was interrupted or is going on, the oldest revert first.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn find_unfinished_revert(conn: &mut PgConnection) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("SELECT import_id FROM import_reverts WHERE finished_at IS NULL ORDER BY started_at, import_id LIMIT 1")
        .fetch_optional(conn)
        .await
}
