//! The end of a sign-in: the provider sends the browser back with a code, for which it gets a session.

use aprendiz_runs::{IdentityClaims, create_web_session, end_sessions_of_identity, mark_sign_in_used, sign_in_identity};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use chrono::Utc;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::admission::Admission;
use crate::api::http::auth::sign_in_browser::SignInBrowser;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiQuery;
use crate::api::http::operation::routes;
use crate::api::sign_in::configured::{callback_url, provider};
use crate::api::sign_in::{page, return_path};
use crate::api::state::AppState;
use crate::oidc::{Authorization, FLOW_LIFETIME, OidcError, Provider, ProviderClaims, SignInFlow};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(callback))
}

/// What the provider sends. It may add parameters of its own, which are ignored.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct CallbackQuery {
    /// Value that this server sent to the provider
    state: Option<String>,
    /// Code for the tokens of the provider
    code: Option<String>,
    /// Issuer of the response
    iss: Option<String>,
    /// Why the provider refuses the sign-in
    error: Option<String>,
}

/// Ends a sign-in with the provider
///
/// For browsers that come from the provider: creates a session and sets its cookie, as `POST /v1/session` does, and goes on to the path of
/// the start. An earlier session of the same browser ends, if the browser sends its cookie. Browsers get errors as a page.
#[utoipa::path(
    get, path = "/auth/oidc/callback", tag = "sessions", params(CallbackQuery),
    responses(
        (
            status = 200, description = "A page that goes on to the path of the start", content_type = "text/html", body = String,
            headers(("Set-Cookie" = String, description = "The cookie of the session; and another one that removes that of the sign-in")),
        ),
        (status = 422, description = "`invalid_query`: the provider sent no code", body = Problem),
    ),
)]
async fn callback(
    State(state): State<AppState>,
    browser: SignInBrowser,
    admission: Admission,
    ApiQuery(query): ApiQuery<CallbackQuery>,
) -> Result<Response, ApiError> {
    let outcome = match started(&browser, query.state.as_deref()) {
        Err(error) => Err(error),
        Ok(flow) => {
            let mut response =
                finish(&state, &browser, &admission, &flow, &query).await.unwrap_or_else(|error| page::failure(error, &browser));
            // a sign-in ends in one way only
            response.headers_mut().append(header::SET_COOKIE, browser.flow_cookie.clear());
            Ok(response)
        }
    };
    Ok(outcome.unwrap_or_else(|error| page::failure(error, &browser)))
}

/// The sign-in that this browser started and the provider answers.
fn started(browser: &SignInBrowser, state: Option<&str>) -> Result<SignInFlow, ApiError> {
    let refused = |detail: &str| ApiError::new(StatusCode::FORBIDDEN, "sign_in_state", detail);
    let flow = browser.flow.as_deref().and_then(|cookie| SignInFlow::read(cookie, Utc::now().timestamp().unsigned_abs()));
    let flow = flow.filter(|flow| return_path::check(flow.return_path()).is_ok()).ok_or_else(|| {
        refused("no sign-in was started in this browser within the last ten minutes, or the browser blocks cookies: sign in again")
    })?;
    // hashes are compared, so the time of the comparison depends on nothing that a client controls
    if Sha256::digest(state.unwrap_or_default()) == Sha256::digest(flow.state()) {
        Ok(flow)
    } else {
        Err(refused("the response belongs to another sign-in than the one that this browser started last: sign in again"))
    }
}

async fn finish(
    state: &AppState,
    browser: &SignInBrowser,
    admission: &Admission,
    flow: &SignInFlow,
    query: &CallbackQuery,
) -> Result<Response, ApiError> {
    let provider = provider(state)?;
    if let Some(address) = browser.client.address {
        state.auth_failures.check(address, flow.cookie()).map_err(ApiError::too_many_auth_failures)?;
    }
    provider.check_response_issuer(query.iss.as_deref()).await?;
    if let Some(error) = &query.error {
        let name: String = error.chars().filter(|char| char.is_ascii_alphanumeric() || *char == '_').take(64).collect();
        let detail = format!("the provider refused the sign-in ({name}): start again, or ask the administrator of the provider");
        return Err(ApiError::new(StatusCode::FORBIDDEN, "sign_in_refused", detail));
    }
    let code = query.code.as_deref().ok_or_else(|| ApiError::unprocessable("invalid_query", "missing query parameter code"))?;
    let redirect_url = callback_url(&provider, browser)?;
    let redeemed = provider.redeem(flow, Authorization { code, redirect_url: &redirect_url }).await;
    if let (Err(OidcError::CodeRejected(_) | OidcError::InvalidToken(_)), Some(address)) = (&redeemed, browser.client.address) {
        state.auth_failures.record_failure(address, flow.cookie());
    }
    let claims = redeemed?;
    create_session(state, browser, admission, flow, &provider, &claims).await
}

/// Signs the identity in.
async fn create_session(
    state: &AppState,
    browser: &SignInBrowser,
    admission: &Admission,
    flow: &SignInFlow,
    provider: &Provider,
    claims: &ProviderClaims,
) -> Result<Response, ApiError> {
    let issuer = provider.settings().issuer.as_str();
    let (role, scope) = match provider.access(claims) {
        Ok(access) => access,
        Err(error) => {
            // what the identity could do before ends as well
            let mut tx = state.database.begin().await?;
            end_sessions_of_identity(&mut tx, issuer, claims.subject()).await?;
            tx.commit().await?;
            return Err(error.into());
        }
    };
    let identity = IdentityClaims { issuer, subject: claims.subject(), email: claims.email(), label: claims.label(), role, scope };
    let lifetime = state.config.sessions.lifetime;
    let session = browser.client.new_session(lifetime);
    let refused = |detail: &str| ApiError::new(StatusCode::FORBIDDEN, "sign_in_refused", detail);
    let mut tx = state.database.begin().await?;
    if !mark_sign_in_used(&mut tx, &flow.sha256(), FLOW_LIFETIME).await? {
        return Err(refused("this sign-in has created a session already: start again"));
    }
    let key = sign_in_identity(&mut tx, &identity).await?;
    admission.assign_key(key.id)?;
    let created = create_web_session(&mut tx, &key, &session).await?.ok_or_else(|| refused("the account was revoked meanwhile"))?;
    tx.commit().await?;
    state.auth_failures.record_success(&created.token);
    let mut response = page::landing(flow.return_path(), browser);
    response.headers_mut().append(header::SET_COOKIE, browser.client.cookie.set(&created.token, lifetime));
    Ok(response)
}
