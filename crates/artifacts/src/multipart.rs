//! Multipart uploads that were begun and never ended: their parts cost space, and no listing of objects shows them.

use std::time::SystemTime;

use aws_sdk_s3::error::ProvideErrorMetadata as _;

use crate::error::StoreError;
use crate::store::Store;

/// A multipart upload that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// Key of the object that it would have made, without the prefix of the bucket.
    pub key: String,
    /// Its id.
    pub upload_id: String,
    /// When it was begun, by the clock of the server; `None` when the server does not say.
    pub begun_at: Option<SystemTime>,
}

impl Store {
    /// Aborts a multipart upload. Returns `false` when the server answers that it cannot: usually because the upload has ended
    /// already, for which servers have different words.
    ///
    /// # Errors
    /// S3 does not answer.
    pub async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<bool, StoreError> {
        let aborted = self.client.abort_multipart_upload().bucket(&self.bucket).key(self.full_key(key)).upload_id(upload_id).send().await;
        match aborted {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some() && error.code() != Some("NoSuchBucket") && !is_overloaded(&error) => {
                tracing::debug!(object.key = key, cause = error.code(), "a multipart upload could not be aborted");
                Ok(false)
            }
            Err(error) => Err(StoreError::away(&self.bucket, format!("aborting an upload of `{key}`"), &error)),
        }
    }

    /// Up to `limit` (at most 1,000) unfinished multipart uploads below a prefix; `None` where the server cannot list them.
    ///
    /// # Errors
    /// S3 is away, or refuses.
    pub async fn unfinished_uploads(&self, prefix: &str, limit: i32) -> Result<Option<Vec<UnfinishedUpload>>, StoreError> {
        let listed =
            self.client.list_multipart_uploads().bucket(&self.bucket).prefix(self.full_key(prefix)).max_uploads(limit).send().await;
        let page = match listed {
            Ok(page) => page,
            Err(error) if error.raw_response().is_some_and(|response| matches!(response.status().as_u16(), 405 | 501)) => {
                return Ok(None);
            }
            Err(error) => return Err(StoreError::away(&self.bucket, format!("listing uploads below `{prefix}`"), &error)),
        };
        let uploads = page.uploads().iter().filter_map(|upload| {
            let key = self.own_key(upload.key()?)?.to_owned();
            let begun_at = upload.initiated().and_then(|time| SystemTime::try_from(*time).ok());
            Some(UnfinishedUpload { key, upload_id: upload.upload_id()?.to_owned(), begun_at })
        });
        Ok(Some(uploads.collect()))
    }
}

/// Whether the server asked to come back later.
fn is_overloaded<E, R>(error: &aws_sdk_s3::error::SdkError<E, R>) -> bool
where
    E: aws_sdk_s3::error::ProvideErrorMetadata,
{
    matches!(error.code(), Some("SlowDown" | "InternalError" | "ServiceUnavailable" | "RequestTimeout"))
}
