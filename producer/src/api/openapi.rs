//! The OpenAPI document, made from the routes themselves: a route that is served is in it.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::state::AppState;

const DESCRIPTION: &str = "Turns reviewed annotations in Postgres into trained, measured, versioned models.\n\n\
    Every route but the probes and this document needs an API key, as `Authorization: Bearer apz_...` or `X-API-Key`. The role \
    a route needs stands beside its security requirement: viewer < reviewer < operator < admin. \
    Errors are `application/problem+json` with a stable `code`.";

static DOCUMENT: LazyLock<String> = LazyLock::new(|| super::open_api().to_json().unwrap_or_default());

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(document))
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", tag = "probes", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")),
)]
async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// The document before any route is added.
pub(crate) fn base() -> OpenApi {
    let info = InfoBuilder::new().title("Aprendiz").version(env!("CARGO_PKG_VERSION")).description(Some(DESCRIPTION)).build();
    let mut components = Components::new();
    components.add_security_scheme("api_key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}
