//! Processes a revert in batches of documents, each in a transaction of its own: it goes on after a crash where it stopped.

use aprendiz_db::AdvisoryLock;
use chrono::Utc;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::near_duplicates::lock as lock_near_duplicates;
use crate::reverts::begin::{list_documents, lock_imports};
use crate::reverts::error::RevertError;
use crate::reverts::types::{ImportRevert, RevertEffect};
use crate::reverts::{documents, events, near_duplicates, predictions, texts};
use crate::state_sql::derive_states;

/// Documents of a batch: bounds how long reviews wait for the position lock.
const BATCH_DOCUMENTS: usize = 500;
/// Stage of documents that are compared with their near-duplicates at the end.
const COMPARE: i16 = 2;

const CREATE: &str = "
CREATE TEMPORARY TABLE revert_targets (
    document_id  uuid PRIMARY KEY,
    -- nothing else contains it
    is_withdrawn boolean NOT NULL
) ON COMMIT DROP;
-- fields whose state must be derived again
CREATE TEMPORARY TABLE revert_touched (document_id uuid NOT NULL, field text NOT NULL) ON COMMIT DROP;
-- documents with another text or split than before
CREATE TEMPORARY TABLE revert_restored (document_id uuid NOT NULL) ON COMMIT DROP;
-- all documents on which the batch has an effect
CREATE TEMPORARY TABLE revert_affected (document_id uuid NOT NULL) ON COMMIT DROP";

/// Processes the next documents of a revert that has begun. Returns whether documents are left.
///
/// Two requests may process one revert: each waits for the batch of the other.
///
/// # Errors
/// If Postgres is unavailable; nothing of the batch is changed then.
pub async fn revert_batch(conn: &mut PgConnection, import: Uuid) -> Result<bool, RevertError> {
    let mut transaction = conn.begin().await?;
    lock_near_duplicates(&mut transaction).await?;
    let processed = process_next(&mut transaction, import).await?;
    transaction.commit().await?;
    Ok(processed)
}

/// As [`revert_batch`], but does nothing and returns `false` while another batch or an import is being processed.
///
/// # Errors
/// As [`revert_batch`].
pub async fn revert_batch_if_free(conn: &mut PgConnection, import: Uuid) -> Result<bool, RevertError> {
    let mut transaction = conn.begin().await?;
    if !AdvisoryLock::NearDuplicates.try_lock(&mut transaction).await? {
        return Ok(false);
    }
    let processed = process_next(&mut transaction, import).await?;
    transaction.commit().await?;
    Ok(processed)
}

/// Processes the next batch of an import and its retries. The lock on near-duplicates must be held.
async fn process_next(conn: &mut PgConnection, import: Uuid) -> Result<bool, RevertError> {
    let next = sqlx::query!(
        r#"
        WITH RECURSIVE chain AS (
            SELECT $1::uuid AS id
            UNION
            SELECT i.id FROM imports i JOIN chain c ON i.retry_of = c.id
        )
        SELECT v.import_id, d.stage AS "stage?"
        FROM import_reverts v
        JOIN chain c ON c.id = v.import_id
        LEFT JOIN LATERAL (SELECT stage FROM import_revert_documents w WHERE w.import_id = v.import_id ORDER BY stage LIMIT 1) d ON true
        WHERE v.finished_at IS NULL
        ORDER BY d.stage NULLS LAST, v.import_id
        LIMIT 1
        "#,
        import
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(next) = next else {
        return Ok(false);
    };
    match next.stage {
        None => {
            sqlx::query!(
                "UPDATE import_reverts SET finished_at = clock_timestamp() WHERE import_id = $1 AND finished_at IS NULL",
                next.import_id
            )
            .execute(&mut *conn)
            .await?;
        }
        Some(stage) => {
            let documents = sqlx::query_scalar!(
                "SELECT document_id FROM import_revert_documents WHERE import_id = $1 AND stage = $2 ORDER BY document_id LIMIT $3",
                next.import_id,
                stage,
                i64::try_from(BATCH_DOCUMENTS).unwrap_or(i64::MAX),
            )
            .fetch_all(&mut *conn)
            .await?;
            process(conn, next.import_id, stage, &documents).await?;
        }
    }
    Ok(true)
}

async fn process(conn: &mut PgConnection, import: Uuid, stage: i16, documents: &[Uuid]) -> Result<(), sqlx::Error> {
    if stage == COMPARE {
        near_duplicates::exclude(conn, documents).await?;
        sqlx::query!("DELETE FROM import_revert_documents WHERE import_id = $1 AND document_id = ANY($2)", import, documents)
            .execute(conn)
            .await?;
        return Ok(());
    }
    let effect = withdraw(conn, import, documents).await?;
    // documents with another text are compared when all texts are back
    sqlx::query(
        "WITH restored AS (
             UPDATE import_revert_documents SET stage = $3
             WHERE import_id = $1 AND document_id IN (SELECT document_id FROM revert_restored)
         )
         DELETE FROM import_revert_documents
         WHERE import_id = $1 AND document_id = ANY($2) AND document_id NOT IN (SELECT document_id FROM revert_restored)",
    )
    .bind(import)
    .bind(documents)
    .bind(COMPARE)
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE import_reverts
         SET documents_withdrawn = documents_withdrawn + $2, texts_restored = texts_restored + $3, details_restored = details_restored + $4,
             events_withdrawn = events_withdrawn + $5, predictions_withdrawn = predictions_withdrawn + $6
         WHERE import_id = $1 AND finished_at IS NULL",
        import,
        effect.documents_withdrawn,
        effect.texts_restored,
        effect.details_restored,
        effect.events_withdrawn,
        effect.predictions_withdrawn,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql("DROP TABLE revert_targets, revert_touched, revert_restored, revert_affected").execute(conn).await?;
    Ok(())
}

/// Withdraws what only reverted imports say about documents.
async fn withdraw(conn: &mut PgConnection, import: Uuid, documents: &[Uuid]) -> Result<RevertEffect, sqlx::Error> {
    sqlx::raw_sql(CREATE).execute(&mut *conn).await?;
    // lock order: near-duplicates, documents, states, positions
    documents::find_targets(conn, documents).await?;
    AdvisoryLock::Positions.lock(conn).await?;
    let mut effect = RevertEffect {
        events_withdrawn: events::withdraw(conn).await?,
        predictions_withdrawn: predictions::withdraw(conn, import).await?,
        ..RevertEffect::default()
    };
    effect.texts_restored = texts::restore_texts(conn).await?;
    effect.details_restored = texts::restore_details(conn).await?;
    texts::restore_splits(conn).await?;
    effect.documents_withdrawn = documents::withdraw(conn).await?;
    documents::record_effects(conn, import).await?;
    sqlx::query(derive_states!("SELECT DISTINCT document_id, field FROM revert_touched")).execute(conn).await?;
    Ok(effect)
}

/// Finds out what a revert would withdraw. Each batch is processed and rolled back, so that nothing waits for long.
///
/// # Errors
/// As [`begin_revert`](super::begin_revert).
pub async fn try_revert(conn: &mut PgConnection, import: Uuid, actor: &str) -> Result<ImportRevert, RevertError> {
    let mut transaction = conn.begin().await?;
    let imports = lock_imports(&mut transaction, import).await?;
    let mut found = Vec::new();
    for import in &imports {
        found.extend(list_documents(&mut transaction, *import).await?);
    }
    transaction.rollback().await?;
    found.sort_unstable();
    found.dedup_by_key(|(_, document)| *document);
    let documents: Vec<Uuid> = found.into_iter().map(|(_, document)| document).collect();
    let mut effect = RevertEffect::default();
    for batch in documents.chunks(BATCH_DOCUMENTS) {
        let mut transaction = conn.begin().await?;
        lock_near_duplicates(&mut transaction).await?;
        sqlx::query!(
            "INSERT INTO import_reverts (import_id, actor) SELECT id, $2 FROM unnest($1::uuid[]) AS reverted (id) ON CONFLICT DO NOTHING",
            &imports,
            actor
        )
        .execute(&mut *transaction)
        .await?;
        effect.add(withdraw(&mut transaction, import, batch).await?);
        transaction.rollback().await?;
    }
    Ok(ImportRevert {
        import_id: import,
        retries: imports.into_iter().filter(|id| *id != import).collect(),
        actor: actor.to_owned(),
        reason: None,
        effect,
        documents_left: 0,
        dry_run: true,
        started_at: Utc::now(),
        finished_at: None,
    })
}
