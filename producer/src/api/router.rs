//! The router of the API and the middleware around every route.

use std::any::Any;
use std::sync::LazyLock;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::classify::ServerErrorsFailureClass;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::trace::TraceLayer;
use tracing::{Span, info_span};
use utoipa_axum::router::OpenApiRouter;

use crate::api::annotations::export::POSITION_HEADER;
use crate::api::http::auth::browser::keep_private;
use crate::api::http::error::ApiError;
use crate::api::http::operation::routes;
use crate::api::http::request_body::limit_body;
use crate::api::http::request_headers::trace_context;
use crate::api::http::request_id::REQUEST_ID_HEADER;
use crate::api::http::slots::RequestClass;
use crate::api::http::{auth, limits, nul, request_id};
use crate::api::operations::metrics::record_request;
use crate::api::state::AppState;
use crate::api::web::ApiPrefixes;
use crate::api::{
    annotations, datasets, documents, fields, ids, imports, keys, legacy, models, openapi, operations, reviews, runs as training_runs,
    sessions, sign_in, web, workers,
};
use crate::config::ApiConfig;

/// Size limit of an ordinary JSON body, in bytes.
const MAX_BODY_BYTES: usize = 8 << 20;

static OPENAPI_JSON: LazyLock<String> = LazyLock::new(|| open_api().to_json().unwrap_or_default());

/// The paths that are no views of the web interface.
static API_PREFIXES: LazyLock<ApiPrefixes> = LazyLock::new(|| ApiPrefixes::from_paths(open_api().paths.paths.keys().map(String::as_str)));

/// Routes that orchestrators and Prometheus request every few seconds.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Every route of the API. All of them are declared with `routes!`, so the OpenAPI document is complete.
///
/// `admit` wraps all routes except the probes, by their class.
fn all_routes(admit: impl Fn(RequestClass, OpenApiRouter<AppState>) -> OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    let ordinary = OpenApiRouter::new()
        .merge(training_runs::routes())
        .merge(workers::routes())
        .merge(ids::routes())
        .merge(keys::routes())
        .merge(sessions::routes())
        .merge(sign_in::routes())
        .merge(operations::routes())
        .merge(datasets::routes())
        .merge(models::routes())
        .merge(fields::routes())
        .merge(imports::routes())
        .merge(documents::routes())
        .merge(annotations::routes())
        .merge(reviews::routes())
        .merge(legacy::routes());
    let long_reads = OpenApiRouter::new()
        .merge(annotations::untimed_routes())
        .merge(documents::untimed_routes())
        .merge(datasets::untimed_routes())
        .merge(models::untimed_routes())
        .merge(training_runs::long_read_routes())
        .merge(legacy::untimed_routes());
    let admitted = |class, routes| admit(class, limits::describe(class, routes));
    let probes = operations::probes().routes(routes!(document));
    OpenApiRouter::with_openapi(openapi::base())
        .merge(admitted(RequestClass::Ordinary, ordinary))
        .merge(admitted(RequestClass::Prediction, models::prediction_routes()))
        .merge(admitted(RequestClass::Upload, imports::untimed_routes()))
        .merge(admitted(RequestClass::LongRead, long_reads))
        .merge(admitted(RequestClass::EventStream, training_runs::untimed_routes()))
        .merge(probes)
}

/// The OpenAPI document of all routes.
pub(crate) fn open_api() -> utoipa::openapi::OpenApi {
    let mut document = all_routes(|_, routes| routes).into_openapi();
    nul::describe(&mut document);
    openapi::complete(&mut document);
    document
}

/// Returns the OpenAPI document
#[utoipa::path(
    get, path = "/openapi.json", tag = "probes",
    responses((status = 200, description = "The OpenAPI 3.1 document", body = Object, content_type = "application/json")),
)]
async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI_JSON.as_str()).into_response()
}

/// The HTTP service.
pub(crate) fn router(state: AppState) -> Router {
    let admit = |class: RequestClass, routes: OpenApiRouter<AppState>| {
        let routes = if class.has_timeout() {
            routes.layer(middleware::from_fn_with_state(state.clone(), limits::request_timeout))
        } else if class == RequestClass::LongRead {
            routes.layer(middleware::from_fn_with_state(state.clone(), limits::long_read_timeout))
        } else {
            routes
        };
        routes.layer(middleware::from_fn_with_state((state.clone(), class), limits::admit))
    };
    let cors = cors(&state.config);
    let router = Router::from(all_routes(admit))
        .fallback(async |request: Request| web::serve(&request, &API_PREFIXES))
        .method_not_allowed_fallback(async || {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this route does not support the request method: see /openapi.json",
            )
        })
        .layer(limit_body(MAX_BODY_BYTES))
        .layer(middleware::from_fn(nul::reject_nul_in_uri))
        .layer(middleware::map_response(limits::nosniff))
        .layer(middleware::from_fn_with_state(state.clone(), keep_private))
        .layer(CatchPanicLayer::custom(respond_to_panic))
        .layer(middleware::from_fn(record_request))
        .layer(TraceLayer::new_for_http().make_span_with(request_span).on_failure(log_failure))
        .layer(middleware::from_fn(request_id::identify));
    match cors {
        Some(cors) => router.layer(cors).with_state(state),
        None => router.with_state(state),
    }
}

/// The span of a request. It holds no other header and no query, because either may contain secrets.
fn request_span(request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str);
    let id = request.headers().get(REQUEST_ID_HEADER).and_then(|id| id.to_str().ok()).unwrap_or_default();
    if PROBES.contains(&route) {
        // another target than that of this crate: such spans are not exported
        return info_span!(target: "probe", "request", request.id = id, http.method = %request.method(), http.route = route);
    }
    let span = info_span!("request", request.id = id, http.method = %request.method(), http.route = route);
    if let Some(parent) = trace_context(request.headers()) {
        aprendiz_telemetry::continue_trace(&span, &parent);
    }
    span
}

/// Logs a response that ends early. An error status is logged where the error is made, with its cause.
fn log_failure(failure: ServerErrorsFailureClass, _latency: Duration, _span: &Span) {
    if let ServerErrorsFailureClass::Error(error) = failure {
        tracing::error!(error, "the response ended early");
    }
}

fn respond_to_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
    ApiError::internal(anyhow::anyhow!("a handler panicked: {text}")).into_response()
}

fn cors(config: &ApiConfig) -> Option<CorsLayer> {
    const CUSTOM_REQUEST_HEADERS: [&str; 5] = [auth::API_KEY_HEADER, "idempotency-key", "last-event-id", "traceparent", "tracestate"];
    const STANDARD_REQUEST_HEADERS: [HeaderName; 6] =
        [header::AUTHORIZATION, header::CONTENT_TYPE, header::RANGE, header::IF_NONE_MATCH, header::IF_MATCH, header::CACHE_CONTROL];
    const RESPONSE_HEADERS: [HeaderName; 7] = [
        header::LOCATION,
        header::ETAG,
        header::CONTENT_RANGE,
        header::CONTENT_DISPOSITION,
        header::RETRY_AFTER,
        POSITION_HEADER,
        REQUEST_ID_HEADER,
    ];
    if config.cors_origins.is_empty() {
        return None;
    }
    let headers = CUSTOM_REQUEST_HEADERS.iter().map(|name| HeaderName::from_static(name)).chain(STANDARD_REQUEST_HEADERS);
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(config.cors_origins.clone()))
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers(headers.collect::<Vec<_>>())
            .expose_headers(RESPONSE_HEADERS),
    )
}
