//! Middleware: admission, request timeout, `nosniff`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::{Instant, timeout, timeout_at};
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::admission::Admission;
use crate::api::http::error::ApiError;
use crate::api::http::operation::{add_problem, operations_of};
use crate::api::http::slots::RequestClass;
use crate::api::state::AppState;
use crate::connection::client::ClientConnection;
use crate::connection::timed_body::TimedBody;

/// Admits a request if its class has a free slot.
pub(crate) async fn admit(
    State((state, class)): State<(AppState, RequestClass)>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let admission = Admission::begin(Arc::clone(&state.slots), class).await?;
    let connection = request.extensions().get::<Arc<ClientConnection>>().cloned();
    request.extensions_mut().insert(admission.clone());
    let response = next.run(request).await;
    admission.hold(response, connection)
}

/// Cancels a request that takes too long.
pub(crate) async fn request_timeout(State(state): State<AppState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let limit = state.config.request_timeout;
    let admission = Admission::from_extensions(request.extensions())?;
    match timeout(limit, next.run(request)).await {
        Ok(response) => Ok(response),
        Err(_) if admission.is_receiving() => {
            Err(ApiError::body_timeout(format!("the body was not received within {} s", limit.as_secs())))
        }
        Err(_) => {
            let detail = format!("the request took longer than {} s: try again", limit.as_secs());
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "timed_out", detail))
        }
    }
}

/// Cancels a long read that takes too long: its handler, and then the stream of its response.
pub(crate) async fn long_read_timeout(State(state): State<AppState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let limit = state.config.clients.long_read_timeout;
    let connection = request.extensions().get::<Arc<ClientConnection>>().cloned();
    let deadline = Instant::now() + limit;
    match timeout_at(deadline, next.run(request)).await {
        Ok(response) => Ok(match connection {
            Some(connection) => response.map(|body| TimedBody::wrap(body, deadline, connection)),
            None => response,
        }),
        Err(_) => {
            let detail = format!("the request took longer than {} s (APRENDIZ_LONG_READ_TIMEOUT_SECONDS): select less", limit.as_secs());
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "timed_out", detail))
        }
    }
}

/// Describes the operations of the routes of a class.
pub(crate) fn describe(class: RequestClass, mut routes: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    for operation in routes.get_openapi_mut().paths.paths.values_mut().flat_map(operations_of) {
        let reason = format!("`too_many_requests`: this API key has too many concurrent {}", class.noun());
        add_problem(operation, StatusCode::TOO_MANY_REQUESTS, &reason);
        add_problem(operation, StatusCode::SERVICE_UNAVAILABLE, &format!("`overloaded`: too many concurrent {}", class.noun()));
        if class.has_timeout() || class == RequestClass::LongRead {
            add_problem(operation, StatusCode::SERVICE_UNAVAILABLE, "`timed_out`: the request took too long");
        }
    }
    routes
}

/// Forbids browsers to guess a content type other than the declared one.
pub(crate) async fn nosniff(mut response: Response) -> Response {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
