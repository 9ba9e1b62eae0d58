//! Sessions of browsers: sign-in and sign-out, and the list of sessions.

mod current;
mod list;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().merge(current::routes()).merge(list::routes())
}
