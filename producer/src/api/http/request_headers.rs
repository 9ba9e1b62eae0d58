//! Request headers that several endpoints read: `Idempotency-Key` and `traceparent`.

use axum::http::HeaderMap;

use crate::api::http::error::ApiError;

const MAX_IDEMPOTENCY_KEY_LEN: usize = 200;

/// The `Idempotency-Key` of a request.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
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

/// The W3C trace context of a request, if it is well-formed.
pub(crate) fn trace_parent(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    let is_valid = value.len() == 55 && value.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_valid.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_trace_context_is_dropped() {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
        assert!(trace_parent(&headers).is_some());
        headers.insert("traceparent", "<script>".parse().unwrap());
        assert!(trace_parent(&headers).is_none());
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
