//! Verifies a dataset snapshot: rebuilds its rows from the events and checks its files.

use aprendiz_dataset::inspect::{Verdict, Verification, WithdrawnImport, load_snapshot, verify as verify_rows, withdrawn_imports};
use aprendiz_runs::DatasetId;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::datasets::show::find_dataset;
use crate::api::http::admission::{Admission, exhausted_error};
use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::dedicated_connection::DedicatedConnections;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::http::stored_file::{StoredFile, key_below, parse_files};
use crate::api::state::AppState;

/// Size of a read in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(verify))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VerifyQuery {
    /// Also reads every file and compares size and SHA-256; skipped for an erased snapshot, which has no files
    #[serde(default)]
    files: bool,
}

/// Result of a verification.
#[derive(Debug, Serialize, ToSchema)]
struct FullVerification {
    #[serde(flatten)]
    rows: Verification,
    /// Imports in the snapshot that were reverted later. It stays valid, and holds what they contained.
    withdrawn_imports: Vec<WithdrawnImport>,
    /// State of each file; null unless requested.
    files: Option<Vec<VerifiedFile>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct VerifiedFile {
    /// Path within the snapshot.
    path: String,
    state: FileState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum FileState {
    /// Size and hash match the recorded ones.
    Same,
    /// The object is missing.
    Missing,
    /// The size differs.
    OtherSize,
    /// The hash differs.
    OtherHash,
}

/// Rebuilds the rows of a dataset snapshot from the events and compares them
///
/// A server runs two verifications at a time, one for each API key; further requests wait for a limited time. A verification stops when the
/// client disconnects, or after the total time of a long read.
#[utoipa::path(
    post, path = "/v1/datasets/{id}/verify", tag = "datasets", params(("id" = Uuid, Path), VerifyQuery),
    responses(
        (status = 200, description = "The verdict, also for a snapshot that does not match", body = FullVerification),
        (status = 404, description = "Snapshot not found", body = Problem),
        (status = 503, description = "`overloaded`: other verifications are running; `server_unavailable`: the server stops", body = Problem),
    ),
)]
async fn verify(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    admission: Admission,
    database: DedicatedConnections,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<VerifyQuery>,
) -> Result<Json<FullVerification>, ApiError> {
    let turn = state.verifications.take(admission.key(), 1, state.config.clients.admission_wait).await;
    let _turn = turn.map_err(|exhausted| exhausted_error("verifications", "verifications", exhausted))?;
    if !scope.is_all() {
        find_dataset(&mut *state.database.read().await?, &scope, DatasetId(id)).await?;
    }
    // dropping this future drops its connections, so a disconnected client cancels it; only shutdown must be handled here
    let rows = state.shutdown.run_until_cancelled(verify_rows(database.session(), id)).await;
    let rows = rows.ok_or_else(|| ApiError::service_unavailable("server", anyhow::anyhow!("the server is shutting down")))??;
    // its files may have been replaced meanwhile
    let dataset = find_dataset(&mut *state.database.read().await?, &scope, DatasetId(id)).await?;
    let mut files = None;
    if query.files && rows.verdict != Verdict::Erased {
        let mut verified = Vec::new();
        for file in parse_files(&dataset.files, &format!("dataset {id}"))? {
            let key = key_below(&dataset.object_prefix, &file.path)?;
            verified.push(VerifiedFile { state: check_file(&state, &key, &file).await?, path: file.path });
        }
        files = Some(verified);
    }
    let mut conn = state.database.read().await?;
    let record = load_snapshot(&mut conn, id).await?;
    Ok(Json(FullVerification { rows, withdrawn_imports: withdrawn_imports(&mut conn, &record).await?, files }))
}

async fn check_file(state: &AppState, key: &str, file: &StoredFile) -> Result<FileState, ApiError> {
    let mut object = match state.store.get(key, None).await {
        Ok(object) => object,
        Err(aprendiz_artifacts::StoreError::MissingObject(_)) => return Ok(FileState::Missing),
        Err(error) => return Err(error.into()),
    };
    if object.bytes != file.bytes {
        return Ok(FileState::OtherSize);
    }
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = object.reader.read(&mut buffer).await.map_err(|error| ApiError::service_unavailable("object_store", error))?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok(if hex::encode(hash.finalize()) == file.sha256 { FileState::Same } else { FileState::OtherHash })
}
