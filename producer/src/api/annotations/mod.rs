//! Endpoints for annotations: the fields of a document, their history, and the export of all annotations.

pub(super) mod export;
mod export_encoder;
mod history;
mod review;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().merge(review::routes()).merge(history::routes())
}

/// An export takes time in proportion to the number of documents.
pub(super) fn untimed_routes() -> OpenApiRouter<AppState> {
    export::routes()
}
