//! Orphan scanner: lists the bucket, a few keys per round, and deletes objects without a row whose attempt or import has ended. Such objects
//! arrived after their row was swept, or belong to multipart uploads that were never recorded.
//!
//! Objects of a run, attempt or import that this database does not know are left alone: the bucket may be shared with another installation,
//! and a database restored from a backup must not delete the models made since.

use std::time::{Duration, SystemTime};

use aprendiz_annotations::import::{StoredFile, find_stored_files};
use aprendiz_artifacts::{KEY_PREFIXES, KeyOwner, Store, parse_owner};
use aprendiz_runs::{Reference, find_references};
use sqlx::PgConnection;
use tokio::time::Instant;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::server::metrics::SWEPT_OBJECTS;
use crate::server::sweep_error::SweepError;

/// Minimum time between the starts of two scans of the whole bucket.
const SCAN_INTERVAL: Duration = Duration::from_secs(3600);
/// Keys checked per round, and uploads checked per prefix and scan. S3 returns at most this many per listing.
const MAX_KEYS: i32 = 1_000;

/// Progress of the scan.
#[derive(Debug, Default)]
pub(super) struct OrphanScanner {
    /// Index of the prefix and the last key checked below it; `None` between two scans.
    cursor: Option<(usize, Option<String>)>,
    started: Option<Instant>,
    /// Number of keys in this scan whose run or import is not in the database.
    unknown: u64,
    has_warned: bool,
}

impl OrphanScanner {
    /// Checks the next keys, if a scan is due.
    pub(super) async fn advance(&mut self, conn: &mut PgConnection, store: &Store, older_than: Duration) -> Result<(), SweepError> {
        let (mut prefix, mut after) = match self.cursor.take() {
            Some(cursor) => cursor,
            None if self.started.is_some_and(|started| started.elapsed() < SCAN_INTERVAL) => return Ok(()),
            None => {
                self.started = Some(Instant::now());
                self.unknown = 0;
                (0, None)
            }
        };
        let mut remaining = MAX_KEYS;
        let mut deleted = 0;
        while remaining > 0 && prefix < KEY_PREFIXES.len() {
            // after a failure the next round resumes here
            self.cursor = Some((prefix, after.clone()));
            let page = store.list(KEY_PREFIXES[prefix], after.as_deref(), remaining).await?;
            remaining -= i32::try_from(page.objects.len()).unwrap_or(remaining);
            let last = page.objects.last().map(|object| object.key.clone());
            let old = page.objects.into_iter().filter(|object| is_old(object.modified_at, older_than)).map(|object| object.key);
            for key in self.unreferenced(conn, old.collect()).await? {
                store.delete(&key).await?;
                metrics::counter!(SWEPT_OBJECTS).increment(1);
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
            info!(objects = deleted, "deleted orphaned objects");
        }
        self.cursor = (prefix < KEY_PREFIXES.len()).then_some((prefix, after));
        if self.cursor.is_none() && self.unknown > 0 && !std::mem::replace(&mut self.has_warned, true) {
            warn!(
                objects = self.unknown,
                "bucket contains objects of unknown runs or imports; they are kept, because the bucket may be shared or the database restored"
            );
        }
        Ok(())
    }

    /// The keys that nothing can reference any more. Counts those of unknown runs and imports.
    async fn unreferenced(&mut self, conn: &mut PgConnection, keys: Vec<String>) -> Result<Vec<String>, SweepError> {
        let mut of_attempts: Vec<(String, Uuid, i32)> = Vec::with_capacity(keys.len());
        let mut of_imports: Vec<(Uuid, String)> = Vec::new();
        for key in keys {
            match parse_owner(&key) {
                Some(KeyOwner::Attempt { run_id, number }) => of_attempts.push((key, run_id, number)),
                Some(KeyOwner::Import(import_id)) => of_imports.push((import_id, key)),
                None => self.unknown += 1,
            }
        }
        let references = find_references(conn, &of_attempts).await?;
        let files = find_stored_files(conn, &of_imports).await?;
        self.unknown += references.iter().filter(|reference| **reference == Reference::Unknown).count() as u64;
        self.unknown += files.iter().filter(|file| **file == StoredFile::Unknown).count() as u64;
        let of_attempts = of_attempts.into_iter().zip(references).filter(|(_, reference)| *reference == Reference::None);
        let of_imports = of_imports.into_iter().zip(files).filter(|(_, file)| *file == StoredFile::Unneeded);
        Ok(of_attempts.map(|((key, ..), _)| key).chain(of_imports.map(|((_, key), _)| key)).collect())
    }

    /// Aborts unrecorded multipart uploads below a prefix.
    async fn abort_uploads(
        &mut self,
        conn: &mut PgConnection,
        store: &Store,
        prefix: &str,
        older_than: Duration,
    ) -> Result<(), SweepError> {
        let Some(uploads) = store.incomplete_uploads(prefix, MAX_KEYS).await? else {
            debug!("object store cannot list multipart uploads; only recorded ones are aborted");
            return Ok(());
        };
        let old: Vec<_> = uploads.into_iter().filter(|upload| is_old(upload.initiated_at, older_than)).collect();
        let unreferenced = self.unreferenced(conn, old.iter().map(|upload| upload.key.clone()).collect()).await?;
        for upload in old.iter().filter(|upload| unreferenced.contains(&upload.key)) {
            if store.abort_upload(&upload.key, &upload.upload_id).await? {
                info!(object.key = upload.key, "aborted orphaned multipart upload");
            }
        }
        Ok(())
    }
}

/// Whether an object is older than the limit. Without a time it is not. The limit exceeds any difference between the clocks of the object
/// store and this host.
fn is_old(time: Option<SystemTime>, older_than: Duration) -> bool {
    time.and_then(|time| SystemTime::now().duration_since(time).ok()).is_some_and(|age| age >= older_than)
}
