//! Objects of the bucket as bodies of answers.

use std::io;

use artifacts::{ObjectRange, Store, StoreError};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio_util::io::ReaderStream;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// An open object.
pub(crate) struct OpenObject {
    /// Bytes that will come.
    pub(crate) bytes: u64,
    pub(crate) stream: BoxStream<'static, io::Result<Bytes>>,
}

/// Opens an object, or a part of it.
pub(crate) async fn open(store: &Store, key: &str, range: Option<ObjectRange>) -> Result<OpenObject, StoreError> {
    let object = store.get(key, range).await?;
    Ok(OpenObject { bytes: object.bytes, stream: ReaderStream::with_capacity(object.reader, CHUNK).boxed() })
}
