//! The documents of a selection, as of its position.

use futures::TryStreamExt;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::DatasetError;
use crate::read::chunk::{Sender, Stop};
use crate::selection::Selection;
use crate::split::Split;

/// A document with the last version of everything.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: Uuid,
    pub(crate) source: String,
    pub(crate) project: String,
    pub(crate) task_id: String,
    pub(crate) file_name: Option<String>,
    /// JSON object as the database prints it.
    pub(crate) metadata: Box<RawValue>,
    pub(crate) placement: Placement,
    /// `None` when it cannot become an example: it is excluded, or nobody ever reviewed one of the fields.
    pub(crate) text: Option<String>,
}

/// Where a document belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placement {
    /// It has no split yet.
    None,
    /// It takes no part, for this reason.
    Excluded(String),
    /// In a split, by its group.
    In { split: Split, group: String },
}

/// A document with one version of everything.
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

/// Sends the documents by the bytes of their ids: no collation has a say in the order.
pub(super) async fn read(mut conn: PgConnection, selection: Selection, mut to: Sender<Document>) {
    let outcome = read_all(&mut conn, &selection, &mut to).await;
    to.end(outcome).await;
}

async fn read_all(conn: &mut PgConnection, selection: &Selection, to: &mut Sender<Document>) -> Result<(), Stop> {
    // Every version up to the position: the rows of one document follow each other, and the last version is taken here. A join that
    // looked for it would be a nested loop over all documents.
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
               -- texts that cannot become examples are not fetched
               CASE WHEN s.split <> 'excluded' AND (
                        r.document_id IS NOT NULL
                        OR (NOT $6 AND EXISTS (SELECT FROM annotation_events e WHERE e.document_id = d.id AND e.field = ANY($5)))
                    ) THEN t.text END AS text
        FROM documents d
        JOIN document_texts t ON t.document_id = d.id AND t.position <= $1
        LEFT JOIN document_details c ON c.document_id = d.id AND c.position <= $1
        LEFT JOIN document_splits s ON s.document_id = d.id AND s.position <= $1
        LEFT JOIN (
            -- one walk over the index for everything; looked up one by one for a part
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
        selection.is_everything(),
    )
    .fetch(conn);
    let mut last: Option<DocumentRow> = None;
    while let Some(row) = rows.try_next().await? {
        match &mut last {
            Some(last) if last.id == row.id => {
                if row.versions() > last.versions() {
                    *last = row;
                }
            }
            last => {
                if let Some(complete) = last.replace(row) {
                    send(complete, to).await?;
                }
            }
        }
    }
    if let Some(complete) = last {
        send(complete, to).await?;
    }
    Ok(())
}

async fn send(row: DocumentRow, to: &mut Sender<Document>) -> Result<(), Stop> {
    let bytes = row.text.as_ref().map_or(0, String::len) + row.metadata.as_ref().map_or(0, String::len);
    Ok(to.push(row.try_into()?, bytes).await?)
}

impl DocumentRow {
    /// The rows of a document are all combinations of versions: the greatest has the last of each.
    const fn versions(&self) -> (i32, Option<i32>, Option<i32>) {
        (self.text_version, self.details_version, self.split_version)
    }
}

impl TryFrom<DocumentRow> for Document {
    type Error = DatasetError;

    fn try_from(row: DocumentRow) -> Result<Self, DatasetError> {
        let placement = match (row.excluded, row.split, row.group_key) {
            (Some(reason), _, _) => Placement::Excluded(reason),
            (None, Some(split), Some(group)) => Placement::In { split, group },
            _ => Placement::None,
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
            placement,
            text: row.text,
        })
    }
}
