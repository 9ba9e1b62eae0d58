//! Connection to a bucket, and downloads.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use crate::client;
use crate::error::StoreError;
use crate::permission::Permission;
use crate::refusal::{Operation, chain};
use crate::settings::StoreConfig;

const BUFFER_BYTES: usize = 256 * 1024;

/// A bucket with its client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) client: Client,
    pub(crate) bucket: String,
    key_prefix: String,
}

/// An inclusive byte range of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectRange {
    /// First byte, zero-based.
    pub first: u64,
    /// Last byte; `None` = end of the object.
    pub last: Option<u64>,
}

/// An object opened for reading.
pub struct Object {
    /// Content of the object or the range.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// Number of bytes that the reader yields.
    pub bytes: u64,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Store {
    /// Creates a client without sending a request (see [`Store::check`]).
    ///
    /// # Errors
    /// [`StoreError::Setting`] if a setting cannot be used.
    pub async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        Ok(Self::new(config, client::create(config).await?))
    }

    pub(crate) fn new(config: &StoreConfig, client: Client) -> Self {
        Self { client, bucket: config.bucket.clone(), key_prefix: config.key_prefix.clone() }
    }

    pub(crate) fn operation(&self, permission: Permission, text: String) -> Operation<'_> {
        Operation { bucket: &self.bucket, key_prefix: &self.key_prefix, permission, text }
    }

    pub(crate) fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.key_prefix)
    }

    /// The key without the configured prefix, or `None` if it has another prefix.
    pub(crate) fn strip_key_prefix<'a>(&self, full_key: &'a str) -> Option<&'a str> {
        full_key.strip_prefix(&self.key_prefix)
    }

    /// Name of the bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Checks that the bucket exists and is accessible.
    ///
    /// # Errors
    /// The message names the bucket and the fix.
    pub async fn check(&self) -> Result<(), StoreError> {
        let checking = || self.operation(Permission::ListBucket, format!("access to bucket `{}`", self.bucket));
        let Err(error) = self.client.head_bucket().bucket(&self.bucket).send().await else { return Ok(()) };
        if error.raw_response().is_none_or(|response| response.status().as_u16() == 404) {
            return Err(checking().failed(&error));
        }
        // the answer to a HEAD request has no body, so the store could not say why it refuses
        let listed = self.client.list_objects_v2().bucket(&self.bucket).prefix(&self.key_prefix).max_keys(1).send().await;
        listed.map(drop).map_err(|error| checking().failed(&error))
    }

    /// Opens an object for reading.
    ///
    /// # Errors
    /// [`StoreError::MissingObject`], or S3 is unavailable.
    pub async fn get(&self, key: &str, range: Option<ObjectRange>) -> Result<Object, StoreError> {
        let range = range.map(|range| match range.last {
            Some(last) => format!("bytes={}-{last}", range.first),
            None => format!("bytes={}-", range.first),
        });
        let output = self.client.get_object().bucket(&self.bucket).key(self.full_key(key)).set_range(range).send().await.map_err(
            |error| match error.as_service_error() {
                Some(GetObjectError::NoSuchKey(_)) => StoreError::MissingObject(key.to_owned()),
                _ => self.operation(Permission::GetObject, format!("reading `{key}`")).failed(&error),
            },
        )?;
        let bytes = u64::try_from(output.content_length().unwrap_or_default()).unwrap_or_default();
        Ok(Object { reader: Box::new(output.body.into_async_read()), bytes })
    }

    /// Downloads an object to a file and verifies its hash. The file gets its final name only once it is complete and verified.
    ///
    /// # Errors
    /// [`StoreError::ChecksumMismatch`] if the content differs from the recorded hash.
    #[tracing::instrument(name = "download_object", level = "debug", skip_all, fields(object.key = key))]
    pub async fn download(&self, key: &str, path: &Path, expected_sha256: &str) -> Result<u64, StoreError> {
        let file_error = |source| StoreError::file(path, source);
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(file_error)?;
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let part = Path::new(&name);
        let mut object = self.get(key, None).await?;
        let mut file = tokio::fs::File::create(part).await.map_err(file_error)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut bytes = 0;
        loop {
            let read = object
                .reader
                .read(&mut buffer)
                .await
                .map_err(|error| StoreError::Unavailable { operation: format!("reading `{key}`"), cause: chain(&error) })?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            file.write_all(&buffer[..read]).await.map_err(file_error)?;
            bytes += read as u64;
        }
        file.flush().await.map_err(file_error)?;
        let found = hex::encode(hash.finalize());
        if found != expected_sha256 {
            tokio::fs::remove_file(part).await.map_err(file_error)?;
            return Err(StoreError::ChecksumMismatch { key: key.to_owned(), expected: expected_sha256.to_owned(), found });
        }
        tokio::fs::rename(part, path).await.map_err(file_error)?;
        Ok(bytes)
    }
}
