//! What every handler shares.

use std::sync::Arc;

use artifacts::Store;
use metrics_exporter_prometheus::PrometheusHandle;
use queue::QueueConfig;
use sqlx::PgPool;
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::api::event_hub::EventHub;
use crate::api::metrics::Readings;
use crate::api::model_cache::ModelCache;
use crate::api::redis_probe::RedisProbe;
use crate::config::ApiConfig;

/// Shared state; cheap to clone.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) pool: PgPool,
    pub(crate) store: Store,
    pub(crate) config: Arc<ApiConfig>,
    pub(crate) events: EventHub,
    pub(crate) models: Arc<ModelCache>,
    pub(crate) redis: Arc<RedisProbe>,
    /// Numbers of this process, and those last read of the installation, for Prometheus.
    pub(crate) recorder: PrometheusHandle,
    pub(crate) readings: Arc<Readings>,
    /// Requests that may still be taken on.
    pub(crate) admission: Arc<Semaphore>,
    /// Verifications at once: each reads a whole snapshot.
    pub(crate) verifications: Arc<Semaphore>,
    /// Told when an import was asked for, so that the importer need not look for it.
    pub(crate) imports: Arc<Notify>,
    /// Cancelled when the process is asked to stop: ends streams that would never end by themselves.
    pub(crate) shutdown: CancellationToken,
    /// Loops of this process that must never end by themselves, with their names.
    pub(crate) loops: Arc<[(&'static str, AbortHandle)]>,
}

impl AppState {
    #[expect(clippy::too_many_arguments, reason = "one of each part of the server, put together in one place")]
    pub(crate) fn new(
        pool: PgPool,
        store: Store,
        queue: QueueConfig,
        config: ApiConfig,
        events: EventHub,
        recorder: PrometheusHandle,
        shutdown: CancellationToken,
        loops: Vec<(&'static str, AbortHandle)>,
    ) -> Self {
        Self {
            pool,
            models: Arc::new(ModelCache::new(store.clone(), config.model_cache_dir.clone(), config.model_cache_size)),
            store,
            admission: Arc::new(Semaphore::new(config.max_requests)),
            verifications: Arc::new(Semaphore::new(1)),
            imports: Arc::default(),
            config: Arc::new(config),
            events,
            redis: Arc::new(RedisProbe::new(queue)),
            recorder,
            readings: Arc::default(),
            shutdown,
            loops: loops.into(),
        }
    }
}
