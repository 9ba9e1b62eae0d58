//! Every statement of this crate against a real Postgres.

#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod access;
mod announcing;
mod auditing;
mod bulk_retrying;
mod cancelling;
mod claiming;
mod cloning;
mod creating;
mod ending;
mod events;
mod explaining;
mod fencing;
mod fixture;
mod fleet;
mod positions;
mod publishing;
mod queue_numbers;
mod reaping;
mod remembering;
mod schema;
mod sharing_builds;
mod state_machine;
mod sweeping;
