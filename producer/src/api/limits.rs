//! Limits that hold for many routes at once.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::timeout;

use crate::api::error::ApiError;
use crate::api::state::AppState;

/// Turns a request away when too many are being answered. Bodies that are still being sent do not count.
pub(crate) async fn admitted(State(state): State<AppState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let Ok(_permit) = state.admission.try_acquire() else {
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "too many requests at once: try again"));
    };
    Ok(next.run(request).await)
}

/// Breaks off what takes too long.
pub(crate) async fn within_time(State(state): State<AppState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let limit = state.config.request_timeout;
    timeout(limit, next.run(request)).await.map_err(|_| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "timed_out", format!("this took longer than {} s: try again", limit.as_secs()))
    })
}

/// Browsers must take what we send for what we say it is.
pub(crate) async fn harmless(mut response: Response) -> Response {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
