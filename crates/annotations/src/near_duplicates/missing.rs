//! Texts that came before there were sketches, or past the importer.

use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::near_duplicates::index::index;
use crate::near_duplicates::placement::{place_kept, record_exclusions};
use crate::near_duplicates::sketch::Sketch;
use crate::near_duplicates::staging;
use crate::near_duplicates::verify::Texts;
use crate::split::group_key_of;

/// Texts between two writes.
const PAGE: i64 = 1_000;

/// What indexing did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexReport {
    /// Versions of texts that had no sketch.
    pub texts_indexed: u64,
    /// Documents that left their split because a near-duplicate that came before them is in another one.
    pub documents_excluded: u64,
}

/// Indexes all texts that are not, and excludes documents that should not have got their split; in a transaction of its own.
///
/// What takes part in no overlap keeps its split. A second call finds nothing to do.
///
/// # Errors
/// When Postgres does not answer; nothing has changed then.
pub async fn index_missing(conn: &mut PgConnection) -> Result<IndexReport, sqlx::Error> {
    let mut transaction = conn.begin().await?;
    staging::create(&mut transaction).await?;
    staging::lock(&mut transaction).await?;
    let report = take_in_missing(&mut transaction).await?;
    if report.documents_excluded > 0 {
        sqlx::query("SELECT pg_advisory_xact_lock(7020641, 1)").execute(&mut *transaction).await?;
        record_exclusions(&mut transaction).await?;
    }
    staging::drop(&mut transaction).await?;
    transaction.commit().await?;
    Ok(report)
}

/// Indexes all texts that are not, and moves no document: what the leak gate needs to see everything.
/// Returns how many there were. Waits for nobody when there are none.
///
/// # Errors
/// When Postgres does not answer; nothing has changed then.
pub async fn sketch_missing(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let missing = sqlx::query_scalar!(
        r#"
        SELECT EXISTS (
            SELECT
            FROM document_texts t
            WHERE NOT EXISTS (SELECT FROM document_sketches k WHERE k.document_id = t.document_id AND k.version = t.version)
              -- what was erased has no text to compare
              AND NOT EXISTS (SELECT FROM erasures e WHERE e.document_id = t.document_id)
        ) AS "missing!"
        "#
    )
    .fetch_one(&mut *conn)
    .await?;
    if !missing {
        return Ok(0);
    }
    let mut transaction = conn.begin().await?;
    staging::create(&mut transaction).await?;
    staging::lock(&mut transaction).await?;
    let texts = sketch_all(&mut transaction).await?;
    staging::drop(&mut transaction).await?;
    transaction.commit().await?;
    Ok(texts)
}

/// The same within a transaction that has the tables and holds the lock; exclusions are in `decided_splits` afterwards.
pub(crate) async fn take_in_missing(conn: &mut PgConnection) -> Result<IndexReport, sqlx::Error> {
    let texts_indexed = sketch_all(conn).await?;
    staging::begin_round(conn).await?;
    let waiting = sqlx::query(
        "INSERT INTO arrivals (place, document_id, version, is_new, is_newest, sketch_id, is_known)
         SELECT t.position, k.document_id, k.version, false,
                NOT EXISTS (SELECT FROM document_sketches newer WHERE newer.document_id = k.document_id AND newer.version > k.version),
                k.sketch_id, true
         FROM document_sketches k
         JOIN document_texts t USING (document_id, version)
         WHERE NOT k.placed",
    )
    .execute(&mut *conn)
    .await?;
    if waiting.rows_affected() == 0 {
        return Ok(IndexReport { texts_indexed, documents_excluded: 0 });
    }
    sqlx::raw_sql("ANALYZE arrivals").execute(&mut *conn).await?;
    let documents_excluded = place_kept(conn).await?;
    sqlx::query!("UPDATE document_sketches SET placed = true WHERE NOT placed").execute(&mut *conn).await?;
    staging::begin_round(conn).await?;
    Ok(IndexReport { texts_indexed, documents_excluded })
}

/// Sketches every version of a text that has none. Memory holds one text and the sketches of a page.
async fn sketch_all(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    staging::begin_round(conn).await?;
    let (mut after, mut indexed) = ((Uuid::nil(), 0), 0_u64);
    loop {
        let mut page = Page::default();
        {
            let mut texts = sqlx::query!(
                r#"
                SELECT t.document_id, t.version, t.position, t.text
                FROM document_texts t
                WHERE (t.document_id, t.version) > ($1, $2)
                  AND NOT EXISTS (SELECT FROM document_sketches k WHERE k.document_id = t.document_id AND k.version = t.version)
                  AND NOT EXISTS (SELECT FROM erasures e WHERE e.document_id = t.document_id)
                ORDER BY t.document_id, t.version
                LIMIT $3
                "#,
                after.0,
                after.1,
                PAGE,
            )
            .fetch(&mut *conn);
            while let Some(text) = texts.try_next().await? {
                after = (text.document_id, text.version);
                page.push(text.document_id, text.version, text.position, &text.text);
            }
        }
        let texts = page.documents.len();
        indexed += texts as u64;
        page.insert(conn).await?;
        if texts < PAGE as usize {
            break;
        }
    }
    if indexed > 0 {
        index(conn, Texts::Stored).await?;
    }
    Ok(indexed)
}

/// Sketches as columns; the hashes of all in one list.
#[derive(Default)]
struct Page {
    documents: Vec<Uuid>,
    versions: Vec<i32>,
    positions: Vec<i64>,
    text_keys: Vec<String>,
    rates: Vec<i16>,
    ends: Vec<i32>,
    hashes: Vec<i64>,
}

impl Page {
    fn push(&mut self, document: Uuid, version: i32, position: i64, text: &str) {
        let sketch = Sketch::of(text);
        self.documents.push(document);
        self.versions.push(version);
        self.positions.push(position);
        self.text_keys.push(group_key_of(text));
        self.rates.push(i16::from(sketch.rate));
        self.hashes.extend(sketch.hashes.iter().map(|hash| hash.cast_signed()));
        self.ends.push(i32::try_from(self.hashes.len()).expect("the sketches of a page fit into a statement"));
    }

    async fn insert(&self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO arriving_texts (place, document_id, version, is_new, is_newest, text_key, rate, hashes)
             SELECT t.position, t.document_id, t.version, false, true, t.text_key, t.rate,
                    ($7::bigint[])[1 + lag(t.upto, 1, 0) OVER (ORDER BY t.number) : t.upto]
             FROM unnest($1::bigint[], $2::uuid[], $3::int[], $4::text[], $5::smallint[], $6::int[]) WITH ORDINALITY
                  AS t (position, document_id, version, text_key, rate, upto, number)",
        )
        .bind(&self.positions)
        .bind(&self.documents)
        .bind(&self.versions)
        .bind(&self.text_keys)
        .bind(&self.rates)
        .bind(&self.ends)
        .bind(&self.hashes)
        .execute(conn)
        .await?;
        Ok(())
    }
}
