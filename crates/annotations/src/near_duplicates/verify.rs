//! Verifies candidates by comparing the shingles of the whole texts.

use std::collections::{BTreeSet, HashMap};

use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

use crate::near_duplicates::search::{Candidate, Search};
use crate::near_duplicates::shingles::{MIN_CONTAINMENT, Shingles};
use crate::near_duplicates::texts::TextSource;

/// Maximum number of shingles held in memory, unless two texts have more: 16 MiB.
const MAX_HELD_SHINGLES: usize = 2 << 20;
/// Maximum number of texts read by one statement.
const MAX_TEXTS: usize = 1_000;

/// Finds and stores the near-duplicates of the sketches after `latest_before`.
pub(super) async fn verify_new(conn: &mut PgConnection, latest_before: i32, source: TextSource) -> Result<(), sqlx::Error> {
    let mut search = Search::begin(conn, latest_before).await?;
    let mut cache = ShingleCache { source, shingles: HashMap::new(), count: 0 };
    while let Some(candidates) = search.next_page(conn).await? {
        let verified = cache.compare(conn, &candidates).await?;
        if !verified.sketches.is_empty() {
            verified.insert(conn).await?;
        }
    }
    Ok(())
}

/// The shingles of recently used texts. A much copied text is compared with many others.
struct ShingleCache {
    source: TextSource,
    shingles: HashMap<i32, Shingles>,
    count: usize,
}

impl ShingleCache {
    async fn compare(&mut self, conn: &mut PgConnection, candidates: &[Candidate]) -> Result<VerifiedPairs, sqlx::Error> {
        let mut verified = VerifiedPairs::default();
        let mut rest = candidates;
        while !rest.is_empty() {
            if self.count > MAX_HELD_SHINGLES / 2 {
                self.shingles.clear();
                self.count = 0;
            }
            let (pairs, needed) = self.plan_pairs(rest);
            self.read(conn, &needed).await?;
            for pair in &rest[..pairs] {
                if let (Some(one), Some(other)) = (self.shingles.get(&pair.sketch), self.shingles.get(&pair.other)) {
                    let containment = one.containment(other);
                    if containment >= MIN_CONTAINMENT {
                        verified.push(pair.sketch, pair.other, containment);
                    }
                }
            }
            rest = &rest[pairs..];
        }
        Ok(verified)
    }

    /// Returns the number of pairs that can be compared within the memory limit, at least one, and the texts to read for them.
    fn plan_pairs(&self, candidates: &[Candidate]) -> (usize, Vec<i32>) {
        let mut needed = BTreeSet::new();
        let mut count = self.count;
        for (index, pair) in candidates.iter().enumerate() {
            let missing = [(pair.sketch, pair.shingles), (pair.other, pair.other_shingles)];
            let missing = missing.into_iter().filter(|(id, _)| !self.shingles.contains_key(id) && !needed.contains(id)).collect::<Vec<_>>();
            count += missing.iter().map(|(_, shingles)| shingles).sum::<usize>();
            if index > 0 && (count > MAX_HELD_SHINGLES || needed.len() >= MAX_TEXTS) {
                return (index, needed.into_iter().collect());
            }
            needed.extend(missing.into_iter().map(|(id, _)| id));
        }
        (candidates.len(), needed.into_iter().collect())
    }

    async fn read(&mut self, conn: &mut PgConnection, ids: &[i32]) -> Result<(), sqlx::Error> {
        let mut rows = sqlx::query(self.source.query()).bind(ids).fetch(conn);
        while let Some(row) = rows.try_next().await? {
            let shingles = Shingles::of(row.try_get("text")?);
            self.count += shingles.len();
            self.shingles.insert(row.try_get("id")?, shingles);
        }
        Ok(())
    }
}

/// Near-duplicates in columns.
#[derive(Default)]
struct VerifiedPairs {
    sketches: Vec<i32>,
    others: Vec<i32>,
    containments: Vec<f32>,
}

impl VerifiedPairs {
    fn push(&mut self, sketch: i32, other: i32, containment: f64) {
        self.sketches.push(sketch);
        self.others.push(other);
        #[expect(clippy::cast_possible_truncation, reason = "the stored containment is reported, not compared")]
        self.containments.push(containment as f32);
    }

    /// Inserts both directions of each pair, so that a lookup needs one index.
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
