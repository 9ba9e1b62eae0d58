//! Endpoints for published models.

pub(super) mod download;
mod list;
pub(super) mod model_cache;
mod predict;
pub(super) mod version;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().merge(list::routes()).merge(predict::routes())
}

/// Downloads take time in proportion to the size of the model.
pub(super) fn untimed_routes() -> OpenApiRouter<AppState> {
    download::routes()
}
