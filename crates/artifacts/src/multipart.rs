//! Incomplete multipart uploads. Their parts use space, but object listings do not show them.

use std::time::SystemTime;

use aws_sdk_s3::error::ProvideErrorMetadata as _;

use crate::error::StoreError;
use crate::store::Store;

/// A multipart upload that was neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncompleteUpload {
    /// Key of the object, without the configured key prefix.
    pub key: String,
    /// Upload ID.
    pub upload_id: String,
    /// Start time by the clock of the server, if it reports one.
    pub initiated_at: Option<SystemTime>,
}

impl Store {
    /// Aborts a multipart upload. Returns `false` if the server rejects the request, usually because the upload has already ended;
    /// the error code for that differs between servers.
    ///
    /// # Errors
    /// S3 is unavailable.
    pub async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<bool, StoreError> {
        let aborted = self.client.abort_multipart_upload().bucket(&self.bucket).key(self.full_key(key)).upload_id(upload_id).send().await;
        match aborted {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some() && error.code() != Some("NoSuchBucket") && !is_overloaded(&error) => {
                tracing::debug!(object.key = key, cause = error.code(), "multipart upload not aborted");
                Ok(false)
            }
            Err(error) => Err(StoreError::from_sdk(&self.bucket, format!("aborting an upload of `{key}`"), &error)),
        }
    }

    /// Lists up to `limit` (at most 1,000) incomplete multipart uploads below a prefix. `None` if the server cannot list them.
    ///
    /// # Errors
    /// S3 is unavailable, or rejects the request.
    pub async fn incomplete_uploads(&self, prefix: &str, limit: i32) -> Result<Option<Vec<IncompleteUpload>>, StoreError> {
        let listed =
            self.client.list_multipart_uploads().bucket(&self.bucket).prefix(self.full_key(prefix)).max_uploads(limit).send().await;
        let page = match listed {
            Ok(page) => page,
            Err(error) if error.raw_response().is_some_and(|response| matches!(response.status().as_u16(), 405 | 501)) => {
                return Ok(None);
            }
            Err(error) => return Err(StoreError::from_sdk(&self.bucket, format!("listing uploads below `{prefix}`"), &error)),
        };
        let uploads = page.uploads().iter().filter_map(|upload| {
            let key = self.strip_key_prefix(upload.key()?)?.to_owned();
            let initiated_at = upload.initiated().and_then(|time| SystemTime::try_from(*time).ok());
            Some(IncompleteUpload { key, upload_id: upload.upload_id()?.to_owned(), initiated_at })
        });
        Ok(Some(uploads.collect()))
    }
}

/// Whether the server asks for a later retry.
fn is_overloaded<E, R>(error: &aws_sdk_s3::error::SdkError<E, R>) -> bool
where
    E: aws_sdk_s3::error::ProvideErrorMetadata,
{
    matches!(error.code(), Some("SlowDown" | "InternalError" | "ServiceUnavailable" | "RequestTimeout"))
}
