//! Endpoints for dataset snapshots.

mod diff;
pub(super) mod download;
mod lineage;
mod list;
mod report;
mod show;
pub(super) mod verify;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    show::routes().merge(list::routes())
}

/// Downloads and inspections take time in proportion to the size of the snapshot.
pub(super) fn untimed_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(download::routes())
        .merge(diff::routes())
        .merge(lineage::routes())
        .merge(report::routes())
        .merge(verify::routes())
}
