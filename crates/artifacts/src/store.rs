//! The bucket: connect, check, read.

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
const COPY_BUFFER: usize = 256 * 1024;

/// Which bucket. Endpoint, region and credentials come from the SDK's own variables (`AWS_*`, `AWS_ENDPOINT_URL_S3`).
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Name of the bucket; it must exist.
    pub bucket: String,
    /// Put before every key, for example `team-a/`; empty = none.
    pub key_prefix: String,
    /// How long an answer may take to begin; a request is sent at most four times. Too short and a slow store fails large parts, too
    /// long and one that hangs is noticed late.
    pub timeout: Duration,
}

/// The bucket and a client for it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) client: Client,
    pub(crate) bucket: String,
    key_prefix: String,
}

/// Bytes of an object: from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectRange {
    /// First byte, from 0.
    pub first: u64,
    /// Last byte; `None` = to the end.
    pub last: Option<u64>,
}

/// An object that is being read.
pub struct Object {
    /// Its bytes, or those of the range.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// How many bytes the reader will give.
    pub bytes: u64,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Store {
    /// Prepares a client; nothing is sent yet (see [`Store::check`]).
    pub async fn connect(config: &StoreConfig) -> Self {
        // one crypto provider for the whole process: ring
        let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(config.timeout).build();
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(timeouts)
            .load()
            .await;
        // servers that are not Amazon's rarely resolve bucket names as hosts
        let s3 = aws_sdk_s3::config::Builder::from(&shared).force_path_style(true).build();
        Self { client: Client::from_conf(s3), bucket: config.bucket.clone(), key_prefix: config.key_prefix.clone() }
    }

    pub(crate) fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.key_prefix)
    }

    /// The key without the prefix of the bucket; `None` for a key of someone else.
    pub(crate) fn own_key<'a>(&self, full_key: &'a str) -> Option<&'a str> {
        full_key.strip_prefix(&self.key_prefix)
    }

    /// Name of the bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Whether the bucket can be used.
    ///
    /// # Errors
    /// Names the bucket and what to do.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.client.head_bucket().bucket(&self.bucket).send().await.map_err(|error| StoreError::of_bucket(&self.bucket, &error))?;
        Ok(())
    }

    /// Opens an object for reading.
    ///
    /// # Errors
    /// [`StoreError::MissingObject`], or S3 is away.
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
            .map_err(|error| StoreError::of_get(&self.bucket, key, &error))?;
        let bytes = u64::try_from(output.content_length().unwrap_or_default()).unwrap_or_default();
        Ok(Object { reader: Box::new(output.body.into_async_read()), bytes })
    }

    /// Downloads an object into a file and checks its hash. The file appears under its name only when it is whole and right.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the bytes are not the recorded ones.
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
        let mut buffer = vec![0; COPY_BUFFER];
        let mut bytes = 0;
        loop {
            let read = object
                .reader
                .read(&mut buffer)
                .await
                .map_err(|error| StoreError::Away { doing: format!("reading `{key}`"), cause: error.to_string() })?;
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
            return Err(StoreError::Damaged { key: key.to_owned(), expected: expected_sha256.to_owned(), found });
        }
        tokio::fs::rename(part, path).await.map_err(file_error)?;
        Ok(bytes)
    }
}
