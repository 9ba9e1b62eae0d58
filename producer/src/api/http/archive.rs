//! Streams several files as one tar archive; memory use does not depend on its size.

use std::io;

use aprendiz_artifacts::Store;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tracing::warn;

use crate::api::http::error::ApiError;
use crate::api::http::stored_file::object::{OpenObject, open};
use crate::api::http::stored_file::{Content, StoredFile, attachment, insert};

/// Block size of the tar format.
const BLOCK: u64 = 512;
/// A tar archive ends with two empty blocks.
const END: u64 = 2 * BLOCK;
/// Chunks read ahead of the client.
const READ_AHEAD_CHUNKS: usize = 4;

type Sender = mpsc::Sender<io::Result<Bytes>>;

/// Responds with a tar of files below one folder; the folder also names the archive.
pub(crate) async fn send(
    store: &Store,
    folder: &str,
    modified_at: DateTime<Utc>,
    files: Vec<(StoredFile, Content)>,
) -> Result<Response, ApiError> {
    let mut entries = Vec::with_capacity(files.len());
    for (file, content) in files {
        let header = entry_header(&format!("{folder}/{}", file.path), file.bytes, modified_at).map_err(ApiError::internal)?;
        entries.push(Entry { header, bytes: file.bytes, content });
    }
    let total: u64 = entries.iter().map(Entry::size).sum::<u64>() + END;
    // opened before the response starts, so that a missing object is reported as an error status
    let first = match entries.first() {
        Some(Entry { content: Content::Object(key), .. }) => Some(open(store, key, None).await?),
        _ => None,
    };
    let (sender, receiver) = mpsc::channel(READ_AHEAD_CHUNKS);
    let (store, name) = (store.clone(), folder.to_owned());
    tokio::spawn(async move {
        if let Err(error) = write(&store, entries, first, &sender).await {
            // a client that disconnected is not an error, and the failed send is ignored
            if !sender.is_closed() {
                warn!(archive = name, %error, "download aborted");
                let _ = sender.send(Err(error)).await;
            }
        }
    });
    let mut headers = HeaderMap::new();
    insert(&mut headers, header::CONTENT_TYPE, "application/x-tar");
    insert(&mut headers, header::CONTENT_LENGTH, &total.to_string());
    insert(&mut headers, header::CONTENT_DISPOSITION, &attachment(&format!("{folder}.tar")));
    Ok((headers, Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

struct Entry {
    header: Bytes,
    bytes: u64,
    content: Content,
}

impl Entry {
    fn size(&self) -> u64 {
        BLOCK + self.bytes + padding(self.bytes)
    }
}

async fn write(store: &Store, entries: Vec<Entry>, mut first: Option<OpenObject>, sender: &Sender) -> io::Result<()> {
    for entry in entries {
        push(sender, entry.header).await?;
        let sent = match entry.content {
            Content::Memory(content) => {
                let bytes = content.len() as u64;
                push(sender, content).await?;
                bytes
            }
            Content::Object(key) => {
                let mut object = match first.take() {
                    Some(object) => object,
                    None => open(store, &key, None).await.map_err(io::Error::other)?,
                };
                let mut bytes = 0;
                while let Some(chunk) = object.stream.next().await {
                    let chunk = chunk?;
                    bytes += chunk.len() as u64;
                    push(sender, chunk).await?;
                }
                bytes
            }
        };
        if sent != entry.bytes {
            return Err(io::Error::other(format!("object has {sent} bytes, expected {}", entry.bytes)));
        }
        push(sender, zeros(padding(sent))).await?;
    }
    push(sender, zeros(END)).await
}

async fn push(sender: &Sender, chunk: Bytes) -> io::Result<()> {
    if chunk.is_empty() {
        return Ok(());
    }
    sender.send(Ok(chunk)).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
}

fn padding(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK) - bytes
}

fn zeros(count: u64) -> Bytes {
    static ZEROS: [u8; END as usize] = [0; END as usize];
    Bytes::from_static(&ZEROS[..count.min(END) as usize])
}

fn entry_header(path: &str, bytes: u64, modified_at: DateTime<Utc>) -> io::Result<Bytes> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path)?;
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_mtime(u64::try_from(modified_at.timestamp()).unwrap_or(0));
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    Ok(Bytes::copy_from_slice(header.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_stream_is_a_valid_tar() {
        let at = DateTime::from_timestamp(1_763_700_000, 0).unwrap();
        let mut archive = Vec::new();
        for (path, content) in [("m-1/config.json", &b"{}"[..]), ("m-1/empty", b""), ("m-1/block", &[7; 512])] {
            archive.extend_from_slice(&entry_header(path, content.len() as u64, at).unwrap());
            archive.extend_from_slice(content);
            archive.extend_from_slice(&zeros(padding(content.len() as u64)));
        }
        archive.extend_from_slice(&zeros(END));
        let mut read = Vec::new();
        for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            read.push((entry.path().unwrap().display().to_string(), content.len()));
        }
        assert_eq!(read, [("m-1/config.json".to_owned(), 2), ("m-1/empty".to_owned(), 0), ("m-1/block".to_owned(), 512)]);
    }
}
