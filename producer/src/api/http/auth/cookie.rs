//! The cookie of a session: its name, its attributes, and its value in a request.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};

use crate::config::CookiePolicy;

/// Name of the cookie over plain HTTP.
pub(crate) const INSECURE_NAME: &str = "aprendiz_session";
/// Name of the cookie over TLS: browsers accept this prefix only from the host itself, with `Secure` and the path `/`.
pub(crate) const SECURE_NAME: &str = "__Host-aprendiz_session";
/// Length of a token: 256 bits in hex.
const TOKEN_CHARS: usize = 64;
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Whether the browser reaches the server over TLS, which decides the name and the attributes of the cookie.
///
/// Only the cookie of the same transport is read. So a page on a neighbouring host, which may set cookies of its parent domain, cannot
/// supply a session to a server behind TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionCookie {
    pub(super) is_secure: bool,
}

impl SessionCookie {
    /// The cookie of a request. Without a setting it is `Secure`, unless the browser names a loopback address and no proxy reports TLS.
    pub(crate) fn from_request(headers: &HeaderMap, policy: CookiePolicy) -> Self {
        let is_secure = match policy {
            CookiePolicy::Always => true,
            CookiePolicy::Never => false,
            CookiePolicy::Auto => is_forwarded_tls(headers) || !host(headers).is_some_and(is_loopback),
        };
        Self { is_secure }
    }

    const fn name(self) -> &'static str {
        if self.is_secure { SECURE_NAME } else { INSECURE_NAME }
    }

    /// The token of a request. A value that no token can have counts as none.
    pub(crate) fn token(self, headers: &HeaderMap) -> Option<&str> {
        let token = find_cookie(headers, self.name())?;
        let is_token = token.len() == TOKEN_CHARS && token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_token.then_some(token)
    }

    /// The header that sets the cookie.
    pub(crate) fn set(self, token: &str, lifetime: Duration) -> HeaderValue {
        self.header(token, lifetime.as_secs())
    }

    /// The header that removes the cookie.
    pub(crate) fn clear(self) -> HeaderValue {
        self.header("", 0)
    }

    fn header(self, value: &str, max_age: u64) -> HeaderValue {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}", self.name());
        HeaderValue::try_from(text).expect("a token in hex is valid in a header")
    }
}

/// The value of a cookie of a request.
pub(super) fn find_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The name and the port that the browser asked for.
pub(super) fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok().filter(|host| !host.is_empty())
}

/// Whether a proxy reports that the browser used TLS. A client that sends it without a proxy only makes its own cookie `Secure`.
fn is_forwarded_tls(headers: &HeaderMap) -> bool {
    let value = headers.get(FORWARDED_PROTO).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(',').next().is_some_and(|protocol| protocol.trim().eq_ignore_ascii_case("https"))
}

/// Whether a host, with or without a port, is this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn is_secure(pairs: &[(&'static str, &str)], policy: CookiePolicy) -> bool {
        SessionCookie::from_request(&headers(pairs), policy).is_secure
    }

    #[test]
    fn the_cookie_is_secure_except_over_plain_http_to_a_loopback_address() {
        for host in ["127.0.0.1:8080", "127.8.9.10", "localhost", "LOCALHOST:8080", "[::1]:8080", "[::ffff:127.0.0.1]"] {
            assert!(!is_secure(&[("host", host)], CookiePolicy::Auto), "{host}");
            assert!(is_secure(&[("host", host), ("x-forwarded-proto", "https")], CookiePolicy::Auto), "{host}");
            assert!(is_secure(&[("host", host)], CookiePolicy::Always), "{host}");
        }
        for host in ["aprendiz.example.org", "10.0.0.1:8080", "localhost.example.org", "127.0.0.1.example.org", "[2001:db8::1]"] {
            assert!(is_secure(&[("host", host)], CookiePolicy::Auto), "{host}");
            assert!(!is_secure(&[("host", host)], CookiePolicy::Never), "{host}");
        }
        assert!(is_secure(&[], CookiePolicy::Auto));
    }

    #[test]
    fn the_attributes_keep_the_cookie_from_scripts_and_from_other_sites() {
        let secure = SessionCookie { is_secure: true }.set(TOKEN, Duration::from_secs(60));
        assert_eq!(secure, format!("__Host-aprendiz_session={TOKEN}; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"));
        let plain = SessionCookie { is_secure: false }.set(TOKEN, Duration::from_secs(60));
        assert_eq!(plain, format!("aprendiz_session={TOKEN}; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"));
        let cleared = SessionCookie { is_secure: true }.clear();
        assert_eq!(cleared, "__Host-aprendiz_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure");
    }

    #[test]
    fn only_the_cookie_of_the_transport_is_read() {
        let sent = headers(&[("cookie", "theme=dark"), ("cookie", &format!("a=b; aprendiz_session={TOKEN}"))]);
        assert_eq!(SessionCookie { is_secure: false }.token(&sent), Some(TOKEN));
        assert_eq!(SessionCookie { is_secure: true }.token(&sent), None);
        for invalid in ["", "x", &TOKEN.to_uppercase(), &TOKEN[1..]] {
            let sent = headers(&[("cookie", &format!("aprendiz_session={invalid}"))]);
            assert_eq!(SessionCookie { is_secure: false }.token(&sent), None, "{invalid}");
        }
    }
}
