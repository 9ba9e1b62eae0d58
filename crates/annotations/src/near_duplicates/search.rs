//! Which pairs of texts are worth a look, at a cost that no boilerplate can blow up.
//!
//! A hash that few earlier texts have brings all of them. One that many have, such as that of a standard clause, brings only
//! the first two; so a new copy of a much copied text still meets the first of its kind.
//!
//! The database says which texts were the first to have each shared hash; the pairs are counted here, where that takes a fraction of the
//! time. Memory: some 50 bytes for each shared hash of the arriving texts, the sketches of a page, and a bounded cache of sketches.

use std::collections::{BTreeSet, HashMap};

use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

use crate::near_duplicates::sketch::Sketch;

/// Earlier texts that may have a hash for it to count as rare: such a hash alone makes a pair.
const RARE: usize = 8;
/// Of a common hash the first texts are looked at; a pair needs three common hashes.
const FIRST_OF_COMMON: usize = 2;
/// A pair needs one in so many of the hashes of the smaller sketch. Half is expected of a near-duplicate, but in a corpus of
/// templates few of them are rare.
const LEAST_SHARE: usize = 16;
/// Where there are fewer than twelve hashes to compare, so many of them do instead of three common ones.
const LEAST_SHARE_OF_COMMON: usize = 4;

/// Sketches between two looks into the database.
const PAGE: i64 = 2_000;
/// Hashes of arriving sketches that are kept at hand: 32 MiB. What is beyond is read again.
const CACHED_HASHES: usize = 4 << 20;
/// Earlier sketches read at once.
const EARLIER: usize = 1_000;

/// A new sketch and an earlier one that may be of near-duplicates, as far as their sketches tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) sketch: i32,
    pub(super) other: i32,
    /// Shingles of each text, roughly.
    pub(super) shingles: usize,
    pub(super) other_shingles: usize,
}

/// What two sketches share.
#[derive(Clone, Copy, Default)]
struct Shared {
    matches: usize,
    weight: usize,
}

impl Shared {
    /// Whether that is enough for the whole sketches to be compared.
    fn suffices(self, one: &Sketch, other: &Sketch) -> bool {
        // hashes of the smaller one that the other would have kept as well
        let of_one = one.hashes.len() >> other.rate.saturating_sub(one.rate);
        let of_other = other.hashes.len() >> one.rate.saturating_sub(other.rate);
        let comparable = of_one.min(of_other);
        (self.weight >= 3 || self.weight * LEAST_SHARE_OF_COMMON >= comparable) && self.matches * LEAST_SHARE >= comparable
    }
}

/// The first texts that have each shared hash, in the order of their ids; one more than [`RARE`] at most.
#[derive(Default)]
struct Firsts {
    places: HashMap<i64, (u32, u8)>,
    ids: Vec<i32>,
}

impl Firsts {
    async fn load(conn: &mut PgConnection) -> Result<Self, sqlx::Error> {
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
        .bind(i32::try_from(RARE).expect("a small constant"))
        .fetch(conn);
        while let Some(row) = rows.try_next().await? {
            let ids: Vec<i32> = row.try_get("firsts")?;
            let start = u32::try_from(firsts.ids.len()).expect("fewer than 2^32 shared hashes fit into memory");
            firsts.places.insert(row.try_get("hash")?, (start, u8::try_from(ids.len()).expect("RARE + 1 at most")));
            firsts.ids.extend(ids);
        }
        Ok(firsts)
    }

    fn of(&self, hash: u64) -> &[i32] {
        match self.places.get(&hash.cast_signed()) {
            Some((start, length)) => &self.ids[*start as usize..*start as usize + usize::from(*length)],
            None => &[],
        }
    }

    /// What a sketch shares with each earlier one. Only what came before counts, so that it does not matter what else is in the file.
    fn count(&self, id: i32, sketch: &Sketch, counts: &mut HashMap<i32, Shared>) {
        counts.clear();
        for &hash in &sketch.hashes {
            let firsts = self.of(hash);
            let is_common = firsts.get(RARE).is_some_and(|ninth| *ninth < id);
            let looked_at = if is_common { &firsts[..FIRST_OF_COMMON] } else { firsts };
            for &other in looked_at.iter().take_while(|other| **other < id) {
                let shared = counts.entry(other).or_default();
                shared.matches += 1;
                shared.weight += if is_common { 1 } else { 3 };
            }
        }
    }
}

/// Goes through the sketches after `newest_before`, page by page.
pub(super) struct Search {
    firsts: Firsts,
    after: i32,
    cache: HashMap<i32, Sketch>,
    cached_hashes: usize,
}

impl Search {
    pub(super) async fn begin(conn: &mut PgConnection, newest_before: i32) -> Result<Self, sqlx::Error> {
        Ok(Self { firsts: Firsts::load(conn).await?, after: newest_before, cache: HashMap::new(), cached_hashes: 0 })
    }

    /// The candidates of the next page, by sketch and other; `None` when all have been looked at.
    pub(super) async fn next(&mut self, conn: &mut PgConnection) -> Result<Option<Vec<Candidate>>, sqlx::Error> {
        let page = sketches(conn, "SELECT id, rate, hashes FROM text_sketches WHERE id > $1 ORDER BY id LIMIT $2", |query| {
            query.bind(self.after).bind(PAGE)
        })
        .await?;
        let Some((last, _)) = page.last() else {
            return Ok(None);
        };
        self.after = *last;
        let mut candidates = Vec::new();
        let mut waiting = Vec::new();
        let mut counts = HashMap::new();
        for (place, (id, sketch)) in page.iter().enumerate() {
            self.firsts.count(*id, sketch, &mut counts);
            for (other, shared) in counts.drain() {
                let known = self.cache.get(&other).or_else(|| of_page(&page[..place], other));
                match known {
                    Some(known) => candidates.extend(judge((*id, sketch), (other, known), shared)),
                    None => waiting.push((place, other, shared)),
                }
            }
        }
        self.judge_waiting(conn, &page, waiting, &mut candidates).await?;
        for (id, sketch) in page {
            if self.cached_hashes + sketch.hashes.len() <= CACHED_HASHES {
                self.cached_hashes += sketch.hashes.len();
                self.cache.insert(id, sketch);
            }
        }
        candidates.sort_unstable_by_key(|candidate| (candidate.sketch, candidate.other));
        Ok(Some(candidates))
    }

    /// Pairs whose earlier sketch is in the database alone.
    async fn judge_waiting(
        &self,
        conn: &mut PgConnection,
        page: &[(i32, Sketch)],
        mut waiting: Vec<(usize, i32, Shared)>,
        candidates: &mut Vec<Candidate>,
    ) -> Result<(), sqlx::Error> {
        waiting.sort_unstable_by_key(|(_, other, _)| *other);
        let others: Vec<i32> = waiting.iter().map(|(_, other, _)| *other).collect::<BTreeSet<_>>().into_iter().collect();
        for ids in others.chunks(EARLIER) {
            let earlier =
                sketches(conn, "SELECT id, rate, hashes FROM text_sketches WHERE id = ANY($1) ORDER BY id", |query| query.bind(ids))
                    .await?;
            let from = waiting.partition_point(|(_, other, _)| *other < ids[0]);
            let to = waiting.partition_point(|(_, other, _)| *other <= ids[ids.len() - 1]);
            for (place, other, shared) in &waiting[from..to] {
                let (id, sketch) = &page[*place];
                if let Some(known) = of_page(&earlier, *other) {
                    candidates.extend(judge((*id, sketch), (*other, known), *shared));
                }
            }
        }
        Ok(())
    }
}

/// A sketch of a list that is sorted by ids.
fn of_page(page: &[(i32, Sketch)], wanted: i32) -> Option<&Sketch> {
    page.binary_search_by_key(&wanted, |(id, _)| *id).ok().map(|place| &page[place].1)
}

fn judge((sketch, one): (i32, &Sketch), (other, two): (i32, &Sketch), shared: Shared) -> Option<Candidate> {
    (shared.suffices(one, two) && one.may_be_near(two)).then(|| Candidate {
        sketch,
        other,
        shingles: one.hashes.len() << one.rate,
        other_shingles: two.hashes.len() << two.rate,
    })
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

async fn sketches<'q>(
    conn: &mut PgConnection,
    query: &'static str,
    bind: impl FnOnce(Query<'q>) -> Query<'q>,
) -> Result<Vec<(i32, Sketch)>, sqlx::Error> {
    let mut rows = bind(sqlx::query(query)).fetch(conn);
    let mut found = Vec::new();
    while let Some(row) = rows.try_next().await? {
        found.push((row.try_get("id")?, Sketch::stored(row.try_get("rate")?, &row.try_get::<Vec<i64>, _>("hashes")?)));
    }
    Ok(found)
}
