//! Temporary tables of the rows and cells of a file, in addition to those of an import, which hold the texts.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

const CREATE: &str = r#"
CREATE TEMPORARY TABLE csv_rows (
    row         bigint NOT NULL,
    given_id    uuid,
    project     text,
    task_id     text,
    -- as in the file, if a spreadsheet changed it
    written_task_id text,
    file_name   text,
    -- file name without folders
    base_name   text,
    has_text    boolean NOT NULL,
    reviewer    text,
    reviewed_at timestamptz,
    -- the document found, and the number of candidates; -1 if it is erased
    document_id uuid,
    matches     bigint NOT NULL DEFAULT 0
) ON COMMIT DROP;

CREATE TEMPORARY TABLE csv_cells (
    row       bigint NOT NULL,
    field     text NOT NULL,
    -- NULL: not in the file
    predicted text[],
    accepted  text[]
) ON COMMIT DROP;
"#;

/// Rows as columns.
#[derive(Debug, Default)]
pub(super) struct RowColumns {
    pub(super) row: Vec<i64>,
    pub(super) given_id: Vec<Option<Uuid>>,
    pub(super) project: Vec<Option<String>>,
    pub(super) task_id: Vec<Option<String>>,
    pub(super) written_task_id: Vec<Option<String>>,
    pub(super) file_name: Vec<Option<String>>,
    pub(super) base_name: Vec<Option<String>>,
    pub(super) has_text: Vec<bool>,
    pub(super) reviewer: Vec<Option<String>>,
    pub(super) reviewed_at: Vec<Option<DateTime<Utc>>>,
}

/// Cells as columns. A cell has at most one value: NULL means that it is not in the file, an empty string means "no value".
#[derive(Debug, Default)]
pub(super) struct CellColumns {
    pub(super) row: Vec<i64>,
    pub(super) field: Vec<String>,
    pub(super) predicted: Vec<Option<String>>,
    pub(super) accepted: Vec<Option<String>>,
}

pub(super) async fn create(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(CREATE).execute(conn).await?;
    Ok(())
}

pub(super) async fn drop(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("DROP TABLE csv_rows, csv_cells").execute(conn).await?;
    Ok(())
}

pub(super) async fn insert(conn: &mut PgConnection, rows: &RowColumns, cells: &CellColumns) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO csv_rows (row, given_id, project, task_id, written_task_id, file_name, base_name, has_text, reviewer, reviewed_at)
         SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[],
                              $9::text[], $10::timestamptz[])",
    )
    .bind(&rows.row)
    .bind(&rows.given_id)
    .bind(&rows.project)
    .bind(&rows.task_id)
    .bind(&rows.written_task_id)
    .bind(&rows.file_name)
    .bind(&rows.base_name)
    .bind(&rows.has_text)
    .bind(&rows.reviewer)
    .bind(&rows.reviewed_at)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO csv_cells (row, field, predicted, accepted)
         SELECT row, field, CASE WHEN predicted IS NOT NULL THEN array_remove(ARRAY[predicted], '') END,
                CASE WHEN accepted IS NOT NULL THEN array_remove(ARRAY[accepted], '') END
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS c (row, field, predicted, accepted)",
    )
    .bind(&cells.row)
    .bind(&cells.field)
    .bind(&cells.predicted)
    .bind(&cells.accepted)
    .execute(conn)
    .await?;
    Ok(())
}

/// The statement that finds, for the rows without a document, those whose task id is in a column.
macro_rules! find_by_id {
    ($column:literal) => {
        concat!(
            "UPDATE csv_rows r
             SET document_id = m.ids[1], matches = cardinality(m.ids)
             FROM (
                 SELECT c.row, array_agg(d.id ORDER BY d.created_at, d.id) AS ids
                 FROM csv_rows c
                 JOIN documents d ON d.task_id = c.",
            $column,
            " AND (c.project IS NULL OR d.project = c.project)
                 WHERE c.matches = 0
                 GROUP BY c.row
             ) m
             WHERE m.row = r.row"
        )
    };
}

/// Finds the documents of the rows: by document id, by task id within a project, or by file name. Erased documents are found too.
pub(super) async fn find_documents(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    for statement in [
        "ANALYZE csv_rows",
        "UPDATE csv_rows r SET document_id = d.id, matches = 1 FROM documents d WHERE d.id = r.given_id",
        find_by_id!("written_task_id"),
        find_by_id!("task_id"),
        // a file name may belong to several documents; then the task id must identify the document
        "UPDATE csv_rows r
         SET document_id = m.ids[1], matches = cardinality(m.ids)
         FROM (
             SELECT c.row, array_agg(DISTINCT d.id) AS ids
             FROM csv_rows c
             JOIN documents d ON d.file_name IN (c.file_name, c.base_name) AND (c.project IS NULL OR d.project = c.project)
             WHERE c.matches <> 1 AND c.file_name IS NOT NULL
             GROUP BY c.row
         ) m
         WHERE m.row = r.row",
        "UPDATE csv_rows SET document_id = NULL WHERE matches > 1",
        "UPDATE csv_rows r SET document_id = NULL, matches = -1 FROM erasures e WHERE e.document_id = r.document_id",
        // rows with one id and several texts are about several documents; only the first is certain
        "UPDATE csv_rows r
         SET matches = -2
         FROM (
             SELECT task_index, checksum, first_value(checksum) OVER (PARTITION BY project, task_id ORDER BY task_index) AS first_checksum
             FROM staged_tasks
         ) t
         WHERE t.task_index = r.row AND r.matches = 0 AND t.checksum <> t.first_checksum",
        // the same for documents that exist: the row with their text is certain, or else the first one
        "UPDATE csv_rows r
         SET document_id = NULL, matches = -2
         FROM (
             SELECT s.task_index, s.checksum,
                    first_value(s.checksum) OVER (
                        PARTITION BY d.id ORDER BY s.checksum = d.checksum DESC, s.task_index
                    ) AS certain_checksum
             FROM staged_tasks s
             JOIN csv_rows c ON c.row = s.task_index AND c.matches = 1
             JOIN documents d ON d.id = c.document_id
         ) t
         WHERE t.task_index = r.row AND t.checksum <> t.certain_checksum",
    ] {
        sqlx::raw_sql(statement).execute(&mut *conn).await?;
    }
    Ok(())
}
