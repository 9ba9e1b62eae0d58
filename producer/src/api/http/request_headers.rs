//! Request headers that several endpoints read: `Idempotency-Key`, and the trace context in `traceparent` and `tracestate`.

use aprendiz_telemetry::TraceContext;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use utoipa::PartialSchema as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::api::http::error::ApiError;
use crate::api::http::operation::{Describe, add_header, add_problem};

const MAX_IDEMPOTENCY_KEY_LEN: usize = 200;

/// The `Idempotency-Key` of a request.
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        idempotency_key(&parts.headers).map(|key| Self(key.map(str::to_owned)))
    }
}

impl Describe for IdempotencyKey {
    fn describe(operation: &mut Operation) {
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[\\t -~]+$")).min_length(Some(1));
        let description = "Makes repetitions safe: the same request with the same key has no further effect; another request with the same \
            key is rejected";
        add_header(operation, "Idempotency-Key", description, schema.max_length(Some(MAX_IDEMPOTENCY_KEY_LEN)));
        let reason = "`invalid_idempotency_key`, `idempotency_mismatch`: the key is invalid, or belongs to another request";
        add_problem(operation, StatusCode::UNPROCESSABLE_ENTITY, reason);
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=MAX_IDEMPOTENCY_KEY_LEN).contains(&key.len()) => Ok(Some(key)),
        _ => Err(ApiError::unprocessable(
            "invalid_idempotency_key",
            format!("Idempotency-Key must be 1 to {MAX_IDEMPOTENCY_KEY_LEN} visible ASCII characters"),
        )),
    }
}

/// Headers of a request that creates a run: `Idempotency-Key`, and the W3C trace context.
pub(crate) struct RunHeaders {
    idempotency_key: Option<String>,
    trace: Option<TraceContext>,
}

impl RunHeaders {
    /// The key with the hash of the request that it stands for.
    pub(crate) fn idempotency(&self, request_sha256: String) -> Option<(&str, String)> {
        self.idempotency_key.as_deref().map(|key| (key, request_sha256))
    }

    /// The `traceparent` of the run: the span of this request if it is traced, otherwise the header of the request.
    pub(crate) fn trace_parent(&self) -> Option<&str> {
        self.trace.as_ref().map(TraceContext::parent)
    }

    /// The `tracestate` that belongs to it.
    pub(crate) fn trace_state(&self) -> Option<&str> {
        self.trace.as_ref().and_then(TraceContext::state)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RunHeaders {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let IdempotencyKey(idempotency_key) = IdempotencyKey::from_request_parts(parts, state).await?;
        Ok(Self { idempotency_key, trace: TraceContext::current().or_else(|| trace_context(&parts.headers)) })
    }
}

impl Describe for RunHeaders {
    fn describe(operation: &mut Operation) {
        IdempotencyKey::describe(operation);
        add_header(operation, "traceparent", "W3C trace context, which the run continues; ignored unless well-formed", String::schema());
        add_header(operation, "tracestate", "Vendor part of the W3C trace context; ignored without `traceparent`", String::schema());
    }
}

/// The trace context of a request, if it is well-formed.
pub(crate) fn trace_context(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    TraceContext::parse(text("traceparent")?, text("tracestate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_trace_context_is_dropped() {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
        headers.insert("tracestate", "vendor=1".parse().unwrap());
        assert_eq!(trace_context(&headers).unwrap().state(), Some("vendor=1"));
        headers.insert("traceparent", "<script>".parse().unwrap());
        assert!(trace_context(&headers).is_none());
    }

    #[test]
    fn the_length_of_an_idempotency_key_is_bounded() {
        let mut headers = HeaderMap::new();
        assert!(idempotency_key(&headers).unwrap().is_none());
        headers.insert("idempotency-key", "abc".parse().unwrap());
        assert_eq!(idempotency_key(&headers).unwrap(), Some("abc"));
        headers.insert("idempotency-key", "x".repeat(201).parse().unwrap());
        assert!(idempotency_key(&headers).is_err());
    }
}
