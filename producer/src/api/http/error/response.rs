//! Renders errors as responses, and logs those of the server.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::api::http::error::api_error::ApiError;
use crate::api::http::error::problem::Problem;
use crate::api::http::error::rejection_log;

/// `Retry-After` of a 503 or 429 response, unless it has its own.
const RETRY_DELAY: Duration = Duration::from_secs(2);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, code, detail, current, hint, retry_after, source } = self;
        match source {
            source if status == StatusCode::SERVICE_UNAVAILABLE => rejection_log::warn(&code, &detail, source.as_ref()),
            Some(source) => rejection_log::error(&source),
            None => {}
        }
        let problem = Problem {
            type_uri: format!("urn:aprendiz:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            code: code.into_owned(),
            current,
            hint: hint.map(|hint| *hint),
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            // rounded up: a client that returns a moment too early is refused again
            let delay = retry_after.map_or(RETRY_DELAY, |delay| delay + Duration::from_millis(999));
            headers.insert(header::RETRY_AFTER, HeaderValue::from(delay.as_secs()));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn internal_causes_are_not_sent_to_the_client() {
        let response = ApiError::internal(anyhow::anyhow!("password hunter2")).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(!text.contains("hunter2") && text.contains(r#""code":"internal""#), "{text}");
    }
}
