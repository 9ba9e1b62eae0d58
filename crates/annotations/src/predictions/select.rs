//! Selects the documents for which a run predicts.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::document_texts;

/// Which documents a run predicts; all conditions must hold. Erased, archived and withdrawn documents are never selected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PredictionSelection {
    /// Only documents that had arrived up to this position. Their current texts are read, whatever their position.
    pub position: i64,
    /// Only these documents.
    pub documents: Option<Vec<Uuid>>,
    /// Only documents of this source.
    pub source: Option<String>,
    /// Only documents of this project.
    pub project: Option<String>,
    /// Only documents of one of these sources; empty = all.
    pub sources: Vec<String>,
    /// Only documents of one of these projects; empty = all.
    pub projects: Vec<String>,
    /// Only documents in which one of the fields is not reviewed.
    pub unreviewed: bool,
    /// The fields that are predicted.
    pub fields: Vec<String>,
    /// Name of the version, such as `contracts@3`.
    pub version: String,
}

/// A selected document, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentToPredict {
    /// The document.
    pub id: Uuid,
    /// Version of its current text.
    pub text_version: i32,
    /// Size of that text in bytes.
    pub bytes: i32,
    /// Whether all fields of the version are predicted for that text already.
    pub is_predicted: bool,
}

/// Lists at most `limit` documents by id, after the document `after`.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn list_documents(
    conn: &mut PgConnection,
    selection: &PredictionSelection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<DocumentToPredict>, sqlx::Error> {
    sqlx::query_as!(
        DocumentToPredict,
        r#"
        SELECT d.id, t.version AS text_version, t.bytes AS "bytes!",
               NOT EXISTS (
                   SELECT FROM unnest($8::text[]) AS f (field)
                   WHERE NOT EXISTS (
                       SELECT FROM extractions x
                       WHERE x.document_id = d.id AND x.field = f.field AND x.extractor_version = $9 AND x.text_version = t.version
                   )
               ) AS "is_predicted!"
        FROM documents d
        JOIN LATERAL (
            -- the size is available without reading the text
            SELECT x.version, octet_length(x.text) AS bytes
            FROM document_texts x
            WHERE x.document_id = d.id
            ORDER BY x.version DESC
            LIMIT 1
        ) t ON true
        WHERE ($10::uuid IS NULL OR d.id > $10)
          AND EXISTS (SELECT FROM document_texts x WHERE x.document_id = d.id AND x.position <= $1)
          AND ($2::uuid[] IS NULL OR d.id = ANY($2))
          AND ($3::text IS NULL OR d.source = $3)
          AND ($4::text IS NULL OR d.project = $4)
          AND (cardinality($5::text[]) = 0 OR d.source = ANY($5))
          AND (cardinality($6::text[]) = 0 OR d.project = ANY($6))
          AND d.archived_at IS NULL AND d.withdrawn_at IS NULL
          AND NOT EXISTS (SELECT FROM erasures e WHERE e.document_id = d.id)
          AND (NOT $7 OR EXISTS (
              SELECT FROM unnest($8::text[]) AS f (field)
              WHERE NOT EXISTS (
                  SELECT FROM annotations a WHERE a.document_id = d.id AND a.field = f.field AND a.review_status <> 'UNREVIEWED'
              )
          ))
        ORDER BY d.id
        LIMIT $11
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.sources,
        &selection.projects,
        selection.unreviewed,
        &selection.fields,
        selection.version,
        after,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// Number of documents in the selection.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn count_documents(conn: &mut PgConnection, selection: &PredictionSelection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!"
        FROM documents d
        WHERE EXISTS (SELECT FROM document_texts x WHERE x.document_id = d.id AND x.position <= $1)
          AND ($2::uuid[] IS NULL OR d.id = ANY($2))
          AND ($3::text IS NULL OR d.source = $3)
          AND ($4::text IS NULL OR d.project = $4)
          AND (cardinality($5::text[]) = 0 OR d.source = ANY($5))
          AND (cardinality($6::text[]) = 0 OR d.project = ANY($6))
          AND d.archived_at IS NULL AND d.withdrawn_at IS NULL
          AND NOT EXISTS (SELECT FROM erasures e WHERE e.document_id = d.id)
          AND (NOT $7 OR EXISTS (
              SELECT FROM unnest($8::text[]) AS f (field)
              WHERE NOT EXISTS (
                  SELECT FROM annotations a WHERE a.document_id = d.id AND a.field = f.field AND a.review_status <> 'UNREVIEWED'
              )
          ))
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.sources,
        &selection.projects,
        selection.unreviewed,
        &selection.fields,
    )
    .fetch_one(conn)
    .await
}

/// Loads texts by document.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn load_texts(conn: &mut PgConnection, documents: &[DocumentToPredict]) -> Result<HashMap<Uuid, String>, sqlx::Error> {
    let ids: Vec<Uuid> = documents.iter().map(|document| document.id).collect();
    let versions: Vec<i32> = documents.iter().map(|document| document.text_version).collect();
    document_texts::load_texts(conn, &ids, &versions).await
}
