//! Probes and metrics of this process over HTTP, where `APRENDIZ_PROBE_LISTEN` says so. They need no key and tell no secrets.

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
use crate::pipeline::probe_scratch;
use crate::shutdown::Shutdown;

const PATIENCE: Duration = Duration::from_secs(3);
/// Heartbeats older than this mean that the process starves or the database is away.
const STALE: Duration = Duration::from_secs(30);

/// A place to listen at, taken before anything is claimed: an address that is in use must cost no run.
pub(crate) struct Probes {
    listener: Option<TcpListener>,
    metrics: PrometheusHandle,
}

impl Probes {
    /// Listens, where an address was given.
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

    /// Answers until `end`.
    pub(crate) async fn serve(self, context: Arc<WorkerContext>, shutdown: Shutdown, end: CancellationToken) {
        let Some(listener) = self.listener else { return };
        let router = Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(render))
            .with_state(Observed { context, shutdown, metrics: self.metrics });
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(end.cancelled_owned()).await {
            tracing::error!(%error, "probes are not answered any more");
        }
    }
}

#[derive(Clone)]
struct Observed {
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
    fn of(name: &'static str, outcome: Result<(), String>) -> Self {
        Self { name, state: if outcome.is_ok() { "ok" } else { "failed" }, detail: outcome.err() }
    }
}

impl Observed {
    fn answer(&self, checks: Vec<Check>) -> (StatusCode, Json<Health>) {
        let is = |state| checks.iter().any(|check| check.state == state);
        let (code, status) = if is("failed") {
            (StatusCode::SERVICE_UNAVAILABLE, "failed")
        } else if is("degraded") {
            (StatusCode::OK, "degraded")
        } else {
            (StatusCode::OK, "ok")
        };
        let worker_id = self.context.id.to_string();
        (code, Json(Health { status, version: env!("CARGO_PKG_VERSION"), worker_id, checks }))
    }
}

/// Whether the process does its work: a loop that has died does not come back by itself, so the process must be restarted.
async fn healthz(State(observed): State<Observed>) -> impl IntoResponse {
    let dead = observed.context.vitals.dead_loops();
    let check = |name| {
        Check::of(
            name,
            if dead.contains(&name) { Err("it has ended: restart the process and look into its log".to_owned()) } else { Ok(()) },
        )
    };
    observed.answer(vec![check("doorbell"), check("heartbeat")])
}

/// Whether it can take on runs.
async fn readyz(State(observed): State<Observed>) -> impl IntoResponse {
    let context = &observed.context;
    let asked = async { sqlx::query("SELECT 1").execute(&context.pool).await };
    let database = match timeout(PATIENCE, asked).await {
        Ok(Ok(_)) if context.vitals.beat_age().is_some_and(|age| age < STALE) => Ok(()),
        Ok(Ok(_)) => Err("it answers, but has taken no heartbeat for a while".to_owned()),
        _ => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    let bucket = match timeout(PATIENCE, context.store.check()).await {
        Ok(Ok(())) => Ok(()),
        _ => Err("it does not answer, or refuses".to_owned()),
    };
    let scratch = probe_scratch(&context.config.scratch).map_err(|error| format!("{}: {error}", context.config.scratch.display()));
    let claiming = if observed.shutdown.draining().is_cancelled() { Err("it claims nothing any more".to_owned()) } else { Ok(()) };
    let queue = if context.vitals.is_listening() {
        Check::of("queue", Ok(()))
    } else {
        let detail = format!("announcements are not heard; runs are looked for every {} s", context.config.look.as_secs());
        Check { name: "queue", state: "degraded", detail: Some(detail) }
    };
    let checks = vec![
        Check::of("database", database),
        Check::of("bucket", bucket),
        Check::of("scratch", scratch),
        Check::of("claiming", claiming),
        queue,
    ];
    observed.answer(checks)
}

async fn render(State(observed): State<Observed>) -> impl IntoResponse {
    if let Some(age) = observed.context.vitals.beat_age() {
        metrics::gauge!("aprendiz_worker_heartbeat_age_seconds").set(age.as_secs_f64());
    }
    observed.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], observed.metrics.render())
}
