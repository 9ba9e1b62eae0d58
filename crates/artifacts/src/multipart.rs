//! Incomplete multipart uploads. Their parts use space, but object listings do not show them.

use std::time::SystemTime;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::abort_multipart_upload::AbortMultipartUploadError;

use crate::error::StoreError;
use crate::permission::Permission;
use crate::store::Store;

/// Uploads per listing; S3 returns at most this many.
const MAX_UPLOADS: i32 = 1_000;

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
    /// Aborts all incomplete uploads of an object, recorded or not. Does nothing if the server cannot list them.
    ///
    /// # Errors
    /// S3 is unavailable, or rejects a request.
    pub async fn abort_uploads_of(&self, key: &str) -> Result<(), StoreError> {
        let uploads = self.incomplete_uploads(key, MAX_UPLOADS).await?.unwrap_or_default();
        for upload in uploads.iter().filter(|upload| upload.key == key) {
            self.abort_upload(key, &upload.upload_id).await?;
        }
        Ok(())
    }

    /// Aborts a multipart upload. Returns `false` if the upload has already ended.
    ///
    /// # Errors
    /// S3 is unavailable, or rejects the request for another reason.
    pub async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<bool, StoreError> {
        let aborted = self.client.abort_multipart_upload().bucket(&self.bucket).key(self.full_key(key)).upload_id(upload_id).send().await;
        match aborted {
            Ok(_) => Ok(true),
            Err(error) if has_ended(&error) => {
                tracing::debug!(object.key = key, cause = error.code(), "multipart upload has already ended");
                Ok(false)
            }
            Err(error) => Err(self.operation(Permission::AbortMultipartUpload, format!("aborting an upload of `{key}`")).failed(&error)),
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
            Err(error) => {
                let listing = self.operation(Permission::ListBucketMultipartUploads, format!("listing uploads below `{prefix}`"));
                return Err(listing.failed(&error));
            }
        };
        let uploads = page.uploads().iter().filter_map(|upload| {
            let key = self.strip_key_prefix(upload.key()?)?.to_owned();
            let initiated_at = upload.initiated().and_then(|time| SystemTime::try_from(*time).ok());
            Some(IncompleteUpload { key, upload_id: upload.upload_id()?.to_owned(), initiated_at })
        });
        Ok(Some(uploads.collect()))
    }
}

/// Whether an abort failed because the upload does not exist any more: `NoSuchUpload`, or another code on some servers.
fn has_ended(error: &SdkError<AbortMultipartUploadError, HttpResponse>) -> bool {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let is_temporary = matches!(error.code(), Some("NoSuchBucket" | "RequestTimeout" | "IncompleteBody"));
    error.as_service_error().is_some() && matches!(status, Some(400 | 404)) && !is_temporary
}
