//! Legal erasure of a document: its content goes for ever, the proof that it was there and that it was erased stays.
//!
//! Not here: the snapshots that held it (`dataset`), and the models that were trained on them, which somebody has to retire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::AnnotationsError;
use crate::near_duplicates;

/// That a document was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erasure {
    /// The document; its row, its splits and its id within its source stay.
    pub document_id: Uuid,
    /// Who erased it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Commit-safe position; no snapshot that is built after it holds the document.
    pub position: i64,
    /// Versions of its text that were emptied.
    pub texts: i32,
    /// Events that were emptied.
    pub events: i32,
    /// Snapshots that held it and lost their files.
    pub datasets: i32,
    /// When.
    pub erased_at: DateTime<Utc>,
}

/// The proof of what a text was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErasedText {
    /// Number of the version, from 1.
    pub version: i32,
    /// SHA-256 of the text that was there, lower-case hex: whoever has the text can show that it was this one.
    pub sha256: String,
}

/// What [`empty_document`] emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emptied {
    /// Drawn before anything was emptied, under the lock that is held until the transaction ends.
    pub position: i64,
    /// Versions of the text.
    pub texts: i32,
    /// Events.
    pub events: i32,
}

/// The erasure of a document; `None` when it was not erased.
///
/// # Errors
/// When Postgres does not answer.
pub async fn erasure_of(conn: &mut PgConnection, document_id: Uuid) -> Result<Option<Erasure>, AnnotationsError> {
    let erasure = sqlx::query_as!(
        Erasure,
        "SELECT document_id, actor, reason, position, texts, events, datasets, erased_at FROM erasures WHERE document_id = $1",
        document_id
    )
    .fetch_optional(conn)
    .await?;
    Ok(erasure)
}

/// Hashes of the texts of a document, which outlive them.
///
/// # Errors
/// When Postgres does not answer.
pub async fn text_proof(conn: &mut PgConnection, document_id: Uuid) -> Result<Vec<ErasedText>, AnnotationsError> {
    let texts =
        sqlx::query_as!(ErasedText, "SELECT version, sha256 FROM document_texts WHERE document_id = $1 ORDER BY version", document_id)
            .fetch_all(conn)
            .await?;
    Ok(texts)
}

/// Documents of a selection that were erased after a position, and holds off further erasures until the transaction ends.
///
/// Whoever records a copy of content calls it first in the transaction that makes the copy known, with the position of the
/// newest erasure that was seen before the content was read. Nothing erased: an erasure that comes later waits for the commit, and then finds the copy. Call it at
/// READ COMMITTED: a stricter snapshot would not see the erasure that was waited for.
///
/// # Errors
/// When Postgres does not answer.
pub async fn erased_since(
    conn: &mut PgConnection,
    position: i64,
    documents: Option<&[Uuid]>,
    source: Option<&str>,
    project: Option<&str>,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock_shared(7020649, 1)").execute(&mut *conn).await?;
    let erased = sqlx::query_scalar!(
        r#"
        SELECT e.document_id
        FROM erasures e
        JOIN documents d ON d.id = e.document_id
        WHERE e.position > $1
          AND ($2::uuid[] IS NULL OR d.id = ANY($2))
          AND ($3::text IS NULL OR d.source = $3)
          AND ($4::text IS NULL OR d.project = $4)
        ORDER BY e.position
        "#,
        position,
        documents,
        source,
        project,
    )
    .fetch_all(conn)
    .await?;
    Ok(erased)
}

/// Keeps everybody from recording a snapshot until the transaction ends, and waits for those who are about to.
///
/// # Errors
/// When Postgres does not answer.
pub async fn hold_off_recording(conn: &mut PgConnection) -> Result<(), AnnotationsError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(7020649, 1)").execute(conn).await?;
    Ok(())
}

/// Empties a document: texts, details, values, places and notes, predictions, its current state, its sketches. `None` when there is no
/// such document, or it was erased before.
///
/// The caller has begun a transaction at READ COMMITTED and writes the row of the erasure in it ([`record_erasure`]). Takes the locks of
/// an import, in its order: an import that is under way is waited for, and what it brought is emptied as well. Nobody can bring
/// content of the document in between, because texts and events are written under the lock of the positions only.
///
/// # Errors
/// When Postgres does not answer.
pub async fn empty_document(conn: &mut PgConnection, document_id: Uuid) -> Result<Option<Emptied>, AnnotationsError> {
    near_duplicates::lock(conn).await?;
    // reviews hold their document by its key: those under way are waited for, later ones wait and find the erasure
    sqlx::query!("SELECT id FROM documents WHERE id = $1 FOR UPDATE", document_id).fetch_optional(&mut *conn).await?;
    let position = sqlx::query_scalar!(r#"SELECT next_position() AS "position!""#).fetch_one(&mut *conn).await?;
    let found = sqlx::query!(
        r#"
        UPDATE documents
        SET file_name = NULL, metadata = '{}', updated_at = clock_timestamp()
        WHERE id = $1 AND NOT EXISTS (SELECT FROM erasures e WHERE e.document_id = $1)
        "#,
        document_id
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if found == 0 {
        return Ok(None);
    }
    // the triggers of the append-only tables let this document through until the transaction ends
    sqlx::query_scalar!("SELECT set_config('aprendiz.erasing', $1::text, true)", document_id.to_string()).fetch_one(&mut *conn).await?;
    let texts =
        sqlx::query!("UPDATE document_texts SET text = '' WHERE document_id = $1", document_id).execute(&mut *conn).await?.rows_affected();
    sqlx::query!("UPDATE document_details SET file_name = NULL, metadata = '{}' WHERE document_id = $1", document_id)
        .execute(&mut *conn)
        .await?;
    let events = sqlx::query!(
        "UPDATE annotation_events SET value = '{}', spans = NULL, note = NULL, erased = true WHERE document_id = $1",
        document_id
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    sqlx::query_scalar!("SELECT set_config('aprendiz.erasing', '', true)").fetch_one(&mut *conn).await?;
    sqlx::query!("DELETE FROM annotations WHERE document_id = $1", document_id).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM extractions WHERE document_id = $1", document_id).execute(&mut *conn).await?;
    near_duplicates::forget(conn, document_id).await?;
    // a task that could not be taken in is kept as it came: whatever project it was of, it may be a version of this document
    sqlx::query!(
        "UPDATE import_quarantine q SET task = NULL FROM documents d WHERE d.id = $1 AND q.task_id = d.task_id AND q.task IS NOT NULL",
        document_id
    )
    .execute(&mut *conn)
    .await?;
    let count = |rows| i32::try_from(rows).unwrap_or(i32::MAX);
    Ok(Some(Emptied { position, texts: count(texts), events: count(events) }))
}

/// Writes the row that says so, as the last statement about the document, and gives it back.
///
/// # Errors
/// When Postgres does not answer, or the document was erased before.
pub async fn record_erasure(
    conn: &mut PgConnection,
    document_id: Uuid,
    actor: &str,
    reason: &str,
    emptied: Emptied,
    datasets: i32,
) -> Result<Erasure, AnnotationsError> {
    let erasure = sqlx::query_as!(
        Erasure,
        r#"
        INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING document_id, actor, reason, position, texts, events, datasets, erased_at
        "#,
        document_id,
        actor,
        reason,
        emptied.position,
        emptied.texts,
        emptied.events,
        datasets,
    )
    .fetch_one(conn)
    .await?;
    Ok(erasure)
}
