//! State shared by all handlers.

use std::sync::Arc;

use aprendiz_artifacts::Store;
use aprendiz_db::Database;
use aprendiz_queue::QueueConfig;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::http::compute::Compute;
use crate::api::http::slots::Slots;
use crate::api::models::comparison::deps::ComparisonDeps;
use crate::api::models::inference::client::InferenceClient;
use crate::api::models::model_cache::ModelCache;
use crate::api::models::shadow::queue::ShadowQueue;
use crate::api::operations::check::TimedChecks;
use crate::api::operations::metrics_snapshot::MetricsSnapshot;
use crate::api::operations::redis_probe::RedisProbe;
use crate::api::runs::event_hub::EventHub;
use crate::config::ApiConfig;
use crate::limits::auth_failures::AuthFailures;
use crate::limits::quota::Quota;
use crate::limits::request_rate::RequestRate;
use crate::oidc::Provider;
use crate::server::task_health::TaskHealth;

/// Maximum number of verifications at the same time.
const MAX_VERIFICATIONS: u64 = 2;

/// Shared state; cheap to clone.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) database: Database,
    pub(crate) store: Store,
    pub(crate) config: Arc<ApiConfig>,
    pub(crate) events: EventHub,
    pub(crate) models: Arc<ModelCache>,
    /// The inference process of this host, if the server has one.
    pub(crate) inference: Option<InferenceClient>,
    /// Inputs on which challengers are compared with champions.
    pub(crate) shadow: ShadowQueue,
    pub(crate) redis: Arc<RedisProbe>,
    /// Metrics of this process.
    pub(crate) recorder: PrometheusHandle,
    /// Metrics of the installation, as last read from the database.
    pub(crate) metrics: Arc<MetricsSnapshot>,
    /// The provider with which people sign in, if one is configured.
    pub(crate) oidc: Option<Arc<Provider>>,
    /// What the requests of all clients share.
    pub(crate) slots: Arc<Slots>,
    /// Failed authentications by address.
    pub(crate) auth_failures: Arc<AuthFailures>,
    /// Requests by API key.
    pub(crate) request_rate: Arc<RequestRate>,
    /// Runs work that takes processor time.
    pub(crate) compute: Compute,
    /// Verifications in progress: each reads a whole snapshot, on two connections of its own. One for each API key.
    pub(crate) verifications: Arc<Quota>,
    /// One permit per import that may use a connection of the pool.
    pub(crate) import_turns: Arc<Semaphore>,
    /// Notified when an import is enqueued, so that the import worker starts without waiting for its next poll.
    pub(crate) imports: Arc<Notify>,
    /// Health of the background tasks of this process.
    pub(crate) task_health: Arc<[TaskHealth]>,
    /// The latest answer of the readiness probe.
    pub(super) readiness: Arc<Mutex<Option<TimedChecks>>>,
    /// When this process started.
    pub(crate) started_at: Instant,
    /// Cancelled at shutdown; ends streams that would otherwise stay open.
    pub(crate) shutdown: CancellationToken,
    /// Background tasks of this process by name. They run until shutdown; one that ends earlier has failed.
    pub(crate) background_tasks: Arc<[(&'static str, AbortHandle)]>,
}

impl AppState {
    #[expect(clippy::too_many_arguments, reason = "the parts of the server are assembled here, once")]
    pub(crate) fn new(
        database: Database,
        store: Store,
        queue: QueueConfig,
        config: ApiConfig,
        events: EventHub,
        recorder: PrometheusHandle,
        shutdown: CancellationToken,
        background_tasks: Vec<(&'static str, AbortHandle)>,
    ) -> Self {
        Self {
            database,
            models: Arc::new(ModelCache::new(store.clone(), config.model_cache_dir.clone(), config.model_cache_size)),
            inference: None,
            oidc: None,
            // without targets and receiver until the server starts the background task
            shadow: ShadowQueue::new().0,
            store,
            slots: Arc::new(Slots::new(&config.clients, config.max_requests, config.max_import_bytes)),
            auth_failures: Arc::new(AuthFailures::new(config.clients.max_auth_failures)),
            request_rate: Arc::new(RequestRate::new(config.clients.max_requests_per_minute, config.clients.request_burst)),
            compute: Compute::new(),
            verifications: Quota::new(MAX_VERIFICATIONS, 1),
            import_turns: Arc::new(Semaphore::new(config.clients.concurrent_imports)),
            imports: Arc::default(),
            task_health: Arc::default(),
            readiness: Arc::default(),
            started_at: Instant::now(),
            config: Arc::new(config),
            events,
            redis: Arc::new(RedisProbe::new(queue)),
            recorder,
            metrics: Arc::default(),
            shutdown,
            background_tasks: background_tasks.into(),
        }
    }

    /// What the comparison of versions needs.
    pub(crate) fn comparison(&self) -> ComparisonDeps {
        ComparisonDeps { database: self.database.clone(), store: self.store.clone(), compute: self.compute.clone() }
    }
}
