//! Erases a document everywhere: in its own rows, and in the snapshots that hold it.

use annotations::erasure::{ErasedText, Erasure, empty_document, erasure_of, hold_off_recording, record_erasure, text_proof};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::document_lineage::{DocumentLineage, document_lineage, memberships_of};
use crate::inspect::error::InspectError;

/// What an erasure did, and what is left to do by hand.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ErasedDocument {
    /// The erasure.
    #[serde(flatten)]
    pub erasure: Erasure,
    /// Hashes of the texts that were there.
    pub proof: Vec<ErasedText>,
    /// Whether it had been erased before; then nothing was done now.
    pub erased_before: bool,
    /// Snapshots that held it, which were given up, the runs that read them, and the model versions to retire.
    pub lineage: DocumentLineage,
}

/// Erases a document. The caller has begun a transaction at READ COMMITTED, and commits it.
///
/// Content goes from texts, details, events, predictions, current state and sketches; snapshots that hold it are marked, lose the label
/// counts of their row, and their objects become `deleting`, whose bytes the sweeper deletes; so do all known vectors of texts. A snapshot
/// that is being built is not recorded any more: its builder asks `annotations::erasure::erased_since`, and this waits for those that asked
/// before. Models are listed, not touched: what they learned cannot be taken out of them.
///
/// Waits for an import that is under way. Erasing again changes nothing.
///
/// # Errors
/// [`InspectError::UnknownDocument`].
pub async fn erase_document(conn: &mut PgConnection, document_id: Uuid, actor: &str, reason: &str) -> Result<ErasedDocument, InspectError> {
    if !annotations::documents::missing_of(conn, &[document_id]).await?.is_empty() {
        return Err(InspectError::UnknownDocument(document_id));
    }
    let (erasure, erased_before) = match erasure_of(conn, document_id).await? {
        Some(erasure) => (erasure, true),
        None => match empty_document(conn, document_id).await? {
            Some(emptied) => {
                let datasets = give_up_snapshots(conn, document_id).await?;
                (record_erasure(conn, document_id, actor, reason, emptied, datasets).await?, false)
            }
            // somebody else was faster, and has committed
            None => (erasure_of(conn, document_id).await?.ok_or(InspectError::UnknownDocument(document_id))?, true),
        },
    };
    Ok(ErasedDocument {
        proof: text_proof(conn, document_id).await?,
        lineage: document_lineage(conn, document_id).await?,
        erasure,
        erased_before,
    })
}

/// Marks the snapshots that hold the document and condemns their objects. Returns how many there are.
async fn give_up_snapshots(conn: &mut PgConnection, document_id: Uuid) -> Result<i32, InspectError> {
    hold_off_recording(conn).await?;
    let datasets: Vec<Uuid> =
        memberships_of(conn, &[document_id], None).await?.into_iter().map(|membership| membership.dataset_id).collect();
    // a label that only this document has would go on being told by the counts
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
    give_up_embeddings(conn).await?;
    Ok(i32::try_from(datasets.len()).unwrap_or(i32::MAX))
}

/// Gives up every known vector: which of them are of the document's texts cannot be told, and all can be computed again. After the
/// snapshots were marked: who records vectors holds a snapshot that is not, and has committed or will find it marked.
async fn give_up_embeddings(conn: &mut PgConnection) -> Result<(), InspectError> {
    sqlx::query!(
        r#"
        WITH gone AS (DELETE FROM embedding_files RETURNING object_key)
        UPDATE objects o SET state = 'deleting' FROM gone WHERE o.key = gone.object_key AND o.state = 'live'
        "#
    )
    .execute(conn)
    .await?;
    Ok(())
}
