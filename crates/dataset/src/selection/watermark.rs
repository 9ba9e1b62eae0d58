//! Watermark of a selection: the newest rows that determine its content.

use sqlx::PgConnection;

use crate::error::DatasetError;
use crate::selection::request::Selection;

/// Newest positions that determine the content of a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Effective position: the newest event, text, detail or split of the selection at or below its requested position; 0 if none.
    ///
    /// Edits outside the selection do not change it, so a request as of now may reuse a snapshot that was built last week.
    pub position: i64,
    /// Position of the newest erasure of a selected document, even above the requested position; 0 if none.
    ///
    /// Snapshots older than this erasure are not reused.
    pub erasures: i64,
}

/// Computes the current watermark of a selection.
pub async fn watermark(conn: &mut PgConnection, selection: &Selection) -> Result<Watermark, DatasetError> {
    if selection.includes_all_documents() { of_all_documents(conn, selection).await } else { of_subset(conn, selection).await }
}

/// Reads each maximum from the end of an index.
async fn of_all_documents(conn: &mut PgConnection, selection: &Selection) -> Result<Watermark, DatasetError> {
    let watermark = sqlx::query_as!(
        Watermark,
        r#"
        SELECT coalesce(greatest(
            (SELECT max(position) FROM annotation_events WHERE position <= $1 AND field = ANY($2)),
            (SELECT max(position) FROM document_texts WHERE position <= $1),
            (SELECT max(position) FROM document_details WHERE position <= $1),
            (SELECT max(position) FROM document_splits WHERE position <= $1),
            (SELECT max(position) FROM document_withdrawals WHERE position <= $1)
        ), 0) AS "position!",
        coalesce((SELECT max(position) FROM erasures), 0) AS "erasures!"
        "#,
        selection.position,
        &selection.fields,
    )
    .fetch_one(conn)
    .await?;
    Ok(watermark)
}

/// Reads the rows of the selected documents only.
async fn of_subset(conn: &mut PgConnection, selection: &Selection) -> Result<Watermark, DatasetError> {
    let watermark = sqlx::query_as!(
        Watermark,
        r#"
        SELECT coalesce(max(greatest(e.position, t.position, c.position, s.position, w.position)), 0) AS "position!",
               coalesce(max(x.position), 0) AS "erasures!"
        FROM documents d
        CROSS JOIN LATERAL (
            SELECT max(position) AS position FROM annotation_events
            WHERE document_id = d.id AND field = ANY($5) AND position <= $1
        ) e
        CROSS JOIN LATERAL (SELECT max(position) AS position FROM document_texts WHERE document_id = d.id AND position <= $1) t
        CROSS JOIN LATERAL (SELECT max(position) AS position FROM document_details WHERE document_id = d.id AND position <= $1) c
        CROSS JOIN LATERAL (SELECT max(position) AS position FROM document_splits WHERE document_id = d.id AND position <= $1) s
        CROSS JOIN LATERAL (SELECT max(position) AS position FROM document_withdrawals WHERE document_id = d.id AND position <= $1) w
        LEFT JOIN erasures x ON x.document_id = d.id
        WHERE ($2::uuid[] IS NULL OR d.id = ANY($2))
          AND ($3::text IS NULL OR d.source = $3)
          AND ($4::text IS NULL OR d.project = $4)
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
    )
    .fetch_one(conn)
    .await?;
    Ok(watermark)
}
