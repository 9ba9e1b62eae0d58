//! Routes without the prefix `/v1`, in the response format of the existing single-page application (SPA).
//!
//! They call the same functions as the routes under `/v1`. A job is the SPA's view of a training run and has the same id.

mod downloads;
mod jobs;
mod train;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().merge(train::routes()).merge(jobs::routes())
}

/// Downloads take time in proportion to the size of the files.
pub(super) fn untimed_routes() -> OpenApiRouter<AppState> {
    downloads::routes()
}
