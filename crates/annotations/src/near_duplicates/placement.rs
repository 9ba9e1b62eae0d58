//! What near-duplicates mean for the split of a document.
//!
//! Documents are judged one after the other, so that the outcome depends on their order alone and not on how a file was cut
//! into batches: first those that have a split already (their text changed, or was not compared so far), then new ones in the
//! order of the file. Each sees the documents judged before it and all others that keep what they have.
//!
//! * A document that has a split keeps it; it is `excluded`, reason `bridge`, when a near-duplicate is in another split.
//! * A new one takes group and split of its near-duplicates (of several groups that of the greatest containment), is
//!   `excluded`, reason `bridge`, when they are in different splits, and goes by the hash of its own text when there are none.
//! * Excluded documents count for nothing: nobody learns from them or is measured on them, so they tie nothing together.

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::split::{Split, SplitRatios};

/// Documents judged between two queries for more.
const PAGE: i64 = 1_000;

/// Where the near-duplicates of a text are: each split once, with the group that is nearest.
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
             WHERE document_id = k.document_id
             ORDER BY version DESC
             LIMIT 1)
        ) known
        ORDER BY decided DESC
        LIMIT 1
    ) current
    WHERE k.document_id <> $2
        AND current.split <> 'excluded'
        AND NOT EXISTS (SELECT FROM document_sketches newer WHERE newer.document_id = k.document_id AND newer.version > k.version)
        -- judged later
        AND NOT EXISTS (SELECT FROM arrivals a WHERE a.document_id = k.document_id AND NOT a.is_new AND a.is_newest AND a.place > $3)
    ORDER BY current.split, near.containment DESC, near.sketch_id, k.document_id";

struct Neighbour {
    split: Split,
    group_key: String,
}

async fn neighbours(conn: &mut PgConnection, sketch: i32, but: Uuid, until: i64) -> Result<Vec<Neighbour>, sqlx::Error> {
    let rows = sqlx::query(NEIGHBOURS).bind(sketch).bind(but).bind(until).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(Neighbour { split: row.try_get("split")?, group_key: row.try_get("group_key")? })).collect()
}

/// Decides about the documents of `arrivals` that have a split. Returns how many are excluded.
pub(crate) async fn place_kept(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let (mut after, mut excluded) = (i64::MIN, 0);
    loop {
        // those alone that see another split at all; whether it counts is found out one by one
        let page = sqlx::query(
            "WITH kept AS MATERIALIZED (
                 SELECT a.place, a.document_id, a.sketch_id, own.split, own.group_key
                 FROM arrivals a
                 CROSS JOIN LATERAL (
                     SELECT split, group_key
                     FROM document_splits
                     WHERE document_id = a.document_id
                     ORDER BY version DESC
                     LIMIT 1
                 ) own
                 WHERE NOT a.is_new AND a.is_newest AND own.split <> 'excluded' AND a.place > $1
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
                     WHERE document_id = k.document_id
                     ORDER BY version DESC
                     LIMIT 1
                 ) current
                 WHERE k.sketch_id IN (SELECT other_id FROM reach)
             )
             SELECT place, document_id, sketch_id, split, group_key
             FROM kept
             WHERE EXISTS (
                 SELECT
                 FROM reach
                 JOIN taken ON taken.sketch_id = reach.other_id
                 WHERE reach.sketch_id = kept.sketch_id AND taken.split NOT IN ('excluded', kept.split)
             )
             ORDER BY place
             LIMIT $2",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *conn)
        .await?;
        for row in &page {
            let (document, own): (Uuid, Split) = (row.try_get("document_id")?, row.try_get("split")?);
            after = row.try_get("place")?;
            let near = neighbours(conn, row.try_get("sketch_id")?, document, after).await?;
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
        if page.len() < PAGE as usize {
            return Ok(excluded);
        }
    }
}

/// Decides about the new documents of `arrivals` that have near-duplicates. Equal texts get one decision.
pub(crate) async fn place_new(conn: &mut PgConnection, ratios: SplitRatios) -> Result<(), sqlx::Error> {
    let mut after = i64::MIN;
    loop {
        let page = sqlx::query(
            "SELECT a.sketch_id, s.text_key, a.place
             FROM (
                 SELECT sketch_id, min(place) AS place
                 FROM arrivals
                 WHERE is_new
                 GROUP BY sketch_id
             ) a
             JOIN text_sketches s ON s.id = a.sketch_id
             WHERE a.place > $1 AND EXISTS (SELECT FROM near_duplicates n WHERE n.sketch_id = a.sketch_id)
             ORDER BY a.place
             LIMIT $2",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *conn)
        .await?;
        for row in &page {
            let (sketch, own_group): (i32, String) = (row.try_get("sketch_id")?, row.try_get("text_key")?);
            after = row.try_get("place")?;
            let mut near = neighbours(conn, sketch, Uuid::nil(), i64::MAX).await?;
            let (split, group_key, reason) = match (near.pop(), near.is_empty()) {
                (None, _) => match known_group(conn, &own_group).await? {
                    Some(split) => (split, own_group, "inherited"),
                    None => (ratios.split_of(&own_group), own_group, "hash"),
                },
                (Some(only), true) => (only.split, only.group_key, "inherited"),
                (Some(_), false) => (Split::Excluded, own_group, "bridge"),
            };
            sqlx::query(
                "INSERT INTO decided_splits (document_id, is_new, group_key, split, reason)
                 SELECT document_id, true, $2, $3,
                        CASE WHEN $4 = 'hash' AND row_number() OVER (ORDER BY place) > 1 THEN 'inherited' ELSE $4 END
                 FROM arrivals
                 WHERE sketch_id = $1 AND is_new
                 ORDER BY place",
            )
            .bind(sketch)
            .bind(&group_key)
            .bind(split)
            .bind(reason)
            .execute(&mut *conn)
            .await?;
        }
        if page.len() < PAGE as usize {
            return Ok(());
        }
    }
}

/// The split of a group that is there already although no document has its text any more.
async fn known_group(conn: &mut PgConnection, group_key: &str) -> Result<Option<Split>, sqlx::Error> {
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

/// Writes the exclusions of documents that had a split. The lock on positions must be held.
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
