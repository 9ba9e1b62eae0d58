//! Tests of every statement of this crate against a real Postgres.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod api_keys;
mod audit;
mod embeddings;
mod evaluations;
mod fixture;
mod identities;
mod labels;
mod lists;
mod publish;
mod queue_stats;
mod run;
mod run_errors;
mod schema;
mod shadow;
mod sweep;
mod thresholds;
mod version_life;
mod web_sessions;
mod workers;
