//! Whether a snapshot can still be made from the events, and whether its files are what they were.

use axum::Json;
use axum::extract::State;
use dataset::inspect::{Verdict, Verification, verify as verify_rows};
use runs::{DatasetId, get_dataset};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::auth::Viewer;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{Params, Segments};
use crate::api::long_read;
use crate::api::state::AppState;
use crate::api::stored_file::{StoredFile, files_of, key_below};

/// Bytes read at once.
const CHUNK: usize = 256 * 1024;

/// Takes as long as the snapshot is large.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(verify))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VerifyQuery {
    /// Also read every file and compare size and SHA-256; not done for an erased snapshot, which has none
    #[serde(default)]
    files: bool,
}

/// A verification with that of the files.
#[derive(Debug, Serialize, ToSchema)]
struct FullVerification {
    #[serde(flatten)]
    rows: Verification,
    /// Files, where they were asked for.
    files: Option<Vec<VerifiedFile>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct VerifiedFile {
    /// Path below the snapshot.
    path: String,
    state: FileState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum FileState {
    /// Size and hash are those that were recorded.
    Same,
    /// The object is not there.
    Missing,
    /// It has another size.
    OtherSize,
    /// It has another hash.
    OtherHash,
}

/// Builds the rows of a dataset snapshot anew from the events, and compares
///
/// One verification at a time runs in a server; others wait. It ends when the client goes away.
#[utoipa::path(
    post, path = "/v1/datasets/{id}/verify", tag = "datasets", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path), VerifyQuery),
    responses(
        (status = 200, description = "The verdict, whatever it is", body = FullVerification),
        (status = 404, description = "No such snapshot", body = Problem),
    ),
)]
async fn verify(
    State(state): State<AppState>,
    _: Viewer,
    Segments(id): Segments<Uuid>,
    Params(query): Params<VerifyQuery>,
) -> Result<Json<FullVerification>, ApiError> {
    let _permit = state.verifications.acquire().await.map_err(ApiError::internal)?;
    // dropped with the request, and with it its connections: nothing else need cancel it but the end of the process
    let rows = state.shutdown.run_until_cancelled(verify_rows(&long_read::options(&state), id)).await;
    let rows = rows.ok_or_else(|| ApiError::away("server", anyhow::anyhow!("it is shutting down")))??;
    let dataset = get_dataset(&mut *state.pool.acquire().await?, DatasetId(id)).await?;
    let dataset = dataset.ok_or_else(|| ApiError::not_found(format!("no dataset snapshot {id}")))?;
    let mut files = None;
    if query.files && rows.verdict != Verdict::Erased {
        let mut verified = Vec::new();
        for file in files_of(&dataset.files, &format!("dataset {id}"))? {
            let key = key_below(&dataset.object_prefix, &file.path)?;
            verified.push(VerifiedFile { state: state_of(&state, &key, &file).await?, path: file.path });
        }
        files = Some(verified);
    }
    Ok(Json(FullVerification { rows, files }))
}

async fn state_of(state: &AppState, key: &str, file: &StoredFile) -> Result<FileState, ApiError> {
    let mut object = match state.store.get(key, None).await {
        Ok(object) => object,
        Err(artifacts::StoreError::MissingObject(_)) => return Ok(FileState::Missing),
        Err(error) => return Err(error.into()),
    };
    if object.bytes != file.bytes {
        return Ok(FileState::OtherSize);
    }
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = object.reader.read(&mut buffer).await.map_err(|error| ApiError::away("object_store", error))?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok(if hex::encode(hash.finalize()) == file.sha256 { FileState::Same } else { FileState::OtherHash })
}
