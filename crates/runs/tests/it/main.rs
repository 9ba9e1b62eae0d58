//! Every statement of this crate against a real Postgres.

#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod access;
mod cancelling;
mod claiming;
mod creating;
mod ending;
mod events;
mod fencing;
mod fixture;
mod positions;
mod publishing;
mod reaping;
mod schema;
mod state_machine;
