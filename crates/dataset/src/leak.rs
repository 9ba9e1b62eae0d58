//! What a build must pass: no text, no group and no pair of near-duplicates may be in two splits.
//!
//! Near-duplicates are rows, verified on the whole texts when the later one was indexed (`annotations::near_duplicates`), so the
//! check is a few joins, however long the texts are. Texts without a sketch are indexed first.
//!
//! Of a whole database only documents that share something with another one are looked at, and two indexes tell which: in most
//! corpora those are few.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::DatasetError;
use crate::selection::Selection;
use crate::split::Split;

const NAMED_AT_MOST: i64 = 10;
/// Ids that are held here at once.
const MOST_SHARING: usize = 50_000;

/// Errs, naming documents, when the selection holds equal texts, one group or near-duplicates in different splits.
pub(crate) async fn check_leaks(conn: &mut PgConnection, selection: &Selection) -> Result<(), DatasetError> {
    let sharing;
    let documents = if selection.is_everything() {
        sharing = sharing_documents(conn).await?;
        if sharing.is_empty() {
            return Ok(());
        }
        // where too many do, all are looked at, which stays in the server
        (sharing.len() <= MOST_SHARING).then_some(sharing.as_slice())
    } else {
        selection.documents.as_deref()
    };
    let leaked = sqlx::query!(
        r#"
        WITH placed AS MATERIALIZED (
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
              -- the last version of each
              AND NOT EXISTS (SELECT FROM document_texts n WHERE n.document_id = t.document_id AND n.version > t.version AND n.position <= $1)
              AND NOT EXISTS (SELECT FROM document_splits n WHERE n.document_id = s.document_id AND n.version > s.version AND n.position <= $1)
        ), sketches AS MATERIALIZED (
            SELECT sketch_id, split, min(id::text COLLATE "C") AS id
            FROM placed
            -- equal but for case and white space: only such texts, and those that overlap, can leak
            WHERE sketch_id IN (SELECT sketch_id FROM placed GROUP BY sketch_id HAVING min(split) <> max(split))
               OR sketch_id IN (SELECT sketch_id FROM near_duplicates)
            GROUP BY sketch_id, split
        ), groups AS (
            SELECT group_key, split, min(id::text COLLATE "C") AS id
            FROM placed
            WHERE group_key IN (SELECT group_key FROM placed GROUP BY group_key HAVING min(split) <> max(split))
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
        SELECT id AS "id!", split AS "split!: Split", other_id AS "other_id!", other_split AS "other_split!: Split", max(containment) AS containment,
               count(*) OVER () AS "total!"
        FROM leaks
        GROUP BY id, split, other_id, other_split
        ORDER BY max(containment) DESC NULLS LAST, id, other_id
        LIMIT $5
        "#,
        selection.position,
        documents,
        selection.source,
        selection.project,
        NAMED_AT_MOST,
    )
    .fetch_all(conn)
    .await?;
    let Some(total) = leaked.first().map(|leak| leak.total) else {
        return Ok(());
    };
    let named = leaked.iter().map(|leak| {
        let why = match leak.containment {
            Some(containment) => format!("{:.0} % of the 8-word shingles of the smaller one", 100.0 * containment),
            None => "one group".to_owned(),
        };
        format!("{} ({}) and {} ({}) share {why}", leak.id, leak.split, leak.other_id, leak.other_split)
    });
    let mut documents = named.collect::<Vec<_>>().join("; ");
    if total > NAMED_AT_MOST {
        documents.push_str(&format!("; and {} more", total - NAMED_AT_MOST));
    }
    Err(DatasetError::SplitLeak { documents })
}

/// Up to one more than [`MOST_SHARING`] documents that share, or ever shared, a group, a sketch or a passage with another one: no others can leak.
async fn sharing_documents(conn: &mut PgConnection) -> Result<Vec<Uuid>, sqlx::Error> {
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
        MOST_SHARING as i64 + 1
    )
    .fetch_all(conn)
    .await
}
