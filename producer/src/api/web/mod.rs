//! The web interface: serves the single-page application that is embedded in the binary.

mod bundle;
mod content_type;
mod paths;
mod response;
mod security;

use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;

use self::bundle::Bundle;
pub(super) use self::paths::ApiPrefixes;
use self::paths::{Target, target};
pub(super) use self::security::{protect, with_nonce};
use crate::api::http::error::ApiError;

/// Answers a request that no route matches: a file or the page of the interface, else the problem `not_found`.
pub(super) fn serve(request: &Request, prefixes: &ApiPrefixes) -> Result<Response, ApiError> {
    serve_from(Bundle::embedded(), request, prefixes)
}

fn serve_from(bundle: &Bundle, request: &Request, prefixes: &ApiPrefixes) -> Result<Response, ApiError> {
    let not_found = || ApiError::not_found("no such route: see /openapi.json");
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Err(not_found());
    }
    match target(request.uri().path(), request.headers(), prefixes) {
        Target::Page => response::page(bundle),
        Target::File(name) => bundle.file(name).map(|file| response::file(name, file, request.headers())).ok_or_else(not_found),
        Target::None => Err(not_found()),
    }
}

#[cfg(test)]
mod tests;
