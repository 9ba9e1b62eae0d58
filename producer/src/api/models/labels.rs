//! Tags and notes of model versions.

use aprendiz_runs::{note_version, tag_version};
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::labels::{Note, NoteRequest, TagRequest, Tags};
use crate::api::models::version::{find_model_version, require_model};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(tag)).routes(routes!(note))
}

/// Sets and removes tags of a model version
#[utoipa::path(
    post, path = "/v1/models/{name}/versions/{number}/tags", tag = "models",
    params(("name" = String, Path), ("number" = i32, Path)), request_body = TagRequest,
    responses(
        (status = 200, description = "All tags of the version", body = Tags),
        (status = 404, description = "Version not found", body = Problem),
        (status = 422, description = "`invalid_label`: a tag is not valid, or there are too many", body = Problem),
    ),
)]
async fn tag(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath((name, number)): ApiPath<(String, i32)>,
    body: JsonBody<TagRequest>,
) -> Result<Json<Tags>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let mut tx = state.database.begin().await?;
    let version = find_model_version(&mut tx, &name, Some(number)).await?;
    let tags = tag_version(&mut tx, &version, &body.value.into(), &actor.name).await?;
    tx.commit().await?;
    Ok(Json(Tags { tags }))
}

/// Replaces the note of a model version
#[utoipa::path(
    put, path = "/v1/models/{name}/versions/{number}/note", tag = "models",
    params(("name" = String, Path), ("number" = i32, Path)), request_body = NoteRequest,
    responses(
        (status = 200, description = "The note", body = Note),
        (status = 404, description = "Version not found", body = Problem),
        (status = 422, description = "`invalid_label`: the note is too long", body = Problem),
    ),
)]
async fn note(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath((name, number)): ApiPath<(String, i32)>,
    body: JsonBody<NoteRequest>,
) -> Result<Json<Note>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let mut tx = state.database.begin().await?;
    let version = find_model_version(&mut tx, &name, Some(number)).await?;
    let note = note_version(&mut tx, &version, &body.value.note, &actor.name).await?;
    tx.commit().await?;
    Ok(Json(Note { note }))
}
