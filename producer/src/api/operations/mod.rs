//! Endpoints for operators: queue and queues, audit log, health probes, metrics.

mod audit;
pub(super) mod check;
mod health;
pub(super) mod metrics;
pub(super) mod metrics_snapshot;
mod queue;
mod queues;
pub(super) mod redis_probe;
mod task_checks;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().merge(queue::routes()).merge(queues::routes()).merge(audit::routes())
}

/// Routes that need no API key and are exempt from the concurrency limit.
pub(super) fn probes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().merge(health::routes()).merge(metrics::routes())
}
