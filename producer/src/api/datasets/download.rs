//! Downloads dataset snapshots, as a whole or file by file.

use aprendiz_dataset::inspect::InspectError;
use aprendiz_db::Scope;
use aprendiz_runs::{DatasetId, DatasetRecord, RunId, find_run};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::datasets::show::find_dataset;
use crate::api::http::archive;
use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::media::Binary;
use crate::api::http::operation::routes;
use crate::api::http::stored_file::{FileRequest, StoredFile, content_below, find, parse_files, send};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(run_dataset)).routes(routes!(file))
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Format {
    /// All files, as one tar archive.
    #[default]
    Tar,
    /// The Parquet files: a single file with `split`, otherwise a tar archive.
    Parquet,
    /// The JSON Lines files: a single file with `split`, otherwise a tar archive.
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum SplitName {
    Train,
    Validation,
    Test,
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct DatasetQuery {
    /// `tar` (default), `parquet` or `jsonl`
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// Only this split; requires `format=parquet` or `format=jsonl`
    #[param(inline)]
    split: Option<SplitName>,
}

/// Downloads a file of a dataset snapshot
#[utoipa::path(
    get, path = "/v1/datasets/{id}/files/{*path}", tag = "datasets",
    params(("id" = DatasetId, Path), ("path" = String, Path, description = "A path listed in `files`")),
    responses(
        (status = 200, description = "The file"),
        (status = 404, description = "Snapshot or file not found", body = Problem),
        (status = 410, description = "A document of the snapshot was erased", body = Problem),
    ),
)]
async fn file(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    request: FileRequest,
    ApiPath((id, path)): ApiPath<(DatasetId, String)>,
) -> Result<Response, ApiError> {
    let dataset = find_available_dataset(&mut *state.database.read().await?, &scope, id).await?;
    let files = dataset_files(&dataset)?;
    let file = find(&files, &path)?;
    send(&state.store, &request, file, content_below(&dataset.object_prefix, file)?).await
}

/// Downloads the dataset snapshot of a run
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/dataset", tag = "training runs",
    params(("id" = RunId, Path), DatasetQuery),
    responses(
        (status = 200, description = "A tar archive, or the requested file", body = inline(Binary), content_type = "application/x-tar"),
        (status = 404, description = "Run not found", body = Problem),
        (status = 409, description = "The run has no dataset snapshot yet", body = Problem),
        (status = 410, description = "A document of the snapshot was erased", body = Problem),
    ),
)]
async fn run_dataset(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    request: FileRequest,
    ApiPath(id): ApiPath<RunId>,
    ApiQuery(query): ApiQuery<DatasetQuery>,
) -> Result<Response, ApiError> {
    send_run_dataset(&state, &scope, &request, id, &query).await
}

/// Shared by the route under `/v1` and the one of the SPA.
pub(in crate::api) async fn send_run_dataset(
    state: &AppState,
    scope: &Scope,
    request: &FileRequest,
    id: RunId,
    query: &DatasetQuery,
) -> Result<Response, ApiError> {
    let dataset = {
        let mut conn = state.database.read().await?;
        let run = find_run(&mut conn, scope, id).await?;
        let dataset_id = run.dataset_id.ok_or_else(|| {
            ApiError::conflict(
                "dataset_not_built",
                format!("run {id} is {} and has no dataset snapshot yet: wait until its phase `dataset` has ended", run.status),
            )
        })?;
        find_available_dataset(&mut conn, scope, dataset_id).await?
    };
    let files = dataset_files(&dataset)?;
    let extension = match query.format {
        Format::Tar if query.split.is_some() => {
            return Err(ApiError::unprocessable("invalid_query", "split requires format=parquet or format=jsonl"));
        }
        Format::Tar => None,
        Format::Parquet => Some(".parquet"),
        Format::Jsonl => Some(".jsonl"),
    };
    let selected: Vec<StoredFile> = files
        .into_iter()
        .filter(|file| extension.is_none_or(|extension| file.path.ends_with(extension)))
        .filter(|file| query.split.is_none_or(|split| belongs_to_split(&file.path, split)))
        .collect();
    if query.split.is_some() {
        let file = selected.first().ok_or_else(|| ApiError::not_found("the snapshot has no file for this split"))?;
        return send(&state.store, request, file, content_below(&dataset.object_prefix, file)?).await;
    }
    let mut files_with_content = Vec::with_capacity(selected.len());
    for file in selected {
        let content = content_below(&dataset.object_prefix, &file)?;
        files_with_content.push((file, content));
    }
    archive::send(&state.store, &format!("dataset-{}", dataset.id), dataset.created_at, files_with_content).await
}

fn belongs_to_split(path: &str, split: SplitName) -> bool {
    let name = match split {
        SplitName::Train => "train",
        SplitName::Validation => "validation",
        SplitName::Test => "test",
    };
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '-']))
}

/// Loads a snapshot whose files still exist.
async fn find_available_dataset(conn: &mut PgConnection, scope: &Scope, id: DatasetId) -> Result<DatasetRecord, ApiError> {
    let dataset = find_dataset(conn, scope, id).await?;
    match dataset.erased_at {
        None => Ok(dataset),
        Some(at) => Err(InspectError::Erased { id: id.0, at }.into()),
    }
}

fn dataset_files(dataset: &DatasetRecord) -> Result<Vec<StoredFile>, ApiError> {
    parse_files(&dataset.files, &format!("dataset {}", dataset.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_name_determines_the_split() {
        assert!(belongs_to_split("data/train-00000-of-00001.parquet", SplitName::Train));
        assert!(belongs_to_split("jsonl/test.jsonl", SplitName::Test));
        assert!(!belongs_to_split("data/test-00000-of-00001.parquet", SplitName::Train));
        assert!(!belongs_to_split("jsonl/training.jsonl", SplitName::Train));
    }
}
