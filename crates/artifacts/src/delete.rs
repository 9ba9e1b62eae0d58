//! Deleting and listing objects, for whoever keeps the bucket clean.

use std::time::SystemTime;

use aws_sdk_s3::operation::delete_object::DeleteObjectError;

use crate::error::StoreError;
use crate::store::Store;

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key, without the prefix of the bucket.
    pub key: String,
    /// When it was written, by the clock of the server; `None` when the server does not say.
    pub modified_at: Option<SystemTime>,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// In the order of their keys.
    pub objects: Vec<ListedObject>,
    /// Whether there are more after the last of them.
    pub more: bool,
}

impl Store {
    /// Deletes an object. One that is not there counts as deleted.
    ///
    /// # Errors
    /// S3 is away, or refuses.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let deleted = self.client.delete_object().bucket(&self.bucket).key(self.full_key(key)).send().await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(is_missing) => Ok(()),
            Err(error) => Err(StoreError::away(&self.bucket, format!("deleting `{key}`"), &error)),
        }
    }

    /// Up to `limit` (at most 1,000) objects below a prefix, in the order of their keys, after the key `after`.
    ///
    /// # Errors
    /// S3 is away, or refuses.
    pub async fn list(&self, prefix: &str, after: Option<&str>, limit: i32) -> Result<Listing, StoreError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(self.full_key(prefix))
            .set_start_after(after.map(|key| self.full_key(key)))
            .max_keys(limit)
            .send()
            .await
            .map_err(|error| StoreError::away(&self.bucket, format!("listing `{prefix}`"), &error))?;
        let listed = page.contents().iter().filter_map(|object| {
            let key = self.own_key(object.key()?)?;
            let modified_at = object.last_modified().and_then(|time| SystemTime::try_from(*time).ok());
            Some(ListedObject { key: key.to_owned(), modified_at })
        });
        Ok(Listing { objects: listed.collect(), more: page.is_truncated().unwrap_or_default() })
    }
}

/// Amazon answers a deletion of nothing with success; others say that there is nothing.
fn is_missing(error: &DeleteObjectError) -> bool {
    error.meta().code() == Some("NoSuchKey")
}
