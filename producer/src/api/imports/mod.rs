//! Endpoints for imports: create, list, show, retry, revert.

mod create;
mod legacy_csv;
mod list;
pub(super) mod options;
mod quarantine;
mod retry;
mod revert;
mod show;
mod spool;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().merge(list::routes()).merge(show::routes()).merge(quarantine::routes())
}

/// Imports take time in proportion to the size of the file.
pub(super) fn untimed_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().merge(create::routes()).merge(legacy_csv::routes()).merge(retry::routes()).merge(revert::routes())
}
