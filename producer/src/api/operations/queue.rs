//! Statistics of the queue.

use aprendiz_runs::{QueueStats, queue_stats};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::http::auth::Viewer;
use crate::api::http::error::ApiError;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// State of Redis. Redis only wakes workers; waiting runs are stored in Postgres.
#[derive(Debug, Serialize, ToSchema)]
struct RedisStats {
    /// Whether Redis responds.
    reachable: bool,
    /// Wake-ups in Redis that no worker has fetched yet.
    depth: Option<u64>,
}

/// Statistics of the queue at one moment.
#[derive(Debug, Serialize, ToSchema)]
struct QueueReport {
    #[serde(flatten)]
    stats: QueueStats,
    /// State of Redis.
    redis: RedisStats,
}

/// Shows statistics of the queue
///
/// Runs by status, waiting runs and their age, workers and slots, and the outcomes of recent attempts. The query is cheap enough to repeat
/// every few seconds.
#[utoipa::path(
    get, path = "/v1/queue", tag = "operations", security(("api_key" = ["viewer"])),
    responses((status = 200, description = "The statistics", body = QueueReport)),
)]
async fn show(State(state): State<AppState>, _: Viewer) -> Result<Json<QueueReport>, ApiError> {
    let stats = async { queue_stats(&mut *state.database.snapshot().await?).await };
    let (stats, depth) = tokio::join!(stats, state.redis.depth());
    let depth = depth.ok();
    Ok(Json(QueueReport { stats: stats?, redis: RedisStats { reachable: depth.is_some(), depth } }))
}
