//! The configured provider, and where it sends browsers back.

use std::sync::Arc;

use axum::http::StatusCode;

use crate::api::http::auth::sign_in_browser::SignInBrowser;
use crate::api::http::error::ApiError;
use crate::api::state::AppState;
use crate::oidc::Provider;

/// The provider.
pub(super) fn provider(state: &AppState) -> Result<Arc<Provider>, ApiError> {
    let detail = "no provider is configured (APRENDIZ_OIDC_ISSUER): sign in with an API key";
    state.oidc.clone().ok_or_else(|| ApiError::not_found(detail))
}

/// The address of the callback, which must be the same at the start and at the end.
pub(super) fn callback_url(provider: &Provider, browser: &SignInBrowser) -> Result<String, ApiError> {
    let own = provider.settings().redirect_url.clone().or_else(|| browser.callback_url.clone());
    let detail = "the request has no usable header Host: set APRENDIZ_OIDC_REDIRECT_URL";
    own.ok_or_else(|| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_header", detail))
}
