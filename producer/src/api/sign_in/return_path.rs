//! Where the browser goes after a sign-in: a path of this server and nothing else.

use crate::api::http::error::ApiError;

/// Maximum length of a path, in bytes.
const MAX_BYTES: usize = 512;
/// Beginning of the paths of sign-ins, which would start over and over.
const SIGN_IN_PATHS: &str = "/auth/";

/// Checks a path with its query. It starts with one slash and has only characters that a browser leaves as they are: with a backslash or a
/// tab, it would lead to another host.
pub(super) fn check(path: &str) -> Result<(), ApiError> {
    let has_valid_characters = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\`{|}^".contains(&byte));
    let is_relative = path.starts_with('/') && !path.starts_with("//");
    let segments = path.split(['?', '#']).next().unwrap_or_default();
    let stays =
        !segments.split('/').any(|segment| [".", "..", "%2e", "%2e%2e", ".%2e", "%2e."].contains(&segment.to_ascii_lowercase().as_str()));
    if is_relative && has_valid_characters && stays && path.len() <= MAX_BYTES && !path.starts_with(SIGN_IN_PATHS) {
        return Ok(());
    }
    Err(ApiError::unprocessable(
        "invalid_query",
        format!("`return` must be a path of this server, percent-encoded and of at most {MAX_BYTES} bytes, such as /runs?status=running"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server_are_accepted() {
        for path in ["/", "/runs", "/runs?status=running&q=a%20b", "/documents/1#field", "/v1/models/a.b/download", "/o'brien", "/a//b"] {
            assert!(check(path).is_ok(), "{path}");
        }
        let long = format!("/{}", "a".repeat(MAX_BYTES));
        for path in [
            "",
            "runs",
            "//attacker.example",
            "///attacker.example",
            "/\\attacker.example",
            "\\\\attacker.example",
            "/\t/attacker.example",
            "/\n/attacker.example",
            "\t//attacker.example",
            " /runs",
            "https://attacker.example/",
            "javascript:alert(1)",
            "/./",
            "/..//attacker.example",
            "/.//attacker.example",
            "/%2e/x",
            "/\u{2f}/attacker.example",
            "/a\"b",
            "/a b",
            "/é",
            "/auth/oidc/start",
            &long,
        ] {
            assert!(check(path).is_err(), "{path}");
        }
    }
}
