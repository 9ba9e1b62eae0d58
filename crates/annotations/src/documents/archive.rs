//! Archives documents: takes them out of selections, of the review queue and of counts, and back.
//!
//! An archived document has a version of its split with the reason `archived`. Selections as of an earlier position keep it. It keeps its
//! place: its near-duplicates go on to share the split that it had.

use aprendiz_db::{AdvisoryLock, Scope};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::near_duplicates;

/// Documents changed by one statement: bounds how long reviews wait for the position lock.
pub const MAX_ARCHIVED: usize = 1_000;

/// A change of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archival {
    /// Whether to archive them; otherwise to unarchive them.
    pub archived: bool,
    /// Who does it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
}

/// Archives or unarchives at most [`MAX_ARCHIVED`] documents. Returns how many changed; those that are already in the wanted state, erased
/// or unknown do not. Runs in its own transaction, or in a savepoint if `conn` is in one.
///
/// # Errors
/// If Postgres is unavailable; nothing is changed then.
pub async fn archive(conn: &mut PgConnection, documents: &[Uuid], archival: &Archival) -> Result<u64, sqlx::Error> {
    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    // an import must not decide splits meanwhile
    near_duplicates::lock(conn).await?;
    let changed = sqlx::query_scalar!(
        r#"
        SELECT d.id
        FROM documents d
        WHERE d.id = ANY($1) AND (d.archived_at IS NULL) = $2 AND NOT EXISTS (SELECT FROM erasures x WHERE x.document_id = d.id)
        ORDER BY d.id
        FOR NO KEY UPDATE OF d
        "#,
        documents,
        archival.archived,
    )
    .fetch_all(&mut *conn)
    .await?;
    if changed.is_empty() {
        transaction.rollback().await?;
        return Ok(0);
    }
    AdvisoryLock::Positions.lock(conn).await?;
    sqlx::query!(
        "WITH versions AS (
             INSERT INTO document_splits (document_id, version, group_key, split, reason, position)
             SELECT d.id, newest.version + 1, placed.group_key, CASE WHEN $2 THEN 'excluded' ELSE placed.split END,
                    CASE WHEN $2 THEN 'archived' ELSE placed.reason END, nextval('positions')
             FROM unnest($1::uuid[]) AS d (id)
             CROSS JOIN LATERAL (SELECT version FROM document_splits v WHERE v.document_id = d.id ORDER BY v.version DESC LIMIT 1) newest
             CROSS JOIN LATERAL (
                 SELECT group_key, split, reason
                 FROM document_splits v
                 WHERE v.document_id = d.id AND v.reason <> 'archived'
                 ORDER BY v.version DESC
                 LIMIT 1
             ) placed
             RETURNING document_id, position
         )
         INSERT INTO document_archivals (document_id, position, archived, actor, reason)
         SELECT document_id, position, $2, $3, $4 FROM versions",
        &changed,
        archival.archived,
        archival.actor,
        archival.reason,
    )
    .execute(&mut *conn)
    .await?;
    let updated = sqlx::query!(
        "UPDATE documents SET archived_at = CASE WHEN $2 THEN clock_timestamp() END WHERE id = ANY($1)",
        &changed,
        archival.archived,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    transaction.commit().await?;
    Ok(updated)
}

/// Lists documents of a project that an [`Archival`] would change, after an id; at most [`MAX_ARCHIVED`].
///
/// # Errors
/// If Postgres is unavailable.
pub async fn list_to_archive(
    conn: &mut PgConnection,
    source: &str,
    project: &str,
    archived: bool,
    after: Uuid,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT d.id
        FROM documents d
        WHERE d.source = $1 AND d.project = $2 AND (d.archived_at IS NULL) = $3 AND d.id > $4
          AND NOT EXISTS (SELECT FROM erasures x WHERE x.document_id = d.id)
        ORDER BY d.id
        LIMIT $5
        "#,
        source,
        project,
        archived,
        after,
        i64::try_from(MAX_ARCHIVED).unwrap_or(i64::MAX),
    )
    .fetch_all(conn)
    .await
}

/// Whether a project has a document.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn project_exists(conn: &mut PgConnection, source: &str, project: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM documents WHERE source = $1 AND project = $2) AS "exists!""#, source, project)
        .fetch_one(conn)
        .await
}

/// Projects of the scope with documents that are not archived or withdrawn, as SOURCE/PROJECT with their number of documents.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn list_projects(conn: &mut PgConnection, scope: &Scope, limit: i64) -> Result<Vec<Project>, sqlx::Error> {
    sqlx::query_as!(
        Project,
        r#"
        SELECT source, project, count(*) AS "documents!"
        FROM documents
        WHERE archived_at IS NULL AND withdrawn_at IS NULL AND ($2::text[] IS NULL OR project = ANY($2))
        GROUP BY source, project
        ORDER BY source, project
        LIMIT $1
        "#,
        limit,
        scope.projects()
    )
    .fetch_all(conn)
    .await
}

/// A project with documents.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Project {
    /// Source of its documents.
    pub source: String,
    /// Its id within the source.
    pub project: String,
    /// Number of documents.
    pub documents: i64,
}
