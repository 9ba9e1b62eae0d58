//! The providers that the sign-in page offers.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::error::ApiError;
use crate::api::http::operation::routes;
use crate::api::sign_in::start::START_PATH;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A provider with which people sign in.
#[derive(Debug, Serialize, ToSchema)]
struct SignInProvider {
    /// Name of the kind of provider.
    name: &'static str,
    /// Name for people.
    title: String,
    /// Path at which a sign-in starts; `?return=` takes the path of this server at which it ends.
    start: &'static str,
}

/// Lists the providers with which people can sign in
///
/// Empty if only API keys can. Needs no key: the sign-in page asks for it.
#[utoipa::path(
    get, path = "/v1/session/providers", tag = "sessions",
    responses((status = 200, description = "The providers", body = Vec<SignInProvider>)),
)]
async fn list(State(state): State<AppState>) -> Result<Json<Vec<SignInProvider>>, ApiError> {
    let provider = state.oidc.iter();
    let providers = provider.map(|provider| SignInProvider { name: "oidc", title: provider.settings().title.clone(), start: START_PATH });
    Ok(Json(providers.collect()))
}
