//! What every run is handed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use artifacts::Store;
use runs::{NewWorker, RunKind, WorkerId, register_worker};
use sqlx::postgres::{PgConnectOptions, PgPool};

use crate::config::WorkerConfig;
use crate::vitals::Vitals;
use crate::{machine, pipeline};

/// What this build can carry out.
pub(crate) const KINDS: [RunKind; 3] = [RunKind::Linear, RunKind::SentenceTransformer, RunKind::Evaluate];

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The services and limits of this worker.
pub(crate) struct WorkerContext {
    pub(crate) config: WorkerConfig,
    pub(crate) pool: PgPool,
    pub(crate) store: Store,
    pub(crate) id: WorkerId,
    pub(crate) vitals: Vitals,
}

impl WorkerContext {
    /// Connects to what a worker cannot do without, and registers it. Redis may be away: runs then wait, or are found by looking.
    pub(crate) async fn connect(config: WorkerConfig) -> Result<Arc<Self>> {
        // a worker that hangs inside a transaction would keep its run locked against the reaper: Postgres ends such a one with the lease
        let hung = [
            ("idle_in_transaction_session_timeout", config.lease.as_millis().to_string()),
            ("client_connection_check_interval", "2s".to_owned()),
        ];
        let pool = config
            .database
            .pool_options()
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(config.database.options.clone().application_name("aprendiz-worker").options(hung))
            .await
            .with_context(|| {
                format!("cannot reach the database {}: check DATABASE_URL (or PG*) and that Postgres runs", config.database.place())
            })?;
        let store = Store::connect(&config.store).await;
        store.check().await.context("cannot use the object store: check APRENDIZ_BUCKET, AWS_* and AWS_ENDPOINT_URL_S3")?;
        prepare_scratch(&config.scratch)
            .with_context(|| format!("cannot use the scratch folder {}: set APRENDIZ_SCRATCH", config.scratch.display()))?;
        let id = WorkerId::fresh();
        let worker = NewWorker {
            id,
            host: &config.host,
            pid: i32::try_from(std::process::id()).expect("process ids are small"),
            version: env!("CARGO_PKG_VERSION"),
            slots: i32::try_from(config.slots).expect("slots were checked to be at most 64"),
            kinds: &KINDS,
            backend: "flex",
            cpu_kernel: training::cpu_kernel(),
            memory_bytes: machine::memory_bytes(),
        };
        let mut conn = pool.acquire().await?;
        register_worker(&mut conn, &worker).await.context("cannot register this worker: has `aprendiz migrate` been run?")?;
        drop(conn);
        tracing::info!(worker.id = %id, worker.host = config.host, worker.slots = config.slots, cpu_kernel = training::cpu_kernel(), "worker registered");
        Ok(Arc::new(Self { config, pool, store, id, vitals: Vitals::default() }))
    }
}

impl WorkerContext {
    /// How to open a connection of its own for a long statement: Postgres ends the statement soon after this side is gone, be it
    /// cancelled or killed, and not only when it would answer.
    pub(crate) fn long_statement(&self, name: &str) -> PgConnectOptions {
        let hung = self.config.lease.as_millis().to_string();
        let session = [("client_connection_check_interval", "500ms"), ("idle_in_transaction_session_timeout", &hung)];
        self.config.database.options.clone().application_name(name).options(session)
    }
}

fn prepare_scratch(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    pipeline::probe_scratch(folder)?;
    let removed = pipeline::sweep_scratch(folder)?;
    if removed > 0 {
        tracing::info!(folders = removed, "removed work files of workers that were killed");
    }
    Ok(())
}
