//! Uploads and downloads, against a real S3 server.

#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod absence;
mod damage;
mod fixture;
mod ranges;
mod round_trip;
mod tidying;
