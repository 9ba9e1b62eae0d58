//! Multipart uploads in progress, and the checksums of their parts.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use s3s::dto::{Checksum, CompletedPart, MultipartUpload, Timestamp};
use s3s::{S3Result, s3_error};

use crate::checksum::{Sum, sums_of_part};

/// An upload that this process has started. After a restart it can still be continued and aborted, but is not listed.
#[derive(Debug, Clone)]
struct Upload {
    bucket: String,
    key: String,
    algorithm: Option<String>,
    started: SystemTime,
    parts: BTreeMap<i32, Option<Sum>>,
}

#[derive(Debug, Default)]
pub(crate) struct Uploads(Mutex<HashMap<String, Upload>>);

impl Uploads {
    pub(crate) fn start(&self, id: &str, bucket: &str, key: &str, algorithm: Option<String>) {
        let upload =
            Upload { bucket: bucket.to_owned(), key: key.to_owned(), algorithm, started: SystemTime::now(), parts: BTreeMap::new() };
        self.with(|uploads| uploads.insert(id.to_owned(), upload));
    }

    pub(crate) fn end(&self, id: &str) {
        self.with(|uploads| uploads.remove(id));
    }

    /// Uploads below a prefix, by key.
    pub(crate) fn list(&self, bucket: &str, prefix: &str) -> Vec<MultipartUpload> {
        let mut listed: Vec<MultipartUpload> = self.with(|uploads| {
            let listed = uploads.iter().filter(|(_, upload)| upload.bucket == bucket && upload.key.starts_with(prefix));
            let listed = listed.map(|(id, upload)| MultipartUpload {
                key: Some(upload.key.clone()),
                upload_id: Some(id.clone()),
                initiated: Some(Timestamp::from(upload.started)),
                ..Default::default()
            });
            listed.collect()
        });
        listed.sort_by(|a, b| (&a.key, &a.upload_id).cmp(&(&b.key, &b.upload_id)));
        listed
    }

    /// Accepts a part, as Amazon does: with a checksum of the announced algorithm, or without one if none was announced.
    pub(crate) fn add_part(&self, id: &str, number: i32, sum: Option<Sum>) -> S3Result<()> {
        self.with(|uploads| {
            let upload = uploads.get_mut(id).ok_or_else(|| s3_error!(NoSuchUpload, "The specified upload does not exist."))?;
            let sent = sum.as_ref().map(|sum| sum.algorithm);
            if !sent.unwrap_or_default().eq_ignore_ascii_case(upload.algorithm.as_deref().unwrap_or_default()) {
                return Err(s3_error!(
                    InvalidRequest,
                    "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                    upload.algorithm.as_deref().unwrap_or("null"),
                    sent.unwrap_or("null")
                ));
            }
            upload.parts.insert(number, sum);
            Ok(())
        })
    }

    /// Checks the parts with which an upload is to be completed: each must name the checksum that it was sent with.
    pub(crate) fn check_parts(&self, id: &str, parts: &[CompletedPart]) -> S3Result<()> {
        self.with(|uploads| {
            let upload = uploads.get(id).ok_or_else(|| s3_error!(NoSuchUpload, "The specified upload does not exist."))?;
            for part in parts {
                let number = part.part_number.unwrap_or_default();
                let sent = upload.parts.get(&number).ok_or_else(|| s3_error!(InvalidPart, "part {number} was not uploaded"))?;
                let named = sums_of_part(&Checksum {
                    checksum_crc32: part.checksum_crc32.clone(),
                    checksum_crc32c: part.checksum_crc32c.clone(),
                    checksum_crc64nvme: part.checksum_crc64nvme.clone(),
                    checksum_sha1: part.checksum_sha1.clone(),
                    checksum_sha256: part.checksum_sha256.clone(),
                    ..Default::default()
                });
                match (sent, named.first()) {
                    (Some(_), None) => {
                        return Err(s3_error!(InvalidRequest, "The complete request must include the checksum of part {number}"));
                    }
                    (sent, named) if sent.as_ref() != named => {
                        return Err(s3_error!(InvalidPart, "the checksum of part {number} is not that of the uploaded part"));
                    }
                    _ => {}
                }
            }
            Ok(())
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<String, Upload>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
