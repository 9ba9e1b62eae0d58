//! The OpenAPI document before any route is added: title, description and security scheme.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder};

const DESCRIPTION: &str = "Trains, evaluates and versions models from reviewed annotations.\n\n\
    Every route except the probes and this document requires an API key, sent as `Authorization: Bearer apz_...` or `X-API-Key`. \
    The security requirement of a route names the role that it needs: viewer < reviewer < operator < admin. \
    Errors are `application/problem+json` with a stable `code`.";

pub(super) fn base() -> OpenApi {
    let info = InfoBuilder::new().title("Aprendiz").version(env!("CARGO_PKG_VERSION")).description(Some(DESCRIPTION)).build();
    let mut components = Components::new();
    components.add_security_scheme("api_key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}
