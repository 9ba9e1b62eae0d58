//! Searches the texts of documents for a phrase, with a limit on what one page reads.

use aprendiz_db::Scope;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::documents::candidates::Candidates;
use crate::documents::document::{Document, DocumentPage};
use crate::documents::filter::DocumentFilter;
use crate::documents::list::{load_matching, query_of};
use crate::error::AnnotationsError;

/// Maximum size of the texts that one page reads, in bytes. No index covers texts: it would be as large as they are, and imports would have
/// to keep it up.
pub const MAX_SEARCHED_BYTES: i64 = 32 << 20;
/// Texts that are read by one statement.
const WINDOW: usize = 50;
/// Characters of the excerpt before the phrase, and in all.
const EXCERPT: (i32, i32) = (60, 200);

/// A document that contains the phrase.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FoundDocument {
    /// The document.
    #[serde(flatten)]
    pub document: Document,
    /// The phrase with the text around it; missing if the words were found in file name, project, id or metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

/// Lists at most `limit` documents of the scope that match the filter and whose latest text contains the phrase, whatever its case.
///
/// A page reads no more than [`MAX_SEARCHED_BYTES`] of texts and [`MAX_SCANNED_DOCUMENTS`](super::MAX_SCANNED_DOCUMENTS): it may have fewer
/// items, or none, and be continued.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn search_texts(
    conn: &mut PgConnection,
    scope: &Scope,
    phrase: &str,
    filter: &DocumentFilter,
    after: Option<Uuid>,
    limit: usize,
) -> Result<DocumentPage<FoundDocument>, AnnotationsError> {
    let mut candidates = Candidates::find(conn, scope, filter, after).await?;
    let query = query_of(conn, filter).await?;
    let (mut items, mut bytes) = (Vec::new(), 0);
    loop {
        let ids = candidates.next(conn, WINDOW).await?;
        let Some(last) = ids.last().copied() else {
            return Ok(DocumentPage { items, next: candidates.stopped_at() });
        };
        let documents = load_matching(conn, &ids, filter, query.as_deref(), ids.len()).await?;
        let (excerpts, read) = read_excerpts(conn, &documents, phrase).await?;
        bytes += read;
        for (document, excerpt) in documents.into_iter().zip(excerpts) {
            let Some(excerpt) = excerpt else { continue };
            if items.len() == limit {
                let next = items.last().map(|found: &FoundDocument| found.document.id);
                return Ok(DocumentPage { items, next });
            }
            items.push(FoundDocument { document, excerpt: Some(excerpt) });
        }
        if bytes >= MAX_SEARCHED_BYTES {
            return Ok(DocumentPage { items, next: Some(last) });
        }
    }
}

/// An excerpt for each document that contains the phrase, in the order of the documents, and the size of the texts that were read.
async fn read_excerpts(
    conn: &mut PgConnection,
    documents: &[Document],
    phrase: &str,
) -> Result<(Vec<Option<String>>, i64), AnnotationsError> {
    let ids: Vec<Uuid> = documents.iter().map(|document| document.id).collect();
    let rows = sqlx::query!(
        r#"
        SELECT octet_length(t.text) AS "bytes!",
               CASE WHEN found.at > 0 THEN substring(t.text FROM greatest(1, found.at - $3) FOR $4) END AS excerpt
        FROM unnest($1::uuid[]) WITH ORDINALITY AS given (id, index)
        CROSS JOIN LATERAL (SELECT x.text FROM document_texts x WHERE x.document_id = given.id ORDER BY x.version DESC LIMIT 1) t
        CROSS JOIN LATERAL (SELECT strpos(lower(t.text), lower($2)) AS at) found
        ORDER BY given.index
        "#,
        &ids,
        phrase,
        EXCERPT.0,
        EXCERPT.1
    )
    .fetch_all(conn)
    .await?;
    let bytes = rows.iter().map(|row| i64::from(row.bytes)).sum();
    Ok((rows.into_iter().map(|row| row.excerpt).collect(), bytes))
}
