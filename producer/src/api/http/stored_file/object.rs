//! Opens objects of the bucket as streams for response bodies, or reads small ones whole.

use std::io;

use aprendiz_artifacts::{ObjectRange, Store, StoreError};
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio_util::io::ReaderStream;

use crate::api::http::error::ApiError;

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

/// Reads an object of at most `max_bytes` into memory, and checks it against its recorded hash. `what` names it in errors, which are all of the
/// server or its store: the caller has checked the recorded size.
pub(crate) async fn read_verified(store: &Store, key: &str, sha256: &str, max_bytes: u64, what: &str) -> Result<Bytes, ApiError> {
    let object = open(store, key, None).await?;
    if object.bytes > max_bytes {
        return Err(ApiError::internal(anyhow::anyhow!("{what} has {} bytes", object.bytes)));
    }
    let content: BytesMut = object
        .stream
        .try_fold(BytesMut::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            if all.len() as u64 > max_bytes {
                return Err(io::Error::other("the object is larger than recorded"));
            }
            Ok(all)
        })
        .await
        .map_err(|error| ApiError::service_unavailable("object_store", error))?;
    let found = hex::encode(Sha256::digest(&content));
    if found != sha256 {
        return Err(ApiError::internal(anyhow::anyhow!("{what} has sha256 {found}, expected {sha256}")));
    }
    Ok(content.freeze())
}
