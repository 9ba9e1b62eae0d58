//! Errors of the object store.

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::head_bucket::HeadBucketError;

/// An operation on the object store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bucket does not exist.
    #[error("bucket `{0}` does not exist: create it, or set APRENDIZ_BUCKET to an existing one")]
    MissingBucket(String),
    /// The credentials do not grant access to the bucket.
    #[error("access to bucket `{0}` denied: check AWS_ACCESS_KEY_ID and its permissions")]
    AccessDenied(String),
    /// The object does not exist.
    #[error("object `{0}` does not exist")]
    MissingObject(String),
    /// The content of an object differs from what was uploaded.
    #[error("object `{key}` is corrupted: expected sha256 {expected}, got {found}")]
    ChecksumMismatch {
        /// Object key.
        key: String,
        /// Recorded hash.
        expected: String,
        /// Hash of the received content.
        found: String,
    },
    /// S3 did not respond, or returned an unexpected error.
    #[error("object store error while {operation}: {cause}")]
    Unavailable {
        /// The attempted operation.
        operation: String,
        /// The error of the SDK or the server.
        cause: String,
    },
    /// A local file could not be read or written.
    #[error("file `{path}`: {source}")]
    File {
        /// Path of the file.
        path: String,
        /// I/O error.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether a retry may succeed. This includes a missing bucket and denied access: an operator can fix both without changing the run.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::MissingObject(_))
    }

    pub(crate) fn from_sdk<E, R>(bucket: &str, operation: impl Into<String>, error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug,
    {
        match error.code() {
            Some("NoSuchBucket") => Self::MissingBucket(bucket.to_owned()),
            _ => Self::Unavailable { operation: operation.into(), cause: DisplayErrorContext(error).to_string() },
        }
    }

    pub(crate) fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    pub(crate) fn from_get<R: std::fmt::Debug>(bucket: &str, key: &str, error: &SdkError<GetObjectError, R>) -> Self {
        match error.as_service_error() {
            Some(GetObjectError::NoSuchKey(_)) => Self::MissingObject(key.to_owned()),
            _ => Self::from_sdk(bucket, format!("reading `{key}`"), error),
        }
    }

    pub(crate) fn from_head_bucket(bucket: &str, error: &SdkError<HeadBucketError>) -> Self {
        match error.raw_response().map(|response| response.status().as_u16()) {
            Some(404) => Self::MissingBucket(bucket.to_owned()),
            Some(401 | 403) => Self::AccessDenied(bucket.to_owned()),
            _ => Self::from_sdk(bucket, format!("checking bucket `{bucket}`"), error),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::put_object::PutObjectError;

    use super::*;

    fn service_error<E>(code: &str, build: impl Fn(ErrorMetadata) -> E) -> SdkError<E, ()> {
        SdkError::service_error(build(ErrorMetadata::builder().code(code).build()), ())
    }

    #[test]
    fn missing_bucket_is_distinguished_from_missing_object() {
        let reading = StoreError::from_get("models", "key", &service_error("NoSuchBucket", GetObjectError::generic));
        let writing = StoreError::from_sdk("models", "writing `key`", &service_error("NoSuchBucket", PutObjectError::generic));
        for error in [reading, writing] {
            assert!(matches!(&error, StoreError::MissingBucket(bucket) if bucket == "models"), "{error}");
            assert!(error.is_retryable(), "the bucket can still be created");
        }
    }

    #[test]
    fn other_errors_name_the_operation_and_the_cause() {
        let error = StoreError::from_sdk("models", "writing `key`", &service_error("SlowDown", PutObjectError::generic));
        let text = error.to_string();
        assert!(matches!(error, StoreError::Unavailable { .. }) && text.contains("writing `key`") && text.contains("SlowDown"), "{text}");
    }
}
