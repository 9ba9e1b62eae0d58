//! Import worker: runs background imports, one at a time per producer.
//!
//! The file is in the bucket, and the import is one transaction. A producer that dies leaves nothing behind: its lease expires, and another
//! producer starts over from the stored file.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aprendiz_annotations::SplitRatios;
use aprendiz_annotations::import::{
    ClaimedImport, ImportError, ImportLimits, Progress, ReadError, Stage, claim_import, fail_import, finish_import, import_label_studio,
    release_import, renew_import,
};
use aprendiz_artifacts::{Store, StoreError};
use aprendiz_db::WarnOnce;
use aprendiz_runs::record_audit;
use futures::StreamExt as _;
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::BodyReader;
use crate::server::task_health::TaskHealth;

/// Lease of an import. An import worker without renewals for this time counts as dead.
const LEASE_DURATION: Duration = Duration::from_secs(30);
const LEASE_RENEWAL_INTERVAL: Duration = Duration::from_secs(2);
/// Polling interval for imports that other producers enqueued.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Delay before a retry, multiplied by the number of the attempt.
const RETRY_DELAY: Duration = Duration::from_secs(5);
/// Attempts after which an import fails for good.
const MAX_ATTEMPTS: i32 = 3;
/// Size of a read from the bucket in bytes.
const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks read ahead of the import.
const READ_AHEAD_CHUNKS: usize = 16;

/// Configuration of the import worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImportWorkerConfig {
    pub(crate) ratios: SplitRatios,
    /// Size limit of a file after decompression, in bytes.
    pub(crate) total_bytes: u64,
}

/// Why an attempt failed.
enum Failure {
    /// The file is invalid: a retry would fail in the same way.
    InvalidFile { code: String, text: String },
    /// The server failed, or a service was unavailable: the import is retried.
    Server { code: &'static str, text: String },
    /// Another import worker has taken over.
    LeaseLost,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Server { code: "database", text: error.to_string() }
    }
}

/// Runs until shutdown. `wake` is notified when this process enqueues an import.
pub(crate) async fn run(
    pool: PgPool,
    store: Store,
    config: ImportWorkerConfig,
    wake: Arc<Notify>,
    health: TaskHealth,
    shutdown: CancellationToken,
) {
    let mut warned = WarnOnce::default();
    while !shutdown.is_cancelled() {
        match claim(&pool).await {
            Ok(Some(claimed)) => {
                health.succeeded();
                execute(&pool, &store, config, &claimed, &health, &shutdown).await;
            }
            Ok(None) => {
                health.succeeded();
                if warned.clear() {
                    info!("import worker has recovered");
                }
                shutdown.run_until_cancelled(timeout(POLL_INTERVAL, wake.notified())).await;
            }
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

async fn claim(pool: &PgPool) -> Result<Option<ClaimedImport>, sqlx::Error> {
    let mut conn = pool.acquire().await?;
    claim_import(&mut conn, LEASE_DURATION).await
}

async fn execute(
    pool: &PgPool,
    store: &Store,
    config: ImportWorkerConfig,
    claimed: &ClaimedImport,
    health: &TaskHealth,
    shutdown: &CancellationToken,
) {
    let progress = Arc::new(Mutex::new(Progress { stage: Stage::Reading, bytes_read: 0, tasks: 0 }));
    info!(import.id = %claimed.id, import.attempt = claimed.attempt, import.bytes = claimed.bytes, "import started");
    // dropping the import rolls its transaction back
    let outcome = tokio::select! {
        outcome = import(pool, store, config, claimed, Arc::clone(&progress)) => outcome,
        failure = renew_lease(pool, claimed, &progress, health) => Err(failure),
        () = shutdown.cancelled() => {
            let released = async { release_import(&mut *pool.acquire().await?, claimed.id, claimed.attempt, false).await }.await;
            if let Err(error) = released {
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
        Failure::InvalidFile { code, text } => {
            info!(import.id = %claimed.id, error.code = code, error = text, "import failed");
            fail(pool, claimed, &code, &text).await
        }
        Failure::Server { code, text } => {
            warn!(import.id = %claimed.id, error.code = code, error = text, "import interrupted");
            shutdown.run_until_cancelled(sleep(RETRY_DELAY * claimed.attempt.unsigned_abs())).await;
            if claimed.attempt >= MAX_ATTEMPTS {
                let text =
                    format!("{MAX_ATTEMPTS} attempts failed; nothing was imported: check the log of the server, then send the file again");
                fail(pool, claimed, code, &text).await
            } else {
                async { release_import(&mut *pool.acquire().await?, claimed.id, claimed.attempt, true).await }.await
            }
        }
    };
    if let Err(error) = recorded {
        warn!(import.id = %claimed.id, %error, "cannot record the outcome of an import; its lease will expire");
    }
}

async fn fail(pool: &PgPool, claimed: &ClaimedImport, code: &str, text: &str) -> Result<(), sqlx::Error> {
    let mut conn = pool.acquire().await?;
    fail_import(&mut conn, claimed.id, claimed.attempt, code, text).await.map(drop)
}

/// Renews the lease; returns once it is lost. Errors of Postgres are only logged, because the import itself fails on them.
async fn renew_lease(pool: &PgPool, claimed: &ClaimedImport, progress: &Mutex<Progress>, health: &TaskHealth) -> Failure {
    loop {
        sleep(LEASE_RENEWAL_INTERVAL).await;
        let Progress { stage, bytes_read, tasks } = *progress.lock().unwrap_or_else(PoisonError::into_inner);
        let to_i64 = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let renewed = async {
            let mut conn = pool.acquire().await?;
            renew_import(&mut conn, claimed.id, claimed.attempt, LEASE_DURATION, stage, to_i64(bytes_read), to_i64(tasks)).await
        };
        match renewed.await {
            Ok(true) => health.succeeded(),
            Ok(false) => return Failure::LeaseLost,
            Err(error) => warn!(import.id = %claimed.id, %error, "cannot renew the lease of an import"),
        }
    }
}

async fn import(
    pool: &PgPool,
    store: &Store,
    config: ImportWorkerConfig,
    claimed: &ClaimedImport,
    progress: Arc<Mutex<Progress>>,
) -> Result<(), Failure> {
    let object = store.get(&claimed.object_key, None).await.map_err(|error| match error {
        StoreError::MissingObject(_) => Failure::InvalidFile {
            code: "file_gone".to_owned(),
            text: "the stored file was deleted, because it waited too long; nothing was imported: send it again".to_owned(),
        },
        other => Failure::Server { code: "object_store", text: other.to_string() },
    })?;
    let mut options = claimed.options.clone().into_options(&claimed.actor);
    options.import_id = Some(claimed.id);
    options.ratios = config.ratios;
    options.limits = ImportLimits { total_bytes: config.total_bytes, ..options.limits };

    let mut tx = pool.begin().await?;
    let (sender, receiver) = mpsc::channel(READ_AHEAD_CHUNKS);
    let mut chunks = ReaderStream::with_capacity(object.reader, CHUNK_BYTES);
    let read = async move {
        while let Some(chunk) = chunks.next().await {
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    };
    let on_progress = |now: Progress| *progress.lock().unwrap_or_else(PoisonError::into_inner) = now;
    let reader = BodyReader::new(receiver);
    let (imported, ()) = tokio::join!(import_label_studio(&mut tx, reader, &options, on_progress), read);
    let report = imported.map_err(|error| match error {
        ImportError::Database(error) => error.into(),
        ImportError::File(ReadError::Io { .. }) => Failure::Server { code: "object_store", text: error.to_string() },
        other => Failure::InvalidFile { code: other.code().to_owned(), text: other.to_string() },
    })?;
    let details = json!({ "tasks": report.tasks, "documents_created": report.documents_created, "events_created": report.events_created });
    record_audit(&mut tx, &claimed.actor, "import.create", &claimed.id.to_string(), &details)
        .await
        .map_err(|error| Failure::Server { code: "database", text: error.to_string() })?;
    if !finish_import(&mut tx, claimed.id, claimed.attempt).await? {
        return Err(Failure::LeaseLost);
    }
    tx.commit().await?;
    Ok(())
}
