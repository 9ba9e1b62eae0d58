//! Reads the examples of a selection, one at a time, in the order of the snapshot.

use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::DatasetError;
use crate::example::{Example, ReviewedField, ReviewedValue};
use crate::selection::Selection;
use crate::split::Split;

/// A reviewed value as the query aggregates it.
#[derive(Deserialize)]
struct ReviewedColumn {
    field: String,
    value: Vec<String>,
    status: String,
    position: i64,
    reviewer: Option<String>,
    /// Microseconds since 1970, UTC.
    occurred_at: i64,
}

struct ExampleRow {
    id: Uuid,
    split: Split,
    group_key: String,
    source: String,
    project: String,
    task_id: String,
    file_name: Option<String>,
    metadata: String,
    text: String,
    fields: String,
}

/// Streams the examples by split, then document id. One row is held at a time; the server waits when the reader is slow.
pub(crate) fn stream_examples<'a>(
    conn: &'a mut PgConnection,
    selection: &'a Selection,
) -> impl Stream<Item = Result<Example, DatasetError>> + Send + 'a {
    // The order is that of the enum and of the bytes of the id: no collation has a say in it.
    sqlx::query_as!(
        ExampleRow,
        r#"
        SELECT d.id,
               s.split AS "split!: Split",
               s.group_key AS "group_key!",
               d.source,
               d.project,
               d.task_id,
               d.file_name,
               d.metadata::text AS "metadata!",
               t.text AS "text!",
               a.fields AS "fields!"
        FROM documents d
        CROSS JOIN LATERAL (
            SELECT text FROM document_texts
            WHERE document_id = d.id AND position <= $1
            ORDER BY version DESC
            LIMIT 1
        ) t
        CROSS JOIN LATERAL (
            SELECT split, group_key FROM document_splits
            WHERE document_id = d.id AND position <= $1
            ORDER BY version DESC
            LIMIT 1
        ) s
        CROSS JOIN LATERAL (
            SELECT json_agg(json_build_object(
                       'field', field,
                       'value', value,
                       'status', review_status,
                       'position', position,
                       'reviewer', reviewer,
                       'occurred_at', (extract(epoch FROM occurred_at) * 1000000)::bigint
                   ))::text AS fields
            FROM (
                -- the latest event of each field; one that undid the review leaves the field unreviewed
                SELECT DISTINCT ON (field) field, value, review_status, position, reviewer, occurred_at
                FROM annotation_events
                WHERE document_id = d.id AND field = ANY($5) AND position <= $1
                ORDER BY field, occurred_at DESC, position DESC
            ) latest
            WHERE review_status <> 'UNREVIEWED'
        ) a
        WHERE ($2::uuid[] IS NULL OR d.id = ANY($2))
          AND ($3::text IS NULL OR d.source = $3)
          AND ($4::text IS NULL OR d.project = $4)
          AND s.split <> 'excluded'
          AND a.fields IS NOT NULL
        ORDER BY s.split, d.id
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
    )
    .fetch(conn)
    .map(|row| example(row?))
}

fn example(row: ExampleRow) -> Result<Example, DatasetError> {
    let broken = |table, column| {
        let id = row.id.to_string();
        move |source| DatasetError::BrokenRow { table, column, id, source }
    };
    let columns: Vec<ReviewedColumn> = serde_json::from_str(&row.fields).map_err(broken("annotation_events", "value"))?;
    let mut fields = columns
        .into_iter()
        .map(|column| {
            let occurred_at = DateTime::<Utc>::from_timestamp_micros(column.occurred_at)
                .ok_or_else(|| serde::de::Error::custom(format!("time {} is out of range", column.occurred_at)))
                .map_err(broken("annotation_events", "occurred_at"))?;
            let value = ReviewedValue {
                value: column.value,
                status: column.status,
                position: column.position,
                reviewer: column.reviewer,
                occurred_at,
            };
            Ok(ReviewedField { name: column.field, value })
        })
        .collect::<Result<Vec<_>, DatasetError>>()?;
    fields.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(Example {
        document_id: row.id,
        split: row.split,
        metadata: RawValue::from_string(row.metadata).map_err(broken("documents", "metadata"))?,
        group: row.group_key,
        source: row.source,
        project: row.project,
        task_id: row.task_id,
        file_name: row.file_name,
        text: row.text,
        fields,
    })
}
