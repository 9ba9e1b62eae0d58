//! The browser that signs in with a provider. It comes from the site of the provider, so the cookie of its sign-in proves where it started.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use utoipa::openapi::path::Operation;

use crate::api::http::auth::browser::Browser;
use crate::api::http::auth::cookie::{SessionCookie, host};
use crate::api::http::auth::flow_cookie::FlowCookie;
use crate::api::http::error::ApiError;
use crate::api::http::operation::{Describe, add_problem};
use crate::api::state::AppState;
use crate::oidc::CALLBACK_PATH;

/// A browser on its way to the provider, or back.
#[derive(Debug)]
pub(crate) struct SignInBrowser {
    /// Browsers do not send the token of their session when they come from another site.
    pub(crate) client: Browser,
    pub(crate) flow_cookie: FlowCookie,
    /// Value of the cookie of the sign-in.
    pub(crate) flow: Option<String>,
    /// Where the provider sends it back, by the address that it asked for.
    pub(crate) callback_url: Option<String>,
    /// Whether it shows pages, in which case errors are pages too.
    pub(crate) accepts_html: bool,
    /// Whether it prefers Portuguese to English.
    pub(crate) prefers_portuguese: bool,
}

impl FromRequestParts<AppState> for SignInBrowser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let headers = &parts.headers;
        let client = Browser::read(parts, state);
        let flow_cookie = FlowCookie::beside(client.cookie);
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        Ok(Self {
            flow_cookie,
            flow: flow_cookie.value(headers).map(str::to_owned),
            callback_url: callback_url(headers, client.cookie),
            accepts_html: text(header::ACCEPT).is_some_and(|accepted| accepted.to_ascii_lowercase().contains("text/html")),
            prefers_portuguese: text(header::ACCEPT_LANGUAGE).is_some_and(|languages| languages.to_ascii_lowercase().starts_with("pt")),
            client,
        })
    }
}

impl Describe for SignInBrowser {
    fn describe(operation: &mut Operation) {
        let reason = "`sign_in_state`, `sign_in_refused`, `no_role`: the sign-in was not started in this browser or has expired, the provider or \
            this server refuses it, or the account has no role here";
        add_problem(operation, StatusCode::FORBIDDEN, reason);
        add_problem(operation, StatusCode::NOT_FOUND, "`not_found`: no provider is configured");
        let reason = "`too_many_auth_failures`: too many failed authentications from this address";
        add_problem(operation, StatusCode::TOO_MANY_REQUESTS, reason);
        let reason = "`oidc_unavailable`: the provider does not respond. `database_unavailable`: the database does not respond";
        add_problem(operation, StatusCode::SERVICE_UNAVAILABLE, reason);
    }
}

/// The address of the callback as the browser reaches it; `None` if it sent no usable `Host`.
fn callback_url(headers: &HeaderMap, cookie: SessionCookie) -> Option<String> {
    let scheme = if cookie.is_secure { "https" } else { "http" };
    let host = host(headers)?;
    let is_authority = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    is_authority.then(|| format!("{scheme}://{host}{CALLBACK_PATH}"))
}
