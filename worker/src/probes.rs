//! HTTP probes and metrics on `APRENDIZ_PROBE_LISTEN`. They need no API key and reveal no secrets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::context::WorkerContext;
use crate::heartbeat::QueueState;
use crate::scratch;
use crate::shutdown::Shutdown;
use aprendiz_db::run_blocking;

const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// An older last heartbeat means that the process starves or the database is unavailable.
const MAX_HEARTBEAT_AGE: Duration = Duration::from_secs(30);

/// The probe listener. It is bound before any run is claimed: an address in use must not cost an attempt.
pub(crate) struct Probes {
    listener: Option<TcpListener>,
    metrics: PrometheusHandle,
}

impl Probes {
    /// Binds the address, if there is one.
    pub(crate) async fn listen(address: Option<SocketAddr>, metrics: PrometheusHandle) -> Result<Self> {
        let listener = match address {
            Some(address) => {
                let listener = TcpListener::bind(address).await;
                Some(listener.with_context(|| format!("APRENDIZ_PROBE_LISTEN: cannot listen on {address}"))?)
            }
            None => None,
        };
        Ok(Self { listener, metrics })
    }

    /// Serves requests until `end`.
    pub(crate) async fn serve(self, context: Arc<WorkerContext>, shutdown: Shutdown, end: CancellationToken) {
        let Some(listener) = self.listener else { return };
        let router = Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(render_metrics))
            .with_state(ProbeState { context, shutdown, metrics: self.metrics });
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(end.cancelled_owned()).await {
            tracing::error!(%error, "probe server failed");
        }
    }
}

#[derive(Clone)]
struct ProbeState {
    context: Arc<WorkerContext>,
    shutdown: Shutdown,
    metrics: PrometheusHandle,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    worker_id: String,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Check {
    fn new(name: &'static str, outcome: Result<(), String>) -> Self {
        Self { name, state: if outcome.is_ok() { "ok" } else { "failed" }, detail: outcome.err() }
    }

    const fn degraded(name: &'static str, detail: String) -> Self {
        Self { name, state: "degraded", detail: Some(detail) }
    }
}

impl ProbeState {
    fn respond(&self, checks: Vec<Check>) -> (StatusCode, Json<Health>) {
        let any_is = |state| checks.iter().any(|check| check.state == state);
        let (code, status) = if any_is("failed") {
            (StatusCode::SERVICE_UNAVAILABLE, "failed")
        } else if any_is("degraded") {
            (StatusCode::OK, "degraded")
        } else {
            (StatusCode::OK, "ok")
        };
        let worker_id = self.context.id.to_string();
        (code, Json(Health { status, version: env!("CARGO_PKG_VERSION"), worker_id, checks }))
    }
}

/// Liveness: a background loop that has ended does not restart, so the process must be restarted.
async fn healthz(State(state): State<ProbeState>) -> impl IntoResponse {
    let dead = state.context.health.dead_loops();
    let check = |name| {
        let outcome =
            if dead.contains(&name) { Err("the loop has ended: restart the process and check its log".to_owned()) } else { Ok(()) };
        Check::new(name, outcome)
    };
    state.respond(vec![check("queue_listener"), check("heartbeat")])
}

/// Readiness: whether the worker can claim runs.
async fn readyz(State(state): State<ProbeState>) -> impl IntoResponse {
    let (health, deps) = (&state.context.health, &state.context.deps);
    let ping = async { deps.database.ping().await };
    let database = match timeout(PROBE_TIMEOUT, ping).await {
        Ok(Ok(())) if health.heartbeat_age().is_some_and(|age| age < MAX_HEARTBEAT_AGE) => Ok(()),
        Ok(Ok(())) => Err(format!("reachable, but no heartbeat succeeded in the last {} s", MAX_HEARTBEAT_AGE.as_secs())),
        _ => Err(format!("no response within {} s", PROBE_TIMEOUT.as_secs())),
    };
    let bucket = match timeout(PROBE_TIMEOUT, deps.store.check()).await {
        Ok(Ok(())) => Ok(()),
        _ => Err("no response, or access denied: `aprendiz doctor` shows why".to_owned()),
    };
    let folder = deps.config.scratch.clone();
    let scratch =
        run_blocking(move || scratch::probe(&folder)).await.map_err(|error| format!("{}: {error}", deps.config.scratch.display()));
    let claiming = if state.shutdown.draining().is_cancelled() { Err("draining: no new runs are claimed".to_owned()) } else { Ok(()) };
    let polling = format!("polling for runs every {} s", deps.config.poll_interval.as_secs());
    let queue = match health.queue() {
        QueueState::Listening => Check::new("queue", Ok(())),
        QueueState::Connecting => Check::degraded("queue", format!("not connected yet: {polling}")),
        QueueState::Unavailable(fault) => Check::degraded("queue", format!("{fault}: {polling}; {}", deps.config.queue.advice(fault))),
    };
    let checks = vec![
        Check::new("database", database),
        Check::new("bucket", bucket),
        Check::new("scratch", scratch),
        Check::new("claiming", claiming),
        queue,
    ];
    state.respond(checks)
}

async fn render_metrics(State(state): State<ProbeState>) -> impl IntoResponse {
    if let Some(age) = state.context.health.heartbeat_age() {
        metrics::gauge!("aprendiz_worker_heartbeat_age_seconds").set(age.as_secs_f64());
    }
    state.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], state.metrics.render())
}
