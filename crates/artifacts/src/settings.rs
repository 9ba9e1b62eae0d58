//! Settings of the object store.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Settings of a bucket. Region, credentials and endpoint come from the variables and the profile of the AWS SDK (`AWS_*`,
/// `AWS_ENDPOINT_URL_S3`), unless a field sets them.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Name of an existing bucket.
    pub bucket: String,
    /// Prefix of every key, such as `team-a/`; empty = none.
    pub key_prefix: String,
    /// Timeout until the first byte of a response; a request is sent at most four times. A low value fails large parts on
    /// a slow store; a high value delays the detection of a hanging store.
    pub timeout: Duration,
    /// Where requests name the bucket; `None` = in the path for a custom endpoint, in the host name for Amazon.
    pub addressing: Option<Addressing>,
    /// Checksums of requests; `None` = as the AWS SDK is configured.
    pub request_checksums: Option<ChecksumUse>,
    /// Checksums of responses; `None` = as the AWS SDK is configured.
    pub response_checksums: Option<ChecksumUse>,
    /// PEM file with the certificate authorities to trust; `None` = those of the system.
    pub ca_bundle: Option<PathBuf>,
    /// Endpoint; `None` = as the AWS SDK is configured.
    pub endpoint: Option<String>,
}

impl StoreConfig {
    /// A bucket with default settings.
    #[must_use]
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            key_prefix: String::new(),
            timeout: DEFAULT_TIMEOUT,
            addressing: None,
            request_checksums: None,
            response_checksums: None,
            ca_bundle: None,
            endpoint: None,
        }
    }
}

/// Where a request names the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// `https://host/bucket/key`.
    Path,
    /// `https://bucket.host/key`.
    Virtual,
}

impl FromStr for Addressing {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "path" => Ok(Self::Path),
            "virtual" => Ok(Self::Virtual),
            _ => Err(()),
        }
    }
}

/// When the client computes or verifies checksums. The values are those of the AWS SDKs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumUse {
    /// Whenever the operation supports them.
    WhenSupported,
    /// Only if the operation requires them: for stores that do not know the headers.
    WhenRequired,
}

impl FromStr for ChecksumUse {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "when_supported" => Ok(Self::WhenSupported),
            "when_required" => Ok(Self::WhenRequired),
            _ => Err(()),
        }
    }
}

impl From<ChecksumUse> for RequestChecksumCalculation {
    fn from(value: ChecksumUse) -> Self {
        match value {
            ChecksumUse::WhenSupported => Self::WhenSupported,
            ChecksumUse::WhenRequired => Self::WhenRequired,
        }
    }
}

impl From<ChecksumUse> for ResponseChecksumValidation {
    fn from(value: ChecksumUse) -> Self {
        match value {
            ChecksumUse::WhenSupported => Self::WhenSupported,
            ChecksumUse::WhenRequired => Self::WhenRequired,
        }
    }
}
