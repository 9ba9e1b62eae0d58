//! Preconditions of a write: the version that the client has seen, from `If-Match` or `If-None-Match`, and the ETag that names it.

use aprendiz_annotations::reviews::Expected;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::PartialSchema as _;
use utoipa::openapi::path::Operation;

use crate::api::http::error::ApiError;
use crate::api::http::operation::{Describe, add_header, add_problem};

/// The version that the headers of a request require; `None` without such headers.
pub(crate) struct Precondition(pub(crate) Option<Expected>);

impl<S: Send + Sync> FromRequestParts<S> for Precondition {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        expected_version(&parts.headers).map(Self)
    }
}

impl Describe for Precondition {
    fn describe(operation: &mut Operation) {
        add_header(
            operation,
            "If-Match",
            "ETag of the state that the client has seen, also a weak one; \"0\" if there was none",
            String::schema(),
        );
        add_header(operation, "If-None-Match", "`*`: there must be no state yet", String::schema());
        add_problem(operation, StatusCode::BAD_REQUEST, "`invalid_precondition`: If-Match or If-None-Match is invalid");
        add_problem(operation, StatusCode::PRECONDITION_FAILED, "`version_mismatch`: the state has changed; `current` holds it");
        add_problem(operation, StatusCode::PRECONDITION_REQUIRED, "`precondition_required`: there is a state, and If-Match is missing");
    }
}

fn expected_version(headers: &HeaderMap) -> Result<Option<Expected>, ApiError> {
    let invalid = |detail: &str| ApiError::new(StatusCode::BAD_REQUEST, "invalid_precondition", detail);
    match (headers.get(header::IF_MATCH), headers.get(header::IF_NONE_MATCH)) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(invalid("send If-Match or If-None-Match, not both")),
        (None, Some(tag)) if tag.as_bytes() == b"*" => Ok(Some(Expected::Nothing)),
        (None, Some(_)) => Err(invalid("If-None-Match supports only *; send a version in If-Match")),
        (Some(tag), None) => {
            let version = tag.to_str().ok().and_then(parse_version);
            version
                .filter(|version| *version >= 0)
                .map(|version| Some(Expected::Version(version)))
                .ok_or_else(|| invalid("If-Match must be a single ETag of this field, such as \"3\""))
        }
    }
}

/// Parses the ETag of a field. A weak one counts as well: a proxy that compresses the body makes the ETag weak, because the bytes are
/// others. The version is that of the annotation, whatever the bytes, so the strong comparison of RFC 9110 would only lock out browsers
/// behind such a proxy.
fn parse_version(tag: &str) -> Option<i32> {
    tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// Adds the version of the resource as its ETag.
pub(crate) fn with_etag(version: impl Into<i64>, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    if let Ok(etag) = HeaderValue::try_from(format!("\"{}\"", version.into())) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn parse(given: &[(HeaderName, &'static str)]) -> Result<Option<Expected>, ApiError> {
        expected_version(&given.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect())
    }

    #[test]
    fn a_version_is_an_etag_and_no_version_is_zero_or_a_star() {
        assert_eq!(parse(&[]).unwrap(), None);
        assert_eq!(parse(&[(header::IF_MATCH, "\"3\"")]).unwrap(), Some(Expected::Version(3)));
        assert_eq!(parse(&[(header::IF_MATCH, "\"0\"")]).unwrap(), Some(Expected::Version(0)));
        assert_eq!(parse(&[(header::IF_MATCH, "W/\"3\"")]).unwrap(), Some(Expected::Version(3)));
        assert_eq!(parse(&[(header::IF_NONE_MATCH, "*")]).unwrap(), Some(Expected::Nothing));
    }

    #[test]
    fn a_header_without_a_valid_version_is_rejected_and_not_ignored() {
        for bad in ["3", "W/3", "w/\"3\"", "W/W/\"3\"", "*", "\"3\", \"4\"", "\"-1\"", "\"99999999999\"", ""] {
            assert!(parse(&[(header::IF_MATCH, bad)]).is_err(), "{bad}");
        }
        assert!(parse(&[(header::IF_NONE_MATCH, "\"3\"")]).is_err());
        assert!(parse(&[(header::IF_MATCH, "\"3\""), (header::IF_NONE_MATCH, "*")]).is_err());
    }
}
