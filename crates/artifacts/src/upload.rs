//! Uploads. Hashes are computed from the bytes that are sent.

use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::client;
use crate::error::StoreError;
use crate::permission::Permission;
use crate::store::Store;

/// Part size of multipart uploads. S3 allows 10,000 parts, which limits a file to 156 GiB.
const PART_BYTES: usize = 16 * 1024 * 1024;

/// An uploaded object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// Hex-encoded SHA-256 of the content.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// An upload that has not sent its content yet. Uploads have two steps, so that the ID of a multipart upload can be recorded before
/// its first part is sent. After a crash, the record allows the upload to be aborted.
#[derive(Debug)]
#[must_use = "nothing is uploaded before `finish`"]
pub struct Upload<'a> {
    store: &'a Store,
    key: &'a str,
    path: &'a Path,
    file: File,
    hash: Sha256,
    first: Bytes,
    upload_id: Option<String>,
}

impl Upload<'_> {
    /// The ID of the multipart upload; `None` for a small file, which is sent in a single request.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.upload_id.as_deref()
    }

    /// Uploads the content. One part at a time is held in memory.
    ///
    /// # Errors
    /// The file cannot be read, or S3 rejects the upload. A failed multipart upload is aborted.
    #[tracing::instrument(name = "upload_object", level = "debug", skip_all, fields(object.key = self.key))]
    pub async fn finish(mut self) -> Result<Uploaded, StoreError> {
        let Some(upload_id) = self.upload_id.take() else {
            let bytes = self.first.len() as u64;
            self.store.put(self.key, self.first).await?;
            return Ok(Uploaded { sha256: hex::encode(self.hash.finalize()), bytes });
        };
        match self.store.upload_parts(self.key, &upload_id, self.first, &mut self.file, self.path, &mut self.hash).await {
            Ok(bytes) => Ok(Uploaded { sha256: hex::encode(self.hash.finalize()), bytes }),
            Err(error) => {
                abort_or_warn(self.store, self.key, &upload_id).await;
                Err(error)
            }
        }
    }

    /// Aborts the upload without sending the content.
    pub async fn abort(self) {
        if let Some(upload_id) = &self.upload_id {
            abort_or_warn(self.store, self.key, upload_id).await;
        }
    }
}

async fn abort_or_warn(store: &Store, key: &str, upload_id: &str) {
    match store.abort_upload(key, upload_id).await {
        Ok(_) => {}
        Err(error) => tracing::warn!(object.key = key, %error, "incomplete upload not aborted"),
    }
}

impl Store {
    /// Uploads a file. One part at a time is held in memory.
    ///
    /// # Errors
    /// The file cannot be read, or S3 rejects the upload. A failed multipart upload is aborted.
    pub async fn upload(&self, key: &str, path: &Path) -> Result<Uploaded, StoreError> {
        self.begin_upload(key, path).await?.finish().await
    }

    /// Prepares the upload of a file. For a large file, this creates the multipart upload; its ID is in [`Upload::id`].
    ///
    /// # Errors
    /// The file cannot be read, or S3 rejects the request.
    pub async fn begin_upload<'a>(&'a self, key: &'a str, path: &'a Path) -> Result<Upload<'a>, StoreError> {
        let file = File::open(path).await.map_err(|error| StoreError::file(path, error))?;
        self.begin_file_upload(key, file, path).await
    }

    /// Like [`Store::begin_upload`], for an open file at its start, which may have no name; `path` stands for it in errors.
    ///
    /// # Errors
    /// The file cannot be read, or S3 rejects the request.
    pub async fn begin_file_upload<'a>(&'a self, key: &'a str, mut file: File, path: &'a Path) -> Result<Upload<'a>, StoreError> {
        let mut hash = Sha256::new();
        let first = read_part(&mut file, path, &mut hash).await?;
        if first.len() < PART_BYTES {
            return Ok(Upload { store: self, key, path, file, hash, first, upload_id: None });
        }
        let upload_id = Some(self.create_multipart_upload(key).await?);
        Ok(Upload { store: self, key, path, file, hash, first, upload_id })
    }

    /// Starts a multipart upload and returns its ID.
    pub(crate) async fn create_multipart_upload(&self, key: &str) -> Result<String, StoreError> {
        let starting = || format!("starting the upload of `{key}`");
        // Amazon accepts checksums of parts only if the upload announces their algorithm
        let algorithm = client::sends_checksums(&self.client).then_some(ChecksumAlgorithm::Crc32);
        let created = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .set_checksum_algorithm(algorithm)
            .send()
            .await
            .map_err(|error| self.operation(Permission::PutObject, starting()).failed(&error))?;
        match created.upload_id() {
            Some(id) if !id.is_empty() => Ok(id.to_owned()),
            _ => Err(StoreError::Rejected {
                operation: starting(),
                reason: "the answer has no upload id: check that AWS_ENDPOINT_URL_S3 is an S3 server".to_owned(),
            }),
        }
    }

    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| self.operation(Permission::PutObject, format!("writing `{key}`")).failed(&error))?;
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
            let is_full = part.len() == PART_BYTES;
            parts.push(self.upload_part(key, upload_id, number, part).await?);
            if !is_full {
                break;
            }
            part = read_part(file, path, hash).await?;
            if part.is_empty() {
                break;
            }
        }
        self.complete_multipart_upload(key, upload_id, parts).await?;
        Ok(bytes)
    }

    pub(crate) async fn upload_part(&self, key: &str, upload_id: &str, number: i32, part: Bytes) -> Result<CompletedPart, StoreError> {
        // computed here: not every store repeats the checksum in its answer, and completing the upload must name it
        let checksum = client::sends_checksums(&self.client).then(|| BASE64_STANDARD.encode(crc32fast::hash(&part).to_be_bytes()));
        let sent = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .upload_id(upload_id)
            .part_number(number)
            .set_checksum_crc32(checksum.clone())
            .body(ByteStream::from(part))
            .send()
            .await
            .map_err(|error| self.operation(Permission::PutObject, format!("writing part {number} of `{key}`")).failed(&error))?;
        let e_tag = sent.e_tag().map(ToOwned::to_owned);
        Ok(CompletedPart::builder().part_number(number).set_e_tag(e_tag).set_checksum_crc32(checksum).build())
    }

    pub(crate) async fn complete_multipart_upload(&self, key: &str, upload_id: &str, parts: Vec<CompletedPart>) -> Result<(), StoreError> {
        self.client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .upload_id(upload_id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await
            .map_err(|error| self.operation(Permission::PutObject, format!("finishing the upload of `{key}`")).failed(&error))?;
        Ok(())
    }
}

/// Reads one part; shorter only at the end of the file.
async fn read_part(file: &mut File, path: &Path, hash: &mut Sha256) -> Result<Bytes, StoreError> {
    let mut part = BytesMut::with_capacity(64 * 1024);
    while part.len() < PART_BYTES {
        let remaining = PART_BYTES - part.len();
        let read = (&mut *file).take(remaining as u64).read_buf(&mut part).await.map_err(|error| StoreError::file(path, error))?;
        if read == 0 {
            break;
        }
    }
    hash.update(&part);
    Ok(part.freeze())
}
