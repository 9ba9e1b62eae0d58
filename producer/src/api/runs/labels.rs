//! Tags and notes of runs.

use aprendiz_runs::{RunId, find_run, note_run, tag_run};
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::labels::{Note, NoteRequest, TagRequest, Tags};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(tag)).routes(routes!(note))
}

/// Sets and removes tags of a run
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/tags", tag = "training runs", params(("id" = RunId, Path)), request_body = TagRequest,
    responses(
        (status = 200, description = "All tags of the run", body = Tags),
        (status = 404, description = "Run not found", body = Problem),
        (status = 422, description = "`invalid_label`: a tag is not valid, or there are too many", body = Problem),
    ),
)]
async fn tag(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath(id): ApiPath<RunId>,
    body: JsonBody<TagRequest>,
) -> Result<Json<Tags>, ApiError> {
    let mut tx = state.database.begin().await?;
    find_run(&mut tx, &scope, id).await?;
    let tags = tag_run(&mut tx, id, &body.value.into(), &actor.name).await?;
    tx.commit().await?;
    Ok(Json(Tags { tags }))
}

/// Replaces the note of a run
#[utoipa::path(
    put, path = "/v1/training-runs/{id}/note", tag = "training runs", params(("id" = RunId, Path)), request_body = NoteRequest,
    responses(
        (status = 200, description = "The note", body = Note),
        (status = 404, description = "Run not found", body = Problem),
        (status = 422, description = "`invalid_label`: the note is too long", body = Problem),
    ),
)]
async fn note(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath(id): ApiPath<RunId>,
    body: JsonBody<NoteRequest>,
) -> Result<Json<Note>, ApiError> {
    let mut tx = state.database.begin().await?;
    find_run(&mut tx, &scope, id).await?;
    let note = note_run(&mut tx, id, &body.value.note, &actor.name).await?;
    tx.commit().await?;
    Ok(Json(Note { note }))
}
