//! End-to-end tests: the real binaries on a PostgreSQL database, Redis and bucket of each test.
//!
//! A test starts a [`fixture::TestApp`], holds processes at exact points ([`fixture::Hold`], [`fixture::Gate`]), injects faults, and
//! waits for conditions, never for time.

#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod annotations;
mod clients;
mod datasets;
mod faults;
mod fixture;
mod guides;
mod imports;
mod models;
mod operations;
mod runs;
mod workers;
