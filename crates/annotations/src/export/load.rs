//! Queries of an export batch.

use aprendiz_db::Scope;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::export::selection::ExportSelection;
use crate::export::types::{ExportedDocument, ExportedEvent, ExportedField, ExportedPrediction};
use aprendiz_annotation_types::ReviewStatus;

/// A document of a batch, without text, events and predictions.
pub(super) struct Head {
    pub(super) id: Uuid,
    pub(super) source: String,
    pub(super) project: String,
    pub(super) task_id: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) file_name: Option<String>,
    pub(super) metadata: Option<String>,
    pub(super) text_version: i32,
    pub(super) text_bytes: i32,
}

/// Loads the documents from `first` on, including it or not, by id.
pub(super) async fn load_heads(
    conn: &mut PgConnection,
    scope: &Scope,
    selection: &ExportSelection,
    first: Uuid,
    including: bool,
    limit: i64,
) -> Result<Vec<Head>, sqlx::Error> {
    sqlx::query_as!(
        Head,
        r#"
        SELECT d.id, d.source, d.project, d.task_id, d.created_at, c.file_name AS "file_name?", c.metadata::text AS metadata,
               t.version AS text_version, t.bytes AS "text_bytes!"
        FROM documents d
        JOIN LATERAL (
            -- the size is available without reading the text
            SELECT x.version, octet_length(x.text) AS bytes
            FROM document_texts x
            WHERE x.document_id = d.id AND x.position <= $1
            ORDER BY x.version DESC
            LIMIT 1
        ) t ON true
        LEFT JOIN LATERAL (
            SELECT x.file_name, x.metadata
            FROM document_details x
            WHERE x.document_id = d.id AND x.position <= $1
            ORDER BY x.version DESC
            LIMIT 1
        ) c ON true
        WHERE d.id >= $2
          AND (d.id > $2 OR $3)
          AND ($4::text IS NULL OR d.source = $4)
          AND ($5::text IS NULL OR d.project = $5)
          AND ($8::text[] IS NULL OR d.project = ANY($8))
          AND NOT EXISTS (SELECT FROM erasures x WHERE x.document_id = d.id)
          -- withdrawn with its imports, or archived
          AND NOT EXISTS (
              SELECT FROM (
                  SELECT s.reason FROM document_splits s WHERE s.document_id = d.id AND s.position <= $1 ORDER BY s.version DESC LIMIT 1
              ) newest
              WHERE newest.reason = 'withdrawn' OR newest.reason = 'archived' AND NOT $7
          )
        ORDER BY d.id
        LIMIT $6
        "#,
        selection.position,
        first,
        including,
        selection.source,
        selection.project,
        limit,
        selection.with_archived,
        scope.projects(),
    )
    .fetch_all(conn)
    .await
}

/// Adds the events of documents, which are sorted by id.
pub(super) async fn load_events(
    conn: &mut PgConnection,
    selection: &ExportSelection,
    ids: &[Uuid],
    documents: &mut [ExportedDocument],
) -> Result<(), sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT document_id, field, position, value, review_status AS "review_status: ReviewStatus", spans::text AS spans, note, reviewer,
               actor, source, source_ref, occurred_at, recorded_at
        FROM annotation_events
        WHERE document_id = ANY($1) AND position <= $2 AND ($3 OR field = ANY($4)) AND NOT erased
          AND counts_at(withdrawals, $2)
        "#,
        ids,
        selection.position,
        selection.fields.is_empty(),
        &selection.fields,
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        let Some(field) = field_mut(documents, row.document_id, row.field) else {
            continue;
        };
        field.events.push(ExportedEvent {
            position: row.position,
            value: row.value,
            review_status: row.review_status,
            spans: row.spans.map(to_raw_json),
            note: row.note,
            reviewer: row.reviewer,
            actor: row.actor,
            source: row.source,
            source_ref: row.source_ref,
            occurred_at: row.occurred_at,
            recorded_at: row.recorded_at,
        });
    }
    for field in documents.iter_mut().flat_map(|document| document.fields.values_mut()) {
        field.events.sort_unstable_by_key(|event| event.position);
    }
    Ok(())
}

/// Adds the predictions of documents, which are sorted by id.
pub(super) async fn load_predictions(
    conn: &mut PgConnection,
    selection: &ExportSelection,
    ids: &[Uuid],
    documents: &mut [ExportedDocument],
) -> Result<(), sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT document_id, field, extractor_version, value, confidence, predicted_at
        FROM extractions
        WHERE document_id = ANY($1) AND ($2 OR field = ANY($3)) AND ($4::text IS NULL OR extractor_version = $4)
        ORDER BY predicted_at, extractor_version
        "#,
        ids,
        selection.fields.is_empty(),
        &selection.fields,
        selection.extractor_version,
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        let Some(field) = field_mut(documents, row.document_id, row.field) else {
            continue;
        };
        field.predictions.push(ExportedPrediction {
            extractor_version: row.extractor_version,
            value: row.value,
            confidence: row.confidence,
            predicted_at: row.predicted_at,
        });
    }
    Ok(())
}

fn field_mut(documents: &mut [ExportedDocument], id: Uuid, field: String) -> Option<&mut ExportedField> {
    let index = documents.binary_search_by_key(&id, |document| document.id).ok()?;
    Some(documents[index].fields.entry(field).or_default())
}

/// Wraps JSON printed by the database.
pub(super) fn to_raw_json(json: String) -> Box<RawValue> {
    RawValue::from_string(json).expect("the database prints valid JSON")
}
