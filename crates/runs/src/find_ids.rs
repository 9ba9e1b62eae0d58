//! Finds runs, workers and snapshots by a part of their ID, or the newest ones.
//!
//! The primary key finds first digits by their range. Last digits need a scan of it, which reads no table row.

use aprendiz_db::{IdMatch, IdPart, Scope};
use sqlx::PgConnection;

use crate::error::RunsError;

/// Finds runs of a scope, newest first: those whose ID begins or ends with a part, if one is given, and those of a model, if one is given.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_run_ids(
    conn: &mut PgConnection,
    scope: &Scope,
    part: Option<&IdPart>,
    model: Option<&str>,
    limit: i64,
) -> Result<Vec<IdMatch>, RunsError> {
    let found = sqlx::query_as!(
        IdMatch,
        r#"
        SELECT id, concat_ws(' ', model, kind::text, status::text) AS "label!", created_at
        FROM training_runs
        WHERE ($1::uuid IS NULL OR id IN (
                SELECT id FROM training_runs WHERE id BETWEEN $1 AND $2
                UNION
                SELECT id FROM training_runs WHERE right(replace(id::text, '-', ''), length($3)) = $3))
            AND ($4::text IS NULL OR model = $4)
            AND ($6::text[] IS NULL OR run_in_scope(spec, $6))
            -- the newest run is one that somebody created
            AND ($1 IS NOT NULL OR NOT EXISTS (SELECT FROM sweep_children c WHERE c.run_id = training_runs.id AND c.role = 'trial'))
        ORDER BY created_at DESC, id DESC
        LIMIT $5
        "#,
        part.map(IdPart::lowest),
        part.map(IdPart::highest),
        part.map(IdPart::digits),
        model,
        limit,
        scope.projects()
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// Finds workers, as [`find_run_ids`] finds runs. Without a part, only workers that have not stopped.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_worker_ids(conn: &mut PgConnection, part: Option<&IdPart>, limit: i64) -> Result<Vec<IdMatch>, RunsError> {
    let found = sqlx::query_as!(
        IdMatch,
        r#"
        SELECT id, host || CASE WHEN stopped_at IS NULL THEN '' ELSE ' (stopped)' END AS "label!", started_at AS created_at
        FROM workers
        WHERE CASE WHEN $1::uuid IS NULL THEN stopped_at IS NULL
              ELSE id BETWEEN $1 AND $2 OR right(replace(id::text, '-', ''), length($3)) = $3 END
        ORDER BY started_at DESC, id DESC
        LIMIT $4
        "#,
        part.map(IdPart::lowest),
        part.map(IdPart::highest),
        part.map(IdPart::digits),
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// Finds snapshots, as [`find_run_ids`] finds runs. Those of a model are those that a run of it uses.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_dataset_ids(
    conn: &mut PgConnection,
    scope: &Scope,
    part: Option<&IdPart>,
    model: Option<&str>,
    limit: i64,
) -> Result<Vec<IdMatch>, RunsError> {
    let found = sqlx::query_as!(
        IdMatch,
        r#"
        SELECT d.id, d.examples || ' examples as of position ' || d.position AS "label!", d.created_at
        FROM datasets d
        WHERE ($1::uuid IS NULL OR d.id BETWEEN $1 AND $2 OR right(replace(d.id::text, '-', ''), length($3)) = $3)
            AND ($4::text IS NULL OR EXISTS (SELECT FROM training_runs r WHERE r.dataset_id = d.id AND r.model = $4))
            AND ($6::text[] IS NULL OR d.selection ->> 'project' = ANY($6))
        ORDER BY d.created_at DESC, d.id DESC
        LIMIT $5
        "#,
        part.map(IdPart::lowest),
        part.map(IdPart::highest),
        part.map(IdPart::digits),
        model,
        limit,
        scope.projects()
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}
