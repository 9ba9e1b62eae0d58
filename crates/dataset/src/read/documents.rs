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

/// One combination of versions of text, details and split of a document.
struct DocumentRow {
    id: Uuid,
    source: String,
    project: String,
    task_id: String,
    file_name: Option<String>,
    metadata: Option<String>,
    text_version: i32,
    details_version: Option<i32>,
    split_version: Option<i32>,
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
    // Reads every version up to the position; the rows of a document are adjacent, and the latest is kept here. A join that selects the
    // latest version would be a nested loop over all documents.
    let mut rows = sqlx::query_as!(
        DocumentRow,
        r#"
        SELECT d.id,
               d.source,
               d.project,
               d.task_id,
               c.file_name AS "file_name?",
               c.metadata::text AS metadata,
               t.version AS text_version,
               c.version AS "details_version?",
               s.version AS "split_version?",
               CASE WHEN s.split = 'excluded' THEN s.reason END AS excluded,
               nullif(s.split, 'excluded') AS "split: Split",
               s.group_key AS "group_key?",
               -- do not fetch texts that cannot become examples
               CASE WHEN s.split <> 'excluded' AND (
                        r.document_id IS NOT NULL
                        OR (NOT $6 AND EXISTS (SELECT FROM annotation_events e WHERE e.document_id = d.id AND e.field = ANY($5)))
                    ) THEN t.text END AS text
        FROM documents d
        JOIN document_texts t ON t.document_id = d.id AND t.position <= $1
        LEFT JOIN document_details c ON c.document_id = d.id AND c.position <= $1
        LEFT JOIN document_splits s ON s.document_id = d.id AND s.position <= $1
        LEFT JOIN (
            -- one index scan if all documents are selected; otherwise the EXISTS above looks up each document
            SELECT DISTINCT document_id
            FROM annotation_events
            WHERE $6 AND field = ANY($5)
        ) r ON r.document_id = d.id
        WHERE ($2::uuid[] IS NULL OR d.id = ANY($2))
          AND ($3::text IS NULL OR d.source = $3)
          AND ($4::text IS NULL OR d.project = $4)
          AND NOT EXISTS (SELECT FROM erasures x WHERE x.document_id = d.id)
        ORDER BY d.id
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
        selection.includes_all_documents(),
    )
    .fetch(conn);
    let mut latest: Option<DocumentRow> = None;
    while let Some(row) = rows.try_next().await? {
        match &mut latest {
            Some(latest) if latest.id == row.id => {
                if row.versions() > latest.versions() {
                    *latest = row;
                }
            }
            latest => {
                if let Some(complete) = latest.replace(row) {
                    send(complete, sender).await?;
                }
            }
        }
    }
    if let Some(complete) = latest {
        send(complete, sender).await?;
    }
    Ok(())
}

async fn send(row: DocumentRow, sender: &mut Sender<Document>) -> Result<(), ReadInterruption> {
    let bytes = row.text.as_ref().map_or(0, String::len) + row.metadata.as_ref().map_or(0, String::len);
    Ok(sender.push(row.try_into()?, bytes).await?)
}

impl DocumentRow {
    /// The rows of a document hold all combinations of versions, so the greatest one holds the latest of each.
    const fn versions(&self) -> (i32, Option<i32>, Option<i32>) {
        (self.text_version, self.details_version, self.split_version)
    }
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
