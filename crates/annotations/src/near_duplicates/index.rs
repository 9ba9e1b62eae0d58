//! Makes rows of the sketches of arriving texts, and of the pairs that are near-duplicates.

use sqlx::PgConnection;

use crate::near_duplicates::verify::{Texts, verify_new};

/// Indexes what is in `arriving_texts`; the documents must be there, the lock must be held. Texts of an import are placed by their
/// importer; stored ones wait until somebody does.
pub(crate) async fn index(conn: &mut PgConnection, texts: Texts) -> Result<(), sqlx::Error> {
    // sorting millions of hashes on disk would take longer than everything else; statistics so that they are joined well
    sqlx::raw_sql("SET LOCAL work_mem = '64MB'").execute(&mut *conn).await?;
    let newest_before: i32 = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM text_sketches").fetch_one(&mut *conn).await?;
    insert_sketches(conn, texts, newest_before).await?;
    insert_hashes(conn, newest_before).await?;
    verify_new(conn, newest_before, texts).await?;
    sqlx::raw_sql("SET LOCAL work_mem TO DEFAULT").execute(conn).await?;
    Ok(())
}

/// Numbers sketches in the order of arrival: the earlier of two has the lower number.
async fn insert_sketches(conn: &mut PgConnection, texts: Texts, newest_before: i32) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO text_sketches (text_key, rate, size, hashes)
         SELECT f.text_key, f.rate, cardinality(f.hashes), f.hashes
         FROM (
             SELECT DISTINCT ON (text_key) place, text_key, rate, hashes
             FROM arriving_texts
             ORDER BY text_key, place
         ) f
         WHERE NOT EXISTS (SELECT FROM text_sketches s WHERE s.text_key = f.text_key)
         ORDER BY f.place",
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO arrivals (place, document_id, version, is_new, is_newest, sketch_id, is_known)
         SELECT a.place, a.document_id, a.version, a.is_new, a.is_newest, s.id,
                s.id <= $1 OR bool_or(NOT a.is_new) OVER (PARTITION BY s.id)
         FROM arriving_texts a
         JOIN text_sketches s USING (text_key)
         ORDER BY a.place",
    )
    .bind(newest_before)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql("ANALYZE arrivals").execute(&mut *conn).await?;
    sqlx::query(
        "INSERT INTO document_sketches (document_id, version, sketch_id, placed)
         SELECT document_id, version, sketch_id, $1
         FROM arrivals
         ORDER BY place",
    )
    .bind(matches!(texts, Texts::Staged))
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_hashes(conn: &mut PgConnection, newest_before: i32) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO new_hashes (hash, sketch_id)
         SELECT h.hash, s.id
         FROM text_sketches s
         CROSS JOIN LATERAL unnest(s.hashes) AS h (hash)
         WHERE s.id > $1
         -- neighbours in the index are written one after the other: several times as fast as in any order
         ORDER BY h.hash, s.id",
    )
    .bind(newest_before)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql("ANALYZE new_hashes").execute(&mut *conn).await?;
    // before the new ones are among the old ones
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
