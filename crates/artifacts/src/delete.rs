//! Listing and deletion of objects, used by garbage collection.

use std::collections::HashSet;
use std::time::SystemTime;

use aws_sdk_s3::operation::delete_object::DeleteObjectError;

use crate::error::StoreError;
use crate::permission::Permission;
use crate::store::Store;

/// Objects per page; S3 returns at most this many.
const MAX_LISTED: i32 = 1_000;

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Key without the configured key prefix.
    pub key: String,
    /// Modification time by the clock of the server, if it reports one.
    pub modified_at: Option<SystemTime>,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Objects in key order.
    pub objects: Vec<ListedObject>,
    /// Whether more objects follow.
    pub more: bool,
}

impl Store {
    /// Deletes an object. Deleting a missing object succeeds.
    ///
    /// # Errors
    /// S3 is unavailable, or rejects the request.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let deleted = self.client.delete_object().bucket(&self.bucket).key(self.full_key(key)).send().await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(is_missing) => Ok(()),
            Err(error) => Err(self.operation(Permission::DeleteObject, format!("deleting `{key}`")).failed(&error)),
        }
    }

    /// Lists up to `limit` (at most 1,000) objects below a prefix in key order, starting after the key `after`.
    ///
    /// # Errors
    /// S3 is unavailable, or rejects the request.
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
            .map_err(|error| self.operation(Permission::ListBucket, format!("listing `{prefix}`")).failed(&error))?;
        let listed = page.contents().iter().filter_map(|object| {
            let key = self.strip_key_prefix(object.key()?)?;
            let modified_at = object.last_modified().and_then(|time| SystemTime::try_from(*time).ok());
            Some(ListedObject { key: key.to_owned(), modified_at })
        });
        Ok(Listing { objects: listed.collect(), more: page.is_truncated().unwrap_or_default() })
    }

    /// The keys below a prefix that have no object in the bucket, in the given order.
    ///
    /// # Errors
    /// S3 is unavailable, or rejects the request.
    pub async fn missing_objects(&self, prefix: &str, keys: &[String]) -> Result<Vec<String>, StoreError> {
        let mut found = HashSet::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.list(prefix, after.as_deref(), MAX_LISTED).await?;
            after = page.objects.last().map(|object| object.key.clone());
            found.extend(page.objects.into_iter().map(|object| object.key));
            if !page.more || after.is_none() {
                break;
            }
        }
        Ok(keys.iter().filter(|key| !found.contains(*key)).cloned().collect())
    }
}

/// AWS reports success for the deletion of a missing object; other servers report `NoSuchKey`.
fn is_missing(error: &DeleteObjectError) -> bool {
    error.meta().code() == Some("NoSuchKey")
}
