//! Goes through the bucket itself, a little in each round, and deletes what has no row although its attempt has ended: bytes that
//! arrived after their row had been swept, and multipart uploads that nobody wrote down.
//!
//! What names a run or an attempt that this database does not know is left alone. The bucket may serve another installation, and a
//! database that was restored from a backup must not delete the models made since.

use std::time::{Duration, SystemTime};

use artifacts::{KEY_PREFIXES, Store, writer_of};
use runs::{Reference, references_to};
use sqlx::PgConnection;
use tokio::time::Instant;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::metrics::SWEPT;
use crate::sweeper::SweepError;

/// A walk through the whole bucket begins at most so often.
const EVERY: Duration = Duration::from_secs(3600);
/// Keys looked at in one round, and uploads below one prefix in one walk: the most that a listing gives.
const KEYS: i32 = 1_000;

/// Where the walk is.
#[derive(Debug, Default)]
pub(crate) struct BucketWalk {
    /// Index of the prefix and the last key seen below it; `None` between two walks.
    at: Option<(usize, Option<String>)>,
    began: Option<Instant>,
    /// Keys of runs that the database does not know, in this walk.
    unknown: u64,
    has_warned: bool,
}

impl BucketWalk {
    /// Looks at the next keys, if it is time to.
    pub(crate) async fn advance(&mut self, conn: &mut PgConnection, store: &Store, older_than: Duration) -> Result<(), SweepError> {
        let (mut prefix, mut after) = match self.at.take() {
            Some(at) => at,
            None if self.began.is_some_and(|began| began.elapsed() < EVERY) => return Ok(()),
            None => {
                self.began = Some(Instant::now());
                self.unknown = 0;
                (0, None)
            }
        };
        let mut left = KEYS;
        let mut deleted = 0;
        while left > 0 && prefix < KEY_PREFIXES.len() {
            // should anything fail, the next round goes on here
            self.at = Some((prefix, after.clone()));
            let page = store.list(KEY_PREFIXES[prefix], after.as_deref(), left).await?;
            left -= i32::try_from(page.objects.len()).unwrap_or(left);
            let last = page.objects.last().map(|object| object.key.clone());
            let old = page.objects.into_iter().filter(|object| is_old(object.modified_at, older_than)).map(|object| object.key);
            for key in self.unreferenced(conn, old.collect()).await? {
                store.delete(&key).await?;
                metrics::counter!(SWEPT).increment(1);
                deleted += 1;
            }
            if page.more && last.is_some() {
                after = last;
            } else {
                self.abort_uploads(conn, store, KEY_PREFIXES[prefix], older_than).await?;
                (prefix, after) = (prefix + 1, None);
            }
        }
        if deleted > 0 {
            info!(objects = deleted, "deleted objects without a row whose attempts have ended");
        }
        self.at = (prefix < KEY_PREFIXES.len()).then_some((prefix, after));
        if self.at.is_none() && self.unknown > 0 && !std::mem::replace(&mut self.has_warned, true) {
            warn!(
                objects = self.unknown,
                "the bucket holds objects of runs that this database does not know: they are left alone. Is the bucket shared, or \
                 was the database restored from a backup?"
            );
        }
        Ok(())
    }

    /// Those of the keys to which nothing can refer any more. Counts the unknown ones.
    async fn unreferenced(&mut self, conn: &mut PgConnection, keys: Vec<String>) -> Result<Vec<String>, SweepError> {
        let mut ours: Vec<(String, Uuid, i32)> = Vec::with_capacity(keys.len());
        for key in keys {
            match writer_of(&key) {
                Some((run_id, number)) => ours.push((key, run_id, number)),
                None => self.unknown += 1,
            }
        }
        let references = references_to(conn, &ours).await?;
        self.unknown += references.iter().filter(|reference| **reference == Reference::Unknown).count() as u64;
        let unreferenced = ours.into_iter().zip(references).filter(|(_, reference)| *reference == Reference::None);
        Ok(unreferenced.map(|((key, ..), _)| key).collect())
    }

    /// Aborts multipart uploads below a prefix that have no row.
    async fn abort_uploads(
        &mut self,
        conn: &mut PgConnection,
        store: &Store,
        prefix: &str,
        older_than: Duration,
    ) -> Result<(), SweepError> {
        let Some(uploads) = store.unfinished_uploads(prefix, KEYS).await? else {
            debug!("the object store cannot list multipart uploads: only those that have a row are aborted");
            return Ok(());
        };
        let old: Vec<_> = uploads.into_iter().filter(|upload| is_old(upload.begun_at, older_than)).collect();
        let unreferenced = self.unreferenced(conn, old.iter().map(|upload| upload.key.clone()).collect()).await?;
        for upload in old.iter().filter(|upload| unreferenced.contains(&upload.key)) {
            if store.abort_upload(&upload.key, &upload.upload_id).await? {
                info!(object.key = upload.key, "aborted a multipart upload without a row");
            }
        }
        Ok(())
    }
}

/// Whether something is old enough. What has no time is not; the clock of the object store may differ from ours by less than the
/// limit.
fn is_old(time: Option<SystemTime>, older_than: Duration) -> bool {
    time.and_then(|time| SystemTime::now().duration_since(time).ok()).is_some_and(|age| age >= older_than)
}
