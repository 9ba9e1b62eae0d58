//! The HTTP API: its router, and what holds for every route.

mod annotation_export;
mod annotations;
mod archive;
mod as_of;
mod audit;
mod auth;
mod body_reader;
mod bulk_retry;
mod child_runs;
mod clone_run;
mod dataset_diff;
mod dataset_lineage;
mod dataset_report;
mod dataset_verification;
mod datasets;
mod document_erasure;
mod documents;
mod error;
mod event_hub;
mod explain;
mod export_encoder;
mod extract;
mod fields;
mod health;
mod import_requests;
mod imports;
mod legacy;
mod legacy_csv;
mod limits;
mod long_read;
mod merge_patch;
mod metrics;
mod model_cache;
mod models;
mod new_document;
mod object;
mod openapi;
mod page;
mod precondition;
mod predictions;
mod queue;
mod range;
mod redis_probe;
mod review_leases;
mod run_events;
mod run_request;
mod state;
mod stored_file;
mod training_runs;
mod waiting_reviews;
mod workers;

use std::any::Any;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::trace::TraceLayer;
use tracing::{Span, info_span};
use utoipa_axum::router::OpenApiRouter;

pub(crate) use self::body_reader::BodyReader;
use self::error::ApiError;
pub(crate) use self::event_hub::EventHub;
pub(crate) use self::state::AppState;
use crate::config::ApiConfig;

/// Bytes of an ordinary JSON body.
const MAX_BODY_BYTES: usize = 8 << 20;

/// Every route. Routes come from `routes!` only, so that the document knows them all.
///
/// `ordinary` wraps those that answer quickly, `guarded` all but the probes.
fn all_routes(
    ordinary: impl FnOnce(OpenApiRouter<AppState>) -> OpenApiRouter<AppState>,
    guarded: impl FnOnce(OpenApiRouter<AppState>) -> OpenApiRouter<AppState>,
) -> OpenApiRouter<AppState> {
    let timed = OpenApiRouter::new()
        .merge(training_runs::routes())
        .merge(child_runs::routes())
        .merge(clone_run::routes())
        .merge(bulk_retry::routes())
        .merge(explain::routes())
        .merge(workers::routes())
        .merge(queue::routes())
        .merge(audit::routes())
        .merge(datasets::routes())
        .merge(models::routes())
        .merge(predictions::routes())
        .merge(fields::routes())
        .merge(import_requests::routes())
        .merge(documents::routes())
        .merge(new_document::routes())
        .merge(annotations::routes())
        .merge(review_leases::routes())
        .merge(waiting_reviews::routes())
        .merge(legacy::routes());
    let untimed = OpenApiRouter::new()
        .merge(run_events::routes())
        .merge(imports::routes())
        .merge(legacy_csv::routes())
        .merge(annotation_export::routes())
        .merge(import_requests::retries())
        .merge(documents::indexing())
        .merge(datasets::downloads())
        .merge(dataset_diff::routes())
        .merge(dataset_lineage::routes())
        .merge(dataset_report::routes())
        .merge(dataset_verification::routes())
        .merge(document_erasure::routes())
        .merge(models::downloads())
        .merge(legacy::downloads());
    let probes = OpenApiRouter::new().merge(health::routes()).merge(metrics::routes()).merge(openapi::routes());
    OpenApiRouter::with_openapi(openapi::base()).merge(guarded(ordinary(timed).merge(untimed))).merge(probes)
}

/// The document of all routes.
pub(crate) fn open_api() -> utoipa::openapi::OpenApi {
    let mut document = all_routes(|routes| routes, |routes| routes).into_openapi();
    // the router writes `{*path}` for "the rest of the path"; OpenAPI has no such thing
    document.paths.paths =
        std::mem::take(&mut document.paths.paths).into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    document
}

/// The service.
pub(crate) fn router(state: AppState) -> Router {
    let timed = |routes: OpenApiRouter<AppState>| routes.layer(middleware::from_fn_with_state(state.clone(), limits::within_time));
    let guarded = |routes: OpenApiRouter<AppState>| routes.layer(middleware::from_fn_with_state(state.clone(), limits::admitted));
    let cors = cors(&state.config);
    let router = Router::from(all_routes(timed, guarded))
        .fallback(async || ApiError::not_found("no such route: see /openapi.json"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this route does not take this method: see /openapi.json")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::map_response(limits::harmless))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(metrics::measured))
        .layer(TraceLayer::new_for_http().make_span_with(span));
    match cors {
        Some(cors) => router.layer(cors).with_state(state),
        None => router.with_state(state),
    }
}

/// Names no header and no query: either may hold what a log must not.
fn span(request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str);
    info_span!("request", http.method = %request.method(), http.route = route)
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
    ApiError::internal(anyhow::anyhow!("a handler panicked: {text}")).into_response()
}

fn cors(config: &ApiConfig) -> Option<CorsLayer> {
    const OURS: [&str; 2] = [auth::API_KEY_HEADER, "idempotency-key"];
    const THEIRS: [HeaderName; 6] =
        [header::AUTHORIZATION, header::CONTENT_TYPE, header::RANGE, header::IF_NONE_MATCH, header::IF_MATCH, header::CACHE_CONTROL];
    const OUR_ANSWERS: [HeaderName; 6] = [
        header::LOCATION,
        header::ETAG,
        header::CONTENT_RANGE,
        header::CONTENT_DISPOSITION,
        header::RETRY_AFTER,
        annotation_export::POSITION_HEADER,
    ];
    if config.cors_origins.is_empty() {
        return None;
    }
    let headers = OURS.iter().chain(&["last-event-id", "traceparent"]).map(|name| HeaderName::from_static(name)).chain(THEIRS);
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(config.cors_origins.clone()))
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers(headers.collect::<Vec<_>>())
            .expose_headers(OUR_ANSWERS),
    )
}

#[cfg(test)]
mod tests;
