//! Writes the body of an import request to a temporary file, before any database connection is used.

use std::fs::File;
use std::io::{self, Seek as _};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, HttpBody as _};
use axum::http::StatusCode;
use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::api::http::admission::{Admission, exhausted_error};
use crate::api::http::error::ApiError;
use crate::api::http::request_body::{pace, upload_error};
use crate::api::state::AppState;
use crate::limits::quota::Share;

/// What errors call a received file, which has no name.
pub(super) const SPOOL_NAME: &str = "(uploaded file in the temporary folder)";

/// A received file. It has no name, so nothing remains of it when the process is killed.
pub(super) struct SpooledFile {
    file: File,
    /// Its part of the spool space, until it is deleted.
    share: Arc<Mutex<Share>>,
}

impl SpooledFile {
    /// The file, from its beginning, as a reader that keeps its part of the spool space.
    pub(super) fn into_reader(self) -> SpoolReader {
        SpoolReader { file: self.file, _share: self.share }
    }

    /// The file, from its beginning, for an upload to the bucket; `self` must be kept meanwhile.
    pub(super) fn handle(&self) -> Result<tokio::fs::File, ApiError> {
        Ok(tokio::fs::File::from_std(self.file.try_clone().map_err(ApiError::internal)?))
    }
}

/// Reads a received file.
pub(super) struct SpoolReader {
    file: File,
    _share: Arc<Mutex<Share>>,
}

impl io::Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

/// Receives the body. The client must send it at the minimum pace, and within the total time of an upload.
pub(super) async fn spool(state: &AppState, admission: &Admission, body: Body) -> Result<SpooledFile, ApiError> {
    let limit = state.config.clients.upload_timeout;
    let spooled = timeout(limit, receive(state, admission, body)).await;
    spooled.map_err(|_| {
        let detail = format!("the file was not received within {} s; nothing was imported: split the file", limit.as_secs());
        ApiError::body_timeout(detail)
    })?
}

async fn receive(state: &AppState, admission: &Admission, body: Body) -> Result<SpooledFile, ApiError> {
    let limit = state.config.max_import_bytes;
    let too_large = || {
        let detail =
            format!("the file is larger than {limit} bytes; nothing was imported: split the file, or raise APRENDIZ_MAX_IMPORT_BYTES");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    };
    if body.size_hint().lower() > limit {
        return Err(too_large());
    }
    let share = state.slots.spool.try_take(admission.key(), 0);
    let share = share.map_err(|exhausted| exhausted_error("spool", "bytes of imports on the server", exhausted))?;
    let share = Arc::new(Mutex::new(share));
    let meter = {
        let share = Arc::clone(&share);
        Box::new(move |bytes| share.lock().unwrap_or_else(PoisonError::into_inner).grow(bytes))
    };
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await.map_err(ApiError::internal)?.map_err(write_error)?;
    let mut writer = tokio::fs::File::from_std(file);
    let mut chunks = pace(body, state, meter).into_data_stream();
    let mut received = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| upload_error(&error))?;
        received += chunk.len() as u64;
        if received > limit {
            return Err(too_large());
        }
        writer.write_all(&chunk).await.map_err(write_error)?;
    }
    writer.flush().await.map_err(write_error)?;
    let mut file = writer.into_std().await;
    file.rewind().map_err(ApiError::internal)?;
    Ok(SpooledFile { file, share })
}

fn write_error(error: io::Error) -> ApiError {
    if error.kind() == io::ErrorKind::StorageFull {
        tracing::warn!(%error, folder = %std::env::temp_dir().display(), "the folder of temporary files is full: imports are refused");
        ApiError::overloaded("the server has no disk space for the file; nothing was imported: try again later, or in parts")
    } else {
        ApiError::internal(anyhow::Error::new(error).context("cannot spool an import"))
    }
}
