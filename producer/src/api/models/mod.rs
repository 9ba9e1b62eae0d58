//! Endpoints for published models.

mod aliases;
mod card;
pub(crate) mod comparison;
mod delete_files;
pub(super) mod download;
pub(super) mod field_target;
pub(crate) mod inference;
mod labels;
mod list;
pub(super) mod model_cache;
pub(super) mod predict;
mod promote;
pub(super) mod promotion_requests;
mod retire;
pub(super) mod revision;
mod settings;
pub(crate) mod shadow;
mod thresholds;
pub(super) mod version;
mod version_scores;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    list::routes()
        .merge(labels::routes())
        .merge(settings::routes())
        .merge(aliases::routes())
        .merge(promote::routes())
        .merge(promotion_requests::routes())
        .merge(retire::routes())
        .merge(delete_files::routes())
        .merge(thresholds::routes())
        .merge(card::routes())
        .merge(shadow::route::routes())
        .merge(comparison::route::routes())
}

/// Predictions take processor time in proportion to the texts.
pub(super) fn prediction_routes() -> OpenApiRouter<AppState> {
    predict::routes()
}

/// Downloads take time in proportion to the size of the model.
pub(super) fn untimed_routes() -> OpenApiRouter<AppState> {
    download::routes()
}
