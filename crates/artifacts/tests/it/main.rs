//! Integration tests against a real S3 server.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod certificates;
mod checksum;
mod deletion;
mod fixture;
mod missing;
mod probing;
mod ranges;
mod strict_stores;
mod upload_download;
