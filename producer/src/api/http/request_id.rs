//! Identifies every request in the log and in the response, so that a client can name it.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

/// Header of the response; a proxy may have set it in the request.
pub(crate) const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longer values are replaced.
const MAX_LENGTH: usize = 64;

/// Keeps the ID of a proxy, or makes one. It must wrap the span of the request.
pub(crate) async fn identify(mut request: Request, next: Next) -> Response {
    let id = request.headers().get(&REQUEST_ID_HEADER).filter(|id| is_valid(id)).cloned().unwrap_or_else(new_id);
    request.headers_mut().insert(REQUEST_ID_HEADER, id.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID_HEADER, id);
    response
}

/// Whether an ID may be logged.
fn is_valid(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=MAX_LENGTH).contains(&bytes.len()) && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn new_id() -> HeaderValue {
    HeaderValue::from_str(&Uuid::now_v7().to_string()).expect("an ID has only digits and hyphens")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_kept() {
        for (id, valid) in [("01a1-b_c.d", true), ("", false), ("a b", false), ("a\tb", false), (&"x".repeat(65), false)] {
            assert_eq!(is_valid(&HeaderValue::from_str(id).unwrap()), valid, "{id}");
        }
        assert!(is_valid(&new_id()));
    }
}
