//! Opens objects of the bucket as streams for response bodies.

use std::io;

use aprendiz_artifacts::{ObjectRange, Store, StoreError};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio_util::io::ReaderStream;

/// Size of a read in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// An open object.
pub(crate) struct OpenObject {
    /// Length of the stream in bytes.
    pub(crate) bytes: u64,
    pub(crate) stream: BoxStream<'static, io::Result<Bytes>>,
}

/// Opens an object, or a range of it.
pub(crate) async fn open(store: &Store, key: &str, range: Option<ObjectRange>) -> Result<OpenObject, StoreError> {
    let object = store.get(key, range).await?;
    Ok(OpenObject { bytes: object.bytes, stream: ReaderStream::with_capacity(object.reader, CHUNK_BYTES).boxed() })
}
