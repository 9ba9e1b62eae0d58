//! Sign-in of browsers with an OpenID Connect provider.

mod callback;
mod configured;
mod page;
mod providers;
mod return_path;
mod start;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().merge(providers::routes()).merge(start::routes()).merge(callback::routes())
}
