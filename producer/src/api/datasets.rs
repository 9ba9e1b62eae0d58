//! Dataset snapshots: show, and download whole or file by file.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use dataset::inspect::InspectError;
use runs::{DatasetId, DatasetRecord, RunId, get_dataset, get_run};
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::archive;
use crate::api::auth::Viewer;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{Params, Segments};
use crate::api::state::AppState;
use crate::api::stored_file::{StoredFile, content_below, files_of, find, send};

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Routes whose answers may take longer than a request may.
pub(crate) fn downloads() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(of_run)).routes(routes!(file))
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Everything, as one tar.
    #[default]
    Tar,
    /// The Parquet files: one with `split`, else a tar of all.
    Parquet,
    /// The JSON lines files: one with `split`, else a tar of all.
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum SplitName {
    Train,
    Validation,
    Test,
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DatasetQuery {
    /// `tar` (default), `parquet` or `jsonl`
    #[serde(default)]
    format: Format,
    /// Only this split; needs `format=parquet` or `format=jsonl`
    split: Option<SplitName>,
}

/// Shows a dataset snapshot
#[utoipa::path(
    get, path = "/v1/datasets/{id}", tag = "datasets", security(("api_key" = ["viewer"])), params(("id" = DatasetId, Path)),
    responses((status = 200, description = "The snapshot", body = DatasetRecord), (status = 404, description = "No such snapshot", body = Problem)),
)]
async fn show(State(state): State<AppState>, _: Viewer, Segments(id): Segments<DatasetId>) -> Result<Json<DatasetRecord>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    Ok(Json(find_dataset(&mut conn, id).await?))
}

/// Downloads a file of a dataset snapshot
#[utoipa::path(
    get, path = "/v1/datasets/{id}/files/{*path}", tag = "datasets", security(("api_key" = ["viewer"])),
    params(("id" = DatasetId, Path), ("path" = String, Path, description = "One of the paths in `files`")),
    responses(
        (status = 200, description = "The file; its ETag is its SHA-256", body = [u8], content_type = "application/octet-stream"),
        (status = 206, description = "The asked range of it", body = [u8], content_type = "application/octet-stream"),
        (status = 404, description = "No such snapshot or file", body = Problem),
        (status = 410, description = "A document in it was erased", body = Problem),
    ),
)]
async fn file(
    State(state): State<AppState>,
    _: Viewer,
    method: Method,
    headers: HeaderMap,
    Segments((id, path)): Segments<(DatasetId, String)>,
) -> Result<Response, ApiError> {
    let dataset = find_content(&mut *state.pool.acquire().await?, id).await?;
    let files = dataset_files(&dataset)?;
    let file = find(&files, &path)?;
    send(&state, &method, &headers, file, content_below(&dataset.object_prefix, file)?).await
}

/// Downloads the dataset snapshot of a run
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/dataset", tag = "training runs", security(("api_key" = ["viewer"])),
    params(("id" = RunId, Path), DatasetQuery),
    responses(
        (status = 200, description = "A tar, or the asked file", body = [u8], content_type = "application/octet-stream"),
        (status = 409, description = "The run has no snapshot yet", body = Problem),
        (status = 410, description = "A document in it was erased", body = Problem),
    ),
)]
async fn of_run(
    State(state): State<AppState>,
    _: Viewer,
    method: Method,
    headers: HeaderMap,
    Segments(id): Segments<RunId>,
    Params(query): Params<DatasetQuery>,
) -> Result<Response, ApiError> {
    send_dataset_of_run(&state, &method, &headers, id, &query).await
}

/// What both addresses of this download do.
pub(crate) async fn send_dataset_of_run(
    state: &AppState,
    method: &Method,
    headers: &HeaderMap,
    id: RunId,
    query: &DatasetQuery,
) -> Result<Response, ApiError> {
    let dataset = {
        let mut conn = state.pool.acquire().await?;
        let run = get_run(&mut conn, id).await?;
        let dataset_id = run.dataset_id.ok_or_else(|| {
            ApiError::conflict(
                "dataset_not_built",
                format!("run {id} is {} and has no dataset snapshot: wait until its phase `dataset` is over", run.status),
            )
        })?;
        find_content(&mut conn, dataset_id).await?
    };
    let files = dataset_files(&dataset)?;
    let extension = match query.format {
        Format::Tar if query.split.is_some() => {
            return Err(ApiError::unprocessable("invalid_query", "split needs format=parquet or format=jsonl"));
        }
        Format::Tar => None,
        Format::Parquet => Some(".parquet"),
        Format::Jsonl => Some(".jsonl"),
    };
    let chosen: Vec<StoredFile> = files
        .into_iter()
        .filter(|file| extension.is_none_or(|extension| file.path.ends_with(extension)))
        .filter(|file| query.split.is_none_or(|split| is_of_split(&file.path, split)))
        .collect();
    if query.split.is_some() {
        let file = chosen.first().ok_or_else(|| ApiError::not_found("this snapshot has no such file"))?;
        return send(state, method, headers, file, content_below(&dataset.object_prefix, file)?).await;
    }
    let mut with_content = Vec::with_capacity(chosen.len());
    for file in chosen {
        let content = content_below(&dataset.object_prefix, &file)?;
        with_content.push((file, content));
    }
    archive::send(state, &format!("dataset-{}", dataset.id), dataset.created_at, with_content).await
}

fn is_of_split(path: &str, split: SplitName) -> bool {
    let name = match split {
        SplitName::Train => "train",
        SplitName::Validation => "validation",
        SplitName::Test => "test",
    };
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '-']))
}

/// The snapshot, if it still has its files.
async fn find_content(conn: &mut PgConnection, id: DatasetId) -> Result<DatasetRecord, ApiError> {
    let dataset = find_dataset(conn, id).await?;
    match dataset.erased_at {
        None => Ok(dataset),
        Some(at) => Err(InspectError::Erased { id: id.0, at }.into()),
    }
}

async fn find_dataset(conn: &mut PgConnection, id: DatasetId) -> Result<DatasetRecord, ApiError> {
    get_dataset(conn, id).await?.ok_or_else(|| ApiError::not_found(format!("no dataset snapshot {id}")))
}

fn dataset_files(dataset: &DatasetRecord) -> Result<Vec<StoredFile>, ApiError> {
    files_of(&dataset.files, &format!("dataset {}", dataset.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_split_are_told_by_their_name() {
        assert!(is_of_split("data/train-00000-of-00001.parquet", SplitName::Train));
        assert!(is_of_split("jsonl/test.jsonl", SplitName::Test));
        assert!(!is_of_split("data/test-00000-of-00001.parquet", SplitName::Train));
        assert!(!is_of_split("jsonl/training.jsonl", SplitName::Train));
    }
}
