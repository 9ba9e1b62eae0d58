//! Shows a dataset snapshot.

use aprendiz_db::Scope;
use aprendiz_runs::{DatasetId, DatasetRecord, get_dataset};
use axum::Json;
use axum::extract::State;
use sqlx::PgConnection;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiPath;
use crate::api::http::operation::routes;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Shows a dataset snapshot
#[utoipa::path(
    get, path = "/v1/datasets/{id}", tag = "datasets", params(("id" = DatasetId, Path)),
    responses(
        (status = 200, description = "The snapshot", body = DatasetRecord),
        (status = 404, description = "Snapshot not found", body = Problem),
    ),
)]
async fn show(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(id): ApiPath<DatasetId>,
) -> Result<Json<DatasetRecord>, ApiError> {
    let mut conn = state.database.read().await?;
    Ok(Json(find_dataset(&mut conn, &scope, id).await?))
}

/// Loads a snapshot of the scope, or returns 404.
pub(super) async fn find_dataset(conn: &mut PgConnection, scope: &Scope, id: DatasetId) -> Result<DatasetRecord, ApiError> {
    get_dataset(conn, scope, id).await?.ok_or_else(|| ApiError::not_found(format!("dataset snapshot {id} not found")))
}
