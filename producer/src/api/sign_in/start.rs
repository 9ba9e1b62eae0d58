//! The start of a sign-in: sends the browser to the provider.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::sign_in_browser::SignInBrowser;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiQuery;
use crate::api::http::operation::routes;
use crate::api::sign_in::configured::{callback_url, provider};
use crate::api::sign_in::{page, return_path};
use crate::api::state::AppState;
use crate::oidc::{FLOW_LIFETIME, SignInFlow};

/// Path at which a sign-in starts.
pub(super) const START_PATH: &str = "/auth/oidc/start";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(start))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StartQuery {
    /// Path of this server at which the sign-in ends; default `/`
    #[serde(rename = "return")]
    return_path: Option<String>,
}

/// Starts a sign-in with the provider
///
/// For browsers: sends them to the provider, which sends them back to `/auth/oidc/callback`. The cookie of the sign-in is valid for ten
/// minutes.
#[utoipa::path(
    get, path = "/auth/oidc/start", tag = "sessions", params(StartQuery),
    responses(
        (
            status = 303, description = "To the provider",
            headers(
                ("Location" = String, description = "Address of the provider"),
                ("Set-Cookie" = String, description = "The cookie of the sign-in"),
            ),
        ),
        (status = 422, description = "`invalid_query`: `return` is not a path of this server", body = Problem),
    ),
)]
async fn start(State(state): State<AppState>, browser: SignInBrowser, ApiQuery(query): ApiQuery<StartQuery>) -> Result<Response, ApiError> {
    let response = redirect(&state, &browser, query.return_path.as_deref().unwrap_or("/")).await;
    Ok(response.unwrap_or_else(|error| page::failure(error, &browser)))
}

async fn redirect(state: &AppState, browser: &SignInBrowser, return_path: &str) -> Result<Response, ApiError> {
    let provider = provider(state)?;
    return_path::check(return_path)?;
    let flow = SignInFlow::start(return_path, Utc::now().timestamp().unsigned_abs())
        .map_err(|error| ApiError::internal(anyhow::anyhow!("the system has no random bytes: {error}")))?;
    let url = provider.authorization_url(&flow, &callback_url(&provider, browser)?).await?;
    let location = HeaderValue::try_from(url.as_str()).map_err(ApiError::internal)?;
    let headers = [
        (header::LOCATION, location),
        (header::SET_COOKIE, browser.flow_cookie.set(flow.cookie(), FLOW_LIFETIME)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}
