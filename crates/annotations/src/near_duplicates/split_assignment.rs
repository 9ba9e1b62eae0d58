//! Assigns splits with respect to near-duplicates.
//!
//! Documents are processed one by one, so that the result depends on their order and not on the batches of an import: first documents
//! that have a split (their text changed or is compared for the first time), then new ones in the order of the file. Each document sees
//! those processed before it, and all documents that are not processed.
//!
//! * A document with a split keeps it. It is excluded, with the reason `bridge`, if a near-duplicate is in another split.
//! * A new document inherits the group and split of its near-duplicates (of several groups, the one with the greatest containment). It is
//!   excluded, with the reason `bridge`, if they are in different splits. Without near-duplicates the hash of its text decides.
//! * Excluded documents are ignored: they are in no snapshot, so they cannot leak.

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::splits::{Split, SplitRatios};

/// Number of documents per page.
const PAGE_SIZE: i64 = 1_000;

/// Splits of the near-duplicates of a text: each split once, with the group of the greatest containment.
const NEIGHBOURS: &str = "
    SELECT DISTINCT ON (current.split) current.split, current.group_key
    FROM (
        SELECT $1::int AS sketch_id, 1::real AS containment
        UNION ALL
        SELECT other_id, containment
        FROM near_duplicates
        WHERE sketch_id = $1
    ) near
    JOIN document_sketches k ON k.sketch_id = near.sketch_id
    CROSS JOIN LATERAL (
        SELECT split, group_key
        FROM (
            SELECT split, group_key, 1 AS decided
            FROM decided_splits
            WHERE document_id = k.document_id
            UNION ALL
            (SELECT split, group_key, 0
             FROM document_splits
             -- an archived document keeps its place
             WHERE document_id = k.document_id AND reason <> 'archived'
             ORDER BY version DESC
             LIMIT 1)
        ) known
        ORDER BY decided DESC
        LIMIT 1
    ) current
    WHERE k.document_id <> $2
        AND current.split <> 'excluded'
        AND NOT EXISTS (SELECT FROM document_sketches newer WHERE newer.document_id = k.document_id AND newer.version > k.version)
        -- processed later
        AND NOT EXISTS (SELECT FROM arrivals a WHERE a.document_id = k.document_id AND NOT a.is_new AND a.is_newest AND a.ordinal > $3)
    ORDER BY current.split, near.containment DESC, near.sketch_id, k.document_id";

struct Neighbour {
    split: Split,
    group_key: String,
}

async fn load_neighbours(conn: &mut PgConnection, sketch: i32, except: Uuid, until: i64) -> Result<Vec<Neighbour>, sqlx::Error> {
    let rows = sqlx::query(NEIGHBOURS).bind(sketch).bind(except).bind(until).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(Neighbour { split: row.try_get("split")?, group_key: row.try_get("group_key")? })).collect()
}

/// Excludes the documents of `arrivals` whose near-duplicates are in a different split than they are. Returns their number.
pub(crate) async fn exclude_bridges(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let (mut after, mut excluded) = (i64::MIN, 0);
    loop {
        // preselects documents with a near-duplicate in another split; the loop below checks each of them
        let page = sqlx::query(
            "WITH kept AS MATERIALIZED (
                 SELECT a.ordinal, a.document_id, a.sketch_id, own.split, own.group_key
                 FROM arrivals a
                 CROSS JOIN LATERAL (
                     SELECT split, group_key
                     FROM document_splits
                     WHERE document_id = a.document_id AND reason <> 'archived'
                     ORDER BY version DESC
                     LIMIT 1
                 ) own
                 WHERE NOT a.is_new AND a.is_newest AND own.split <> 'excluded' AND a.ordinal > $1
             ), reach AS MATERIALIZED (
                 SELECT DISTINCT sketch_id, sketch_id AS other_id FROM kept
                 UNION
                 SELECT n.sketch_id, n.other_id FROM near_duplicates n WHERE n.sketch_id IN (SELECT sketch_id FROM kept)
             ), taken AS MATERIALIZED (
                 SELECT DISTINCT k.sketch_id, current.split
                 FROM document_sketches k
                 CROSS JOIN LATERAL (
                     SELECT split
                     FROM document_splits
                     WHERE document_id = k.document_id AND reason <> 'archived'
                     ORDER BY version DESC
                     LIMIT 1
                 ) current
                 WHERE k.sketch_id IN (SELECT other_id FROM reach)
             )
             SELECT ordinal, document_id, sketch_id, split, group_key
             FROM kept
             WHERE EXISTS (
                 SELECT
                 FROM reach
                 JOIN taken ON taken.sketch_id = reach.other_id
                 WHERE reach.sketch_id = kept.sketch_id AND taken.split NOT IN ('excluded', kept.split)
             )
             ORDER BY ordinal
             LIMIT $2",
        )
        .bind(after)
        .bind(PAGE_SIZE)
        .fetch_all(&mut *conn)
        .await?;
        for row in &page {
            let (document, own): (Uuid, Split) = (row.try_get("document_id")?, row.try_get("split")?);
            after = row.try_get("ordinal")?;
            let near = load_neighbours(conn, row.try_get("sketch_id")?, document, after).await?;
            if near.iter().any(|neighbour| neighbour.split != own) {
                sqlx::query(
                    "INSERT INTO decided_splits (document_id, is_new, group_key, split, reason) VALUES ($1, false, $2, 'excluded', 'bridge')
                     ON CONFLICT DO NOTHING",
                )
                .bind(document)
                .bind(row.try_get::<String, _>("group_key")?)
                .execute(&mut *conn)
                .await?;
                excluded += 1;
            }
        }
        if page.len() < PAGE_SIZE as usize {
            return Ok(excluded);
        }
    }
}

/// Assigns splits to the new documents of `arrivals` that have near-duplicates. Equal texts share one decision.
pub(crate) async fn assign_splits(conn: &mut PgConnection, ratios: SplitRatios) -> Result<(), sqlx::Error> {
    let mut after = i64::MIN;
    loop {
        let page = sqlx::query(
            "SELECT a.sketch_id, s.text_key, a.ordinal
             FROM (
                 SELECT sketch_id, min(ordinal) AS ordinal
                 FROM arrivals
                 WHERE is_new
                 GROUP BY sketch_id
             ) a
             JOIN text_sketches s ON s.id = a.sketch_id
             WHERE a.ordinal > $1 AND EXISTS (SELECT FROM near_duplicates n WHERE n.sketch_id = a.sketch_id)
             ORDER BY a.ordinal
             LIMIT $2",
        )
        .bind(after)
        .bind(PAGE_SIZE)
        .fetch_all(&mut *conn)
        .await?;
        for row in &page {
            let (sketch, own_group): (i32, String) = (row.try_get("sketch_id")?, row.try_get("text_key")?);
            after = row.try_get("ordinal")?;
            let mut near = load_neighbours(conn, sketch, Uuid::nil(), i64::MAX).await?;
            let (split, group_key, reason) = match (near.pop(), near.is_empty()) {
                (None, _) => match load_group_split(conn, &own_group).await? {
                    Some(split) => (split, own_group, "inherited"),
                    None => (ratios.assign(&own_group), own_group, "hash"),
                },
                (Some(only), true) => (only.split, only.group_key, "inherited"),
                (Some(_), false) => (Split::Excluded, own_group, "bridge"),
            };
            sqlx::query(
                "INSERT INTO decided_splits (document_id, is_new, group_key, split, reason)
                 SELECT document_id, true, $2, $3,
                        CASE WHEN $4 = 'hash' AND row_number() OVER (ORDER BY ordinal) > 1 THEN 'inherited' ELSE $4 END
                 FROM arrivals
                 WHERE sketch_id = $1 AND is_new
                 ORDER BY ordinal",
            )
            .bind(sketch)
            .bind(&group_key)
            .bind(split)
            .bind(reason)
            .execute(&mut *conn)
            .await?;
        }
        if page.len() < PAGE_SIZE as usize {
            return Ok(());
        }
    }
}

/// Returns the split of an existing group, whose text no document may have any more.
async fn load_group_split(conn: &mut PgConnection, group_key: &str) -> Result<Option<Split>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT split AS "split: Split"
        FROM document_splits
        WHERE group_key = $1 AND split <> 'excluded'
        ORDER BY position DESC
        LIMIT 1
        "#,
        group_key
    )
    .fetch_optional(conn)
    .await
}

/// Records the exclusions of documents that had a split. The position lock must be held.
pub(crate) async fn record_exclusions(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO document_splits (document_id, version, group_key, split, reason, position)
         SELECT n.document_id, n.version + 1, n.group_key, n.split, n.reason, nextval('positions')
         FROM (
             SELECT d.document_id, d.group_key, d.split, d.reason,
                    (SELECT max(s.version) FROM document_splits s WHERE s.document_id = d.document_id) AS version
             FROM decided_splits d
             WHERE NOT d.is_new
             ORDER BY d.number
         ) n",
    )
    .execute(conn)
    .await?;
    Ok(())
}
