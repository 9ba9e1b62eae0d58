//! Imports in the background: requests whose file lies in the bucket, carried out one after the other.
//!
//! Whoever carries one out holds a lease and renews it; every write names the attempt. The import itself is one transaction, so one that
//! is cut off leaves nothing behind and is simply begun again from the stored file.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::import::options::{GroundTruth, ImportOptions};
use crate::import::report::{ImportReport, Stage};

/// Attempts that may be cut off before an import is given up.
const MOST_ATTEMPTS: i32 = 3;

/// Where an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "import_status", rename_all = "lowercase")]
pub enum ImportStatus {
    /// Its file is stored, and nobody has begun yet.
    Queued,
    /// Somebody carries it out.
    Running,
    /// Everything is in the database.
    Succeeded,
    /// It was not imported, and nothing is left of it.
    Failed,
}

/// What an import may be told, as it is stored with its request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredOptions {
    /// Name of the file.
    #[serde(default)]
    pub file_name: Option<String>,
    /// Project for every task.
    #[serde(default)]
    pub project: Option<String>,
    /// Key of `data` that holds the text.
    #[serde(default)]
    pub text_key: Option<String>,
    /// Whether ground truth is preferred.
    #[serde(default)]
    pub prefer_ground_truth: bool,
    /// Whether deletions are followed.
    #[serde(default)]
    pub mirror: bool,
}

impl StoredOptions {
    /// The options of an import, on behalf of `actor`.
    #[must_use]
    pub fn options(self, actor: &str) -> ImportOptions {
        let mut options = ImportOptions::new(actor);
        options.file_name = self.file_name;
        options.project = self.project;
        if let Some(text_key) = self.text_key {
            options.text_key = text_key;
        }
        options.ground_truth = if self.prefer_ground_truth { GroundTruth::Prefer } else { GroundTruth::Ignore };
        options.mirror = self.mirror;
        options
    }
}

/// An import, as people and programs follow it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportState {
    /// Its id.
    pub id: Uuid,
    /// Where it is.
    pub status: ImportStatus,
    /// Name of the file, where it had one.
    pub file_name: Option<String>,
    /// Who asked for it.
    pub actor: String,
    /// Bytes of the file as it came.
    pub bytes: i64,
    /// Bytes read of them so far.
    pub bytes_read: i64,
    /// Tasks read so far.
    pub tasks: i64,
    /// `reading` the file, or `storing` what was in it; absent when it is not running.
    pub stage: Option<String>,
    /// Attempts begun; a second one begins from the start of the file.
    pub attempt: i32,
    /// Why it failed, for programs.
    pub error_code: Option<String>,
    /// Why it failed, for people.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When the last attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it succeeded or failed.
    pub finished_at: Option<DateTime<Utc>>,
    /// What it did, once it has succeeded.
    #[schema(value_type = Option<ImportReport>)]
    pub report: Option<serde_json::Value>,
}

/// An import that somebody is to carry out.
#[derive(Debug, Clone)]
pub struct ClaimedImport {
    /// Its id.
    pub id: Uuid,
    /// Number of this attempt, from 1.
    pub attempt: i32,
    /// Where its file lies.
    pub object_key: String,
    /// Bytes of the file.
    pub bytes: i64,
    /// Who asked for it.
    pub actor: String,
    /// What it was told.
    pub options: StoredOptions,
}

/// Declares the object of an import's file, before its first byte is written. One whose import never comes is swept after a day.
///
/// # Errors
/// When Postgres does not answer.
pub async fn declare_body(conn: &mut PgConnection, object_key: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("INSERT INTO objects (key) VALUES ($1)", object_key).execute(conn).await?;
    Ok(())
}

/// Asks for an import whose file is stored. `false` when its object is not there any more.
///
/// # Errors
/// When Postgres does not answer.
pub async fn request_import(
    conn: &mut PgConnection,
    id: Uuid,
    object_key: &str,
    bytes: i64,
    sha256: &str,
    actor: &str,
    options: &StoredOptions,
) -> Result<bool, sqlx::Error> {
    let stored = sqlx::query!("UPDATE objects SET sha256 = $2, bytes = $3 WHERE key = $1 AND state = 'pending'", object_key, sha256, bytes)
        .execute(&mut *conn)
        .await?
        .rows_affected();
    if stored == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "INSERT INTO import_requests (id, actor, options, object_key, bytes) VALUES ($1, $2, $3, $4, $5)",
        id,
        actor,
        serde_json::to_value(options).expect("options are plain data"),
        object_key,
        bytes,
    )
    .execute(conn)
    .await?;
    Ok(true)
}

/// Takes the import that waits for the longest, or one whose lease has expired. One that was cut off too often fails instead.
///
/// # Errors
/// When Postgres does not answer.
pub async fn claim_import(conn: &mut PgConnection, lease: Duration) -> Result<Option<ClaimedImport>, sqlx::Error> {
    sqlx::query!(
        "WITH given_up AS (
             UPDATE import_requests
             SET status = 'failed', lease_expires_at = NULL, stage = NULL, finished_at = clock_timestamp(), error_code = 'importer_lost',
                 error = 'whoever imported it was cut off ' || attempt || ' times; nothing was imported: look into the logs, then send the file again'
             WHERE status = 'running' AND lease_expires_at < clock_timestamp() AND attempt >= $1
             RETURNING object_key
         )
         UPDATE objects o SET state = 'deleting' FROM given_up g WHERE o.key = g.object_key AND o.state = 'pending'",
        MOST_ATTEMPTS
    )
    .execute(&mut *conn)
    .await?;
    let claimed = sqlx::query!(
        r#"
        UPDATE import_requests r
        SET status = 'running', attempt = r.attempt + 1, lease_expires_at = clock_timestamp() + make_interval(secs => $1),
            started_at = clock_timestamp(), stage = 'reading', bytes_read = 0, tasks = 0
        WHERE r.id = (
            SELECT id
            FROM import_requests
            WHERE status = 'queued' OR (status = 'running' AND lease_expires_at < clock_timestamp())
            ORDER BY created_at
            LIMIT 1
            FOR UPDATE SKIP LOCKED
        )
        RETURNING r.id, r.attempt, r.object_key, r.bytes, r.actor, r.options
        "#,
        lease.as_secs_f64()
    )
    .fetch_optional(conn)
    .await?;
    Ok(claimed.map(|row| ClaimedImport {
        id: row.id,
        attempt: row.attempt,
        object_key: row.object_key,
        bytes: row.bytes,
        actor: row.actor,
        // written by `request_import` only; a newer version may know more options
        options: serde_json::from_value(row.options).unwrap_or_default(),
    }))
}

/// Renews the lease and says how far the import is. `false` when the lease is lost.
///
/// # Errors
/// When Postgres does not answer.
pub async fn renew_import(
    conn: &mut PgConnection,
    id: Uuid,
    attempt: i32,
    lease: Duration,
    stage: Stage,
    bytes_read: i64,
    tasks: i64,
) -> Result<bool, sqlx::Error> {
    let renewed = sqlx::query!(
        "UPDATE import_requests
         SET lease_expires_at = clock_timestamp() + make_interval(secs => $3), stage = $4, bytes_read = $5, tasks = $6
         WHERE id = $1 AND attempt = $2 AND status = 'running'",
        id,
        attempt,
        lease.as_secs_f64(),
        match stage {
            Stage::Reading => "reading",
            Stage::Storing => "storing",
        },
        bytes_read,
        tasks,
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(renewed == 1)
}

/// Ends an import that has succeeded, in its own transaction. `false` when the lease is lost: then it must be rolled back.
///
/// # Errors
/// When Postgres does not answer.
pub async fn finish_import(conn: &mut PgConnection, id: Uuid, attempt: i32) -> Result<bool, sqlx::Error> {
    end(conn, id, attempt, ImportStatus::Succeeded, None).await
}

/// Ends an import that has failed for good. `false` when the lease is lost.
///
/// # Errors
/// When Postgres does not answer.
pub async fn fail_import(conn: &mut PgConnection, id: Uuid, attempt: i32, code: &str, error: &str) -> Result<bool, sqlx::Error> {
    end(conn, id, attempt, ImportStatus::Failed, Some((code, error))).await
}

async fn end(
    conn: &mut PgConnection,
    id: Uuid,
    attempt: i32,
    status: ImportStatus,
    error: Option<(&str, &str)>,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query!(
        "WITH ended AS (
             UPDATE import_requests
             SET status = $3, lease_expires_at = NULL, stage = NULL, finished_at = clock_timestamp(), error_code = $4, error = $5
             WHERE id = $1 AND attempt = $2 AND status = 'running'
             RETURNING object_key
         ), given_up AS (
             UPDATE objects o SET state = 'deleting' FROM ended e WHERE o.key = e.object_key AND o.state = 'pending'
         )
         SELECT count(*) AS \"count!\" FROM ended",
        id,
        attempt,
        status as ImportStatus,
        error.map(|(code, _)| code),
        error.map(|(_, text)| text),
    )
    .fetch_one(conn)
    .await?;
    Ok(ended.count == 1)
}

/// Gives an import back that could not be carried out to its end for no fault of its own: it is begun again.
///
/// # Errors
/// When Postgres does not answer.
pub async fn release_import(conn: &mut PgConnection, id: Uuid, attempt: i32, costs_attempt: bool) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE import_requests
         SET status = 'queued', lease_expires_at = NULL, stage = NULL, attempt = attempt - CASE WHEN $3 THEN 0 ELSE 1 END
         WHERE id = $1 AND attempt = $2 AND status = 'running'",
        id,
        attempt,
        costs_attempt,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One import, whether it ran in the background or not; `None` when there is none.
///
/// # Errors
/// When Postgres does not answer.
pub async fn import_state(conn: &mut PgConnection, id: Uuid) -> Result<Option<ImportState>, sqlx::Error> {
    sqlx::query_as!(
        ImportState,
        r#"
        SELECT coalesce(r.id, i.id) AS "id!", coalesce(r.status, 'succeeded') AS "status!: ImportStatus",
               coalesce(i.file_name, r.options ->> 'file_name') AS file_name, coalesce(r.actor, i.actor) AS "actor!",
               coalesce(r.bytes, i.bytes) AS "bytes!", coalesce(i.bytes, r.bytes_read) AS "bytes_read!",
               coalesce(i.tasks, r.tasks) AS "tasks!", r.stage AS "stage?", coalesce(r.attempt, 1) AS "attempt!",
               r.error_code AS "error_code?", r.error AS "error?", coalesce(r.created_at, i.started_at) AS "created_at!",
               coalesce(r.started_at, i.started_at) AS "started_at?", coalesce(r.finished_at, i.finished_at) AS "finished_at?",
               i.report AS "report?"
        FROM (SELECT * FROM import_requests WHERE id = $1) r
        FULL JOIN (SELECT * FROM imports WHERE id = $1) i ON i.id = r.id
        "#,
        id
    )
    .fetch_optional(conn)
    .await
}

/// Imports, newest first, before (`created_at`, `id`); without their reports.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_imports(
    conn: &mut PgConnection,
    before: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<ImportState>, sqlx::Error> {
    let (at, id) = before.unzip();
    sqlx::query_as!(
        ImportState,
        r#"
        SELECT id AS "id!", status AS "status!: ImportStatus", file_name, actor AS "actor!", bytes AS "bytes!", bytes_read AS "bytes_read!",
               tasks AS "tasks!", stage, attempt AS "attempt!", error_code, error, created_at AS "created_at!", started_at, finished_at,
               NULL::jsonb AS report
        FROM (
            SELECT coalesce(r.id, i.id) AS id, coalesce(r.status, 'succeeded') AS status,
                   coalesce(i.file_name, r.options ->> 'file_name') AS file_name, coalesce(r.actor, i.actor) AS actor,
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
