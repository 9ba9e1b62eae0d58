//! Endpoints for reviewers: fields that await review, bulk acceptance, review leases.

mod accept;
mod lease;
mod waiting;

use utoipa_axum::router::OpenApiRouter;

use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().merge(waiting::routes()).merge(accept::routes()).merge(lease::routes())
}
