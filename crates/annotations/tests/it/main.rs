//! Imports, exports, reviews and queries, with a real Postgres.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should stop it there")]

mod archive;
mod database;
mod document_versions;
mod documents;
mod erasure;
mod export;
mod imports;
mod near_duplicates;
mod normalize_values;
mod predictions;
mod random_text;
mod reverts;
mod reviews;
mod scopes;
mod sources;
mod task_builders;
