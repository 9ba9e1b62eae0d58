//! Candidates become near-duplicates, or are dropped: first by their whole sketches, then by their whole texts.

use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

use crate::near_duplicates::LEAST_CONTAINMENT;
use crate::near_duplicates::shingles::Shingles;
use crate::near_duplicates::sketch::Sketch;

/// Pairs between two writes.
const PAGE: i64 = 5_000;

/// Where the text of a new sketch is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Texts {
    /// Still in the temporary tables of an import.
    Staged,
    /// In `document_texts`.
    Stored,
}

/// Verifies what is in `candidates`. Memory holds two texts and their shingles.
pub(super) async fn verify_candidates(conn: &mut PgConnection, texts: Texts) -> Result<(), sqlx::Error> {
    let mut after = (0, 0);
    loop {
        let (page, end) = similar_sketches(conn, after).await?;
        if !page.is_empty() {
            compare_texts(conn, &page, texts).await?.insert(conn).await?;
        }
        match end {
            Some(end) => after = end,
            None => return Ok(()),
        }
    }
}

/// Those pairs of a page whose whole sketches do not speak against it, and where the page ended; `None` when it was the last.
async fn similar_sketches(conn: &mut PgConnection, after: (i32, i32)) -> Result<(Vec<(i32, i32)>, Option<(i32, i32)>), sqlx::Error> {
    let mut pairs = sqlx::query(
        "SELECT c.sketch_id, c.other_id, one.rate, one.hashes, other.rate AS other_rate, other.hashes AS other_hashes
         FROM (
             SELECT sketch_id, other_id
             FROM candidates
             WHERE (sketch_id, other_id) > ($1, $2)
             ORDER BY sketch_id, other_id
             LIMIT $3
         ) c
         JOIN text_sketches one ON one.id = c.sketch_id
         JOIN text_sketches other ON other.id = c.other_id
         ORDER BY c.sketch_id, c.other_id",
    )
    .bind(after.0)
    .bind(after.1)
    .bind(PAGE)
    .fetch(conn);
    let (mut similar, mut seen, mut end) = (Vec::new(), 0, after);
    while let Some(pair) = pairs.try_next().await? {
        seen += 1;
        end = (pair.try_get("sketch_id")?, pair.try_get("other_id")?);
        let one = Sketch::stored(pair.try_get("rate")?, &pair.try_get::<Vec<i64>, _>("hashes")?);
        let other = Sketch::stored(pair.try_get("other_rate")?, &pair.try_get::<Vec<i64>, _>("other_hashes")?);
        if one.may_be_near(&other) {
            similar.push(end);
        }
    }
    Ok((similar, (seen == PAGE).then_some(end)))
}

/// The pairs whose whole texts are near-duplicates.
async fn compare_texts(conn: &mut PgConnection, pairs: &[(i32, i32)], texts: Texts) -> Result<Verified, sqlx::Error> {
    let (sketches, others): (Vec<i32>, Vec<i32>) = pairs.iter().copied().unzip();
    let query = match texts {
        Texts::Staged => STAGED_TEXTS,
        Texts::Stored => STORED_TEXTS,
    };
    let mut rows = sqlx::query(query).bind(&sketches).bind(&others).fetch(conn);
    let mut verified = Verified::default();
    let mut last: Option<(i32, Shingles)> = None;
    while let Some(row) = rows.try_next().await? {
        let (sketch, other): (i32, i32) = (row.try_get("sketch_id")?, row.try_get("other_id")?);
        let one = match last.take() {
            Some((id, shingles)) if id == sketch => shingles,
            _ => Shingles::of(row.try_get("text")?),
        };
        let containment = one.containment(&Shingles::of(row.try_get("other_text")?));
        if containment >= LEAST_CONTAINMENT {
            verified.push(sketch, other, containment);
        }
        last = Some((sketch, one));
    }
    Ok(verified)
}

// Of several texts of a sketch, which differ in case and white space, any one will do. One whose documents are gone is near to nothing.
const STAGED_TEXTS: &str = "
    SELECT pair.sketch_id, pair.other_id,
           coalesce(
               (SELECT x.text FROM arrivals a JOIN staged_texts x ON x.task_index = a.place WHERE a.sketch_id = pair.sketch_id LIMIT 1),
               '') AS text,
           coalesce(
               (SELECT x.text FROM arrivals a JOIN staged_texts x ON x.task_index = a.place WHERE a.sketch_id = pair.other_id LIMIT 1),
               (SELECT t.text FROM document_sketches k JOIN document_texts t USING (document_id, version) WHERE k.sketch_id = pair.other_id LIMIT 1),
               '') AS other_text
    FROM unnest($1::int[], $2::int[]) AS pair (sketch_id, other_id)";

const STORED_TEXTS: &str = "
    SELECT pair.sketch_id, pair.other_id,
           coalesce(
               (SELECT t.text FROM document_sketches k JOIN document_texts t USING (document_id, version) WHERE k.sketch_id = pair.sketch_id LIMIT 1),
               '') AS text,
           coalesce(
               (SELECT t.text FROM document_sketches k JOIN document_texts t USING (document_id, version) WHERE k.sketch_id = pair.other_id LIMIT 1),
               '') AS other_text
    FROM unnest($1::int[], $2::int[]) AS pair (sketch_id, other_id)";

/// Pairs as columns.
#[derive(Default)]
struct Verified {
    sketches: Vec<i32>,
    others: Vec<i32>,
    containments: Vec<f32>,
}

impl Verified {
    fn push(&mut self, sketch: i32, other: i32, containment: f64) {
        self.sketches.push(sketch);
        self.others.push(other);
        #[expect(clippy::cast_possible_truncation, reason = "a share with seven digits is told, not compared")]
        self.containments.push(containment as f32);
    }

    /// Both directions, so that a look-up needs one index.
    async fn insert(&self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "INSERT INTO near_duplicates (sketch_id, other_id, containment)
             SELECT pair.sketch_id, pair.other_id, v.containment
             FROM unnest($1::int[], $2::int[], $3::real[]) AS v (one_id, two_id, containment)
             CROSS JOIN LATERAL (VALUES (v.one_id, v.two_id), (v.two_id, v.one_id)) AS pair (sketch_id, other_id)
             ON CONFLICT DO NOTHING",
            &self.sketches,
            &self.others,
            &self.containments,
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}
