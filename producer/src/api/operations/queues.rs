//! Named queues: list, show, and set weights and limits.

use aprendiz_run_spec::QueueName;
use aprendiz_runs::{QueueChange, QueueInfo, get_queue, list_queues, set_queue};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{Operator, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::state::AppState;

/// Greatest limit of running runs.
const MAX_LIMIT: i32 = 100_000;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, put))
}

/// All queues.
#[derive(Debug, Serialize, ToSchema)]
struct Queues {
    /// The queues, by name.
    items: Vec<QueueInfo>,
}

/// A change of a queue; a key that is absent keeps its value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QueueRequest {
    /// Share of the running runs among queues with waiting runs, 1 to 1000; of a new queue 1.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    weight: Option<i32>,
    /// Greatest number of runs that run at the same time, 0 to 100000; null = no limit.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 100_000)]
    max_running: Option<Option<i32>>,
    /// The same for the runs of one model name.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 100_000)]
    max_running_per_model: Option<Option<i32>>,
}

/// A key that is present, also with null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Lists the queues of runs
///
/// With their weights and limits, and the number of their waiting and running runs.
#[utoipa::path(
    get, path = "/v1/queues", tag = "operations",
    responses((status = 200, description = "All queues", body = Queues)),
)]
async fn list(State(state): State<AppState>, _: Viewer) -> Result<Json<Queues>, ApiError> {
    let mut conn = state.database.read().await?;
    Ok(Json(Queues { items: list_queues(&mut conn).await? }))
}

/// Shows a queue of runs
#[utoipa::path(
    get, path = "/v1/queues/{name}", tag = "operations", params(("name" = QueueName, Path)),
    responses(
        (status = 200, description = "The queue", body = QueueInfo),
        (status = 404, description = "Queue not found", body = Problem),
    ),
)]
async fn show(State(state): State<AppState>, _: Viewer, ApiPath(name): ApiPath<String>) -> Result<Json<QueueInfo>, ApiError> {
    let mut conn = state.database.read().await?;
    Ok(Json(get_queue(&mut conn, &name).await?))
}

/// Creates a queue of runs, or changes its weight and limits
///
/// The change applies to claims that begin afterwards: a run that is running goes on, also above a new limit.
#[utoipa::path(
    put, path = "/v1/queues/{name}", tag = "operations", params(("name" = QueueName, Path)),
    request_body = QueueRequest,
    responses(
        (status = 200, description = "The queue", body = QueueInfo),
        (status = 422, description = "`invalid_spec`: invalid name; `invalid_settings`: a number is out of range", body = Problem),
    ),
)]
async fn put(
    State(state): State<AppState>,
    Operator(actor): Operator,
    ApiPath(name): ApiPath<String>,
    body: JsonBody<QueueRequest>,
) -> Result<Json<QueueInfo>, ApiError> {
    let name = QueueName::try_from(name).map_err(ApiError::from)?;
    let QueueRequest { weight, max_running, max_running_per_model } = body.value;
    check("weight", weight, 1, 1_000)?;
    check("max_running", max_running.flatten(), 0, MAX_LIMIT)?;
    check("max_running_per_model", max_running_per_model.flatten(), 0, MAX_LIMIT)?;
    let mut tx = state.database.begin().await?;
    let queue = set_queue(&mut tx, &name, QueueChange { weight, max_running, max_running_per_model }, &actor.name).await?;
    tx.commit().await?;
    Ok(Json(queue))
}

fn check(key: &str, value: Option<i32>, min: i32, max: i32) -> Result<(), ApiError> {
    match value.filter(|value| !(min..=max).contains(value)) {
        Some(value) => Err(ApiError::unprocessable("invalid_settings", format!("{key} is {value}: it must be between {min} and {max}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_limit_is_kept_and_null_removes_it() {
        let request: QueueRequest = serde_json::from_str(r#"{"weight":3,"max_running":null}"#).unwrap();
        assert_eq!((request.weight, request.max_running, request.max_running_per_model), (Some(3), Some(None), None));
        let request: QueueRequest = serde_json::from_str(r#"{"max_running_per_model":2}"#).unwrap();
        assert_eq!((request.max_running, request.max_running_per_model), (None, Some(Some(2))));
    }
}
