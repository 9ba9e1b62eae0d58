//! The state of a registered worker.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use aprendiz_artifacts::Store;
use aprendiz_db::{Database, read_schema, unusable_database};
use aprendiz_run_spec::RunKind;
use aprendiz_runs::{NewWorker, RunsError, WorkerId, register_worker};
use sqlx::migrate::Migrator;

use crate::config::WorkerConfig;
use crate::deps::Deps;
use crate::heartbeat::WorkerHealth;
use crate::retry::in_transaction;
use crate::{host_info, scratch};

/// Name of the connections in `pg_stat_activity`.
const APPLICATION: &str = "aprendiz-worker";
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A registered worker: its identity, its health and what its runs depend on.
pub(crate) struct WorkerContext {
    pub(crate) id: WorkerId,
    pub(crate) health: WorkerHealth,
    pub(crate) deps: Deps,
}

/// The migrations of this build.
static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Rejects a database whose encoding, rights or schema this worker cannot use, before it claims a run and fails it.
async fn require_usable(database: &Database) -> Result<()> {
    let mut conn = database.read().await?;
    if let Some(problem) = unusable_database(&mut conn).await? {
        bail!(problem);
    }
    let schema = read_schema(&mut conn, &MIGRATOR).await?.state();
    ensure!(schema.is_usable(), schema.describe());
    Ok(())
}

impl WorkerContext {
    /// Connects to Postgres and the object store and registers the worker. Redis may be down: runs are then found by polling.
    pub(crate) async fn connect(config: WorkerConfig) -> Result<Arc<Self>> {
        // a worker that hangs inside a transaction would keep its run locked against the reaper: Postgres ends the session with the lease
        let session = config
            .database
            .session(APPLICATION)
            .set("idle_in_transaction_session_timeout", config.lease.as_millis().to_string())
            .set("client_connection_check_interval", "2s");
        config.database.check().await?;
        let database = config.database.open(APPLICATION, session, ACQUIRE_TIMEOUT);
        require_usable(&database).await.with_context(|| format!("database {}", config.database.location()))?;
        let store = Store::connect(&config.store).await?;
        store.check().await.context("cannot use the object store: `aprendiz doctor` checks it")?;
        prepare_scratch(&config.scratch)
            .with_context(|| format!("cannot use the scratch folder {}: set APRENDIZ_SCRATCH", config.scratch.display()))?;
        let id = WorkerId::new_v7();
        let worker = NewWorker {
            id,
            host: &config.host,
            pid: i32::try_from(std::process::id()).expect("process ids fit into i32"),
            version: env!("CARGO_PKG_VERSION"),
            slots: i32::try_from(config.slots).expect("the number of slots is validated to be at most 64"),
            kinds: &RunKind::ALL,
            backend: "flex",
            cpu_kernel: aprendiz_training::cpu_kernel(),
            memory_bytes: host_info::memory_bytes(),
            labels: &config.labels,
        };
        let registered: Result<(), RunsError> = in_transaction!(database, tx => register_worker(&mut tx, &worker)).await;
        registered.context("cannot register this worker")?;
        tracing::info!(
            worker.id = %id,
            worker.host = config.host,
            worker.slots = config.slots,
            worker.labels = config.labels.to_strings().join(","),
            cpu_kernel = aprendiz_training::cpu_kernel(),
            "worker registered"
        );
        Ok(Arc::new(Self { id, health: WorkerHealth::default(), deps: Deps { config, database, store } }))
    }
}

fn prepare_scratch(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    scratch::probe(folder)?;
    let removed = scratch::sweep(folder)?;
    if removed > 0 {
        tracing::info!(folders = removed, "removed scratch folders of killed workers");
    }
    Ok(())
}
