//! The last check before anything is written: no text, no group and no pair of near-duplicates may be in two splits.
//!
//! Near-duplicates are rows, verified on the whole texts when the later one was indexed (`annotations::near_duplicates`), so the
//! check is a few joins, however long the texts are. Texts without a sketch are indexed before the build reads anything.

use sqlx::PgConnection;

use crate::error::DatasetError;
use crate::selection::Selection;
use crate::split::Split;

const NAMED_AT_MOST: i64 = 10;

/// Errs, naming documents, when the selection holds equal texts, one group or near-duplicates in different splits.
pub(crate) async fn check_leaks(conn: &mut PgConnection, selection: &Selection) -> Result<(), DatasetError> {
    let leaked = sqlx::query!(
        r#"
        WITH placed AS MATERIALIZED (
            SELECT d.id::text COLLATE "C" AS id, s.split, s.group_key, t.sha256, k.sketch_id
            FROM documents d
            CROSS JOIN LATERAL (
                SELECT sha256, version FROM document_texts
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
            LEFT JOIN document_sketches k ON k.document_id = d.id AND k.version = t.version
            WHERE ($2::uuid[] IS NULL OR d.id = ANY($2))
              AND ($3::text IS NULL OR d.source = $3)
              AND ($4::text IS NULL OR d.project = $4)
              AND s.split <> 'excluded'
        ), texts AS (
            SELECT sha256, split, min(id) AS id FROM placed GROUP BY sha256, split
        ), groups AS (
            SELECT group_key, split, min(id) AS id FROM placed GROUP BY group_key, split
        ), sketches AS MATERIALIZED (
            SELECT sketch_id, split, min(id) AS id FROM placed WHERE sketch_id IS NOT NULL GROUP BY sketch_id, split
        ), leaks AS (
            SELECT one.id, one.split, other.id AS other_id, other.split AS other_split, 1::real AS containment
            FROM texts one
            JOIN texts other USING (sha256)
            WHERE one.split < other.split
            UNION ALL
            -- equal but for case and white space
            SELECT one.id, one.split, other.id, other.split, 1
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
        selection.documents.as_deref(),
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
