//! Endpoints for published models.

pub(super) mod download;
mod labels;
mod list;
pub(super) mod model_cache;
mod predict;
pub(super) mod version;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    list::routes().merge(labels::routes())
}

/// Predictions take processor time in proportion to the texts.
pub(super) fn prediction_routes() -> OpenApiRouter<AppState> {
    predict::routes()
}

/// Downloads take time in proportion to the size of the model.
pub(super) fn untimed_routes() -> OpenApiRouter<AppState> {
    download::routes()
}
