//! Reads the body of an import request: streams it to a reader, or spools it to a file.

use std::io;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::api::http::error::ApiError;

/// Chunks of the body read ahead of the importer.
pub(super) const READ_AHEAD_CHUNKS: usize = 16;
/// A client that sends no data for this long is treated as disconnected.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// What errors call the spooled file, which has no name.
pub(super) const SPOOL_NAME: &str = "(uploaded file in the temporary folder)";

/// Writes the body to a temporary file without a name, so that nothing is left when this process is killed. Returns it at its start.
pub(super) async fn spool(body: Body, limit: u64) -> Result<File, ApiError> {
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    let mut file = File::from_std(file);
    let writer = &mut file;
    let (sender, mut receiver) = mpsc::channel::<io::Result<Bytes>>(READ_AHEAD_CHUNKS);
    // a failed write drops the receiver, which stops the sender
    let write = async move {
        while let Some(Ok(chunk)) = receiver.recv().await {
            writer.write_all(&chunk).await?;
        }
        writer.flush().await
    };
    let (written, streamed) = tokio::join!(write, stream_body(body.into_data_stream(), sender, limit));
    streamed?;
    written.map_err(ApiError::internal)?;
    file.rewind().await.map_err(ApiError::internal)?;
    Ok(file)
}

/// Streams the body to the importer, chunk by chunk. Ends early and without an error if the importer stops reading.
pub(super) async fn stream_body(mut body: BodyDataStream, sender: mpsc::Sender<io::Result<Bytes>>, limit: u64) -> Result<(), ApiError> {
    let mut sent = 0;
    loop {
        let read_failed = |detail: String| ApiError::new(StatusCode::BAD_REQUEST, "read_failed", detail);
        let (error, failed) = match timeout(IDLE_TIMEOUT, body.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(chunk))) => {
                sent += chunk.len() as u64;
                if sent <= limit {
                    if sender.send(Ok(chunk)).await.is_err() {
                        return Ok(());
                    }
                    continue;
                }
                let detail = format!(
                    "the file is larger than {limit} bytes; nothing was imported: split the file, or raise APRENDIZ_MAX_IMPORT_BYTES"
                );
                (ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail), io::ErrorKind::FileTooLarge)
            }
            Ok(Some(Err(_))) => (
                read_failed(format!("the request body ended unexpectedly after {sent} bytes; nothing was imported")),
                io::ErrorKind::ConnectionAborted,
            ),
            Err(_) => (
                read_failed(format!("no data received for {} s after {sent} bytes; nothing was imported", IDLE_TIMEOUT.as_secs())),
                io::ErrorKind::TimedOut,
            ),
        };
        // the importer must not mistake the end of the channel for the end of the file
        let _ = sender.send(Err(failed.into())).await;
        return Err(error);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::api::http::body_reader::BodyReader;

    #[tokio::test]
    async fn a_body_over_the_limit_is_an_error_for_client_and_importer() {
        let (sender, receiver) = mpsc::channel(READ_AHEAD_CHUNKS);
        let streamed = stream_body(Body::from(vec![b'x'; 100]).into_data_stream(), sender, 99).await;
        assert!(streamed.is_err());
        let read = tokio::task::spawn_blocking(move || BodyReader::new(receiver).read_to_end(&mut Vec::new())).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[tokio::test]
    async fn a_body_within_the_limit_arrives_whole() {
        let (sender, receiver) = mpsc::channel(READ_AHEAD_CHUNKS);
        stream_body(Body::from(vec![b'x'; 100]).into_data_stream(), sender, 100).await.unwrap();
        let read = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            BodyReader::new(receiver).read_to_end(&mut all).map(|_| all)
        })
        .await
        .unwrap();
        assert_eq!(read.unwrap(), vec![b'x'; 100]);
    }
}
