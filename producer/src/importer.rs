//! Carries out imports that were asked for in the background, one at a time in each producer.
//!
//! The file lies in the bucket; the import is one transaction. So a producer that dies leaves nothing behind: its lease expires, and
//! another one begins again from the stored file.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use annotations::SplitRatios;
use annotations::import::{
    ClaimedImport, ImportError, ImportLimits, Progress, Stage, claim_import, fail_import, finish_import, label_studio, release_import,
    renew_import,
};
use artifacts::{Store, StoreError};
use futures::StreamExt as _;
use runs::record_audit;
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::BodyReader;

/// An importer that says nothing for so long is taken for dead.
const LEASE: Duration = Duration::from_secs(30);
const RENEW: Duration = Duration::from_secs(2);
/// How often to look for imports that nobody has woken us for.
const LOOK: Duration = Duration::from_secs(2);
/// Pause after a failure of ours, times the number of the attempt.
const PAUSE: Duration = Duration::from_secs(5);
/// Failures of ours after which an import is given up.
const MOST_ATTEMPTS: i32 = 3;
/// Bytes read from the bucket at once, and how many such pieces ahead of the importer.
const CHUNK: usize = 256 * 1024;
const AHEAD: usize = 16;

/// What an importer needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImporterConfig {
    pub(crate) ratios: SplitRatios,
    /// Bytes of a file after decompression.
    pub(crate) total_bytes: u64,
}

/// Why an attempt did not succeed.
enum Failure {
    /// The file is wrong: the next attempt would end alike.
    File { code: String, text: String },
    /// Something of ours failed, or was away.
    Ours { code: &'static str, text: String },
    /// Another importer has taken over.
    LeaseLost,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Ours { code: "database", text: error.to_string() }
    }
}

/// Runs until shutdown. `wake` is told when an import was asked for here.
pub(crate) async fn run(pool: PgPool, store: Store, config: ImporterConfig, wake: Arc<Notify>, shutdown: CancellationToken) {
    let mut is_away = false;
    while !shutdown.is_cancelled() {
        match claim(&pool).await {
            Ok(Some(claimed)) => carry_out(&pool, &store, config, &claimed, &shutdown).await,
            Ok(None) => {
                if std::mem::take(&mut is_away) {
                    info!("the importer works again");
                }
                shutdown.run_until_cancelled(timeout(LOOK, wake.notified())).await;
            }
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    warn!(%error, "the importer cannot look for imports: they wait until it can");
                }
                shutdown.run_until_cancelled(sleep(LOOK)).await;
            }
        }
    }
}

async fn claim(pool: &PgPool) -> Result<Option<ClaimedImport>, sqlx::Error> {
    let mut conn = pool.acquire().await?;
    claim_import(&mut conn, LEASE).await
}

async fn carry_out(pool: &PgPool, store: &Store, config: ImporterConfig, claimed: &ClaimedImport, shutdown: &CancellationToken) {
    let progress = Arc::new(Mutex::new(Progress { stage: Stage::Reading, bytes_read: 0, tasks: 0 }));
    info!(import.id = %claimed.id, import.attempt = claimed.attempt, import.bytes = claimed.bytes, "importing in the background");
    // whatever is dropped rolls back
    let outcome = tokio::select! {
        outcome = import(pool, store, config, claimed, Arc::clone(&progress)) => outcome,
        failure = keep_lease(pool, claimed, &progress) => Err(failure),
        () = shutdown.cancelled() => {
            let released = async { release_import(&mut *pool.acquire().await?, claimed.id, claimed.attempt, false).await }.await;
            if let Err(error) = released {
                warn!(import.id = %claimed.id, %error, "an import could not be handed back: its lease will expire");
            }
            return;
        }
    };
    let Err(failure) = outcome else {
        return;
    };
    let recorded = match failure {
        Failure::LeaseLost => {
            warn!(import.id = %claimed.id, "the lease of an import was lost: it is left to whoever has it");
            return;
        }
        Failure::File { code, text } => {
            info!(import.id = %claimed.id, error.code = code, "an import failed: {text}");
            fail(pool, claimed, &code, &text).await
        }
        Failure::Ours { code, text } => {
            warn!(import.id = %claimed.id, error.code = code, "an import was cut off: {text}");
            shutdown.run_until_cancelled(sleep(PAUSE * claimed.attempt.unsigned_abs())).await;
            if claimed.attempt >= MOST_ATTEMPTS {
                let text =
                    format!("{MOST_ATTEMPTS} attempts were cut off; nothing was imported: look into the logs, then send the file again");
                fail(pool, claimed, code, &text).await
            } else {
                async { release_import(&mut *pool.acquire().await?, claimed.id, claimed.attempt, true).await }.await
            }
        }
    };
    if let Err(error) = recorded {
        warn!(import.id = %claimed.id, %error, "the end of an import could not be recorded: its lease will expire");
    }
}

async fn fail(pool: &PgPool, claimed: &ClaimedImport, code: &str, text: &str) -> Result<(), sqlx::Error> {
    let mut conn = pool.acquire().await?;
    fail_import(&mut conn, claimed.id, claimed.attempt, code, text).await.map(drop)
}

/// Returns when the lease is lost; that Postgres is away is heard by the import as well.
async fn keep_lease(pool: &PgPool, claimed: &ClaimedImport, progress: &Mutex<Progress>) -> Failure {
    loop {
        sleep(RENEW).await;
        let Progress { stage, bytes_read, tasks } = *progress.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let renewed = async {
            let mut conn = pool.acquire().await?;
            renew_import(&mut conn, claimed.id, claimed.attempt, LEASE, stage, stored(bytes_read), stored(tasks)).await
        };
        match renewed.await {
            Ok(true) => {}
            Ok(false) => return Failure::LeaseLost,
            Err(error) => warn!(import.id = %claimed.id, %error, "the lease of an import could not be renewed"),
        }
    }
}

async fn import(
    pool: &PgPool,
    store: &Store,
    config: ImporterConfig,
    claimed: &ClaimedImport,
    progress: Arc<Mutex<Progress>>,
) -> Result<(), Failure> {
    let object = store.get(&claimed.object_key, None).await.map_err(|error| match error {
        StoreError::MissingObject(_) => Failure::File {
            code: "file_gone".to_owned(),
            text: "the stored file is not there any more, since it waited for too long; nothing was imported: send it again".to_owned(),
        },
        other => Failure::Ours { code: "object_store", text: other.to_string() },
    })?;
    let mut options = claimed.options.clone().options(&claimed.actor);
    options.import_id = Some(claimed.id);
    options.ratios = config.ratios;
    options.limits = ImportLimits { total_bytes: config.total_bytes, ..options.limits };

    let mut tx = pool.begin().await?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let mut chunks = ReaderStream::with_capacity(object.reader, CHUNK);
    let pump = async move {
        while let Some(chunk) = chunks.next().await {
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    };
    let on_progress = |now: Progress| *progress.lock().unwrap_or_else(PoisonError::into_inner) = now;
    let reader = BodyReader::new(receiver);
    let (imported, ()) = tokio::join!(label_studio(&mut tx, reader, &options, on_progress), pump);
    let report = imported.map_err(|error| match error {
        ImportError::Database(error) => error.into(),
        ImportError::Read { .. } => Failure::Ours { code: "object_store", text: error.to_string() },
        other => Failure::File { code: other.code().to_owned(), text: other.to_string() },
    })?;
    let details = json!({ "tasks": report.tasks, "documents_created": report.documents_created, "events_created": report.events_created });
    record_audit(&mut tx, &claimed.actor, "import.create", &claimed.id.to_string(), &details)
        .await
        .map_err(|error| Failure::Ours { code: "database", text: error.to_string() })?;
    if !finish_import(&mut tx, claimed.id, claimed.attempt).await? {
        return Err(Failure::LeaseLost);
    }
    tx.commit().await?;
    Ok(())
}
