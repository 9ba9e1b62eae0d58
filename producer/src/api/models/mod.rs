//! Endpoints for published models.

pub(super) mod download;
pub(super) mod field_target;
mod list;
pub(super) mod model_cache;
pub(super) mod predict;
mod thresholds;
pub(super) mod version;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    list::routes().merge(thresholds::routes())
}

/// Predictions take processor time in proportion to the texts.
pub(super) fn prediction_routes() -> OpenApiRouter<AppState> {
    predict::routes()
}

/// Downloads take time in proportion to the size of the model.
pub(super) fn untimed_routes() -> OpenApiRouter<AppState> {
    download::routes()
}
