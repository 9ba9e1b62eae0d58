//! The queue in numbers, for operators.

use axum::Json;
use axum::extract::State;
use runs::{QueueStats, queue_stats};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::Viewer;
use crate::api::error::ApiError;
use crate::api::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Redis, which only wakes workers: runs wait in Postgres.
#[derive(Debug, Serialize, ToSchema)]
struct RedisStats {
    /// Whether it answers.
    reachable: bool,
    /// Announcements in it that no worker has taken yet.
    depth: Option<u64>,
}

/// The queue at one moment.
#[derive(Debug, Serialize, ToSchema)]
struct QueueReport {
    #[serde(flatten)]
    stats: QueueStats,
    /// The doorbell.
    redis: RedisStats,
}

/// Shows the queue in numbers
///
/// Runs by status, what waits and how long, workers and slots, and how the last attempts went. All numbers come from indexes and
/// are bounded, so that it may be asked every few seconds.
#[utoipa::path(
    get, path = "/v1/queue", tag = "operations", security(("api_key" = ["viewer"])),
    responses((status = 200, description = "The numbers", body = QueueReport)),
)]
async fn show(State(state): State<AppState>, _: Viewer) -> Result<Json<QueueReport>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let (stats, depth) = tokio::join!(queue_stats(&mut conn), state.redis.depth());
    let depth = depth.ok();
    Ok(Json(QueueReport { stats: stats?, redis: RedisStats { reachable: depth.is_some(), depth } }))
}
