//! Which pairs of texts are worth a look, at a cost that no boilerplate can blow up.
//!
//! A hash that few earlier texts have brings all of them. One that many have, such as that of a standard clause, brings only
//! the first two; so a new copy of a much copied text still meets the first of its kind.

use sqlx::PgConnection;

/// Earlier texts that may have a hash for it to count as rare: such a hash alone makes a pair.
const RARE: i32 = 8;
/// Of a common hash the first texts are looked at; a pair needs three common hashes.
const FIRST_OF_COMMON: i32 = 2;
/// A pair needs one in so many of the hashes of the smaller sketch. Half is expected of a near-duplicate, but in a corpus of
/// templates few of them are rare.
const LEAST_SHARE: i64 = 16;
/// Where there are fewer than twelve hashes to compare, so many of them do instead of three common ones.
const LEAST_SHARE_OF_COMMON: i64 = 4;

/// Fills `candidates` with pairs of a new sketch and an earlier one.
pub(super) async fn find_candidates(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO candidates (sketch_id, other_id)
         SELECT p.sketch_id, p.other_id
         FROM (
             SELECT n.sketch_id, other.id AS other_id, count(*) AS matches,
                    sum(CASE WHEN shared.firsts[$1 + 1] < n.sketch_id THEN 1 ELSE 3 END) AS weight
             FROM (
                 SELECT h.hash, f.firsts
                 FROM shared_hashes h
                 CROSS JOIN LATERAL (
                     SELECT array_agg(e.sketch_id) AS firsts
                     FROM (
                         SELECT sketch_id
                         FROM sketch_hashes
                         WHERE hash = h.hash
                         ORDER BY sketch_id
                         LIMIT $1 + 1
                     ) e
                 ) f
             ) shared
             JOIN new_hashes n USING (hash)
             -- only what came before counts, so that it does not matter what else is in the file
             CROSS JOIN LATERAL unnest(
                 CASE WHEN shared.firsts[$1 + 1] < n.sketch_id THEN shared.firsts[1:$2] ELSE shared.firsts END
             ) AS other (id)
             WHERE other.id < n.sketch_id
             GROUP BY n.sketch_id, other.id
         ) p
         JOIN text_sketches one ON one.id = p.sketch_id
         JOIN text_sketches other ON other.id = p.other_id
         -- hashes of the smaller one that the other would have kept as well
         CROSS JOIN LATERAL (
             SELECT least(one.size >> greatest(other.rate - one.rate, 0), other.size >> greatest(one.rate - other.rate, 0)) AS comparable
         ) smaller
         WHERE (p.weight >= 3 OR p.weight * $4 >= smaller.comparable)
             AND p.matches * $3 >= smaller.comparable",
    )
    .bind(RARE)
    .bind(FIRST_OF_COMMON)
    .bind(LEAST_SHARE)
    .bind(LEAST_SHARE_OF_COMMON)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql("ANALYZE candidates").execute(conn).await?;
    Ok(())
}
