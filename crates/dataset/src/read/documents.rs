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
    // One scan of each table, and the latest version of each document by a window: a join that selects the latest version would be a
    // nested loop over all documents. Texts and metadata of older versions are not read from their storage.
    let mut rows = sqlx::query_as!(
        DocumentRow,
        r#"
        SELECT v.id AS "id!",
               v.source AS "source!",
               v.project AS "project!",
               v.task_id AS "task_id!",
               v.file_name AS "file_name?",
               v.metadata::text AS metadata,
               CASE WHEN v.split = 'excluded' THEN v.reason END AS excluded,
               nullif(v.split, 'excluded') AS "split: Split",
               v.group_key AS "group_key?",
               -- do not fetch texts that cannot become examples
               CASE WHEN v.split <> 'excluded' AND (
                        r.document_id IS NOT NULL
                        OR (NOT $6 AND EXISTS (SELECT FROM annotation_events e WHERE e.document_id = v.id AND e.field = ANY($5)))
                    ) THEN v.text END AS text
        FROM (
            SELECT d.id, d.source, d.project, d.task_id, c.file_name, c.metadata, s.split, s.reason, s.group_key, t.text,
                   row_number() OVER (
                       PARTITION BY d.id ORDER BY t.version DESC, c.version DESC NULLS LAST, s.version DESC NULLS LAST
                   ) AS newest
            FROM documents d
            JOIN document_texts t ON t.document_id = d.id AND t.position <= $1
            LEFT JOIN document_details c ON c.document_id = d.id AND c.position <= $1
            LEFT JOIN document_splits s ON s.document_id = d.id AND s.position <= $1
            WHERE ($2::uuid[] IS NULL OR d.id = ANY($2))
              AND ($3::text IS NULL OR d.source = $3)
              AND ($4::text IS NULL OR d.project = $4)
              AND NOT EXISTS (SELECT FROM erasures x WHERE x.document_id = d.id)
        ) v
        LEFT JOIN (
            -- one index scan if all documents are selected; otherwise the EXISTS above looks up each document
            SELECT DISTINCT document_id
            FROM annotation_events
            WHERE $6 AND field = ANY($5)
        ) r ON r.document_id = v.id
        WHERE v.newest = 1
        ORDER BY v.id
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
