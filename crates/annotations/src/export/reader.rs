//! Reads an export batch by batch.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::export::annotation::{ExportedEvent, ExportedPrediction};
use crate::export::document::ExportedDocument;
use crate::export::selection::{ExportPlace, ExportSelection};
use crate::review_status::ReviewStatus;

/// Documents of a batch.
const DOCUMENTS: usize = 500;
/// Documents of the first batch: the first row must not wait for many.
const FIRST_DOCUMENTS: usize = 20;
/// Bytes of texts after which a batch is full; one text may have 10 MiB.
const TEXT_BYTES: i64 = 4 << 20;

/// Where an export has got to. Memory holds one batch: 500 documents at most, and 4 MiB of texts or one text.
#[derive(Debug)]
pub struct ExportReader {
    selection: ExportSelection,
    /// Documents from this one on …
    from: Uuid,
    /// … which itself goes on after this field; `None` = it does not come again.
    within: Option<String>,
    documents: usize,
    ended: bool,
}

/// A document of the next batch, without what is heavy.
struct Head {
    id: Uuid,
    source: String,
    project: String,
    task_id: String,
    created_at: DateTime<Utc>,
    file_name: Option<String>,
    metadata: Option<String>,
    text_version: i32,
    text_bytes: i32,
}

impl ExportReader {
    /// Reads from the start, or goes on after a place.
    #[must_use]
    pub fn new(selection: ExportSelection, after: Option<ExportPlace>) -> Self {
        // no document has the nil id
        let after = after.unwrap_or(ExportPlace { document_id: Uuid::nil(), field: None });
        Self { selection, from: after.document_id, within: after.field, documents: FIRST_DOCUMENTS, ended: false }
    }

    /// The next documents in the order of their ids; empty at the end. A document about which nothing was said comes without fields.
    ///
    /// # Errors
    /// When Postgres does not answer; the same batch can then be asked for again.
    pub async fn next(&mut self, conn: &mut PgConnection) -> Result<Vec<ExportedDocument>, sqlx::Error> {
        if self.ended {
            return Ok(Vec::new());
        }
        // one state of the database for all of a batch: a document may be erased meanwhile
        let mut transaction = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let conn = &mut *transaction;
        let mut heads = self.heads(conn).await?;
        let found = heads.len();
        if self.selection.with_texts {
            let mut bytes = 0;
            let fit = heads.iter().take_while(|head| {
                let fits = bytes < TEXT_BYTES;
                bytes += i64::from(head.text_bytes);
                fits
            });
            let fit = fit.count();
            heads.truncate(fit);
        }
        let Some(last) = heads.last().map(|head| head.id) else {
            self.ended = true;
            return Ok(Vec::new());
        };
        let cut = heads.len() < found;
        let documents = self.with_all_said(conn, heads).await?;
        transaction.commit().await?;
        self.ended = !cut && found < self.documents;
        (self.from, self.within, self.documents) = (last, None, DOCUMENTS);
        Ok(documents)
    }

    async fn heads(&self, conn: &mut PgConnection) -> Result<Vec<Head>, sqlx::Error> {
        sqlx::query_as!(
            Head,
            r#"
            SELECT d.id, d.source, d.project, d.task_id, d.created_at, c.file_name AS "file_name?", c.metadata::text AS metadata,
                   t.version AS text_version, t.bytes AS "text_bytes!"
            FROM documents d
            JOIN LATERAL (
                -- the size is known without reading the text
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
              AND NOT EXISTS (SELECT FROM erasures x WHERE x.document_id = d.id)
            ORDER BY d.id
            LIMIT $6
            "#,
            self.selection.position,
            self.from,
            self.within.is_some(),
            self.selection.source,
            self.selection.project,
            i64::try_from(self.documents).unwrap_or(i64::MAX),
        )
        .fetch_all(conn)
        .await
    }

    async fn with_all_said(&self, conn: &mut PgConnection, heads: Vec<Head>) -> Result<Vec<ExportedDocument>, sqlx::Error> {
        let ids: Vec<Uuid> = heads.iter().map(|head| head.id).collect();
        let mut texts = if self.selection.with_texts { texts(conn, &heads).await? } else { BTreeMap::new() };
        let mut documents: Vec<ExportedDocument> = heads
            .into_iter()
            .map(|head| ExportedDocument {
                id: head.id,
                source: head.source,
                project: head.project,
                task_id: head.task_id,
                file_name: head.file_name,
                metadata: raw(head.metadata.unwrap_or_else(|| "{}".to_owned())),
                created_at: head.created_at,
                text: texts.remove(&head.id).unwrap_or_default(),
                fields: BTreeMap::new(),
            })
            .collect();
        self.add_events(conn, &ids, &mut documents).await?;
        self.add_predictions(conn, &ids, &mut documents).await?;
        if let (Some(field), Some(first)) = (&self.within, documents.first_mut())
            && first.id == self.from
        {
            first.fields.retain(|name, _| name > field);
        }
        Ok(documents)
    }

    async fn add_events(&self, conn: &mut PgConnection, ids: &[Uuid], documents: &mut [ExportedDocument]) -> Result<(), sqlx::Error> {
        let rows = sqlx::query!(
            r#"
            SELECT document_id, field, position, value, review_status AS "review_status: ReviewStatus", spans::text AS spans, note, reviewer,
                   actor, source, source_ref, occurred_at, recorded_at
            FROM annotation_events
            WHERE document_id = ANY($1) AND position <= $2 AND ($3 OR field = ANY($4)) AND NOT erased
            "#,
            ids,
            self.selection.position,
            self.selection.fields.is_empty(),
            &self.selection.fields,
        )
        .fetch_all(conn)
        .await?;
        for row in rows {
            let Some(document) = find(documents, row.document_id) else {
                continue;
            };
            document.fields.entry(row.field).or_default().events.push(ExportedEvent {
                position: row.position,
                value: row.value,
                review_status: row.review_status,
                spans: row.spans.map(raw),
                note: row.note,
                reviewer: row.reviewer,
                actor: row.actor,
                source: row.source,
                source_ref: row.source_ref,
                occurred_at: row.occurred_at,
                recorded_at: row.recorded_at,
            });
        }
        for said in documents.iter_mut().flat_map(|document| document.fields.values_mut()) {
            said.events.sort_unstable_by_key(|event| event.position);
        }
        Ok(())
    }

    async fn add_predictions(&self, conn: &mut PgConnection, ids: &[Uuid], documents: &mut [ExportedDocument]) -> Result<(), sqlx::Error> {
        let rows = sqlx::query!(
            r#"
            SELECT document_id, field, extractor_version, value, confidence, predicted_at
            FROM extractions
            WHERE document_id = ANY($1) AND ($2 OR field = ANY($3))
            ORDER BY predicted_at, extractor_version
            "#,
            ids,
            self.selection.fields.is_empty(),
            &self.selection.fields,
        )
        .fetch_all(conn)
        .await?;
        for row in rows {
            let Some(document) = find(documents, row.document_id) else {
                continue;
            };
            document.fields.entry(row.field).or_default().predictions.push(ExportedPrediction {
                extractor_version: row.extractor_version,
                value: row.value,
                confidence: row.confidence,
                predicted_at: row.predicted_at,
            });
        }
        Ok(())
    }
}

/// The texts of documents, each of its version.
async fn texts(conn: &mut PgConnection, heads: &[Head]) -> Result<BTreeMap<Uuid, String>, sqlx::Error> {
    let ids: Vec<Uuid> = heads.iter().map(|head| head.id).collect();
    let versions: Vec<i32> = heads.iter().map(|head| head.text_version).collect();
    let rows = sqlx::query!(
        r#"
        SELECT t.document_id, t.text
        FROM unnest($1::uuid[], $2::int[]) AS wanted (id, version)
        JOIN document_texts t ON t.document_id = wanted.id AND t.version = wanted.version
        "#,
        &ids,
        &versions,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.document_id, row.text)).collect())
}

/// Documents are in the order of their ids.
fn find(documents: &mut [ExportedDocument], id: Uuid) -> Option<&mut ExportedDocument> {
    let place = documents.binary_search_by_key(&id, |document| document.id).ok()?;
    documents.get_mut(place)
}

/// JSON as the database prints it.
fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).expect("the database prints valid JSON")
}
