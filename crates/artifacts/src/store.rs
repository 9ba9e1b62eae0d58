//! Connection to a bucket, and downloads.

use std::path::Path;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use crate::error::StoreError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts per request, including the first one.
const MAX_ATTEMPTS: u32 = 4;
const BUFFER_BYTES: usize = 256 * 1024;

/// Bucket settings. Endpoint, region and credentials come from the variables of the AWS SDK (`AWS_*`, `AWS_ENDPOINT_URL_S3`).
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Name of an existing bucket.
    pub bucket: String,
    /// Prefix of every key, such as `team-a/`; empty = none.
    pub key_prefix: String,
    /// Timeout until the first byte of a response; a request is sent at most four times. A low value fails large parts on
    /// a slow store; a high value delays the detection of a hanging store.
    pub timeout: Duration,
}

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
    pub async fn connect(config: &StoreConfig) -> Self {
        // ring is the only crypto provider of the process
        let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(config.timeout).build();
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
            .timeout_config(timeouts)
            .load()
            .await;
        // most S3-compatible servers do not support virtual-hosted-style requests
        let s3 = aws_sdk_s3::config::Builder::from(&shared).force_path_style(true).build();
        Self { client: Client::from_conf(s3), bucket: config.bucket.clone(), key_prefix: config.key_prefix.clone() }
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
        self.client.head_bucket().bucket(&self.bucket).send().await.map_err(|error| StoreError::from_head_bucket(&self.bucket, &error))?;
        Ok(())
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
        let output = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .set_range(range)
            .send()
            .await
            .map_err(|error| StoreError::from_get(&self.bucket, key, &error))?;
        let bytes = u64::try_from(output.content_length().unwrap_or_default()).unwrap_or_default();
        Ok(Object { reader: Box::new(output.body.into_async_read()), bytes })
    }

    /// Downloads an object to a file and verifies its hash. The file gets its final name only once it is complete and verified.
    ///
    /// # Errors
    /// [`StoreError::ChecksumMismatch`] if the content differs from the recorded hash.
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
                .map_err(|error| StoreError::Unavailable { operation: format!("reading `{key}`"), cause: error.to_string() })?;
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
