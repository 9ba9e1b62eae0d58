//! Middleware: concurrency limit, request timeout, `nosniff`.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::error::ApiError;
use crate::api::http::operation::{add_problem, operations_of};
use crate::api::state::AppState;

/// Rejects a request when too many are in flight. Response bodies that are still being sent do not count.
pub(crate) async fn limit_concurrency(State(state): State<AppState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let Ok(_permit) = state.admission.try_acquire() else {
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "too many concurrent requests: try again"));
    };
    Ok(next.run(request).await)
}

/// Cancels a request that takes too long.
pub(crate) async fn request_timeout(State(state): State<AppState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let limit = state.config.request_timeout;
    timeout(limit, next.run(request)).await.map_err(|_| {
        let detail = format!("the request took longer than {} s: try again", limit.as_secs());
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "timed_out", detail)
    })
}

/// Describes the operations of routes whose concurrency is limited.
pub(crate) fn describe_concurrency_limit(routes: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    describe_unavailable(routes, "`overloaded`: too many concurrent requests")
}

/// Describes the operations of routes that have a timeout.
pub(crate) fn describe_timeout(routes: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    describe_unavailable(routes, "`timed_out`: the request took too long")
}

fn describe_unavailable(mut routes: OpenApiRouter<AppState>, reason: &str) -> OpenApiRouter<AppState> {
    for operation in routes.get_openapi_mut().paths.paths.values_mut().flat_map(operations_of) {
        add_problem(operation, StatusCode::SERVICE_UNAVAILABLE, reason);
    }
    routes
}

/// Forbids browsers to guess a content type other than the declared one.
pub(crate) async fn nosniff(mut response: Response) -> Response {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
