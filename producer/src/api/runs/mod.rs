//! Endpoints for training runs.

mod cancel;
mod child_runs;
mod clone;
pub(super) mod create;
pub(super) mod errors;
pub(super) mod event_hub;
pub(super) mod events;
mod explain;
mod kinds;
mod labels;
pub(super) mod list;
mod preview;
pub(super) mod retry;
mod show;
mod sort;
mod spec_scope;
pub(super) mod streamed_event;
pub(super) mod validation;
mod verify;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(create::routes())
        .merge(kinds::routes())
        .merge(list::routes())
        .merge(show::routes())
        .merge(cancel::routes())
        .merge(retry::routes())
        .merge(child_runs::routes())
        .merge(clone::routes())
        .merge(verify::routes())
        .merge(explain::routes())
        .merge(errors::routes())
        .merge(labels::routes())
}

/// A preview reads the whole selection.
pub(super) fn long_read_routes() -> OpenApiRouter<AppState> {
    preview::routes()
}

/// Event streams stay open until the run ends.
pub(super) fn untimed_routes() -> OpenApiRouter<AppState> {
    events::routes()
}
