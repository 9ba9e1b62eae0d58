//! Extractors that reject invalid input with a `Problem` instead of the framework's plain text.

mod parameters;
pub(crate) mod strict_objects;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{RefOr, Required};

use crate::api::http::error::ApiError;
use crate::api::http::extract::parameters::{path_error, query_error};
use crate::api::http::extract::strict_objects::StrictObjects;
use crate::api::http::nul::reject_nul_in_json;
use crate::api::http::operation::{Describe, add_parameter, add_problem};
use crate::api::http::request_body::read_to_memory;
use crate::api::json_error;
use crate::api::state::AppState;

/// Size in bytes above which a body is parsed outside the async threads: parsing a large one would delay all other requests.
const MAX_INLINE_BYTES: usize = 64 << 10;

/// A JSON body. Unknown keys are rejected if the type is declared with `deny_unknown_fields`.
pub(crate) struct JsonBody<T> {
    pub(crate) value: T,
    /// SHA-256 of the raw body, lower-case hex; identifies repeated requests.
    pub(crate) sha256: String,
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<AppState> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (value, sha256) = parse(read_to_memory(request, state).await?, state).await?;
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
            return Ok(Self { value: parse_inline(b"{}")?, sha256: hash(&body) });
        }
        let (value, sha256) = parse(body, state).await?;
        Ok(Self { value, sha256 })
    }
}

/// Parses and hashes a body.
async fn parse<T: DeserializeOwned + Send + 'static>(body: Bytes, state: &AppState) -> Result<(T, String), ApiError> {
    let parse = |body: &[u8]| Ok((parse_inline(body)?, hash(body)));
    if body.len() <= MAX_INLINE_BYTES {
        return parse(&body);
    }
    state.compute.run(move || parse(&body)).await?
}

fn hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

fn parse_inline<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    reject_nul_in_json(body)?;
    let mut json = serde_json::Deserializer::from_slice(body);
    let not_json =
        |error: &serde_json::Error| ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", format!("the body is not valid JSON: {error}"));
    let value = serde_path_to_error::deserialize(StrictObjects(&mut json)).map_err(|error| match error.inner().classify() {
        serde_json::error::Category::Data if body.trim_ascii_start().starts_with(b"[") => {
            ApiError::unprocessable("invalid_body", "the body must be a JSON object, not an array")
        }
        serde_json::error::Category::Data => ApiError::unprocessable("invalid_body", json_error::explain(error.path(), error.inner())),
        _ => not_json(error.inner()),
    })?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

/// Query parameters.
pub(crate) struct ApiQuery<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + IntoParams> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(query_error(&rejection, &parts.uri, &T::into_params(|| Some(ParameterIn::Query)))),
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
            Err(rejection) => {
                let parameters = RawPathParams::from_request_parts(parts, state).await;
                let names = parameters.map(|all| all.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>());
                Err(path_error(&rejection, &names.unwrap_or_default()))
            }
        }
    }
}

impl<T> Describe for JsonBody<T> {
    fn describe(operation: &mut Operation) {
        Body::describe(operation);
        require_body(operation, Required::True);
        add_problem(operation, StatusCode::BAD_REQUEST, "`invalid_json`: the body is not valid JSON");
        add_problem(
            operation,
            StatusCode::UNPROCESSABLE_ENTITY,
            "`invalid_body`: the body has an unknown, missing or invalid key, or contains a NUL character",
        );
    }
}

impl<T> Describe for OptionalJsonBody<T> {
    fn describe(operation: &mut Operation) {
        JsonBody::<T>::describe(operation);
        require_body(operation, Required::False);
    }
}

fn require_body(operation: &mut Operation, required: Required) {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.required = Some(required);
    }
}

impl Describe for Body {
    fn describe(operation: &mut Operation) {
        add_problem(operation, StatusCode::BAD_REQUEST, "`read_failed`: the body ended early");
        add_problem(operation, StatusCode::REQUEST_TIMEOUT, "`body_timeout`: the body arrives too slowly");
        add_problem(operation, StatusCode::PAYLOAD_TOO_LARGE, "`too_large`: the body exceeds the size limit of this operation");
    }
}

impl<T: IntoParams> Describe for ApiQuery<T> {
    fn describe(operation: &mut Operation) {
        for parameter in T::into_params(|| Some(ParameterIn::Query)) {
            add_parameter(operation, parameter);
        }
        add_problem(operation, StatusCode::UNPROCESSABLE_ENTITY, "`invalid_query`: a query parameter is unknown or invalid");
    }
}

impl<T> Describe for ApiPath<T> {
    fn describe(operation: &mut Operation) {
        add_problem(
            operation,
            StatusCode::UNPROCESSABLE_ENTITY,
            "`invalid_path`: a parameter in the path is invalid, or contains a NUL character",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Pair {
        left: Option<i32>,
        right: Option<i32>,
    }

    #[test]
    fn an_array_is_no_object() {
        assert_eq!(parse_inline::<Pair>(b" {\"left\": 1}").unwrap(), Pair { left: Some(1), right: None });
        let error = format!("{:?}", parse_inline::<Pair>(b" [1, 2]").unwrap_err());
        assert!(error.contains("the body must be a JSON object, not an array"), "{error}");
    }
}
