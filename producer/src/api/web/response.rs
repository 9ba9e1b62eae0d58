//! Responses of the web interface: the page, and the files of the bundle with caching and compression.

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response as HttpResponse, StatusCode};
use axum::response::Response;

use crate::api::http::error::ApiError;
use crate::api::web::bundle::{Bundle, File};
use crate::api::web::content_type::content_type;
use crate::api::web::security::{protect, with_nonce};

/// Their names contain a hash of their content.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const REVALIDATED: HeaderValue = HeaderValue::from_static("no-cache");

/// The page of a binary without the interface.
const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>Aprendiz</title></head>
<body>
<h1>Aprendiz</h1>
<p>The web interface is not part of this build. To include it, install Node.js 20 or newer, run <code>./dev web</code>, and build
<code>aprendiz</code> again.</p>
<p>The API and the command line work without it: <a href=\"/openapi.json\">/openapi.json</a>.</p>
</body>
</html>
";

/// The page of the application.
///
/// It has no `ETag`: a 304 would bring a new policy for the stored page, which contains the nonce of an earlier response.
pub(super) fn page(bundle: &Bundle) -> Result<Response, ApiError> {
    let page = match bundle.page() {
        Some(file) => std::str::from_utf8(&file.bytes).map_err(ApiError::internal)?,
        None => NOT_BUILT,
    };
    let (page, nonce) = with_nonce(page);
    let mut response = HttpResponse::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, REVALIDATED);
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    protect(headers, nonce.as_deref());
    Ok(response)
}

/// A file of the bundle.
pub(super) fn file(name: &str, file: &File, request: &HeaderMap) -> Response {
    let (bytes, encoding) = match &file.brotli {
        Some(compressed) if accepts_brotli(request) => (compressed, Some("br")),
        _ => (&file.bytes, None),
    };
    // the compressed form has a tag of its own
    let etag = format!("\"{}{}\"", file.sha256, if encoding.is_some() { "-br" } else { "" });
    let is_known = matches_etag(request, &etag);
    let mut response = HttpResponse::new(if is_known { Body::empty() } else { Body::from(bytes.clone()) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    headers.insert(header::CACHE_CONTROL, if name.starts_with("assets/") { IMMUTABLE } else { REVALIDATED });
    headers.insert(header::ETAG, HeaderValue::try_from(etag).expect("a hash in hex is valid in a header"));
    if file.brotli.is_some() {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    // an SVG or an HTML file can be opened as a page
    protect(headers, None);
    response
}

/// Whether the client reads Brotli: it names it, or everything, without the quality 0.
fn accepts_brotli(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut wildcard = false;
    for entry in values.flat_map(|value| value.split(',')) {
        let mut parts = entry.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let is_accepted = quality.is_none_or(|quality| quality.parse::<f32>().is_ok_and(|quality| quality > 0.0));
        if coding.eq_ignore_ascii_case("br") {
            return is_accepted;
        }
        wildcard |= coding == "*" && is_accepted;
    }
    wildcard
}

fn matches_etag(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}
