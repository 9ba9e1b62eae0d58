//! Erases a document: redacts its rows and invalidates the snapshots that contain it.

use aprendiz_annotations::erasure::{ErasedText, Erasure, block_recording, get_erasure, record_erasure, redact_document, text_hashes};
use aprendiz_db::Scope;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::document_lineage::{DocumentLineage, document_lineage};
use crate::inspect::error::InspectError;
use crate::inspect::memberships::load_memberships;

/// Result of an erasure, and what remains to be done manually.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ErasedDocument {
    /// The erasure.
    #[serde(flatten)]
    pub erasure: Erasure,
    /// Hashes of the erased texts.
    pub proof: Vec<ErasedText>,
    /// Whether the document was already erased; if so, nothing was changed.
    pub erased_before: bool,
    /// Invalidated snapshots, the runs that read them, and the model versions to retire.
    pub lineage: DocumentLineage,
}

/// Erases a document. The caller opens a transaction at READ COMMITTED and commits it.
///
/// Redacts texts, details, events, predictions and the current state, and deletes the sketches, the recorded errors of runs, the
/// metrics by slice of metadata and the disagreements of challengers about its texts. Snapshots that contain the document are
/// marked as erased and lose the label counts of their row. Their objects and all cached embeddings become `deleting`, and the sweeper
/// deletes the bytes. Models are listed but not changed: what they learned cannot be removed.
///
/// A snapshot that is being built is not recorded afterwards: its builder checks `aprendiz_annotations::erasure::erased_since`, and this function
/// waits for builders that checked before. It also waits for a running import. Erasing a document again changes nothing.
///
/// # Errors
/// [`InspectError::UnknownDocument`].
pub async fn erase_document(conn: &mut PgConnection, document_id: Uuid, actor: &str, reason: &str) -> Result<ErasedDocument, InspectError> {
    if !aprendiz_annotations::documents::unknown_ids(conn, &Scope::All, &[document_id]).await?.is_empty() {
        return Err(InspectError::UnknownDocument(document_id));
    }
    let (erasure, erased_before) = match get_erasure(conn, document_id).await? {
        Some(erasure) => (erasure, true),
        None => match redact_document(conn, document_id).await? {
            Some(redacted) => {
                let datasets = invalidate_snapshots(conn, document_id).await?;
                delete_errors(conn, document_id).await?;
                delete_metadata_slices(conn, document_id).await?;
                delete_shadow_disagreements(conn, document_id).await?;
                (record_erasure(conn, document_id, actor, reason, redacted, datasets).await?, false)
            }
            // another transaction erased the document first, and has committed
            None => (get_erasure(conn, document_id).await?.ok_or(InspectError::UnknownDocument(document_id))?, true),
        },
    };
    Ok(ErasedDocument {
        proof: text_hashes(conn, document_id).await?,
        lineage: document_lineage(conn, &Scope::All, document_id).await?,
        erasure,
        erased_before,
    })
}

/// Marks the snapshots that contain the document as erased and their objects for deletion. Returns the number of snapshots.
async fn invalidate_snapshots(conn: &mut PgConnection, document_id: Uuid) -> Result<i32, InspectError> {
    block_recording(conn).await?;
    let datasets: Vec<Uuid> =
        load_memberships(conn, &Scope::All, &[document_id], None).await?.into_iter().map(|membership| membership.dataset_id).collect();
    // the counts would still reveal a label that only this document has
    sqlx::query!(
        r#"
        UPDATE datasets
        SET erased_at = clock_timestamp(), counts = counts - 'fields' - 'stratification'
        WHERE id = ANY($1) AND erased_at IS NULL
        "#,
        &datasets
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("UPDATE objects SET state = 'deleting' WHERE dataset_id = ANY($1) AND state = 'live'", &datasets)
        .execute(&mut *conn)
        .await?;
    invalidate_embeddings(conn).await?;
    Ok(i32::try_from(datasets.len()).unwrap_or(i32::MAX))
}

/// Deletes the wrong predictions of runs about the document, which hold its values. Their number stays in the metrics.
///
/// Must run while recording is blocked: later recordings leave the document out.
async fn delete_errors(conn: &mut PgConnection, document_id: Uuid) -> Result<(), InspectError> {
    sqlx::query!("DELETE FROM run_errors WHERE document_id = $1", document_id).execute(conn).await?;
    Ok(())
}

/// Deletes metrics by slice of metadata, which may name a value that only the document has: those of runs on its snapshots, and those of
/// runs that scored stored predictions, of whose documents there is no list.
///
/// Must run while recording is blocked.
async fn delete_metadata_slices(conn: &mut PgConnection, document_id: Uuid) -> Result<(), InspectError> {
    let datasets: Vec<Uuid> =
        load_memberships(conn, &Scope::All, &[document_id], None).await?.into_iter().map(|membership| membership.dataset_id).collect();
    sqlx::query!(
        r#"
        DELETE FROM metrics m
        USING training_runs r
        WHERE m.name IN ('slices', 'worst_slices') AND r.id = m.run_id AND jsonb_exists(r.spec, 'slices')
            AND (r.dataset_id = ANY($1) OR r.kind = 'evaluate')
        "#,
        &datasets
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes the disagreements between champions and challengers about a text of the document, in any version. Another document with the same
/// text loses them too: the hash does not distinguish them.
///
/// Must run while recording is blocked: later recordings leave the texts out.
async fn delete_shadow_disagreements(conn: &mut PgConnection, document_id: Uuid) -> Result<(), InspectError> {
    sqlx::query!(
        "DELETE FROM shadow_disagreements WHERE input_sha256 IN (SELECT sha256 FROM document_texts WHERE document_id = $1)",
        document_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks all cached embeddings for deletion: those of the document cannot be identified, and all can be recomputed.
///
/// Must run after the snapshots are marked. Recording embeddings locks an unmarked snapshot, so it has either committed already or will
/// find the snapshot marked.
async fn invalidate_embeddings(conn: &mut PgConnection) -> Result<(), InspectError> {
    sqlx::query!(
        r#"
        WITH deleted AS (DELETE FROM embedding_files RETURNING object_key)
        UPDATE objects o SET state = 'deleting' FROM deleted WHERE o.key = deleted.object_key AND o.state = 'live'
        "#
    )
    .execute(conn)
    .await?;
    Ok(())
}
