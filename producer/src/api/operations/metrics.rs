//! `GET /metrics`, and the middleware that records HTTP requests.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{counter, gauge, histogram};
use tokio::time::Instant;
use tracing::Span;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::operation::routes;
use crate::api::http::slots::Slots;
use crate::api::state::AppState;
use crate::server::metrics::{CONNECTIONS, REQUEST_SECONDS, REQUESTS, SLOTS};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Metrics of the server and of the installation, for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "probes",
    responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")),
)]
async fn metrics(State(state): State<AppState>) -> Response {
    let (all, idle) = state.database.connections();
    let used = all.saturating_sub(idle);
    gauge!(CONNECTIONS, "state" => "used").set(used as f64);
    gauge!(CONNECTIONS, "state" => "idle").set(idle as f64);
    gauge!(CONNECTIONS, "state" => "dedicated").set(state.slots.dedicated.used() as f64);
    for class in Slots::CLASSES {
        gauge!(SLOTS, "class" => class.label()).set(state.slots.by_class(class).used() as f64);
    }
    let installation = state.metrics.render(&state.database, &state.redis).await;
    let page = state.recorder.render() + &installation;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
}

/// Adds the status to the span of the request that is exported, and marks it as failed if the server is at fault.
fn record_status(status: StatusCode) {
    let span = Span::current();
    aprendiz_telemetry::set_attribute(&span, "http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        aprendiz_telemetry::fail_span(&span, status.as_str());
    }
}

/// Records count and duration of requests by route. The path would create an unbounded number of series.
pub(in crate::api) async fn record_request(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "(none)".to_owned(), |path| path.as_str().to_owned());
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        // clients can send arbitrary methods
        _ => "other",
    };
    let started = Instant::now();
    let response = next.run(request).await;
    record_status(response.status());
    histogram!(REQUEST_SECONDS, "route" => route.clone()).record(started.elapsed().as_secs_f64());
    counter!(REQUESTS, "method" => method, "route" => route, "status" => response.status().as_str().to_owned()).increment(1);
    response
}
