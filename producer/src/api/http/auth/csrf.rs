//! Protection against requests that another site makes a browser send: a token per session, and the origin that the browser reports.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use sha2::{Digest as _, Sha256};

use crate::api::http::auth::cookie::{SessionCookie, host};
use crate::api::http::error::ApiError;

/// Header of the token of the session.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";
const FETCH_SITE: &str = "sec-fetch-site";

/// The token of a session. It is derived from the value of the cookie, so nothing is stored, and it does not reveal that value.
pub(crate) fn csrf_token(session_token: &str) -> String {
    hex::encode(Sha256::new().chain_update(b"aprendiz csrf token\0").chain_update(session_token).finalize())
}

/// Whether a method changes nothing.
pub(crate) fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Rejects a change by a session without its token, or from another origin.
pub(super) fn check(headers: &HeaderMap, cookie: SessionCookie, session_token: &str) -> Result<(), ApiError> {
    check_origin(headers, cookie)?;
    let sent = headers.get(CSRF_HEADER).map(HeaderValue::as_bytes).unwrap_or_default();
    // hashes are compared, so the time of the comparison depends on nothing that a client controls
    if Sha256::digest(sent) == Sha256::digest(csrf_token(session_token)) {
        return Ok(());
    }
    Err(rejection(
        "this request changes something and has the cookie of a session: send the `csrf_token` of `GET /v1/session` as `X-CSRF-Token`",
    ))
}

/// Rejects a request of a page of another origin. A client that is no browser reports none.
pub(super) fn check_origin(headers: &HeaderMap, cookie: SessionCookie) -> Result<(), ApiError> {
    let is_same = match (headers.get(FETCH_SITE), headers.get(header::ORIGIN)) {
        // set by the browser itself, which knows the address that it asked for, whatever a proxy makes of it
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            origin.to_str().ok().zip(host(headers)).is_some_and(|(origin, host)| is_same_origin(origin, host, cookie.is_secure))
        }
        (None, None) => true,
    };
    if is_same {
        Ok(())
    } else {
        Err(rejection("the request comes from a page of another origin: sessions are for the web interface of this server only"))
    }
}

fn rejection(detail: &'static str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "csrf", detail)
}

/// Whether an `Origin` is that of the host. Behind TLS it must be `https`.
fn is_same_origin(origin: &str, host: &str, is_secure: bool) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "https" => ":443",
        "http" if !is_secure => ":80",
        _ => return false,
    };
    let without_port = |authority: &str| authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase();
    without_port(authority) == without_port(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const SECURE: SessionCookie = SessionCookie { is_secure: true };

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_change_needs_the_token_of_its_session() {
        let token = csrf_token(SESSION);
        assert!(check(&headers(&[("x-csrf-token", &token)]), SECURE, SESSION).is_ok());
        let of_another = csrf_token(&SESSION.replace('0', "1"));
        for wrong in ["", "0", SESSION, &of_another, &token[1..]] {
            assert!(check(&headers(&[("x-csrf-token", wrong)]), SECURE, SESSION).is_err(), "{wrong}");
        }
        assert!(check(&HeaderMap::new(), SECURE, SESSION).is_err());
        assert!(!token.contains(SESSION) && token != hex::encode(Sha256::digest(SESSION)), "{token}");
    }

    #[test]
    fn a_change_from_a_page_of_another_origin_is_rejected_even_with_the_token() {
        let token = csrf_token(SESSION);
        let check = |pairs: &[(&'static str, &str)]| {
            let mut sent = headers(pairs);
            sent.insert("x-csrf-token", token.parse().unwrap());
            sent.insert("host", "aprendiz.example.org".parse().unwrap());
            check(&sent, SECURE, SESSION)
        };
        for same in
            [("sec-fetch-site", "same-origin"), ("origin", "https://aprendiz.example.org"), ("origin", "https://aprendiz.example.org:443")]
        {
            assert!(check(&[same]).is_ok(), "{same:?}");
        }
        for other in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
            ("origin", "null"),
            ("origin", "https://example.org"),
            ("origin", "https://aprendiz.example.org.attacker.example"),
            ("origin", "https://aprendiz.example.org:8443"),
            ("origin", "http://aprendiz.example.org"),
        ] {
            assert!(check(&[other]).is_err(), "{other:?}");
        }
        assert!(check(&[("sec-fetch-site", "cross-site"), ("origin", "https://aprendiz.example.org")]).is_err());
    }

    #[test]
    fn ports_are_part_of_the_origin() {
        assert!(is_same_origin("http://127.0.0.1:8080", "127.0.0.1:8080", false));
        assert!(!is_same_origin("http://127.0.0.1:5173", "127.0.0.1:8080", false));
        assert!(is_same_origin("http://localhost", "LOCALHOST:80", false));
    }
}
