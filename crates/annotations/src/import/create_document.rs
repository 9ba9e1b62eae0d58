//! Creates a single document like an import does: the same checks, near-duplicates, splits and versions.

use aprendiz_annotation_types::{HTML_TEXT, MOJIBAKE_TEXT, has_mojibake, is_html};
use aprendiz_db::{AdvisoryLock, run_blocking};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::import::error::ImportError;
use crate::import::merge::{documents, erased, lock_projects, splits};
use crate::import::new_document::NewDocument;
use crate::import::staging::{self, Batch};
use crate::near_duplicates;
use crate::splits::SplitRatios;

/// Result of [`create_document`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedDocument {
    /// Id of the document.
    pub id: Uuid,
    /// Whether it is new; otherwise it already existed with the same content.
    pub created: bool,
    /// What an import would note about the document.
    pub warnings: Vec<String>,
}

/// Creates a document, unless it already exists with the same text, file name and metadata.
///
/// Runs in its own transaction, or in a savepoint if `conn` is in a transaction; commit that soon, because it holds the locks of an import.
///
/// # Errors
/// If the document is invalid, exists with other content or is erased, or Postgres is unavailable. Nothing is changed then.
pub async fn create_document(conn: &mut PgConnection, new: NewDocument, ratios: SplitRatios) -> Result<CreatedDocument, ImportError> {
    let source = new.source.clone();
    let document = new.validate()?;
    let found = [(is_html(&document.text), HTML_TEXT), (has_mojibake(&document.text), MOJIBAKE_TEXT)];
    let warnings: Vec<String> = found.into_iter().filter(|(applies, _)| *applies).map(|(_, warning)| warning.to_owned()).collect();
    let name = format!("{source}/{}/{}", document.project, document.task_id);
    // on a thread of its own: the sketch of a long text takes a while
    let batch = run_blocking(move || {
        let mut batch = Batch::default();
        batch.push_document(0, &document, ratios);
        batch
    })
    .await;

    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    staging::create(conn).await?;
    staging::insert(conn, &batch).await?;
    lock_projects(conn, &source).await?;
    near_duplicates::create(conn).await?;
    near_duplicates::lock(conn).await?;
    near_duplicates::backfill(conn).await?;
    documents::find_targets(conn, &source).await?;
    let (id, is_new, changed): (Uuid, bool, bool) =
        sqlx::query_as("SELECT document_id, is_new OR returns, changed FROM targets").fetch_one(&mut *conn).await?;
    if !is_new {
        // an erasure holds this lock until it commits, so it is visible here or has not begun
        AdvisoryLock::Positions.lock(conn).await?;
        erased::reject_erased(conn).await?;
        if changed {
            return Err(ImportError::DocumentExists { document: name, id });
        }
        transaction.rollback().await?;
        return Ok(CreatedDocument { id, created: false, warnings });
    }
    documents::upsert(conn, &source).await?;
    splits::find_near_duplicates(conn, ratios).await?;
    AdvisoryLock::Positions.lock(conn).await?;
    documents::insert_texts(conn).await?;
    documents::insert_details(conn).await?;
    near_duplicates::record_exclusions(conn).await?;
    splits::insert_splits(conn).await?;
    near_duplicates::drop(conn).await?;
    staging::drop(conn).await?;
    transaction.commit().await?;
    Ok(CreatedDocument { id, created: true, warnings })
}
