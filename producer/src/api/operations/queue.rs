//! Statistics of the queue.

use aprendiz_runs::{QueueStats, RunsError, TaskStatus, list_background_tasks, queue_stats};
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
    /// Whether Redis responds. It may be unusable nevertheless, for example because it is full.
    reachable: bool,
    /// Why Redis cannot be used, so that runs start only when workers poll; null if it works.
    error: Option<String>,
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
    /// The background tasks of all servers: when each last succeeded.
    background_tasks: Vec<TaskStatus>,
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
    let read = async {
        let mut snapshot = state.database.snapshot().await?;
        Ok::<_, RunsError>((queue_stats(&mut snapshot).await?, list_background_tasks(&mut snapshot).await?))
    };
    let (read, redis) = tokio::join!(read, state.redis.status());
    let (stats, background_tasks) = read?;
    let error = redis.fault.map(|fault| fault.to_string());
    let redis = RedisStats { reachable: redis.depth.is_some(), error, depth: redis.depth };
    Ok(Json(QueueReport { stats, redis, background_tasks }))
}
