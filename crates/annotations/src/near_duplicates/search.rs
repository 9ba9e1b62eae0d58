//! Finds candidate pairs by their sketches, at a cost that boilerplate cannot inflate.
//!
//! A hash that few earlier texts have makes all of them candidates. A common hash, such as one of a standard clause, considers only the
//! first two texts that have it; so a new copy of a much copied text still meets the first copy.
//!
//! The database finds the first texts of each shared hash; the overlaps are counted here, which is many times faster. Memory: about 50
//! bytes per shared hash of the arriving texts, the sketches of a page, and a bounded cache of sketches.

use std::collections::{BTreeSet, HashMap};

use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

use crate::near_duplicates::firsts::{FirstOccurrences, Overlap};
use crate::near_duplicates::sketch::Sketch;

/// Number of arriving sketches per page.
const PAGE_SIZE: i64 = 2_000;
/// Maximum number of hashes of cached arriving sketches: 32 MiB. Other sketches are read again.
const MAX_CACHED_HASHES: usize = 4 << 20;
/// Maximum number of earlier sketches read by one statement.
const MAX_EARLIER: usize = 1_000;

/// A new sketch and an earlier one whose texts may be near-duplicates, judging by the sketches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) sketch: i32,
    pub(super) other: i32,
    /// Approximate number of shingles of each text.
    pub(super) shingles: usize,
    pub(super) other_shingles: usize,
}

/// Searches the sketches after `latest_before`, page by page.
pub(super) struct Search {
    firsts: FirstOccurrences,
    after: i32,
    cache: HashMap<i32, Sketch>,
    cached_hashes: usize,
}

impl Search {
    pub(super) async fn begin(conn: &mut PgConnection, latest_before: i32) -> Result<Self, sqlx::Error> {
        Ok(Self { firsts: FirstOccurrences::load(conn).await?, after: latest_before, cache: HashMap::new(), cached_hashes: 0 })
    }

    /// Returns the candidates of the next page, sorted by both ids; `None` at the end.
    pub(super) async fn next_page(&mut self, conn: &mut PgConnection) -> Result<Option<Vec<Candidate>>, sqlx::Error> {
        let page = load_sketches(conn, "SELECT id, rate, hashes FROM text_sketches WHERE id > $1 ORDER BY id LIMIT $2", |query| {
            query.bind(self.after).bind(PAGE_SIZE)
        })
        .await?;
        let Some((last, _)) = page.last() else {
            return Ok(None);
        };
        self.after = *last;
        let mut candidates = Vec::new();
        let mut uncached = Vec::new();
        let mut overlaps = HashMap::new();
        for (index, (id, sketch)) in page.iter().enumerate() {
            self.firsts.count_overlaps(*id, sketch, &mut overlaps);
            for (other, overlap) in overlaps.drain() {
                match self.cache.get(&other).or_else(|| find_sketch(&page[..index], other)) {
                    Some(earlier) => candidates.extend(compare((*id, sketch), (other, earlier), overlap)),
                    None => uncached.push((index, other, overlap)),
                }
            }
        }
        compare_uncached(conn, &page, uncached, &mut candidates).await?;
        for (id, sketch) in page {
            if self.cached_hashes + sketch.hashes.len() <= MAX_CACHED_HASHES {
                self.cached_hashes += sketch.hashes.len();
                self.cache.insert(id, sketch);
            }
        }
        candidates.sort_unstable_by_key(|candidate| (candidate.sketch, candidate.other));
        Ok(Some(candidates))
    }
}

/// Compares pairs whose earlier sketch must be read from the database. A pair has the index of the new sketch in the page.
async fn compare_uncached(
    conn: &mut PgConnection,
    page: &[(i32, Sketch)],
    mut pairs: Vec<(usize, i32, Overlap)>,
    candidates: &mut Vec<Candidate>,
) -> Result<(), sqlx::Error> {
    pairs.sort_unstable_by_key(|(_, other, _)| *other);
    let others: Vec<i32> = pairs.iter().map(|(_, other, _)| *other).collect::<BTreeSet<_>>().into_iter().collect();
    for ids in others.chunks(MAX_EARLIER) {
        let earlier =
            load_sketches(conn, "SELECT id, rate, hashes FROM text_sketches WHERE id = ANY($1) ORDER BY id", |query| query.bind(ids))
                .await?;
        let from = pairs.partition_point(|(_, other, _)| *other < ids[0]);
        let to = pairs.partition_point(|(_, other, _)| *other <= ids[ids.len() - 1]);
        for (index, other, overlap) in &pairs[from..to] {
            let (id, sketch) = &page[*index];
            if let Some(known) = find_sketch(&earlier, *other) {
                candidates.extend(compare((*id, sketch), (*other, known), *overlap));
            }
        }
    }
    Ok(())
}

/// Finds a sketch in a list that is sorted by id.
fn find_sketch(sketches: &[(i32, Sketch)], id: i32) -> Option<&Sketch> {
    sketches.binary_search_by_key(&id, |(id, _)| *id).ok().map(|index| &sketches[index].1)
}

fn compare((sketch, one): (i32, &Sketch), (other, two): (i32, &Sketch), overlap: Overlap) -> Option<Candidate> {
    (overlap.suffices(one, two) && one.may_be_near(two)).then(|| Candidate {
        sketch,
        other,
        shingles: one.hashes.len() << one.rate,
        other_shingles: two.hashes.len() << two.rate,
    })
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

async fn load_sketches<'q>(
    conn: &mut PgConnection,
    query: &'static str,
    bind: impl FnOnce(Query<'q>) -> Query<'q>,
) -> Result<Vec<(i32, Sketch)>, sqlx::Error> {
    let mut rows = bind(sqlx::query(query)).fetch(conn);
    let mut sketches = Vec::new();
    while let Some(row) = rows.try_next().await? {
        sketches.push((row.try_get("id")?, Sketch::from_stored(row.try_get("rate")?, &row.try_get::<Vec<i64>, _>("hashes")?)));
    }
    Ok(sketches)
}
