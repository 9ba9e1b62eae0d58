//! Stored texts without a sketch.

use futures::TryStreamExt;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::near_duplicates::index::index;
use crate::near_duplicates::sketch::Sketch;
use crate::near_duplicates::staging;
use crate::near_duplicates::texts::TextSource;
use crate::splits::compute_group_key;

/// Number of texts per page.
const PAGE_SIZE: i64 = 1_000;

/// Whether a text has no sketch. Erased texts do not count.
pub(super) async fn has_missing_texts(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT EXISTS (
            SELECT
            FROM document_texts t
            WHERE NOT EXISTS (SELECT FROM document_sketches k WHERE k.document_id = t.document_id AND k.version = t.version)
              AND NOT EXISTS (SELECT FROM erasures e WHERE e.document_id = t.document_id)
        ) AS "missing!"
        "#
    )
    .fetch_one(conn)
    .await
}

/// Sketches and indexes every version of a text that has no sketch. Returns their number. Memory holds one text and the sketches of a page.
pub(super) async fn sketch_missing_texts(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
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
                PAGE_SIZE,
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
        if texts < PAGE_SIZE as usize {
            break;
        }
    }
    if indexed > 0 {
        index(conn, TextSource::Stored).await?;
    }
    Ok(indexed)
}

/// Sketches in columns; the hashes of all sketches are in one list.
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
        self.text_keys.push(compute_group_key(text));
        self.rates.push(i16::from(sketch.rate));
        self.hashes.extend(sketch.hashes.iter().map(|hash| hash.cast_signed()));
        self.ends.push(i32::try_from(self.hashes.len()).expect("the sketches of a page fit into a statement"));
    }

    async fn insert(&self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO arriving_texts (ordinal, document_id, version, is_new, is_newest, text_key, rate, hashes)
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
