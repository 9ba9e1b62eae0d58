//! Streams a file or standard input as a request body.

use std::io::{self, Read as _};
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::ReaderStream;

use crate::cli::error::CliError;

/// Size of a chunk of the request body, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// A file, or standard input, to be uploaded.
pub(crate) struct FileInput {
    pub(crate) stream: BoxStream<'static, io::Result<Bytes>>,
    /// Size of a regular file.
    pub(crate) length: Option<u64>,
    /// Name of the file without its directory.
    pub(crate) file_name: Option<String>,
    pub(crate) modified_at: Option<DateTime<Utc>>,
}

/// Opens a file; `-` is standard input.
pub(crate) async fn open_input(path: &Path) -> Result<FileInput, CliError> {
    if path.as_os_str() == "-" {
        return Ok(FileInput { stream: standard_input().boxed(), length: None, file_name: None, modified_at: None });
    }
    let file = tokio::fs::File::open(path).await.with_context(|| format!("cannot open {}", path.display()))?;
    let metadata = file.metadata().await.with_context(|| format!("cannot read {}", path.display()))?;
    if metadata.is_dir() {
        return Err(CliError::Usage(format!("{} is a directory: expected a file", path.display())));
    }
    Ok(FileInput {
        stream: ReaderStream::with_capacity(file, CHUNK_BYTES).boxed(),
        length: metadata.is_file().then_some(metadata.len()),
        file_name: path.file_name().map(|name| name.to_string_lossy().into_owned()),
        modified_at: metadata.modified().ok().map(DateTime::from),
    })
}

/// Reads standard input on its own thread, because a read may block forever.
fn standard_input() -> ReceiverStream<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = match input.read(&mut chunk) {
                Ok(0) => return,
                Ok(count) => {
                    chunk.truncate(count);
                    Ok(Bytes::from(chunk))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}
