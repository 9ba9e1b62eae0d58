//! Reading the states of imports.

use aprendiz_db::{IdMatch, IdPart};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::import::queue::types::{ImportState, ImportStatus};
use crate::import::report::Stage;

/// Returns the state of an import, whether it ran in the background or not; `None` if it does not exist.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn import_state(conn: &mut PgConnection, id: Uuid) -> Result<Option<ImportState>, sqlx::Error> {
    sqlx::query_as!(
        ImportState,
        r#"
        SELECT coalesce(r.id, i.id) AS "id!", coalesce(r.status, 'succeeded') AS "status!: ImportStatus",
               coalesce(i.file_name, r.options ->> 'file_name') AS file_name,
               coalesce(i.source, r.options ->> 'source', 'label-studio') AS "source!",
               (SELECT v.started_at FROM import_reverts v WHERE v.import_id = i.id) AS reverted_at,
               (SELECT v.finished_at FROM import_reverts v WHERE v.import_id = i.id) AS revert_finished_at,
               coalesce(r.actor, i.actor) AS "actor!",
               coalesce(r.bytes, i.bytes) AS "bytes!", coalesce(i.bytes, r.bytes_read) AS "bytes_read!",
               coalesce(i.tasks, r.tasks) AS "tasks!", r.stage AS "stage?: Stage", coalesce(r.attempt, 1) AS "attempt!",
               r.error_code AS "error_code?", r.error AS "error?", coalesce(r.created_at, i.started_at) AS "created_at!",
               coalesce(r.started_at, i.started_at) AS "started_at?", coalesce(r.finished_at, i.finished_at) AS "finished_at?",
               (SELECT max(retry.id::text)::uuid FROM imports retry WHERE retry.retry_of = $1) AS retried_by, i.report AS "report?"
        FROM (SELECT * FROM import_requests WHERE id = $1) r
        FULL JOIN (SELECT * FROM imports WHERE id = $1) i ON i.id = r.id
        "#,
        id
    )
    .fetch_optional(conn)
    .await
}

/// Keeps an import from being reverted until the transaction ends. Returns whether it is not reverted.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn lock_import(conn: &mut PgConnection, id: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query!("SELECT id FROM imports WHERE id = $1 FOR SHARE", id).fetch_optional(&mut *conn).await?;
    sqlx::query_scalar!(r#"SELECT NOT EXISTS (SELECT FROM import_reverts WHERE import_id = $1) AS "free!""#, id).fetch_one(conn).await
}

/// Lists imports, newest first, before the cursor (`created_at`, `id`); without their reports.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn list_imports(
    conn: &mut PgConnection,
    before: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<ImportState>, sqlx::Error> {
    let (at, id) = before.unzip();
    sqlx::query_as!(
        ImportState,
        r#"
        SELECT id AS "id!", status AS "status!: ImportStatus", file_name, source AS "source!", reverted_at, revert_finished_at,
               actor AS "actor!", bytes AS "bytes!", bytes_read AS "bytes_read!", tasks AS "tasks!", stage AS "stage: Stage",
               attempt AS "attempt!", error_code, error,
               created_at AS "created_at!", started_at, finished_at,
               (SELECT max(retry.id::text)::uuid FROM imports retry WHERE retry.retry_of = every.id) AS retried_by, NULL::jsonb AS report
        FROM (
            SELECT coalesce(r.id, i.id) AS id, coalesce(r.status, 'succeeded') AS status,
                   coalesce(i.file_name, r.options ->> 'file_name') AS file_name,
                   coalesce(i.source, r.options ->> 'source', 'label-studio') AS source,
                   (SELECT v.started_at FROM import_reverts v WHERE v.import_id = i.id) AS reverted_at,
                   (SELECT v.finished_at FROM import_reverts v WHERE v.import_id = i.id) AS revert_finished_at,
                   coalesce(r.actor, i.actor) AS actor,
                   coalesce(r.bytes, i.bytes) AS bytes, coalesce(i.bytes, r.bytes_read) AS bytes_read, coalesce(i.tasks, r.tasks) AS tasks,
                   r.stage, coalesce(r.attempt, 1) AS attempt, r.error_code, r.error, coalesce(r.created_at, i.started_at) AS created_at,
                   coalesce(r.started_at, i.started_at) AS started_at, coalesce(r.finished_at, i.finished_at) AS finished_at
            FROM import_requests r
            FULL JOIN imports i ON i.id = r.id
        ) every
        WHERE $1::timestamptz IS NULL OR (created_at, id) < ($1, $2)
        ORDER BY created_at DESC, id DESC
        LIMIT $3
        "#,
        at,
        id,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// Finds imports, newest first: those whose ID begins or ends with a part, if one is given.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn find_import_ids(conn: &mut PgConnection, part: Option<&IdPart>, limit: i64) -> Result<Vec<IdMatch>, sqlx::Error> {
    sqlx::query_as!(
        IdMatch,
        r#"
        SELECT id AS "id!", concat_ws(' ', status, file_name) AS "label!", created_at AS "created_at!"
        FROM (
            SELECT coalesce(r.id, i.id) AS id, coalesce(r.status, 'succeeded') AS status,
                   coalesce(i.file_name, r.options ->> 'file_name') AS file_name, coalesce(r.created_at, i.started_at) AS created_at
            FROM import_requests r
            FULL JOIN imports i ON i.id = r.id
        ) every
        WHERE $1::uuid IS NULL OR id BETWEEN $1 AND $2 OR right(replace(id::text, '-', ''), length($3)) = $3
        ORDER BY created_at DESC, id DESC
        LIMIT $4
        "#,
        part.map(IdPart::lowest),
        part.map(IdPart::highest),
        part.map(IdPart::digits),
        limit
    )
    .fetch_all(conn)
    .await
}

/// Whether the stored file of an import is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredFile {
    /// Its row exists, which decides, or its import has not ended.
    Needed,
    /// It has no row and its import has ended.
    Unneeded,
    /// This database does not know the import: the file may belong to another database.
    Unknown,
}

/// Finds out whether files in the bucket are needed, given as import and key; in the order given.
///
/// The bucket must have been listed before this call: the row of an object is older than its first byte.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn find_stored_files(conn: &mut PgConnection, files: &[(Uuid, String)]) -> Result<Vec<StoredFile>, sqlx::Error> {
    let (ids, keys): (Vec<Uuid>, Vec<String>) = files.iter().cloned().unzip();
    let rows = sqlx::query!(
        r#"
        SELECT EXISTS (SELECT FROM objects o WHERE o.key = listed.key) AS "has_row!", r.finished_at IS NOT NULL AS "has_ended!",
               r.id IS NOT NULL AS "is_known!"
        FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS listed (id, key, ordinal)
        LEFT JOIN import_requests r ON r.id = listed.id
        ORDER BY listed.ordinal
        "#,
        &ids,
        &keys
    )
    .fetch_all(conn)
    .await?;
    let files = rows.into_iter().map(|row| match (row.has_row, row.is_known, row.has_ended) {
        (true, ..) | (false, true, false) => StoredFile::Needed,
        (false, true, true) => StoredFile::Unneeded,
        (false, false, _) => StoredFile::Unknown,
    });
    Ok(files.collect())
}
