//! Extractors that reject invalid input with a `Problem` instead of the framework's plain text.

use std::fmt;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::api::http::error::ApiError;
use crate::api::http::request_body::read_to_memory;
use crate::api::state::AppState;

/// Bodies above this size are parsed outside the async threads.
const LARGE_BODY_BYTES: usize = 256 * 1024;

/// A JSON body. Unknown keys are rejected if the type is declared with `deny_unknown_fields`.
pub(crate) struct JsonBody<T> {
    pub(crate) value: T,
    /// SHA-256 of the raw body, lower-case hex; identifies repeated requests.
    pub(crate) sha256: String,
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<AppState> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (value, sha256) = parse_and_hash(read_to_memory(request, state).await?, state).await?;
        Ok(Self { value, sha256 })
    }
}

/// An optional JSON body; an empty body counts as `{}`.
pub(crate) struct OptionalJsonBody<T> {
    pub(crate) value: T,
    /// SHA-256 of the raw body, lower-case hex; identifies repeated requests.
    pub(crate) sha256: String,
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<AppState> for OptionalJsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let body = read_to_memory(request, state).await?;
        if body.trim_ascii().is_empty() {
            return Ok(Self { value: parse(b"{}")?, sha256: hash(&body) });
        }
        let (value, sha256) = parse_and_hash(body, state).await?;
        Ok(Self { value, sha256 })
    }
}

async fn parse_and_hash<T: DeserializeOwned + Send + 'static>(body: Bytes, state: &AppState) -> Result<(T, String), ApiError> {
    if body.len() <= LARGE_BODY_BYTES {
        return Ok((parse(&body)?, hash(&body)));
    }
    state.compute.run(move || Ok((parse(&body)?, hash(&body)))).await?
}

fn hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => ApiError::unprocessable("invalid_body", error.to_string()),
        _ => ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", format!("the body is not valid JSON: {error}")),
    })
}

/// Query parameters.
pub(crate) struct ApiQuery<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::unprocessable("invalid_query", innermost(&rejection))),
        }
    }
}

/// Parameters in the path.
pub(crate) struct ApiPath<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::unprocessable("invalid_path", innermost(&rejection))),
        }
    }
}

/// The innermost cause of an error, which names the parameter.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    struct Lower<'a>(&'a dyn fmt::Display);
    impl fmt::Display for Lower<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let text = self.0.to_string();
            let mut chars = text.chars();
            match chars.next() {
                Some(first) => write!(f, "{}{}", first.to_lowercase(), chars.as_str()),
                None => Ok(()),
            }
        }
    }
    Lower(&error).to_string()
}
