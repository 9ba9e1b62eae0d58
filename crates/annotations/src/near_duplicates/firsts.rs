//! First occurrences of shared hashes, and the overlap of a sketch with earlier ones.

use std::collections::HashMap;

use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

use crate::near_duplicates::sketch::Sketch;

/// Maximum number of earlier texts with a rare hash; one rare hash is enough for a candidate.
const MAX_RARE_TEXTS: usize = 8;
/// Number of first texts considered for a common hash; a candidate needs three common hashes.
const FIRST_OF_COMMON: usize = 2;
/// Minimum weight of a candidate. A rare hash has this weight, a common hash has weight 1.
const MIN_WEIGHT: usize = 3;
/// A candidate shares at least one in 16 hashes of the smaller sketch. Half is expected of a near-duplicate, but in a corpus of templates
/// only few of these hashes are rare.
const MIN_MATCH_DIVISOR: usize = 16;
/// With fewer than twelve comparable hashes, a weight of a quarter of them is enough instead of [`MIN_WEIGHT`].
const MIN_WEIGHT_DIVISOR: usize = 4;

/// Overlap of two sketches.
#[derive(Clone, Copy, Default)]
pub(super) struct Overlap {
    matches: usize,
    weight: usize,
}

impl Overlap {
    /// Whether the overlap is large enough to compare the whole sketches.
    pub(super) fn suffices(self, one: &Sketch, other: &Sketch) -> bool {
        // hashes of each sketch that the rate of the other would keep as well
        let of_one = one.hashes.len() >> other.rate.saturating_sub(one.rate);
        let of_other = other.hashes.len() >> one.rate.saturating_sub(other.rate);
        let comparable = of_one.min(of_other);
        (self.weight >= MIN_WEIGHT || self.weight * MIN_WEIGHT_DIVISOR >= comparable) && self.matches * MIN_MATCH_DIVISOR >= comparable
    }
}

/// The first texts that have each shared hash, by id; at most one more than [`MAX_RARE_TEXTS`].
#[derive(Default)]
pub(super) struct FirstOccurrences {
    /// Start and length in `ids`, by hash.
    ranges: HashMap<i64, (u32, u8)>,
    ids: Vec<i32>,
}

impl FirstOccurrences {
    pub(super) async fn load(conn: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let mut firsts = Self::default();
        let mut rows = sqlx::query(
            "SELECT h.hash, f.firsts
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
             ) f",
        )
        .bind(i32::try_from(MAX_RARE_TEXTS).expect("a small constant"))
        .fetch(conn);
        while let Some(row) = rows.try_next().await? {
            let ids: Vec<i32> = row.try_get("firsts")?;
            let start = u32::try_from(firsts.ids.len()).expect("fewer than 2^32 shared hashes fit into memory");
            firsts.ranges.insert(row.try_get("hash")?, (start, u8::try_from(ids.len()).expect("at most MAX_RARE_TEXTS + 1")));
            firsts.ids.extend(ids);
        }
        Ok(firsts)
    }

    fn get(&self, hash: u64) -> &[i32] {
        match self.ranges.get(&hash.cast_signed()) {
            Some((start, length)) => &self.ids[*start as usize..*start as usize + usize::from(*length)],
            None => &[],
        }
    }

    /// Computes the overlap of a sketch with each earlier one. Later sketches do not count, so that the rest of the file does not matter.
    pub(super) fn count_overlaps(&self, id: i32, sketch: &Sketch, overlaps: &mut HashMap<i32, Overlap>) {
        overlaps.clear();
        for &hash in &sketch.hashes {
            let firsts = self.get(hash);
            let is_common = firsts.get(MAX_RARE_TEXTS).is_some_and(|ninth| *ninth < id);
            let considered = if is_common { &firsts[..FIRST_OF_COMMON] } else { firsts };
            for &other in considered.iter().take_while(|other| **other < id) {
                let overlap = overlaps.entry(other).or_default();
                overlap.matches += 1;
                overlap.weight += if is_common { 1 } else { MIN_WEIGHT };
            }
        }
    }
}
