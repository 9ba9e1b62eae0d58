//! The cookie of a sign-in with a provider. It must come back from another site, so it is `SameSite=Lax`, and lives for minutes only.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};

use crate::api::http::auth::cookie::{SessionCookie, find_cookie};

const INSECURE_NAME: &str = "aprendiz_sign_in";
const SECURE_NAME: &str = "__Host-aprendiz_sign_in";

/// Name and attributes of the cookie, by the same rule as for sessions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlowCookie {
    is_secure: bool,
}

impl FlowCookie {
    /// The cookie of the transport of a session.
    pub(super) const fn beside(session: SessionCookie) -> Self {
        Self { is_secure: session.is_secure }
    }

    const fn name(self) -> &'static str {
        if self.is_secure { SECURE_NAME } else { INSECURE_NAME }
    }

    /// The value in a request.
    pub(super) fn value(self, headers: &HeaderMap) -> Option<&str> {
        find_cookie(headers, self.name()).filter(|value| !value.is_empty())
    }

    /// The header that sets the cookie.
    pub(crate) fn set(self, value: &str, lifetime: Duration) -> HeaderValue {
        self.header(value, lifetime.as_secs())
    }

    /// The header that removes the cookie.
    pub(crate) fn clear(self) -> HeaderValue {
        self.header("", 0)
    }

    fn header(self, value: &str, max_age: u64) -> HeaderValue {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}", self.name());
        HeaderValue::try_from(text).expect("a value in hex is valid in a header")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_returns_from_another_site_and_only_over_its_transport() {
        let secure = FlowCookie { is_secure: true };
        assert_eq!(
            secure.set("1.2", Duration::from_secs(600)),
            "__Host-aprendiz_sign_in=1.2; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(FlowCookie { is_secure: false }.clear(), "aprendiz_sign_in=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("aprendiz_sign_in=1.2"));
        assert_eq!((FlowCookie { is_secure: false }.value(&headers), secure.value(&headers)), (Some("1.2"), None));
    }
}
