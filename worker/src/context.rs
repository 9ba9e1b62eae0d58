//! The state of a registered worker.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aprendiz_artifacts::Store;
use aprendiz_run_spec::RunKind;
use aprendiz_runs::{NewWorker, WorkerId, register_worker};

use crate::config::WorkerConfig;
use crate::deps::Deps;
use crate::heartbeat::WorkerHealth;
use crate::{host_info, scratch};

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A registered worker: its identity, its health and what its runs depend on.
pub(crate) struct WorkerContext {
    pub(crate) id: WorkerId,
    pub(crate) health: WorkerHealth,
    pub(crate) deps: Deps,
}

impl WorkerContext {
    /// Connects to Postgres and the object store and registers the worker. Redis may be down: runs are then found by polling.
    pub(crate) async fn connect(config: WorkerConfig) -> Result<Arc<Self>> {
        // a worker that hangs inside a transaction would keep its run locked against the reaper: Postgres ends the session with the lease
        let session = [
            ("idle_in_transaction_session_timeout", config.lease.as_millis().to_string()),
            ("client_connection_check_interval", "2s".to_owned()),
        ];
        let pool = config
            .database
            .pool_options()
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(config.database.options.clone().application_name("aprendiz-worker").options(session))
            .await
            .with_context(|| {
                format!(
                    "cannot connect to the database {}: check DATABASE_URL (or PG*) and that Postgres is running",
                    config.database.location()
                )
            })?;
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
            kinds: &RunKind::IMPLEMENTED,
            backend: "flex",
            cpu_kernel: aprendiz_training::cpu_kernel(),
            memory_bytes: host_info::memory_bytes(),
        };
        let mut conn = pool.acquire().await?;
        register_worker(&mut conn, &worker).await.context("cannot register this worker: run `aprendiz migrate` first")?;
        drop(conn);
        tracing::info!(
            worker.id = %id,
            worker.host = config.host,
            worker.slots = config.slots,
            cpu_kernel = aprendiz_training::cpu_kernel(),
            "worker registered"
        );
        Ok(Arc::new(Self { id, health: WorkerHealth::default(), deps: Deps { config, pool, store } }))
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
