//! The model card of a version, as HTML for browsers or as JSON for programs.

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use utoipa::PartialSchema as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, RefOr, Response as ApiResponse};
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiPath;
use crate::api::http::operation::{Describe, add_problem, routes, text_header};
use crate::api::http::stored_file::object::read_verified;
use crate::api::http::stored_file::{insert, key_below, matches_etag};
use crate::api::models::version::{find_model_version, model_files, require_model};
use crate::api::state::AppState;

/// Size limit of a card. One with the plots of 16 fields has about 2 MB.
const MAX_BYTES: u64 = 32 << 20;

/// The page has neither scripts nor external resources, and no origin: it cannot reach the API with the key of its reader.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(model_card))
}

/// A representation of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Representation {
    Json,
    Html,
}

impl Representation {
    const fn file(self) -> &'static str {
        match self {
            Self::Json => "card.json",
            Self::Html => "card.html",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}

/// What a request says about the representation: `Accept` and `If-None-Match`.
struct CardRequest {
    representation: Representation,
    headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for CardRequest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let listed: Vec<&str> = parts.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        let representation = choose(&listed.join(",")).ok_or_else(|| {
            let detail = "a model card is `application/json` or `text/html`: name one of them in Accept";
            ApiError::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail)
        })?;
        Ok(Self { representation, headers: parts.headers.clone() })
    }
}

impl Describe for CardRequest {
    fn describe(operation: &mut Operation) {
        let responses = &mut operation.responses.responses;
        if let Some(RefOr::T(card)) = responses.get_mut("200") {
            card.content.insert("text/html".to_owned(), Content::new(Some(String::schema())).into());
            for (name, description) in [
                ("ETag", "SHA-256 of this representation"),
                ("Vary", "`Accept`"),
                ("Content-Security-Policy", "Of the HTML page: no scripts, no external resources, no origin"),
            ] {
                card.headers.insert(name.to_owned(), text_header(description).into());
            }
        }
        let mut unchanged = ApiResponse::new("The client has this representation");
        unchanged.headers.insert("ETag".to_owned(), text_header("SHA-256 of this representation").into());
        responses.insert("304".to_owned(), unchanged.into());
        add_problem(operation, StatusCode::INTERNAL_SERVER_ERROR, "`object_missing`: the card is missing from the object store");
        add_problem(operation, StatusCode::NOT_ACCEPTABLE, "`not_acceptable`: Accept names neither `application/json` nor `text/html`");
    }
}

/// The representation that an `Accept` prefers; JSON if it has no preference, and `None` if it accepts neither.
fn choose(accept: &str) -> Option<Representation> {
    if accept.trim().is_empty() {
        return Some(Representation::Json);
    }
    let (json, html) = (quality(accept, "application", "json"), quality(accept, "text", "html"));
    match json.max(html) {
        0 => None,
        _ if html > json => Some(Representation::Html),
        _ => Some(Representation::Json),
    }
}

/// The quality of a media type in thousandths, by the most specific range that contains it; 0 = not accepted.
fn quality(accept: &str, main: &str, sub: &str) -> u16 {
    let mut best = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let Some((range_main, range_sub)) = parts.next().and_then(|media_type| media_type.split_once('/')) else { continue };
        let specificity = match (range_main, range_sub) {
            ("*", "*") => 1,
            (range_main, "*") if range_main.eq_ignore_ascii_case(main) => 2,
            (range_main, range_sub) if range_main.eq_ignore_ascii_case(main) && range_sub.eq_ignore_ascii_case(sub) => 3,
            _ => continue,
        };
        let weight = parts.find_map(|parameter| parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")));
        // a malformed weight counts as none
        let weight = weight.and_then(|weight| weight.parse::<f64>().ok()).filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(1.0);
        // between 0 and 1000
        best = best.max((specificity, (1000.0 * weight) as u16));
    }
    best.1
}

/// Shows the model card of a version
///
/// JSON by default, and a page with its plots for `Accept: text/html`. Neither contains texts of documents.
#[utoipa::path(
    get, path = "/v1/models/{name}/versions/{number}/card", tag = "models",
    params(("name" = String, Path), ("number" = i32, Path)),
    responses(
        (status = 200, description = "The card", body = Object, content_type = "application/json"),
        (status = 404, description = "Version not found, or published without a card", body = Problem),
    ),
)]
async fn model_card(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    request: CardRequest,
    ApiPath((name, number)): ApiPath<(String, i32)>,
) -> Result<Response, ApiError> {
    require_model(&state, &scope, &name).await?;
    let version = find_model_version(&mut *state.database.read().await?, &name, Some(number)).await?;
    let path = request.representation.file();
    let file = model_files(&version)?.into_iter().find(|file| file.path == path).ok_or_else(|| {
        let detail =
            format!("model `{name}` version {number} was published without {path}: read its README.md, or train again to get a card");
        ApiError::new(StatusCode::NOT_FOUND, "no_card", detail)
    })?;
    let etag = format!("\"{}\"", file.sha256);
    let mut headers = HeaderMap::new();
    insert(&mut headers, header::ETAG, &etag);
    insert(&mut headers, header::VARY, "Accept");
    // the files of a version never change; `private` because access depends on the API key
    insert(&mut headers, header::CACHE_CONTROL, "private, max-age=86400");
    insert(&mut headers, header::CONTENT_TYPE, request.representation.media_type());
    if request.representation == Representation::Html {
        insert(&mut headers, header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
        insert(&mut headers, header::REFERRER_POLICY, "no-referrer");
    }
    if matches_etag(&request.headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let key = key_below(&version.object_prefix, path)?;
    let what = format!("{path} of model version {}", version.id);
    let bytes = read_verified(&state.store, &key, &file.sha256, MAX_BYTES, &what).await?;
    Ok((headers, Body::from(bytes)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_representation_follows_accept() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (accept, expected) in [
            ("", Some(Representation::Json)),
            ("*/*", Some(Representation::Json)),
            ("application/json", Some(Representation::Json)),
            ("text/*", Some(Representation::Html)),
            ("TEXT/HTML", Some(Representation::Html)),
            (browser, Some(Representation::Html)),
            ("text/html;q=0.5, application/json", Some(Representation::Json)),
            ("text/html;q=0, */*", Some(Representation::Json)),
            ("application/json;q=0, */*;q=0.1", Some(Representation::Html)),
            ("image/png", None),
            ("text/html;q=0", None),
            ("nonsense", None),
        ] {
            assert_eq!(choose(accept), expected, "{accept}");
        }
    }
}
