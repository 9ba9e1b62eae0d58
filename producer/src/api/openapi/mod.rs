//! The OpenAPI document: what it holds beside the routes, and what is derived from all of them.

mod links;

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response, Schema};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::api::http::auth::cookie::SECURE_NAME;
use crate::api::http::auth::csrf::CSRF_HEADER;
use crate::api::http::auth::{API_KEY_HEADER, SECURITY_SCHEMES};
use crate::api::http::operation::{PROBLEM_TYPE, add_header, add_problem, methods_of};
use crate::api::runs::streamed_event::EventData;

const DESCRIPTION: &str = "Trains, evaluates and versions models from reviewed annotations.\n\n\
    Every route except the probes and this document requires an API key, sent as `Authorization: Bearer apz_...` or `X-API-Key`. \
    A browser that signed in with `POST /v1/session` or with a provider (`GET /v1/session/providers`) sends its cookie instead, and `X-CSRF-Token` with every change. \
    The security requirement of a route names the role that it needs: viewer < reviewer < operator < admin. \
    Errors are `application/problem+json` with a stable `code`. The description of an error response names its common codes. \
    Problems with the status 429 or 503 have `Retry-After`. \
    Times in requests may have other forms than RFC 3339. `GET` routes also answer `HEAD`.";

/// The document before any route is added.
pub(super) fn base() -> OpenApi {
    let info = InfoBuilder::new().title("Aprendiz").version(env!("CARGO_PKG_VERSION")).description(Some(DESCRIPTION)).build();
    let mut components = Components::new();
    let [bearer, header, cookie] = SECURITY_SCHEMES;
    components.add_security_scheme(bearer, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.add_security_scheme(header, SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(API_KEY_HEADER))));
    let description = "Session of a browser. Over plain HTTP the name has no prefix `__Host-`";
    let session = ApiKeyValue::with_description(SECURE_NAME, description);
    components.add_security_scheme(cookie, SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    // only the data of events refers to it, which utoipa does not follow
    components.schemas.insert(EventData::name().into_owned(), EventData::schema());
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// Completes the document once all routes are in it.
pub(super) fn complete(document: &mut OpenApi) {
    // axum writes `{*path}` for the rest of the path; OpenAPI has no such syntax
    document.paths.paths =
        std::mem::take(&mut document.paths.paths).into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in methods_of(item) {
            operation.operation_id = Some(operation_id(method, path));
            if method != "get" && operation.security.is_some() {
                require_csrf_token(operation);
            }
            operation.responses.responses.values_mut().for_each(name_problem_type);
        }
    }
    if let Some(components) = &mut document.components {
        refer_to_items(&mut components.schemas);
    }
    links::add(document);
}

/// Describes a change that a session makes.
fn require_csrf_token(operation: &mut Operation) {
    add_header(operation, CSRF_HEADER, "The `csrf_token` of `GET /v1/session`; only with the cookie of a session", String::schema());
    let reason = "`csrf`: the request has the cookie of a session without its `X-CSRF-Token`, or comes from a page of another origin";
    add_problem(operation, StatusCode::FORBIDDEN, reason);
}

/// An id that is unique because method and path are: `get_v1_training_runs_id`.
fn operation_id(method: &str, path: &str) -> String {
    format!("{method}{path}").replace(['{', '}'], "").replace(['/', '-', '.'], "_")
}

/// Handlers declare problems by their schema; the media type is the same for all of them.
fn name_problem_type(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    let is_problem = response
        .content
        .get("application/json")
        .is_some_and(|content| matches!(content, RefOr::T(content) if content.schema == Some(Ref::from_schema_name("Problem").into())));
    if is_problem && let Some(content) = response.content.swap_remove("application/json") {
        response.content.insert(PROBLEM_TYPE.to_owned(), content);
    }
}

/// Replaces the items of pages, which utoipa writes out, by references to their schemas.
fn refer_to_items(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let known: BTreeSet<String> = schemas.keys().cloned().collect();
    for (name, page) in schemas {
        if let Some(item) = name.strip_prefix("Page_").filter(|item| known.contains(*item))
            && let RefOr::T(Schema::Object(page)) = page
            && let Some(RefOr::T(Schema::Array(items))) = page.properties.get_mut("items")
        {
            items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
        }
    }
}

#[cfg(test)]
mod tests;
