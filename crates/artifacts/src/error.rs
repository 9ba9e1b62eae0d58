//! The error of this crate.

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::head_bucket::HeadBucketError;

/// Why an object could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bucket does not exist.
    #[error("bucket `{0}` does not exist: create it, or set APRENDIZ_BUCKET to an existing one")]
    MissingBucket(String),
    /// The bucket exists, but not for these credentials.
    #[error("bucket `{0}` refuses these credentials: check AWS_ACCESS_KEY_ID and its rights")]
    Refused(String),
    /// No such object.
    #[error("object `{0}` does not exist")]
    MissingObject(String),
    /// What came back is not what was written.
    #[error("object `{key}` is damaged: expected sha256 {expected}, got {found}")]
    Damaged {
        /// Its key.
        key: String,
        /// Hash that was recorded.
        expected: String,
        /// Hash of what came.
        found: String,
    },
    /// S3 did not answer, or not in the expected way.
    #[error("object store, {doing}: {cause}")]
    Away {
        /// What was tried.
        doing: String,
        /// What came back.
        cause: String,
    },
    /// A local file could not be read or written.
    #[error("file `{path}`: {source}")]
    File {
        /// The file.
        path: String,
        /// The reason.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether trying again later may help. A missing bucket may come back, and wrong credentials may be mended, without
    /// any change to the run.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::MissingObject(_))
    }

    pub(crate) fn away<E, R>(bucket: &str, doing: impl Into<String>, error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug,
    {
        match error.code() {
            Some("NoSuchBucket") => Self::MissingBucket(bucket.to_owned()),
            _ => Self::Away { doing: doing.into(), cause: DisplayErrorContext(error).to_string() },
        }
    }

    pub(crate) fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    pub(crate) fn of_get<R: std::fmt::Debug>(bucket: &str, key: &str, error: &SdkError<GetObjectError, R>) -> Self {
        match error.as_service_error() {
            Some(GetObjectError::NoSuchKey(_)) => Self::MissingObject(key.to_owned()),
            _ => Self::away(bucket, format!("reading `{key}`"), error),
        }
    }

    pub(crate) fn of_bucket(bucket: &str, error: &SdkError<HeadBucketError>) -> Self {
        match error.raw_response().map(|response| response.status().as_u16()) {
            Some(404) => Self::MissingBucket(bucket.to_owned()),
            Some(401 | 403) => Self::Refused(bucket.to_owned()),
            _ => Self::away(bucket, format!("looking for bucket `{bucket}`"), error),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::put_object::PutObjectError;

    use super::*;

    fn refused<E>(code: &str, build: impl Fn(ErrorMetadata) -> E) -> SdkError<E, ()> {
        SdkError::service_error(build(ErrorMetadata::builder().code(code).build()), ())
    }

    #[test]
    fn a_missing_bucket_is_no_missing_object() {
        let reading = StoreError::of_get("models", "key", &refused("NoSuchBucket", GetObjectError::generic));
        let writing = StoreError::away("models", "writing `key`", &refused("NoSuchBucket", PutObjectError::generic));
        for error in [reading, writing] {
            assert!(matches!(&error, StoreError::MissingBucket(bucket) if bucket == "models"), "{error}");
            assert!(error.is_retryable(), "it may be created: the run need not fail for good");
        }
    }

    #[test]
    fn other_refusals_say_what_was_tried_and_what_came_back() {
        let error = StoreError::away("models", "writing `key`", &refused("SlowDown", PutObjectError::generic));
        let text = error.to_string();
        assert!(matches!(error, StoreError::Away { .. }) && text.contains("writing `key`") && text.contains("SlowDown"), "{text}");
    }
}
