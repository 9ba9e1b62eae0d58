//! Endpoints for documents.

mod archive;
mod create;
mod erase;
pub(super) mod erased;
mod filter;
mod lineage;
mod list;
mod overview;
mod retire_models;
pub(super) mod search;
mod split;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(list::routes())
        .merge(search::routes())
        .merge(overview::routes())
        .merge(archive::routes())
        .merge(create::routes())
        .merge(split::routes())
}

/// Indexing reads all documents, lineage and retirement of models read all snapshots, and an erasure waits for running imports.
pub(super) fn untimed_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(split::untimed_routes())
        .merge(lineage::routes())
        .merge(retire_models::routes())
        .merge(erase::routes())
        .merge(archive::untimed_routes())
}
