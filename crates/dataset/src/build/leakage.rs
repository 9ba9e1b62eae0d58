//! Leakage check: equal texts, near-duplicates and members of a group must share a split.
//!
//! Near-duplicates are stored as rows (`aprendiz_annotations::near_duplicates`), verified on the full texts when the later one was indexed. The
//! check is therefore a few joins, independent of the length of the texts. Texts without a sketch must be indexed first.
//!
//! For a selection of all documents, two indexes narrow the check to documents that share something with another document. In most corpora
//! those are few.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::DatasetError;
use crate::selection::Selection;
use crate::split::Split;

const MAX_REPORTED_LEAKS: i64 = 10;
/// Limit of document ids held in memory.
const MAX_CANDIDATES: usize = 50_000;

/// Fails if equal texts, near-duplicates or members of a group are in different splits; the error names the documents.
pub(crate) async fn check_leakage(conn: &mut PgConnection, selection: &Selection) -> Result<(), DatasetError> {
    let candidates;
    let documents = if selection.includes_all_documents() {
        candidates = find_candidates(conn).await?;
        if candidates.is_empty() {
            return Ok(());
        }
        // beyond the limit, all documents are checked on the server
        (candidates.len() <= MAX_CANDIDATES).then_some(candidates.as_slice())
    } else {
        selection.documents.as_deref()
    };
    let leaked = sqlx::query!(
        r#"
        WITH assigned AS MATERIALIZED (
            SELECT d.id, s.split, s.group_key, k.sketch_id
            FROM documents d
            JOIN document_texts t ON t.document_id = d.id AND t.position <= $1
            JOIN document_splits s ON s.document_id = d.id AND s.position <= $1
            LEFT JOIN document_sketches k ON k.document_id = d.id AND k.version = t.version
            WHERE ($2::uuid[] IS NULL OR d.id = ANY($2))
              AND ($3::text IS NULL OR d.source = $3)
              AND ($4::text IS NULL OR d.project = $4)
              AND s.split <> 'excluded'
              AND NOT EXISTS (SELECT FROM erasures x WHERE x.document_id = d.id)
              -- only the latest version of each
              AND NOT EXISTS (
                  SELECT FROM document_texts n
                  WHERE n.document_id = t.document_id AND n.version > t.version AND n.position <= $1
              )
              AND NOT EXISTS (
                  SELECT FROM document_splits n
                  WHERE n.document_id = s.document_id AND n.version > s.version AND n.position <= $1
              )
        ), sketches AS MATERIALIZED (
            SELECT sketch_id, split, min(id::text COLLATE "C") AS id
            FROM assigned
            -- only texts that are equal up to case and white space, or near-duplicates, can leak
            WHERE sketch_id IN (SELECT sketch_id FROM assigned GROUP BY sketch_id HAVING min(split) <> max(split))
               OR sketch_id IN (SELECT sketch_id FROM near_duplicates)
            GROUP BY sketch_id, split
        ), groups AS (
            SELECT group_key, split, min(id::text COLLATE "C") AS id
            FROM assigned
            WHERE group_key IN (SELECT group_key FROM assigned GROUP BY group_key HAVING min(split) <> max(split))
            GROUP BY group_key, split
        ), leaks AS (
            SELECT one.id, one.split, other.id AS other_id, other.split AS other_split, 1::real AS containment
            FROM sketches one
            JOIN sketches other USING (sketch_id)
            WHERE one.split < other.split
            UNION ALL
            SELECT one.id, one.split, other.id, other.split, near.containment
            FROM near_duplicates near
            JOIN sketches one ON one.sketch_id = near.sketch_id
            JOIN sketches other ON other.sketch_id = near.other_id
            WHERE one.split < other.split
            UNION ALL
            SELECT one.id, one.split, other.id, other.split, NULL
            FROM groups one
            JOIN groups other USING (group_key)
            WHERE one.split < other.split
        )
        SELECT id AS "id!", split AS "split!: Split", other_id AS "other_id!", other_split AS "other_split!: Split",
               max(containment) AS containment, count(*) OVER () AS "total!"
        FROM leaks
        GROUP BY id, split, other_id, other_split
        ORDER BY max(containment) DESC NULLS LAST, id, other_id
        LIMIT $5
        "#,
        selection.position,
        documents,
        selection.source,
        selection.project,
        MAX_REPORTED_LEAKS,
    )
    .fetch_all(conn)
    .await?;
    let Some(total) = leaked.first().map(|leak| leak.total) else {
        return Ok(());
    };
    let pairs = leaked.iter().map(|leak| {
        let shared = match leak.containment {
            Some(containment) => format!("{:.0} % of the 8-word shingles of the shorter text", 100.0 * containment),
            None => "a group".to_owned(),
        };
        format!("{} ({}) and {} ({}) share {shared}", leak.id, leak.split, leak.other_id, leak.other_split)
    });
    let mut documents = pairs.collect::<Vec<_>>().join("; ");
    if total > MAX_REPORTED_LEAKS {
        documents.push_str(&format!("; and {} more", total - MAX_REPORTED_LEAKS));
    }
    Err(DatasetError::SplitLeak { documents })
}

/// Documents that share, or ever shared, a group, a sketch or a passage with another document; no other document can leak.
///
/// Returns at most [`MAX_CANDIDATES`] + 1 ids.
async fn find_candidates(conn: &mut PgConnection) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT document_id AS "document_id!"
        FROM document_splits
        WHERE group_key IN (SELECT group_key FROM document_splits GROUP BY group_key HAVING count(*) > 1)
        UNION
        SELECT document_id
        FROM document_sketches
        WHERE sketch_id IN (
            SELECT sketch_id FROM document_sketches GROUP BY sketch_id HAVING count(*) > 1
            UNION ALL
            SELECT unnest(ARRAY[sketch_id, other_id]) FROM near_duplicates
        )
        LIMIT $1
        "#,
        MAX_CANDIDATES as i64 + 1
    )
    .fetch_all(conn)
    .await
}
