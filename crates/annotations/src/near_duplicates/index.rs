//! Inserts the sketches of arriving texts and their near-duplicates.

use sqlx::PgConnection;

use crate::near_duplicates::texts::TextSource;
use crate::near_duplicates::verify::verify_new;

/// Indexes the texts in `arriving_texts`. Their documents must exist, and the lock
/// [`lock`](super::lock) must be held. Staged texts count as placed, because their import assigns
/// the splits; stored texts stay unplaced until the next backfill.
pub(crate) async fn index(conn: &mut PgConnection, source: TextSource) -> Result<(), sqlx::Error> {
    // sorting millions of hashes on disk would take longer than everything else
    sqlx::raw_sql("SET LOCAL work_mem = '64MB'").execute(&mut *conn).await?;
    let latest_before = sqlx::query_scalar!(r#"SELECT coalesce(max(id), 0) AS "latest!" FROM text_sketches"#).fetch_one(&mut *conn).await?;
    insert_sketches(conn, source, latest_before).await?;
    insert_hashes(conn, latest_before).await?;
    verify_new(conn, latest_before, source).await?;
    sqlx::raw_sql("SET LOCAL work_mem TO DEFAULT").execute(conn).await?;
    Ok(())
}

/// Inserts sketches in the order of arrival: the earlier of two has the lower id.
async fn insert_sketches(conn: &mut PgConnection, source: TextSource, latest_before: i32) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO text_sketches (text_key, rate, size, hashes)
         SELECT f.text_key, f.rate, cardinality(f.hashes), f.hashes
         FROM (
             SELECT DISTINCT ON (text_key) ordinal, text_key, rate, hashes
             FROM arriving_texts
             ORDER BY text_key, ordinal
         ) f
         WHERE NOT EXISTS (SELECT FROM text_sketches s WHERE s.text_key = f.text_key)
         ORDER BY f.ordinal",
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO arrivals (ordinal, document_id, version, is_new, is_newest, sketch_id, is_known)
         SELECT a.ordinal, a.document_id, a.version, a.is_new, a.is_newest, s.id,
                s.id <= $1 OR bool_or(NOT a.is_new) OVER (PARTITION BY s.id)
         FROM arriving_texts a
         JOIN text_sketches s USING (text_key)
         ORDER BY a.ordinal",
    )
    .bind(latest_before)
    .execute(&mut *conn)
    .await?;
    // the planner needs statistics of the temporary tables to choose good joins
    sqlx::raw_sql("ANALYZE arrivals").execute(&mut *conn).await?;
    sqlx::query(
        "INSERT INTO document_sketches (document_id, version, sketch_id, placed)
         SELECT document_id, version, sketch_id, $1
         FROM arrivals
         ORDER BY ordinal",
    )
    .bind(matches!(source, TextSource::Staged))
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_hashes(conn: &mut PgConnection, latest_before: i32) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO new_hashes (hash, sketch_id)
         SELECT h.hash, s.id
         FROM text_sketches s
         CROSS JOIN LATERAL unnest(s.hashes) AS h (hash)
         WHERE s.id > $1
         -- index order makes the insertion several times faster than any other order
         ORDER BY h.hash, s.id",
    )
    .bind(latest_before)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql("ANALYZE new_hashes").execute(&mut *conn).await?;
    // before the new hashes are inserted into sketch_hashes
    sqlx::query(
        "INSERT INTO shared_hashes (hash)
         SELECT n.hash
         FROM (SELECT hash, count(*) AS texts FROM new_hashes GROUP BY hash) n
         WHERE n.texts > 1 OR EXISTS (SELECT FROM sketch_hashes e WHERE e.hash = n.hash)",
    )
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql("ANALYZE shared_hashes").execute(&mut *conn).await?;
    sqlx::query("INSERT INTO sketch_hashes (hash, sketch_id) SELECT hash, sketch_id FROM new_hashes").execute(conn).await?;
    Ok(())
}
