//! Rejects the character NUL (U+0000) in paths, queries and JSON bodies: PostgreSQL cannot store it, and no identifier contains it.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use serde_json::Value;

use crate::api::http::error::ApiError;

/// Rejects a request whose path or query contains an encoded NUL.
pub(crate) async fn reject_nul_in_uri(request: Request, next: Next) -> Result<Response, ApiError> {
    // both are decoded once, so that `%2500` is not a NUL
    if request.uri().path().contains("%00") {
        return Err(rejection("invalid_path", "the path"));
    }
    if let Some(query) = request.uri().query().filter(|query| query.contains("%00")) {
        let parameter = query.split('&').find(|parameter| parameter.contains("%00")).unwrap_or_default();
        let name = parameter.split('=').next().filter(|name| !name.contains("%00"));
        let place = name.map_or_else(|| "the query".to_owned(), |name| format!("the query parameter `{name}`"));
        return Err(rejection("invalid_query", &place));
    }
    Ok(next.run(request).await)
}

/// Rejects a JSON body that contains a NUL in a string or in a key, and names it.
pub(crate) fn reject_nul_in_json(body: &[u8]) -> Result<(), ApiError> {
    if !has_escaped_nul(body) {
        return Ok(());
    }
    // invalid JSON is rejected by the parser
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return Ok(());
    };
    let mut path = String::new();
    find_nul(&value, &mut path);
    let place = if path.is_empty() { "the body".to_owned() } else { format!("`{path}`") };
    Err(rejection("invalid_body", &place))
}

fn rejection(code: &'static str, place: &str) -> ApiError {
    ApiError::unprocessable(code, format!("{place} contains a NUL character (U+0000), which cannot be stored: remove it"))
}

/// Whether JSON text contains the escape sequence of NUL. NUL itself is not valid in JSON.
fn has_escaped_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(backslash) = rest.iter().position(|byte| *byte == b'\\') {
        rest = &rest[backslash + 1..];
        if rest.starts_with(b"u0000") {
            return true;
        }
        // the escaped character may be a backslash itself
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

/// Finds the first string or key with a NUL. `path` is its place, or that of the object with the key.
fn find_nul(value: &Value, path: &mut String) -> bool {
    let parent = path.len();
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().enumerate().any(|(index, item)| {
            path.truncate(parent);
            path.push_str(&format!("[{index}]"));
            find_nul(item, path)
        }),
        Value::Object(items) => items.iter().any(|(key, item)| {
            path.truncate(parent);
            if key.contains('\0') {
                return true;
            }
            path.push_str(if parent == 0 { "" } else { "." });
            path.push_str(key);
            find_nul(item, path)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_nul_is_found_and_an_escaped_backslash_is_not_one() {
        assert!(has_escaped_nul(br#"{"a": "\u0000"}"#));
        assert!(has_escaped_nul(br#"{"a": "\\\u0000"}"#));
        assert!(!has_escaped_nul(br#"{"a": "\\u0000"}"#));
        assert!(!has_escaped_nul(br#"{"a": "\u0001 \n"}"#));
        assert!(!has_escaped_nul(b"\\"));
    }

    #[test]
    fn the_place_of_the_nul_is_named() {
        for (body, place) in [
            (r#"{"data": {"filter": {"project": "1\u0000"}}}"#, "`data.filter.project`"),
            (r#"{"texts": ["a", "b\u0000"]}"#, "`texts[1]`"),
            (r#"{"ok": 1, "metadata": {"a\u0000": 1}}"#, "`metadata`"),
            (r#""\u0000""#, "the body"),
        ] {
            let error = format!("{:?}", reject_nul_in_json(body.as_bytes()).unwrap_err());
            assert!(error.contains(place), "{error}");
        }
        assert!(reject_nul_in_json(br#"{"a": "\u0000"#).is_ok());
    }
}
