//! Candidates become near-duplicates, or are dropped, by their whole texts.

use std::collections::{BTreeSet, HashMap};

use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

use crate::near_duplicates::LEAST_CONTAINMENT;
use crate::near_duplicates::search::{Candidate, Search};
use crate::near_duplicates::shingles::Shingles;

/// Shingles that are held at once, unless two texts have more: 16 MiB.
const HELD_SHINGLES: usize = 2 << 20;
/// Texts read at once.
const TEXTS: usize = 1_000;

/// Where the text of a new sketch is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Texts {
    /// Still in the temporary tables of an import.
    Staged,
    /// In `document_texts`.
    Stored,
}

/// Finds and verifies the pairs of the sketches after `newest_before`.
pub(super) async fn verify_new(conn: &mut PgConnection, newest_before: i32, texts: Texts) -> Result<(), sqlx::Error> {
    let mut search = Search::begin(conn, newest_before).await?;
    let mut held = Held { texts, shingles: HashMap::new(), count: 0 };
    while let Some(candidates) = search.next(conn).await? {
        let verified = held.compare(conn, &candidates).await?;
        if !verified.sketches.is_empty() {
            verified.insert(conn).await?;
        }
    }
    Ok(())
}

/// The shingles of the texts that were needed last: the first of its kind is compared with many.
struct Held {
    texts: Texts,
    shingles: HashMap<i32, Shingles>,
    count: usize,
}

impl Held {
    async fn compare(&mut self, conn: &mut PgConnection, candidates: &[Candidate]) -> Result<Verified, sqlx::Error> {
        let mut verified = Verified::default();
        let mut rest = candidates;
        while !rest.is_empty() {
            if self.count > HELD_SHINGLES / 2 {
                self.shingles.clear();
                self.count = 0;
            }
            let (pairs, needed) = self.next_pairs(rest);
            self.read(conn, &needed).await?;
            for pair in &rest[..pairs] {
                if let (Some(one), Some(other)) = (self.shingles.get(&pair.sketch), self.shingles.get(&pair.other)) {
                    let containment = one.containment(other);
                    if containment >= LEAST_CONTAINMENT {
                        verified.push(pair.sketch, pair.other, containment);
                    }
                }
            }
            rest = &rest[pairs..];
        }
        Ok(verified)
    }

    /// How many of the pairs can be compared with what fits into memory, and the texts that are missing for them; at least one pair.
    fn next_pairs(&self, candidates: &[Candidate]) -> (usize, Vec<i32>) {
        let mut needed = BTreeSet::new();
        let mut count = self.count;
        for (place, pair) in candidates.iter().enumerate() {
            let missing = [(pair.sketch, pair.shingles), (pair.other, pair.other_shingles)];
            let missing = missing.into_iter().filter(|(id, _)| !self.shingles.contains_key(id) && !needed.contains(id)).collect::<Vec<_>>();
            count += missing.iter().map(|(_, shingles)| shingles).sum::<usize>();
            if place > 0 && (count > HELD_SHINGLES || needed.len() >= TEXTS) {
                return (place, needed.into_iter().collect());
            }
            needed.extend(missing.into_iter().map(|(id, _)| id));
        }
        (candidates.len(), needed.into_iter().collect())
    }

    async fn read(&mut self, conn: &mut PgConnection, ids: &[i32]) -> Result<(), sqlx::Error> {
        let query = match self.texts {
            Texts::Staged => STAGED_TEXTS,
            Texts::Stored => STORED_TEXTS,
        };
        let mut rows = sqlx::query(query).bind(ids).fetch(conn);
        while let Some(row) = rows.try_next().await? {
            let shingles = Shingles::of(row.try_get("text")?);
            self.count += shingles.len();
            self.shingles.insert(row.try_get("id")?, shingles);
        }
        Ok(())
    }
}

// Of several texts of a sketch, which differ in case and white space, any one will do. One whose documents are gone is near to nothing.
const STAGED_TEXTS: &str = "
    SELECT wanted.id,
           coalesce(
               (SELECT x.text FROM arrivals a JOIN staged_texts x ON x.task_index = a.place WHERE a.sketch_id = wanted.id LIMIT 1),
               (SELECT t.text FROM document_sketches k JOIN document_texts t USING (document_id, version) WHERE k.sketch_id = wanted.id LIMIT 1),
               '') AS text
    FROM unnest($1::int[]) AS wanted (id)";

const STORED_TEXTS: &str = "
    SELECT wanted.id,
           coalesce(
               (SELECT t.text FROM document_sketches k JOIN document_texts t USING (document_id, version) WHERE k.sketch_id = wanted.id LIMIT 1),
               '') AS text
    FROM unnest($1::int[]) AS wanted (id)";

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
