//! Reads an export in batches.

use std::collections::{BTreeMap, HashMap};

use aprendiz_db::Scope;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::document_texts::load_texts;
use crate::export::cursor::ExportCursor;
use crate::export::load::{Head, load_events, load_heads, load_predictions, to_raw_json};
use crate::export::selection::ExportSelection;
use crate::export::types::ExportedDocument;

/// Maximum number of documents of a batch.
const BATCH_DOCUMENTS: usize = 500;
/// Number of documents of the first batch: small, so that the first row arrives soon.
const FIRST_BATCH_DOCUMENTS: usize = 20;
/// Size of texts in bytes at which a batch is full; a single text may have 10 MiB.
const BATCH_TEXT_BYTES: i64 = 4 << 20;

/// Reads an export in batches. Memory holds one batch: at most 500 documents, and 4 MiB of texts or a single text.
#[derive(Debug)]
pub struct ExportReader {
    scope: Scope,
    selection: ExportSelection,
    /// The last document of the previous batch.
    last_document: Uuid,
    /// The last field read of `last_document`, which is read again from there; `None` = it was read completely.
    last_field: Option<String>,
    batch_documents: usize,
    ended: bool,
}

impl ExportReader {
    /// Creates a reader of the documents of the scope that starts at the beginning or after a cursor.
    #[must_use]
    pub fn new(scope: Scope, selection: ExportSelection, after: Option<ExportCursor>) -> Self {
        // no document has the nil id
        let after = after.unwrap_or(ExportCursor { document_id: Uuid::nil(), field: None });
        Self {
            scope,
            selection,
            last_document: after.document_id,
            last_field: after.field,
            batch_documents: FIRST_BATCH_DOCUMENTS,
            ended: false,
        }
    }

    /// Reads the next documents in the order of their ids; empty at the end. A document without events and predictions has no fields.
    ///
    /// # Errors
    /// When Postgres is unavailable; a retry returns the same batch.
    pub async fn next_batch(&mut self, conn: &mut PgConnection) -> Result<Vec<ExportedDocument>, sqlx::Error> {
        if self.ended {
            return Ok(Vec::new());
        }
        // one snapshot of the database per batch, because a document may be erased concurrently
        let mut transaction = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let conn = &mut *transaction;
        let limit = i64::try_from(self.batch_documents).unwrap_or(i64::MAX);
        let mut heads = load_heads(conn, &self.scope, &self.selection, self.last_document, self.last_field.is_some(), limit).await?;
        let found = heads.len();
        if self.selection.with_texts {
            heads.truncate(count_fitting(&heads));
        }
        let Some(last) = heads.last().map(|head| head.id) else {
            self.ended = true;
            return Ok(Vec::new());
        };
        let truncated = heads.len() < found;
        let documents = self.load_documents(conn, heads).await?;
        transaction.commit().await?;
        self.ended = !truncated && found < self.batch_documents;
        (self.last_document, self.last_field, self.batch_documents) = (last, None, BATCH_DOCUMENTS);
        Ok(documents)
    }

    async fn load_documents(&self, conn: &mut PgConnection, heads: Vec<Head>) -> Result<Vec<ExportedDocument>, sqlx::Error> {
        let ids: Vec<Uuid> = heads.iter().map(|head| head.id).collect();
        let versions: Vec<i32> = heads.iter().map(|head| head.text_version).collect();
        let mut texts = if self.selection.with_texts { load_texts(conn, &ids, &versions).await? } else { HashMap::new() };
        let mut documents: Vec<ExportedDocument> = heads
            .into_iter()
            .map(|head| ExportedDocument {
                id: head.id,
                source: head.source,
                project: head.project,
                task_id: head.task_id,
                file_name: head.file_name,
                metadata: to_raw_json(head.metadata.unwrap_or_else(|| "{}".to_owned())),
                created_at: head.created_at,
                text: texts.remove(&head.id).unwrap_or_default(),
                fields: BTreeMap::new(),
            })
            .collect();
        load_events(conn, &self.selection, &ids, &mut documents).await?;
        load_predictions(conn, &self.selection, &ids, &mut documents).await?;
        if let (Some(field), Some(first)) = (&self.last_field, documents.first_mut())
            && first.id == self.last_document
        {
            first.fields.retain(|name, _| name > field);
        }
        Ok(documents)
    }
}

/// Returns the number of documents whose texts fit into a batch.
fn count_fitting(heads: &[Head]) -> usize {
    let mut bytes = 0;
    let fitting = heads.iter().take_while(|head| {
        let fits = bytes < BATCH_TEXT_BYTES;
        bytes += i64::from(head.text_bytes);
        fits
    });
    fitting.count()
}
