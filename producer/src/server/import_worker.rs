//! Import worker: runs background imports, one at a time per producer, and finishes reverts whose request was interrupted.
//!
//! The file is in the bucket, and the import is one transaction. A producer that dies leaves nothing behind: its lease expires, and another
//! producer starts over from the stored file.

use std::fs::File;
use std::io::{self, Seek as _};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aprendiz_annotations::SplitRatios;
use aprendiz_annotations::import::{
    ClaimedImport, ImportError, ImportLimits, Progress, ReadError, Stage, claim_import, fail_import, finish_import, import_label_studio,
    release_import, renew_import,
};
use aprendiz_annotations::reverts::{RevertError, find_unfinished_revert, revert_batch_if_free};
use aprendiz_artifacts::{Store, StoreError};
use aprendiz_db::{Database, RetryReason, WarnOnce, missing_privilege, retry_reason, run_blocking};
use aprendiz_runs::{RunsError, record_audit};
use futures::FutureExt as _;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::server::task_health::TaskHealth;

/// Lease of an import. An import worker without renewals for this time counts as dead.
const LEASE_DURATION: Duration = Duration::from_secs(30);
const LEASE_RENEWAL_INTERVAL: Duration = Duration::from_secs(2);
/// Polling interval for imports that other producers enqueued.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Delay before a retry, multiplied by the number of the attempt.
const RETRY_DELAY: Duration = Duration::from_secs(5);
/// Conflicts in a row that cost an import no attempt.
const MAX_FREE_CONFLICTS: u32 = 5;
/// Attempts after which an import fails for good.
const MAX_ATTEMPTS: i32 = 3;
/// Size of a read from the bucket in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// Configuration of the import worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImportWorkerConfig {
    pub(crate) ratios: SplitRatios,
    /// Size limit of a file after decompression, in bytes.
    pub(crate) total_bytes: u64,
}

/// Why an attempt failed.
enum Failure {
    /// A retry would fail in the same way: the file or its options are invalid, or the database or the object store refuses it to this server.
    Permanent { code: String, text: String },
    /// The server failed, or a service was unavailable: the import is retried.
    Server { code: &'static str, text: String },
    /// Postgres aborted the import because of a concurrent transaction: it is repeated. The first of these attempts do not count.
    Conflict(sqlx::Error),
    /// Another import worker has taken over.
    LeaseLost,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match retry_reason(&error) {
            Some(RetryReason::Conflict) => return Self::Conflict(error),
            Some(RetryReason::Unavailable) => return Self::Server { code: "database", text: error.to_string() },
            None => {}
        }
        match missing_privilege(&error) {
            Some(text) => Self::Permanent { code: "database_privilege".to_owned(), text },
            None => Self::Server { code: "database", text: error.to_string() },
        }
    }
}

impl From<RunsError> for Failure {
    fn from(error: RunsError) -> Self {
        match error {
            RunsError::Database(error) => error.into(),
            other => Self::Server { code: "database", text: other.to_string() },
        }
    }
}

/// Runs until shutdown. `wake` is notified when this process enqueues an import.
pub(crate) async fn run(
    database: Database,
    store: Store,
    config: ImportWorkerConfig,
    wake: Arc<Notify>,
    health: TaskHealth,
    shutdown: CancellationToken,
) {
    let mut warned = WarnOnce::default();
    let mut conflicts = Conflicts::default();
    while !shutdown.is_cancelled() {
        match claim(&database).await {
            Ok(Some(claimed)) => {
                health.succeeded();
                execute(&database, &store, config, &claimed, &health, &mut conflicts, &shutdown).await;
            }
            Ok(None) => match continue_revert(&database).await {
                Ok(processed) => {
                    health.succeeded();
                    if warned.clear() {
                        info!("import worker has recovered");
                    }
                    if !processed {
                        shutdown.run_until_cancelled(timeout(POLL_INTERVAL, wake.notified())).await;
                    }
                }
                Err(error) => {
                    health.failed(&error);
                    if warned.is_new(&error) {
                        warn!(%error, "import worker cannot continue the revert of an import; it waits until it recovers");
                    }
                    shutdown.run_until_cancelled(sleep(POLL_INTERVAL)).await;
                }
            },
            Err(error) => {
                health.failed(&error);
                if warned.is_new(&error) {
                    warn!(%error, "import worker cannot claim imports; they wait until it recovers");
                }
                shutdown.run_until_cancelled(sleep(POLL_INTERVAL)).await;
            }
        }
    }
}

/// Processes a batch of an unfinished revert: its server may have died. Returns whether there may be more.
///
/// It never waits for an import or for the request of the revert, which process their own batches.
async fn continue_revert(database: &Database) -> Result<bool, RevertError> {
    let unfinished = find_unfinished_revert(&mut *database.read().await?).await?;
    let Some(import) = unfinished else {
        return Ok(false);
    };
    let mut tx = database.begin_long().await?;
    let processed = revert_batch_if_free(&mut tx, import).await?;
    tx.commit().await?;
    Ok(processed)
}

async fn claim(database: &Database) -> Result<Option<ClaimedImport>, sqlx::Error> {
    let mut tx = database.begin().await?;
    let claimed = claim_import(&mut tx, LEASE_DURATION).await?;
    tx.commit().await?;
    Ok(claimed)
}

async fn execute(
    database: &Database,
    store: &Store,
    config: ImportWorkerConfig,
    claimed: &ClaimedImport,
    health: &TaskHealth,
    conflicts: &mut Conflicts,
    shutdown: &CancellationToken,
) {
    let progress = Arc::new(Mutex::new(Progress { stage: Stage::Reading, bytes_read: 0, tasks: 0 }));
    info!(import.id = %claimed.id, import.attempt = claimed.attempt, import.bytes = claimed.bytes, "import started");
    // dropping the import rolls its transaction back
    let outcome = tokio::select! {
        outcome = AssertUnwindSafe(import(database, store, config, claimed, Arc::clone(&progress))).catch_unwind() => {
            // the panic hook has logged the location
            let text = "the server panicked while it imported the file".to_owned();
            outcome.unwrap_or(Err(Failure::Server { code: "server_panicked", text }))
        }
        failure = renew_lease(database, claimed, &progress, health) => Err(failure),
        () = shutdown.cancelled() => {
            if let Err(error) = release(database, claimed, false).await {
                warn!(import.id = %claimed.id, %error, "cannot release import; its lease will expire");
            }
            return;
        }
    };
    let Err(failure) = outcome else {
        return;
    };
    let recorded = match failure {
        Failure::LeaseLost => {
            warn!(import.id = %claimed.id, "lost the lease of an import; another import worker has taken over");
            return;
        }
        Failure::Permanent { code, text } => {
            info!(import.id = %claimed.id, error.code = code, error = text, "import failed");
            fail(database, claimed, &code, &text).await
        }
        Failure::Conflict(error) => {
            let in_a_row = conflicts.count(claimed.id);
            warn!(import.id = %claimed.id, conflicts = in_a_row, %error, "import aborted by a conflict with another transaction; repeating it");
            shutdown.run_until_cancelled(sleep(RETRY_DELAY * in_a_row)).await;
            if in_a_row <= MAX_FREE_CONFLICTS {
                release(database, claimed, false).await
            } else {
                end_attempt(database, claimed, "database", &error.to_string()).await
            }
        }
        Failure::Server { code, text } => {
            warn!(import.id = %claimed.id, error.code = code, error = text, "import interrupted");
            shutdown.run_until_cancelled(sleep(RETRY_DELAY * claimed.attempt.unsigned_abs())).await;
            end_attempt(database, claimed, code, &text).await
        }
    };
    if let Err(error) = recorded {
        warn!(import.id = %claimed.id, %error, "cannot record the outcome of an import; its lease will expire");
    }
}

/// Conflicts of the import that had the latest one. An import that conflicts with every other one must not be repeated for ever.
#[derive(Debug, Default)]
struct Conflicts {
    import: Option<Uuid>,
    in_a_row: u32,
}

impl Conflicts {
    /// Counts a conflict of an import.
    fn count(&mut self, import: Uuid) -> u32 {
        if self.import.replace(import) != Some(import) {
            self.in_a_row = 0;
        }
        self.in_a_row += 1;
        self.in_a_row
    }
}

/// Releases the import for its next attempt, or fails it after the last one.
async fn end_attempt(database: &Database, claimed: &ClaimedImport, code: &str, text: &str) -> Result<(), sqlx::Error> {
    if claimed.attempt < MAX_ATTEMPTS {
        return release(database, claimed, true).await;
    }
    let text = format!(
        "nothing was imported: {MAX_ATTEMPTS} attempts failed, the last one with `{text}`: remove the cause, then send the file again"
    );
    fail(database, claimed, code, &text).await
}

async fn release(database: &Database, claimed: &ClaimedImport, costs_attempt: bool) -> Result<(), sqlx::Error> {
    let mut tx = database.begin().await?;
    release_import(&mut tx, claimed.id, claimed.attempt, costs_attempt).await?;
    tx.commit().await
}

async fn fail(database: &Database, claimed: &ClaimedImport, code: &str, text: &str) -> Result<(), sqlx::Error> {
    let mut tx = database.begin().await?;
    fail_import(&mut tx, claimed.id, claimed.attempt, code, text).await?;
    tx.commit().await
}

/// Renews the lease; returns once it is lost. Errors of Postgres are only logged, because the import itself fails on them.
async fn renew_lease(database: &Database, claimed: &ClaimedImport, progress: &Mutex<Progress>, health: &TaskHealth) -> Failure {
    loop {
        sleep(LEASE_RENEWAL_INTERVAL).await;
        let Progress { stage, bytes_read, tasks } = *progress.lock().unwrap_or_else(PoisonError::into_inner);
        let to_i64 = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let renewed = async {
            let mut tx = database.begin().await?;
            let renewed =
                renew_import(&mut tx, claimed.id, claimed.attempt, LEASE_DURATION, stage, to_i64(bytes_read), to_i64(tasks)).await?;
            tx.commit().await?;
            Ok::<bool, sqlx::Error>(renewed)
        };
        match renewed.await {
            Ok(true) => health.succeeded(),
            Ok(false) => return Failure::LeaseLost,
            Err(error) => warn!(import.id = %claimed.id, %error, "cannot renew the lease of an import"),
        }
    }
}

/// Copies the stored file to a temporary file without a name, so that no transaction is open while the object store sends.
async fn spool(mut object: impl AsyncRead + Unpin) -> Result<File, Failure> {
    let cannot_write = |error: io::Error| Failure::Server {
        code: "spool",
        text: format!("cannot write a temporary file in {}: {error}", std::env::temp_dir().display()),
    };
    let mut file = tokio::fs::File::from_std(run_blocking(tempfile::tempfile).await.map_err(cannot_write)?);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = object.read(&mut chunk).await;
        let read = read.map_err(|error| Failure::Server { code: "object_store", text: error.to_string() })?;
        if read == 0 {
            break;
        }
        file.write_all(&chunk[..read]).await.map_err(cannot_write)?;
    }
    file.flush().await.map_err(cannot_write)?;
    let mut file = file.into_std().await;
    file.rewind().map_err(cannot_write)?;
    Ok(file)
}

async fn import(
    database: &Database,
    store: &Store,
    config: ImportWorkerConfig,
    claimed: &ClaimedImport,
    progress: Arc<Mutex<Progress>>,
) -> Result<(), Failure> {
    let stored = claimed.options().map_err(|text| Failure::Permanent { code: "unknown_options".to_owned(), text })?;
    let object = store.get(&claimed.object_key, None).await.map_err(|error| match error {
        StoreError::MissingObject(_) => Failure::Permanent {
            code: "file_gone".to_owned(),
            text: "the stored file was deleted, because it waited too long; nothing was imported: send it again".to_owned(),
        },
        // like an invalid file, it would fail in the same way again
        error @ (StoreError::Rejected { .. } | StoreError::Setting { .. }) => Failure::Permanent {
            code: "object_store_rejected".to_owned(),
            text: format!("nothing was imported: {error}; `aprendiz doctor` checks the object store; then send the file again"),
        },
        other => Failure::Server { code: "object_store", text: other.to_string() },
    })?;
    let mut options = stored.into_options(&claimed.actor);
    options.import_id = Some(claimed.id);
    options.ratios = config.ratios;
    options.limits = ImportLimits { total_bytes: config.total_bytes, ..options.limits };

    let file = spool(object.reader).await?;
    let mut tx = database.begin_long().await?;
    let on_progress = |now: Progress| *progress.lock().unwrap_or_else(PoisonError::into_inner) = now;
    let imported = import_label_studio(&mut tx, file, &options, on_progress).await;
    let report = imported.map_err(|error| match error {
        ImportError::Database(error) => error.into(),
        ImportError::File(ReadError::Io { .. }) => Failure::Server { code: "spool", text: error.to_string() },
        other => Failure::Permanent { code: other.code().to_owned(), text: other.to_string() },
    })?;
    let details = json!({ "tasks": report.tasks, "documents_created": report.documents_created, "events_created": report.events_created });
    record_audit(&mut tx, &claimed.actor, "import.create", &claimed.id.to_string(), &details).await?;
    if !finish_import(&mut tx, claimed.id, claimed.attempt).await? {
        return Err(Failure::LeaseLost);
    }
    tx.commit().await?;
    Ok(())
}
