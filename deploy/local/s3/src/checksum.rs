//! Checksums of bodies. A body is read whole and verified before any of it is stored.

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use s3s::checksum::ChecksumHasher;
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{Body, S3Result, TrailingHeaders, s3_error};

/// A checksum in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) algorithm: &'static str,
    pub(crate) value: String,
}

/// The checksums that are given.
pub(crate) fn sums_of_part(given: &Checksum) -> Vec<Sum> {
    let all = [
        ("CRC32", &given.checksum_crc32),
        ("CRC32C", &given.checksum_crc32c),
        ("CRC64NVME", &given.checksum_crc64nvme),
        ("SHA1", &given.checksum_sha1),
        ("SHA256", &given.checksum_sha256),
    ];
    all.into_iter().filter_map(|(algorithm, value)| value.clone().map(|value| Sum { algorithm, value })).collect()
}

/// Reads a body and verifies the checksums of its headers and trailers. Returns it with its checksum, if it has one.
pub(crate) async fn read_verified(
    mut body: StreamingBlob,
    mut given: Checksum,
    trailers: Option<&TrailingHeaders>,
) -> S3Result<(Bytes, Option<Sum>)> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|_| s3_error!(IncompleteBody))?);
    }
    // read, not taken: the file store verifies them once more
    if let Some(trailers) = trailers {
        let value = |name: &str| trailers.read(|headers| headers.get(name)?.to_str().ok().map(str::to_owned)).flatten();
        given.checksum_crc32 = given.checksum_crc32.or_else(|| value("x-amz-checksum-crc32"));
        given.checksum_crc32c = given.checksum_crc32c.or_else(|| value("x-amz-checksum-crc32c"));
        given.checksum_crc64nvme = given.checksum_crc64nvme.or_else(|| value("x-amz-checksum-crc64nvme"));
        given.checksum_sha1 = given.checksum_sha1.or_else(|| value("x-amz-checksum-sha1"));
        given.checksum_sha256 = given.checksum_sha256.or_else(|| value("x-amz-checksum-sha256"));
    }
    let mut hasher = ChecksumHasher {
        crc32: given.checksum_crc32.is_some().then(Default::default),
        crc32c: given.checksum_crc32c.is_some().then(Default::default),
        crc64nvme: given.checksum_crc64nvme.is_some().then(Default::default),
        sha1: given.checksum_sha1.is_some().then(Default::default),
        sha256: given.checksum_sha256.is_some().then(Default::default),
    };
    hasher.update(&bytes);
    let given = sums_of_part(&given);
    if let Some((given, found)) = given.iter().zip(sums_of_part(&hasher.finalize())).find(|(given, found)| *given != found) {
        return Err(s3_error!(BadDigest, "The {} you specified did not match the calculated checksum {}", given.algorithm, found.value));
    }
    Ok((bytes.freeze(), given.into_iter().next()))
}

pub(crate) fn blob(bytes: Bytes) -> StreamingBlob {
    StreamingBlob::from(Body::from(bytes))
}
