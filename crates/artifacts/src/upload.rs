//! Uploads: the hash is taken from the bytes that are sent.

use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::error::StoreError;
use crate::store::Store;

/// Larger files go up in parts of this size; S3 allows 10,000 parts, so up to 156 GiB.
const PART: usize = 16 * 1024 * 1024;

/// What was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// SHA-256 of the bytes, hex.
    pub sha256: String,
    /// How many bytes.
    pub bytes: u64,
}

impl Store {
    /// Uploads a file; memory holds one part at a time.
    ///
    /// # Errors
    /// The file cannot be read, or S3 refuses; an unfinished multipart upload is aborted.
    pub async fn upload(&self, key: &str, path: &Path) -> Result<Uploaded, StoreError> {
        let mut file = File::open(path).await.map_err(|error| StoreError::file(path, error))?;
        let mut hash = Sha256::new();
        let first = read_part(&mut file, path, &mut hash).await?;
        if first.len() < PART {
            let bytes = first.len() as u64;
            self.put(key, first).await?;
            return Ok(Uploaded { sha256: hex::encode(hash.finalize()), bytes });
        }
        let created = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .send()
            .await
            .map_err(|error| StoreError::away(&self.bucket, format!("starting the upload of `{key}`"), &error))?;
        let upload_id = created.upload_id().unwrap_or_default().to_owned();
        match self.upload_parts(key, &upload_id, first, &mut file, path, &mut hash).await {
            Ok(bytes) => Ok(Uploaded { sha256: hex::encode(hash.finalize()), bytes }),
            Err(error) => {
                let abort =
                    self.client.abort_multipart_upload().bucket(&self.bucket).key(self.full_key(key)).upload_id(&upload_id).send().await;
                if let Err(abort) = abort {
                    tracing::warn!(object.key = key, error = %StoreError::away(&self.bucket, "aborting an upload", &abort), "an unfinished upload stays behind");
                }
                Err(error)
            }
        }
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| StoreError::away(&self.bucket, format!("writing `{key}`"), &error))?;
        Ok(())
    }

    async fn upload_parts(
        &self,
        key: &str,
        upload_id: &str,
        first: Bytes,
        file: &mut File,
        path: &Path,
        hash: &mut Sha256,
    ) -> Result<u64, StoreError> {
        let mut parts = Vec::new();
        let mut part = first;
        let mut bytes = 0;
        for number in 1.. {
            bytes += part.len() as u64;
            let full = part.len() == PART;
            let sent = self
                .client
                .upload_part()
                .bucket(&self.bucket)
                .key(self.full_key(key))
                .upload_id(upload_id)
                .part_number(number)
                .body(ByteStream::from(part))
                .send()
                .await
                .map_err(|error| StoreError::away(&self.bucket, format!("writing part {number} of `{key}`"), &error))?;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag().map(ToOwned::to_owned)).build());
            if !full {
                break;
            }
            part = read_part(file, path, hash).await?;
            if part.is_empty() {
                break;
            }
        }
        self.client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .upload_id(upload_id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await
            .map_err(|error| StoreError::away(&self.bucket, format!("finishing the upload of `{key}`"), &error))?;
        Ok(bytes)
    }
}

/// Reads up to one part, fewer bytes only at the end of the file.
async fn read_part(file: &mut File, path: &Path, hash: &mut Sha256) -> Result<Bytes, StoreError> {
    let mut part = BytesMut::with_capacity(64 * 1024);
    while part.len() < PART {
        let room = PART - part.len();
        let read = (&mut *file).take(room as u64).read_buf(&mut part).await.map_err(|error| StoreError::file(path, error))?;
        if read == 0 {
            break;
        }
    }
    hash.update(&part);
    Ok(part.freeze())
}
