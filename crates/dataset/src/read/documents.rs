//! Reads the documents of a selection as of its position.

use futures::TryStreamExt;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::DatasetError;
use crate::read::channel::{ReadInterruption, Sender};
use crate::selection::Selection;
use crate::split::Split;

/// A document with the latest version of its text, details and split.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: Uuid,
    pub(crate) source: String,
    pub(crate) project: String,
    pub(crate) task_id: String,
    pub(crate) file_name: Option<String>,
    /// JSON object as printed by the database.
    pub(crate) metadata: Box<RawValue>,
    pub(crate) assignment: SplitAssignment,
    /// `None` if the document cannot become an example, because it is excluded or none of the fields was ever reviewed.
    pub(crate) text: Option<String>,
}

/// Split assigned to a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SplitAssignment {
    /// The document has no split yet.
    Unassigned,
    /// The document is excluded, with the reason.
    Excluded(String),
    /// The document is in a split, together with its group.
    Assigned { split: Split, group: String },
}

struct DocumentRow {
    id: Uuid,
    source: String,
    project: String,
    task_id: String,
    file_name: Option<String>,
    metadata: Option<String>,
    excluded: Option<String>,
    split: Option<Split>,
    group_key: Option<String>,
    text: Option<String>,
}

/// Sends the documents ordered by the bytes of their ids, which no collation affects.
pub(super) async fn read_documents(mut conn: PgConnection, selection: Selection, mut sender: Sender<Document>) {
    let outcome = send_documents(&mut conn, &selection, &mut sender).await;
    sender.close(outcome).await;
}

async fn send_documents(conn: &mut PgConnection, selection: &Selection, sender: &mut Sender<Document>) -> Result<(), ReadInterruption> {
    // The latest version is selected within each table, so that the versions of a document do not multiply. A lateral join that selects it
    // would be a nested loop over all documents. Texts and metadata of older versions are not read from their storage.
    let mut rows = sqlx::query_as!(
        DocumentRow,
        r#"
        WITH chosen AS NOT MATERIALIZED (
            SELECT d.id, d.source, d.project, d.task_id
            FROM documents d
            WHERE ($2::uuid[] IS NULL OR d.id = ANY($2))
              AND ($3::text IS NULL OR d.source = $3)
              AND ($4::text IS NULL OR d.project = $4)
              AND NOT EXISTS (SELECT FROM erasures x WHERE x.document_id = d.id)
        )
        SELECT t.id AS "id!",
               t.source AS "source!",
               t.project AS "project!",
               t.task_id AS "task_id!",
               c.file_name AS "file_name?",
               c.metadata::text AS metadata,
               CASE WHEN s.split = 'excluded' THEN s.reason END AS excluded,
               nullif(s.split, 'excluded') AS "split: Split",
               s.group_key AS "group_key?",
               -- do not fetch texts that cannot become examples
               CASE WHEN s.split <> 'excluded' AND (
                        r.document_id IS NOT NULL
                        OR (NOT $6 AND EXISTS (SELECT FROM annotation_events e WHERE e.document_id = t.id AND e.field = ANY($5)))
                    ) THEN t.text END AS text
        FROM (
            SELECT DISTINCT ON (d.id) d.id, d.source, d.project, d.task_id, t.text
            FROM chosen d
            JOIN document_texts t ON t.document_id = d.id AND t.position <= $1
            ORDER BY d.id, t.version DESC
        ) t
        LEFT JOIN (
            SELECT DISTINCT ON (d.id) d.id, c.file_name, c.metadata
            FROM chosen d
            JOIN document_details c ON c.document_id = d.id AND c.position <= $1
            ORDER BY d.id, c.version DESC
        ) c ON c.id = t.id
        LEFT JOIN (
            SELECT DISTINCT ON (d.id) d.id, s.split, s.reason, s.group_key
            FROM chosen d
            JOIN document_splits s ON s.document_id = d.id AND s.position <= $1
            ORDER BY d.id, s.version DESC
        ) s ON s.id = t.id
        LEFT JOIN (
            -- one index scan if all documents are selected; otherwise the EXISTS above looks up each document
            SELECT DISTINCT document_id
            FROM annotation_events
            WHERE $6 AND field = ANY($5)
        ) r ON r.document_id = t.id
        ORDER BY t.id
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
        selection.includes_all_documents(),
    )
    .fetch(conn);
    while let Some(row) = rows.try_next().await? {
        send(row, sender).await?;
    }
    Ok(())
}

async fn send(row: DocumentRow, sender: &mut Sender<Document>) -> Result<(), ReadInterruption> {
    let bytes = row.text.as_ref().map_or(0, String::len) + row.metadata.as_ref().map_or(0, String::len);
    Ok(sender.push(row.try_into()?, bytes).await?)
}

impl TryFrom<DocumentRow> for Document {
    type Error = DatasetError;

    fn try_from(row: DocumentRow) -> Result<Self, DatasetError> {
        let assignment = match (row.excluded, row.split, row.group_key) {
            (Some(reason), _, _) => SplitAssignment::Excluded(reason),
            (None, Some(split), Some(group)) => SplitAssignment::Assigned { split, group },
            _ => SplitAssignment::Unassigned,
        };
        let metadata = RawValue::from_string(row.metadata.unwrap_or_else(|| "{}".to_owned()))
            .map_err(|source| DatasetError::BrokenRow { table: "document_details", column: "metadata", id: row.id.to_string(), source })?;
        Ok(Self {
            id: row.id,
            source: row.source,
            project: row.project,
            task_id: row.task_id,
            file_name: row.file_name,
            metadata,
            assignment,
            text: row.text,
        })
    }
}
