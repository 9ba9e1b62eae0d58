//! Lineage of a document: the snapshots, runs and model versions that contain it.

use aprendiz_dataset::inspect::{DocumentLineage, document_lineage};
use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::documents::erased::require_document;
use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::dedicated_connection::DedicatedConnections;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiPath;
use crate::api::http::operation::routes;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(lineage))
}

/// Shows which dataset snapshots contain a document, which runs read them, and which model versions were trained on it
#[utoipa::path(
    get, path = "/v1/documents/{id}/lineage", tag = "documents", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The lineage, with the model versions to retire", body = DocumentLineage),
        (status = 404, description = "Document not found", body = Problem),
    ),
)]
async fn lineage(
    InScope(Viewer, scope): InScope<Viewer>,
    database: DedicatedConnections,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<DocumentLineage>, ApiError> {
    let mut conn = database.connect().await?;
    require_document(&mut conn, &scope, id).await?;
    Ok(Json(document_lineage(&mut conn, &scope, id).await?))
}
