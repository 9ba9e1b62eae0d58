//! Lists documents that match a filter.

use aprendiz_annotation_types::ReviewStatus;
use aprendiz_db::Scope;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::documents::candidates::{Candidates, word_query};
use crate::documents::document::{Document, DocumentPage};
use crate::documents::filter::DocumentFilter;
use crate::documents::metadata::Metadata;
use crate::error::AnnotationsError;
use crate::splits::Split;

/// Candidates that are checked by one statement.
const WINDOW: usize = 2_000;

/// Lists at most `limit` documents of the scope in the order of their ids, which is that of their arrival.
///
/// A page looks at no more than [`MAX_SCANNED_DOCUMENTS`](super::MAX_SCANNED_DOCUMENTS), so its cost does not depend on how many documents
/// match: it may have fewer items, or none, and be continued.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn list(
    conn: &mut PgConnection,
    scope: &Scope,
    filter: &DocumentFilter,
    after: Option<Uuid>,
    limit: usize,
) -> Result<DocumentPage<Document>, AnnotationsError> {
    let mut candidates = Candidates::find(conn, scope, filter, after).await?;
    let query = query_of(conn, filter).await?;
    let window = if filter.has_conditions() { WINDOW } else { limit + 1 };
    let mut items: Vec<Document> = Vec::new();
    while items.len() <= limit {
        let ids = candidates.next(conn, window).await?;
        if ids.is_empty() {
            return Ok(DocumentPage { items, next: candidates.stopped_at() });
        }
        items.extend(load_matching(conn, &ids, filter, query.as_deref(), limit + 1 - items.len()).await?);
    }
    items.truncate(limit);
    let next = items.last().map(|document| document.id);
    Ok(DocumentPage { items, next })
}

/// The words of the filter as a query of the text search.
pub(super) async fn query_of(conn: &mut PgConnection, filter: &DocumentFilter) -> Result<Option<String>, AnnotationsError> {
    Ok(match &filter.words {
        Some(words) => word_query(conn, words).await?,
        None => None,
    })
}

/// Those of the documents that match the filter, by id; at most `limit`.
pub(super) async fn load_matching(
    conn: &mut PgConnection,
    ids: &[Uuid],
    filter: &DocumentFilter,
    word_query: Option<&str>,
    limit: usize,
) -> Result<Vec<Document>, AnnotationsError> {
    let (keys, values): (Vec<String>, Vec<String>) = filter.metadata.iter().cloned().unzip();
    let documents = sqlx::query_as!(
        Document,
        r#"
        SELECT d.id, d.source, d.project, d.task_id, d.file_name, d.content_type, d.checksum, d.metadata AS "metadata: Metadata",
               (SELECT s.split FROM document_splits s WHERE s.document_id = d.id ORDER BY s.version DESC LIMIT 1) AS "split: Split",
               d.archived_at, d.withdrawn_at, d.created_at, d.updated_at
        FROM documents d
        WHERE d.id = ANY($1)
          AND ($2::text IS NULL OR d.source = $2)
          AND ($3::text IS NULL OR d.project = $3)
          AND ($4::text IS NULL OR d.task_id = $4)
          AND ($5::timestamptz IS NULL OR d.updated_at >= $5)
          AND NOT EXISTS (
              SELECT FROM unnest($6::text[], $7::text[]) AS m (key, value) WHERE d.metadata ->> m.key IS DISTINCT FROM m.value
          )
          AND ($8::split IS NULL
               OR (SELECT s.split FROM document_splits s WHERE s.document_id = d.id ORDER BY s.version DESC LIMIT 1) = $8)
          AND ((($9::text IS NULL OR $12::bool IS NOT NULL) AND $10::text IS NULL AND $11::review_status IS NULL) OR EXISTS (
              SELECT FROM annotations a
              WHERE a.document_id = d.id
                AND ($9::text IS NULL OR a.field = $9)
                AND ($11::review_status IS NULL OR a.review_status = $11)
                AND ($10::text IS NULL OR CASE WHEN $10 = '' THEN a.accepted_value = '{}'
                                               ELSE comparable_value($10) = ANY (comparable_values(a.accepted_value)) END)
          ))
          AND ($12::bool IS NULL OR $12 = EXISTS (
              SELECT FROM annotations a
              WHERE a.document_id = d.id AND a.review_status <> 'UNREVIEWED' AND ($9::text IS NULL OR a.field = $9)
          ))
          AND ($13::text IS NULL OR to_tsvector('simple', regexp_replace(left(coalesce(d.file_name, '') || ' ' || d.project || ' ' || d.task_id || ' ' || d.metadata::text, 20000), '[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00BF]+', ' ', 'g'))
               @@ $13::text::tsquery)
        ORDER BY d.id
        LIMIT $14
        "#,
        ids,
        filter.source,
        filter.project,
        filter.task_id,
        filter.since,
        &keys,
        &values,
        filter.split as Option<Split>,
        filter.field,
        filter.value,
        filter.status as Option<ReviewStatus>,
        filter.reviewed,
        word_query,
        i64::try_from(limit).unwrap_or(i64::MAX),
    )
    .fetch_all(conn)
    .await?;
    Ok(documents)
}
