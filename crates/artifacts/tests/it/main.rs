//! Integration tests against a real S3 server.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod checksum;
mod deletion;
mod fixture;
mod missing;
mod ranges;
mod upload_download;
